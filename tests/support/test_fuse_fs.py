"""
The filesystem that tests mount does what the odd ones do, and leaves nothing behind.
"""

import ctypes
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import fuse_fs
from fuse_fs import Odd

_PROGRAM = """
import os, sys
from pathlib import Path
import fuse_fs
with fuse_fs.mounted(Path(sys.argv[1])) as odd:
    odd.write("hang-unlink")
    (odd.point / "file").touch()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(1)
"""


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Odd]:
    with fuse_fs.mounted(tmp_path) as mounted:
        yield mounted


def _is_mounted(point: Path) -> bool:
    return str(point) in Path("/proc/self/mountinfo").read_text()


def _rename_noreplace(source: Path, target: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    names = (-100, os.fsencode(source), -100, os.fsencode(target), ctypes.c_uint(1))
    return 0 if libc.renameat2(*names) == 0 else ctypes.get_errno()


def test_it_passes_through(odd: Odd) -> None:
    (odd.point / "folder").mkdir()
    (odd.point / "folder/file").write_bytes(b"bytes" * 100_000)
    (odd.point / "folder/file").rename(odd.point / "other")
    assert (odd.backing / "other").read_bytes() == b"bytes" * 100_000
    os.link(odd.point / "other", odd.point / "linked")
    assert (odd.point / "linked").stat().st_ino == (odd.point / "other").stat().st_ino
    assert _rename_noreplace(odd.point / "linked", odd.point / "folder/file") == 0
    assert _rename_noreplace(odd.point / "other", odd.point / "folder/file") == errno.EEXIST
    assert sorted(os.listdir(odd.point)) == ["folder", "other"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_links_and_renames_that_refuse_are_refused(odd: Odd, code: int) -> None:
    (odd.point / "file").touch()
    odd.fail("link", code)
    odd.fail("noreplace", errno.EINVAL)
    with pytest.raises(OSError, match=os.strerror(code)):
        os.link(odd.point / "file", odd.point / "linked")
    assert _rename_noreplace(odd.point / "file", odd.point / "other") == errno.EINVAL
    (odd.point / "file").rename(odd.point / "other")


def test_numbers_change_by_path_or_by_time(odd: Odd) -> None:
    file = odd.point / "file"
    file.touch()
    odd.write("inodes", "path")
    first = file.stat().st_ino
    assert file.stat().st_ino == first
    assert file.rename(odd.point / "other").stat().st_ino != first
    odd.write("inodes", "time 1")
    first = (odd.point / "other").stat().st_ino
    while (odd.point / "other").stat().st_ino == first:
        pass


def test_what_hangs_waits_and_others_go_on(odd: Odd) -> None:
    for name in ("one", "other"):
        (odd.point / name).mkdir()
        (odd.point / name / "file").touch()
    with odd.hanging("unlink", "one/"):
        waiting = threading.Thread(target=(odd.point / "one/file").unlink)
        waiting.start()
        (odd.point / "other/file").unlink()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert (odd.backing / "one/file").exists()
    waiting.join()
    assert not (odd.backing / "one/file").exists()


def test_many_may_hang_at_once(odd: Odd) -> None:
    (odd.point / "file").touch()
    with odd.hanging("open"):
        waiting = [threading.Thread(target=(odd.point / "file").read_bytes) for _ in range(50)]
        for thread in waiting:
            thread.start()
        assert os.listdir(odd.point) == ["file"]
    for thread in waiting:
        thread.join()


def test_an_exfat_knows_neither_case_nor_such_names(odd: Odd) -> None:
    fuse_fs.exfat(odd)
    (odd.point / "Folder").mkdir()
    (odd.point / "folder/Cat.png").write_text("cat")
    assert (odd.point / "FOLDER/cat.PNG").read_text() == "cat"
    with pytest.raises(FileExistsError):
        (odd.point / "folder/cat.png").touch(exist_ok=False)
    assert (odd.point / "folder/cat.png").stat().st_mtime_ns % 2_000_000_000 == 0
    for name in ("a:b", "a?", "a.", "a ", "a\x01"):
        with pytest.raises(OSError, match="Invalid argument"):
            (odd.point / name).touch()
    with pytest.raises(PermissionError):
        (odd.point / "folder/cat.png").chmod(0o600)


def test_whoever_hangs_at_the_end_is_let_go(tmp_path: Path) -> None:
    heard: list[OSError] = []

    def unlink(path: Path) -> None:
        try:
            path.unlink()
        except OSError as error:
            heard.append(error)

    with fuse_fs.mounted(tmp_path) as odd:
        (odd.point / "file").touch()
        odd.write("hang-unlink")
        waiting = threading.Thread(target=unlink, args=(odd.point / "file",))
        waiting.start()
        waiting.join(0.2)
    waiting.join()
    assert heard[0].errno in {errno.ECONNABORTED, errno.ENOTCONN}
    assert not _is_mounted(odd.point)


def test_it_goes_with_a_process_that_is_killed(tmp_path: Path, odd: Odd) -> None:
    (tmp_path / "place").mkdir()
    call = [sys.executable, "-c", _PROGRAM, str(tmp_path / "place")]
    tests = Path(__file__).parent
    with subprocess.Popen(call, cwd=tests, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        assert _is_mounted(tmp_path / "place/odd")
        other.kill()
    while _is_mounted(tmp_path / "place/odd"):
        pass
