"""
One instance of the service under a real systemd, and what a person does with it.
"""

import io
import json
import re
from dataclasses import dataclass
from typing import Any

from builders import until
from canary import CANARY
from real_systemd import Machine
from sample_pictures import scene

UNITS = ("retouchd.service", "retouchd@.service")
_SECONDS = 120.0
_BEAT_SECONDS = 0.1


def install(machine: Machine) -> None:
    """
    Install the product with its user, folders and units, as docs/service.md says.
    """
    machine.install("/opt/retouchd")
    machine.shell(
        """
        cd /opt/source/systemd
        install -D -m 644 retouchd.sysusers /etc/sysusers.d/retouchd.conf && systemd-sysusers
        install -D -m 644 retouchd.tmpfiles /etc/tmpfiles.d/retouchd.conf
        systemd-tmpfiles --create retouchd.conf
        install -m 644 retouchd.service retouchd@.service /etc/systemd/system/
        systemctl daemon-reload
        """
    )


@dataclass(frozen=True, kw_only=True)
class Service:
    """
    An instance of the template by its name, without one the service itself; nothing of it is there before
    `configure`.
    """

    machine: Machine
    name: str

    @property
    def unit(self) -> str:
        return f"retouchd@{self.name}.service" if self.name else "retouchd.service"

    @property
    def root(self) -> str:
        return f"/srv/retouch/{self.name}".rstrip("/")

    def configure(self, url: str, *, key: str = CANARY, unit: str = "", more: str = "") -> None:
        """
        Make folders, configuration and key; `unit` are settings of [Service] for this instance alone.
        """
        places = " ".join(
            f"{self.root}/{each}" for each in ("inbox", "outbox", "done", "error", "work")
        )
        self.machine.shell(f"install -d -o retouchd -g retouchd -m 2770 {self.root} {places}")
        self.write_config(url, more=more)
        place = f"/etc/retouchd/{f'{self.name}.key' if self.name else 'api_key'}"
        self.machine.write(place, f"{key}\n")
        self.machine.shell(f"chmod 600 {place}")
        if unit:
            place = f"/etc/systemd/system/{self.unit}.d/tests.conf"
            self.machine.write(place, f"[Service]\n{unit}\n")
            self.machine.run("systemctl", "daemon-reload")

    def write_config(self, url: str, *, more: str = "") -> None:
        """
        Write the configuration, perhaps anew.
        """
        config = (
            f'[folders]\nroot = "{self.root}"\n[endpoint]\nbase_url = "{url}"\n'
            f"[intake]\nsettle_seconds = 0.2\n{more}"
        )
        self.machine.write(f"/etc/retouchd/{self.name or 'config'}.toml", config)

    def start(self) -> None:
        """
        Start it; returns once it is ready.
        """
        self.machine.run("systemctl", "start", self.unit)

    def stop(self) -> None:
        """
        Stop it, however long that takes.
        """
        self.machine.run("systemctl", "stop", self.unit)

    def drop(self, name: str = "cat.png", prompt: str = "make it blue") -> None:
        """
        Drop a picture with its prompt, as somebody of the group.
        """
        raw = io.BytesIO()
        scene().save(raw, "PNG")
        there = self.machine.share / f"{self.name}-drop.png"
        there.write_bytes(raw.getvalue())
        script = 'cp "$1" "$2/$3"; printf %s "$4" > "$2/${3%.*}.txt"; chmod 664 "$2"/*'
        inside = f"/srv/share/{there.name}"
        self.machine.run("bash", "-euc", script, "-", inside, f"{self.root}/inbox", name, prompt)

    def files(self, folder: str) -> list[str]:
        """
        Return the names in one of its folders.
        """
        found = self.machine.run("find", f"{self.root}/{folder}", "-type", "f", "-printf", "%f\\0")
        return sorted(each for each in found.stdout.split("\0") if each)

    def record(self, name: str) -> dict[str, Any]:
        """
        Return a record out of done.
        """
        return dict(json.loads(self.machine.run("cat", f"{self.root}/done/{name}").stdout))

    def show(self, name: str) -> str:
        """
        Return a property of its unit.
        """
        return self.machine.show(self.unit, name)[name]

    def wait_for(self, folder: str, name: str) -> None:
        """
        Wait until a file is there; fails with the log if it does not come.
        """
        is_there = until(lambda: name in self.files(folder), seconds=_SECONDS, beat=_BEAT_SECONDS)
        assert is_there, f"{name} did not come into {folder}: {self.log()}"

    def wait_until_shown(self, name: str, pattern: str) -> None:
        """
        Wait until a property of the unit is like that.
        """
        is_so = until(
            lambda: re.search(pattern, self.show(name)), seconds=_SECONDS, beat=_BEAT_SECONDS
        )
        assert is_so, f"{name} is {self.show(name)}, not {pattern}: {self.log()}"

    def journal(self) -> list[dict[str, Any]]:
        """
        Return the journal's entries of this unit.
        """
        found = self.machine.run(
            "journalctl", "--unit", self.unit, "--output", "json", "--no-pager"
        )
        return [json.loads(line) for line in found.stdout.splitlines()]

    def log(self) -> str:
        """
        Return what it logged.
        """
        return "\n".join(str(entry.get("MESSAGE")) for entry in self.journal())
