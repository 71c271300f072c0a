import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from retouchd.adapters.lock import WorkLock
from retouchd.errors import WorkFolderHeld

HOLDER = """
import pathlib, sys
from retouchd.adapters.lock import WorkLock
with WorkLock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def was_clean(work: Path) -> bool:
    with WorkLock(work) as lock:
        return lock.was_clean


@pytest.fixture
def holder(tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """
    Hold the work folder in another process.
    """
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_the_first_start_is_clean(tmp_path: Path) -> None:
    """
    Where nobody was before, nobody crashed.
    """
    assert was_clean(tmp_path)


def test_a_second_daemon_is_refused(tmp_path: Path, holder: "subprocess.Popen[bytes]") -> None:
    """
    The sentence names the folder and the process, and says what to do.
    """
    for _ in range(2):
        with pytest.raises(WorkFolderHeld) as caught, WorkLock(tmp_path):
            pass

    assert caught.value.exit_code == 73
    for part in (str(tmp_path), str(holder.pid), "Stop it first", "folders.work"):
        assert part in str(caught.value)


def test_a_clean_end_leaves_a_clean_folder(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    """
    The next start knows that nothing was interrupted.
    """
    holder.communicate()

    assert was_clean(tmp_path)


def test_a_killed_daemon_leaves_no_lock_but_a_trace(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    """
    The folder is free at once; that the end was unclean is known once.
    """
    holder.kill()
    holder.wait()

    assert not was_clean(tmp_path)
    assert was_clean(tmp_path)


def test_an_exception_is_no_clean_end(tmp_path: Path) -> None:
    """
    What nobody foresaw counts like a crash.
    """
    with pytest.raises(ZeroDivisionError), WorkLock(tmp_path):
        _ = 1 / 0

    assert not was_clean(tmp_path)
