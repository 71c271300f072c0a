"""
The rows of `limits` and `pricing` in the configuration: patterns for names of models, values, and faults.

0 and an empty list lift a rule. Every reader raises ValueError with half a sentence that goes on
after the key: what the value must be.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from retouchd.request.sizes import SIZE, SizeRule, is_size


def nearest(word: str, known: Iterable[str], likeness: float = 0.0) -> str | None:
    """
    Return the known word most like `word`, None if none is.

    `likeness` from 0 to 1 is the least that counts; 0 takes the nearest, however far it is.
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return near[0] if near else None


Readers: TypeAlias = Mapping[str, Callable[[object], Any]]
"""By each key of a row, what reads its value; ValueError with half a sentence says what that must be."""

Shapes: TypeAlias = Mapping[Callable[[object], Any], Mapping[str, Any]]
"""By each reader, the JSON Schema of what it takes."""

_VERSION = re.compile(r"-20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z")


def fitting(model: str, patterns: Iterable[str]) -> list[str]:
    """
    Return the patterns that fit the model, the most specific last.

    A provider's prefix (`openai/`) and a version's date (`-2026-04-21`) do not hide a model.
    """
    full = model.strip().lower()
    bare = full.rpartition("/")[2]
    names = {full, bare, _VERSION.sub("", full), _VERSION.sub("", bare)}
    found = [
        pattern for pattern in patterns if any(fnmatchcase(name, pattern.lower()) for name in names)
    ]
    return sorted(found, key=lambda pattern: (not _is_wild(pattern), len(pattern), pattern))


def row_problems(table: str, rows: Mapping[str, Mapping[str, Any]], readers: Readers) -> list[str]:
    """
    Return every fault of a table's rows: a sentence each, naming the key.
    """
    return [
        f'{table}."{pattern}".{key} {fault}.'
        for pattern, row in rows.items()
        for key, value in row.items()
        if (fault := row_fault(key, value, readers))
    ]


def row_fault(key: str, value: object, readers: Readers) -> str | None:
    """
    Return what is wrong with a key of a row, as half a sentence that goes on after it; None if nothing is.
    """
    if key not in readers:
        return f"is not a known key; the nearest is {nearest(key, readers)}"
    try:
        readers[key](value)
    except ValueError as error:
        return str(error)
    return None


def _is_wild(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a whole number, or 0 for no limit")
    return value or None


def _flag(value: object) -> bool:
    match value:
        case bool():
            return value
        case _:
            raise ValueError("must be true or false")


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError('must be a list such as ["png", "webp"], or [] for no rule')
    return tuple(name.lower() for name in value)


def _sizes(value: object) -> SizeRule | tuple[str, ...]:
    if isinstance(value, Mapping):
        return _size_rule(value)
    sizes = _names(value)
    if not all(size == "auto" or is_size(size) for size in sizes):
        raise ValueError('must hold sizes such as "1024x1024" or "auto"')
    return sizes


def _size_rule(value: Mapping[Any, Any]) -> SizeRule:
    known = [each.name for each in fields(SizeRule)]
    if not set(value) <= set(known):
        raise ValueError(f"may hold only {', '.join(known)}")
    if not all(
        isinstance(number, int | float) and not isinstance(number, bool) and number > 0
        for number in value.values()
    ):
        raise ValueError("must hold numbers above 0")
    if not all(isinstance(value[key], int) for key in value if key != "max_ratio"):
        raise ValueError("must hold whole numbers, apart from max_ratio")
    return SizeRule(**value)


def _values(value: object) -> dict[str, tuple[str, ...]]:
    match value:
        case Mapping():
            return {str(key): _names(names) for key, names in value.items()}
        case _:
            raise ValueError('must be a table such as {quality = ["low", "high"]}')


def _ranges(value: object) -> dict[str, tuple[int, int]]:
    if not isinstance(value, Mapping) or not all(_is_range(ends) for ends in value.values()):
        raise ValueError("must be a table such as {output_compression = [0, 100]}")
    return {str(key): (ends[0], ends[1]) for key, ends in value.items()}


def _is_range(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(end, int) and not isinstance(end, bool) for end in value)
    )


def _forbidden(value: object) -> dict[str, str]:
    if isinstance(value, Mapping) and all(isinstance(why, str) for why in value.values()):
        return {str(key): why for key, why in value.items()}
    return dict.fromkeys(_names(value), "the configuration forbids it")


READERS: Readers = {
    "formats": _names,
    "max_image_bytes": _count,
    "max_image_pixels": _count,
    "max_images": _count,
    "square": _flag,
    "max_prompt_chars": _count,
    "max_mask_bytes": _count,
    "max_n": _count,
    "sizes": _sizes,
    "values": _values,
    "ranges": _ranges,
    "forbidden": _forbidden,
    "compressed_formats": _names,
    "transparent_formats": _names,
}
"""For each key of `limits.<model pattern>`, what reads its value."""

_LIST: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_ABOVE_0 = {"exclusiveMinimum": 0}

SHAPES: Shapes = {
    _count: {"type": "integer", "minimum": 0},
    _flag: {"type": "boolean"},
    _names: _LIST,
    _sizes: {
        "anyOf": [
            {
                "type": "array",
                "items": {"type": "string", "pattern": f"^([Aa][Uu][Tt][Oo]|{SIZE})$"},
            },
            {
                "type": "object",
                "properties": {
                    each.name: {
                        "type": "number" if each.name == "max_ratio" else "integer",
                        "default": each.default,
                        **_ABOVE_0,
                    }
                    for each in fields(SizeRule)
                },
                "additionalProperties": False,
            },
        ]
    },
    _values: {"type": "object", "additionalProperties": _LIST},
    _ranges: {
        "type": "object",
        "additionalProperties": {
            "type": "array",
            "items": {"type": "integer"},
            "minItems": 2,
            "maxItems": 2,
        },
    },
    _forbidden: {"anyOf": [_LIST, {"type": "object", "additionalProperties": {"type": "string"}}]},
}
"""What each reader takes, as JSON Schema says it."""
