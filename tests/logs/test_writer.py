"""
The queue before the log and the thread behind it: in order, bounded, exact about what is missing, never torn.
"""

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
import pty
import select
import termios
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.logs.event_lines import LogQueue
from retouchd.logs.writer import LogWriter

START = dt.datetime(2026, 3, 1, 18, 2, tzinfo=dt.UTC)
DEADLINE_SECONDS = 60


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


# The queue.


@given(st.lists(st.none() | st.integers(0, 60)), st.integers(1, 12), st.integers(1, 200))
def test_every_line_is_written_in_order_or_counted_where_it_is_missing(
    steps: list[int | None], most_lines: int, most_bytes: int
) -> None:
    """
    Whatever is put (a number: its length) and taken (None), however small the queue.
    """
    waiting = LogQueue(most_lines=most_lines, most_bytes=most_bytes)
    told: list[int] = []
    held: list[int] = []
    put = 0

    def take() -> bool:
        entry = waiting.take()
        if entry is None:
            return False
        if entry.gap:
            assert entry.gap.since == at(
                len(told)
            )  # The second is the number of the first one dropped.
            told.extend([-1] * entry.gap.lines)
        if entry.line:
            told.append(int(entry.line[:4]))
            held.pop(0)
        return True

    for step in steps:
        if step is None:
            take()
            continue
        line = b"%04d" % put + b"x" * step
        if waiting.put(line, at(put)):
            held.append(len(line))
        put += 1
        assert len(held) <= most_lines
        assert sum(held) <= most_bytes or len(held) == 1
    while take():
        pass

    assert len(told) == put
    assert all(number in (-1, place) for place, number in enumerate(told))


def test_a_slow_reader_meets_few_gaps() -> None:
    """
    Once full, nothing is taken in before half of it is written.
    """
    waiting = LogQueue(most_lines=10, most_bytes=1000)
    gaps = 0
    for number in range(1000):
        waiting.put(b"line", at(number))
        if number % 2:
            entry = waiting.take()
            gaps += bool(entry and entry.gap)

    assert 0 < gaps < 100


# The thread.


class Log:
    """
    A writer onto a descriptor, with a clock that is set by hand.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        most_lines: int = 10,
        most_bytes: int = 1 << 20,
        retry_seconds: float = 3600.0,
    ) -> None:
        self.seconds = 0.0
        self.writer = LogWriter(
            descriptor,
            waiting=LogQueue(most_lines=most_lines, most_bytes=most_bytes),
            line_of=lambda gap, fault: _line(dropped=gap.lines, since=f"{gap.since}", fault=fault),
            now=lambda: at(self.seconds),
            retry_seconds=retry_seconds,
        )

    def say(self, *numbers: int, more: str = "") -> None:
        for number in numbers:
            self.writer.put(_line(number=number, more=more))

    def until(self, what: str) -> None:
        end = time.monotonic() + DEADLINE_SECONDS
        while what not in str(self.writer.unread):
            assert time.monotonic() < end, self.writer.unread
            time.sleep(0.01)


def _line(**values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """
    A pipe that holds one page.
    """
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def wait_until_full(descriptor: int) -> None:
    """
    Wait until the writer has nowhere to write to: what is said from then on waits, and then is dropped.
    """
    end = time.monotonic() + DEADLINE_SECONDS
    while select.select([], [descriptor], [], 0)[1]:
        assert time.monotonic() < end, "it takes more and more"
        time.sleep(0.01)


def read(descriptor: int, log: Log) -> list[dict[str, object]]:
    """
    Return all lines that are there or still come.
    """
    raw = bytearray()
    while not log.writer.flush(0) or select.select([descriptor], [], [], 0)[0]:
        if select.select([descriptor], [], [], 0.05)[0]:
            raw += os.read(descriptor, 1000)
    assert raw.endswith(b"\n")
    return [json.loads(line) for line in raw.split(b"\n")[:-1]]


def numbers(lines: list[dict[str, object]]) -> list[object]:
    return [line["number"] for line in lines if "number" in line]


@pytest.mark.parametrize("is_blocking", [True, False])
@pytest.mark.parametrize("length", [500, 20_000])
def test_a_reader_that_comes_late_is_told_what_is_missing(
    pipe: tuple[int, int], length: int, *, is_blocking: bool
) -> None:
    """
    Whoever logs goes on at once; then come the lines that were kept, the count of those that were not at
    their place, and what is said from then on. Lines longer than a pipe takes at once are whole too, and the
    pipe's own mode, which others share, is left alone.
    """
    out, into = pipe
    os.set_blocking(into, is_blocking)
    log = Log(into)
    log.say(*range(10), more="x" * length)
    wait_until_full(into)
    log.say(*range(10, 40), more="x" * length)
    log.seconds = 5
    log.say(*range(40, 100), more="x" * length)

    log.until("log lines were dropped")
    unread = log.writer.unread
    lines = read(out, log)
    log.say(100)
    lines += read(out, log)

    assert unread
    assert not unread.fault
    kept = numbers(lines)
    assert kept[-1] == 100
    assert kept[:-1] == list(range(len(kept) - 1))
    assert lines[-2] == {"dropped": unread.lines, "since": f"{unread.since}", "fault": ""}
    assert unread.lines == 100 - (len(kept) - 1)
    assert unread.since == at(0)
    assert log.writer.unread is None
    assert os.get_blocking(into) == is_blocking


def test_a_reader_that_is_stuck_is_told_of_before_anything_is_dropped(
    pipe: tuple[int, int],
) -> None:
    out, into = pipe
    log = Log(into)
    log.say(1, 2, more="x" * 3000)
    log.seconds = 30
    assert log.writer.unread is None
    assert not log.writer.flush(0.01)

    while log.writer.unread is None:
        log.seconds += 1
        assert log.seconds < 5000
        time.sleep(0.01)

    assert str(log.writer.unread).startswith("Since ")
    assert numbers(read(out, log)) == [1, 2]
    assert log.writer.unread is None


def test_lines_of_many_threads_are_whole(pipe: tuple[int, int]) -> None:
    """
    Each thread's in its order, though each line takes the pipe several calls.
    """
    out, into = pipe
    log = Log(into, most_lines=1000, most_bytes=1 << 24)
    threads = [
        threading.Thread(
            target=log.say, args=range(n * 100, n * 100 + 20), kwargs={"more": "x" * 9000}
        )
        for n in range(6)
    ]
    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()
    found = numbers(read(out, log))

    for n in range(6):
        assert [each for each in found if each in range(n * 100, n * 100 + 100)] == list(
            range(n * 100, n * 100 + 20)
        )


@pytest.mark.parametrize("fault", ["full", "gone"])
def test_what_cannot_be_written_is_counted(pipe: tuple[int, int], fault: str) -> None:
    """
    A device that is full, a reader that ended: nothing waits, and the reason is the system's.
    """
    out, into = pipe
    full = os.open("/dev/full", os.O_WRONLY)
    os.close(out)
    log = Log(full if fault == "full" else into)

    log.say(*range(5))
    assert log.writer.flush()

    unread = log.writer.unread
    os.close(full)
    assert unread
    assert unread.lines == 5
    assert unread.fault == {"full": "No space left on device", "gone": "Broken pipe"}[fault]
    assert "the log cannot be written" in str(unread)


def test_a_line_that_a_full_disk_cut_is_ended_first(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    When there is room again, its rest comes before all else, then the count, then what is new.
    """
    out, into = pipe
    log = Log(into, retry_seconds=0.01)
    room, write = [15], os.write

    def short(descriptor: int, data: memoryview) -> int:
        if descriptor != into:
            return write(descriptor, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        some = write(descriptor, data[: room[0]])
        room[0] -= some
        return some

    monkeypatch.setattr(os, "write", short)
    log.say(1, 2, 3)
    assert log.writer.flush()
    assert log.writer.unread
    room[0] = 1 << 20
    end = time.monotonic() + DEADLINE_SECONDS
    while log.writer.unread is not None:
        assert time.monotonic() < end, "it is told without another line, too"
        time.sleep(0.01)
    log.say(4)

    lines = read(out, log)
    assert numbers(lines) == [1, 4]
    assert lines[1] == {"dropped": 2, "since": f"{START}", "fault": "No space left on device"}


def test_a_terminal_that_is_stopped_holds_nobody_up() -> None:
    """
    Ctrl-S, hours, Ctrl-Q.
    """
    ours, theirs = pty.openpty()
    termios.tcflow(theirs, termios.TCOOFF)
    log = Log(theirs)
    log.say(*range(50))
    log.until("dropped")
    termios.tcflow(theirs, termios.TCOON)

    raw = b""
    while b"dropped" not in raw:
        raw += os.read(ours, 1000)

    lines = [json.loads(line) for line in raw.split(b"\r\n")[:-1]]
    assert numbers(lines) == list(range(len(lines) - 1))
    assert lines[-1]["dropped"] == 50 - len(lines) + 1
    os.close(ours)
    os.close(theirs)
