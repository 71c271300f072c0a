"""
A job that a person drops by command: what it may ask for, and how its files are named and written.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from retouchd.job.filenames import Kind, Named, parse
from retouchd.job.model import Scalar

_EXTRA = "extra."
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def settings_in(words: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """
    Return what `key=value` words set, `extra.key` in a table of its own, and what is wrong with any.

    A value in `extra` is read as TOML would (`7`, `true`, `"7"`), else it is the text itself.
    """
    found: dict[str, Any] = {}
    problems = []
    for word in words:
        key, sign, text = word.partition("=")
        key = key.strip()
        if not sign or not key:
            problems.append(f"--set {word}: write it as key=value, such as size=1024x1024.")
        elif key.startswith(_EXTRA):
            found.setdefault("extra", {})[key.removeprefix(_EXTRA)] = _value(text)
        elif key in ("prompt", "images", "extra"):
            problems.append(f"--set {key}: {_ELSEWHERE[key]}")
        else:
            found[key] = text
    return found, problems


_ELSEWHERE = {
    "prompt": "give the prompt with --prompt.",
    "images": "references are named in a sidecar or an _edit.toml, not here.",
    "extra": "name the field itself, such as extra.seed=7.",
}


def table(values: Mapping[str, Scalar], extra: Mapping[str, Scalar]) -> bytes:
    """
    Return parameters as a structured sidecar: a TOML document, every text escaped.
    """
    lines = [f"{_key(key)} = {_literal(value)}" for key, value in values.items()]
    if extra:
        lines += ["", "[extra]"]
        lines += [f"{_key(key)} = {_literal(value)}" for key, value in extra.items()]
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
        found = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
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
