"""
What runs beside a daemon for other programs, as configured: hooks, notifications, the listener, metrics.

None of it is imported where nothing of it is configured: an idle daemon does not pay for it.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from retouchd.cli.program_faults import ProgramSecrets, secrets_of
from retouchd.clock import SystemClock
from retouchd.config import Config, at_home
from retouchd.config.programs import WebSection
from retouchd.config.settings import Settings
from retouchd.errors import ConfigurationError
from retouchd.service.daemon import Daemon
from retouchd.spool.spool import Spool
from retouchd.status.status_file import StatusFiles

_CONNECTIONS = 320
"""As many as the listener takes at once, and some files of its own."""


@contextlib.asynccontextmanager
async def beside(
    config: Config, settings: Settings, daemon: Daemon, start: Path, *, is_once: bool = False
) -> AsyncIterator[None]:
    """
    Have all that is configured for other programs run beside a daemon; nobody is listened to beside one that
    ends by itself.
    """
    secrets, problems = secrets_of(config, start)
    if problems:
        raise ConfigurationError(problems)
    async with contextlib.AsyncExitStack() as stack:
        if _has_hooks(config):
            await stack.enter_async_context(_hooks(config, settings, daemon, secrets, start))
        if is_once:
            config = config.model_copy(update={"web": WebSection()})
        if config.web.listen or config.metrics.textfile:
            await stack.enter_async_context(_web(config, settings, daemon, secrets, start))
        yield


def connections_of(config: Config) -> int:
    """
    Return how many files the listener may have open besides.
    """
    return _CONNECTIONS if config.web.listen else 0


def _has_hooks(config: Config) -> bool:
    section = config.hooks
    commands = (section.done, section.error, section.paused, section.resumed)
    return bool(any(commands) or section.url or config.notify.urls)


@contextlib.asynccontextmanager
async def _hooks(
    config: Config, settings: Settings, daemon: Daemon, secrets: ProgramSecrets, start: Path
) -> AsyncIterator[None]:
    from retouchd.hooks.hooks import Hooks  # noqa: PLC0415 - only where it is configured
    from retouchd.hooks.rules import About, HookRules  # noqa: PLC0415 - as above

    section, folders = config.hooks, settings.folders
    root = config.folders.root
    rules = HookRules(
        commands={
            About.DONE: section.done,
            About.ERROR: section.error,
            About.PAUSED: section.paused,
            About.RESUMED: section.resumed,
        },
        timeout_seconds=section.timeout_seconds,
        root=str((start / at_home(root)).absolute() if root else folders.work.parent),
        url=section.url or "",
        secret=secrets.hooks,
        notify=[each.get_secret_value() for each in config.notify.urls],
    )
    spool = Spool(work=folders.work, inbox=folders.inbox)
    hooks = Hooks(rules, folders, SystemClock(), in_work=spool.ids)
    daemon.on_look_again(hooks.try_again)
    daemon.on_abandon(hooks.abandon)
    async with hooks.kept(daemon.status.begun):
        yield


@contextlib.asynccontextmanager
async def _web(
    config: Config, settings: Settings, daemon: Daemon, secrets: ProgramSecrets, start: Path
) -> AsyncIterator[None]:
    from retouchd.web.metrics import Metrics  # noqa: PLC0415 - only where it is configured
    from retouchd.web.view import RunView  # noqa: PLC0415 - as above

    view = RunView(StatusFiles(settings.folders.work))
    metrics = Metrics(view, settings.folders)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(metrics.counting())
        await stack.enter_async_context(view.beating())
        if (textfile := config.metrics.textfile) is not None:
            await stack.enter_async_context(metrics.written(start / at_home(textfile)))
        if config.web.listen:
            from retouchd.web.listening import Run, listening  # noqa: PLC0415 - as above

            run = Run(
                view=view,
                metrics=metrics,
                settings=lambda: daemon.status.settings,
                dropped=daemon.dropped,
                heed_pause=daemon.heed_pause,
            )
            tokens = {"token": secrets.token, "read_token": secrets.read_token}
            await stack.enter_async_context(listening(config.web, run, **tokens))
        yield
