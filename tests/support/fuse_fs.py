"""
Filesystems that behave as odd ones do, for tests: a pass-through (`fuse_fs.c`) over a folder of this disk.

    with fuse_fs.mounted(tmp_path) as odd:      # skips the test where it cannot be, and says why
        odd.fail("link", errno.EPERM)           # from now on; at once, also while something runs on it
        odd.fail("noreplace", errno.EINVAL)
        odd.write("inodes", "path")
        with odd.hanging("rename", "outbox/"):  # others go on meanwhile
            ...
        odd.point / "inbox"                     # where it is mounted
        odd.backing / "inbox"                   # the same folder on this disk, by which a test looks on

`exfat`, `rclone` and `sshfs` make one behave as those do. The operations by name, and all that may be written,
are listed in `fuse_fs.c`. Whoever hangs when the context ends hears ECONNABORTED. It goes with the process that
mounted it, however that ends. The kernel changes some of it: ENOSYS of `link` is heard as EPERM, and what waits
in an operation that hangs cannot be killed (as on a dead NFS) before it is let go.
"""

import atexit
import contextlib
import errno
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")
_FORBIDDEN = ':*?"<>|'


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """
    A mounted pass-through: where it is, what lies behind it, and what makes it odd.
    """

    point: Path
    backing: Path
    control: Path

    def write(self, name: str, text: object = "") -> None:
        """
        Set one of the oddities by the name that `fuse_fs.c` gives it.
        """
        temporary = self.control / f".{name}"
        temporary.write_text(str(text))
        temporary.rename(self.control / name)

    def clear(self, name: str) -> None:
        """
        Take an oddity away again.
        """
        (self.control / name).unlink()

    def fail(self, operation: str, code: int) -> None:
        """
        Have an operation fail from now on.
        """
        self.write(f"fail-{operation}", code)

    @contextlib.contextmanager
    def hanging(self, operation: str, part_of_path: str = "") -> Iterator[None]:
        """
        Have an operation wait until the context ends, everywhere or only where the path holds a text.
        """
        self.write(f"hang-{operation}", part_of_path)
        try:
            yield
        finally:
            self.clear(f"hang-{operation}")


def exfat(odd: Odd) -> None:
    """
    No links, no RENAME_NOREPLACE, no modes, times of two seconds, any case of a name, some names refused.
    """
    for operation in ("link", "symlink", "chmod", "chown"):
        odd.fail(operation, errno.EPERM)
    odd.fail("noreplace", errno.EINVAL)
    odd.write("mtime-seconds", 2)
    odd.write("ignore-case")
    odd.write("refuse-names", _FORBIDDEN)


def rclone(odd: Odd) -> None:
    """
    No links, no RENAME_NOREPLACE, and numbers that are made of the path.
    """
    for operation in ("link", "symlink"):
        odd.fail(operation, errno.ENOSYS)
    odd.fail("noreplace", errno.EINVAL)
    odd.write("inodes", "path")


def sshfs(odd: Odd) -> None:
    """
    Links, but no RENAME_NOREPLACE, and numbers that change while nobody looks.
    """
    odd.fail("noreplace", errno.EINVAL)
    odd.write("inodes", "time 200")


@contextlib.contextmanager
def mounted(place: Path, name: str = "odd") -> Iterator[Odd]:
    """
    Mount a pass-through that does nothing odd yet, in new folders of `place`.
    """
    if reason := obstacle():
        pytest.skip(reason)
    odd = Odd(
        point=place / name, backing=place / f"{name}.backing", control=place / f"{name}.control"
    )
    for folder in (odd.point, odd.backing, odd.control):
        folder.mkdir()
    program = _program()
    assert program is not None, "there is no obstacle"
    server = subprocess.Popen(
        [program, odd.backing, odd.point, odd.control],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        if server.stdout.readline() != b"mounted\n":
            pytest.skip("this machine lets nobody mount FUSE filesystems")
        yield odd
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()
        # Killed, it has left a mount without a server behind.
        subprocess.run(["umount", "-l", odd.point], check=False, capture_output=True)


def obstacle() -> str:
    """
    Return why nothing can be mounted here, empty if it can.
    """
    if os.geteuid() != 0:
        return "only root mounts filesystems"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "there is no /dev/fuse here"
    if _program() is None:
        return "fuse_fs.c cannot be compiled here: it needs cc and libfuse3-dev"
    return ""


@functools.cache
def _program() -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="fuse_fs-"))
    # The flags that pkg-config gives, which is one program less to need.
    flags = ["-O1", "-D_FILE_OFFSET_BITS=64", "-I/usr/include/fuse3"]
    call = [compiler, *flags, str(_SOURCE), "-o", str(folder / "fuse_fs"), "-lfuse3", "-lpthread"]
    done = subprocess.run(call, check=False, capture_output=True)
    if done.returncode:
        shutil.rmtree(folder)
        return None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "fuse_fs"
