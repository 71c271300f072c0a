"""
SIGHUP: the configuration is read anew, and what can change in a running daemon does so, whole or not at all.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from retouchd.cli.compose import read, settings_of
from retouchd.config import SANDBOX, Config
from retouchd.config.settings import Settings
from retouchd.disk.filesystems import DEFAULT_UNIT, own_unit
from retouchd.errors import ConfigurationError
from retouchd.events import emit
from retouchd.events.run import (
    ConfigurationLate,
    ConfigurationRefused,
    ConfigurationReloaded,
    ConfigurationUnchanged,
)
from retouchd.service.daemon import Daemon
from retouchd.status.attention import was_refused
from retouchd.tasks import running

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
