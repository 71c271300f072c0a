r"""
The API key: where it comes from, how people write it down, and how it is kept out of whatever comes back.

Relays quote the key they got in texts, headers and pages, as it is or as JSON, a URL, HTML, base64 or
hexadecimal digits spell it: any mixture of `a`, `\u0061`, `\x61`, `%61`, `&#97;`, `&#x61;`, `&NAME;` in any
case, also escaped once more (`\\u0061`, `%2561`, `&amp;#97;`), and the base64 of any text that holds it, at
whichever of the three offsets.
"""

import base64
import bisect
import codecs
import functools
import html.entities
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from retouchd.request.headers import HEADER_VALUE

APPLY = "then reload or restart retouchd"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """
    Where the key stands, empty where none is set, and what to do where it should be another one.
    """

    place: str = ""
    remedy: str = (
        "Set the environment variable RETOUCHD_ENDPOINT__API_KEY to your key and start retouchd again, or set "
        f"endpoint.api_key_file to a file that holds it, {APPLY}."
    )

    @property
    def complaint(self) -> str:
        """
        Return what is wrong where the endpoint asks for a valid key.
        """
        if not self.place:
            return "No key is set, and the endpoint wants one"
        return f"The endpoint does not accept the key from {self.place}"


NO_KEY = KeySource()
"""Nothing is set, and nothing is known of where it would be."""


KEY_UNSENT = KeySource(remedy=f'endpoint.auth is "none": take that out, {APPLY}.')
"""None is to be sent."""


def lack_of_key(host: str, key: KeySource) -> str | None:
    """
    Return why a host that wants a key cannot be asked, None where one is set.
    """
    if key.place:
        return None
    return f"No key is set, and {host} wants one. {key.remedy}"


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


_SHORTEST = 8
"""Characters; what is shorter is a group's name or a flag, and would be found in innocent words."""


class Secrets:
    """
    What nobody may read: each is masked by as many asterisks, so that lengths stay true.

    Answers are tens of megabytes of base64: the spellings without escapes are found by searches that cost next
    to nothing, all others only where there is an escape. JSON's for a slash, which some relays write in all
    base64, is none.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        found = {text.strip() for text in texts if len(text.strip()) >= _SHORTEST}
        # A shorter one must not take its part out of a longer one before that is looked for.
        self._literals = sorted(
            {literal for text in found for literal in literals(text)}, key=len, reverse=True
        )
        # A key with a `%41` in it says something else to whoever undoes escapes.
        self._said = {*self._literals, *map(unescaped, self._literals)}
        longest = max((len(text.encode()) for text in found), default=0)
        self._held = LONGEST_ESCAPE * (longest * 4 // 3 + 4) if longest else 0

    def hidden(self, text: str) -> str:
        """
        Return a text without them.
        """
        return self._mask(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def redactor(self) -> "Redactor":
        """
        Return a redactor for a body that comes in pieces.
        """
        return Redactor(self._mask, self._held)

    def hidden_in(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """
        Return a body without them, however it is cut into pieces.
        """
        redactor = self.redactor()
        for block in blocks:
            yield redactor.over(block)
        yield redactor.rest

    def _mask(self, raw: bytes) -> bytes:
        for literal in self._literals:
            if literal in raw:
                raw = re.sub(re.escape(literal), _asterisks, raw)
        if self._said and _has_escapes(raw):
            raw = _masked(raw, escaped_spans(raw, self._said))
        return raw


class Redactor:
    """
    Lies over a body as it passes: the end of each piece waits for the next, as a secret may begin in it.
    """

    def __init__(self, mask: Callable[[bytes], bytes], held: int) -> None:
        self._mask = mask
        self._held = held
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """
        Return what was not let go yet, masked: all that is left of a body that is over.
        """
        return self._mask(self._rest)

    def over(self, piece: bytes) -> bytes:
        """
        Return what can be let go; in the end the `rest` can.

        Small pieces are gathered first: what is held back is looked through once for each look.
        """
        self._rest += piece
        if len(self._rest) < 2 * self._held:
            return b""
        masked = self._mask(self._rest)
        cut = max(0, len(masked) - self._held)
        self._rest = masked[cut:]
        return masked[:cut]


def _has_escapes(raw: bytes) -> bool:
    if b"%" in raw or b"&" in raw:
        return True
    # Counting takes a hundred times as long as looking for the first one, and base64 has none.
    return b"\\" in raw and raw.count(b"\\") != raw.count(rb"\/")


def _masked(raw: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    masked = bytearray(raw)
    for start, end in spans:
        masked[start:end] = _mask_of(raw, start, end)
    return bytes(masked)


def _asterisks(found: re.Match[bytes]) -> bytes:
    return _mask_of(found.string, *found.span())


def _mask_of(raw: bytes, start: int, end: int) -> bytes:
    """
    Return the mask; a first byte that ends an escape stays: without it the document could not be read.
    """
    before = raw[max(0, start - 16) : start]
    is_escape = (len(before) - len(before.rstrip(b"\\"))) % 2 == 1
    if is_escape:
        return raw[start : start + 1] + b"*" * (end - start - 1)
    return b"*" * (end - start)
