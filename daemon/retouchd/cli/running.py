"""
`retouchd run`: the daemon with signals around it.
"""

import asyncio
import contextlib
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from retouchd.cli.beside import beside, connections_of
from retouchd.cli.compose import settings_from, start_of
from retouchd.cli.late_modules import loading_late_modules
from retouchd.cli.progress_line import progress_below
from retouchd.cli.reload import Reloader
from retouchd.clock import SystemClock
from retouchd.config import SANDBOX, Config
from retouchd.config.settings import Settings
from retouchd.errors import RetouchdError
from retouchd.events import emit
from retouchd.events.run import (
    DaemonFailed,
    FolderMade,
)
from retouchd.logs import logger
from retouchd.process import allow_open_files, few_arenas
from retouchd.service.daemon import Daemon
from retouchd.service.status_text_writer import StatusTextWriter, WaitingPublisher
from retouchd.service.status_writer import reporting
from retouchd.status.status_file import StatusFiles

UNAVAILABLE, INTERRUPTED = 75, 130


def run(path: Path | None) -> None:
    """
    Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration anew and makes everything due.
    """
    config, settings, made = settings_from(path)
    _configure_logs(config)
    tell_of_made(made)
    leave_no_core()
    allow_open_files(config.endpoint.concurrency, connections_of(config))
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
        listen(daemon, on_hangup=reloader.request)
        status_files = StatusFiles(settings.folders.work)
        async with (
            telling(daemon, status_files, settings),
            beside(config, ready, daemon, start_of(path)),
            reloader.listening(),
            progress_below(daemon),
            loading_late_modules(config, daemon),
        ):
            await daemon.run()


@contextlib.asynccontextmanager
async def telling(
    daemon: Daemon, status_files: StatusFiles, settings: Settings
) -> AsyncIterator[None]:
    """
    Tell programs and people meanwhile how a run stands.
    """
    publisher = WaitingPublisher(daemon.status, status_files)
    text = StatusTextWriter(daemon.status, publisher, settings.folders, SystemClock())
    async with reporting(daemon.status, status_files), text.kept(), publisher.kept():
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
    from retouchd.sandbox.app import Rules, build_app  # noqa: PLC0415
    from retouchd.sandbox.server import serve  # noqa: PLC0415
    from retouchd.sandbox.styles import DIALECTS  # noqa: PLC0415

    style = settings.endpoint.style
    app = build_app(Rules(style=style.name))
    async with serve(app, root=DIALECTS[style.name].root) as url:
        base_url, _ = style.righted(url)
        yield replace(settings, endpoint=replace(settings.endpoint, base_url=base_url))


_LEAVE_SECONDS = 5.0
"""So long an end may take that does not wait for what is under way: a disk that answers needs far less."""


def _leave(daemon: Daemon) -> None:
    """
    End the process: nothing of it is needed for what is durable, and the rest is told.
    """
    daemon.tell_abandoned()
    logger.flush()
    os._exit(INTERRUPTED)


def listen(daemon: Daemon, *, on_hangup: Callable[[], None]) -> None:
    """
    Let signals stop a daemon, the second one at once, whatever a disk does, and SIGHUP do what is wanted.
    """

    def stop() -> None:
        if daemon.is_stopping:
            # In a thread: what waits for a disk may be the loop itself.
            leaving = threading.Timer(_LEAVE_SECONDS, _leave, [daemon])
            leaving.daemon = True
            leaving.start()
        daemon.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
