"""
Reads the configuration: its file, the environment over it, the key.
"""

import codecs
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from retouchd.config.faults import KeyFault, environment_faults, fault_of, holds
from retouchd.config.model import (
    KEY_VARIABLE,
    SANDBOX,
    Config,
    EndpointSection,
    KeySettings,
    find_key,
)
from retouchd.config.salvage import MOST_BYTES, salvaged
from retouchd.disk.file_stat import read_small
from retouchd.endpoint.api_key import KEY_UNSENT, NO_KEY
from retouchd.endpoint.styles import style_for
from retouchd.endpoint.styles.style import NO_AUTH
from retouchd.errors import ConfigurationError
from retouchd.job.naming import shown
from retouchd.request.formats import toml_fault

PLACES = (
    Path("config.toml"),
    Path("retouch/config.toml"),
    Path("~/.config/retouchd/config.toml"),
    Path("/etc/retouchd/config.toml"),
)
"""Where the configuration is looked for, after `--config` and `$RETOUCHD_CONFIG`; `init` makes the second."""


def find(path: Path | None) -> Path | None:
    """
    Return the configuration file to read, None if there is none anywhere.
    """
    named = path or (
        Path(os.environ["RETOUCHD_CONFIG"]) if "RETOUCHD_CONFIG" in os.environ else None
    )
    if named is not None:
        return named
    return next((place for place in map(_place, PLACES) if place is not None), None)


def _place(path: Path) -> Path | None:
    """
    Return where a configuration lies that nobody named, None if there is none for this user.
    """
    try:
        place = path.expanduser()
    except RuntimeError:
        return None  # There is no home.
    try:
        return place if place.is_file() else None
    except PermissionError as error:
        msg = (
            f"{place.parent} may not be looked into by this user: name another configuration with --config, "
            f"or be added to the group of {place.parent}."
        )
        raise ConfigurationError([msg]) from error


def load(path: Path | None) -> tuple[Config | None, list[str]]:
    """
    Return the configuration of a file (None: of the environment alone), and every fault of it.

    Where there are faults, the rest is the configuration as far as it can be read without them, so that other
    faults can be looked for in it. A fault that is one of `ConfigFault` may hide where the endpoint is: then
    nobody may be asked. Raises ConfigurationError for a file that cannot be read.
    """
    values = _read(path) if path is not None else {}
    config, faults = _validated(values, path)
    if config is None:
        return None, faults
    config, more = _with_key(config, values, path)
    return config, [*faults, *more]


def readable(path: Path | None) -> tuple[Config | None, list[str]]:
    """
    Return the configuration as far as anything of its file can be read, and every fault, for those who only
    look: no key is asked for, and of a file that is no TOML the tables and lines that are count.
    """
    try:
        values = _read(path) if path is not None else {}
    except ConfigurationError as error:
        assert path is not None, "only a file cannot be read"
        config, _ = _validated(salvaged(path), path)
        return config, list(error.problems)
    return _validated(values, path)


def _validated(values: dict[str, Any], path: Path | None) -> tuple[Config | None, list[str]]:
    faults = list(environment_faults(os.environ))
    if faults:
        return None, faults
    try:
        return Config(**values), []
    except ValidationError as error:
        found = error.errors()
    faults = [fault_of(each, values, path) for each in found]
    for each in found:
        _cut_out(values, each["loc"])
    try:
        return Config(**values), faults
    except ValidationError:
        return None, faults


def _with_key(
    config: Config, values: Mapping[str, Any], path: Path | None
) -> tuple[Config, list[str]]:
    """
    Return the configuration with its key, wherever that stands, or without one and why so.
    """
    section = config.endpoint
    if section.base_url == SANDBOX:
        return config, []
    if section.auth == NO_AUTH:
        return config.model_copy(update={"endpoint": section.with_key(None, KEY_UNSENT)}), []
    is_in_file = holds(values, ("endpoint", "api_key"))
    asked = KeySettings(
        file=path,
        base_url=section.base_url,
        api_key=section.api_key.get_secret_value() if section.api_key is not None else None,
        is_own_variable=not is_in_file or KEY_VARIABLE in map(str.upper, os.environ),
        api_key_file=section.api_key_file,
        headers=section.headers,
        default=EndpointSection().base_url,
    )
    try:
        key, source = find_key(asked)
    except ValueError as error:
        fault = KeyFault(str(error), hides_endpoint=True)
        return config.model_copy(update={"endpoint": section.with_key(None, NO_KEY)}), [fault]
    if key is not None and section.auth not in (
        None,
        style_for(section.style, section.base_url).auth,
    ):
        # A valid key is turned away as well where it is not looked for.
        way = f'endpoint.auth = "{section.auth}" says how it is sent: that must be right, too.'
        source = replace(source, remedy=f"{source.remedy} {way}")
    return config.model_copy(update={"endpoint": section.with_key(key, source)}), []


def _read(path: Path) -> dict[str, Any]:
    name = shown(str(path))
    try:
        text = _text(read_small(path, MOST_BYTES))
        return tomllib.loads(text)
    except FileNotFoundError as error:
        msg = f"{name} is not there. Run `retouchd init`, or name another file with --config."
        raise ConfigurationError([msg]) from error
    except OSError as error:
        who = " Ask as root, or as the user that retouchd runs as."
        why = f"{error.strerror}.{who if isinstance(error, PermissionError) else ''}"
        raise ConfigurationError([f"{name} cannot be read: {why}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            [f"{name} is not valid TOML: {toml_fault(error, text)}"]
        ) from error
    except RecursionError as error:
        raise ConfigurationError([f"{name} is not valid TOML: it is nested too deeply."]) from error
    except ValueError as error:
        raise ConfigurationError([f"{name} cannot be read: it {error}."]) from error


def _text(raw: bytes) -> str:
    """
    Return the text of a file; raises ValueError with what it is instead.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("is UTF-16: save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"is not text in UTF-8 (byte {error.start + 1}): save it as UTF-8"
        ) from None


def _cut_out(values: dict[str, Any], place: Sequence[str | int]) -> None:
    found: Any = values
    for part in place[:-1]:
        if not isinstance(found, dict) or part not in found:
            return
        found = found[part]
    if isinstance(found, dict):
        found.pop(place[-1], None)
