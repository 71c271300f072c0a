"""
System calls for names in folders that are held open: each is reached by its folder's descriptor.
"""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retouchd.disk.nofollow import Entry, Where, path_of


def call_at(call: Callable[..., Any], where: Where, *arguments: int) -> Any:
    """
    Call the system for one name, by the descriptor of its folder if that is held open.
    """
    if isinstance(where, Path):
        return call(where, *arguments)
    try:
        return call(where.name, *arguments, dir_fd=where.parent.fd)
    except OSError as error:
        raise named(error, where) from error


def call_for_two(call: Callable[..., Any], source: Where, target: Where, **more: bool) -> None:
    """
    Call the system for two names.
    """
    if isinstance(source, Path) and isinstance(target, Path):
        call(source, target, **more)
        return
    (old, old_fd), (new, new_fd) = at(source), at(target)
    try:
        call(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd, **more)
    except OSError as error:
        raise named(error, source, target) from error


def at(where: Where) -> tuple[str | Path, int | None]:
    """
    Return a name as the system is told it, and the descriptor of its folder if that is held open.
    """
    return (where.name, where.parent.fd) if isinstance(where, Entry) else (where, None)


def named(error: OSError, source: Where, target: Where | None = None) -> OSError:
    """
    Return the same fault with whole paths: a name without its folder says little.
    """
    more = () if target is None else (None, str(path_of(target)))
    return OSError(error.errno or errno.EIO, error.strerror, str(path_of(source)), *more)
