"""
`retouchd once`: the daemon until the inbox is drained, what a person sees meanwhile, and what came of it.

What a person sees of `once` on a terminal: a bar, the counts, and the pictures on their way. What a run of
`once` came to: as lines for people, as values for a log, as an exit code.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from retouchd.cli.beside import beside
from retouchd.cli.compose import settings_from, start_of
from retouchd.cli.running import (
    INTERRUPTED,
    UNAVAILABLE,
    leave_no_core,
    listen,
    logged,
    open_log,
    served,
    tell_of_made,
    telling,
)
from retouchd.clock import SystemClock
from retouchd.config import Config
from retouchd.config.settings import Settings
from retouchd.disk.folders import Folders
from retouchd.disk.threads import answered
from retouchd.errors import Blocked, ConfigurationError, FolderUnresponsive
from retouchd.events import emit
from retouchd.events.run import OnceEnded
from retouchd.inbox.waiting import Waiting
from retouchd.job.naming import path_below, shown
from retouchd.job.outcome import End
from retouchd.job.text import counted
from retouchd.logs import logger
from retouchd.process import allow_open_files, few_arenas
from retouchd.retry.error_groups import count_groups
from retouchd.service.daemon import Daemon, Ending
from retouchd.spool.fingerprint import picture_path
from retouchd.spool.history import History
from retouchd.spool.spool import Spool
from retouchd.status import text
from retouchd.status.collect import ANSWER_SECONDS, files_in_error, jobs_in_work
from retouchd.status.status_file import StatusFiles

_BEAT_SECONDS = 0.1
_MOST_SHOWN = 3


async def drain(daemon: Daemon, folders: Folders, *, is_watched: bool) -> Ending:
    """
    Run a daemon until its inbox is drained, with a progress bar if somebody watches.
    """
    if not is_watched:
        return await daemon.run(until_drained=True)
    spool, names = Spool(work=folders.work, inbox=folders.inbox), dict[str, str]()
    with Progress(
        SpinnerColumn(),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("looking at the inbox", total=None)
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(daemon.run(until_drained=True))
            while not work.done():
                over = sum(daemon.status.ends.values())
                total = over + daemon.status.jobs + daemon.status.ready
                names = await asyncio.to_thread(_names, spool, names)
                text = f"{_counts(daemon)}  {', '.join(list(names.values())[:_MOST_SHOWN])}"
                progress.update(task, description=text, completed=over, total=total or None)
                await asyncio.wait([work], timeout=_BEAT_SECONDS)
    return work.result()


def _counts(daemon: Daemon) -> str:
    done, failed = daemon.status.ends[End.DONE], daemon.status.ends[End.ERROR]
    return (
        f"{done} done, {failed} failed, {daemon.status.jobs} in work, {daemon.status.ready} waiting"
    )


def _names(spool: Spool, known: dict[str, str]) -> dict[str, str]:
    """
    Return the pictures of the jobs in work; those known already are not read again.
    """
    found = {}
    for job_id in spool.ids():
        if job_id in known:
            found[job_id] = known[job_id]
            continue
        with contextlib.suppress(Blocked, OSError):
            if job := spool.load(job_id).job:
                found[job_id] = shown(job.members[0].name)
    return found


_MOST_NAMED = 10
_REMEDIES = {
    "budget": "raise the budget in the configuration, or run it again tomorrow.",
    "outage": "run it again later.",
}
"""What to do about a pause, by its cause."""
_REMEDY = "run it again once that is corrected."


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """
    How it ended and why (`trouble`, and `cause` where that is a pause's), how many were done and failed, the
    paths of those that `went_wrong`, and what is left: what waits in the inbox, the jobs in work, and how many
    pictures lie in `error/`; None of both where that cannot be told.
    """

    ending: Ending
    done: int
    failed: int
    went_wrong: Sequence[str]
    trouble: str
    cause: str
    waiting: Waiting
    in_work: Sequence[Mapping[str, Any]] | None
    in_error: int | None

    @property
    def exit_code(self) -> int:
        """
        Return the exit code of the command.
        """
        match self.ending:
            case Ending.UNAVAILABLE:
                return UNAVAILABLE
            case Ending.AWAY:
                return ConfigurationError.exit_code
            case Ending.STOPPED if self.in_work is None or self.in_work or self.waiting.pictures:
                return INTERRUPTED
        return 1 if self.failed else 0

    @property
    def event(self) -> OnceEnded:
        """
        Return it as an event.
        """
        return OnceEnded(
            ending=self.ending.value,
            reason=self.trouble,
            done=self.done,
            error=self.failed,
            waiting=self.waiting.kinds,
            waiting_pictures=self.waiting.pictures,
            in_work=None if self.in_work is None else len(self.in_work),
            in_error=self.in_error,
            exit_code=self.exit_code,
        )


def lines_of(outcome: Outcome, folders: Folders) -> Iterator[str]:
    """
    Yield what was done, why it ended if not because all was, and what is left where and why.
    """
    yield f"{outcome.done} done, {outcome.failed} in error."
    if outcome.failed:
        yield f"Each file in {shown(str(folders.error))} has an .error.txt beside it."
        yield from (f"in error: {shown(path)}" for path in outcome.went_wrong[:_MOST_NAMED])
        if rest := len(outcome.went_wrong[_MOST_NAMED:]):
            yield f"in error: {rest:,} more"
    if before := max(0, (outcome.in_error or 0) - outcome.failed):
        lie = "lies" if before == 1 else "lie"
        yield (
            f"{counted(before, 'photo')} of earlier runs {lie} in {shown(str(folders.error))}: once what "
            "its .error.txt says is corrected, `retouchd retry` has it tried again."
        )
    if outcome.ending is Ending.STOPPED:
        yield "Stopped before all was done, as it was told to: run it again to go on."
    elif outcome.ending is not Ending.DRAINED:
        yield f"Stopped: {shown(outcome.trouble)}"
    if outcome.ending is Ending.UNAVAILABLE:
        remedy = _REMEDIES.get(outcome.cause, _REMEDY)
        unsent = f"What was not sent is in {shown(str(folders.inbox))}: "
        yield (
            f"{unsent}{remedy}" if outcome.waiting.pictures else f"{remedy[0].upper()}{remedy[1:]}"
        )
    if outcome.ending is not Ending.AWAY:
        yield from text.lines_of(outcome.waiting)
    if outcome.in_work is None:
        yield f"What is in work cannot be told: {shown(str(folders.work))} does not answer."
    else:
        yield from _lines_in_work(outcome.in_work)


def _lines_in_work(jobs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not jobs:
        return
    yield f"{counted(len(jobs), 'photo')} in work, with which the next run goes on:"
    for job in jobs[:_MOST_NAMED]:
        path = path_below(job["folder"], job["name"]) or job["id"]
        yield f"in work: {shown(path)}: {shown(job['reason'])}"
    if rest := len(jobs[_MOST_NAMED:]):
        yield f"in work: {rest:,} more"


T = TypeVar("T")


def once(path: Path | None) -> int:
    """
    Drain the inbox with a progress bar on a terminal; return the exit code.
    """
    config, settings, made = settings_from(path)
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    is_watched = is_terminal and config.logging.format != "json"
    level = "error" if is_watched and config.logging.level == "info" else config.logging.level
    open_log(style=config.logging.format, level=level)
    tell_of_made(made)
    if made and is_watched:
        _console().print(f"Made {', '.join(shown(str(each)) for each in made)}.")
    leave_no_core()
    allow_open_files(config.endpoint.concurrency)
    few_arenas()
    with logged():
        return asyncio.run(_once(config, settings, start_of(path), is_watched=is_watched))


async def _once(config: Config, settings: Settings, start: Path, *, is_watched: bool) -> int:
    history = History(settings.folders.work)
    end = history.end()
    async with served(settings) as ready:
        daemon = Daemon(ready, SystemClock())
        listen(daemon, on_hangup=daemon.look_again)
        status_files = StatusFiles(settings.folders.work)
        async with (
            telling(daemon, status_files, settings),
            beside(config, ready, daemon, start, is_once=True),
        ):
            ending = await drain(daemon, settings.folders, is_watched=is_watched)
    lines = _found(settings.folders, lambda: list(history.after(end))) or []
    outcome = Outcome(
        ending=ending,
        done=daemon.status.ends[End.DONE],
        failed=daemon.status.ends[End.ERROR],
        went_wrong=[picture_path(each) for each in lines if each.get("status") == "error"],
        trouble=daemon.status.trouble,
        cause=daemon.status.pause_cause,
        waiting=await daemon.status.left(),
        in_work=_found(settings.folders, partial(_in_work, settings.folders)),
        in_error=_found(settings.folders, partial(_in_error, settings.folders)),
    )
    emit(outcome.event)
    logger.flush()
    console = _console()
    for line in lines_of(outcome, settings.folders):
        console.print(line, style="bold" if line.startswith("Stopped") else None)
    _warn(lines)
    return outcome.exit_code


def _found(folders: Folders, look: Callable[[], T]) -> T | None:
    """
    Return what a look at the folders finds, None where one of them does not answer.
    """
    try:
        return answered(look, folders.by_name(), ANSWER_SECONDS)
    except FolderUnresponsive:
        return None


def _in_work(folders: Folders) -> Sequence[Mapping[str, Any]]:
    return tuple(jobs_in_work(folders, None, is_running=False))


def _in_error(folders: Folders) -> int | None:
    found = files_in_error(folders)
    return None if found is None else sum(map(count_groups, found.values()))


def _warn(lines: Iterable[Mapping[str, Any]]) -> None:
    """
    Say of every picture that came other than asked for what is different; `lines` are those of the history.
    """
    console = _console()
    for line in lines:
        for warning in line.get("warnings", ()):
            path = shown(picture_path(line))
            console.print(f"warning: {path}: {shown(str(warning))}", style="yellow")


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
