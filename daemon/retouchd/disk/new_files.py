"""
Whole new files under names of our own: copied, or written.
"""

import contextlib
import shutil
from pathlib import Path

from retouchd.disk import durable, file_stat
from retouchd.disk.nofollow import Entry, Where
from retouchd.disk.permissions import share_as_folder


def copy(source: Where, target: Where) -> None:
    """
    Copy bytes, times and mode to a name of our own in another folder; the bytes are durable on return.
    """
    with file_stat.reading(source) as reader, durable.DurableFile(target, target) as writer:
        for block in file_stat.blocks(reader):
            writer.write(block)
        with contextlib.suppress(OSError):  # Some mounts keep no times, modes or attributes.
            shutil.copystat(f"/proc/self/fd/{reader}", f"/proc/self/fd/{writer.fd}")
        writer.seal()
    durable.fsync_folder(target.parent)


def copy_new(source: Path, target: Entry) -> None:
    """
    Copy bytes alone to a name of our own, as a new file for all who share the folder; durable on return but for
    the name.
    """
    with source.open("rb") as reader, durable.DurableFile(target, target) as writer:
        for block in file_stat.blocks(reader.fileno()):
            writer.write(block)
        share_as_folder(writer.fd, target.parent.fd)
        writer.seal()


def put_new(target: Where, data: bytes, *, is_shared: bool = False) -> None:
    """
    Write bytes under a name of our own, as a new file of this user's, or of all who share the folder; durable
    on return but for the name.
    """
    with durable.DurableFile(target, target) as writer:
        writer.write(data)
        if is_shared and isinstance(target, Entry):
            share_as_folder(writer.fd, target.parent.fd)
        writer.seal()
