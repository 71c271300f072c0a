"""
From the table `[web]` of the configuration to a listener.
"""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from retouchd.config.programs import WebSection, listen_of
from retouchd.config.settings import Settings
from retouchd.errors import ConfigurationError
from retouchd.spool.history_cache import HistoryCache
from retouchd.web.access import Access
from retouchd.web.api import Api
from retouchd.web.app import Parts, build_app
from retouchd.web.front_door import FrontDoor
from retouchd.web.guard import GuardRules
from retouchd.web.lookup import Lookup
from retouchd.web.metrics import Metrics
from retouchd.web.page.page import Page
from retouchd.web.server import Listener, inherited_sockets, is_loopback, opened
from retouchd.web.view import RunView
from retouchd.web.watch import PostWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    The run that a listener is beside: what it tells, its settings in force, how it takes drops of ours in, and
    how it is told that a person has paused it.
    """

    view: RunView
    metrics: Metrics
    settings: Callable[[], Settings]
    dropped: Callable[..., None]
    heed_pause: Callable[[], None]


@contextlib.asynccontextmanager
async def listening(
    section: WebSection, run: Run, *, token: str, read_token: str
) -> AsyncIterator[None]:
    """
    Have a listener meanwhile, as a table asks for it. Raises ConfigurationError for sockets that may not be.
    """
    folders = run.settings().folders
    history = HistoryCache(folders.work)
    lookup = Lookup(folders, history)
    watch = PostWatch(partial(_clear, lookup))
    access = _access(section, token, read_token)
    page = Page(
        settings=run.settings,
        history=history,
        dropped=run.dropped,
        heed_pause=run.heed_pause,
        access=access,
        root_path=section.root_path or "",
        max_upload_mb=section.max_upload_mb,
    )
    listener = _listener_of(section, run, lookup, watch, access=access, page=page)
    threading.Thread(target=_clear_leftovers, args=(lookup,), daemon=True).start()
    with watch.hearing():
        async with listener.serving():
            with page.hearing():
                yield


def _clear(lookup: Lookup, stem: str, folder: str) -> None:
    # In a thread of its own: this is called where a job ends.
    threading.Thread(target=lookup.clear_references, args=(stem, folder), daemon=True).start()


def _clear_leftovers(lookup: Lookup) -> None:
    """
    Remove what drops left that were killed, and the references of posts that ended while nobody listened.
    """
    lookup.clear_drops()
    for stem, folder in list(lookup.leftover_references()):
        lookup.clear_references(stem, folder)


def _listener_of(
    section: WebSection,
    run: Run,
    lookup: Lookup,
    watch: PostWatch,
    *,
    access: Access,
    page: Page,
) -> Listener:
    assert section.listen is not None, "there is one only where it is configured"
    host, port = listen_of(section.listen)
    inherited = inherited_sockets()
    if section.listen == "systemd" and not inherited:
        raise ConfigurationError(
            [
                'web.listen is "systemd", and no socket unit has handed one over: start retouchd.socket.'
            ]
        )
    if not access.token and not all(map(is_loopback, inherited)):
        raise ConfigurationError(
            ["The socket unit listens where other machines may ask: set web.token_file."]
        )
    rules = GuardRules(
        access=access, proxies=section.trusted_proxies, root_path=section.root_path or ""
    )
    door = FrontDoor(
        settings=run.settings,
        watch=watch,
        lookup=lookup,
        dropped=run.dropped,
        max_upload_mb=section.max_upload_mb,
        root_path=rules.root_path,
    )
    api = Api(run.settings, rules.root_path)
    parts = Parts(
        view=run.view,
        metrics=run.metrics,
        rules=rules,
        front_door=door,
        api=api,
        watch=watch,
        page=page,
    )
    return Listener(partial(build_app, parts), partial(_sockets, inherited, host, port))


def _access(section: WebSection, token: str, read_token: str) -> Access:
    host, _ = listen_of(section.listen or "")
    return Access(
        token=token,
        read_token=read_token,
        hosts=frozenset({host.lower()} if host and not host.startswith("/") else ()),
        origins=frozenset(section.origins),
    )


def _sockets(inherited: list[socket.socket], host: str, port: int) -> list[socket.socket]:
    return inherited or opened(host, port)
