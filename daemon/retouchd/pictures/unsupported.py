"""
Whole pictures that are not decoded, or not to the right pixels: what each is, in words; TIFF by its directory.

TIFF files by their first directory: which of them decode to the right pixels, and what the others are.

TIFF can say far more than any decoder reads, and one that does not know a layout may return other pixels
without an error. So what is known to be right, having been compared with other decoders, is listed; all
else is named. Sections are those of TIFF 6.0; BigTIFF by the libtiff project's description of it.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from retouchd.job.filetypes import ByteSource
from retouchd.pictures import end_markers, jpeg

_WIDTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 258, 259, 262, 266
_SUBFILE, _SAMPLES, _PLANES, _INKS, _EXTRA, _NUMBERS, _SUBSAMPLING = (
    254,
    277,
    284,
    332,
    338,
    339,
    530,
)
_CAMERA_RAW = 50706
"""DNGVersion (Digital Negative 1.6): cameras' raw files have the form of a TIFF."""
_READ = frozenset({
    _SUBFILE, _WIDTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANES, _INKS, _EXTRA,
    _NUMBERS, _SUBSAMPLING, _CAMERA_RAW,
})  # fmt: skip
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_ENTRIES = 4096
_MOST_VALUES = 64
_IS_REDUCED = 1

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _CIELAB = 0, 1, 2, 3, 5, 6, 8
_COLOURS = {
    _WHITE_IS_ZERO: (1, "grey"),
    _BLACK_IS_ZERO: (1, "grey"),
    _RGB: (3, "RGB"),
    _PALETTE: (1, "a palette of colours"),
    _CMYK: (4, "CMYK"),
    _YCBCR: (3, "YCbCr"),
    _CIELAB: (3, "Lab"),
}
"""How many samples make a colour (sections 4, 16, 20, 21 and 23), and what people call it."""
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_IGNORED, _PREMULTIPLIED, _ALPHA, _COREL_ALPHA = 0, 1, 2, 999
"""What a further sample is (section 18); Corel Draw writes a number of its own."""

_JPEG = 7
_IN_JPEG = frozenset({_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _YCBCR})
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000})
"""None, CCITT, LZW, JPEG, Deflate by either number, PackBits, LZMA, Zstandard."""
_CALLED = {
    6: "an old kind of JPEG, given up in 1995",
    9: "JBIG",
    10: "JBIG",
    32766: "NeXT's run lengths",
    32809: "ThunderScan",
    32909: "PixarLog",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI's logarithms",
    34677: "SGI's logarithms",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG, as in raw files",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_CAMERA_COLOURS = frozenset({32803, 34892})
"""A sensor's mosaic, and its colours as they are measured (TIFF/EP, DNG)."""

_TOGETHER: Mapping[int, Mapping[int, frozenset[tuple[int, ...]]]] = {
    _WHITE_IS_ZERO: {1: frozenset({()}), 2: frozenset({()}), 4: frozenset({()}), 8: frozenset({()}),
                     16: frozenset({()})},
    _BLACK_IS_ZERO: {
        1: frozenset({()}),
        2: frozenset({()}),
        4: frozenset({()}),
        8: frozenset({(), (_IGNORED,), (_PREMULTIPLIED,), (_ALPHA,)}),
        12: frozenset({()}),
        16: frozenset({()}),
    },
    _RGB: {
        8: frozenset({(), (_COREL_ALPHA,)}
            | {first + (_IGNORED,) * more for first in ((), (_PREMULTIPLIED,), (_ALPHA,))
               for more in range(4 - len(first))}),
        16: frozenset({(), (_IGNORED,), (_PREMULTIPLIED,), (_ALPHA,)}),
    },
    _PALETTE: {
        1: frozenset({()}),
        2: frozenset({()}),
        4: frozenset({()}),
        8: frozenset({(), (_IGNORED,), (_ALPHA,)}),
    },
    _CMYK: {8: frozenset({(), (_IGNORED,), (_IGNORED, _IGNORED)}), 16: frozenset({()})},
    _YCBCR: {8: frozenset({()})},
    _CIELAB: {8: frozenset({()})},
}  # fmt: skip
"""What decodes right, by colours and bits: the further samples there may be, behind the colours of a pixel."""
_LITTLE_ONLY = frozenset({(_WHITE_IS_ZERO, 16), (_BLACK_IS_ZERO, 12)})
_REVERSIBLE = frozenset({_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE})
"""Colours and bits that are read in one byte order only, and colours that are read with bits in reverse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    How the samples of a page are stored; `bits` are those of each sample, `extra` what samples beyond the
    colours are.
    """

    photometric: int
    bits: tuple[int, ...]
    numbers: tuple[int, ...]
    extra: tuple[int, ...]
    samples: int
    compression: int
    is_planar: bool
    is_little: bool
    fill_order: int
    subsampling: tuple[int, ...]
    is_cmyk_ink: bool
    is_reduced: bool
    is_camera_raw: bool


def tiff_obstacle(content: ByteSource) -> str | None:
    """
    Return what keeps a TIFF from being decoded right, said as "it is a TIFF …"; None where nothing does.

    A file whose directory makes no sense has none: what is wrong with it, the decoder says.
    """
    head = bytes(content[:4])
    if head == b"MM\0+":
        return "in the large form (BigTIFF) with its numbers in big-endian order"
    page = first_page(content)
    return None if page is None else _obstacle(page)


def first_page(content: ByteSource) -> Page | None:
    """
    Return how the first page is stored; None where its directory is not to be made sense of.
    """
    head = bytes(content[:4])
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        return None
    try:
        found = dict(_entries(content, order, is_big=head[2:] in (b"+\0", b"\0+")))
    except struct.error:
        return None
    if _WIDTH not in found:
        return None
    photometric = found.get(_PHOTOMETRIC, (_WHITE_IS_ZERO,))[0]
    samples = found.get(_SAMPLES, (1,))[0]
    bits = found.get(_BITS, (1,))
    if len(bits) == 1:
        bits *= min(samples, _MOST_VALUES)
    return Page(
        photometric=photometric,
        bits=bits[:samples],
        numbers=found.get(_NUMBERS, (_UNSIGNED,)),
        extra=found.get(_EXTRA, ()),
        samples=samples,
        compression=found.get(_COMPRESSION, (1,))[0],
        is_planar=found.get(_PLANES, (1,))[0] == 2 and samples > 1,
        is_little=order == "<",
        fill_order=found.get(_FILL_ORDER, (1,))[0],
        subsampling=found.get(_SUBSAMPLING, (2, 2)),
        is_cmyk_ink=found.get(_INKS, (1,))[0] == 1,
        is_reduced=bool(found.get(_SUBFILE, (0,))[0] & _IS_REDUCED),
        is_camera_raw=_CAMERA_RAW in found,
    )


def _obstacle(page: Page) -> str | None:
    if page.is_camera_raw or page.photometric in _CAMERA_COLOURS:
        return "that holds a camera's raw data"
    if page.is_reduced:
        return "that begins with a small preview"
    if page.compression not in _COMPRESSIONS:
        return f"compressed as {_CALLED.get(page.compression, f'number {page.compression}')}"
    if page.photometric not in _COLOURS or not page.is_cmyk_ink:
        return "in colours of a kind that is not read"
    if _is_right(page):
        return None
    return f"in {_pixels(page)}"


def _is_right(page: Page) -> bool:
    """
    Say whether pixels of this kind were seen to decode right.
    """
    if not page.bits or set(page.bits) != {page.bits[0]} or set(page.numbers) != {_UNSIGNED}:
        return False
    colours, _ = _COLOURS[page.photometric]
    extra = page.extra
    if page.photometric == _RGB and not extra and page.samples == 4:
        extra = (_ALPHA,)  # as every program takes it
    return (
        len(page.bits) == page.samples == colours + len(extra)
        and _is_order_read(page, extra)
        and _is_coding_read(page, extra)
        and _are_samples_read(page, extra)
    )


def _is_order_read(page: Page, extra: tuple[int, ...]) -> bool:
    """
    Say whether samples are read in this order of bytes, and of the bits in a byte.
    """
    bits = page.bits[0]
    if (page.photometric, bits) in _LITTLE_ONLY and not page.is_little:
        return False
    return page.fill_order == 1 or (
        page.fill_order == 2 and not extra and bits <= 8 and page.photometric in _REVERSIBLE
    )


def _is_coding_read(page: Page, extra: tuple[int, ...]) -> bool:
    """
    Say whether these colours are read in this compression: YCbCr in a JPEG, or with a colour for each pixel.
    """
    if page.compression == _JPEG:
        is_apart = page.is_planar and page.photometric == _YCBCR
        return not extra and page.photometric in _IN_JPEG and not is_apart
    return page.photometric != _YCBCR or page.subsampling == (1, 1)


def _are_samples_read(page: Page, extra: tuple[int, ...]) -> bool:
    """
    Say whether so many bits and further samples are read, together or in planes that lie apart.
    """
    if page.is_planar:
        if page.photometric == _CIELAB:
            return False
        if set(extra) == {_IGNORED} and page.photometric != _YCBCR:
            extra = ()  # a plane of its own, which nobody looks at
        if extra and not (page.photometric == _RGB and len(extra) == 1):
            return False
    return extra in _TOGETHER[page.photometric].get(page.bits[0], ())


def _pixels(page: Page) -> str:
    """
    Return what its pixels are, in words.
    """
    _, colour = _COLOURS[page.photometric]
    depths = " and ".join(str(bits) for bits in sorted(set(page.bits))) or "no"
    kind = {_SIGNED: ", counted from below zero", _FLOAT: ", in floating point"}
    numbers = kind.get(max(page.numbers), "")
    alpha = {_PREMULTIPLIED, _ALPHA, _COREL_ALPHA} & set(page.extra)
    further = " with transparency" if alpha else " with further channels" if page.extra else ""
    planes = ", each channel by itself" if page.is_planar else ""
    return f"{colour}{further}, {depths} bits a channel{numbers}{planes}"


def _entries(
    content: ByteSource, order: str, *, is_big: bool
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """
    Yield the tags that are of use here, each with its values. Raises struct.error where the file ends.
    """
    word, count, entry = ("Q", "Q", "HHQ") if is_big else ("I", "H", "HHI")
    inline = struct.calcsize(f"={word}")
    (start,) = struct.unpack(f"{order}{word}", content[inline : 2 * inline])
    first = start + struct.calcsize(f"={count}")
    (length,) = struct.unpack(f"{order}{count}", content[start:first])
    size = struct.calcsize(f"={entry}") + inline
    for at in range(first, first + size * min(length, _MOST_ENTRIES), size):
        tag, kind, number = struct.unpack(f"{order}{entry}", content[at : at + size - inline])
        if tag not in _READ or kind not in _TYPES or not number:
            continue
        number = min(number, _MOST_VALUES)
        form = f"{order}{number}{_TYPES[kind]}"
        width, value = struct.calcsize(form), at + size - inline
        if width > inline:
            (value,) = struct.unpack(f"{order}{word}", content[value : value + inline])
        yield tag, struct.unpack(form, content[value : value + width])


_IN_PLACE = "Open {name} in a photo program and save it as PNG or JPEG with 8 bits a channel."
_PLAIN_TIFF = (
    "Save {name} anew: as PNG, or as TIFF in RGB with 8 or 16 bits a channel and LZW or ZIP."
)


def obstacle(content: ByteSource, kind: str) -> tuple[str, str] | None:
    """
    Return what a picture is that cannot be taken, behind "it is …", and how to save it; None for others.

    The second text has `{name}` in the place of the file's name.
    """
    match kind:
        case "tiff":
            found, hint = tiff_obstacle(content), _PLAIN_TIFF
        case "jpeg":
            found, hint = jpeg.obstacle(content), _IN_PLACE
        case "bmp":
            found, hint = end_markers.bmp_obstacle(content), _IN_PLACE
        case _:
            return None
    return None if found is None else (f"a {kind.upper()} picture {found}, which is not read", hint)
