"""
Commands as processes of their own, looked at from outside: what they say, what they leave, how they end.
"""

import contextlib
import errno
import itertools
import json
import os
import pty
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from builders import tree_of
from canary import CANARY, assert_unsaid
from checker import digest, files_in
from fork_server import Forked, can_start
from retouchd.disk.folders import Folders

RETOUCHD = os.fspath(Path(sys.executable).with_name("retouchd"))
DEADLINE_SECONDS = 90.0

AS_NOBODY = (sys.executable, os.fspath(Path(__file__).with_name("as_nobody.py")))
"""`retouchd` as a user who owns nothing."""

_ENDPOINT = os.fspath(Path(__file__).with_name("counting_endpoint.py"))
_FOLDERS = ("inbox", "outbox", "review", "done", "error", "work")
_FOREIGN = ("RETOUCHD_", "OPENAI_", "CREDENTIALS_", "NOTIFY_", "JOURNAL_", "SSL_", "XDG_")
_BEAT_SECONDS = 0.02


def opened(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str] = os.environ,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    by_exec: bool = False,
) -> subprocess.Popen[bytes]:
    """
    Start a command: `retouchd` and the scripts of the tests by the fork server, where it can, unless
    `by_exec` asks for a new interpreter.
    """
    is_forked = not by_exec and can_start(command, environment)
    start = Forked if is_forked else subprocess.Popen[bytes]
    return start(command, cwd=cwd, env=environment, stdin=stdin, stdout=stdout, stderr=stderr)


class Running:
    """
    A command from its start to its end. What it writes goes to files, so that it never waits for a reader,
    unless another `stderr` is wanted.
    """

    def __init__(
        self,
        command: list[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        place: Path,
        is_journal: bool = False,
        stderr: int | None = None,
        by_exec: bool = False,
    ) -> None:
        place.mkdir(parents=True)
        self._out, self._err = place / "stdout", place / "stderr"
        self._heard: list[dict[str, Any]] = []
        self._heard_bytes = 0
        with self._out.open("wb") as out, self._err.open("wb") as err:
            stat = os.fstat(err.fileno())
            journal = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"} if is_journal else {}
            self.process = opened(
                command,
                cwd=cwd,
                environment={**environment, **journal},
                stdin=subprocess.PIPE,
                stdout=out.fileno(),
                stderr=err.fileno() if stderr is None else stderr,
                by_exec=by_exec,
            )

    @property
    def out(self) -> str:
        """
        Return what it has written to standard output so far.
        """
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        """
        Return what it has written to standard error so far.
        """
        return self._err.read_text("utf-8")

    def events(self, *names: str) -> list[dict[str, Any]]:
        """
        Return the log's lines so far: those of the named events, or all.
        """
        with self._err.open(
            "rb"
        ) as log:  # Asked again and again: only what has come since is read.
            log.seek(self._heard_bytes)
            whole = log.read().rpartition(b"\n")[0]
        if whole:
            self._heard_bytes += len(whole) + 1
            self._heard += [json.loads(each) for each in whole.split(b"\n") if each[:1] == b"{"]
        return [line for line in self._heard if not names or line["event"] in names]

    def until(
        self,
        condition: Callable[[], object],
        *,
        may_end: bool = False,
        within: float = DEADLINE_SECONDS,
    ) -> None:
        """
        Wait until a condition holds. Fails where the deadline passes, or the command ends before.
        """
        deadline = time.monotonic() + within
        while not condition():
            has_ended = self.process.poll() is not None
            if has_ended and not may_end and not condition():
                raise AssertionError(f"it ended too early:\n{self.out}{self.err}")
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not come to that:\n{self.out}{self.err}")
            time.sleep(_BEAT_SECONDS)

    def ready(self) -> "Running":
        """
        Wait until a daemon is ready for photos.
        """
        self.until(lambda: self.events("watch.mode"))
        return self

    def seconds_worked(self) -> float:
        """
        Return how long the processor has worked for it.
        """
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tell(self, number: signal.Signals) -> None:
        """
        Send a signal.
        """
        self.process.send_signal(number)

    def end(self, number: signal.Signals | None = None, within: float = DEADLINE_SECONDS) -> int:
        """
        Wait for the end, after a signal if one is given; return the exit code.
        """
        if number is not None:
            self.tell(number)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"it did not end:\n{self.out}{self.err}") from error
        self._close()
        return code

    def kill(self) -> None:
        """
        End it as a power cut would, if it has not ended yet.
        """
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """
    An embedded endpoint in a process of its own; `ledger` has a line for each edit it was asked for.
    """

    url: str
    ledger: Path

    @property
    def requests(self) -> list[str]:
        """
        Return the Idempotency-Key of each edit it was asked for, in order of arrival.
        """
        return self.ledger.read_text().split() if self.ledger.exists() else []

    @property
    def seen(self) -> list[dict[str, Any]]:
        """
        Return what each edit request held that was received to its end: `prompt` and `pictures`.
        """
        path = Path(f"{self.ledger}.seen")
        return (
            [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            if path.exists()
            else []
        )


class Station:
    """
    A root with a configuration and six folders, an environment without any settings, and what runs on it: if
    `by_exec` asks for it, always by a new interpreter.
    """

    def __init__(self, tmp: Path, *, by_exec: bool = False) -> None:
        self.root = tmp / "station"
        self.home = tmp / "home"
        self.config = self.root / "config.toml"
        self.holding_the_key = [self.config]
        self.folders = Folders(**{name: self.root / name for name in _FOLDERS})
        self.environment = _bare_environment(self.home)
        self._tmp = tmp
        self._by_exec = by_exec
        self._numbers = itertools.count(1)
        self._running: list[Running] = []
        self.home.mkdir()
        assert self.folders.make() == []
        self.configure()

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """
        Write the configuration: small waits, the embedded endpoint, and on top what is given by section.
        """
        values: dict[str, dict[str, Any]] = {
            "folders": {"root": "."},
            "endpoint": {"base_url": "sandbox", "api_key": CANARY},
            "intake": {"settle_seconds": 0.1},
        }
        for section, keys in sections.items():
            values.setdefault(section, {}).update(keys)
        self.config.write_text(_toml(values), "utf-8")

    def drop(self, name: str, prompt: str | None = "", *, image_first: bool = False) -> None:
        """
        Drop a picture and a prompt that no other name has; "" makes a prompt, None leaves it out.
        """
        prompt = f"make {name} blue" if prompt == "" else prompt
        image = self.folders.inbox / name
        image.parent.mkdir(parents=True, exist_ok=True)
        colour = f"#{zlib.crc32(os.fsencode(name)) & 0xFFFFFF:06x}"
        if image_first:
            Image.new("RGB", (48, 32), colour).save(image, "PNG")
        if prompt is not None:
            image.with_suffix(".txt").write_text(prompt, "utf-8")
        if not image_first:
            Image.new("RGB", (48, 32), colour).save(image, "PNG")

    def originals(self) -> dict[str, str]:
        """
        Return the hash of each file in the inbox with its name.
        """
        found = {digest(path): path.name for path in files_in(self.folders.inbox)}
        assert len(found) == len(list(files_in(self.folders.inbox))), "some files are the same"
        return found

    def tree(self, name: str) -> list[str]:
        """
        Return the files in and below a folder of the five.
        """
        return tree_of(self.root / name)

    def record(self, path: str) -> dict[str, Any]:
        """
        Return a record, given by its path below the root.
        """
        body: dict[str, Any] = json.loads((self.root / path).read_bytes())
        return body

    def endpoint(self, *faults: str) -> Endpoint:
        """
        Start an endpoint and wait for its address.
        """
        ledger = self._tmp / f"ledger-{next(self._numbers)}"
        running = self.run(sys.executable, _ENDPOINT, os.fspath(ledger), *faults)
        running.until(lambda: running.out.endswith("\n"))
        return Endpoint(url=running.out.strip(), ledger=ledger)

    def start(
        self, *arguments: str, is_journal: bool = False, by_exec: bool = False, **environment: str
    ) -> Running:
        """
        Start `retouchd` with the station's configuration.
        """
        command, *rest = arguments
        config = ("--config", os.fspath(self.config))
        return self.run(
            *(RETOUCHD, command, *config, *rest),
            is_journal=is_journal,
            by_exec=by_exec,
            environment=environment,
        )

    def call(self, *arguments: str, **environment: str) -> tuple[int, Running]:
        """
        Run `retouchd` with the station's configuration to its end; return the exit code too.
        """
        if "--dry-run" in arguments or arguments[0] == "status":
            self.settle()
        running = self.start(*arguments, is_journal=False, by_exec=False, **environment)
        return running.end(), running

    def settle(self) -> None:
        """
        Wait until what was dropped is old enough to be taken: who only looks does not wait for it.
        """
        newest = 0.0
        for path in self.folders.inbox.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # A daemon may take it meanwhile.
                newest = max(newest, path.lstat().st_ctime)
        time.sleep(max(0.0, min(newest + 0.3 - time.time(), 0.3)))

    def status(self, *options: str) -> tuple[int, dict[str, Any], str]:
        """
        Return the exit code of `status --json`, its document, and what it says on standard error.
        """
        code, running = self.call("status", "--json", *options)
        body: dict[str, Any] = json.loads(running.out)
        return code, body, running.err

    def bare(self, *arguments: str, **environment: str) -> tuple[int, Running]:
        """
        Run `retouchd` with nothing but these arguments to its end; return the exit code too.
        """
        running = self.run(RETOUCHD, *arguments, environment=environment)
        return running.end(), running

    def run(
        self,
        *command: str,
        is_journal: bool = False,
        by_exec: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Running:
        """
        Start any command in the root.
        """
        running = Running(
            list(command),
            cwd=self.root,
            environment={**self.environment, **(environment or {})},
            place=self._tmp / f"run-{next(self._numbers)}",
            is_journal=is_journal,
            by_exec=by_exec or self._by_exec,
        )
        self._running.append(running)
        return running

    def on_terminal(self, *arguments: str) -> tuple[int, str]:
        """
        Run `retouchd` with the station's configuration on a terminal; return exit code and what it shows.
        """
        ours, theirs = pty.openpty()
        command, *rest = arguments
        process = opened(
            [RETOUCHD, command, "--config", os.fspath(self.config), *rest],
            cwd=self.root,
            environment={**self.environment, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b"".join(_said(ours))
        os.close(ours)
        return process.wait(DEADLINE_SECONDS), shown.decode()

    def close(self) -> None:
        """
        End everything that still runs, and look for the key wherever it does not belong.
        """
        for running in self._running:
            running.kill()
        assert_unsaid(self._tmp, but=self.holding_the_key)


@contextlib.contextmanager
def open_station(tmp: Path) -> Iterator[Station]:
    """
    Open a station below a folder; everything that was started on it ends with the context.
    """
    station = Station(tmp)
    try:
        yield station
    finally:
        station.close()


def _bare_environment(home: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "HOME": os.fspath(home),
        "COLUMNS": "300",  # Wide, so that no sentence is broken in a table.
        "SSL_CERT_DIR": os.fspath(home),  # Nobody need load the machine's authorities.
    }


def _toml(values: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for section, keys in values.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_value(value)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {_value(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)


def _said(terminal: int) -> Iterator[bytes]:
    """
    Return what comes from a terminal until its last writer is gone.
    """
    while True:
        try:
            heard = os.read(terminal, 65536)
        except OSError as error:
            if error.errno == errno.EIO:
                return
            raise
        if not heard:
            return
        yield heard
