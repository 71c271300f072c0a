"""
A job's folder in outbox, done or error: held open, and what stands against it in words.
"""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from retouchd.disk import file_stat, moves
from retouchd.disk.nofollow import OpenFolder
from retouchd.errors import Blocked, FolderAway
from retouchd.job import naming
from retouchd.job.model import Job
from retouchd.spool.history import is_taken
from retouchd.spool.plan import IsTaken

_NO_NAME = {errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG}
"""What filesystems say to a name that they do not take, as exFAT to `:` and `?`."""


@contextlib.contextmanager
def made(root: Path, job: Job) -> Iterator[OpenFolder]:
    """
    Hold the folder of a job open, made if need be; raises Blocked for what stands against it meanwhile.

    A root that is away is not made anew: its disk may not be mounted.
    """
    with blocked(root / job.folder):
        try:
            root.stat()
        except FileNotFoundError as error:
            raise FolderAway(file_stat.away(root)) from error
        with moves.made_folder(root, job.folder) as folder:
            yield folder


@contextlib.contextmanager
def blocked(folder: Path) -> Iterator[None]:
    """
    Raise Blocked, in words, for what the disk says to anything done in a folder.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError):
            msg = file_stat.in_the_way(Path(error.filename2 or error.filename or folder))
        elif error.errno in _NO_NAME and (file := error.filename2 or error.filename):
            msg = (
                f"{naming.shown(str(folder))} takes no file named {naming.shown(Path(file).name)} "
                f"({error.strerror}). Give that folder a place on another filesystem."
            )
        else:
            name = naming.shown(str(folder))
            msg = f"{name} cannot be written ({error.strerror}). retouchd tries again by itself."
        raise Blocked(msg) from error


def taken_in(root: Path, job: Job) -> IsTaken:
    """
    Return what says of a name whether it is taken in the job's folder.
    """
    return lambda name: is_taken(root, naming.path_below(job.folder, name))
