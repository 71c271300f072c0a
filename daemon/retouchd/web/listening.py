"""
From the table `[web]` of the configuration to a listener.
"""

import socket
from functools import partial

from retouchd.config.programs import WebSection, listen_of
from retouchd.errors import ConfigurationError
from retouchd.web.access import Access
from retouchd.web.app import Parts, build_app
from retouchd.web.guard import GuardRules
from retouchd.web.metrics import Metrics
from retouchd.web.server import Listener, inherited_sockets, is_loopback, opened
from retouchd.web.view import RunView


def listener_of(
    section: WebSection, *, view: RunView, metrics: Metrics, token: str, read_token: str
) -> Listener:
    """
    Return the listener that a table asks for. Raises ConfigurationError for a socket unit that may not be.
    """
    assert section.listen is not None, "there is one only where it is configured"
    host, port = listen_of(section.listen)
    inherited = inherited_sockets()
    if section.listen == "systemd" and not inherited:
        raise ConfigurationError(
            [
                'web.listen is "systemd", and no socket unit has handed one over: start retouchd.socket.'
            ]
        )
    if not token and not all(map(is_loopback, inherited)):
        raise ConfigurationError(
            ["The socket unit listens where other machines may ask: set web.token_file."]
        )
    access = Access(
        token=token,
        read_token=read_token,
        hosts=frozenset({host.lower()} if host and not host.startswith("/") else ()),
        origins=frozenset(section.origins),
    )
    rules = GuardRules(
        access=access, proxies=section.trusted_proxies, root_path=section.root_path or ""
    )
    parts = Parts(view=view, metrics=metrics, rules=rules)
    return Listener(partial(build_app, parts), partial(_sockets, inherited, host, port))


def _sockets(inherited: list[socket.socket], host: str, port: int) -> list[socket.socket]:
    return inherited or opened(host, port)
