"""
Files anywhere below a folder, reached without following a link: what a name in somebody's file leads to.

Every folder on the way is opened by itself (O_NOFOLLOW), so nothing can be swapped for a link meanwhile.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from retouchd.rules.settling import Signature

_LINK = "is a link or lies behind one; put the picture itself there"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def look(root: Path, path: str) -> Signature | str:
    """
    Return the signature of a regular file, or half a sentence on why it cannot be used.
    """
    try:
        with _parent(root, path) as (folder, name):
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return _LINK if _is_behind_link(root, path) else "is not there"
    except OSError as error:
        return _LINK if error.errno == errno.ELOOP else f"cannot be looked at: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return _LINK
    if not stat.S_ISREG(found.st_mode):
        return "is not a file"
    return signature_of(found)


def signature_of(found: os.stat_result) -> Signature:
    """
    Return the signature that a stat shows.
    """
    return Signature(
        found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev
    )


@contextlib.contextmanager
def opened(root: Path, path: str) -> Iterator[BufferedReader]:
    """
    Open a regular file for reading; raises OSError for anything else, and for a link on the way.
    """
    with _parent(root, path) as (folder, name):
        fd = os.open(name, _FILE, dir_fd=folder)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        yield file


@contextlib.contextmanager
def _parent(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """
    Open the folder of a file, part by part; give its descriptor and the file's own name.
    """
    *parts, name = path.split("/")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            below = os.open(part, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd, name
    finally:
        os.close(fd)


def _is_behind_link(root: Path, path: str) -> bool:
    """
    Tell a link on the way from a missing folder: the kernel says the same of both.
    """
    parts = path.split("/")
    return any((root / "/".join(parts[:end])).is_symlink() for end in range(1, len(parts)))
