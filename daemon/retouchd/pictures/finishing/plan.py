"""
What a result is to become, by what was asked for and what both pictures are: size, format, colours, and what is
lost.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from retouchd.pictures.finishing.geometry import is_same_shape, within
from retouchd.pictures.finishing.jpeg_tables import JpegTables
from retouchd.request.output import FORMATS, Output

EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif", "tiff": "tif"}
_OF_SOURCE = {"mpo": "jpeg", "heic": "jpeg", "bmp": "png"}
_FINE, _FINE_PROTECTED = 85, 74.5
"""From which quality on a JPEG's own tables are used: coarser ones, too, keep what is protected."""
QUALITY = 95


class Warned(StrEnum):
    """
    What is not quite as it was asked for.
    """

    ALPHA = "alpha"
    COLOURS = "colours"
    DEPTH = "depth"
    DETAIL = "detail"
    PADDED = "padded"
    SHAPE = "shape"
    UNCHECKED = "unchecked"
    UNREGISTERED = "unregistered"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """
    Something that a person is warned of: its code, and in words.
    """

    code: Warned
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """
    What of a picture decides how a result is written. `size` is as it is shown; `is_rgb` says that its pixels
    can be kept as they are, being RGB; `is_lossless` that its own format keeps pixels as they are.
    """

    format: str
    size: tuple[int, int]
    depth: int = 8
    has_alpha: bool = False
    is_rgb: bool = True
    is_foreign: bool = False
    is_lossless: bool = True
    tables: JpegTables | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What a result is written as. `size_alone` is its size where nothing of the original comes into it after all.
    `tables` are those of a JPEG, else `quality` holds; `is_needed` says whether it has to be written anew.
    """

    size: tuple[int, int]
    size_alone: tuple[int, int]
    format: str
    quality: int
    tables: JpegTables | None
    is_lossless: bool
    in_source_profile: bool
    is_needed: bool
    warnings: tuple[Caution, ...]

    @property
    def extension(self) -> str:
        """
        Return how a file of its format is called.
        """
        return EXTENSIONS[self.format]


def plan_of(
    output: Output, source: PictureFacts, received: PictureFacts, shown: tuple[int, int]
) -> Plan:
    """
    Return the plan for a result; `shown` is the size of what of it is the picture, padding cut off.
    """
    warnings: list[Caution] = []
    size = _size(output, source, shown, warnings)
    has_alpha = received.has_alpha or (
        source.has_alpha and (output.protect or output.detail == "source")
    )
    format_ = _format(output, source, received, has_alpha=has_alpha, warnings=warnings)
    in_source_profile = output.profile == "source" and source.is_foreign and source.is_rgb
    if output.profile == "source" or output.protect:
        _lost(source, warnings)
    is_needed = (
        size != received.size
        or format_ != received.format
        or output.metadata != "received"
        or in_source_profile
        or output.protect
        or output.detail == "source"
    )
    least = _FINE_PROTECTED if output.protect or output.detail == "source" else _FINE
    tables = source.tables if format_ == "jpeg" and output.quality is None else None
    return Plan(
        size=size,
        size_alone=_size(replace(output, protect=False, detail="result"), source, shown, []),
        format=format_,
        quality=output.quality or QUALITY,
        tables=tables if tables and tables.quality >= least and output.format == "source" else None,
        is_lossless=_is_lossless(output, format_, source, received),
        in_source_profile=in_source_profile,
        is_needed=is_needed,
        warnings=tuple(warnings),
    )


def expected_format(output: Output, source: str, received: str, *, has_alpha: bool) -> str:
    """
    Return the format of a result before it came, by that of its picture, whether that has transparent parts,
    and the one in which the endpoint answers.
    """
    is_kept = has_alpha and (output.protect or output.detail == "source")
    pictures = (PictureFacts(format=each, size=(1, 1)) for each in (source, received))
    return _format(output, *pictures, has_alpha=is_kept, warnings=[])


def _size(
    output: Output, source: PictureFacts, shown: tuple[int, int], warnings: list[Caution]
) -> tuple[int, int]:
    is_same = is_same_shape(shown, source.size)
    is_laid_over = output.protect or output.detail == "source"
    if output.size == "received" and (is_same or not is_laid_over):
        return shown
    if not is_same:
        told = f"the result came as {shown[0]}×{shown[1]}, which is not the shape of the original"
        if output.protect:
            told += ": it lies in its middle, and what is open beside it stayed as it was"
        warnings.append(Caution(code=Warned.SHAPE, words=told))
    width, _, height = output.size.partition("x")
    bounds = {"received": shown, "source": source.size}.get(output.size)
    shape = source.size if is_same or is_laid_over else shown
    return within(shape, bounds or (int(width), int(height or width)))


def _format(
    output: Output,
    source: PictureFacts,
    received: PictureFacts,
    *,
    has_alpha: bool,
    warnings: list[Caution],
) -> str:
    wanted = {"source": source.format, "received": received.format}.get(
        output.format, output.format
    )
    wanted = _OF_SOURCE.get(wanted, wanted)
    if wanted not in FORMATS:
        wanted = "png"
    if wanted == "jpeg" and has_alpha:
        told = "it has transparent parts, which JPEG does not know: it was saved as PNG"
        warnings.append(Caution(code=Warned.ALPHA, words=told))
        return "png"
    return wanted


def _is_lossless(
    output: Output, format_: str, source: PictureFacts, received: PictureFacts
) -> bool:
    """
    Say whether the format keeps pixels as they are: WebP can do both.
    """
    if format_ != "webp":
        return format_ in ("png", "tiff")
    like = {"source": source, "received": received}.get(output.format)
    return like.is_lossless if like is not None and like.format == "webp" else output.quality == 100


def _lost(source: PictureFacts, warnings: list[Caution]) -> None:
    if source.depth > 8:
        told = f"the original has {source.depth} bits a channel, the result 8: that is all that comes back"
        warnings.append(Caution(code=Warned.DEPTH, words=told))
    if not source.is_rgb:
        told = "the original's colours are not RGB, or by a profile that cannot be written: they are sRGB now"
        warnings.append(Caution(code=Warned.COLOURS, words=told))
