"""
The `attention` of `status`: what needs a person, in sentences, the worst first.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from retouchd.disk.calls import Folder, at
from retouchd.disk.filesystems import DEFAULT_UNIT, Unit
from retouchd.disk.folders import Folders
from retouchd.disk.threads import unresponsive
from retouchd.hooks.queue import HookBacklog
from retouchd.job.naming import escaped, path_below
from retouchd.status.alarms import alarm
from retouchd.status.document import DaemonState, Today, local_time
from retouchd.status.report import StatusReport

SPARE_BYTES = 1 << 30
"""Less room than this on a disk is worth a warning: some dozens of large jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """
    How the daemon as a whole stands: its state and since when, the `faults` of its configuration as it is now.

    Of one that does not run `was_clean` says whether it was stopped, None where there was none, and `left` in a
    sentence what waits for it; `unit` is the service that it is, or was, `is_restarting` if systemd is about to
    start it.
    """

    at: dt.datetime
    state: DaemonState
    since: dt.datetime | None
    faults: Sequence[str]
    was_clean: bool | None = None
    left: str = ""
    unit: Unit = DEFAULT_UNIT
    is_restarting: bool = False


def attention(
    condition: Condition,
    report: StatusReport | None,
    folders: Folders,
    today: Today,
    *,
    hung: AbstractSet[Folder],
    free: dict[str, int],
    hooks: HookBacklog | None = None,
) -> Iterator[str]:
    """
    Yield what needs a person; `hung` folders do not answer.
    """
    places = folders.by_name()
    looked_at = {folder: place for folder, place in places.items() if folder not in hung}
    gone = [
        folder
        for folder, place in looked_at.items()
        if folder is not Folder.REVIEW and not _is_there(folder, place)
    ]
    yield from (f"folders.{folder}: {places[folder]} is not there." for folder in gone)
    if condition.state is DaemonState.STOPPED:
        yield from _of_none(condition, gone)
    else:
        yield from _of_one(condition, report)
    unusable = {folder.value: unresponsive(folder, places[folder]) for folder in sorted(hung)}
    yield from ({**unusable, **report.unusable} if report else unusable).values()
    if report:
        yield from _troubles(report)
    for code, paths in today.alarming.items():
        yield alarm(code, paths)
    for key, spare in free.items():
        if spare < SPARE_BYTES:
            yield f"folders.{key}: only {spare / 1e6:.0f} MB are free on its disk."
    if hooks and hooks.given_up:
        yield _given_up(hooks, condition.unit)


def _given_up(backlog: HookBacklog, unit: Unit) -> str:
    last = backlog.given_up[-1]
    many = f"{backlog.lost:,} times" if backlog.lost > 1 else "once"
    return (
        f"For a day somebody could not be told, {many}, last of {last.about} by {last.way} (job {last.id}): "
        f"{escaped(last.fault)}. Once that is mended, reload ({unit.command('reload')}): they are told then. "
        "Those whose files you remove from work/events are not."
    )


def refused(problems: Sequence[str], unit: Unit) -> str:
    """
    Return what is said of a changed configuration beside a daemon that goes on with the old one.
    """
    return (
        f"The configuration was changed and cannot be used; the old one stays in force. {_first(problems)} "
        f"Correct it, then reload ({unit.command('reload')}): a restart would fail."
    )


def was_refused(problems: Sequence[str], unit: Unit) -> str:
    """
    Return what a daemon says that refused a configuration; it may have been corrected since.
    """
    return (
        "At its last reload the configuration could not be used; the old one stays in force. "
        f"{_first(problems)} Once that is corrected, reload again ({unit.command('reload')})."
    )


def _of_none(condition: Condition, gone: Sequence[Folder]) -> Iterator[str]:
    """
    Return what is said where no daemon runs: how that came, what waits, and what to do. Folders that are `gone`
    are made by a first start, and refused by others.
    """
    if condition.faults:
        faults = [escaped(each) for each in condition.faults]
        yield f"The configuration cannot be used: {_first(faults)}"
    when = f" at {local_time(condition.since, condition.at)}" if condition.since else ""
    match condition.was_clean:
        case None:
            how = "retouchd has not been started yet"
        case True:
            how = f"retouchd was stopped{when}"
        case False:
            how = (
                "retouchd ended without being stopped (killed, a crash, a power cut); its last sign of life "
                f"was{when or ' lost'}. Nothing is lost by that, and its log may say more"
            )
    service = condition.unit.command("start")
    start = f"start it with `retouchd run`, or as a service ({service})"
    if condition.is_restarting:
        start = "systemd starts it again by itself in a moment"
    elif condition.faults:
        start = f"once the configuration is corrected, {start}"
    elif gone and condition.was_clean is not None:
        start = f"once {' and '.join(f'folders.{each}' for each in gone)} is there again, {start}"
    yield f"{how}. {condition.left} {start[0].upper()}{start[1:]}."


def _of_one(condition: Condition, report: StatusReport | None) -> Iterator[str]:
    """
    Return what is said of a daemon that gives no sign of life, or could not be started again.
    """
    if condition.state is DaemonState.HUNG and condition.since:
        yield (
            f"retouchd has given no sign of life since {local_time(condition.since, condition.at)}; "
            "look at its log, then restart it."
        )
    if condition.faults:
        yield refused([escaped(each) for each in condition.faults], condition.unit)
    elif report and report.remark:
        yield report.remark


def _first(problems: Sequence[str]) -> str:
    first, *others = problems
    more = f" And {len(others)} more: `retouchd check` lists them." if others else ""
    return f"{first}{more}"


def _troubles(report: StatusReport) -> Iterator[str]:
    """
    Return what the daemon itself says is wrong.
    """
    if report.stuck:
        yield f"retouchd makes no progress: {report.stuck}."
    if report.away:
        yield report.away
    if report.unread:
        yield report.unread
    if report.unread_log:
        yield str(report.unread_log)
    if report.watch_remedy:
        yield f"{report.watch_reason}: {report.watch_remedy}."
    if report.pause:
        yield f"Nothing is sent: {report.pause.reason}"
    if report.held_count:
        first = report.held[0]
        path = path_below(first.folder, first.name)
        is_one = report.held_count == 1
        who = f"{path} waits" if is_one else f"{path} and {report.held_count - 1:,} more wait"
        yield f"{who}: {first.reason}"
    yield from dict.fromkeys(report.jobs[job] for job in report.blocked)


def _is_there(folder: Folder, place: Path) -> bool:
    with at(folder):
        return place.is_dir()
