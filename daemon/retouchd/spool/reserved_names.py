"""
The names in a folder of `done/` or `error/` that jobs have reserved by their records, moved there or not yet.
"""

from pathlib import Path

from retouchd.disk import nofollow
from retouchd.job.filenames import IMAGE_EXTENSIONS
from retouchd.job.naming import RECORD, fits, path_below
from retouchd.spool.archived_records import record_in
from retouchd.spool.record import files_told


def reserved_in(root: Path, folder: str, stem: str, *, but: str = "") -> frozenset[str] | None:
    """
    Return the names, escaped, that the records of a stem reserve: `cat.job.json`, `cat.jpg.job.json` and so on.

    `folder` is the path below `root`; `but` is a record that does not count. None where one of them does not
    tell its files: it is somebody's own, or an earlier version's. Raises OSError.
    """
    ends = [f".{each}" for end in IMAGE_EXTENSIONS for each in (end, end.upper())]
    found: set[str] = set()
    for name in [f"{stem}{end}{RECORD}" for end in ("", *ends)]:
        path = path_below(folder, name)
        if name != but and fits(name) and is_taken(root, path):
            files = files_told(record_in(root, path))
            if files is None:
                return None
            found.update(files)
    return frozenset(found)


def is_taken(root: Path, path: str) -> bool:
    """
    Return whether anything has that path below a folder. Raises OSError.
    """
    try:
        nofollow.stat_of(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
