"""
Finds the pictures that came for an edit which could not be finished: where the record says, below `error/`, or
beside the photo that came back.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from retouchd.disk import nofollow
from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders
from retouchd.job.filenames import is_received
from retouchd.job.naming import path_below, shown
from retouchd.spool import history
from retouchd.spool.fingerprint import Digest
from retouchd.spool.finished_index import found_digest
from retouchd.spool.finished_job import raw_name


class ReceivedGoneError(Exception):
    """
    What came is not there any more, or is not what it was; says where it lay, and what to do.
    """


def find(folders: Folders, folder: str, told: Mapping[str, Any]) -> tuple[Path, str]:
    """
    Return where a picture lies that a job received: a folder, and the path below it. `told` are its `path`,
    `bytes` and `sha256`, of which only the hash is believed; `folder` is where in the inbox its photo is.

    Blocks. Raises ReceivedGoneError; OSError where a disk fails.
    """
    content = Digest(size=told["bytes"], sha256=told["sha256"])
    path = raw_name(told["path"])
    with at(Folder.ERROR):
        if _is_it(folders.error, path, content):
            return folders.error, path
    with at(Folder.INBOX):
        for each in names_beside(folders.inbox, folder):
            if _is_it(folders.inbox, path_below(folder, each), content):
                return folders.inbox, path_below(folder, each)
    place = f"error/{shown(path)}"
    msg = (
        f"what came for it and was paid for, {place}, is gone or was changed: put it back there, or beside the "
        'picture. To have that edited, and charged, again, set intake.duplicates = "run"'
    )
    raise ReceivedGoneError(msg)


def names_beside(inbox: Path, folder: str) -> Iterator[str]:
    """
    Yield the names in a folder of the inbox that are those of pictures as they were received.
    """
    try:
        with nofollow.opened_folder(inbox, folder) as found:
            names = nofollow.names_in(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from sorted(each for each in names if is_received(each))


def read(root: Path, path: str) -> bytes:
    """
    Return what such a picture holds; raises OSError.
    """
    with nofollow.opened(root, path) as file:
        return file.read()


def _is_it(root: Path, path: str, content: Digest) -> bool:
    if history.size_of(root, path) != content.size:
        return False  # Without reading it.
    return found_digest(root, path) == content
