"""
Files of pictures read and decoded: no pixel before its header was judged; some seen through without decoding.

What a file is called decides nothing, its bytes do. Everything blocks for as long as a picture takes to decode,
and may run in several threads at once: no setting of a decoder is touched.

What a full decoding would tell is told at the cost of reading, where that is possible: instead of a plain JPEG
or a still PNG a small stand-in is decoded, with all of its header and few of its rows; `jpeg` and `png` say why
that and a look at the rest prove as much. Of every other picture, and wherever anything is odd, nothing is
said: a full decoding decides.
"""

import errno
import io
import logging
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pillow_heif
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from retouchd.errors import JobCode, Problem
from retouchd.job.filetypes import ByteSource, called, kind_by, sniff
from retouchd.pictures import end_markers, jpeg, png, unsupported
from retouchd.pictures.end_markers import is_whole
from retouchd.pictures.pillow_gaps import (
    FileSource,
    completed,
    correct_key,
    silence_libtiff,
    without_excess,
)
from retouchd.request.rules import MB

# One decoder for every TIFF: Pillow's own reads planes of 16 bits that lie apart as half rows of noise.
TiffImagePlugin.READ_LIBTIFF = True
silence_libtiff()

# What decoders think of a file is no line of the log: it names none. Odd metadata is no reason to refuse it.
logging.getLogger("PIL").propagate = False
logging.getLogger("PIL").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Each decoder by itself: Pillow's own choice would try others, and takes a phone's JPEG with a second
# picture behind it for another format.
DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "heic": pillow_heif.HeifImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
}
READABLE = frozenset(DECODERS) - {"gif"}
"""The formats of pictures that can be sent, as they are or fitted."""

MOST_BYTES = 256 * MB
"""What is read of a file at most; no endpoint takes as much."""

FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What decoders were seen to raise over bytes they did not expect. MemoryError is not the file's fault."""


class ImageFault(Exception):
    """
    A file is not a picture that can be used; `problem` says why and what to do.
    """

    def __init__(self, code: JobCode, message: str, hint: str) -> None:
        super().__init__(message)
        self.problem = Problem(code=code, message=message, hint=hint)


class _NotAFileError(OSError):
    """
    A link, folder, FIFO, device or socket stands where a file was expected.
    """


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """
    Open a regular file for reading: follow no link at its end, wait for no other end of a FIFO.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link, a socket
            raise _NotAFileError(error.errno, "not a regular file", str(path)) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _NotAFileError(errno.EINVAL, "not a regular file", str(path))
        yield descriptor
    finally:
        os.close(descriptor)


def content(path: Path, name: str) -> bytes:
    """
    Return what a file holds, so that what is judged cannot change meanwhile.

    Raises ImageFault for what is no file or far too large, OSError for what cannot be read.
    """
    with reading(path, name) as file:
        return file.read(os.fstat(file.fileno()).st_size)


@contextmanager
def reading(path: Path, name: str) -> Iterator[BinaryIO]:
    """
    Open a file that is not too large to be read.

    Raises ImageFault for what is no file or far too large, OSError for what cannot be read.
    """
    try:
        with opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            size = os.fstat(descriptor).st_size
            if size > MOST_BYTES:
                raise ImageFault(
                    JobCode.IMAGE_TOO_LARGE,
                    f"{name} has {-(-size // MB)} MB; at most {MOST_BYTES // MB} MB are read.",
                    f"Scale {name} down, or compress it more.",
                )
            yield file
    except _NotAFileError as error:
        raise ImageFault(
            JobCode.IMAGE_UNSUPPORTED,
            f"{name} is a link or something else that is not a file.",
            f"Put the picture itself in the place of {name}.",
        ) from error


def kind_of(data: bytes, name: str) -> str:
    """
    Return which of the formats that can be read the bytes are. Raises ImageFault.
    """
    kind = kind_by(name, sniff(data))
    if kind in READABLE:
        return kind
    if not data:
        raise unreadable(name, "is empty")
    if kind is None:
        raise unreadable(name, "is not a picture of any known kind")
    raise ImageFault(
        JobCode.IMAGE_UNSUPPORTED,
        f"{name} is {called(kind)}, which cannot be sent.",
        "Put the picture itself in its place, saved as PNG or JPEG.",
    )


def check_readable(content: ByteSource, kind: str, name: str) -> None:
    """
    Raise ImageFault for a whole picture of a kind within its format that is not decoded, or not rightly.
    """
    obstacle = unsupported.obstacle(content, kind)
    if obstacle is not None:
        what, how = obstacle
        raise ImageFault(JobCode.IMAGE_UNSUPPORTED, f"{name} is {what}.", how.format(name=name))


def ended(data: bytes, kind: str, name: str, max_megapixels: float) -> bytes:
    """
    Return a picture that reaches its end mark: as it is, or a JPEG that lacks nothing but that mark, with it.

    Raises ImageFault for one whose end is missing.
    """
    if is_whole(data):
        return data
    found = completed(data, max_megapixels) if kind == "jpeg" else None
    if found is None:
        raise unreadable(name, "is not complete: its end is missing")
    return found


@contextmanager
def undecoded(
    source: BinaryIO, kind: str, name: str, max_megapixels: float
) -> Iterator[ImageFile.ImageFile]:
    """
    Open a picture of which only the header is read. Raises as `decoded` does.
    """
    try:
        image = DECODERS[kind](source)
    except Image.DecompressionBombError as error:
        raise too_large(name, "more pixels than are safe") from error
    except FAULTS as error:
        _raise_if_of_disk(error)
        raise unreadable(
            name, f"is damaged: its beginning is not that of {called(kind)}"
        ) from error
    with image:
        if image.width * image.height > max_megapixels * 1e6:
            raise too_large(
                name,
                f"{image.width}×{image.height} pixels, more than {max_megapixels:g} million",
            )
        yield image


@contextmanager
def decoded(
    source: BinaryIO, kind: str, name: str, max_megapixels: float
) -> Iterator[ImageFile.ImageFile]:
    """
    Decode a picture, its header first: no pixel of one that is too large.

    Where a file holds several pictures, it is the first one, or the one it calls its primary one.
    Raises ImageFault, and OSError where the disk and not the picture is at fault.
    """
    icc = None
    stored = source.getvalue() if isinstance(source, io.BytesIO) else FileSource(source.fileno())
    code = _colour_code(stored, kind)
    if kind == "png":
        source, icc = without_excess(source, stored)
    with undecoded(source, kind, name, max_megapixels) as image:
        try:
            image.load()
            if kind == "png":
                correct_key(image, stored)
        except FAULTS as error:
            _raise_if_of_disk(error)
            raise unreadable(name, "is damaged: not all of it can be read") from error
        if icc is not None:
            image.info["icc_profile"] = icc
        if code is not None:
            image.info["cicp"] = code
        yield image


def _colour_code(stored: ByteSource, kind: str) -> tuple[int, ...] | None:
    """
    Return what numbers of a file say of its colours, as cICP has them; Pillow knows none of them.
    """
    if kind == "png":
        return png.colour_code(stored)
    found = end_markers.heif_colour_code(stored) if kind == "avif" else None
    return None if found is None else (*found, 0, 1)


def _raise_if_of_disk(error: BaseException) -> None:
    """
    Raise the error of the system behind a decoder's error, if there is one: nothing is known of the picture.
    """
    cause: BaseException | None = error
    while cause is not None:
        # A decoder's own have no number; EINVAL is a seek to where a damaged file points.
        if isinstance(cause, OSError) and cause.errno not in {None, errno.EINVAL}:
            raise cause
        cause = cause.__context__


def unreadable(name: str, what: str) -> ImageFault:
    """
    Return the fault of a file that is damaged or no picture at all.
    """
    return ImageFault(JobCode.IMAGE_UNREADABLE, f"{name} {what}.", f"Export or copy {name} again.")


def too_large(name: str, what: str) -> ImageFault:
    """
    Return the fault of a picture that is not to be decoded.
    """
    return ImageFault(
        JobCode.IMAGE_TOO_LARGE,
        f"{name} is too large to be opened: it has {what}.",
        f"Scale {name} down, or raise images.max_megapixels in the configuration.",
    )


_MISTAKABLE = frozenset({"bbox", "interlace"})
"""Names under which Pillow keeps what it decodes a PNG by, and its texts as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickInspection:
    """
    A stand-in, as bytes and decoded, that tells all of a picture but its height and pixels.

    `width` and `height` are the picture's own. `is_sound` reads the rest of it and says whether it is sure
    to decode; it raises OSError where that cannot be read.
    """

    stand_in: bytes
    image: ImageFile.ImageFile
    width: int
    height: int
    is_sound: Callable[[], bool]


def inspect_quickly(
    content: ByteSource, kind: str, max_megapixels: float
) -> QuickInspection | None:
    """
    Return a sketch of a picture, None where only a full decoding can tell what it is.
    """
    match kind:
        case "jpeg":
            return _of_jpeg(content, max_megapixels)
        case "png":
            return _of_png(content, max_megapixels)
        case _:
            return None


def _of_jpeg(content: ByteSource, max_megapixels: float) -> QuickInspection | None:
    found = jpeg.outline(content)
    if found is None or found.width * found.height > max_megapixels * 1e6:
        return None
    is_sound = partial(jpeg.reaches_end, content, found)
    return _sketch(jpeg.stand_in(content, found), "jpeg", found.width, found.height, is_sound)


def _of_png(content: ByteSource, max_megapixels: float) -> QuickInspection | None:
    found = png.outline(content)
    if found is None or found.width * found.height > max_megapixels * 1e6:
        return None
    is_sound = partial(png.has_every_row, content, found)
    sketch = _sketch(png.stand_in(content, found), "png", found.width, found.height, is_sound)
    code = png.colour_code(content)
    if sketch and code is not None:
        sketch.image.info["cicp"] = code
    return sketch if sketch and _MISTAKABLE.isdisjoint(sketch.image.info) else None


def _sketch(
    stand_in: bytes, kind: str, width: int, height: int, is_sound: Callable[[], bool]
) -> QuickInspection | None:
    image = _decoded(stand_in, kind)
    if image is None:
        return None
    return QuickInspection(
        stand_in=stand_in, image=image, width=width, height=height, is_sound=is_sound
    )


def _decoded(stand_in: bytes, kind: str) -> ImageFile.ImageFile | None:
    """
    Return a stand-in decoded; what is wrong with it, the picture itself will tell.
    """
    try:
        image = DECODERS[kind](io.BytesIO(stand_in))
        image.load()
    except FAULTS:
        return None
    return image
