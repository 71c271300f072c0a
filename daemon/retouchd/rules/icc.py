"""
ICC profiles made here: those of colour spaces that pictures name without having the profile.
"""

import struct

_D50 = (0.9642, 1.0, 0.8249)
_ADOBE_COLUMNS = (
    (0.60974, 0.31111, 0.01947),
    (0.20528, 0.62567, 0.06087),
    (0.14919, 0.06322, 0.74457),
)
"""The primaries adapted to D50 (Adobe RGB (1998) Color Image Encoding, 4.3.5.2)."""
_ADOBE_GAMMA = 2.19921875


def adobe_rgb() -> bytes:
    """
    Return a profile of Adobe RGB (1998): a matrix and a gamma, in version 2 of the format (ICC.1:2001-04).
    """
    curve = struct.pack(">4sIIHxx", b"curv", 0, 1, round(_ADOBE_GAMMA * 256))
    tags = [
        (b"desc", _description(b"Adobe RGB (1998) compatible")),
        (b"cprt", struct.pack(">4sI4s", b"text", 0, b"CC0\0")),
        (b"wtpt", _xyz(_D50)),
        *zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(_xyz, _ADOBE_COLUMNS), strict=True),
        *((tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    position = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags:
        table += struct.pack(">4sII", tag, position + len(body), len(content))
        body += content
    size = position + len(body)
    return _header(size) + table + body


def _header(size: int) -> bytes:
    kind = struct.pack(">II4s4s4s", 0, 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    white = b"".join(_fixed(value) for value in _D50)
    start = struct.pack(">I", size) + kind
    return start.ljust(36, b"\0") + b"acsp".ljust(32, b"\0") + white + bytes(48)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in values)


def _fixed(value: float) -> bytes:
    return round(value * 65536).to_bytes(4, "big")


def _description(text: bytes) -> bytes:
    body = struct.pack(">4sII", b"desc", 0, len(text) + 1) + text + bytes(1 + 78)
    return body + bytes(-len(body) % 4)
