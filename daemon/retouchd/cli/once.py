"""
`retouchd once`: the daemon until the inbox is drained, and what a person sees of it.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from retouchd.cli.compose import settings_from
from retouchd.cli.once_outcome import Outcome, lines_of
from retouchd.cli.progress import drain
from retouchd.cli.running import (
    leave_no_core,
    listen,
    logged,
    open_log,
    served,
    tell_of_made,
    telling,
)
from retouchd.clock import SystemClock
from retouchd.config.settings import Settings
from retouchd.disk.folders import Folders
from retouchd.disk.threads import answered
from retouchd.errors import FolderUnresponsive
from retouchd.events import emit
from retouchd.job.naming import shown
from retouchd.job.step_result import End
from retouchd.logs import logger
from retouchd.memory import few_arenas
from retouchd.retry.error_groups import count_groups
from retouchd.service.daemon import Daemon
from retouchd.service.file_limit import allow_open_files
from retouchd.spool.history import History
from retouchd.spool.history_line import picture_path
from retouchd.status.collect import ANSWER_SECONDS, files_in_error, jobs_in_work
from retouchd.status.status_file import Board

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
        return asyncio.run(_once(settings, is_watched=is_watched))


async def _once(settings: Settings, *, is_watched: bool) -> int:
    history = History(settings.folders.work)
    start = history.end()
    async with served(settings) as ready:
        daemon = Daemon(ready, SystemClock())
        listen(daemon, on_hangup=daemon.look_again)
        board = Board(settings.folders.work)
        async with telling(daemon, board, settings):
            ending = await drain(daemon, settings.folders, is_watched=is_watched)
    lines = _found(settings.folders, lambda: list(history.after(start))) or []
    outcome = Outcome(
        ending=ending,
        done=daemon.ends[End.DONE],
        failed=daemon.ends[End.ERROR],
        went_wrong=[picture_path(each) for each in lines if each.get("status") == "error"],
        trouble=daemon.trouble,
        cause=daemon.pause_cause,
        waiting=await daemon.left(),
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
