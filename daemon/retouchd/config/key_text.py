"""
Parses an API key as people write it down: in a file, in a variable, or pasted with what stood around it.
"""

import codecs
import re

from retouchd.request.multipart import HEADER_VALUE

_BLANK = " \t\r\n\v\f\0\u00a0\u200b\u200c\u200d\u2060\ufeff"
_QUOTES = "\"'`“”‘’«»"
_ASSIGNED = re.compile(
    r"(?:export\s+|set\s+|\$env:)?\w*(?:key|token)\w*\s*[=:]\s*(?!=)", re.IGNORECASE
)
_BEARER = re.compile(r"(?:authorization\s*:\s*)?bearer\s+", re.IGNORECASE)


def key_in(text: bytes | str) -> str:
    """
    Return the key that a text holds: without white space, quotes, `OPENAI_API_KEY=` and `Bearer` around it.

    Raises ValueError, which says what the text is instead and never quotes it.
    """
    found = [line.strip(_BLANK) for line in _decoded(text).splitlines()]
    lines = [line for line in found if line and not line.startswith("#")]
    if len(lines) > 1:  # A file of variables: one of them may name the key.
        lines = [line for line in lines if _ASSIGNED.match(line)] or lines
    if not lines:
        raise ValueError("is empty")
    if len(lines) > 1:
        raise ValueError(f"holds {len(lines)} lines where one, the key, is expected")
    key = _bare(_BEARER.sub("", _bare(_ASSIGNED.sub("", lines[0], count=1)), count=1))
    if not key:
        raise ValueError("is empty")
    if not HEADER_VALUE.fullmatch(key):
        raise ValueError("holds a character that no key has")
    return key


def _bare(text: str) -> str:
    return text.strip(_BLANK + _QUOTES)


def _decoded(text: bytes | str) -> str:
    """
    Return the text of bytes: UTF-8, or UTF-16 as PowerShell and Notepad write it, marked or not.
    """
    if isinstance(text, str):
        return text
    encoding = "utf-8-sig"
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif text[1:2] == b"\0":
        encoding = "utf-16-le"
    elif text[:1] == b"\0":
        encoding = "utf-16-be"
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError("is not text") from None
