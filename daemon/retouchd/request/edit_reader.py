"""
Reads what a sidecar or an `_edit` file says, and tells in words what is wrong with it.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import (
    ValidationError,
)
from pydantic_core import ErrorDetails

from retouchd.request.fields import MAX_EDITS, MAX_NAME, MAX_REFERENCES, Sidecar
from retouchd.request.output_fields import OutputFields
from retouchd.request.overrides import nearest
from retouchd.request.sidecar_tree import named

_EXTRA = "A field that only your endpoint knows goes into an extra table."
_HINTS = {
    "mask": "a mask is a file of its own, such as cat.mask.png.",
    "negative_prompt": f"say in the prompt what is to be left out. {_EXTRA}",
    "seed": f"most endpoints have no such field. {_EXTRA}",
    "stream": "only whole answers are read, so leave it out.",
    "partial_images": "only whole answers are read, so leave it out.",
    "edit": "write its keys without [edit] around them.",
}
_EXAMPLES = {
    "size": "1024x1024",
    "quality": "high",
    "background": "transparent",
    "complexity": "high",
    "input_fidelity": "high",
    "output_format": "png",
    "model": "gpt-image-2",
}
_KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a fraction",
    str: "text",
    list: "a list",
    dict: "a table",
}


_TOO_LONG = {
    "images": f"names more than {MAX_REFERENCES} files",
    "edits": f"names more than {MAX_EDITS}",
    "name": f"is longer than {MAX_NAME} characters",
}


def read_edit(tree: Mapping[str, Any]) -> Sidecar | list[str]:
    """
    Return what a tree says, or everything that is wrong with it.
    """
    tree = {key: value for key, value in tree.items() if not _is_schema(key, value)}
    faults = [
        f"{named(key)} has no value; leave the line out." for key in tree if tree[key] is None
    ]
    filled = {key: value for key, value in tree.items() if value is not None}
    try:
        sidecar = Sidecar.model_validate(filled)
    except ValidationError as error:
        # One wrong value of `extra` is told once for each type it might have been.
        faults += dict.fromkeys(_told(fault) for fault in error.errors())
        return faults
    return faults or sidecar


def sound_part(tree: Mapping[str, Any]) -> Sidecar:
    """
    Return what a tree says but for the keys that are wrong: what is wrong with the rest can be told as well.
    """
    filled = {key: value for key, value in tree.items() if value is not None}
    try:
        return Sidecar.model_validate(filled)
    except ValidationError as error:
        faulty = {fault["loc"][0] for fault in error.errors()}
    return Sidecar.model_validate(
        {key: value for key, value in filled.items() if key not in faulty}
    )


def _is_schema(key: str, value: object) -> bool:
    """
    Return whether a key only tells an editor where the schema is.
    """
    return key == "$schema" and isinstance(value, str)


def _told(fault: ErrorDetails) -> str:
    key, *inner = (str(part) for part in fault["loc"])
    if key in _INSIDE and inner:
        return _INSIDE[key](fault)
    if is_inner := key in ("extra", "vars") and bool(inner):
        key = f"{key}.{named(inner[0])}"
    match fault["type"]:
        case "extra_forbidden":
            told = _unknown(key)
        case "value_error":
            told = f"{key} {fault['msg'].removeprefix('Value error, ')}."
        case "too_long" | "string_too_long":
            told = f"{key} {_TOO_LONG[key]}."
        case "missing":
            told = f"it has no {key}; give it one."
        case "string_pattern_mismatch":
            told = f"{key} cannot be used: write letters, digits, _ and - after vars."
        case _ if is_inner and fault["input"] is None:
            told = f"{key} has no value; leave the line out."
        case _ if is_inner:
            told = f"{key} must be text, a number, or true or false, not {_kind(fault['input'])}."
        case _:
            told = f"{key} must be {_wanted(key)}, not {_kind(fault['input'])}."
    return told


def _told_of_edit(fault: ErrorDetails) -> str:
    number = int(fault["loc"][1]) + 1
    if not (rest := fault["loc"][2:]):
        return f"edit {number} must be a table, not {_kind(fault['input'])}."
    if fault["type"] == "extra_forbidden" and rest[0] in Sidecar.model_fields:
        return f"edit {number}: {rest[0]} holds for all edits; write it above the first [[edits]]."
    return f"edit {number}: {_told({**fault, 'loc': rest})}"


def _told_of_output(fault: ErrorDetails) -> str:
    key = ".".join(map(str, fault["loc"][:2]))
    if fault["type"] == "extra_forbidden":
        known = list(OutputFields.model_fields)
        near = nearest(key.rpartition(".")[2].lower(), known, 0.6)
        meant = f"did you mean output.{near}?" if near else f"known are {', '.join(known)}."
        return f"{named(key)} is not a known key; {meant}"
    if fault["type"] == "value_error":
        return f"{key} {fault['msg'].removeprefix('Value error, ')}."
    return f"{key}: {fault['msg'][:1].lower()}{fault['msg'][1:]}."


_INSIDE = {"edits": _told_of_edit, "output": _told_of_output}


def _unknown(key: str) -> str:
    name = named(key)
    if key in _HINTS:
        return f"{name} is not a known key; {_HINTS[key]}"
    near = nearest(key.lower(), Sidecar.model_fields, 0.6)
    if near:
        return f"{name} is not a known key; did you mean {near}?"
    return f"{name} is not a known key; known are {', '.join(Sidecar.model_fields)}. {_EXTRA}"


_WANTED = {
    "n": "a whole number",
    "output_compression": "a whole number",
    "images": 'a list of file names, such as ["_refs/backdrop.png"]',
    "extra": "a table of further fields",
    "output": 'a table such as { like = "source" }',
    "vars": "a table of texts",
    "edits": 'a list of tables, each below [[edits]], or with braces: [{name = "warm"}]',
}


def _wanted(key: str) -> str:
    if key in _WANTED:
        return _WANTED[key]
    return f'text such as "{_EXAMPLES[key]}"' if key in _EXAMPLES else "text in quotes"


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "nothing")
