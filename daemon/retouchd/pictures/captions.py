"""
The caption that a picture carries: what photo programs write as its description.

Sources, in this order: XMP `dc:description` (its default language), IPTC Caption-Abstract (IIM 4.2, 2:120),
EXIF ImageDescription (tag 270). What cameras and programs write by themselves is no caption.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing.reading import Told, facts_of, stored
from retouchd.pictures.finishing.xmp import RDF, read_packet

_DC = "{http://purl.org/dc/elements/1.1/}description"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_IMAGE_DESCRIPTION = 270
_BY_ITSELF = re.compile(
    r"(olympus|minolta|konica minolta|pentax|samsung|kodak|ricoh|fuji\w*|casio|sony|nikon|digital|sanyo|hp|lg)?"
    r"[ _-]*(digital camera|dsc|csc|dsc\d*|picture|image|photo)"
    r"|dcim\\.*|default|untitled|unknown|exif[ _]jpeg[ _]picture|<digimax.*>|created by imagemagick"
    r"|creator: gd-jpeg.*|lead technologies.*|screenshot|ai generated|_+|\W*",
    re.IGNORECASE | re.DOTALL,
)


def caption_of(path: Path, *, name: str, max_megapixels: float) -> str:
    """
    Return the caption of a picture, "" where it has none or is no picture. Raises OSError where the disk fails.
    """
    try:
        _, told = facts_of(stored(path, name, max_megapixels))
    except (ImageFault, ValueError, SyntaxError):
        return ""
    texts = (text.replace("\0", "").strip() for text in _texts(told))
    return next((text for text in texts if text and not _BY_ITSELF.fullmatch(text)), "")


def _texts(told: Told) -> Iterator[str]:
    yield _of_xmp(told.xmp)
    yield from told.iptc.values.get(("dc", "description"), ())
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
    default = found.get("x-default", "")
    return default or next((text for text in found.values() if text.strip()), "")


def _of_exif(block: bytes) -> str:
    exif = Image.Exif()
    try:
        exif.load(block)
        text = exif.get(_IMAGE_DESCRIPTION)
    except (ValueError, SyntaxError, OSError, KeyError, TypeError):
        return ""
    if not isinstance(text, str):
        return ""
    try:
        # Pillow takes it for Latin-1; programs of today write UTF-8.
        return text.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
