"""
Where benchmarks run: fresh roots, endpoints, daemons.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.endpoint import Times
from benchmarks.machine import load
from benchmarks.stock import Stock
from process import RETOUCHD, Running, Station, opened

PATIENCE_SECONDS = 300.0
_BEAT_SECONDS = 0.01
_HERE = Path(__file__).parent


def script(name: str) -> tuple[str, str]:
    """
    Return how a module beside this one is started that needs none of the others.
    """
    return sys.executable, os.fspath(_HERE / f"{name}.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """
    A fake endpoint that runs.
    """

    url: str
    certificate: Path | None = None
    """Whom to trust at `secure_url`; None where it speaks no TLS."""

    @property
    def secure_url(self) -> str:
        """
        Return where it speaks TLS.
        """
        return self.url.replace("http://127.0.0.1", "https://localhost")

    def times(self) -> list[Times]:
        """
        Return of each request answered when its first byte, its last byte and its answer passed.
        """
        return self._told("times")

    def forget(self) -> None:
        """
        Forget the requests so far.
        """
        self._told("forget")

    def _told(self, what: str) -> list[Times]:
        with urllib.request.urlopen(f"{self.url.removesuffix('/v1')}/{what}") as answer:
            return [(first, last, end) for first, last, end in json.load(answer)]


class Daemon:
    """
    A daemon of ours in a process of its own; `ready_at` is when it said that it is ready.
    """

    def __init__(
        self, running: Running, manager: socket.socket, began_at: float, report: Path
    ) -> None:
        self._running = running
        self._report = report
        self.began_at = began_at
        self.ready_at = self._await_ready(manager)
        self.pid = running.process.pid

    def _await_ready(self, manager: socket.socket) -> float:
        manager.settimeout(PATIENCE_SECONDS)
        with manager:
            while b"READY=1" not in manager.recv(4096):
                if self._running.process.poll() is not None:
                    raise AssertionError(f"it ended too early:\n{self._running.err}")
            return time.monotonic()

    def seen_inside(self) -> dict[str, Any]:
        """
        Stop one that was started inside, and return what was seen there.
        """
        self.end()
        seen: dict[str, Any] = json.loads(self._report.read_bytes())
        return seen

    def end(self) -> None:
        """
        Stop it as a service manager would.
        """
        self._running.end(signal.SIGTERM, within=PATIENCE_SECONDS)

    def tell(self, number: signal.Signals) -> None:
        """
        Send a signal.
        """
        self._running.tell(number)


class Scene:
    """
    A place for everything that a run of the benchmarks makes; `plots` is where plots are left, and `by_exec`
    gives each program a new interpreter.
    """

    def __init__(self, place: Path, plots: Path, *, by_exec: bool) -> None:
        self._place = place
        self._by_exec = by_exec
        self.plots = plots
        self._numbers = itertools.count(1)
        self.stock = Stock(place / "stock")

    @contextlib.contextmanager
    def station(self, **sections: Mapping[str, Any]) -> Iterator[Station]:
        """
        Open a station; what runs on it ends with the context, and its folders go.
        """
        place = self._place / f"{next(self._numbers)}"
        place.mkdir()
        station = Station(place, by_exec=self._by_exec)
        station.environment = _without_path(station.environment)
        station.configure(**sections)
        try:
            yield station
        finally:
            # Not closed: that would look for the key in gigabytes of noise.
            for running in station._running:
                running.kill()
            shutil.rmtree(place)

    @contextlib.contextmanager
    def endpoint(
        self, answer: int, seconds: float = 0.0, certificate: Path | None = None
    ) -> Iterator[Served]:
        """
        Start an endpoint that answers with a picture of so many bytes after so many seconds; with a
        certificate it speaks TLS, too.
        """
        picture = self.stock.answer(answer)
        with self.station() as station:
            command = [*script("endpoint"), os.fspath(picture), str(seconds)]
            if certificate is not None:
                command.append(os.fspath(certificate))
            running = station.run(*command)
            running.until(lambda: running.out.endswith("\n"))
            port = running.out.strip()
            yield Served(url=f"http://127.0.0.1:{port}/v1", certificate=certificate)

    def told(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """
        Run a program to its end; return what it prints.
        """
        with opened(
            command,
            cwd=self._place,
            environment={**_without_path(os.environ), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            by_exec=self._by_exec,
        ) as process:
            said, _ = process.communicate()
        assert process.returncode == 0, command
        return said.decode()

    def certificate(self) -> Path | None:
        """
        Return a certificate for localhost with its key in one file, None where openssl is not installed.
        """
        openssl, path = shutil.which("openssl"), self._place / "certificate.pem"
        if openssl is None:
            return None
        if not path.exists():
            command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
            command += [
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,DNS:edits.example",
            ]
            key = path.with_suffix(".key")
            command += ["-keyout", os.fspath(key), "-out", os.fspath(path)]
            subprocess.run(command, check=True, capture_output=True)
            path.write_bytes(path.read_bytes() + key.read_bytes())
        return path


def _without_path(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return an environment without what leads to these modules: programs need none of them.
    """
    return {name: each for name, each in environment.items() if name != "PYTHONPATH"}


def start_daemon(station: Station, *, inside: bool = False) -> Daemon:
    """
    Start a daemon, seen from `inside` or not, and wait until it is ready.
    """
    address, report = station.root / "notify", station.root / "report.json"
    address.unlink(missing_ok=True)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(os.fspath(address))
    program: tuple[str, ...] = (RETOUCHD,)
    if inside:
        program = (*script("inside"), os.fspath(report), "retouchd")
    began_at = time.monotonic()
    running = station.run(
        *program,
        "run",
        "--config",
        os.fspath(station.config),
        environment={"NOTIFY_SOCKET": os.fspath(address)},
    )
    return Daemon(running, manager, began_at, report)


def until(condition: Callable[[], object], what: str) -> float:
    """
    Wait until a condition holds and return when it did; fails after some minutes.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come to that: {what} (load {load()})")
        time.sleep(_BEAT_SECONDS)
    return time.monotonic()


def count_in(folder: Path, suffix: str) -> int:
    """
    Return how many names in a folder end so.
    """
    with os.scandir(folder) as entries:
        return sum(entry.name.endswith(suffix) for entry in entries)
