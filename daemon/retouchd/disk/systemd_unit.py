"""
The systemd unit that this process runs as, if any.
"""

import os
from dataclasses import dataclass
from pathlib import Path

UNIT_VARIABLE = "RETOUCHD_UNIT"
"""Names the unit whose place this process takes: `check --service` looks at things as that unit would."""

_SERVICE = ".service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """
    A service by its name, of the machine or of one user.
    """

    name: str
    is_user: bool = False

    def command(self, verb: str) -> str:
        """
        Return what the operator types to have something done with it.
        """
        scope = "--user " if self.is_user else ""
        return f"systemctl {scope}{verb} {self.name.removesuffix(_SERVICE)}"

    @property
    def instance(self) -> str:
        """
        Return what stands behind the `@`, empty where it is no instance of a template.
        """
        return self.name.removesuffix(_SERVICE).partition("@")[2]


def own_unit() -> Unit | None:
    """
    Return the unit that this process is, None where a person started it.
    """
    if "INVOCATION_ID" not in os.environ:
        return None
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        place = line.partition(":")[2].partition(":")[2]
        name = os.environ.get(UNIT_VARIABLE) or place.rpartition("/")[2]
        if place.endswith(_SERVICE) and name.endswith(_SERVICE):
            return Unit(name=name, is_user="/user@" in place)
    return None
