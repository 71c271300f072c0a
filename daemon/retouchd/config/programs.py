"""
The tables for other programs: the listener, hooks, notifications, metrics.
"""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field, SecretStr, field_validator

from retouchd.config.section import PREFIX, Section

HTTP_PATTERN = r"https?://[^/?#@\s]+([/?#].*)?"
LISTEN_PATTERN = r"(systemd|unix:/.+|(\[[0-9a-fA-F:.]+\]|[0-9.]+|localhost):[0-9]{1,5})"
NETWORK_PATTERN = r"[0-9a-fA-F:.]+(/[0-9]{1,3})?"
ORIGIN = re.compile(r"https?://[^/\s]+")
ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")
HOOK_PREFIX = f"{PREFIX}HOOK_"
"""What the variables begin with that a hook's command is given: of no meaning here."""


def listen_of(text: str) -> tuple[str, int]:
    """
    Return host and port of an address to listen on; of `unix:/path` the path and 0, of `systemd` "" and 0.

    Raises ValueError.
    """
    if not re.fullmatch(LISTEN_PATTERN, text):
        raise ValueError(
            'must be an address and a port such as "127.0.0.1:8484" or "[::1]:8484", "unix:" and a path, or '
            '"systemd" for the sockets of a socket unit'
        )
    if text == "systemd":
        return "", 0
    if text.startswith("unix:"):
        return text.removeprefix("unix:"), 0
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if int(port) > 65535:
        raise ValueError("must have a port up to 65535")
    if host != "localhost":
        ip_address(host)
    return host, int(port)


def _written(pattern: str) -> Any:
    """
    Return what tells editors how a value is written; white space around it does not matter.
    """
    return Field(json_schema_extra={"pattern": rf"^\s*({pattern})\s*$"})


Words: TypeAlias = Annotated[
    tuple[str, ...],
    Field(json_schema_extra={"prefixItems": [{"type": "string", "pattern": r"\S"}]}),
]
"""A command, its program first."""


class WebSection(Section):
    """
    The listener for programs and browsers, off unless it has an address; who may ask it.
    """

    listen: Annotated[str | None, _written(LISTEN_PATTERN)] = None
    token: SecretStr | None = None
    token_file: Path | None = None
    read_token: SecretStr | None = None
    read_token_file: Path | None = None
    origins: tuple[Annotated[str, _written(ORIGIN.pattern)], ...] = ()
    trusted_proxies: tuple[Annotated[str, _written(NETWORK_PATTERN)], ...] = ()
    root_path: Annotated[str | None, _written(ROOT_PATH.pattern)] = None
    max_upload_mb: float = Field(64, gt=0, le=4096)

    @field_validator("listen")
    @classmethod
    def _is_listenable(cls, value: str | None) -> str | None:
        if value is not None:
            listen_of(value)
        return value

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not ORIGIN.fullmatch(each):
                raise ValueError("must be origins such as https://photos.example, without a path")
        return tuple(each.lower() for each in value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each, strict=False)
            except ValueError as error:
                raise ValueError("must be addresses or networks such as 10.0.0.0/8") from error
        return value

    @field_validator("root_path")
    @classmethod
    def _is_path(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not ROOT_PATH.fullmatch(value):
            raise ValueError("must be a path such as /retouch")
        return value.rstrip("/")


class HooksSection(Section):
    """
    Commands that are run, and the address that is told, when something has happened.
    """

    done: Words = ()
    error: Words = ()
    paused: Words = ()
    resumed: Words = ()
    timeout_seconds: float = Field(60, gt=0)
    url: Annotated[str | None, _written(HTTP_PATTERN)] = None
    secret: SecretStr | None = None
    secret_file: Path | None = None

    @field_validator("done", "error", "paused", "resumed")
    @classmethod
    def _is_command(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and not value[0]:
            raise ValueError("must be a command, as a list of its words")
        return value

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(HTTP_PATTERN, value):
            raise ValueError(
                "must begin with http:// or https:// and hold no password: hooks.secret signs posts"
            )
        return value


class NotifySection(Section):
    """
    The services by which people are told, as Apprise writes them.
    """

    urls: tuple[SecretStr, ...] = ()


class MetricsSection(Section):
    """
    Where the figures for Prometheus stand besides the listener.
    """

    textfile: Annotated[Path | None, _written(r".*[^/]\.prom")] = None

    @field_validator("textfile")
    @classmethod
    def _is_prom(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ".prom":
            raise ValueError("must end in .prom: node_exporter reads no other files")
        return value
