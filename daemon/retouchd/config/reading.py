"""
Reads the configuration: its file, the environment over it, the key; and tells its faults in words.

Faults of the configuration in words: the key or variable, what is wrong, and what it should be. What can still
be read of a configuration file that is no TOML: its tables one by one, or line by line.
"""

import codecs
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from retouchd.config.model import (
    KEY_VARIABLE,
    SANDBOX,
    Config,
    EndpointSection,
    KeySettings,
    find_key,
)
from retouchd.config.programs import HOOK_PREFIX
from retouchd.config.section import PREFIX
from retouchd.disk.file_stat import read_small
from retouchd.disk.filesystems import UNIT_VARIABLE
from retouchd.endpoint.api_key import KEY_UNSENT, NO_KEY
from retouchd.endpoint.styles import style_for
from retouchd.endpoint.styles.style import NO_AUTH
from retouchd.errors import ConfigurationError
from retouchd.job.naming import shown
from retouchd.request.formats import toml_fault
from retouchd.request.overrides import nearest

_OTHER_VARIABLES = {"RETOUCHD_CONFIG", UNIT_VARIABLE}
_JSON_KEYS = {
    "endpoint": {"headers": '{"X-Group": "photos"}', "models": '{"gpt-image-2": "mine"}'},
    "edit": {"extra": '{"seed": 7}'},
    "intake": {"ignore": '["*.bak"]'},
    "web": {"origins": '["https://photos.example"]', "trusted_proxies": '["127.0.0.1"]'},
    "hooks": dict.fromkeys(
        ("done", "error", "paused", "resumed"), '["/usr/local/bin/print", "{output}"]'
    ),
    "notify": {"urls": '["ntfy://photos"]'},
}
_ALIKE = 0.75


class ConfigFault(str):
    """
    A fault of the configuration in words.

    `hides_endpoint` says that with it nobody can tell where the endpoint is, and so whom the key is for.
    """

    __slots__ = ("hides_endpoint",)

    hides_endpoint: bool

    def __new__(cls, text: str, *, hides_endpoint: bool) -> Self:
        """
        Return the words with what they mean for the endpoint.
        """
        fault = super().__new__(cls, text)
        fault.hides_endpoint = hides_endpoint
        return fault


class KeyFault(ConfigFault):
    """
    A fault of the key: in the way of those alone who would send something.
    """

    __slots__ = ()


def fault_of(found: ErrorDetails, values: Mapping[str, Any], path: Path | None) -> ConfigFault:
    """
    Return what the model found wrong with the `values` of a file.
    """
    return ConfigFault(_words(found, values, path), hides_endpoint=_hides_endpoint(found))


def environment_faults(environment: Mapping[str, str]) -> Iterator[str]:
    """
    Return what is wrong with variables of ours: an unknown section, or a table that is no JSON.
    """
    for name, text in environment.items():
        is_ours = name.startswith(PREFIX) and not name.startswith(HOOK_PREFIX)
        if not is_ours or name in _OTHER_VARIABLES:
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if section not in Config.model_fields:
            yield f"environment variable {name}: {_unknown([section])}"
        elif key in _JSON_KEYS.get(section, ()) and not _is_json(text):
            yield f"environment variable {name} must be JSON, such as {_JSON_KEYS[section][key]}."
        elif section == "edits" and not _is_json(text):
            example = '[{"name": "warm", "prompt": "Warm light."}]'
            yield f"environment variable {name} must be JSON, such as {example}."


def holds(values: Mapping[str, Any], place: Sequence[str | int]) -> bool:
    """
    Return whether the file itself has that key.
    """
    found: Any = values
    for part in place:
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _words(fault: ErrorDetails, values: Mapping[str, Any], path: Path | None) -> str:
    """
    Return one fault in words, by where it stands: the key in the file, or the variable.
    """
    keys = [str(part) for part in fault["loc"]]
    is_in_file = path is not None and holds(values, fault["loc"])
    variable = f"{PREFIX}{'__'.join(keys).upper()}"
    if keys == ["endpoint", "base_url"] and variable not in os.environ:
        variable = "OPENAI_BASE_URL"
    where = f"{path}: " if is_in_file else f"environment variable {variable}: "
    key = ".".join(keys)
    if fault["type"] == "extra_forbidden":
        return where + _unknown(keys)
    if fault["type"] in ("model_type", "dict_type"):
        return f"{where}{key} must be a table: write [{key}] on a line of its own."
    return f"{where}{key}: {fault['msg'].removeprefix('Value error, ').rstrip('.')}."


def _unknown(keys: Sequence[str]) -> str:
    *above, wrong = keys
    if keys == ["edit", "images"]:
        return "edit.images is not a known key; references are named in an _edit.toml in the inbox."
    if above and (home := _home_of(wrong)):
        line = wrong if home != wrong else "its key"
        return (
            f"{'.'.join(keys)} is not a known key: the line stands below [{above[0]}]. Put {line} directly "
            f"below the line [{home}]."
        )
    near = nearest(wrong, _known_keys(above))
    meant = f"; did you mean {'.'.join([*above, near])}?" if near else "."
    extra = " A field of your own relay's goes into [edit.extra]." if above == ["edit"] else ""
    return f"{'.'.join(keys)} is not a known key{meant}{extra}"


def _home_of(key: str) -> str | None:
    """
    Return the one table that a key belongs to, or that it names.
    """
    if key in Config.model_fields:
        return key
    homes = [table for table in Config.model_fields if key in _known_keys([table])]
    return homes[0] if len(homes) == 1 else None


def _known_keys(above: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Config
    for part in above:
        inner = model.model_fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)


def _hides_endpoint(fault: ErrorDetails) -> bool:
    """
    Tell whether a fault is in [endpoint], or may be a key of it in the wrong place or under a wrong name.
    """
    *above, wrong = map(str, fault["loc"])
    if "endpoint" in (wrong, *above[:1]):
        return True
    is_unknown = fault["type"] == "extra_forbidden"
    return is_unknown and (
        not above or nearest(wrong, _known_keys(["endpoint"]), _ALIKE) is not None
    )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


MOST_BYTES = 1 << 20
"""More is no configuration."""

_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)


def salvaged(path: Path) -> dict[str, Any]:
    """
    Return the values of each table that can be read, and of a table that cannot those of its lines; nothing
    where the file is away, or is none.
    """
    try:
        text = read_small(path, MOST_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return {}
    values: dict[str, Any] = {}
    for table in _tables(text):
        _merge(values, _parsed(table) or _by_line(table))
    return values


def _tables(text: str) -> Iterator[str]:
    starts = [0, *(found.start() for found in _HEADER.finditer(text)), len(text)]
    yield from (text[start:end] for start, end in pairwise(starts))


def _by_line(table: str) -> dict[str, Any]:
    head, *lines = table.split("\n")
    if not _HEADER.match(head):
        head, lines = "", [head, *lines]
    values: dict[str, Any] = {}
    for line in lines:
        _merge(values, _parsed(f"{head}\n{line}"))
    return values


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _merge(values: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        known = values.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        else:
            values[key] = value


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
