"""
What is there, before anything is changed: which names are taken, which files are the same, what they hold.
"""

import filecmp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from retouchd.adapters.thread_pools import step
from retouchd.rules.job import Snapshot
from retouchd.rules.naming import shown

_BLOCK = 1 << 20


def read(path: Path) -> bytes:
    """
    Return what a small file of our own holds, in as few calls as can be: each lets other threads in.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(blocks(fd))
    finally:
        os.close(fd)


def snapshot(path: Path) -> Snapshot | None:
    """
    Return the identity of a regular file without following a link; None if there is none.
    """
    try:
        found = os.lstat(path)
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
        inode=found.st_ino,
        device=found.st_dev,
    )


def is_same(source: Path, target: Path) -> bool:
    """
    Return whether both names are of one file.
    """
    one, other = snapshot(source), snapshot(target)
    return one is not None and one == other


def is_copy(source: Path, target: Path) -> bool:
    """
    Return whether the target is there and holds the same bytes.
    """
    return target.is_file() and filecmp.cmp(source, target, shallow=False)


def is_taken(path: Path) -> bool:
    """
    Return whether anything, a dangling link included, has that name; raises OSError where that is unknown.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


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


def blocks(fd: int) -> Iterator[bytes]:
    """
    Return what is left of an open file, in pieces: each reading lets other threads in, so few are made.
    """
    while block := os.read(fd, _BLOCK):
        step()
        yield block
