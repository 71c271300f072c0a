"""
The pictures that a finishing begins with: an original, its mask, and the result that was received.
"""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, JpegImagePlugin, TiffImagePlugin

from retouchd.errors import JobCode
from retouchd.pictures.colours import (
    alpha_of,
    encoding_of,
    exif_of,
    in_srgb,
    is_foreign,
    rgb_profile,
    xmp_of,
)
from retouchd.pictures.decoding import DECODERS, ImageFault, content, decoded, ended, kind_of
from retouchd.pictures.finishing.iptc import Iptc, iptc_in_jpeg, iptc_of
from retouchd.pictures.finishing.jpeg_samples import stored_samples, stores_luminance
from retouchd.pictures.finishing.jpeg_tables import tables_of
from retouchd.pictures.finishing.plan import PictureFacts
from retouchd.pictures.inspect import depth_of, orientation_of
from retouchd.pictures.pixels import TURNS, narrow, srgb_pixels

_SMALL = 1024
_IPTC_TAG = 33723
_RGB_MODES = frozenset({"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "YCbCr"})
_LOSSLESS = frozenset({"png", "tiff", "bmp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """
    A file of a picture: its bytes up to its end mark, its format, and how it is called in messages.
    """

    data: bytes
    kind: str
    name: str
    max_megapixels: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What a file says beside its pixels: EXIF from its header on (of a TIFF the whole file), XMP, IPTC, dots an
    inch.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: Iptc
    dpi: tuple[float, float] | None = None
    is_tiff: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """
    A picture upright in `RGB`, `RGBA` or `YCbCr`, in the numbers of its profile; None is sRGB.
    """

    image: Image.Image
    profile: bytes | None
    facts: PictureFacts
    told: Told


def stored(path: Path, name: str, max_megapixels: float) -> Stored:
    """
    Return a file of a picture. Raises ImageFault for what is none, OSError for what cannot be read.
    """
    data = content(path, name)
    kind = kind_of(data, name)
    return Stored(
        data=ended(data, kind, name, max_megapixels),
        kind=kind,
        name=name,
        max_megapixels=max_megapixels,
    )


def facts_of(file: Stored) -> tuple[PictureFacts, Told]:
    """
    Return what a file is by its header, and what it says beside its pixels. Raises ImageFault.
    """
    with DECODERS[file.kind](io.BytesIO(file.data)) as image:
        return _facts(image, file), _told(image, file)


def orientation(file: Stored) -> int:
    """
    Return the orientation by which a picture is turned when it is shown.
    """
    with DECODERS[file.kind](io.BytesIO(file.data)) as image:
        return _orientation(image)


def profile_of(file: Stored) -> bytes | None:
    """
    Return the profile by which the numbers of a picture are meant; None for sRGB.
    """
    with DECODERS[file.kind](io.BytesIO(file.data)) as image:
        return rgb_profile(image)


def as_stored(file: Stored, sampling: int) -> Frame | None:
    """
    Return a JPEG's own samples (`YCbCr`), upright, to be stored with the same sampling of colours; None for
    what stores others. Raises ImageFault.
    """
    if file.kind != "jpeg":
        return None
    with JpegImagePlugin.JpegImageFile(io.BytesIO(file.data)) as image:
        if not stores_luminance(image) or image.width * image.height > file.max_megapixels * 1e6:
            return None
        facts, told, profile = _facts(image, file), _told(image, file), rgb_profile(image)
        if not facts.is_rgb:
            return None
        orientation = orientation_of(image)
    pixels = stored_samples(file.data, sampling, TURNS.get(orientation))
    pixels.info = {}
    return Frame(image=pixels, profile=profile, facts=facts, told=told)


def whole(file: Stored) -> Frame:
    """
    Return the pixels of an original as they are, if they are RGB; else in sRGB. Raises ImageFault.
    """
    with decoded(io.BytesIO(file.data), file.kind, file.name, file.max_megapixels) as image:
        facts, told = _facts(image, file), _told(image, file)
        profile = rgb_profile(image)
        pixels: Image.Image = image
        orientation = orientation_of(image)
        is_plain = facts.is_rgb and image.mode == "RGB" and facts.depth <= 8
        if facts.has_alpha or not is_plain or encoding_of(image):
            pixels = _in_rgb(image, file, keeps_numbers=profile is not None)
            if facts.has_alpha:
                pixels.putalpha(alpha_of(image))
        if orientation != 1:
            pixels = pixels.transpose(TURNS[orientation])
    pixels.info = {}
    return Frame(image=pixels, profile=profile, facts=facts, told=told)


def received(file: Stored) -> Frame:
    """
    Return the pixels of a result in sRGB; alpha only where some of it is not opaque. Raises ImageFault.
    """
    with decoded(io.BytesIO(file.data), file.kind, file.name, file.max_megapixels) as image:
        facts, told = _facts(image, file), _told(image, file)
        pixels = srgb_pixels(image, file.data)
        has_alpha = False
        if facts.has_alpha:
            alpha = alpha_of(image)
            has_alpha = alpha.getextrema() != (255, 255)
            if has_alpha:
                pixels.putalpha(alpha)
        orientation = orientation_of(image)
        if orientation != 1:
            pixels = pixels.transpose(TURNS[orientation])
    pixels.info = {}
    facts = PictureFacts(
        format=facts.format,
        size=pixels.size,
        depth=facts.depth,
        has_alpha=has_alpha,
        is_lossless=facts.is_lossless,
    )
    return Frame(image=pixels, profile=None, facts=facts, told=told)


def mask_alpha(file: Stored, original: PictureFacts, orientation: int) -> Image.Image:
    """
    Return the alpha of a mask (`L`), upright over its original. Raises ImageFault.

    A mask is drawn over the upright picture; only one that has the size of the stored pixels instead is turned
    along.
    """
    with decoded(io.BytesIO(file.data), file.kind, file.name, file.max_megapixels) as image:
        alpha = alpha_of(image)
        own = orientation_of(image)
    if own != 1:
        alpha = alpha.transpose(TURNS[own])
    if alpha.size != original.size and orientation >= 5 and alpha.size == original.size[::-1]:
        alpha = alpha.transpose(TURNS[orientation])
    if alpha.size != original.size:
        raise ImageFault(
            JobCode.MASK_SIZE_MISMATCH,
            f"{file.name} is {alpha.width}×{alpha.height}, its picture {original.size[0]}×{original.size[1]}.",
            "Make the mask as large as its picture.",
        )
    return alpha


def can_be_drafted(file: Stored) -> bool:
    """
    Say whether a small picture can be had without decoding a large one.
    """
    if file.kind != "jpeg":
        return False
    with DECODERS[file.kind](io.BytesIO(file.data)) as image:
        return image.mode == "RGB"


def small(file: Stored, frame: Frame | None = None) -> Image.Image:
    """
    Return an original in sRGB and `RGB`, of at most 1,024 pixels; `frame` is it decoded, if it cannot be
    drafted.
    """
    if frame is not None:
        few = _shrunk(frame.image).convert("RGB")
        few.info = {} if frame.profile is None else {"icc_profile": frame.profile}
        found = in_srgb(few, few)
        found.info = {}
        return found
    with DECODERS[file.kind](io.BytesIO(file.data)) as image:
        image.draft("RGB", _few(image.size))
        image.load()
        few = _shrunk(image)
        few.info = image.info
        found = in_srgb(few, few)
        orientation = orientation_of(image)
    found = found if orientation == 1 else found.transpose(TURNS[orientation])
    found.info = {}
    return found


def _shrunk(image: Image.Image) -> Image.Image:
    """
    Return a picture of at most so many pixels, in its own mode; always another one.
    """
    size = _few(image.size)
    if size == image.size:
        return image.copy()
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _few(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _SMALL / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _in_rgb(image: ImageFile.ImageFile, file: Stored, *, keeps_numbers: bool) -> Image.Image:
    if keeps_numbers:
        return narrow(image, depth_of(image, file.data)).convert("RGB")
    return srgb_pixels(image, file.data)


def _orientation(image: ImageFile.ImageFile) -> int:
    """
    Return the orientation by which the size that a decoder tells is still to be turned: that of a TIFF is
    already.
    """
    return 1 if isinstance(image, TiffImagePlugin.TiffImageFile) else orientation_of(image)


def _facts(image: ImageFile.ImageFile, file: Stored) -> PictureFacts:
    orientation = _orientation(image)
    turned = image.size[::-1] if orientation >= 5 else image.size
    tables, is_other = None, is_foreign(image)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        tables = tables_of(image.quantization, JpegImagePlugin.get_sampling(image))
        tables = tables.turned() if tables and orientation >= 5 else tables
    return PictureFacts(
        format=file.kind,
        size=turned,
        depth=depth_of(image, file.data),
        has_alpha=image.has_transparency_data,
        is_rgb=image.mode in _RGB_MODES and (not is_other or rgb_profile(image) is not None),
        is_foreign=is_other,
        is_lossless=file.kind in _LOSSLESS or (file.kind == "webp" and _is_vp8l(file.data)),
        tables=tables,
    )


def _is_vp8l(data: bytes) -> bool:
    """
    Say whether the pixels of a WebP are coded without loss (RFC 9649, 2.6).
    """
    position = 12
    while position + 8 <= len(data) and data[position : position + 4] not in (b"VP8L", b"VP8 "):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + length % 2
    return data[position : position + 4] == b"VP8L"


def _told(image: ImageFile.ImageFile, file: Stored) -> Told:
    is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        raw = image.tag_v2.get(_IPTC_TAG)
        iptc = iptc_of(raw if isinstance(raw, bytes) else b"")
    else:
        iptc = iptc_in_jpeg(file.data) if file.kind == "jpeg" else Iptc()
    dpi = image.info.get("dpi")
    is_sound = (
        isinstance(dpi, tuple) and len(dpi) == 2 and all(1 <= float(each) <= 10_000 for each in dpi)
    )
    return Told(
        exif=file.data if is_tiff else exif_of(image),
        xmp=xmp_of(image),
        iptc=iptc,
        dpi=(float(dpi[0]), float(dpi[1])) if isinstance(dpi, tuple) and is_sound else None,
        is_tiff=is_tiff,
    )
