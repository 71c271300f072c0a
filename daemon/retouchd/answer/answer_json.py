"""
The JSON of an answer: read leniently, and without its long stretches of base64.

Understood besides JSON: text before, between and behind documents, a document that breaks off, missing and
surplus commas, single quotes, bare words, raw line breaks in strings, numbers of any length, any depth.
Reading takes time and memory in proportion to the text, whatever it is.

An answer may have half a gigabyte, nearly all of it pictures. Cut out, they are neither held in memory nor
taken apart with the rest; a mark stands in the place of each stretch, and says where it is to be found. Long
stretches of white space say nothing, and leave one space.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
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


BLOCK = 8192
"""Bytes looked at as one. No URL that is followed is as long, so that none is ever cut."""

MOST_BYTES = 2 << 20
MOST_PARTS = 100_000
"""What a skeleton may have at most; three bytes of JSON can become seventy of memory."""

MARK = r"retouchd-[0-9a-f]{16}-[0-9]{8}"
"""What a mark looks like in a skeleton."""

_BULK = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-\\"
_ESCAPED_ONE_IN = 16
"""Some relays escape `/` or `+`: one character in 64. Where more is escaped it is somebody's text."""
_KEPT = 3
"""Parts of a skeleton beside the one that is being made; each has a quarter of the whole."""
_DIGITS = 8
"""Behind a mark: the number of its stretch."""
_LONGEST_ESCAPE = len(r"\u002B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """
    Where a stretch of bulk stands in the body: its first byte, and the one behind its last.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeBody:
    """
    The body with marks in it, and what was cut out.
    """

    body: bytes
    mark: str
    stretches: tuple[Stretch, ...] = field(repr=False)

    def parts(self, text: str) -> Iterator[bytes | Stretch]:
        """
        Return what a text of the skeleton was before the cuts, in order.
        """
        verbatim, *rest = text.split(self.mark)
        yield verbatim.encode(errors="surrogatepass")
        for following in rest:
            yield self.stretches[int(following[:_DIGITS])]
            yield following[_DIGITS:].encode(errors="surrogatepass")


def read_large_body(
    blocks: Iterable[bytes], mark: str, is_base64: Callable[[memoryview], bool]
) -> LargeBody:
    """
    Return the skeleton of a body; `mark` is a word of letters and digits that nobody can foresee. `is_base64`
    tells of whole groups, quickly, whether they are nothing but the usual alphabet.

    Where even the skeleton is too large, its beginning and its end are left: the result of a stream stands at
    the end of it.
    """
    cutter = _Cutter(mark)
    rest, is_clean = b"", True
    for block in blocks:
        rest += block
        start = 0
        while len(rest) - start >= BLOCK:
            if is_clean and (end := _base64_to(rest, start, is_base64)):
                cutter.cut(end - start)
                start = end
                continue
            end = start + BLOCK
            cut = _clean_cut(rest, end)
            cutter.add(rest[start : cut or end], is_clean=is_clean and cut is not None)
            start, is_clean = cut or end, cut is not None
        rest = rest[start:]
    cutter.add(rest, is_clean=False)
    return LargeBody(body=cutter.body, mark=mark, stretches=tuple(cutter.stretches))


class _Cutter:
    """
    Takes a body block by block. What is kept: the first part, and of all others the last.
    """

    def __init__(self, mark: str) -> None:
        self.stretches: list[Stretch] = []
        self._kept: list[bytes] = []
        self._part = bytearray()
        self._signs = 0
        self._mark = mark
        self._position = 0

    @property
    def body(self) -> bytes:
        """
        Return the skeleton so far.
        """
        return b"".join([*self._kept, self._part])

    def add(self, block: bytes, *, is_clean: bool) -> None:
        """
        Take in the next bytes; `is_clean` where they begin and end between two characters.
        """
        start, self._position = self._position, self._position + len(block)
        if block.isspace() and len(block) > 1:
            self._part += b" "
        elif not is_clean or not _is_bulk(block):
            self._signs += sum(block.count(sign) for sign in (b",", b"[", b"{", b":", b"\n"))
            self._part += block
        else:
            self._stretch(start)
        if len(self._part) >= MOST_BYTES // 4 or self._signs >= MOST_PARTS // 4:
            self._begin_part()

    def _begin_part(self) -> None:
        if len(self._kept) == _KEPT:
            del self._kept[1]
            # Whatever is left out here breaks off: it must not go on as something else.
            self._kept[0] = self._kept[0].rstrip(b"\n") + b"\n"
        self._kept.append(bytes(self._part))
        self._part.clear()
        self._signs = 0

    def cut(self, length: int) -> None:
        """
        Cut out the next bytes, which are known to be bulk.
        """
        start, self._position = self._position, self._position + length
        self._stretch(start)

    def _stretch(self, start: int) -> None:
        if self.stretches and self.stretches[-1].end == start:
            self.stretches[-1] = Stretch(start=self.stretches[-1].start, end=self._position)
        else:
            self._part += f"{self._mark}{len(self.stretches):0{_DIGITS}d}".encode()
            self.stretches.append(Stretch(start=start, end=self._position))


def _base64_to(body: bytes, start: int, is_base64: Callable[[memoryview], bool]) -> int:
    """
    Return where whole blocks of plain base64 end that begin here, as far as the string reaches; 0 if none do.
    """
    quote = body.find(b'"', start)
    size = (len(body) if quote < 0 else quote) - start
    end = start + size - size % BLOCK
    return end if end > start and is_base64(memoryview(body)[start:end]) else 0


def _is_bulk(block: bytes) -> bool:
    is_text = block.count(b"\\") * _ESCAPED_ONE_IN > len(block)
    return not is_text and not block.translate(None, _BULK)


def _clean_cut(body: bytes, end: int) -> int | None:
    """
    Return the last place up to `end` where no escape is cut in two, None if there is none near.
    """
    reach = _LONGEST_ESCAPE - 1
    for cut in range(end, end - 10 * reach, -1):
        if b"\\" not in body[cut - reach : cut]:
            return cut
    return None
