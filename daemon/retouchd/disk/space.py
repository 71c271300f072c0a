"""
Whether the disks can take the answer of a request before it is sent: space, files, leave to write.
"""

import os
import stat
from pathlib import Path

from retouchd.disk import file_stat
from retouchd.disk.folders import Folders
from retouchd.disk.thread_pools import Folder, at
from retouchd.job.naming import shown

PICTURE_BYTES = 16 << 20
"""Room kept for each picture expected: a PNG of 8 megapixels that compresses badly."""

_ANSWER = 4 / 3
"""Base64 makes four bytes of three."""
_FILES = 32
"""Names that one job makes in a folder, amply."""


def shortage(folders: Folders, pictures: int) -> str:
    """
    Return why an answer with so many pictures might find no room, empty if it will.

    The work folder holds the answer as it came and the pictures decoded; the outbox takes the pictures,
    done and error only names, where they are on the same disk. Folders of one disk are added up.
    """
    size = pictures * PICTURE_BYTES
    wanted = {
        Folder.WORK: (folders.work, int(size * (1 + _ANSWER))),
        Folder.OUTBOX: (folders.outbox, size),
        Folder.DONE: (folders.done, 0),
        Folder.ERROR: (folders.error, 0),
    }
    on_disk: dict[int, int] = {}
    for folder, (place, needed) in wanted.items():
        with at(folder):
            state = _state(place)
            if isinstance(state, str):
                return state
            try:
                device = place.stat().st_dev
            except OSError as error:
                return _unusable(place, error)
        # On the disk of the work folder a decoded picture is only renamed, and counted already.
        on_disk[device] = on_disk.get(device, 0) or needed
        if reason := _too_little(place, state, on_disk[device]):
            return reason
    return ""


def _too_little(place: Path, state: os.statvfs_result, needed: int) -> str:
    name, free = shown(str(place)), state.f_bavail * state.f_frsize
    if free < needed:
        return (
            f"{name} has {free / 1e6:.0f} MB left, and {needed / 1e6:.0f} MB are kept free for what is "
            "being edited; make room on that disk."
        )
    if state.f_files and state.f_favail < _FILES:
        return f"{name} can take only {state.f_favail} more files; remove some from that disk."
    return ""


def obstacle(folders: Folders, folder: str) -> str:
    """
    Return why a result could not be written into this folder of outbox, done or error, empty if it can.
    """
    targets = {
        Folder.OUTBOX: folders.outbox,
        Folder.DONE: folders.done,
        Folder.ERROR: folders.error,
    }
    for target, root in targets.items():
        with at(target):
            if reason := _unwritable(root, folder):
                return reason
    return ""


def _unwritable(root: Path, folder: str) -> str:
    """
    Return why nothing can be written into a folder below one of ours; empty if it can or is still to be made.
    """
    place = root
    for part in folder.split("/") if folder else ():
        inner = place / part
        if not file_stat.is_taken(inner):
            break
        if not stat.S_ISDIR(file_stat.stat_at(inner).st_mode):
            return file_stat.in_the_way(inner)  # A link, too: nothing is written behind one.
        place = inner
    state = _state(place) if place != root else ""
    return state if isinstance(state, str) else ""


def _state(place: Path) -> os.statvfs_result | str:
    try:
        state = os.statvfs(place)
    except OSError as error:
        return _unusable(place, error)
    if state.f_flag & os.ST_RDONLY:
        return f"{shown(str(place))} is on a disk that is mounted read-only; mount it for writing."
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{shown(str(place))} may not be written by this user; change its owner or mode."
    return state


def _unusable(place: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return file_stat.away(place)
    return f"{shown(str(place))} cannot be used: {error.strerror}. Make it, or see to its disk."
