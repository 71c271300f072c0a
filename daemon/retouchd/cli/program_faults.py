"""
The tables for other programs: their secrets, and what can be known of their faults at a start.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from retouchd.config import Config, at_home
from retouchd.config.programs import listen_of
from retouchd.disk.file_stat import read_small
from retouchd.endpoint.api_key import key_in
from retouchd.job.naming import shown

_MOST_BYTES = 1 << 16
_SHORTEST = 16
_LOOPBACK = ("localhost", "127.", "::1", "/")
"""How hosts begin that nobody reaches from another machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSecrets:
    """
    What is read from files and credentials; empty where it is not set.
    """

    token: str = field(default="", repr=False)
    read_token: str = field(default="", repr=False)
    hooks: str = field(default="", repr=False)


def secrets_of(config: Config, start: Path) -> tuple[ProgramSecrets, list[str]]:
    """
    Return the secrets of the tables for other programs, and what is wrong with them; `start` is where relative
    paths begin.
    """
    problems: list[str] = []
    found: dict[str, str] = {}
    rows = (
        ("token", "web.token", config.web.token, config.web.token_file, "web_token"),
        (
            "read_token",
            "web.read_token",
            config.web.read_token,
            config.web.read_token_file,
            "web_read_token",
        ),
        ("hooks", "hooks.secret", config.hooks.secret, config.hooks.secret_file, "hooks_secret"),
    )
    for name, key, value, file, credential in rows:
        try:
            found[name] = _secret(key, value, start / at_home(file) if file else None, credential)
        except ValueError as error:
            problems.append(str(error))
    return ProgramSecrets(**found), problems


def faults_of(config: Config, start: Path) -> Iterator[str]:
    """
    Yield what is wrong with the tables for other programs, as far as it can be known at a start.
    """
    secrets, problems = secrets_of(config, start)
    yield from problems
    yield from _of_the_listener(config, secrets)
    if secrets.hooks.startswith("whsec_"):
        from retouchd.hooks.webhook import signing_key  # noqa: PLC0415 - only where it is configured

        try:
            signing_key(secrets.hooks)
        except ValueError as error:
            yield f"hooks.secret: {error}."
    if config.notify.urls:
        yield from _of_notifications([each.get_secret_value() for each in config.notify.urls])
    if (textfile := config.metrics.textfile) is not None:
        place = (start / at_home(textfile)).parent
        if not place.is_dir():
            yield f"metrics.textfile: {shown(str(place))} is not there: make it, or name another place."


def _of_the_listener(config: Config, secrets: ProgramSecrets) -> Iterator[str]:
    for key, token in (("web.token", secrets.token), ("web.read_token", secrets.read_token)):
        if token and len(token) < _SHORTEST:
            yield (
                f"{key} has fewer than {_SHORTEST} characters and could be guessed: make one with "
                "`openssl rand -hex 16`."
            )
    if secrets.read_token and not secrets.token:
        yield "web.read_token is set and web.token is not: without one everybody who may look may act."
    if secrets.token and secrets.token == secrets.read_token:
        yield "web.token and web.read_token are the same: one may act, the other may only look."
    host = listen_of(config.web.listen)[0] if config.web.listen else ""
    if host and not host.startswith(_LOOPBACK) and not secrets.token:
        yield (
            f"web.listen is {config.web.listen}, where other machines may ask: set web.token_file (or "
            "web.token, or a credential web_token), or listen on 127.0.0.1."
        )


def _of_notifications(urls: Sequence[str]) -> Iterator[str]:
    from retouchd.hooks import notify  # noqa: PLC0415 - only where it is configured

    if not notify.is_installed():
        yield f"notify.urls needs Apprise, which is not installed. {notify.INSTALL}"
        return
    for number in notify.refusals(urls):
        yield f"notify.urls: Apprise does not know what number {number} is."


def warnings_of(config: Config) -> Iterator[tuple[str, str]]:
    """
    Yield keys that may not be meant so, each with what there is to know: commands of hooks that this user could
    not run, and captions that are sent.
    """
    if config.intake.embedded_prompt is not None:
        yield (
            "intake.embedded_prompt",
            "a photo without a prompt sends its caption as one, and captions hold names and places",
        )
    for key in ("done", "error", "paused", "resumed"):
        words = getattr(config.hooks, key)
        if words and shutil.which(words[0]) is None:
            yield f"hooks.{key}", f"{words[0]} is not there, or may not be run by this user"


def secret_files(config: Config) -> Iterator[tuple[str, Path]]:
    """
    Yield each file that holds a secret, by its key.
    """
    for key, path in (
        ("web.token_file", config.web.token_file),
        ("web.read_token_file", config.web.read_token_file),
        ("hooks.secret_file", config.hooks.secret_file),
    ):
        if path is not None:
            yield key, path


def _secret(key: str, value: SecretStr | None, file: Path | None, credential: str) -> str:
    """
    Return a secret: that of the file, of systemd's credential, or of the configuration, whichever comes first.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    place = file or (Path(folder) / credential if folder else None)
    if place is not None:
        try:
            return key_in(read_small(place, _MOST_BYTES))
        except FileNotFoundError:
            if file is not None:
                raise ValueError(f"{key}_file: {shown(str(place))} is not there.") from None
        except OSError as error:
            raise ValueError(
                f"{key}: {shown(str(place))} cannot be read: {error.strerror}."
            ) from error
        except ValueError as error:
            raise ValueError(f"{key}: {shown(str(place))} {error}.") from error
    return value.get_secret_value() if value is not None else ""
