"""
What is there, before anything is changed: names that are taken, files that are the same, what they hold.

Small files that an operator writes by hand: the configuration, a key.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from retouchd.disk import filesystems
from retouchd.disk.calls import step
from retouchd.disk.nofollow import Entry, Where
from retouchd.job.model import Snapshot
from retouchd.job.naming import shown

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFBLK: "it is a device",
}


def read_small(path: Path, most: int) -> bytes:
    """
    Return what a file holds; whatever lies under its name, this never blocks and never takes much memory.

    Raises OSError, also for what is no file and for more than `most` bytes.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if kind := _KINDS.get(stat.S_IFMT(os.fstat(fd).st_mode)):
            raise OSError(errno.EINVAL, f"{kind}, not a file", os.fspath(path))
        raw = b""
        while len(raw) <= most and (block := os.read(fd, most + 1 - len(raw))):
            raw += block
    finally:
        os.close(fd)
    if len(raw) > most:
        raise OSError(errno.EFBIG, f"it holds more than {most} bytes", os.fspath(path))
    return raw


_BLOCK = 1 << 20
NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}
"""What is said of a name that no regular file has."""

_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def stat_at(where: Where) -> os.stat_result:
    """
    Return what has that name, itself; raises OSError.
    """
    if isinstance(where, Entry):
        return os.stat(where.name, dir_fd=where.parent.fd, follow_symlinks=False)
    return os.lstat(where)


def read(path: Path) -> bytes:
    """
    Return what a small file of our own holds, in as few calls as can be: each lets other threads in.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(blocks(fd))
    finally:
        os.close(fd)


def snapshot(where: Where) -> Snapshot | None:
    """
    Return the identity of a regular file without following a link; None if there is none.
    """
    try:
        found = stat_at(where)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return snapshot_of(found)


def snapshot_of(found: os.stat_result) -> Snapshot:
    """
    Return the identity that a stat shows.
    """
    return Snapshot(
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        inode=filesystems.number_of(found.st_ino, found.st_dev),
        device=found.st_dev,
    )


def is_same(source: Where, target: Where) -> bool:
    """
    Return whether both names are of one file for sure: without numbers nobody knows.
    """
    one, other = snapshot(source), snapshot(target)
    return one is not None and one == other and one.inode != filesystems.UNKNOWN


def is_copy(source: Where, target: Where) -> bool:
    """
    Return whether the target is there and holds the same bytes.
    """
    with contextlib.ExitStack() as opened:
        try:
            held = [opened.enter_context(reading(each)) for each in (target, source)]
        except OSError as error:
            if error.errno in NO_FILE:
                return False
            raise
        return all(one == other for one, other in zip_longest(*map(blocks, held)))


def is_taken(where: Where) -> bool:
    """
    Return whether anything, a dangling link included, has that name; raises OSError where that is unknown.
    """
    try:
        stat_at(where)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_empty(where: Where) -> bool:
    """
    Return whether an empty file has that name, and no other one; raises OSError where that is unknown.
    """
    try:
        found = stat_at(where)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size == 0


def away(path: Path) -> str:
    """
    Return what to do about one of the six folders that is not there any more.
    """
    return (
        f"{shown(str(path))} is not there: mount its disk, or make it again. "
        "retouchd then goes on by itself."
    )


def in_the_way(path: Path) -> str:
    """
    Return what to do about something that stands where a folder or a file of ours is to be.
    """
    return f"{shown(str(path))} is in the way. Move it elsewhere; retouchd then goes on by itself."


def folders(path: Path) -> list[str]:
    """
    Return the names of the folders in a folder, none if it is not there.
    """
    try:
        return [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def reading(where: Where) -> Iterator[int]:
    """
    Open a regular file for reading and give its descriptor; raises OSError for anything else, links too.
    """
    fd = (
        os.open(where.name, _READING, dir_fd=where.parent.fd)
        if isinstance(where, Entry)
        else os.open(where, _READING)
    )
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise IsADirectoryError(errno.EISDIR, "Not a file", str(where))
        yield fd
    finally:
        os.close(fd)


def blocks(fd: int) -> Iterator[bytes]:
    """
    Return what is left of an open file, in pieces: each reading lets other threads in, so few are made.
    """
    while block := os.read(fd, _BLOCK):
        step()
        yield block
