"""
Results that wait in the folder for reviews: what lies there, and where it goes when somebody has looked at it.

Where a file lies is all that is known of it: a person may move it with any file manager just as well.
"""

import errno
import os
import stat
from collections.abc import Iterator
from itertools import islice

from retouchd.disk import durable, file_stat, moves, nofollow
from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders
from retouchd.disk.nofollow import Entry, OpenFolder
from retouchd.job.naming import escaped, free_stem, path_below, shorten

_OWN = ".retouchd-"
_TRIES = 5
_LONGEST = 200
_MOST = 5000
"""Files that are looked at: a folder in which somebody keeps more than that holds up no page."""


def waiting(folders: Folders) -> dict[str, int]:
    """
    Return what waits for somebody to look at it, as escaped paths, each with its size in bytes. Raises OSError.
    """
    with at(Folder.REVIEW):
        return dict(islice(_files(folders), _MOST))


def approve(folders: Folders, path: str, job_id: str) -> str:
    """
    Move a result of a job to the outbox and return its path there: the same one, or where that is taken, one
    that is free. Cut short at any moment, the same call finishes it.

    Raises OSError, FileNotFoundError where it does not wait any more, or lies behind a link.
    """
    folder, _, name = path.rpartition("/")
    with (
        at(Folder.REVIEW),
        nofollow.opened_folder(folders.review, folder) as review,
        at(Folder.OUTBOX),
        moves.made_folder(folders.outbox, folder) as outbox,
    ):
        source = _required(review / name)
        temporary = outbox / shorten(f"{_OWN}{job_id}-{name}", _LONGEST)
        for _ in range(_TRIES):
            target = _target(source, outbox, job_id)
            try:
                _carry(source, temporary, target)
            except FileExistsError:
                continue  # Somebody was faster.
            return path_below(folder, target.name)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def reject(folders: Folders, path: str) -> None:
    """
    Delete a result that nobody wants. Raises OSError as `approve` does.
    """
    folder, _, name = path.rpartition("/")
    with at(Folder.REVIEW), nofollow.opened_folder(folders.review, folder) as review:
        durable.remove(_required(review / name))


def _files(folders: Folders) -> Iterator[tuple[str, int]]:
    root = os.fspath(folders.review)
    for top, inner, names in os.walk(root, onerror=_raise):
        inner[:] = sorted(each for each in inner if not each.startswith("."))
        below = os.path.relpath(top, root) if top != root else ""
        for name in sorted(names):
            if name.startswith("."):
                continue
            found = os.lstat(os.path.join(top, name))  # noqa: PTH118 - thousands of them
            if stat.S_ISREG(found.st_mode):
                yield escaped(path_below(below, name)), found.st_size


def _raise(error: OSError) -> None:
    raise error


def _required(source: Entry) -> Entry:
    if not stat.S_ISREG(file_stat.stat_at(source).st_mode):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source.name)
    return source


def _target(source: Entry, outbox: OpenFolder, job_id: str) -> Entry:
    """
    Return the name that a result gets: its own where that is free, or taken by what an earlier try left.
    """

    def is_taken(name: str) -> bool:
        target = outbox / name
        if not file_stat.is_taken(target) or moves.is_reserved(source, target):
            return False
        return not file_stat.is_copy(source, target)

    stem, dot, extension = source.name.rpartition(".")
    end = dot + extension if stem else ""
    return outbox / (free_stem(stem or source.name, job_id, [end], is_taken) + end)


def _carry(source: Entry, temporary: Entry, target: Entry) -> None:
    with durable.synced(target.parent, source.parent):
        if file_stat.is_taken(target) and file_stat.is_copy(source, target):
            durable.fsync_folder(target.parent)
            durable.remove(source)
        elif not moves.moved(source, target):
            moves.copy(source, temporary)
            moves.rename_new(temporary, target)
            durable.remove(source)
    durable.remove(temporary)
