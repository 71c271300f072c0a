"""
Whether a file carries Content Credentials (C2PA), told by its segments or chunks; whether they hold is not
looked at.

Where they stand: C2PA technical specification 2.2, A.3.
"""

from retouchd.job.filetypes import ByteSource
from retouchd.pictures import jpeg, png

_APP11 = 0xEB
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_MOST_PARTS = 1_000


def has_credentials(content: ByteSource) -> bool:
    """
    Say whether a JPEG, PNG, WebP or AVIF file has a place that holds Content Credentials.
    """
    head = bytes(content[:12])
    if head[:2] == b"\xff\xd8":
        return _in_jpeg(content)
    if head[:4] == b"\x89PNG":
        return any(name == b"caBX" for name, _, _ in png.chunks_of(content))
    if head[:4] == b"RIFF":
        return _in_webp(content)
    return head[4:8] == b"ftyp" and _in_boxes(content)


def _in_jpeg(content: ByteSource) -> bool:
    for each in jpeg.segments(content):
        if each.mark == jpeg.SCAN:
            return False
        head = bytes(content[each.start : min(each.end, each.start + 64)])
        if each.mark == _APP11 and head.startswith(b"JP") and b"c2pa" in head:
            return True
    return False


def _in_webp(content: ByteSource) -> bool:
    position = 12
    for _ in range(_MOST_PARTS):
        head = bytes(content[position : position + 8])
        if len(head) < 8:
            return False
        if head[:4] == b"C2PA":
            return True
        length = int.from_bytes(head[4:], "little")
        position += 8 + length + length % 2
    return False


def _in_boxes(content: ByteSource) -> bool:
    position = 0
    for _ in range(_MOST_PARTS):
        head = bytes(content[position : position + 24])
        length = int.from_bytes(head[:4], "big")
        if head[4:8] == b"uuid" and head[8:24] == _UUID:
            return True
        if length < 8:
            return False
        position += length
    return False
