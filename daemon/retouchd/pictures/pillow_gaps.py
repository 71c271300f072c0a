"""
What Pillow leaves out or gets wrong when it reads files, done here.

A file on disk as a content to take pieces from. libtiff, which decodes TIFF files inside Pillow and would write
about them to standard error by itself. JPEG files that stop behind their last row, without the end mark:
several cameras and programs write them so. What Pillow leaves out of PNG files: half of 16 bits, clear colours
of other depths than 8, large texts.
"""

import ctypes
import io
import os
from typing import BinaryIO

from PIL import Image, ImageChops, ImageFile, ImageMath, JpegImagePlugin, PngImagePlugin, _imaging

from retouchd.job.filetypes import ByteSource
from retouchd.pictures import jpeg, png
from retouchd.pictures.colours import all_but

_AHEAD = 2**14
"""Bytes read at once at least: small pieces that are asked for often lie close together."""


class FileSource:
    """
    The content of an open file, read when it is asked for, and as long as the file was at first.

    Read rather than mapped: a writer that truncates a mapped file would kill this process. Asking for a
    piece raises OSError where it cannot be read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._length = os.fstat(descriptor).st_size
        self._start, self._block = 0, b""

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, piece: slice) -> bytes:
        start, stop, _ = piece.indices(self._length)
        if stop - start >= _AHEAD:
            return os.pread(self._descriptor, stop - start, start)
        if not self._start <= start <= stop <= self._start + len(self._block):
            self._start, self._block = start, os.pread(self._descriptor, _AHEAD, start)
        return self._block[start - self._start : max(0, stop - self._start)]


def silence_libtiff() -> None:
    """
    Let libtiff keep to itself what it thinks of a file: its lines name none, and break the log.

    What is wrong with a file, Pillow says as well, by an exception. With a Pillow that has no libtiff, or
    hides it, nothing happens.
    """
    # A library found by one that is linked to it: the copy that Pillow uses, wherever that one is from.
    library = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(library, name, None)
        if set_handler is not None:
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


_END = b"\xff\xd9"
_FILLINGS = (b"\x55" * 64, b"\xaa" * 64)
"""Data for rows that are missing: bits by which no decoder goes on as it does with none."""
_MOST_BEHIND = 1024
"""Bytes of whatever may follow the last row."""

_FAULTS = (OSError, SyntaxError, ValueError)


def completed(data: bytes, max_megapixels: float) -> bytes | None:
    """
    Return a JPEG with the end mark that it lacks, None where its rows are not all there for certain.

    That is so, too, where it has more pixels (in millions) than are to be decoded.

    If they are, then the decoder takes nothing of what is put behind them: the pixels are the same,
    whatever it is. A file that ends in zeros may be one whose writer has not got there yet. A film
    behind the picture, as phones put it there, is left out.
    """
    found = jpeg.outline(data)
    if found is None or found.width * found.height > max_megapixels * 1e6:
        return None
    if jpeg.ends_in_zeros(data):
        return None
    rows = data[: jpeg.film_in(data, found.scan)]
    if not jpeg.has_every_restart(rows, found) or not _are_all_there(rows):
        return None
    # More behind the rows than a few bytes might as well be taken for rows that are missing.
    is_loose = len(rows) - found.scan > _MOST_BEHIND and _are_all_there(rows[:-_MOST_BEHIND])
    return None if is_loose else rows + _END


def _are_all_there(rows: bytes) -> bool:
    """
    Say whether a picture looks the same whatever follows its data.
    """
    try:
        with _decoded(rows) as seen:
            return not any(_differ(seen, rows + filling) for filling in _FILLINGS)
    except _FAULTS:
        return False


def _differ(seen: Image.Image, data: bytes) -> bool:
    with _decoded(data) as other:
        return ImageChops.difference(seen, other).getbbox() is not None


def _decoded(data: bytes) -> Image.Image:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data + _END))
    image.load()
    return image


_DEPTH = 24
"""Where a PNG states the bits of a channel (PNG specification, 11.2.2)."""


def correct_key(image: ImageFile.ImageFile, stored: ByteSource) -> None:
    """
    Make the colour that is clear (11.3.1.1) the one that Pillow's pixels have, or an alpha channel.

    It keeps the number that is stored, and compares it with pixels that it has brought to 8 bits.
    """
    key, depth = image.info.get("transparency"), stored[_DEPTH : _DEPTH + 1][0]
    if image.mode == "L" and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif image.mode == "RGB" and isinstance(key, tuple) and depth == 16:
        bands = deep_bands(image, stored)
        assert bands is not None, "it is a PNG of 16 bits"
        del image.info["transparency"]
        red, green, blue = (all_but(*each) for each in zip(bands, key, strict=True))
        image.putalpha(ImageChops.lighter(ImageChops.lighter(red, green), blue))


def deep_bands(image: ImageFile.ImageFile, stored: ByteSource) -> list[Image.Image] | None:
    """
    Return grey, or red, green and blue, of a decoded PNG of 16 bits a channel in numbers of as many bits (`I`).

    None for other pictures, and for grey with alpha, of which only 8 bits are decoded. Pillow keeps the higher
    byte of colours: decoded anew as if bytes stood the other way round, it keeps the lower one.
    """
    if image.mode.startswith("I;16"):
        return [image.convert("I")]
    if image.format != "PNG" or image.mode not in ("RGB", "RGBA"):
        return None
    source, _ = without_excess(io.BytesIO(stored[0 : len(stored)]), stored)
    with PngImagePlugin.PngImageFile(source) as other:
        tile = other.tile[0]
        if tile.args not in ("RGB;16B", "RGBA;16B"):
            return None
        other.tile = [tile._replace(args=tile.args.replace("16B", "16L"))]
        other.load()
        bands = zip(image.split()[:3], other.split()[:3], strict=True)
        return [
            ImageMath.lambda_eval(lambda each: each["high"] * 256 + each["low"], high=high, low=low)
            for high, low in bands
        ]


def without_excess(source: BinaryIO, stored: ByteSource) -> tuple[BinaryIO, bytes | None]:
    """
    Return a PNG without those texts and profiles for whose size Pillow refuses the whole of it, and such a
    profile.
    """
    excess = list(png.excess(stored))
    if not excess:
        return source, None
    ends = [0, *(end + 4 for _, _, end in excess)]
    starts = [*(start - 8 for _, start, _ in excess), len(stored)]
    rest = b"".join(stored[end:start] for end, start in zip(ends, starts, strict=True))
    return io.BytesIO(rest), png.profile_in(stored, excess)
