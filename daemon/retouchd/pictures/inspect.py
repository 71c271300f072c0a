"""
Pictures on disk: looked at before they are sent, and checked when they arrive.
"""

import hashlib
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from retouchd.errors import JobCode
from retouchd.job.filetypes import ARITHMETIC, EXTENSIONS, SNIFF_BYTES, UNENDED, called, sniff
from retouchd.job.stripped import Stripped
from retouchd.pictures.colours import alpha_of, encoding_of, is_foreign, kinds_in, says_adobe_rgb
from retouchd.pictures.decoding import (
    DECODERS,
    FAULTS,
    MOST_BYTES,
    ImageFault,
    check_readable,
    decoded,
    ended,
    inspect_quickly,
    kind_of,
    opened,
    reading,
    undecoded,
    unreadable,
)
from retouchd.pictures.end_markers import MARKED, is_whole, is_whole_at_a_glance
from retouchd.pictures.jpeg import is_arithmetic
from retouchd.pictures.metadata import Shown
from retouchd.pictures.pillow_gaps import FileSource
from retouchd.pictures.stripping import stripped
from retouchd.request.rules import Picture

_SAFE_MEGAPIXELS = 100
"""What is decoded of a received picture at most, whatever `images.max_megapixels` says of those sent."""
_SPARSEST = 16_384
"""Pixels to a byte; one colour all over takes a byte for some 8,000 of them in a PNG."""
_BLOCK = 1 << 20
_PNG_DEPTH = 24
"""Where a PNG states the bits of a channel (PNG specification, 11.2.2)."""
_IS_REDUCED = 1
"""Of a TIFF page's NewSubfileType: a smaller copy of another page (TIFF 6.0, section 8)."""


def look(path: Path, *, name: str, max_megapixels: float) -> Picture:
    """
    Return what a picture is, once it is sure that every pixel of it can be decoded.

    `name` is what the file is called in messages; `max_megapixels` (millions of pixels) caps what is
    decoded. Animated pictures are refused: endpoints would edit one frame of them, or none. Raises
    ImageFault for anything that is not one whole picture within this cap, and OSError when the file
    cannot be read.
    """
    with reading(path, name) as file:
        content = FileSource(file.fileno())
        kind = kind_of(content[:SNIFF_BYTES], name)
        check_readable(content, kind, name)
        sketch = inspect_quickly(content, kind, max_megapixels)
        if sketch and not _has_alpha(sketch.image, name) and sketch.is_sound():
            few = _seen(sketch.image, kind, sketch.stand_in, name)
            size = len(content)
            return replace(few, width=sketch.width, height=sketch.height, size_bytes=size)
        stored = file.read(len(content))
    data = ended(stored, kind, name, max_megapixels)
    with decoded(io.BytesIO(data), kind, name, max_megapixels) as image:
        found = _seen(image, kind, data, name)
    return replace(found, format=_form(found.format, stored, data), size_bytes=len(stored))


def glance(path: Path, *, name: str, max_megapixels: float) -> Picture:
    """
    Return what a picture is by its header alone: fast, and blind to damage behind it. What has alpha counts as
    having transparency.

    Raises as `look` does.
    """
    with reading(path, name) as file:
        content = FileSource(file.fileno())
        kind = kind_of(content[:SNIFF_BYTES], name)
        check_readable(content, kind, name)
        with undecoded(file, kind, name, max_megapixels) as image:
            if kind == "png" and "Raw profile type exif" not in image.info:
                # Else Pillow would look for it behind all pixels.
                image.info.setdefault("exif", b"")
            found = _seen(image, kind, content[:SNIFF_BYTES], name, is_decoded=False)
        return replace(found, size_bytes=len(content))


def _form(kind: str, stored: bytes, data: bytes) -> str:
    """
    Return the format of a picture, with what keeps a JPEG from being sent as it is.
    """
    if data is not stored:
        return UNENDED
    return ARITHMETIC if kind in ("jpeg", "mpo") and is_arithmetic(data) else kind


def without_metadata(path: Path, *, name: str, picture: Picture) -> Stripped | None:
    """
    Return what is sent of a picture that was looked at, None where its metadata cannot be cut out.

    Raises as `look` does.
    """
    shown = Shown(orientation=picture.orientation, is_adobe_rgb=picture.has_exif_colours)
    with reading(path, name) as file:
        return stripped(FileSource(file.fileno()), picture.format, shown)


def digest_without_metadata(path: Path) -> bytes | None:
    """
    Return the SHA-256 of a picture as it would be sent if its metadata changed nothing that is seen.

    None where its metadata cannot be cut out. Raises OSError.
    """
    with opened(path) as descriptor:
        content = FileSource(descriptor)
        found = stripped(content, sniff(content[:SNIFF_BYTES]) or "", Shown())
        if found is None:
            return None
        digest = hashlib.sha256()
        for piece in found.pieces:
            start, end = (0, len(piece)) if isinstance(piece, bytes) else piece
            whole = piece if isinstance(piece, bytes) else content
            for at in range(start, end, _BLOCK):
                digest.update(whole[at : min(at + _BLOCK, end)])
    return digest.digest()


def whole(path: Path) -> bool:
    """
    Say whether a file reaches its end mark, as far as its format has one; see `is_whole`.

    Raises OSError when it cannot be read or is no regular file.
    """
    with opened(path) as descriptor:
        content = FileSource(descriptor)
        if sniff(content[:SNIFF_BYTES]) not in MARKED or len(content) > MOST_BYTES:
            return True
        return is_whole_at_a_glance(content) or is_whole(content)


def check_output(path: Path) -> str:
    """
    Return the extension for a received picture (png, jpg, webp, gif, avif, …), once its pixels are sure to
    decode.

    The pixels decide, not the end mark: what was paid for and can be seen is kept, and so is an
    animation. There is no limit of size: of a plain JPEG or a still PNG the structure is proof enough, and
    whatever else has more pixels than can safely be decoded counts if it reaches its end mark. Raises
    ImageFault for anything else.
    """
    name = "The picture received"
    hint = "Ask the endpoint's operator about its answers if this happens again."
    try:
        # Decoded as it is read, not loaded first: nobody else writes here, and it may be large.
        with opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            content = FileSource(descriptor)
            kind = sniff(content[:SNIFF_BYTES])
            if kind not in EXTENSIONS:
                found = called(kind) if kind else "of no known kind"
                raise unreadable(name, f"is {found}, not PNG, JPEG, WebP, GIF or AVIF")
            _prove(content, file, kind, name)
            return EXTENSIONS[kind]
    except ImageFault as fault:
        raise ImageFault(JobCode.BAD_RESPONSE, fault.problem.message, hint) from fault


def check_finished(path: Path) -> str:
    """
    Return the extension for a picture that was written here. Raises ImageFault for what is none of ours.
    """
    with opened(path) as descriptor:
        kind = sniff(FileSource(descriptor)[:SNIFF_BYTES]) or ""
    if kind not in EXTENSIONS:
        raise unreadable("The picture that was finished", "is none")
    return EXTENSIONS[kind]


def edges_of(path: Path) -> tuple[int, int] | None:
    """
    Return width and height in pixels of a received picture, None where they cannot be told without decoding it.
    """
    try:
        with opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            content = FileSource(descriptor)
            kind = sniff(content[:SNIFF_BYTES])
            if sketch := inspect_quickly(content, kind or "", math.inf):
                return sketch.width, sketch.height
            with DECODERS[kind or ""](file) as image:
                return image.width, image.height
    except (*FAULTS, Image.DecompressionBombError):
        return None


def _prove(content: FileSource, file: BinaryIO, kind: str, name: str) -> None:
    """
    Raise ImageFault unless the pixels of a picture are sure to decode, as far as memory allows to tell.
    """
    sketch = inspect_quickly(content, kind, math.inf)
    if sketch and sketch.is_sound():
        return
    try:
        with decoded(file, kind, name, _SAFE_MEGAPIXELS):
            pass
    except ImageFault as fault:
        is_only_large = fault.problem.code is JobCode.IMAGE_TOO_LARGE and sketch is None
        if not is_only_large or not _is_likely_whole(content, kind):
            raise


def _is_likely_whole(content: FileSource, kind: str) -> bool:
    """
    Tell whether a picture too large to be decoded reaches its end mark, and has bytes enough for its least
    number of pixels: headers alone are no picture.
    """
    is_dense = len(content) * _SPARSEST > _SAFE_MEGAPIXELS * 1_000_000
    return kind in MARKED and is_dense and is_whole(content)


def depth_of(image: Image.Image, data: bytes) -> int:
    """
    Return the bits of a channel as they are stored; 8 where no format could hold more.
    """
    if image.format == "PNG":
        return data[_PNG_DEPTH]
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(map(int, image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))))
    return 8


def orientation_of(image: Image.Image) -> int:
    """
    Return the orientation by which a decoded picture is still to be turned, 1 for none or nonsense.

    Decoders of some formats turn a picture themselves, and then no longer tell of it.
    """
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except FAULTS:
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _seen(
    image: ImageFile.ImageFile, kind: str, data: bytes, name: str, *, is_decoded: bool = True
) -> Picture:
    """
    Return what a decoded picture is. Raises ImageFault for more than one, and for one that makes no sense.
    """
    try:
        _check_single(image, kind, name)
        _check_light(image, name)
        has_alpha = _has_alpha(image, name)
        return Picture(
            format="mpo" if _has_more_behind(image) else kind,
            width=image.width,
            height=image.height,
            mode=image.mode,
            has_alpha=has_alpha,
            has_transparency=has_alpha and (not is_decoded or 0 in alpha_of(image).getextrema()),
            size_bytes=len(data),
            depth=depth_of(image, data),
            orientation=orientation_of(image),
            has_foreign_colours=is_foreign(image),
            has_exif_colours=says_adobe_rgb(image),
            metadata=kinds_in(image),
        )
    except FAULTS as error:
        raise unreadable(name, "is damaged: not all of it can be read") from error


def _has_alpha(image: ImageFile.ImageFile, name: str) -> bool:
    """
    Say whether a picture has any transparency data. Raises ImageFault where its palette is missing.
    """
    if image.mode == "P" and image.palette is None:
        raise unreadable(name, "is damaged: not all of it can be read")
    return image.has_transparency_data


def _check_single(image: ImageFile.ImageFile, kind: str, name: str) -> None:
    """
    Refuse an animation or a file of several pages. A HEIC says which of its pictures is the one.
    """
    frames = 1 if kind == "heic" else getattr(image, "n_frames", 1)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and frames > 1:
        frames = _pages(image, frames)
    if frames > 1:
        what, one = (
            (
                "a file",
                "pages",
            )
            if kind == "tiff"
            else ("an animation", "frames")
        )
        raise ImageFault(
            JobCode.IMAGE_UNSUPPORTED,
            f"{name} is {what} of {frames} {one}.",
            f"Save the {one.removesuffix('s')} that is meant as a picture of its own, as {name}.",
        )


def _check_light(image: ImageFile.ImageFile, name: str) -> None:
    """
    Refuse an HDR picture: what becomes of its light in a picture without it, no decoder can know.
    """
    encoding = encoding_of(image)
    if encoding is not None and encoding.is_hdr:
        raise ImageFault(
            JobCode.IMAGE_UNSUPPORTED,
            f"{name} is an HDR picture, with more light than an edit can hold.",
            f"Export {name} anew as an ordinary picture (SDR, sRGB), such as a JPEG.",
        )


def _pages(image: TiffImagePlugin.TiffImageFile, frames: int) -> int:
    """
    Return how many pages of a TIFF are no smaller copies; the first one stays in sight.
    """
    count = 1
    for frame in range(1, frames):
        image.seek(frame)
        count += not image.tag_v2.get(ExifTags.Base.NewSubfileType, 0) & _IS_REDUCED
    image.seek(0)
    return count


def _has_more_behind(image: Image.Image) -> bool:
    """
    Say whether a JPEG announces further pictures behind itself (CIPA DC-007), as phones write them.
    """
    segments = getattr(image, "applist", [])
    return any(name == "APP2" and body.startswith(b"MPF\0") for name, body in segments)
