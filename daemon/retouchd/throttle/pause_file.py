"""
The pause that outlives the process: `work/pause.json`, there while the endpoint is known to refuse or fail.
"""

import datetime as dt
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from retouchd.disk import durable
from retouchd.job.json_text import json_text
from retouchd.throttle.breaker import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """
    A hold as it is written down. `configuration` tells which configuration it was met with.
    """

    cause: Cause
    reason: str
    since: dt.datetime
    probes: int
    next_probe: dt.datetime
    configuration: str


_ADAPTER = TypeAdapter(Paused)


class PauseFile:
    """
    The pause of a work folder.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "pause.json"

    def write(self, paused: Paused | None) -> None:
        """
        Write the pause down, or that there is none; durable on return.
        """
        if paused is not None:
            durable.write(
                self._path,
                (json_text(_ADAPTER.dump_python(paused, mode="json"), indent=2) + "\n").encode(),
            )
        else:
            durable.remove(self._path)

    def read(self) -> Paused | None:
        """
        Return the pause that was written down last, None where there is none that can be read.
        """
        try:
            return _ADAPTER.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None
