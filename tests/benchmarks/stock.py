"""
Pictures of a wanted size, each of its own, and jobs dropped from them.
"""

import io
import math
import os
import struct
import time
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import Image

from sample_pictures import chunk

KB, MB = 1000, 1_000_000
PROMPT = "Remove the background and make the sky a little brighter."


@cache
def jpeg(size: int) -> bytes:
    """
    A JPEG of noise with about so many bytes.
    """
    return _scaled("JPEG", size, quality=90)


@cache
def png(size: int) -> bytes:
    """
    A PNG of noise with about so many bytes.
    """
    return _scaled("PNG", size, compress_level=1)


def dot(number: int) -> bytes:
    """
    A whole PNG of a hundred bytes that no other number has.
    """
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    parts = (
        chunk(b"IHDR", header),
        chunk(b"tEXt", b"number\0%d" % number),
        chunk(b"IDAT", zlib.compress(b"\0\1\2\3")),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Stock:
    """
    Pictures made once and dropped often: what is dropped is a link, so no round pays for writing them.
    """

    def __init__(self, place: Path) -> None:
        self._place = place

    def pictures(self, size: int, count: int) -> list[Path]:
        """
        Return so many JPEGs of about so many bytes, no two the same nor of the same size.
        """
        folder = self._place / f"{size}"
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{number:05}.jpg" for number in range(count)]
        for number, path in enumerate(paths):
            if not path.exists():
                path.write_bytes(_numbered(jpeg(size), number))
        return paths

    def answer(self, size: int) -> Path:
        """
        Return a PNG of about so many bytes.
        """
        path = self._place / f"answer-{size}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(size))
        return path


def drop(pictures: list[Path], inbox: Path) -> Iterator[float]:
    """
    Drop a job for each picture, the prompt first, each renamed into place; yield when each lay there.
    """
    staging = inbox.with_name("staging")
    staging.mkdir(exist_ok=True)
    for picture in pictures:
        prompt, image = staging / f"{picture.stem}.txt", staging / picture.name
        prompt.write_text(PROMPT)
        os.link(picture, image)
        prompt.rename(inbox / prompt.name)
        image.rename(inbox / image.name)
        yield time.monotonic()


def _numbered(data: bytes, number: int) -> bytes:
    """
    Return a JPEG with a comment that no other number has, nor the length of it: photos differ in size, and what
    is as large as another may be the same, so that one waits for the other to be compared.
    """
    comment = f"{number}".encode().ljust(5 + number)
    return data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:]


def _scaled(kind: str, size: int, **options: int) -> bytes:
    """
    Encode noise, its side corrected until the size is right within 3 %.
    """
    side = max(8, math.isqrt(size // 2))
    data = b""
    for _ in range(8):
        noise = Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))
        buffer = io.BytesIO()
        noise.save(buffer, kind, **options)
        data = buffer.getvalue()
        if abs(len(data) - size) <= 0.03 * size:
            break
        side = max(8, round(side * math.sqrt(size / len(data))))
    return data
