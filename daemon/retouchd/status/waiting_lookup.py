"""
Finds out for `status` what waits in the inbox: from the daemon, which knows, or by a look through the inbox.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TypeAlias

from retouchd.clock import SystemClock
from retouchd.config.settings import Settings
from retouchd.disk.faults import telling_of_the_disk
from retouchd.disk.thread_pools import Folder, at
from retouchd.inbox.waiting import (
    READY,
    Waiting,
    WaitingFile,
    kind_of,
)
from retouchd.status.report import Report
from retouchd.status.status_file import Board

_FRESH_SECONDS = 1.3
"""How long a daemon gets to tell of what was dropped a moment ago."""
_BEAT_SECONDS = 0.02

_Held: TypeAlias = Mapping[tuple[str, str], tuple[str, str]]


def waiting_of(
    settings: Settings,
    pid: int | None,
    report: Report | None,
    hung: AbstractSet[Folder],
    *,
    is_whole: bool,
) -> Waiting | None:
    """
    Return what waits, None where that cannot be known now. Where it is to be whole, each file is told by name.

    What the daemon `pid` knows is not asked of the disk; one that has just begun knows nothing yet.
    """
    if Folder.WORK in hung:
        return None
    if pid is not None and not is_whole:
        told = _told(settings, pid, is_hung=Folder.INBOX in hung)
        if told is not None or report is None or report.scanned_at is None:
            return told
    if Folder.INBOX in hung:
        return None
    # Only here: where a daemon knows, nobody waits for what this imports.
    from retouchd.status.inbox_snapshot import Survey  # noqa: PLC0415

    with telling_of_the_disk(), at(Folder.INBOX):
        summary = Survey(settings, SystemClock()).summary()
        found = summary.waiting()
        if not is_whole:
            return found
        held = dict(_held(report)) if report else {}
        files = tuple(_held_as(each, held) for each in summary.all())
        return replace(found, kinds=dict(Counter(each.kind for each in files)), files=files)


def _told(settings: Settings, pid: int, *, is_hung: bool) -> Waiting | None:
    """
    Return what the daemon knows of the inbox, None where it has not told; of what came just now it is about to.
    """
    folders = settings.folders
    board, end = Board(folders.work), time.monotonic() + _FRESH_SECONDS
    while True:
        found, told_at = board.read_waiting() or (None, 0)
        known = found if found and found.pid == pid else None
        if is_hung or time.monotonic() > end:
            return known
        with at(Folder.INBOX):
            changed_at = folders.inbox.stat().st_mtime_ns if folders.inbox.is_dir() else 0
        if known and told_at >= changed_at:
            return known
        time.sleep(_BEAT_SECONDS)


def _held(report: Report) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """
    Return the reasons of what the daemon holds, and their kinds, by the first file of each bundle.
    """
    for each in (*report.held, *report.unfinished, *report.duplicates):
        yield (each.folder, each.name), (each.reason, kind_of(each.reason))


def _held_as(file: WaitingFile, held: _Held) -> WaitingFile:
    if file.kind != READY or (found := held.get((file.folder, file.first or file.name))) is None:
        return file
    return replace(file, reason=found[0], kind=found[1])
