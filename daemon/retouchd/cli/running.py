"""
`retouchd run` and `retouchd once`: the daemon with signals around it, and what a person sees of it.
"""

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from retouchd import logs
from retouchd.adapters.board import Board
from retouchd.adapters.memory import few_arenas
from retouchd.cli.compose import settings_from
from retouchd.cli.progress import drain
from retouchd.cli.reloading import Reloader
from retouchd.config import SANDBOX, Config
from retouchd.engine.clock import SystemClock
from retouchd.engine.daemon import Daemon, Ending
from retouchd.engine.outcome import End
from retouchd.engine.reporting import reporting
from retouchd.engine.settings import Settings
from retouchd.errors import ConfigurationError
from retouchd.rules.naming import path_below, shown

UNAVAILABLE = 75


def run(path: Path | None) -> None:
    """
    Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration anew and makes everything due.
    """
    config, settings = settings_from(path)
    _configure_logs(config)
    _leave_no_core()
    few_arenas()
    asyncio.run(_run(path, config, settings))


def once(path: Path | None) -> int:
    """
    Drain the inbox with a progress bar on a terminal; return the exit code.
    """
    config, settings = settings_from(path)
    is_watched = sys.stderr.isatty()
    level = "error" if is_watched and config.logging.level == "info" else config.logging.level
    logs.configure(style=config.logging.format, level=level)
    _leave_no_core()
    few_arenas()
    return asyncio.run(_once(settings, is_watched=is_watched))


def _leave_no_core() -> None:
    """
    Let a crash leave no core file: it would hold the key and somebody's photos, for whoever finds it.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _configure_logs(config: Config) -> None:
    logs.configure(style=config.logging.format, level=config.logging.level)


async def _run(path: Path | None, config: Config, settings: Settings) -> None:
    async with served(settings) as ready:
        daemon = Daemon(ready, SystemClock())
        reloader = Reloader(
            path=path,
            config=config,
            daemon=daemon,
            base_url=ready.endpoint.base_url,
            configure_logs=_configure_logs,
        )
        _listen(daemon, on_hangup=reloader.ring)
        board = Board(settings.folders.work)
        async with reporting(daemon.report, board), reloader.listening():
            await daemon.run()


async def _once(settings: Settings, *, is_watched: bool) -> int:
    async with served(settings) as ready:
        daemon = Daemon(ready, SystemClock())
        _listen(daemon, on_hangup=daemon.look_again)
        async with reporting(daemon.report, Board(settings.folders.work)):
            ending = await drain(daemon, settings.folders, is_watched=is_watched)
    _summary(daemon, ending, settings, await daemon.waiting())
    if ending is Ending.UNAVAILABLE:
        return UNAVAILABLE
    if ending is Ending.AWAY:
        return ConfigurationError.exit_code
    return 1 if daemon.ends.get(End.ERROR) else 0


@contextlib.asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Settings]:
    """
    Yield the settings; where the base url is `sandbox`, the embedded endpoint runs meanwhile.
    """
    if settings.endpoint.base_url != SANDBOX:
        yield settings
        return
    # Only here: nobody else pays for a web server's imports.
    from retouchd.sandbox.app import build_app  # noqa: PLC0415
    from retouchd.sandbox.server import serve  # noqa: PLC0415

    async with serve(build_app()) as url:
        yield replace(settings, endpoint=replace(settings.endpoint, base_url=url))


def _listen(daemon: Daemon, *, on_hangup: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)


def _summary(
    daemon: Daemon, ending: Ending, settings: Settings, waiting: list[tuple[str, str, str]]
) -> None:
    """
    Say what was done, and of every file that is left why it waits.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
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
