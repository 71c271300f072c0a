"""
Faults of the configuration in words: the key or variable, what is wrong, and what it should be.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from retouchd.config.model import (
    Config,
)
from retouchd.config.programs import HOOK_PREFIX
from retouchd.config.section import PREFIX
from retouchd.disk.filesystems import UNIT_VARIABLE
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
