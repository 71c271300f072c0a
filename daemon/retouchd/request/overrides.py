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
from functools import cached_property
from typing import Annotated, Any, TypeAlias

from pydantic import Field, Strict, TypeAdapter, ValidationError

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


class Value:
    """
    A kind of value: reads one, raising ValueError with half a sentence, and says what it takes as JSON Schema.

    `inner` is said instead of `words` of a value that is of the right kind and holds something wrong.
    """

    def __init__(
        self,
        kind: Any,
        words: str,
        *,
        inner: str = "",
        made: Callable[[Any], Any] = lambda found: found,
    ) -> None:
        self._kind = kind
        self._words = words
        self._inner = inner or words
        self._made = made

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self._kind)

    def __call__(self, value: object) -> Any:
        """
        Return what a value means; raises ValueError.
        """
        try:
            found = self._adapter.validate_python(value)
        except ValidationError as error:
            is_inner = all(fault["loc"] for fault in error.errors())
            raise ValueError(self._inner if is_inner else self._words) from error
        return self._made(found)

    @property
    def schema(self) -> dict[str, Any]:
        """
        Return what it takes, as JSON Schema says it.
        """
        return self._adapter.json_schema()


def _lowered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


_Text: TypeAlias = Annotated[str, Strict()]
_Whole: TypeAlias = Annotated[int, Strict()]
_LIST = 'must be a list such as ["png", "webp"], or [] for no rule'

_count = Value(
    Annotated[_Whole, Field(ge=0)],
    "must be a whole number, or 0 for no limit",
    made=lambda number: number or None,
)
_flag = Value(Annotated[bool, Strict()], "must be true or false")
_names = Value(list[_Text], _LIST, made=_lowered)
_values = Value(
    dict[_Text, list[_Text]],
    'must be a table such as {quality = ["low", "high"]}',
    inner=_LIST,
    made=lambda found: {key: _lowered(names) for key, names in found.items()},
)
_ranges = Value(
    dict[_Text, Annotated[list[_Whole], Field(min_length=2, max_length=2)]],
    "must be a table such as {output_compression = [0, 100]}",
    made=lambda found: {key: (ends[0], ends[1]) for key, ends in found.items()},
)
_forbidden = Value(
    list[_Text] | dict[_Text, _Text],
    _LIST,
    made=lambda found: (
        found
        if isinstance(found, dict)
        else dict.fromkeys(_lowered(found), "the configuration forbids it")
    ),
)


def _sizes(value: object) -> SizeRule | tuple[str, ...]:
    if isinstance(value, Mapping):
        return _size_rule(value)
    sizes: tuple[str, ...] = _names(value)
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

_ABOVE_0 = {"exclusiveMinimum": 0}
_SIZES: dict[str, Any] = {
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
}


def shape_of(key: str) -> Mapping[str, Any]:
    """
    Return what a key of a row takes, as JSON Schema says it.
    """
    reader = READERS[key]
    return reader.schema if isinstance(reader, Value) else _SIZES
