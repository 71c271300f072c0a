"""
How far a run is, in the last line of a terminal: rewritten in place, never in a log, in nobody's way.
"""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from process import DEADLINE_SECONDS, RETOUCHD, Station, opened

PROGRESS = re.compile(r"[0-9]+ of [0-9]+ photos?\b.*")


@dataclass
class Terminal:
    """
    A terminal of so many columns, and what was written to it so far.
    """

    ours: int
    process: subprocess.Popen[bytes]
    said: bytearray = field(default_factory=bytearray)

    def read(self) -> str:
        """
        Return all that it was told, once what is there now was read.
        """
        try:
            while block := os.read(self.ours, 65536):
                self.said += block
        except OSError:
            pass  # There is no more now, or its last writer is gone.
        return self.said.decode()

    def until(self, text: str) -> None:
        """
        Wait until it was told a text.
        """
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in self.read():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def end(self) -> int:
        """
        Stop what runs on it and return the exit code.
        """
        self.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < deadline, "it did not end"
            time.sleep(0.02)
        self.read()
        return self.process.returncode


@contextmanager
def a_terminal(station: Station, *, columns: int = 100, **environment: str) -> Iterator[Terminal]:
    """
    Run a daemon on a terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_NONBLOCK)
    process = opened(
        [RETOUCHD, "run", "--config", os.fspath(station.config)],
        cwd=station.root,
        environment={**station.environment, "TERM": "xterm", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        yield Terminal(ours, process)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def shown(said: str) -> list[str]:
    """
    Return the lines that stay on the screen.
    """
    return [line.rpartition("\r\x1b[K")[2].rstrip("\r") for line in said.split("\n")]


def busy(station: Station, photos: int, latency: float = 0.8) -> None:
    endpoint = station.endpoint(f"latency={latency}")
    station.configure(endpoint={"base_url": endpoint.url, "concurrency": 2})
    for number in range(photos):
        station.drop(f"{number}.png")


@pytest.mark.parametrize("columns", [100, 40, 12])
def test_how_far_it_is_stands_in_the_last_line(station: Station, columns: int) -> None:
    """
    Done of all and the time that is left, within the width; no line of the log is broken by it or lost, and
    nothing of it stays.
    """
    busy(station, 9)

    with a_terminal(station, columns=columns) as terminal:
        for number in range(9):
            terminal.until(f"outbox/{number}.png")
        code = terminal.end()
        said = terminal.read()

    drawn = [part for line in said.split("\n") for part in line.split("\r\x1b[K")[:-1] if part]
    lines = shown(said)
    assert code == 0
    assert drawn
    assert all(len(line) < columns for line in drawn)
    if columns > 12:
        assert any(re.fullmatch(r"[2-8] of 9 photos, about a minute to go", line) for line in drawn)
    assert not any(PROGRESS.match(line) for line in lines)
    assert all(re.match(r"[0-9:]{8} \S+  ", line) for line in lines if line), lines
    assert sum("→ outbox/" in line for line in lines) == 9
    assert lines[-2].endswith("Stopped. 9 done.")


def test_a_batch_that_is_over_is_told_whole(station: Station) -> None:
    """
    Whoever comes back reads that all is done, until more is dropped.
    """
    busy(station, 3, latency=1.5)

    with a_terminal(station) as terminal:
        terminal.until("3 of 3 photos")
        station.drop("more.png")
        terminal.until("1 of 1 photo")
        terminal.end()
        said = terminal.read()

    assert said.index("of 3 photos") < said.index("3 of 3 photos") < said.index("0 of 1 photo")
    assert not any(PROGRESS.match(line) for line in shown(said))


def test_each_line_has_the_local_time_and_its_zone(station: Station) -> None:
    """
    Whoever reads it knows when that was.
    """
    with a_terminal(station, TZ="Asia/Kolkata") as terminal:
        terminal.until("Ready. ")
        terminal.end()
        lines = shown(terminal.read())

    assert re.match(r"[0-9]{2}:[0-9]{2}:[0-9]{2} IST  Ready\. Drop photos", lines[0])


@pytest.mark.parametrize(
    ("style", "environment"), [("json", {}), ("console", {"TERM": "dumb"}), ("auto", {"TERM": ""})]
)
def test_programs_and_simple_terminals_get_lines_alone(
    station: Station, style: str, environment: dict[str, str]
) -> None:
    """
    No code of a terminal stands in a log for programs, or where the terminal cannot rewrite a line.
    """
    busy(station, 3)
    endpoint = station.endpoint("latency=0.8")
    station.configure(endpoint={"base_url": endpoint.url}, logging={"format": style})

    with a_terminal(station, columns=100, **environment) as terminal:
        for number in range(3):
            terminal.until(f"{number}.png")
        terminal.until("job.done" if style == "json" else "→ outbox/")
        terminal.end()
        said = terminal.read()

    assert "\x1b[K" not in said
    assert not PROGRESS.search(said)


def test_a_log_in_a_file_has_none_of_it(station: Station) -> None:
    """
    With sentences, too: a file is no screen.
    """
    busy(station, 3)
    station.configure(
        endpoint={"base_url": station.endpoint("latency=0.8").url}, logging={"format": "console"}
    )

    running = station.start("run")
    running.until(lambda: running.err.count("→ outbox/") == 3)
    running.end(signal.SIGTERM)

    assert not {"\r", "\x1b"} & set(running.err)
    assert not PROGRESS.search(running.err)


def test_a_terminal_that_nobody_reads_holds_nothing_up(station: Station) -> None:
    """
    Stopped with Ctrl-S, or its window frozen: photos are edited all the same, and it ends when it is told to.
    """
    busy(station, 60, latency=0)

    with a_terminal(station) as terminal:
        terminal.until("Ready. ")
        deadline = time.monotonic() + DEADLINE_SECONDS * 2
        while len(station.tree("outbox")) < 60:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(DEADLINE_SECONDS) == 0


def test_a_terminal_that_is_closed_holds_nothing_up(station: Station) -> None:
    """
    Its window was shut while photos were on their way.
    """
    busy(station, 6)

    with a_terminal(station) as terminal:
        terminal.until("of 6 photos")
        os.close(terminal.ours)
        terminal.ours = os.open(os.devnull, os.O_RDONLY)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(station.tree("outbox")) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.process.wait(DEADLINE_SECONDS) == 0
