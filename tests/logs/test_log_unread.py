"""
A log that nobody reads stops nobody, and is told of; what is said on standard error is JSON, whoever says it.
"""

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from canary import CANARY, assert_unsaid
from process import DEADLINE_SECONDS, RETOUCHD, Running, Station, open_station

PAGE = 4096


@contextlib.contextmanager
def small_pipe() -> Iterator[tuple[int, int]]:
    """
    A pipe of one page.
    """
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, PAGE)
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


@contextlib.contextmanager
def started(station: Station, stderr: int | None, *command: str) -> Iterator[Running]:
    """
    A daemon with standard error wherever it is wanted, closed if None. The `err` of it is empty.
    """
    call = [*(command or (RETOUCHD,)), "run", "--config", os.fspath(station.config)]
    with open(os.devnull, "wb") as nothing:
        running = Running(
            call if stderr is not None else ["sh", "-c", 'exec "$0" "$@" 2>&-', *call],
            cwd=station.root,
            environment=station.environment,
            place=station.root.parent / f"unread-{stderr}",
            stderr=nothing.fileno() if stderr is None else stderr,
        )
        try:
            yield running
        finally:
            running.kill()


def report(station: Station) -> dict[str, Any]:
    """
    Return what the daemon last said of itself.
    """
    path = station.folders.work / "status.json"
    body: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return body


def rest_of(descriptor: int, running: Running) -> Callable[[], list[dict[str, Any]]]:
    """
    Read on whenever it is called, without waiting; return all lines so far.
    """
    raw = bytearray()
    os.set_blocking(descriptor, False)

    def read() -> list[dict[str, Any]]:
        with contextlib.suppress(BlockingIOError):
            while some := os.read(descriptor, 1 << 16):
                raw.extend(some)
        return [json.loads(line) for line in raw.split(b"\n")[:-1]]

    return read


_FEW_LINES = (
    "from retouchd.logs import logger; logger.MOST_LINES = 40; "
    "from retouchd.cli.main import main; main()"
)


def test_a_daemon_works_on_while_nobody_reads_its_log(station: Station) -> None:
    """
    In a pipe that somebody set not to block: sixty photos are done, `status` names the log, and who reads it
    then is told how much is missing; another daemon that is refused says so in JSON too.
    """
    for number in range(60):
        station.drop(f"{number}.png")
    with small_pipe() as (out, into):
        os.set_blocking(into, False)
        with started(station, into, sys.executable, "-c", _FEW_LINES) as running:
            os.close(into)
            running.until(lambda: len(station.tree("done")) == 180, within=3 * DEADLINE_SECONDS)
            running.until(lambda: (report(station).get("unread_log") or {}).get("lines", 0) > 50)
            code, status = station.call("status", "--json")
            refused, other = station.call("run")
            read = rest_of(out, running)
            running.until(lambda: [each for each in read() if each["event"] == "log.dropped"])
            running.until(lambda: report(station)["unread_log"] is None)
            assert running.end(signal.SIGTERM) == 0
        lines = read()

    assert len(station.tree("outbox")) == 60
    assert code == 1
    (sentence,) = json.loads(status.out)["attention"]
    assert " log lines were dropped since " in sentence
    assert "nobody reads the log" in sentence
    assert refused == 73
    (failed,) = other.events()
    assert (failed["event"], failed["level"], failed["exit_code"]) == ("daemon.failed", "error", 73)
    assert os.fspath(station.folders.work) in failed["problems"][0]
    (gap,) = (each for each in lines if each["event"] == "log.dropped")
    assert gap["level"] == "warning"
    told = [each["event"] for each in lines]
    assert told[0] == "daemon.started"
    assert told[-2:] == ["daemon.stopping", "daemon.stopped"]
    assert gap["lines"] + told.count("job.done") > 60
    # All of a good run is known: three lines a job and five of the daemon, dropped or not.
    assert gap["lines"] + len(lines) - 1 >= 60 * 3 + 4


KINDS = ("stuck pipe", "stopped terminal", "full", "closed")
FAULTS = {"full": "No space left on device"}


@contextlib.contextmanager
def error_of(kind: str) -> Iterator[int | None]:
    """
    Yield a descriptor for standard error onto which nothing can be written, None for one that is closed.
    """
    match kind:
        case "stopped terminal":
            ours, theirs = pty.openpty()
            termios.tcflow(theirs, termios.TCOOFF)
            yield theirs
            os.close(ours)
            os.close(theirs)
        case "full":
            with open("/dev/full", "wb") as full:
                yield full.fileno()
        case "closed":
            yield None
        case _:
            with small_pipe() as (_, into):
                os.write(into, bytes(PAGE))
                yield into


def test_a_log_that_cannot_be_written_holds_nothing_up(tmp_path: Path) -> None:
    """
    Neither a photo nor the end, in whatever way: four daemons at the same time. What the system says of it
    stands in the report; a log that was closed by intention is no fault.
    """
    with contextlib.ExitStack() as stack:
        stations, daemons = {}, {}
        for kind in KINDS:
            (tmp_path / kind).mkdir()
            stations[kind] = station = stack.enter_context(open_station(tmp_path / kind))
            station.drop("cat.png")
            stderr = stack.enter_context(error_of(kind))
            daemons[kind] = stack.enter_context(started(station, stderr))
        for kind, running in daemons.items():
            check_work(stations[kind], running, FAULTS.get(kind))
            running.tell(signal.SIGTERM)
        for kind, running in daemons.items():
            assert running.end(within=3 * DEADLINE_SECONDS) == 0, kind


def check_work(station: Station, running: Running, fault: str | None) -> None:
    def told() -> Any:
        return report(station).get("unread_log")

    within = 3 * DEADLINE_SECONDS
    running.until(lambda: station.tree("outbox") == ["cat.png"], within=within)
    running.until(lambda: report(station) and (fault is None or told()), within=within)
    assert fault is None or told()["fault"] == fault
    assert fault or told() is None


_SAYING_ALL = """
import asyncio, gc, logging, sys, threading, warnings
from retouchd.endpoint import transport
from retouchd.service.daemon import Daemon

KEY = "sk-CANARY-0123456789abcdef"

class Unraisable:
    def __del__(self):
        raise RuntimeError("unraisable " + KEY)

async def never_retrieved():
    raise RuntimeError("never retrieved " + KEY)

async def say_all():
    print("printed", KEY, file=sys.stderr)
    sys.stderr.write("in two ")
    sys.stderr.write("parts\\n\\n")
    warnings.warn("warned " + KEY, RuntimeWarning)
    logging.getLogger("some.library").warning("said %s\\nby %s", KEY, "a library")
    logging.getLogger("httpx").info("HTTP Request: POST https://...")
    logging.getLogger("some.library").warning("wrong arguments %d", "x")
    try:
        raise RuntimeError("handled " + KEY)
    except RuntimeError:
        logging.getLogger("some.library").exception("failed")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Unraisable()
    task = asyncio.ensure_future(never_retrieved())
    await asyncio.sleep(0)
    del task
    gc.collect()

async def crash(self, tasks):
    await say_all()
    raise RuntimeError("nobody foresaw this " + KEY)

Daemon._drain = crash
from retouchd.cli.main import main
main()
"""


def test_whoever_says_something_says_it_in_json(station: Station) -> None:
    """
    Prints, warnings, loggers, threads, finalizers, forgotten tasks, and in the end what nobody caught; never
    the key.
    """
    command = (sys.executable, "-c", _SAYING_ALL, "run", "--config", os.fspath(station.config))
    running = station.run(*command).ready()

    assert running.end(signal.SIGTERM) == 1

    lines = [json.loads(line) for line in running.err.splitlines()]
    assert_unsaid(station.root, running.err, key=CANARY, but=[station.config])
    said = {
        each["event"]: each
        for each in reversed(lines)
        if not each["event"].startswith(("daemon.", "watch."))
    }
    assert said.keys() == {
        "stderr.printed",
        "python.warning",
        "library.message",
        "thread.crashed",
        "exception.ignored",
        "process.crashed",
    }
    printed = [each["message"] for each in lines if each["event"] == "stderr.printed"]
    assert printed[0].startswith("printed *****")
    assert printed[1] == "in two parts"
    assert "wrong arguments" in "".join(printed)
    assert said["python.warning"]["category"] == "RuntimeWarning"
    library = [each for each in lines if each["event"] == "library.message"]
    assert [each["level"] for each in library] == ["warning", "error", "error"]
    assert [each["logger"] for each in library] == ["some.library", "some.library", "asyncio"]
    assert "handled" in library[1]["exception"]
    assert "never retrieved" in library[2]["exception"]
    assert "ZeroDivisionError" in said["thread.crashed"]["exception"]
    assert "unraisable" in said["exception.ignored"]["exception"]
    assert lines[-1]["event"] == "process.crashed"
    assert lines[-1]["level"] == "critical"
    assert "nobody foresaw this" in lines[-1]["exception"]


def test_the_summary_stands_behind_the_log(station: Station) -> None:
    """
    Where both go to the same place.
    """
    call = 'exec "$0" once --config "$1" 2>&1'

    found = subprocess.run(
        ["sh", "-c", call, RETOUCHD, station.config],
        cwd=station.root,
        env=station.environment,
        check=True,
        capture_output=True,
    )

    *log, summary, left = found.stdout.decode().splitlines()
    assert summary == "0 done, 0 in error."
    assert left == "Nothing waits in the inbox."
    assert json.loads(log[-1])["event"] == "once.ended"
