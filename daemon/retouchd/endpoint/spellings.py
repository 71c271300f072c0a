r"""
How a text may be spelt where somebody quotes it: as JSON, a URL, HTML, base64 or hexadecimal digits have it.

Any mixture of `a`, `\u0061`, `\x61`, `%61`, `&#97;`, `&#x61;`, `&NAME;` in any case, also escaped once more
(`\\u0061`, `%2561`, `&amp;#97;`), and the base64 of any text that holds it, at whichever of the three offsets.
"""

import base64
import bisect
import functools
import html.entities
import re
from collections.abc import Iterable, Iterator

LONGEST_ESCAPE = 32
"""Bytes, at most, that stand for one byte of a text."""

_SHORTEST_CORE = 8
"""Characters of base64; fewer would be found in pictures by chance."""

_NAMED = {
    name.encode(): sign.encode()
    for name, sign in html.entities.html5.items()
    if len(sign) == 1 and sign.isascii() and sign.isprintable() and len(name) <= 16
}
_ESCAPE = re.compile(
    rb"""
    \\{1,8}(?: u (?P<json>[0-9a-f]{4}) | u\{0{0,4}(?P<braces>[0-9a-f]{1,4})\}
             | x (?P<byte>[0-9a-f]{2}) | (?P<sign>["'\\/]))
    | %% (?:25){0,3} (?P<url>[0-9a-f]{2})
    | & (?:amp;){0,2}
        (?: \#0{0,6}(?P<decimal>[0-9]{1,4});? | \#x0{0,6}(?P<hex>[0-9a-f]{1,4});?
          | (?P<name>(?-i:%s)))
    """
    % b"|".join(map(re.escape, sorted(_NAMED, key=len, reverse=True))),
    re.VERBOSE | re.IGNORECASE,
)


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


def unescaped(raw: bytes) -> bytes:
    """
    Return what a text says once all escapes in it are undone.
    """
    return _ESCAPE.sub(lambda escape: _meant(escape[0]), raw)


def escaped_spans(raw: bytes, wanted: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """
    Yield where a text stands that says one of these unescaped ones: beginning and end of each, in no order.

    Takes time in proportion to the bytes, whatever the texts are.
    """
    said = unescaped(raw)
    found = [span for text in wanted if text in said for span in _spans(text, said)]
    if not found:
        return
    # Behind each escape: how far it is in what is said, and how far in what is written.
    after = [(0, 0)]
    for escape in _ESCAPE.finditer(raw):
        at = after[-1][0] + escape.start() - after[-1][1]
        after.append((at + len(_meant(escape[0])), escape.end()))

    def written(at: int) -> int:
        said_at, written_at = after[bisect.bisect(after, (at, len(raw))) - 1]
        return written_at + at - said_at

    for start, end in found:
        yield written(start), written(end)


def _spans(text: bytes, said: bytes) -> Iterator[tuple[int, int]]:
    start = said.find(text)
    while start >= 0:
        yield start, start + len(text)
        start = said.find(text, start + 1)


@functools.lru_cache(1024)
def _meant(text: bytes) -> bytes:
    """
    Return what an escape stands for.
    """
    escape = _ESCAPE.fullmatch(text)
    assert escape is not None
    kind = escape.lastgroup or ""
    value = escape[kind]
    match kind:
        case "sign":
            return value
        case "name":
            return _NAMED[value]
        case "url" | "byte":
            return bytes.fromhex(value.decode())
        case _:
            number = int(value, 10 if kind == "decimal" else 16)
            return chr(number).encode("utf-8", "surrogatepass")
