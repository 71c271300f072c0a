"""
What the fork server starts is told from what a new interpreter runs by nothing that a test looks at.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fork_server import ForkingFinishers, can_start
from process import RETOUCHD, Running, Station

TELLING = """
import atexit, locale, os, random, signal, sys, threading, time
threading.Thread(target=lambda: (threading.main_thread().join(), print("thread ended"))).start()
atexit.register(print, "exit function ran")
print(sys.argv[1:], os.path.basename(sys.argv[0]), os.getcwd(), __name__)
print(sys.path[0] == os.path.dirname(__file__))
print(sorted(os.environ.items()))
print(time.tzname, locale.getlocale(), os.getpgid(0) == os.getpgid(os.getppid()), os.getsid(0), os.getppid())
for each in (sys.stdin, sys.stdout, sys.stderr):
    print(each.encoding, each.errors, each.line_buffering, each.mode, each.fileno(), each.isatty())
print(sys.stdin.read())
print([str(signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP)])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), sorted(os.listdir("/proc/self/fd"))[:-1])
print(os.umask(0), os.getpriority(os.PRIO_PROCESS, 0), len(os.listdir("/proc/self/task")))
sys.stderr.write("said last\\n")
"""
GIVEN = """
import os, sys
os.environ.pop("LC_CTYPE", None)  # An interpreter may set it for itself.
print(sys.argv, sys.path, os.getcwd(), __name__, sorted(os.environ.items()))
print(os.getppid(), os.getsid(0) == os.getpgid(0) == os.getpid(), sorted(os.listdir("/proc/self/fd"))[:-1])
sys.stdout.flush()
sys.stdout.buffer.write(sys.stdin.buffer.read())
"""
ENDS = {
    "well": ("pass", 0),
    "with a code": ("import sys; sys.exit(73)", 73),
    "with a sentence": ("import sys; sys.exit('it is over')", 1),
    "with a fault": ("raise RuntimeError('nobody foresaw this')", 1),
    "interrupted": ("raise KeyboardInterrupt", -signal.SIGINT),
    "at once": ("import os; os._exit(9)", 9),
    "killed": ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("fork_server._TESTS", os.fspath(tmp_path))
    return tmp_path / "script.py"


def both(station: Station, *command: str, **environment: str) -> list[tuple[int, str, str]]:
    """
    Return how a command ends and what it says, forked and as a process of its own.
    """
    assert can_start(command, {**station.environment, **environment})
    ways = [
        station.run(*command, by_exec=by_exec, environment=environment) for by_exec in (False, True)
    ]
    for running in ways:
        assert running.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # It may have ended.
            running.process.stdin.write(b"told")
            running.process.stdin.close()
    return [(running.end(), running.out, running.err) for running in ways]


@pytest.mark.parametrize(
    "arguments", [("--help",), ("nope",), ("retry",), ("check", "-c", "none.toml")]
)
def test_a_command_says_the_same(station: Station, arguments: tuple[str, ...]) -> None:
    """
    With the same exit code, on both streams.
    """
    forked, executed = both(station, RETOUCHD, *arguments)

    assert forked == executed


def test_a_program_is_given_the_same(station: Station, script: Path) -> None:
    """
    Arguments, environment, folder, streams, signals, parent, and an end that waits for threads.
    """
    script.write_text(TELLING)

    forked, executed = both(station, sys.executable, os.fspath(script), "a b", "ö", TZ="Asia/Tokyo")

    assert forked == executed
    assert "thread ended\nexit function ran\n" in forked[1]


@pytest.mark.parametrize(("text", "code"), ENDS.values(), ids=ENDS)
def test_a_program_ends_the_same(station: Station, script: Path, text: str, code: int) -> None:
    """
    By itself, by a fault or by a signal.
    """
    script.write_text(text)

    forked, executed = both(station, sys.executable, os.fspath(script))

    assert forked[0] == executed[0] == code
    assert forked[2].splitlines()[-1:] == executed[2].splitlines()[-1:]


@pytest.mark.parametrize(
    ("text", "code"), [(GIVEN, 0), ("import os; os.kill(os.getpid(), 9)", -9), ("1 / 0", 1)]
)
def test_what_finishes_results_is_given_the_same(text: str, code: int) -> None:
    """
    The modules that any interpreter finds, not those of the tests; input, output, and a session of its own.
    """
    forked, executed = (
        way.run(
            [sys.executable, "-P", "-c", text, "7"],
            input=bytes(range(256)) * 999,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ,  # Libraries may have set more than Python knows.
            timeout=60,
            start_new_session=True,
            check=False,
        )
        for way in (ForkingFinishers(text), subprocess)
    )

    assert forked.stdout == executed.stdout
    assert forked.returncode == executed.returncode == code


def test_what_takes_too_long_to_finish_is_killed() -> None:
    text = "import time; time.sleep(3600)"
    with pytest.raises(subprocess.TimeoutExpired):
        ForkingFinishers(text).run(
            [sys.executable, "-P", "-c", text, "7"], input=b"", timeout=0.01, check=False
        )


def test_each_start_is_by_chance_another_one(station: Station, script: Path) -> None:
    """
    What one forks from the same process draws no second time.
    """
    script.write_text("import random, uuid; print(random.random(), uuid.uuid4())")
    command = (sys.executable, os.fspath(script))

    one, other = station.run(*command), station.run(*command)

    assert one.end() == other.end() == 0
    assert one.out != other.out


@pytest.mark.parametrize("name", ["PYTHONWARNINGS", "LC_ALL", "MALLOC_ARENA_MAX"])
def test_what_the_interpreter_reads_needs_one_of_its_own(station: Station, name: str) -> None:
    """
    So does any program that is neither `retouchd` nor a script of the tests.
    """
    assert can_start([RETOUCHD, "run"], station.environment)
    assert not can_start([RETOUCHD, "run"], {**station.environment, name: "else"})
    assert not can_start([sys.executable, "-c", "pass"], station.environment)
    assert not can_start(["strace", RETOUCHD], station.environment)


def test_its_process_is_a_child(station: Station) -> None:
    """
    Which can be signalled and waited for, and is gone afterwards.
    """
    daemon: Running = station.start("run").ready()
    parent = subprocess.run(
        ["ps", "-o", "ppid=", "-p", str(daemon.process.pid)],
        capture_output=True,
        check=True,
        text=True,
    )

    assert int(parent.stdout) == os.getpid()
    assert daemon.process.poll() is None
    assert daemon.end(signal.SIGTERM) == 0
    assert not Path(f"/proc/{daemon.process.pid}").exists()
