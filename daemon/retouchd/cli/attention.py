"""
What needs a person, in sentences: the worst first.
"""

import datetime as dt
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from retouchd.adapters.disk_threads import unresponsive
from retouchd.adapters.folders import Folders
from retouchd.adapters.thread_pools import Folder, at
from retouchd.cli.overview import Today
from retouchd.rules.report import Report

SPARE_BYTES = 1 << 30
"""Less room than this on a disk is worth a warning: some dozens of large jobs."""


def attention(
    report: Report | None,
    folders: Folders,
    today: Today,
    *,
    hung: AbstractSet[Folder],
    free: dict[str, int],
    silent_since: dt.datetime | None,
) -> Iterator[str]:
    """
    Yield what needs a person; `hung` folders do not answer, and `silent_since` is the last sign of life of a
    daemon that gives none.
    """
    if silent_since is not None:
        yield (
            f"The daemon has given no sign of life since {silent_since.astimezone():%H:%M:%S}; "
            "look at its log, then restart it."
        )
    places = folders.by_name()
    unusable = {folder.value: unresponsive(folder, places[folder]) for folder in sorted(hung)}
    yield from ({**unusable, **report.unusable} if report else unusable).values()
    if report:
        yield from _troubles(report)
    if today.failed_left:
        what = "picture" if today.failed_left == 1 else "pictures"
        yield (
            f"{today.failed_left} {what} went to error/ today; each has an .error.txt beside it. "
            "`retouchd retry` takes them back."
        )
    yield from _places(folders, hung, free)


def _troubles(report: Report) -> Iterator[str]:
    """
    Return what the daemon itself says is wrong.
    """
    if report.away:
        yield report.away
    if report.remark:
        yield report.remark
    if report.unread:
        yield report.unread
    if report.watch_remedy:
        yield f"{report.watch_reason}: {report.watch_remedy}."
    if report.pause:
        yield f"Nothing is sent: {report.pause.reason}"
    if report.held_count:
        first = report.held[0]
        path = "/".join(part for part in (first.folder, first.name) if part)
        more = f" and {report.held_count - 1} more" if report.held_count > 1 else ""
        yield f"{path}{more} cannot be taken: {first.reason}"
    yield from dict.fromkeys(report.jobs[job] for job in report.blocked)


def _places(folders: Folders, hung: AbstractSet[Folder], free: dict[str, int]) -> Iterator[str]:
    for folder, place in folders.by_name().items():
        if folder in hung:
            continue
        with at(folder):
            is_there = place.is_dir()
        if not is_there:
            yield f"folders.{folder}: {place} is not there."
    for key, spare in free.items():
        if spare < SPARE_BYTES:
            yield f"folders.{key}: only {spare / 1e6:.0f} MB are free on its disk."
