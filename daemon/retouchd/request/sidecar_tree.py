"""
What a structured sidecar says, as a tree whichever notation it has; and the sidecar that `submit` writes.

A tree is a dict of text to text, numbers, booleans, None, lists and further such dicts. What a file may
not do to us is checked here, before (`check_nesting`) and after (`check_tree`) a library reads it.

A job that a person drops by command: what it may ask for, and how its files are named and written.
"""

import datetime as dt
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from retouchd.job.filenames import Kind, Named, parse
from retouchd.job.model import Scalar

MAX_DEPTH = 16
"""The most tables and lists inside one another; an edit needs two."""

_MAX_NUMBER = 2**63
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_TOO_DEEP = "there are too many tables and lists inside one another."
_SIGNS = re.compile(
    r"""
    \"{3} (?: \\. | (?!\"{3}) [^\\] )*+ (?:\"{3})?    # TOML's text of several lines
    | '{3} (?: (?!'{3}) . )*+ (?:'{3})?
    | \"  (?: \\. | [^"\\\n] )*+ \"?                  # text of one line
    | '   [^'\n]*+ '?
    | \#  [^\n]*+                                     # a comment
    | (?P<sign> [\[\]{}.=,\n] )
    """,
    re.VERBOSE | re.DOTALL,
)


class NotationFault(Exception):
    """
    A file is not in its notation, or says what no sidecar may; the sentence says which and where.
    """


def check_nesting(text: str) -> None:
    """
    Raise NotationFault where TOML or JSON opens too many brackets, or a key has too many parts.

    Looks at the signs alone, in one pass: the libraries' parsers recurse for each bracket, and tomllib's
    time grows with the square of a dotted key's length.
    """
    depth = dots = 0
    for found in _SIGNS.finditer(text):
        match found["sign"]:
            case None:
                continue
            case ".":
                dots += 1
            case "[" | "{":
                depth, dots = depth + 1, 0
            case "]" | "}":
                depth, dots = depth - 1, 0
            case _:
                dots = 0
        if depth > MAX_DEPTH or dots > MAX_DEPTH:
            raise NotationFault(_TOO_DEEP)


def check_tree(value: object, key: str = "", depth: int = 0) -> None:
    """
    Raise NotationFault for a value that cannot be sent as it stands, naming its key.
    """
    match value:
        case dict():
            _check_depth(depth)
            for inner, each in value.items():
                _check_text(inner, "the name of a key")
                check_tree(each, inner, depth + 1)
        case list():
            _check_depth(depth)
            for each in value:
                check_tree(each, key, depth + 1)
        case str():
            _check_text(value, named(key))
        case int() if abs(value) >= _MAX_NUMBER:
            raise NotationFault(f"{named(key)} is too large a number.")
        case float() if not math.isfinite(value):
            raise NotationFault(f"{named(key)} is not a number that can be sent.")
        case dt.date() | dt.time():
            raise NotationFault(f"{named(key)} is a date or a time; write it in quotes.")


def named(key: str) -> str:
    """
    Return a key as it may stand in a sentence: on one line, and not too long for it.
    """
    plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in key)
    if not plain:
        return '""'
    return plain if len(plain) <= 40 else f"{plain[:40]}…"


def is_plain(text: str) -> bool:
    """
    Return whether a text holds no control sign but tab and line end, and no half of a sign.
    """
    return _HIDDEN.search(text) is None


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotationFault(_TOO_DEEP)


def _check_text(text: str, where: str) -> None:
    if not is_plain(text):
        raise NotationFault(
            f"{where} holds a control character, which cannot be seen; type it anew."
        )


_TABLES = ("extra.", "output.")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def settings_in(words: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """
    Return what `key=value` words set, `extra.key` and `output.key` in tables of their own, and what is wrong
    with any.

    A value in a table is read as TOML would (`7`, `true`, `"7"`), else it is the text itself.
    """
    found: dict[str, Any] = {}
    problems = []
    for word in words:
        key, sign, text = word.partition("=")
        key = key.strip()
        if not sign or not key:
            problems.append(f"--set {word}: write it as key=value, such as size=1024x1024.")
        elif key.startswith(_TABLES):
            place, _, inner = key.partition(".")
            found.setdefault(place, {})[inner] = _value(text)
        elif key in ("prompt", "images", "extra", "output"):
            problems.append(f"--set {key}: {_ELSEWHERE[key]}")
        else:
            found[key] = text
    return found, problems


_ELSEWHERE = {
    "prompt": "give the prompt with --prompt.",
    "images": "references are named in a sidecar or an _edit.toml, not here.",
    "output": "set its keys one by one, such as output.like=source.",
    "extra": "name the field itself, such as extra.seed=7.",
}


def table(values: Mapping[str, Scalar], **tables: Mapping[str, Scalar]) -> bytes:
    """
    Return parameters as a structured sidecar: a TOML document, every text escaped; `tables` are those below
    them.
    """
    lines = [f"{_key(key)} = {_literal(value)}" for key, value in values.items()]
    for name, inner in tables.items():
        if inner:
            lines += ["", f"[{name}]"]
            lines += [f"{_key(key)} = {_literal(value)}" for key, value in inner.items()]
    return "".join(f"{line}\n" for line in lines).encode()


def named_by(image: Named, stem: str) -> str:
    """
    Return what the names of an image's sidecars begin with: the short form, unless it would mean
    something else.
    """
    short = parse(f"{stem}.txt")
    is_its = short.kind is Kind.PROMPT and short.target is None
    return "" if is_its else image.suffix


def _value(text: str) -> Any:
    try:
        check_nesting(text)
        found = tomllib.loads(f"value = {text}")["value"]
    except (NotationFault, ValueError):  # Not TOML, or a number of thousands of digits.
        return text
    return found if isinstance(found, str | int | float | bool) else text


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _quoted(key)


def _literal(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case _:
            return repr(value)


def _quoted(text: str) -> str:
    return '"' + "".join(_sign(sign) for sign in text) + '"'


def _sign(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    return sign if sign >= " " and sign != "\x7f" else f"\\u{ord(sign):04x}"
