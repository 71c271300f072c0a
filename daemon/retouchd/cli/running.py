"""
`retouchd run`: the daemon with signals around it; SIGHUP reads the configuration anew.

SIGHUP: the configuration is read anew, and what can change in a running daemon does so, whole or not at all.
How far a run is, in the last line of the terminal that shows its log.
"""

import asyncio
import contextlib
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from retouchd.cli.beside import beside, connections_of
from retouchd.cli.compose import read, settings_from, settings_of, start_of
from retouchd.clock import SystemClock
from retouchd.config import SANDBOX, Config
from retouchd.config.settings import Settings
from retouchd.disk.filesystems import DEFAULT_UNIT, own_unit
from retouchd.errors import ConfigurationError, RetouchdError
from retouchd.events import emit
from retouchd.events.run import (
    ConfigurationLate,
    ConfigurationRefused,
    ConfigurationReloaded,
    ConfigurationUnchanged,
    DaemonFailed,
    FolderMade,
)
from retouchd.job.model import End
from retouchd.job.text import counted, rough_length
from retouchd.logs import logger
from retouchd.process import allow_open_files, few_arenas, running
from retouchd.service.daemon import Daemon
from retouchd.service.status_text_writer import StatusTextWriter, WaitingPublisher
from retouchd.service.status_writer import reporting
from retouchd.status.attention import was_refused
from retouchd.status.progress import Batch
from retouchd.status.status_file import StatusFiles

LIVE = frozenset(
    {
        "budget",
        "edit",
        "edits",
        "endpoint",
        "images",
        "limits",
        "logging",
        "output",
        "pricing",
        "status",
    }
)
"""The tables that a reload changes."""
AT_START = frozenset({"folders", "intake", "web", "hooks", "notify", "metrics"})
"""
The tables that hold as they were at the start: where the files are, what is remembered of them, and what runs
beside the daemon for other programs.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """
    What a reload brings: the configuration in force from now on, the keys of it that are new, and those
    that only a restart would bring.
    """

    config: Config
    changed: tuple[str, ...]
    late: tuple[str, ...]


_OF_ADDRESS = (
    "base_url",
    "api_key",
    "api_key_file",
    "auth",
    "headers",
    "ca_file",
    "models",
    "style",
)
"""The keys of [endpoint] that belong to one address."""


def news(old: Config, new: Config) -> News:
    """
    Return what of a new configuration comes into force beside a running one.
    """
    config = new.model_copy(update={name: getattr(old, name) for name in AT_START})
    addresses = {old.endpoint.base_url, new.endpoint.base_url}
    if SANDBOX in addresses:
        # The embedded endpoint is started and stopped with the daemon, and speaks what it spoke at the start.
        # A key goes to no other address than the one beside which it stands.
        kept = _OF_ADDRESS if len(addresses) > 1 else ("base_url", "style")
        names = [name for name in type(new.endpoint).model_fields if name not in kept]
        live = {name: getattr(new.endpoint, name) for name in names}
        config = config.model_copy(update={"endpoint": old.endpoint.model_copy(update=live)})
    return News(
        config=config,
        changed=tuple(_differing(old, config)),
        late=tuple(_differing(config, new)),
    )


def _differing(one: Any, other: Any, above: str = "") -> Iterator[str]:
    """
    Return the keys by which two configurations differ; tables that a person names count as one.
    """
    for name in type(one).model_fields:
        before, after = getattr(one, name), getattr(other, name)
        if isinstance(before, BaseModel):
            yield from _differing(before, after, f"{above}{name}.")
        elif before != after:
            yield f"{above}{name}"


class Reloader:
    """
    Reads the configuration again whenever that is requested.

    `base_url` is where the embedded endpoint listens, if there is one; `configure_logs` takes the
    configuration that has come into force.
    """

    def __init__(
        self,
        *,
        path: Path | None,
        config: Config,
        daemon: Daemon,
        base_url: str,
        configure_logs: Callable[[Config], None],
    ) -> None:
        self._path = path
        self._config = config
        self._daemon = daemon
        self._base_url = base_url
        self._configure_logs = configure_logs
        self._requested = asyncio.Event()

    def request(self) -> None:
        """
        Ask for a reload; those that are asked for while one goes on become one more.
        """
        self._requested.set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """
        Reload meanwhile, whenever it is asked for.
        """
        async with running(self._listen()):
            yield

    async def _listen(self) -> None:
        while True:
            await self._requested.wait()
            self._requested.clear()
            await self._daemon.reload(self._change)

    async def _change(self) -> None:
        try:
            found, settings = await asyncio.to_thread(self._read)
            await self._daemon.adopt(settings)
        except ConfigurationError as refusal:
            self._refuse(refusal)
        else:
            self._bring(found)

    def _refuse(self, refusal: ConfigurationError) -> None:
        emit(ConfigurationRefused(problems=refusal.problems))
        self._daemon.status.remark = was_refused(refusal.problems, own_unit() or DEFAULT_UNIT)

    def _bring(self, found: News) -> None:
        self._config = found.config
        self._configure_logs(found.config)
        if found.changed:
            emit(ConfigurationReloaded(changed=found.changed))
        elif not found.late:
            emit(ConfigurationUnchanged())
        if found.late:
            emit(ConfigurationLate(keys=found.late, remedy="restart retouchd"))
        self._daemon.status.remark = _late(found.late)

    def _read(self) -> tuple[News, Settings]:
        config, start, problems = read(self._path)
        if config is None:
            raise ConfigurationError(problems)
        problems += settings_of(config, start)[1]
        found = news(self._config, config)
        settings, more = settings_of(found.config, start)
        problems += [problem for problem in more if problem not in problems]
        if problems or settings is None:
            raise ConfigurationError(problems)
        if settings.endpoint.base_url == SANDBOX:
            endpoint = replace(settings.endpoint, base_url=self._base_url)
            settings = replace(settings, endpoint=endpoint)
        return found, settings


def _late(keys: tuple[str, ...]) -> str:
    return f"A restart is needed for what was changed: {', '.join(keys)}." if keys else ""


_BEAT_SECONDS = 1.0


@contextlib.asynccontextmanager
async def progress_below(daemon: Daemon) -> AsyncIterator[None]:
    """
    Keep the last line of the terminal true meanwhile, where there is one and photos are worked on.
    """
    if not logger.can_show_below():
        yield  # Nothing is to wake the machine for nobody.
        return
    try:
        async with running(_keep(daemon)):
            yield
    finally:
        logger.show_below("")


async def _keep(daemon: Daemon) -> None:
    batch, clock = Batch(), SystemClock()
    while True:
        logger.show_below(_line(daemon, batch, clock.monotonic()))
        await asyncio.sleep(_BEAT_SECONDS)


def _line(daemon: Daemon, batch: Batch, now: float) -> str:
    ends, trouble = daemon.status.ends, daemon.status.trouble
    progress = batch.see(
        now,
        over=ends[End.DONE] + ends[End.ERROR],
        left=daemon.status.jobs + daemon.status.ready,
        is_empty=daemon.status.is_idle,
        is_held=bool(trouble),
    )
    if daemon.is_stopping:
        return ""
    if progress is None:
        last = batch.finished
        return f"{last:,} of {counted(last, 'photo')}" if last else ""
    line = f"{progress.over:,} of {counted(progress.total, 'photo')}"
    if trouble:
        return f"{line}, nothing is sent now"
    seconds = progress.seconds_left
    return line if seconds is None else f"{line}, about {rough_length(seconds)} to go"


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
