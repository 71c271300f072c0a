"""
How changes in the inbox are noticed, pure: inotify or polling, how thoroughly to scan, and how often.
"""

import errno
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from retouchd.disk.mounts import is_deaf
from retouchd.disk.signature import FolderStamp

_LOOKING_SHARE = 10
_FIRM_SECONDS = 3.0
"""Longer than the coarsest clock of any filesystem: FAT counts in steps of two seconds."""


class Choice(StrEnum):
    """
    What `intake.observer` asks for.
    """

    AUTO = "auto"
    INOTIFY = "inotify"
    POLLING = "polling"


class Mode(StrEnum):
    """
    How changes are noticed: as the kernel reports them, by looking often, by looking seldom.
    """

    INOTIFY = "inotify"
    POLLING = "polling"
    SCAN = "scan"


class Depth(Enum):
    """
    How thoroughly the inbox is looked at.
    """

    CHANGES = auto()
    """The names in each folder that may have changed."""
    NAMES = auto()
    """All names; of the files those that are new."""
    FILES = auto()
    """Every file."""


class MtimeCache(NamedTuple):
    """
    A folder's cached stamp, shown since a moment of the monotonic clock.

    `is_firm` if the next change in the folder must show as another stamp.
    """

    stamp: FolderStamp
    since: float
    is_firm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenMode:
    """
    A mode with the reason for it; `remedy` says what to do if it is less than was asked for.
    """

    mode: Mode
    reason: str
    remedy: str = ""


_REMEDIES = {
    errno.ENOSPC: (
        "the inotify watch limit is reached: each folder of the inbox needs one",
        "raise fs.inotify.max_user_watches with sysctl, then send SIGHUP",
    ),
    errno.EMFILE: (
        "the inotify instance limit is reached, or too many files are open",
        "raise fs.inotify.max_user_instances with sysctl, then send SIGHUP",
    ),
    errno.ENFILE: (
        "the machine has too many open files",
        "raise fs.file-max with sysctl, then send SIGHUP",
    ),
    errno.ENOSYS: ("this kernel cannot watch folders", "set intake.observer to polling"),
}


def choose(choice: Choice, filesystem: str | None) -> ChosenMode:
    """
    Return the mode to try, given the kind of filesystem the inbox lies on.
    """
    match choice:
        case Choice.POLLING:
            return ChosenMode(mode=Mode.POLLING, reason="intake.observer is polling")
        case Choice.INOTIFY:
            return ChosenMode(mode=Mode.INOTIFY, reason="intake.observer is inotify")
        case Choice.AUTO:
            if filesystem is None or not is_deaf(filesystem):
                reason = f"the inbox lies on {filesystem or 'an unknown filesystem'}"
                return ChosenMode(mode=Mode.INOTIFY, reason=reason)
            reason = (
                f"the inbox lies on {filesystem}, where the kernel does not hear what others write"
            )
            remedy = "set intake.observer to inotify if only this machine writes to the inbox"
            return ChosenMode(mode=Mode.POLLING, reason=reason, remedy=remedy)


def fall_back(choice: Choice, failure: OSError | RecursionError) -> ChosenMode:
    """
    Return the mode that is left where the kernel cannot watch all of the inbox.
    """
    mode = Mode.POLLING if choice is Choice.AUTO else Mode.SCAN
    if isinstance(failure, RecursionError):
        reason = "folders of the inbox lie too deep in one another to be watched"
        return ChosenMode(
            mode=mode, reason=reason, remedy="make the inbox less deep, then send SIGHUP"
        )
    known = _REMEDIES.get(failure.errno or 0)
    reason, remedy = known or (f"the inbox cannot be watched: {failure.strerror}", "send SIGHUP")
    return ChosenMode(mode=mode, reason=reason, remedy=remedy)


def trust_in(
    before: MtimeCache | None, stamp: FolderStamp | None, began: float
) -> MtimeCache | None:
    """
    Return what to cache of a folder that was listed from that moment on; no stamp where it changed meanwhile.

    Two changes within one step of the filesystem's clock leave the same stamp. So one that was seen before
    is firm only if it was first seen several seconds ago.
    """
    if stamp is None:
        return None
    if before is None or before.stamp != stamp:
        return MtimeCache(stamp, began)
    return before._replace(is_firm=before.is_firm or began - before.since >= _FIRM_SECONDS)


def scan_pause(every: float, longest: float, took: float) -> float:
    """
    Return the seconds until the next scan: `every` so many, yet looking takes a tenth of the time at
    most, unless that would be longer than `longest`.
    """
    return min(longest, max(every, _LOOKING_SHARE * took))
