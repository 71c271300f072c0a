"""
XMP of an original made true for its result, with what says that a model had a part in it.

Read by defusedxml, written by the standard library's ElementTree: names keep their prefixes, texts their
letters. Sources: XMP parts 1 and 2; IPTC Photo Metadata Standard 2025.1 (DigitalSourceType and what AI did);
Google's and Adobe's pages for containers of films, depths and gain maps, which hold no longer once a picture
was written anew.
"""

import io
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
META = "adobe:ns:meta/"
_XML = "http://www.w3.org/XML/1998/namespace"
_PREFIXES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "rdf": RDF,
    "x": META,
}
_EXIF, _TIFF, _XAP = (f"http://ns.adobe.com/{each}/1.0/" for each in ("exif", "tiff", "xap"))
_NOTE = "http://ns.adobe.com/xmp/note/"
_GONE = frozenset(
    {
        *(
            f"{{{_TIFF}}}{name}"
            for name in ("Orientation", "ImageWidth", "ImageLength", "BitsPerSample")
        ),
        *(
            f"{{{_TIFF}}}{name}"
            for name in ("PhotometricInterpretation", "SamplesPerPixel", "Compression")
        ),
        *(f"{{{_EXIF}}}{name}" for name in ("PixelXDimension", "PixelYDimension", "NativeDigest")),
        *(
            f"{{{_TIFF}}}{name}"
            for name in ("NativeDigest", "YCbCrPositioning", "YCbCrSubSampling")
        ),
        f"{{{_XAP}}}Thumbnails",
        f"{{{_NOTE}}}HasExtendedXMP",
    }
)
_POSITIONS = f"{{{_EXIF}}}GPS"
_CONTAINERS = (
    "{http://ns.adobe.com/hdr-gain-map/1.0/}",
    "{http://ns.apple.com/HDRGainMap/1.0/}",
    "{http://ns.google.com/photos/1.0/camera/}",
    "{http://ns.google.com/photos/1.0/container/}",
    "{http://ns.google.com/photos/1.0/depthmap/}",
    "{http://ns.google.com/photos/1.0/image/}",
    "{http://ns.google.com/photos/1.0/focus/}",
    "{http://ns.google.com/photos/dd/1.0/}",
    "{http://ns.xiaomi.com/photos/1.0/camera/}",
)
_LISTS = {"subject": "Bag", "creator": "Seq"}
_LANGUAGES = frozenset({"title", "description", "rights"})
_MOST_BYTES = 4 * 2**20
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = '\n<?xpacket end="w"?>'


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """
    Who had a part in a result: the kind of its source (a word of IPTC's digital source types), the system that
    was asked, its model, and the prompt, None where it is nobody's business.
    """

    source: str
    system: str
    model: str
    prompt: str | None = None

    def values(self) -> dict[tuple[str, str], list[str]]:
        """
        Return the properties that say so.
        """
        found = {
            "DigitalSourceType": f"http://cv.iptc.org/newscodes/digitalsourcetype/{self.source}",
            "AISystemUsed": self.system,
            "AISystemVersionUsed": self.model,
            "AIPromptInformation": self.prompt,
        }
        return {("Iptc4xmpExt", name): [value] for name, value in found.items() if value}


def packet(
    stored: bytes,
    *,
    keeps_positions: bool = False,
    provenance: Provenance | None = None,
    further: Mapping[tuple[str, str], list[str]] | None = None,
) -> bytes:
    """
    Return the packet of a result: what of the stored one still holds, and more.

    `further` are values by prefix and name, for properties that are not there yet. b"" where nothing is to be
    said; a stored packet that cannot be read is left out.
    """
    root = read_packet(stored)
    has_something = root is not None
    if root is None:
        root = ET.Element(f"{{{META}}}xmpmeta")
        ET.SubElement(root, f"{{{RDF}}}RDF")
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")
    if rdf is None:
        return b""
    for description in rdf.findall(f"{{{RDF}}}Description"):
        _clean(description, keeps_positions=keeps_positions)
    for (prefix, name), values in (further or {}).items():
        if not _has(rdf, _PREFIXES[prefix], name):
            _add(rdf, prefix, name, values)
            has_something = True
    if provenance is not None:
        for (prefix, name), values in provenance.values().items():
            _remove(rdf, _PREFIXES[prefix], name)
            _add(rdf, prefix, name, values)
        has_something = True
    try:
        return _written(root, stored) if has_something else b""
    except RecursionError:  # Nested more deeply than anything means.
        return packet(b"", provenance=provenance, further=further)


def read_packet(stored: bytes) -> ET.Element | None:
    """
    Return the root of a packet, None where it is none that may be read.
    """
    if not stored or len(stored) > _MOST_BYTES:
        return None
    # Imported at need: few pictures are written anew, and it costs memory.
    from defusedxml import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        found: ET.Element = fromstring(stored.strip(b"\0 \r\n\t"))
    except (ET.ParseError, DefusedXmlException, LookupError, ValueError):
        return None
    return found if found.tag in (f"{{{META}}}xmpmeta", f"{{{RDF}}}RDF") else None


def _is_gone(name: str, *, keeps_positions: bool) -> bool:
    is_position = name.startswith(_POSITIONS) and not keeps_positions
    return name in _GONE or is_position or name.startswith(_CONTAINERS)


def _clean(description: ET.Element, *, keeps_positions: bool) -> None:
    for name in list(description.attrib):
        if _is_gone(name, keeps_positions=keeps_positions):
            del description.attrib[name]
    for child in list(description):
        if _is_gone(child.tag, keeps_positions=keeps_positions):
            description.remove(child)


def _has(rdf: ET.Element, space: str, name: str) -> bool:
    tag = f"{{{space}}}{name}"
    return any(tag in each.attrib or each.find(tag) is not None for each in _descriptions(rdf))


def _remove(rdf: ET.Element, space: str, name: str) -> None:
    tag = f"{{{space}}}{name}"
    for each in _descriptions(rdf):
        each.attrib.pop(tag, None)
        for child in each.findall(tag):
            each.remove(child)


def _descriptions(rdf: ET.Element) -> list[ET.Element]:
    return rdf.findall(f"{{{RDF}}}Description")


def _add(rdf: ET.Element, prefix: str, name: str, values: Iterable[str]) -> None:
    found = _descriptions(rdf)
    about = {f"{{{RDF}}}about": ""}
    description = found[0] if found else ET.SubElement(rdf, f"{{{RDF}}}Description", about)
    child = ET.SubElement(description, f"{{{_PREFIXES[prefix]}}}{name}")
    texts = [_legal(each) for each in values]
    if prefix == "dc" and name in _LANGUAGES:
        texts, kind, language = [", ".join(texts)], "Alt", {f"{{{_XML}}}lang": "x-default"}
    elif prefix == "dc" and name in _LISTS:
        kind, language = _LISTS[name], {}
    else:
        child.text = texts[0]
        return
    many = ET.SubElement(child, f"{{{RDF}}}{kind}")
    for text in texts:
        ET.SubElement(many, f"{{{RDF}}}li", language).text = text


def _legal(text: str) -> str:
    """
    Return a text without what XML cannot hold.
    """
    return "".join(
        each for each in text if each in "\t\n\r" or each.isprintable() or ord(each) >= 0xA0
    )


def _written(root: ET.Element, stored: bytes) -> bytes:
    for prefix, space in (*_prefixes_of(stored), *_PREFIXES.items()):
        try:
            ET.register_namespace(prefix, space)
        except ValueError:  # ns0, ns1, …: its own
            continue
    body = ET.tostring(root, encoding="unicode")
    return (_HEAD + body + _TAIL).encode("utf-8", "replace")


def _prefixes_of(stored: bytes) -> list[tuple[str, str]]:
    if not stored:
        return []
    from defusedxml.ElementTree import iterparse  # noqa: PLC0415 - at need, as above

    try:
        return [
            each for _, each in iterparse(io.BytesIO(stored.strip(b"\0 \r\n\t")), ("start-ns",))
        ]
    except (ET.ParseError, LookupError, ValueError):
        return []
