"""
Where `status.txt` lies, and how it is put there and removed.

It is written over without a sync, and only where what has its name is one of ours or nothing.
"""

import errno
import os
import stat
from pathlib import Path

from retouchd.disk import durable
from retouchd.disk.folders import Folders
from retouchd.status.text import MARK, is_ours

_NAME = "status.txt"


def place_of(folders: Folders) -> Path:
    """
    Return where the text goes: beside the work folder, and never into one of the five folders, as it would be
    taken for a prompt there; where a link to the work folder lies in one of them, beside what it leads to.
    """
    work = Path(os.path.normpath(folders.work))
    name = _NAME if work.name == "work" else f"{work.name}-{_NAME}"
    parent = work.resolve().parent if folders.hold(work.parent) else work.parent
    return parent / name


def post_text(path: Path, data: bytes) -> None:
    """
    Put a text in place. Raises OSError, FileExistsError where somebody else's file has the name.
    """
    if not _is_free(path):
        raise FileExistsError(errno.EEXIST, "A file that retouchd did not write has this name")
    durable.post(path, data, path.with_name(f".retouchd-{path.name}.tmp"))


def remove_text(path: Path) -> None:
    """
    Remove a text of ours, if there is one: nobody keeps it true any more.
    """
    if path.exists() and _is_free(path):
        durable.remove(path)


def _is_free(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and is_ours(os.read(fd, len(MARK.encode())))
    finally:
        os.close(fd)
