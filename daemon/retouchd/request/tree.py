"""
A tree: what a structured sidecar says, whichever notation it is written in.

A tree is a dict of text to text, numbers, booleans, None, lists and further such dicts. What a file may
not do to us is checked here, before (`check_nesting`) and after (`check_tree`) a library reads it.
"""

import datetime as dt
import math
import re

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
