"""
Pictures of every kind that people drop, made here: small, and each with something to recognise it by.
"""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import pillow_heif
from PIL import Image, ImageCms, ImageDraw

SIZE = (48, 32)
CORNERS = {"red": (230, 20, 20), "green": (20, 200, 40), "blue": (30, 40, 220), "white": (250,) * 3}
"""The colours of a scene's quarters: top left, top right, bottom left, bottom right."""


def scene(size: tuple[int, int] = SIZE) -> Image.Image:
    """
    A picture that shows which way up it is: each quarter has a colour of its own.
    """
    width, height = size
    image = Image.new("RGB", size, CORNERS["white"])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), CORNERS["red"])
    draw.rectangle((width // 2, 0, width - 1, height // 2 - 1), CORNERS["green"])
    draw.rectangle((0, height // 2, width // 2 - 1, height - 1), CORNERS["blue"])
    return image


def smooth(size: tuple[int, int] = SIZE) -> Image.Image:
    """
    A picture with many colours and no edges, so that compression changes little.
    """
    level = Image.linear_gradient("L").resize(size)
    side = Image.linear_gradient("L").rotate(90).resize(size)
    return Image.merge("RGB", (level, side, Image.new("L", size, 90)))


def masking(
    size: tuple[int, int] = SIZE, clear: tuple[int, int, int, int] | None = None
) -> Image.Image:
    """
    A mask over the scene: the red quarter is clear, unless another box is named.
    """
    image = scene(size).convert("RGBA")
    image.paste((0, 0, 0, 0), clear or (0, 0, size[0] // 2, size[1] // 2))
    return image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    if kind == "HEIF":
        return heic(image, **options)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def heic(image: Image.Image, *others: Image.Image, quality: int = -1, **options: Any) -> bytes:
    file = pillow_heif.from_pillow(image)
    for other in others:
        file.add_from_pillow(other)
    buffer = io.BytesIO()
    file.save(buffer, quality=quality, chroma=444, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def stored_as(image: Image.Image, orientation: int) -> Image.Image:
    """
    The pixels as a camera that was held so stores them; turned by `orientation` they are the image again.
    """
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return image.transpose(back[orientation]) if orientation in back else image


def exif(orientation: int = 1, **texts: str) -> bytes:
    """
    EXIF data with an orientation and texts such as `copyright="…"`.
    """
    tags = {"copyright": 0x8298, "artist": 0x013B, "make": 0x010F}
    data = Image.Exif()
    data[0x0112] = orientation
    for key, text in texts.items():
        data[tags[key]] = text
    return data.tobytes()


def chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def deep_png(pixels: Sequence[Sequence[Sequence[int]]], colour_type: int) -> bytes:
    """
    A PNG of 16 bits a channel: rows of pixels of channels, of colour type 0, 2, 4 or 6.
    """
    header = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 16, colour_type, 0, 0, 0)
    rows = (
        b"\0" + b"".join(struct.pack(f">{len(pixel)}H", *pixel) for pixel in row) for row in pixels
    )
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def ycck(image: Image.Image) -> bytes:
    """
    A CMYK JPEG as Photoshop writes it: inverted, its first three channels as YCC, and marked so.

    Pillow writes CMYK inverted and without YCC, so the channels are made beforehand, the mark afterwards.
    """
    *colours, black = image.split()
    channels = [
        each.point(lambda v: 255 - v)
        for each in Image.merge("RGB", colours).convert("YCbCr").split()
    ]
    data = encoded(Image.merge("CMYK", (*channels, black)), "JPEG", quality=100, subsampling=0)
    transform = data.index(b"Adobe") + 11
    return data[:transform] + b"\2" + data[transform + 1 :]


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


# Primaries adapted to D50 and a gamma, as the profiles of Adobe RGB (1998) and Display P3 hold them.
PRIMARIES = {
    "adobe": (
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
        2.19921875,
    ),
    "p3": (
        ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
        2.2,
    ),
}


def profile(name: str) -> bytes:
    """
    A matrix profile of version 2, put together by hand: `adobe` or `p3`.
    """
    columns, gamma = PRIMARIES[name]
    curve = struct.pack(">4sIIHxx", b"curv", 0, 1, round(gamma * 256))
    tags: list[tuple[bytes, bytes]] = [
        (b"desc", _description(name)),
        (b"cprt", struct.pack(">4sI", b"text", 0) + b"none\0\0\0\0"),
        (b"wtpt", _xyz((0.9642, 1.0, 0.8249))),
        *zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, columns), strict=True),
        *((tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags:
        table += struct.pack(">4sII", tag, offset + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sI4s4sQI12s48x",
        offset + len(body), b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"\x07\xe6\0\1\0\1" + bytes(6),
        b"acsp", b"\0\0\0\0", 0, b"\0\0\0\0", b"\0\0\0\0", 0, 0,
        struct.pack(">III", 0xF6D6, 0x10000, 0xD32D),
    )  # fmt: skip
    return header + table + body


def _xyz(values: Sequence[float]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(value * 65536) for value in values))


def _description(text: str) -> bytes:
    raw = text.encode() + b"\0"
    body = struct.pack(">4sII", b"desc", 0, len(raw)) + raw + bytes(78)
    return body + bytes(-len(body) % 4)
