"""
Pictures on disk: looked at before they are sent, and checked when they arrive.

The only module of the core that uses Pillow. What a file is called decides nothing, its bytes do. All
functions block for as long as a picture takes to decode, and may run in several threads at once: no
setting of Pillow is touched, sizes are judged here before any pixel is decoded.
"""

import errno
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from retouchd.errors import JobCode, Problem
from retouchd.rules.endmarks import SNIFF_BYTES, is_whole, sniff
from retouchd.rules.limits import MB, Picture

# Odd metadata is no reason to refuse a picture, and no line of the log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# Each decoder by itself: Pillow's own choice would try others, and takes a phone's JPEG with a second
# picture behind it for another format.
_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
}
_SENT = frozenset({"png", "jpeg", "webp"})
_EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp", "gif": "gif"}

_MOST_BYTES = 256 * MB
"""What is read of a file at most where no limit is known; no endpoint takes as much."""

_DECODER_FAULTS = (
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


def look(path: Path, *, name: str, max_bytes: int | None, max_megapixels: float) -> Picture:
    """
    Return what a picture is, once every pixel of it has been decoded.

    `name` is what the file is called in messages; `max_bytes` caps what is read, `max_megapixels`
    (millions of pixels) what is decoded. Animated pictures are refused: endpoints would edit one
    frame of them, or none. Raises ImageFault for anything that is not a whole PNG, JPEG or WebP
    within these caps, and OSError when the file cannot be read.
    """
    data = _content(path, name, _MOST_BYTES if max_bytes is None else max_bytes)
    kind = _kind(data, name)
    if not is_whole(data):
        raise _unreadable(name, "is not complete: its end is missing")
    with _decoded(data, kind, name, max_megapixels) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise ImageFault(
                JobCode.IMAGE_UNSUPPORTED,
                f"{name} is an animation of {frames} frames.",
                "Save the frame that is to be edited as a picture of its own.",
            )
        return Picture(
            format=kind,
            width=image.width,
            height=image.height,
            mode=image.mode,
            has_alpha=image.has_transparency_data,
            has_transparency=image.has_transparency_data and _shows_through(image),
            size_bytes=len(data),
        )


def whole(path: Path) -> bool:
    """
    Say whether a file reaches its end mark, as far as its format has one; see `is_whole`.

    Raises OSError when it cannot be read or is no regular file.
    """
    # Read rather than mapped: a writer that truncates a mapped file would kill this process.
    with _opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        size = os.fstat(descriptor).st_size
        if sniff(file.read(SNIFF_BYTES)) not in _SENT or size > _MOST_BYTES:
            return True
        file.seek(0)
        return is_whole(file.read(size))


def check_output(path: Path, *, max_megapixels: float) -> str:
    """
    Return the extension for a received picture (png, jpg, webp, gif), once its pixels were decoded.

    The pixels decide, not the end mark: what was paid for and can be seen is kept, and so is an
    animation. Raises ImageFault when it cannot be decoded or is larger than `max_megapixels`.
    """
    name = "The picture received"
    hint = "Ask the endpoint's operator about its answers if this happens again."
    try:
        data = _content(path, name, _MOST_BYTES)
        kind = sniff(data)
        if kind not in _DECODERS:
            found = kind.upper() if kind else "nothing known"
            raise _unreadable(name, f"is {found}, not PNG, JPEG, WebP or GIF")
        with _decoded(data, kind, name, max_megapixels):
            return _EXTENSIONS[kind]
    except ImageFault as fault:
        raise ImageFault(JobCode.BAD_RESPONSE, fault.problem.message, hint) from fault


@contextmanager
def _opened(path: Path) -> Iterator[int]:
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


def _content(path: Path, name: str, max_bytes: int) -> bytes:
    """
    Read a file into memory, so that what is judged cannot change meanwhile.
    """
    try:
        with _opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            size = os.fstat(descriptor).st_size
            data = file.read(size) if size <= max_bytes else b""
    except _NotAFileError as error:
        raise ImageFault(
            JobCode.IMAGE_UNSUPPORTED,
            f"{name} is a link or something else that is not a file.",
            "Put the picture itself in its place.",
        ) from error
    if size > max_bytes:
        raise ImageFault(
            JobCode.IMAGE_TOO_LARGE,
            f"{name} has {size} bytes; at most {max_bytes} are taken.",
            "Scale the picture down, or compress it more.",
        )
    return data


def _kind(data: bytes, name: str) -> str:
    """
    Return which of the formats that can be sent the bytes are.
    """
    kind = sniff(data)
    if kind in _SENT:
        return kind
    if not data:
        raise _unreadable(name, "is empty")
    if kind is None:
        raise _unreadable(name, "is not a picture of any known kind")
    raise ImageFault(
        JobCode.IMAGE_UNSUPPORTED,
        f"{name} is {kind.upper()}, not PNG, JPEG or WebP.",
        "Export the picture as PNG, JPEG or WebP.",
    )


@contextmanager
def _decoded(
    data: bytes, kind: str, name: str, max_megapixels: float
) -> Iterator[ImageFile.ImageFile]:
    """
    Decode a picture, its header first: no pixel of one that is too large.
    """
    try:
        image = _DECODERS[kind](io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise _too_large(name, "more pixels than are safe") from error
    except _DECODER_FAULTS as error:
        raise _unreadable(name, f"is damaged: its {kind.upper()} header cannot be read") from error
    with image:
        if image.width * image.height > max_megapixels * 1e6:
            pixels = f"{image.width}×{image.height}"
            raise _too_large(name, f"{pixels} pixels, more than {max_megapixels:g} million")
        try:
            image.load()
        except _DECODER_FAULTS as error:
            raise _unreadable(
                name, f"is damaged: it cannot be decoded as {kind.upper()}"
            ) from error
        yield image


def _shows_through(image: Image.Image) -> bool:
    """
    Say whether some pixel has alpha 0: in a channel, in the palette, or by the colour that is clear.
    """
    if image.mode == "P":
        alphas = image.info.get("transparency", b"")
        clear = [alphas] if isinstance(alphas, int) else [i for i, a in enumerate(alphas) if a == 0]
        used = image.histogram()
        return any(used[index] for index in clear)
    if "A" not in image.getbands():
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    lowest, _ = image.getchannel("A").getextrema()
    return lowest == 0


def _unreadable(name: str, what: str) -> ImageFault:
    return ImageFault(
        JobCode.IMAGE_UNREADABLE, f"{name} {what}.", "Export or copy the picture again."
    )


def _too_large(name: str, what: str) -> ImageFault:
    return ImageFault(
        JobCode.IMAGE_TOO_LARGE,
        f"{name} is too large to be opened: {what}.",
        "Scale the picture down, or raise images.max_megapixels.",
    )
