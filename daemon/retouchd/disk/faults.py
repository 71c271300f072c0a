"""
A disk that stands in the way of a whole command, told as a sentence.
"""

import contextlib
from collections.abc import Iterator

from retouchd.errors import DiskFailed, FolderUnresponsive
from retouchd.job.naming import shown


@contextlib.contextmanager
def telling_of_the_disk() -> Iterator[None]:
    """
    Have what the disk prevents end with a sentence. Raises DiskFailed in place of an OSError.

    For what changes nothing: a look, or a start before its first claim. Who starts services starts it again.
    """
    try:
        yield
    except FolderUnresponsive as error:
        raise DiskFailed(f"{error} No file was touched. Then start retouchd again.") from error
    except OSError as error:
        name = shown(str(error.filename)) if error.filename else "A folder"
        raise DiskFailed(
            f"{name} cannot be used now: {error.strerror or error}. No file was touched. "
            "See to it or to its disk, then start retouchd again."
        ) from error
