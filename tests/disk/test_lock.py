import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from retouchd.disk import lock
from retouchd.disk.lock import WorkLock
from retouchd.errors import WorkFolderHeld

HOLDER = """
import pathlib, sys
from retouchd.disk import lock
from retouchd.disk.lock import WorkLock
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


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.unlink()
    file.touch()


def replace_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_a_link(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.with_name("other"))


@pytest.mark.parametrize("spoil", [remove, empty, replace_by_a_folder, replace_by_a_link])
def test_a_spoilt_lock_file_lets_nobody_in(
    tmp_path: Path, holder: "subprocess.Popen[bytes]", spoil: Callable[[Path], None]
) -> None:
    """
    The folder itself is held.
    """
    spoil(tmp_path / "lock")

    with pytest.raises((WorkFolderHeld, IsADirectoryError)), WorkLock(tmp_path):
        pass

    assert lock.holder(tmp_path) is not None
    assert holder.poll() is None


def test_a_removed_lock_file_is_put_back(tmp_path: Path) -> None:
    """
    Older versions look at nothing else, and it says who holds the folder.
    """
    with WorkLock(tmp_path) as held:
        (tmp_path / "lock").unlink()

        held.renew()

        command = [sys.executable, "-c", OLDER, str(tmp_path / "lock")]
        assert subprocess.run(command, check=False).returncode == 73
        assert int((tmp_path / "lock").read_text()) > 0
    assert lock.holder(tmp_path) is None


OLDER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
try:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(73)
"""


def test_a_folder_that_an_older_version_holds_is_refused(tmp_path: Path) -> None:
    """
    It locks the file alone.
    """
    with (tmp_path / "lock").open("w") as older:
        fcntl.flock(older, fcntl.LOCK_EX)

        with pytest.raises(WorkFolderHeld), WorkLock(tmp_path):
            pass


def test_of_several_that_start_at_once_one_gets_in(tmp_path: Path) -> None:
    """
    Whatever happens to the file meanwhile.
    """
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    pipe = subprocess.PIPE
    starting = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        for _ in range(6)
    ]
    for _ in range(200):
        (tmp_path / "lock").unlink(missing_ok=True)
    held = [bool(each.stdout and each.stdout.readline()) for each in starting]
    for each in starting:
        each.communicate()

    assert held.count(True) == 1


def test_a_folder_that_is_moved_or_removed_is_noticed(tmp_path: Path) -> None:
    """
    Where it is by now is told from its descriptor.
    """
    work = tmp_path / "work"
    work.mkdir()
    with WorkLock(work) as held:
        assert held.obstacle() == ""
        (work / "mine").touch()
        work.rename(tmp_path / "aside")
        assert str(tmp_path / "aside") in held.obstacle()
        assert (held.path / "mine").exists()
        assert held.has("mine")
        work.mkdir()
        assert not held.is_in_place
        work.rmdir()
        (tmp_path / "aside").rename(work)
        assert held.is_in_place
        shutil.rmtree(work)
        assert "was removed" in held.obstacle()
        assert not held.has("mine")
