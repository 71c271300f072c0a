"""
How many files and sockets this process may have open at once.
"""

import resource

from retouchd.errors import ConfigurationError

_FILES, _FILES_OF_A_JOB = 64, 8
"""Amply: folders held open, logs, watches, threads' own; and a picture, mask, references, socket, answer."""


def allow_open_files(concurrency: int) -> None:
    """
    Let as many files be open as this process may ever have. Raises ConfigurationError where that is too few: in
    the midst of a job it would look like any other fault of a disk.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES + _FILES_OF_A_JOB * concurrency
    if most != resource.RLIM_INFINITY and most < wanted:
        msg = (
            f"No more than {most} files may be open at once, and {wanted} may be needed: raise `ulimit -n`, "
            "or LimitNOFILE= of the unit, or lower endpoint.concurrency."
        )
        raise ConfigurationError([msg])
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
