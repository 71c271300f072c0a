"""
Folders with what is in them: made below one of the five, part by part, or removed.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from retouchd.disk import durable, nofollow
from retouchd.disk.nofollow import OpenFolder
from retouchd.disk.permissions import share_as_folder


@contextlib.contextmanager
def made_folder(root: Path, path: str) -> Iterator[OpenFolder]:
    """
    Hold a folder below a root open; what is missing of it is made, each part durable before the next.

    Raises FileNotFoundError where the root is away, as under its name there may be nothing but an empty mount
    point, and NotADirectoryError where a link or a file is in the way of a part.
    """
    try:
        fd = nofollow.open_folder(root, path)
    except (FileNotFoundError, NotADirectoryError):
        fd = _made(OpenFolder(root, nofollow.open_folder(root, "")), path)
    try:
        yield OpenFolder(root / path, fd)
    finally:
        os.close(fd)


def _made(folder: OpenFolder, path: str) -> int:
    try:
        for name in path.split("/"):
            inner = folder / name
            try:
                fd = nofollow.open_inner(inner)
            except FileNotFoundError:
                durable.begin_folder(inner)
                durable.fsync_folder(folder)
                fd = nofollow.open_inner(inner)
                share_as_folder(fd, folder.fd)
            os.close(folder.fd)
            folder = OpenFolder(inner.path, fd)
    except OSError:
        os.close(folder.fd)
        raise
    return folder.fd


def sweep(folder: Path, spared: str) -> None:
    """
    Remove a folder of our own with all that is in it, except what a sub-folder named `spared` holds.
    """
    for entry in list(os.scandir(folder)):
        path = folder / entry.name
        if not entry.is_dir(follow_symlinks=False):
            durable.unlink(path)
        elif entry.name == spared:
            durable.remove_empty(path)
        else:
            sweep(path, spared)
    durable.remove_empty(folder)
