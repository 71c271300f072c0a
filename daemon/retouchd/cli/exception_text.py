"""
Turns exceptions that a person can mend (no memory, no threads, a disk's) into a sentence with an exit code.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from retouchd.errors import ConfigurationError, DiskFailed, RetouchdError
from retouchd.job.naming import shown

_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_NO_THREAD = "can't start new thread"


def mendable(error: BaseException) -> RetouchdError | None:
    """
    Return what is to be told of an exception, None for one that only a programmer can mend.
    """
    faults = list(_leaves(error))
    told = [each for each in map(_told, faults) if each is not None]
    return told[0] if len(told) == len(faults) else None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _told(error: BaseException) -> RetouchdError | None:
    if isinstance(error, RetouchdError):
        return error
    if means := _lacking(error):
        what, where = means
        return DiskFailed(f"There are not enough {what} for this: see {where}.")
    if isinstance(error, FileNotFoundError) and not _has_a_place():
        text = "The folder in which this was started is gone: change into another one."
        return ConfigurationError([text])
    if isinstance(error, OSError):
        name = f"{shown(os.fsdecode(error.filename))}: " if error.filename else ""
        return DiskFailed(f"{name}{error.strerror or error}.")
    if isinstance(error, ImportError):
        text = f"retouchd cannot be loaded: {error}. Give it more memory, or install it anew."
        return DiskFailed(text)
    return None


def _lacking(error: BaseException) -> tuple[str, str] | None:
    """
    Return what of the machine there is too little of, and where that is set.
    """
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return "bytes of memory", "`ulimit -v`, or MemoryMax= of the unit"
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return "threads", "`ulimit -u`, or TasksMax= of the unit"
    if number in _TOO_MANY:
        return "open files", "`ulimit -n`, or LimitNOFILE= of the unit"
    return None


def _has_a_place() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True
