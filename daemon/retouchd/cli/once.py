"""
`retouchd once`: the daemon until the inbox is drained, and what a person sees of it.
"""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from retouchd import logs
from retouchd.adapters.board import Board
from retouchd.adapters.history import History
from retouchd.adapters.memory import few_arenas
from retouchd.adapters.open_files import allow_open_files
from retouchd.cli.compose import settings_from
from retouchd.cli.progress import drain
from retouchd.cli.running import (
    UNAVAILABLE,
    leave_no_core,
    listen,
    logged,
    open_log,
    served,
    tell_of_made,
    telling,
)
from retouchd.engine.clock import SystemClock
from retouchd.engine.daemon import Daemon, Ending
from retouchd.engine.outcome import End
from retouchd.engine.settings import Settings
from retouchd.errors import ConfigurationError
from retouchd.rules.history_line import picture_path
from retouchd.rules.naming import path_below, shown


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
    waiting = await daemon.waiting()
    logs.flush()
    _summary(daemon, ending, settings, waiting)
    _warn(history.after(start))
    if ending is Ending.UNAVAILABLE:
        return UNAVAILABLE
    if ending is Ending.AWAY:
        return ConfigurationError.exit_code
    return 1 if daemon.ends.get(End.ERROR) else 0


def _summary(
    daemon: Daemon, ending: Ending, settings: Settings, waiting: list[tuple[str, str, str]]
) -> None:
    """
    Say what was done, and of every file that is left why it waits.
    """
    console = _console()
    done, failed = daemon.ends.get(End.DONE, 0), daemon.ends.get(End.ERROR, 0)
    console.print(f"{done} done, {failed} in error.")
    if failed:
        error = shown(str(settings.folders.error))
        console.print(f"Each file in {error} has an .error.txt beside it.")
    if ending in (Ending.UNAVAILABLE, Ending.AWAY):
        console.print(f"Stopped: {shown(daemon.trouble)}", style="bold")
    if ending is Ending.UNAVAILABLE:
        console.print(f"What was not sent is in {shown(str(settings.folders.inbox))}.")
    for folder, name, reason in waiting:
        path = path_below(folder, name)
        console.print(f"waits: {shown(path)}: {reason}")


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
