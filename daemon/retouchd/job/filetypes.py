"""
Kinds of files: by extension, by their first bytes, and in words.

Kinds of files in words: what a picture that cannot be sent is called by people. What a file's first bytes say
it is. What files hold, for rules that need only some of it.
"""

import re
from enum import StrEnum
from typing import Protocol, TypeAlias

EXTENSIONS = {
    **{kind: kind for kind in ("png", "webp", "gif", "avif", "heic", "bmp")},
    "jpeg": "jpg",
    "tiff": "tif",
}
"""Every kind of picture that can be decoded, with the extension of the file in which a received one is kept."""
# fmt: off
RAW = frozenset({
    "3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "fff", "iiq", "mef", "mos", "mrw", "nef", "nrw", "orf",
    "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
})
"""The extensions of cameras' raw files."""
FILMS = frozenset({
    "3gp", "avi", "insv", "lrv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "webm", "wmv",
})
"""The extensions of films."""
SOUNDS = frozenset({
    "aac", "aif", "aiff", "amr", "flac", "m4a", "mp3", "oga", "ogg", "opus", "wav", "wma",
})
"""The extensions of sound recordings."""
# fmt: on


class Medium(StrEnum):
    """
    What cameras and phones lay beside pictures and nobody edits here, each as people call it.
    """

    RAW = "raw file"
    FILM = "film"
    SOUND = "sound recording"


_MEDIA = {
    extension: medium
    for medium, extensions in ((Medium.RAW, RAW), (Medium.FILM, FILMS), (Medium.SOUND, SOUNDS))
    for extension in extensions
}


def medium_of(name: str) -> Medium | None:
    """
    Return which of these a file is by its name, None for any other.
    """
    return _MEDIA.get(name.rpartition(".")[2].lower())


ARITHMETIC, UNENDED = "arithmetic jpeg", "unended jpeg"
"""Forms of JPEG that are decoded, and sent in no other than the usual one."""

_CALLED = {
    ARITHMETIC: "a JPEG picture in arithmetic codes, which few programs can read",
    UNENDED: "a JPEG picture without an end mark",
    "avif": "an AVIF picture",
    "bmp": "a BMP picture",
    "cr3": "a camera's raw file",
    "dds": "a texture of a game (DDS)",
    "dicom": "a medical picture (DICOM)",
    "eps": "an EPS drawing",
    "exr": "an HDR picture (OpenEXR)",
    "fits": "an astronomer's picture (FITS)",
    "html": "a web page",
    "icns": "an icon",
    "ico": "an icon",
    "mpo": "an MPO picture, a JPEG with others behind it",
    "pdf": "a PDF document",
    "psd": "a Photoshop file",
    "radiance": "an HDR picture (Radiance)",
    "raw": "a camera's raw file",
    "svg": "an SVG drawing",
    "video": "a film",
    "webp": "a WebP picture",
    "xcf": "a GIMP file",
    "zip": "a ZIP archive",
}


def called(kind: str) -> str:
    """
    Return what a kind of file is called, with its article.
    """
    return _CALLED.get(kind, f"a {kind.upper()} picture")


def kind_by(name: str, sniffed: str | None) -> str | None:
    """
    Return what a file is by its bytes and, where these do not say enough, by its name.

    Cameras write raw files as TIFF whose first picture is a small preview: to edit that would be paid for
    in vain.
    """
    extension = name.rpartition(".")[2].lower()
    return "raw" if sniffed in (None, "tiff") and extension in RAW else sniffed


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


class ByteSource(Protocol):
    """
    The content of a file, any piece of which can be had: in memory, or read when it is asked for.

    A piece is shorter than asked for where the file ends, or ends by now.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, piece: slice, /) -> Bytes: ...
