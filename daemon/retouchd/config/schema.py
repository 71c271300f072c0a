"""
JSON Schemas (2020-12) of the configuration and of sidecars, for editors: made from the models that read them.

What a key means is told by its comment in config.example.toml. A schema knows each key by itself, not what a
model of the endpoint takes: values known from `request.limits` are offered, and others are allowed.
"""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files as resources
from typing import Any, TypeAlias

from pydantic import BaseModel

from retouchd.config.model import Config
from retouchd.money import pricing
from retouchd.request import limits, overrides
from retouchd.request.fields import Sidecar

EXAMPLE = "config.example.toml"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema: TypeAlias = dict[str, Any]

_HEADER = re.compile(r"(?:# )?\[\[?([a-z]+)[\].].*")
_KEY = re.compile(r"(?:# )?([a-z_]+) = .*")


def example() -> str:
    """
    Return the commented configuration that comes with the package.
    """
    return (resources("retouchd") / EXAMPLE).read_text("utf-8")


def meanings(text: str) -> dict[str, str]:
    """
    Return what the comments of a commented configuration say: by table, and by `table.key`.

    A comment belongs to the keys that follow it up to the next empty line or comment.
    """
    found: dict[str, str] = {}
    table, comment, is_told = "", "", False
    for line in text.splitlines():
        if header := _HEADER.fullmatch(line):
            table = header[1]
            found.setdefault(table, comment)
            is_told = bool(comment)
        elif key := _KEY.fullmatch(line):
            found.setdefault(f"{table}.{key[1]}", comment)
            is_told = True
        elif line.startswith("# "):
            comment = line[2:] if is_told or not comment else f"{comment} {line[2:]}"
            is_told = False
        else:
            comment, is_told = "", False
    return found


def config_schema() -> Schema:
    """
    Return the schema of a configuration file.
    """
    said = meanings(example())
    schema = _of(Config)
    for table, section in schema["properties"].items():
        if table in _ROWS:
            section.update(_rows(table, said))
        elif table == "edits":
            section.pop("default", None)
            _describe_edits(section, said)
        else:
            section.pop("default", None)
            for key, each in section["properties"].items():
                _describe(each, said[f"{table}.{key}"])
        if said.get(table):
            section["description"] = said[table]
    _offer(schema["properties"]["edit"]["properties"])
    return _headed("Configuration of retouchd", schema)


def sidecar_schema() -> Schema:
    """
    Return the schema of a sidecar or an `_edit` file, whichever notation it is written in.
    """
    said = meanings(example())
    schema = _of(Sidecar)
    for key, each in schema["properties"].items():
        _describe(each, each.get("description") or said[f"edit.{key}"])
    _describe_output(schema["properties"]["output"], said)
    _describe_edits(schema["properties"]["edits"], said)
    _offer(schema["properties"])
    schema["properties"]["$schema"] = {
        "type": "string",
        "description": "Where this schema is, for editors; retouchd passes over it.",
    }
    return _headed("Sidecar of retouchd", schema)


SCHEMAS: Mapping[str, Callable[[], Schema]] = {"config": config_schema, "sidecar": sidecar_schema}

_ROWS: Mapping[str, tuple[overrides.Readers, Callable[[str], Mapping[str, Any]]]] = {
    "limits": (overrides.READERS, overrides.shape_of),
    "pricing": (pricing.READERS, lambda key: pricing.SHAPES[pricing.READERS[key]]),
}


def _headed(title: str, schema: Schema) -> Schema:
    schema.pop("description", None)
    return {"$schema": DIALECT, "title": title, **schema}


def _of(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema()
    plain: Schema = _plain(schema, schema.pop("$defs", {}))
    return plain


def _plain(node: Any, defs: Mapping[str, Any]) -> Any:
    """
    Return a schema without references, the titles of pydantic, and null, which no file can say.
    """
    if isinstance(node, list):
        return [_plain(each, defs) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        others = {key: value for key, value in node.items() if key != "$ref"}
        return _plain({**defs[node["$ref"].rpartition("/")[2]], **others}, defs)
    kept = {
        key: {name: _plain(each, defs) for name, each in value.items()}
        if key == "properties"
        else _plain(value, defs)
        for key, value in node.items()
        if key not in {"title", "writeOnly"} and not (key == "default" and value is None)
    }
    choices = [each for each in kept.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept


def _describe(schema: Schema, text: str) -> None:
    """
    Put what the example says in front of what the model's own description is.
    """
    if text:
        schema["description"] = text


def _describe_edits(schema: Schema, said: Mapping[str, str]) -> None:
    """
    Say of each key of an edit in a list what it is in `[edit]`.
    """
    fields = schema["items"]["properties"]
    for key, each in fields.items():
        _describe(each, each.get("description") or said[f"edit.{key}"])
    _describe_output(fields["output"], said)
    _offer(fields)


def _describe_output(schema: Schema, said: Mapping[str, str]) -> None:
    for key, each in schema["properties"].items():
        _describe(each, said[f"output.{key}"])
    schema.pop("default", None)


def _rows(table: str, said: Mapping[str, str]) -> Schema:
    readers, shape_of = _ROWS[table]
    row = {key: dict(shape_of(key)) for key in readers}
    for key, each in row.items():
        _describe(each, said.get(f"{table}.{key}") or said[table])
    return {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": row,
            "additionalProperties": False,
        },
    }


def _offer(fields: Schema) -> None:
    """
    Let editors offer the values that models are known to take; any other text is as good.
    """
    for key, values in _known_values().items():
        free = {name: fields[key].pop(name) for name in ("type", "pattern") if name in fields[key]}
        fields[key]["anyOf"] = [{"enum": values}, free]


def _known_values() -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {"model": {}, "size": {}}
    for pattern, rules in limits.TABLE.items():
        found["model"][pattern.removesuffix("*")] = None
        sizes = rules.sizes if isinstance(rules.sizes, tuple) else ()
        found["size"].update(dict.fromkeys(sizes))
        for key, values in rules.values.items():
            found.setdefault(key, {}).update(dict.fromkeys(values))
    return {key: list(values) for key, values in found.items()}
