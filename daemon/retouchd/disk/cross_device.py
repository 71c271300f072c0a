"""
One file's way to another filesystem: at every moment it stands whole somewhere, and what is there says
what is left to do.

It is copied under a temporary name, then its source is staged, then the copy gets its name: staged and
temporary, the copy is still to be named; staged alone, it was.
"""

import contextlib
import errno
from dataclasses import dataclass

from retouchd.disk import durable, file_stat, new_files, renames
from retouchd.disk.nofollow import Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """
    The names of one file on its way: `staged` beside its source, `temporary` beside its target.
    """

    source: Where
    staged: Where
    temporary: Where
    target: Where


def carry(way: Way) -> None:
    """
    Take the next steps from wherever the file stands; raises FileExistsError where its name is taken.

    The folders are there. On one filesystem it is a single rename, durable when both folders are synced.
    """
    if file_stat.is_taken(way.staged):
        if file_stat.is_same(way.source, way.staged):
            durable.remove(way.source)  # A power cut may leave both names of a rename.
    elif file_stat.is_taken(way.source):
        if moved(way.source, way.target):
            return
        new_files.copy(way.source, way.temporary)
        durable.rename(way.source, way.staged)
    if file_stat.is_taken(way.temporary):
        renames.rename_new(way.temporary, way.target)
    elif file_stat.is_taken(way.staged):
        with contextlib.suppress(
            FileNotFoundError
        ):  # Whoever took the file may have taken its folder.
            durable.fsync_folder(way.target.parent)
    durable.remove(way.staged)


def moved(source: Where, target: Where) -> bool:
    """
    Rename without overwriting; return False where the target lies on another filesystem.

    Durable when both folders are synced.
    """
    try:
        renames.move_new(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True
