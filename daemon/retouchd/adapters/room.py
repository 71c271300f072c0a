"""
Whether the disks can take the answer of a request before it is sent: space, files, leave to write.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from retouchd.adapters.folders import Folders

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
    wanted: Mapping[Path, int] = {
        folders.work: int(size * (1 + _ANSWER)),
        folders.outbox: size,
        folders.done: 0,
        folders.error: 0,
    }
    found = {place: _state(place) for place in wanted}
    if faults := [state for state in found.values() if isinstance(state, str)]:
        return faults[0]
    home = folders.work.stat().st_dev
    on_disk: dict[int, int] = {}
    for place, needed in wanted.items():
        device = place.stat().st_dev
        # Within a disk a decoded picture is only renamed.
        share = 0 if device == home and place is not folders.work else needed
        on_disk[device] = on_disk.get(device, 0) + share
        needed_there = on_disk[device]
        state = found[place]
        assert isinstance(state, os.statvfs_result)
        if state.f_bavail * state.f_frsize < needed_there:
            free = state.f_bavail * state.f_frsize
            return (
                f"{place} has {free / 1e6:.0f} MB left, and {needed_there / 1e6:.0f} MB are kept free "
                "for what is being edited; make room on that disk."
            )
        if state.f_files and state.f_favail < _FILES:
            return f"{place} can take only {state.f_favail} more files; remove some from that disk."
    return ""


def unwritable(root: Path, folder: str) -> str:
    """
    Return why nothing can be written into a folder below one of ours; empty if it can or is still to be made.
    """
    place = root / folder
    while place != root and not place.exists():
        place = place.parent
    if place == root:
        return ""
    state = _state(place)
    return state if isinstance(state, str) else ""


def _state(place: Path) -> os.statvfs_result | str:
    try:
        state = os.statvfs(place)
    except OSError as error:
        return f"{place} cannot be used: {error.strerror}. Make it, or mend its disk."
    if state.f_flag & os.ST_RDONLY:
        return f"{place} is on a disk that is mounted read-only; mount it for writing."
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} may not be written by this user; change its owner or mode."
    return state
