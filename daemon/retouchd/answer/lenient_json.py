"""
JSON as careless programs write it, read for what can be had of it.

Understood besides JSON: text before, between and behind documents, a document that breaks off, missing and
surplus commas, single quotes, bare words, raw line breaks in strings, numbers of any length, any depth.
Reading takes time and memory in proportion to the text, whatever it is.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

_OPENING = re.compile(r"[{\[]")
_TOKEN = re.compile(
    r"""
    \s*+
    (?: (?P<sign>[{}\[\]:,])
      | "(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)(?:"|\\?\Z)
      | '(?P<single>[^'\\\n]*+(?:\\.[^'\\\n]*+)*+)'
      | (?P<word>[^\s,:{}\[\]]++)
      | \Z
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERALS: dict[str, Any] = {
    "true": True,
    "false": False,
    "null": None,
    "none": None,
    "nan": None,
    "undefined": None,
}
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LONGEST_NUMBER = 300
_BYTES = re.compile(r"""b(["'])(.*)\1""", re.DOTALL)

_NOTHING = object()

Container: TypeAlias = "dict[str, Any] | list[Any]"


class _Frame:
    """
    A container that is still open: what stands in it, the key at hand, and the value at hand.
    """

    def __init__(self, opening: str) -> None:
        self.content: Container = {} if opening == "{" else []
        self._key: str | None = None
        self._value: Any = _NOTHING

    def take(self, value: Any) -> None:
        """
        Take in a value; where a comma is missing, the one before ends here.
        """
        if self._value is not _NOTHING:
            self.close_item()
        self._value = value

    def name(self) -> None:
        """
        Take the value at hand for a key.
        """
        if isinstance(self._value, str):
            self._key, self._value = self._value, _NOTHING

    def close_item(self) -> None:
        """
        Put the value at hand where it belongs; of two with one key the last counts, as in JSON.
        """
        value, self._value = self._value, _NOTHING
        key, self._key = self._key, None
        if value is _NOTHING:
            return
        if isinstance(self.content, list):
            self.content.append(value)
        elif key is not None:
            self.content[key] = value


def documents_in(text: str) -> Iterator[Container]:
    """
    Yield the objects and lists of a text in order; one that breaks off as far as it goes. Raises nothing.
    """
    position = 0
    while opening := _OPENING.search(text, position):
        document, position = _document(text, opening.start())
        yield document


def _document(text: str, position: int) -> tuple[Container, int]:
    """
    Return the object or list that begins at a position, and where it ends.
    """
    frames: list[_Frame] = []
    while True:
        token = _TOKEN.match(text, position)
        kind = token.lastgroup if token else None
        if token is None or kind is None:
            break
        position = token.end()
        match token[kind]:
            case "{" | "[" as opening if kind == "sign":
                frames.append(_Frame(opening))
            case "}" | "]" if kind == "sign":
                document = _closed(frames)
                if not frames:
                    return document, position
            case "," if kind == "sign":
                frames[-1].close_item()
            case ":" if kind == "sign":
                frames[-1].name()
            case found:
                frames[-1].take(_literal(found) if kind == "word" else _unescaped(found, kind))
    document = _closed(frames)
    while frames:
        document = _closed(frames)
    return document, len(text)


def _closed(frames: list[_Frame]) -> Container:
    """
    Close the innermost container, and hand it to the one around it.
    """
    frame = frames.pop()
    frame.close_item()
    if frames:
        frames[-1].take(frame.content)
    return frame.content


def _unescaped(raw: str, kind: str) -> str:
    if kind == "single":
        raw = raw.replace(r"\'", "'").replace('"', r"\"")
    try:
        said: str = json.loads(f'"{raw}"', strict=False)
    except ValueError:
        return raw.replace(r"\/", "/")
    return said


def _literal(word: str) -> Any:
    """
    Return what a bare word stands for: a number that has a sensible length, one of few names, or itself.
    """
    if word.lower() in _LITERALS:
        return _LITERALS[word.lower()]
    if len(word) <= _LONGEST_NUMBER and _NUMBER.fullmatch(word):
        return int(word) if word.lstrip("-").isdigit() else float(word)
    found = _BYTES.fullmatch(word)
    return found[2] if found else word


def plain_key(key: object) -> str:
    """
    Return a key without case, `_` and `-`: `image_url`, `imageUrl` and `image-url` mean the same.
    """
    return str(key).replace("_", "").replace("-", "").lower()
