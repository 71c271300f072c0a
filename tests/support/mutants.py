"""
JPEG and PNG files of every kind, and what can become of their bytes on the way: strategies for Hypothesis.
"""

import functools
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from hypothesis import strategies as st
from PIL import Image

from sample_pictures import chunk, deep_png, encoded, exif, profile, scene, ycck

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
Parts: TypeAlias = list[tuple[bytes, bytes]]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, random.Random(7).randbytes(size[0] * size[1] * bands))


@functools.cache
def jpegs() -> dict[str, bytes]:
    """
    JPEG files that differ in what a decoder must know of them.
    """
    thumbnail = encoded(scene((16, 16)), "JPEG")
    with_thumbnail = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + thumbnail
    small = scene((50, 34))
    found = {
        "grey": encoded(small.convert("L"), "JPEG"),
        "cmyk": encoded(small.convert("CMYK"), "JPEG"),
        "ycck": ycck(small.convert("CMYK")),
        "rgb": encoded(small, "JPEG", keep_rgb=True),
        "dot": encoded(noise((1, 1)), "JPEG"),
        "low": encoded(noise((300, 3)), "JPEG"),
        "narrow": encoded(noise((3, 300)), "JPEG"),
        "optimized": encoded(noise((60, 40)), "JPEG", optimize=True),
        "restarts": encoded(noise((60, 40)), "JPEG", restart_marker_blocks=2),
        "rows of restarts": encoded(noise((60, 40)), "JPEG", restart_marker_rows=1),
        "progressive": encoded(noise((60, 40)), "JPEG", progressive=True),
        "commented": encoded(small, "JPEG", comment=b"\xff\xd9\xff\xda"),
        "thumbnail": encoded(small, "JPEG", exif=with_thumbnail),
        "turned": encoded(small, "JPEG", exif=exif(6, make="A camera")),
        "profiled": encoded(small, "JPEG", icc_profile=profile("adobe")),
        "metadata": encoded(small, "JPEG", comment=bytes(60_000), icc_profile=bytes(140_000)),
        "several": encoded(small, "MPO", save_all=True, append_images=[noise((16, 16))]),
        "long": encoded(noise((250, 250)), "JPEG", quality=95),
    }
    for number in range(3):
        found[f"subsampled {number}"] = encoded(noise((60, 40)), "JPEG", subsampling=number)
    return found


@functools.cache
def pngs() -> dict[str, bytes]:
    """
    PNG files that differ in what a decoder must know of them.
    """
    small = scene((50, 34))
    palette = small.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    deep = [[(9, 300, 65535), (0, 1, 2)], [(7, 7, 7), (4000, 0, 0)]]
    clear = small.convert("RGBA")
    clear.putpixel((3, 3), (1, 2, 3, 0))
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green")]
    found = {
        "rgb": encoded(noise((60, 40)), "PNG"),
        "grey": encoded(small.convert("L"), "PNG"),
        "bits": encoded(small.convert("1"), "PNG"),
        "deep grey": encoded(Image.new("I;16", (20, 10), 7), "PNG"),
        "deep": deep_png(deep, 2),
        "deep alpha": deep_png([[(*each, 0) for each in row] for row in deep], 6),
        "deep grey alpha": deep_png([[(9, 0), (8, 65535)]], 4),
        "palette": encoded(palette, "PNG"),
        "two colours": encoded(palette, "PNG", bits=1),
        "four colours": encoded(palette, "PNG", bits=2),
        "clear colour": encoded(palette, "PNG", transparency=1),
        "clear colours": encoded(palette, "PNG", transparency=b"\xff\x00\x10"),
        "keyed": encoded(small, "PNG", transparency=(230, 20, 20)),
        "alpha": encoded(clear, "PNG"),
        "opaque alpha": encoded(small.convert("RGBA"), "PNG"),
        "grey alpha": encoded(small.convert("LA"), "PNG"),
        "dot": encoded(noise((1, 1)), "PNG"),
        "narrow": encoded(noise((1, 300)), "PNG"),
        "plain": encoded(Image.new("L", (2, 9000)), "PNG"),
        "turned": encoded(small, "PNG", exif=exif(6)),
        "profiled": encoded(small, "PNG", icc_profile=profile("adobe")),
        "moving": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "long": encoded(noise((160, 150)), "PNG"),
    }
    found["told late"] = _with_late_chunks(found["rgb"])
    found["interlaced"] = _interlaced()
    found["in pieces"] = of_chunks(_in_pieces(list(chunks(found["rgb"])), 50))
    return found


def _with_late_chunks(data: bytes) -> bytes:
    found = list(chunks(data))
    orientation = (b"eXIf", exif(8).removeprefix(b"Exif\0\0"))
    return of_chunks([*found[:-1], (b"tEXt", b"Comment\0hello"), orientation, found[-1]])


def _interlaced() -> bytes:
    header = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1)
    rows = zlib.compress(b"\0\x10" + b"\0\x20" + b"\0\x30\x40")
    return of_chunks([(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")])


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def of_chunks(found: Parts) -> bytes:
    return _PNG_SIGNATURE + b"".join(chunk(name, content) for name, content in found)


def _in_pieces(found: Parts, length: int) -> Parts:
    parts: Parts = []
    for name, content in found:
        step = length if name == b"IDAT" else len(content) or 1
        parts += [(name, content[at : at + step]) for at in range(0, len(content) or 1, step)]
    return parts


def segments(data: bytes) -> tuple[Parts, bytes]:
    """
    The marks and contents of a JPEG's segments, the first scan's header among them, and what follows.
    """
    found, position = [], 2
    while True:
        mark = data[position : position + 2]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        found.append((mark, data[position + 4 : end]))
        position = end
        if mark == b"\xff\xda":
            return found, data[position:]


def of_segments(found: Parts, rest: bytes) -> bytes:
    parts = (
        mark + struct.pack(">H", (2 + len(content)) % 2**16) + content for mark, content in found
    )
    return b"\xff\xd8" + b"".join(parts) + rest


@st.composite
def broken(draw: st.DrawFn, data: bytes) -> bytes:
    """
    Bytes that were cut, flipped, zeroed, lost, repeated or put in: mostly at the beginning or the end.
    """
    buffer = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.sampled_from([len(buffer), 40, 700, -40]))
        low, high = (0, max(0, where)) if where >= 0 else (len(buffer) + where, len(buffer))
        start = draw(st.integers(max(0, low), min(len(buffer), high)))
        length = draw(st.sampled_from([1, 2, 3, 9, 100, 3000]))
        match draw(st.sampled_from(["cut", "set", "flip", "zero", "lose", "repeat", "insert"])):
            case "cut":
                del buffer[start:]
            case "set":
                buffer[start : start + 1] = draw(st.binary(min_size=1, max_size=2))
            case "flip" if start < len(buffer):
                buffer[start] ^= 1 << draw(st.integers(0, 7))
            case "zero":
                buffer[start : start + length] = bytes(len(buffer[start : start + length]))
            case "lose":
                del buffer[start : start + length]
            case "repeat":
                buffer[start:start] = buffer[start : start + length]
            case "insert":
                mark = st.sampled_from([0, 1, *range(0xC0, 0x100)])
                buffer[start:start] = b"\xff" + bytes([draw(mark)]) + draw(st.binary(max_size=4))
    return bytes(buffer)


def _rearranged(draw: Draw, found: Parts, added: st.SearchStrategy[tuple[bytes, bytes]]) -> Parts:
    """
    Return parts of which some are lost, repeated, swapped, called otherwise, changed or new.
    """
    found = list(found)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(found) - 1)))
        match draw(st.sampled_from(["lose", "repeat", "swap", "add", "edit", "edit", "shorten"])):
            case "lose" if found:
                del found[at]
            case "repeat" if found:
                found.insert(draw(st.integers(0, len(found))), found[at])
            case "swap" if found:
                other = draw(st.integers(0, len(found) - 1))
                found[at], found[other] = found[other], found[at]
            case "add":
                found.insert(at, draw(added))
            case "edit" if found and found[at][1]:
                edited = bytearray(found[at][1])
                place = draw(st.integers(0, min(len(edited) - 1, 30)))
                edited[place] = draw(st.integers(0, 255))
                found[at] = found[at][0], bytes(edited)
            case "shorten" if found:
                content = found[at][1][: draw(st.integers(0, len(found[at][1])))]
                found[at] = found[at][0], content
    return found


_NEW_SEGMENTS = st.tuples(
    st.sampled_from([bytes([0xFF, mark]) for mark in [0, 1, *range(0xC0, 0x100)]]),
    st.binary(max_size=30)
    | st.sampled_from(
        [
            b"\x08\0\x28\0\x3c\x01\x01\x11\0",
            b"\0\x02",
            b"\x01\x01\0\0\x3f\0",
            b"Adobe\0\x64\0\0\0\0\x00",
            b"Adobe\0\x64\0\0\0\0\x01",
            b"MPF\0",
            b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
        ]
    ),
)


@st.composite
def rearranged_jpegs(draw: st.DrawFn, data: bytes) -> bytes:
    """
    A JPEG whose segments or whose scan are not what they were.
    """
    found, rest = segments(data)
    if draw(st.booleans()):
        found = _rearranged(draw, found, _NEW_SEGMENTS)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(rest)) | st.integers(max(0, len(rest) - 4), len(rest)))
        mark, content = draw(_NEW_SEGMENTS)
        has_length = draw(st.booleans())
        piece = mark + struct.pack(">H", 2 + len(content)) + content if has_length else mark
        rest = rest[:at] + piece + rest[at:]
    if draw(st.integers(0, 3)) == 0:
        rest = rest[: draw(st.integers(0, len(rest)))] + b"\xff\xd9"
    return of_segments(found, rest)


_TEXTS = st.sampled_from([b"bbox", b"interlace", b"transparency", b"exif", b"icc_profile", b"dpi"])
_NEW_CHUNKS = st.one_of(
    st.tuples(
        st.sampled_from(
            b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB pHYs iCCP eXIf tEXt zTXt iTXt acTL fcTL fdAT "
            b"DDAT vpAg teST 1DAT I_AT".split()
        ),
        st.binary(max_size=40),
    ),
    st.tuples(st.just(b"tEXt"), _TEXTS.map(lambda key: key + b"\0(0, 0, 9, 9)")),
    st.tuples(st.just(b"eXIf"), st.integers(0, 9).map(lambda turn: exif(turn)[6:])),
    st.tuples(st.just(b"iCCP"), st.just(b"p\0\0" + zlib.compress(profile("adobe")))),
    st.tuples(st.just(b"acTL"), st.just(struct.pack(">II", 2, 0))),
    st.tuples(st.just(b"fcTL"), st.just(struct.pack(">IIIIIHHBB", 0, 20, 10, 0, 0, 1, 9, 0, 0))),
    st.tuples(st.just(b"PLTE"), st.binary(max_size=12)),
    st.tuples(st.just(b"tRNS"), st.sampled_from([b"\0\1", b"\0\1\0\2\0\3", b"\xff\0\x10", b""])),
)


@st.composite
def rearranged_pngs(draw: st.DrawFn, data: bytes) -> bytes:
    """
    A PNG whose chunks are not what they were, all with sound checks but for one now and then.
    """
    found = list(chunks(data))
    if draw(st.booleans()):
        found = _with_other_rows(draw, found)
    if draw(st.integers(0, 3)) == 0:
        found = _in_pieces(found, draw(st.sampled_from([1, 7, 1000])))
    if draw(st.booleans()):
        found = _rearranged(draw, found, _NEW_CHUNKS)
    buffer = bytearray(of_chunks(found))
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(found)))
        place = len(of_chunks(found[:at])) - 1
        buffer[place] ^= 1
    return bytes(buffer)


def _with_other_rows(draw: Draw, found: Parts) -> Parts:
    """
    Return chunks with the pixels compressed anew: too few or too many, or filtered otherwise.
    """
    first = next(at for at, (name, _) in enumerate(found) if name == b"IDAT")
    try:
        rows = bytearray(zlib.decompress(b"".join(c for name, c in found if name == b"IDAT")))
    except zlib.error:
        return found
    match draw(st.sampled_from(["fewer", "more", "filter", "same"])):
        case "fewer":
            del rows[draw(st.integers(0, len(rows))) :]
        case "more":
            rows += bytes(draw(st.integers(1, 5000)))
        case "filter" if rows:
            at = draw(st.integers(0, len(rows) - 1))
            rows[at] = draw(st.integers(0, 7))
    compressor = zlib.compressobj(draw(st.sampled_from([0, 1, 9])), wbits=draw(st.integers(9, 15)))
    data = bytearray(compressor.compress(bytes(rows)) + compressor.flush())
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data) - 1) | st.integers(max(0, len(data) - 4), len(data) - 1))
        data[at] ^= 1 << draw(st.integers(0, 7))
    data += draw(st.sampled_from([b"", b"\0", b"surplus"]))
    rest = [each for each in found if each[0] != b"IDAT"]
    return [*rest[:first], (b"IDAT", bytes(data)), *rest[first:]]
