"""
What a file's first bytes say it is.
"""

import re
from typing import TypeAlias

Bytes: TypeAlias = bytes | bytearray | memoryview

SNIFF_BYTES = 1024
"""How much of a file's beginning `sniff` wants to see."""

_SIGNATURES: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (name, re.compile(signature, re.DOTALL))
    for name, signature in (
        ("png", rb"\x89PNG\r\n\x1a\n"),
        ("jpeg", rb"\xff\xd8\xff"),
        ("webp", rb"RIFF....WEBP"),
        ("gif", rb"GIF8[79]a"),
        ("bmp", rb"BM....\x00\x00\x00\x00"),
        ("tiff", rb"II[*+]\x00|MM\x00[*+]"),
        # The common brands first: what is inside stands among the compatible ones.
        ("avif", rb"....ftyp(?:avi[fs]|(?:mif1|msf1|miaf)....(?:(?!hei|hev)....){0,16}?avi[fs])"),
        ("heic", rb"....ftyp(?:hei[cfmsx]|hev[cmsx]|mif1|msf1|miaf)"),
        ("cr3", rb"....ftypcrx "),
        # By their containers: ISO and QuickTime, AVI, Matroska, ASF, Flash, MPEG program and transport streams.
        (
            "video",
            (
                rb"....(?:ftyp|moov|mdat|wide)|RIFF....AVI |\x1a\x45\xdf\xa3|0&\xb2u\x8ef\xcf\x11|FLV\x01"
                rb"|\x00\x00\x01[\xb3\xba]|G.{187}G.{187}G"
            ),
        ),
        ("jpeg xl", rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n"),
        ("jpeg 2000", rb"\x00\x00\x00\x0cjP  \r\n\x87\n"),
        ("jpeg xr", rb"II\xbc\x01"),
        ("psd", rb"8BPS\x00"),
        ("exr", rb"v/1\x01"),
        ("radiance", rb"#\?(?:RADIANCE|RGBE)"),
        ("dicom", rb".{128}DICM"),
        ("fits", rb"SIMPLE  ="),
        ("pnm", rb"P[1-7f][ \t\r\n]"),
        ("dds", rb"DDS \x7c"),
        ("qoi", rb"qoif"),
        ("icns", rb"icns"),
        ("pdf", rb"%PDF-"),
        ("eps", rb"%!PS|\xc5\xd0\xd3\xc6"),
        ("ico", rb"\x00\x00\x01\x00[^\x00]\x00"),
        ("xcf", rb"gimp xcf "),
        ("zip", rb"PK\x03\x04"),
        # XML and HTML may begin with a mark, white space and declarations.
        ("svg", rb"(?i)(?:\xef\xbb\xbf)?\s*(?:<svg\b|(?:<\?xml|<!--|<!doctype svg).*?<svg\b)"),
        ("html", rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)\b"),
    )
)


def sniff(head: Bytes) -> str | None:
    """
    Return the lower-case name of what a file's first bytes say it is, None if they say nothing known.

    `head` is the beginning of the file, `SNIFF_BYTES` of it where there are so many.
    """
    head = bytes(head[:SNIFF_BYTES])
    return next((name for name, signature in _SIGNATURES if signature.match(head)), None)
