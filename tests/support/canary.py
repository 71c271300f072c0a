"""
The canary: the key that every test of failures runs with, and the search for where it was let out.
"""

import base64
import contextlib
import functools
import html
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

import brotli
import zstandard

_DECODED = 1 << 20
"""Bytes; longer files are pictures."""
_ESCAPES = re.compile(rb"\\[ux/]|%[0-9a-fA-F]{2}|&[#a-zA-Z]")

_PACKED = re.compile(rb"\A(?:\x1f\x8b|\x28\xb5\x2f\xfd|\x78[\x01\x5e\x9c\xda]|\{\"status\")")
"""How a file begins that may hold something compressed: as one, or as a kept answer."""

CANARY = "sk-CANARY-0123456789abcdef"


def assert_unsaid(root: Path, *texts: str, key: str = CANARY, but: Iterable[Path] = ()) -> None:
    """
    Assert that the key stands in no file below a folder, in none of their names, and in none of the texts.

    `but` names the files that hold it by design. Links, pipes and devices are passed over.
    """
    spared = {os.fspath(path) for path in but}
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = os.path.join(place, name)
            assert key not in name, f"{path} is called by the key"
            if name in names and path not in spared and _holds(path, key):
                raise AssertionError(f"{path} holds the key")
    for text in texts:
        assert key not in text, f"the key was said: {_around(text, key)}"
        assert not says(text.encode("utf-8", "surrogatepass"), key), "the key was said, escaped"


def spelt_out(raw: bytes) -> list[bytes]:
    """
    Return what bytes say to those who undo the escapes of JSON, URLs and HTML, twice over, in either order.
    """
    texts = {raw.decode("latin-1")}
    for _ in range(2):
        texts |= {undo(text) for text in texts for undo in (_unescaped, unquote, html.unescape)}
        texts |= {html.unescape(unquote(_unescaped(text))) for text in texts}
    return [text.encode("utf-8", "surrogatepass") for text in texts]


def _unescaped(text: str) -> str:
    text = re.sub(r"\\+(?:u00|x)([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\+([/\"'])", r"\1", text)


@functools.cache
def coded(key: str) -> list[bytes]:
    """
    Return the key, and what base64 of anything around it must hold.
    """
    found = [key.encode(), key.encode().hex().encode()]
    for before in (b"", b"x", b"xx"):
        whole = base64.b64encode(before + key.encode() + b"xxx").decode()
        core = whole[4:-8]
        found += [core.encode(), core.replace("+", "-").replace("/", "_").encode()]
    return found


def says(raw: bytes, key: str) -> bool:
    """
    Return whether bytes tell the key to anybody who reads them as what they may be.
    """
    wanted = coded(key)
    return any(each in text for text in spelt_out(raw) for each in wanted)


def unpacked(raw: bytes, *, depth: int = 2) -> Iterator[bytes]:
    """
    Yield what bytes may have been before they were compressed: the whole, or all behind a first line.
    """
    for start in {0, raw.find(b"\n") + 1}:
        for found in _unpacked(raw[start : start + _DECODED]):
            yield found
            if depth > 1:
                yield from unpacked(found, depth=depth - 1)


def _unpacked(body: bytes) -> Iterator[bytes]:
    for form in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(form).decompress(body, _DECODED)
    with contextlib.suppress(brotli.error):
        yield brotli.Decompressor().process(body, output_buffer_limit=_DECODED)
    with contextlib.suppress(zstandard.ZstdError):
        yield zstandard.ZstdDecompressor().decompressobj().decompress(body)


def _holds(path: str, key: str) -> bool:
    wanted = coded(key)
    found = os.lstat(path)
    # A gigabyte of nothing, as hostile sidecars are, need not be read.
    is_hole = found.st_size > 1 << 26 and found.st_blocks == 0
    if not stat.S_ISREG(found.st_mode) or is_hole:
        return False
    rest, is_start = b"", True
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            whole = rest + block
            texts = [whole, *(unpacked(block) if is_start and _PACKED.search(block) else ())]
            is_start = False
            if any(each in text for text in texts for each in wanted):
                return True
            if found.st_size < _DECODED and any(
                says(run, key) for text in texts for run in _escaped_runs(text, len(key))
            ):
                return True
            rest = block[-len(key) * 2 :]
    return False


def _escaped_runs(raw: bytes, least: int) -> Iterator[bytes]:
    """
    Yield the printable runs that hold escapes: a picture's bytes are full of what looks like one.
    """
    for run in re.finditer(rb"[\t\n\r\x20-\x7e]{%d,}" % least, raw):
        if _ESCAPES.search(run[0]):
            yield run[0]


def _around(text: str, key: str) -> str:
    at = text.index(key)
    return text[max(0, at - 200) : at + 200]
