"""
Files that are no plain text whatever they are called: rich text, web pages, office documents, pictures.

Rich text and web pages are known by how their text begins, all others by their first bytes (each format's own
specification; also the list of `file`).
"""

import re
from typing import NamedTuple

from retouchd.job.filetypes import called
from retouchd.job.magic import SNIFF_BYTES, sniff


class Foreign(NamedTuple):
    """
    What a file is, with its article, and how its words become plain text: an order without a full stop.
    """

    what: str
    advice: str


_EXPORT = "Save its words as plain text, in UTF-8"
_RICH = Foreign("rich text", "Save it as plain text; in TextEdit: Format > Make Plain Text")
_PAGE = Foreign("a web page (HTML)", _EXPORT)

_TEXTS = (
    (re.compile(r"\{\\u?rtf", re.IGNORECASE), _RICH),
    (
        re.compile(
            r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<(?:html|head|body|meta)[\s>/])",
            re.IGNORECASE | re.DOTALL,
        ),
        _PAGE,
    ),
    (re.compile(r"Version:\d\.\d\s+StartHTML:", re.IGNORECASE), _PAGE),
    (
        re.compile(r"(?:From:.*\s+)?MIME-Version: ?1", re.IGNORECASE),
        Foreign("a saved e-mail or web page", _EXPORT),
    ),
    (re.compile(r"<\?xml\s|<svg[\s>]", re.IGNORECASE), Foreign("an XML document", _EXPORT)),
    (re.compile(r"%!PS"), Foreign("a PostScript document", _EXPORT)),
)
_BYTES = (
    (b"PK\x03\x04", Foreign("an office document or a ZIP archive", _EXPORT)),
    (b"PK\x05\x06", Foreign("an office document or a ZIP archive", _EXPORT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign("an office document of an older kind", _EXPORT)),
    (b"%PDF-", Foreign("a PDF document", _EXPORT)),
    (b"bplist00", Foreign("a web archive or a property list", _EXPORT)),
    (b"\x1f\x8b", Foreign("compressed by gzip", "Unpack it, and save its words as plain text")),
    (b"BZh9", Foreign("compressed by bzip2", "Unpack it, and save its words as plain text")),
    (b"\xfd7zXZ\0", Foreign("compressed by xz", "Unpack it, and save its words as plain text")),
    (b"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", _EXPORT)),
    (b"Rar!\x1a\x07", Foreign("a RAR archive", _EXPORT)),
    (b"SQLite format 3\0", Foreign("a database", _EXPORT)),
)
_PICTURES = frozenset(
    {"avif", "bmp", "cr3", "gif", "heic", "jpeg", "png", "psd", "tiff", "video", "webp"}
)


def foreign_bytes(raw: bytes) -> Foreign | None:
    """
    Return what a file is that is no text at all; None for whatever may be one.
    """
    start = raw[:SNIFF_BYTES].lstrip()
    for magic, foreign in _BYTES:
        if start.startswith(magic):
            return foreign
    kind = sniff(raw[:SNIFF_BYTES])
    if kind not in _PICTURES or _is_text(raw):
        return None
    return Foreign(
        called(kind), "Put a text file in its place, and name the picture for what it is"
    )


def foreign_text(text: str) -> Foreign | None:
    """
    Return what a text is that was not written to be read as it stands; None for plain text.
    """
    start = text[:4096]
    return next((foreign for begins, foreign in _TEXTS if begins.match(start)), None)


def _is_text(raw: bytes) -> bool:
    """
    Say whether the bytes are UTF-8 without NUL: a sentence may well begin with `BM` or `RIFF`.
    """
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False
