r"""
How a text may be spelt where somebody quotes it: as JSON, a URL, HTML, base64 or hexadecimal digits have it.

Any mixture of `a`, `\u0061`, `\x61`, `%61`, `&#97;`, `&#x61;`, `&NAME;` in any case, also escaped once more
(`\\u0061`, `%2561`, `&amp;#97;`), and the base64 of any text that holds it, at whichever of the three offsets.
"""

import base64
import html.entities
import re
from collections.abc import Iterable, Iterator

LONGEST_ESCAPE = 32
"""Bytes, at most, that stand for one byte of a text."""

_SHORTEST_CORE = 8
"""Characters of base64; fewer would be found in pictures by chance."""

_LONGEST_CODED = 300

_NAMED: dict[str, list[str]] = {}
for _name, _sign in html.entities.html5.items():
    if len(_sign) == 1 and len(_name) <= 16:
        _NAMED.setdefault(_sign, []).append(_name)


def literals(text: str) -> Iterator[bytes]:
    r"""
    Return the spellings that no escape is needed for: the text, its hexadecimal digits, its base64.

    Of base64 that is what the text alone decides, in both alphabets, with and without JSON's `\/`.
    """
    raw = text.encode()
    found = [raw, raw.hex().encode(), raw.hex().upper().encode()]
    for core in base64_cores(raw):
        found += [core, core.translate(bytes.maketrans(b"+/", b"-_"))]
    for each in dict.fromkeys(found):
        yield each
        if b"/" in each:
            yield each.replace(b"/", rb"\/")


def base64_cores(raw: bytes) -> Iterator[bytes]:
    """
    Return the characters that base64 of any bytes around these must hold, for each of the three offsets.
    """
    for offset, first in enumerate((0, 2, 3)):
        coded = base64.b64encode(bytes(offset) + raw)
        core = coded[first : (offset + len(raw)) * 8 // 6]
        if len(core) >= _SHORTEST_CORE:
            yield core


def escaped_pattern(texts: Iterable[str]) -> re.Pattern[bytes]:
    """
    Return what finds each of these texts, and the base64 of each, in any mixture of escapes.

    Of a very long one the base64 is left out: a pattern of so many parts takes seconds to be made.
    """
    patterns = []
    for text in texts:
        patterns.append(b"".join(map(_spelt, text)))
        cores = base64_cores(text.encode()) if len(text) <= _LONGEST_CODED else ()
        patterns += [b"".join(map(_spelt_base64, core.decode())) for core in cores]
    return re.compile(b"|".join(patterns))


def _spelt_base64(sign: str) -> bytes:
    other = {"+": "-", "/": "_"}.get(sign)
    return _spelt(sign) if other is None else rb"(?:%s|%s)" % (_spelt(sign), _spelt(other))


def _spelt(sign: str) -> bytes:
    """
    Return a pattern for one character.
    """
    number = ord(sign)
    ways = [re.escape(sign.encode())]
    if number < 128:
        digits = _digits(f"{number:02x}")
        ways += [
            rb"\\{1,8}(?:u00%s|x%s|u\{0{0,4}%s\})" % (digits, digits, digits),
            rb"%%(?:25){0,3}%s" % digits,
        ]
    if sign in "\"'\\/":
        ways.append(rb"\\{1,8}" + re.escape(sign.encode()))
    named = b"".join(b"|" + re.escape(name.encode()) for name in _NAMED.get(sign, ()))
    ways.append(
        rb"&(?:amp;){0,2}(?:#0{0,6}%d;?|#[xX]0{0,6}%s;?%s)"
        % (number, _digits(f"{number:x}"), named)
    )
    return b"(?:" + b"|".join(ways) + b")"


def _digits(text: str) -> bytes:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in text).encode()
