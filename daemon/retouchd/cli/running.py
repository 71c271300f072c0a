"""
`retouchd run`: the daemon with signals around it.
"""

import asyncio
import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from retouchd.cli.compose import settings_from
from retouchd.cli.progress_line import progress_below
from retouchd.cli.reloading import Reloader
from retouchd.clock import SystemClock
from retouchd.config import SANDBOX, Config
from retouchd.config.settings import Settings
from retouchd.errors import RetouchdError
from retouchd.events import emit
from retouchd.events.run import DaemonFailed, FolderMade
from retouchd.logs import logger
from retouchd.memory import few_arenas
from retouchd.service.daemon import Daemon
from retouchd.service.file_limit import allow_open_files
from retouchd.service.status_text_writer import StatusTextWriter
from retouchd.service.status_writer import reporting
from retouchd.service.waiting_writer import WaitingPublisher
from retouchd.status.status_file import Board

UNAVAILABLE, INTERRUPTED = 75, 130


def run(path: Path | None) -> None:
    """
    Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration anew and makes everything due.
    """
    config, settings, made = settings_from(path)
    _configure_logs(config)
    tell_of_made(made)
    leave_no_core()
    allow_open_files(config.endpoint.concurrency)
    few_arenas()
    with logged():
        asyncio.run(_run(path, config, settings))


def tell_of_made(folders: Sequence[Path]) -> None:
    """
    Log which folders were missing at this start and have been made.
    """
    if folders:
        emit(FolderMade(folders=list(map(str, folders))))


def leave_no_core() -> None:
    """
    Let a crash leave no core file: it would hold the key and somebody's photos, for whoever finds it.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


@contextlib.contextmanager
def logged() -> Iterator[None]:
    """
    Let the log be written when a command's work is over; one for programs tells of the fault that ends it too.
    """
    try:
        yield
    except RetouchdError as error:
        if not logger.is_json():
            raise
        problems = str(error).split("\n")
        emit(DaemonFailed(problems=problems, exit_code=error.exit_code))
        raise SystemExit(error.exit_code) from error
    finally:
        logger.flush()


def _configure_logs(config: Config) -> None:
    open_log(style=config.logging.format, level=config.logging.level)


def open_log(*, style: str = "auto", level: str) -> None:
    """
    Set up a command's log, and let all that its libraries have to say stand there too.
    """
    logger.configure(style=style, level=level)
    logger.take_over()


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
        listen(daemon, on_hangup=reloader.ring)
        board = Board(settings.folders.work)
        async with telling(daemon, board, settings), reloader.listening(), progress_below(daemon):
            await daemon.run()


@contextlib.asynccontextmanager
async def telling(daemon: Daemon, board: Board, settings: Settings) -> AsyncIterator[None]:
    """
    Tell programs and people meanwhile how a run stands.
    """
    publisher = WaitingPublisher(daemon, board)
    text = StatusTextWriter(daemon, publisher, settings.folders, SystemClock())
    async with reporting(daemon.report, board), text.kept(), publisher.kept():
        yield


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


def listen(daemon: Daemon, *, on_hangup: Callable[[], None]) -> None:
    """
    Let signals stop a daemon, the second one at once, and SIGHUP do what is wanted.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
