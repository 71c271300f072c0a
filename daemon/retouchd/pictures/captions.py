"""
The caption that a picture carries: what photo programs write as its description.

Sources, in this order: XMP `dc:description` (its default language), IPTC Caption-Abstract (IIM 4.2, 2:120),
EXIF ImageDescription (tag 270). What cameras and programs write by themselves is no caption: to send it would
cost money for nothing.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing.reading import Told, facts_of, stored
from retouchd.pictures.finishing.xmp import RDF, read_packet
from retouchd.request.text_encoding import NotPlainTextError, decode, lost_letters, visible

_DESCRIPTION = ("dc", "description")
_DC = "{http://purl.org/dc/elements/1.1/}description"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_IMAGE_DESCRIPTION = 270
_BY_ITSELF = re.compile(
    r"(olympus|minolta|konica minolta|pentax|samsung|kodak|ricoh|fuji\w*|casio|sony|nikon|digital|sanyo|hp|lg)?"
    r"[ _-]*(digital (still )?camera|dsc|csc|picture|image|photo)"
    r"|exif[ _]jpeg[ _]picture|samsung camera pictures|casio computer co\W*ltd\W*|<[^<>]*>|screenshot .*"
    r"|(created|made|processed|edited) (by|with|in|using) .*|(captured|taken|shot) (by|on|with) .*"
    r"|file written by .*|creator: gd-jpeg.*|lead technologies.*|ai generated",
    re.IGNORECASE | re.DOTALL,
)
_ONE_WORD = re.compile(r"[\x00-\u024f]\S*|\W*")
"""In Latin letters: a file's name, or a phone's note on how it took the picture, such as `rhdr` and `oznor`."""


def caption_of(
    path: Path,
    *,
    name: str,
    max_megapixels: float,
    text_encoding: str | None = None,
    is_chinese: bool = False,
) -> str:
    """
    Return the caption of a picture, "" where it has none or is no picture. Raises OSError where the disk fails.

    One that is not in Unicode is read as the text of a prompt is, and is none where that is not certain.
    """
    try:
        _, told = facts_of(stored(path, name, max_megapixels))
    except (ImageFault, ValueError, SyntaxError):
        return ""
    read = partial(decode, fallback=text_encoding, is_chinese=is_chinese)
    for raw in _texts(told):
        try:
            text = visible(read(raw.replace(b"\0", b"")).replace("\r\n", "\n").replace("\r", "\n"))
        except NotPlainTextError:
            continue
        if text and not (
            lost_letters(text) or _ONE_WORD.fullmatch(text) or _BY_ITSELF.fullmatch(text)
        ):
            return text
    return ""


def _texts(told: Told) -> Iterator[bytes]:
    yield _of_xmp(told.xmp).encode()
    encoding = "latin-1" if _DESCRIPTION in told.iptc.guessed else "utf-8"
    for each in told.iptc.values.get(_DESCRIPTION, ()):
        yield each.encode(encoding)
    yield _of_exif(told.exif)


def _of_xmp(packet: bytes) -> str:
    root = read_packet(packet)
    if root is None:
        return ""
    found: dict[str, str] = {}
    for node in root.iter(_DC):
        for each in node.iter(f"{{{RDF}}}li"):
            found.setdefault(each.get(_LANGUAGE, ""), each.text or "")
        found.setdefault("", node.text or "")
    for node in root.iter(f"{{{RDF}}}Description"):
        found.setdefault("", node.get(_DC, ""))
    texts = (found.get("x-default", ""), *found.values())
    return next((text for text in texts if text.strip()), "")


def _of_exif(block: bytes) -> bytes:
    exif = Image.Exif()
    try:
        exif.load(block)
        text = exif.get(_IMAGE_DESCRIPTION)
    except (ValueError, SyntaxError, OSError, KeyError, TypeError):
        return b""
    # Pillow takes any bytes for Latin-1.
    return text.encode("latin-1", "replace") if isinstance(text, str) else b""
