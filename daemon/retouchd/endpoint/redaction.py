"""
Secrets, kept out of whatever comes back: relays quote the key they got, in texts, headers and pages, as it is
or as JSON, a URL, HTML or base64 spell it.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from retouchd.endpoint.spellings import LONGEST_ESCAPE, escaped_spans, literals, unescaped

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

    def veil(self) -> "Veil":
        """
        Return a veil for a body that comes in pieces.
        """
        return Veil(self._mask, self._held)

    def hidden_in(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """
        Return a body without them, however it is cut into pieces.
        """
        veil = self.veil()
        for block in blocks:
            yield veil.over(block)
        yield veil.rest

    def _mask(self, raw: bytes) -> bytes:
        for literal in self._literals:
            if literal in raw:
                raw = re.sub(re.escape(literal), _asterisks, raw)
        if self._said and _has_escapes(raw):
            raw = _masked(raw, escaped_spans(raw, self._said))
        return raw


class Veil:
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
    return b"%" in raw or b"&" in raw or raw.count(b"\\") != raw.count(rb"\/")


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
