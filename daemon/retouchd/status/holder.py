"""
Which daemon holds a work folder.
"""

from retouchd.config.settings import Settings
from retouchd.disk.lock import holder
from retouchd.errors import ConfigurationError


def holder_of(settings: Settings) -> int | None:
    """
    Return the process that holds the work folder, None if nobody does; ConfigurationError if it is shut.
    """
    work = settings.folders.work
    try:
        return holder(work)
    except OSError as error:
        msg = (
            f"folders.work: {work} may not be looked into by this user: {error.strerror}. "
            "Ask as root, or as the user that retouchd runs as."
        )
        raise ConfigurationError([msg]) from error
