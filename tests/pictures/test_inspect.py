import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageFile, WebPImagePlugin

from retouchd.errors import JobCode
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.inspect import check_output, look, whole
from retouchd.request.limits import Picture

SIZE = (48, 40)
KINDS = ["PNG", "JPEG", "WEBP"]


def noise(size: tuple[int, int] = SIZE, mode: str = "RGB") -> Image.Image:
    bands = Image.new(mode, (1, 1)).getbands()
    return Image.frombytes(mode, size, random.Random(7).randbytes(size[0] * size[1] * len(bands)))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


END = chunk(b"IEND", b"")


def png(width: int, height: int, content: bytes, *, depth: int = 8) -> bytes:
    """
    Put together a grey PNG that claims a size and holds whatever bytes.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(content)) + END
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    def write(data: bytes, name: str = "cat.png") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Fail a test in which any pixel is decoded.
    """

    def load(image: Image.Image) -> None:
        raise AssertionError(f"a {image.format} of {image.size} was decoded")

    for decoder in (ImageFile.ImageFile, WebPImagePlugin.WebPImageFile):
        monkeypatch.setattr(decoder, "load", load)


def seen(path: Path, *, max_megapixels: float = 100) -> Picture:
    return look(path, name=path.name, max_megapixels=max_megapixels)


def refused(path: Path, **caps: Any) -> tuple[JobCode, str]:
    with pytest.raises(ImageFault) as caught:
        seen(path, **caps)
    problem = caught.value.problem
    assert str(caught.value) == problem.message
    assert problem.message.endswith(".")
    assert problem.hint.endswith(".")
    assert "0x" not in problem.message
    return problem.code, problem.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["cat.png", "cat.jpg", "cat"])
def test_bytes_decide_the_format(store: Callable[..., Path], kind: str, name: str) -> None:
    """
    A picture is what its bytes are, whatever the file is called.
    """
    data = encoded(noise(), kind)

    assert seen(store(data, name)) == Picture(
        format=kind.lower(),
        width=48,
        height=40,
        mode="RGB",
        has_alpha=False,
        has_transparency=False,
        size_bytes=len(data),
    )


CLEAR_CORNER = Image.new("L", SIZE, 255)
CLEAR_CORNER.putpixel((0, 0), 0)
FAINT = Image.new("L", SIZE, 1)


def with_alpha(alpha: Image.Image, mode: str = "RGBA") -> Image.Image:
    image = noise().convert(mode)
    image.putalpha(alpha)
    return image


def palette_of(*colours: int) -> Image.Image:
    image = Image.new("P", SIZE)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.putdata([colours[index % len(colours)] for index in range(SIZE[0] * SIZE[1])])
    return image


@pytest.mark.parametrize(
    ("data", "alpha", "transparency"),
    [
        (encoded(noise(), "PNG"), False, False),
        (encoded(with_alpha(CLEAR_CORNER), "PNG"), True, True),
        (encoded(with_alpha(FAINT), "PNG"), True, False),
        (encoded(with_alpha(CLEAR_CORNER, "LA"), "PNG"), True, True),
        (encoded(with_alpha(FAINT, "LA"), "PNG"), True, False),
        (encoded(with_alpha(CLEAR_CORNER), "WEBP", lossless=True), True, True),
        (encoded(with_alpha(FAINT), "WEBP", lossless=True), True, False),
        (encoded(palette_of(0, 1), "PNG"), False, False),
        (encoded(palette_of(0, 1), "PNG", transparency=1), True, True),
        (encoded(palette_of(0, 1), "PNG", transparency=2), True, False),
        (encoded(palette_of(0, 1), "PNG", transparency=b"\xff\x00\x00"), True, True),
        (encoded(palette_of(0, 2), "PNG", transparency=b"\xff\x00\x01"), True, False),
        (encoded(Image.new("RGB", SIZE, "red"), "PNG", transparency=(255, 0, 0)), True, True),
        (encoded(Image.new("RGB", SIZE, "red"), "PNG", transparency=(0, 0, 9)), True, False),
        (encoded(Image.new("L", SIZE, 7), "PNG", transparency=7), True, True),
        (encoded(Image.new("L", SIZE, 7), "PNG", transparency=8), True, False),
        (encoded(Image.new("1", SIZE, 0), "PNG", transparency=0), True, True),
        (encoded(Image.new("1", SIZE, 0), "PNG", transparency=1), True, False),
        (encoded(Image.new("I;16", SIZE, 7), "PNG", transparency=7), True, True),
        (encoded(Image.new("I;16", SIZE, 7), "PNG", transparency=8), True, False),
    ],
)
def test_transparency_is_seen_however_it_is_stored(
    store: Callable[..., Path], data: bytes, *, alpha: bool, transparency: bool
) -> None:
    """
    A channel, a palette or one clear colour can make pixels transparent; faint ones are not enough.
    """
    found = seen(store(data))

    assert (found.has_alpha, found.has_transparency) == (alpha, transparency)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_mode_is_told(store: Callable[..., Path], mode: str) -> None:
    """
    Grey and CMYK pictures are readable, and their mode says that they need fitting.
    """
    assert seen(store(encoded(noise(mode=mode), "JPEG"))).mode == mode


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sixteenth", range(16))
def test_cut_picture_is_unreadable(store: Callable[..., Path], kind: str, sixteenth: int) -> None:
    """
    A picture of which a part is missing is never taken, wherever it was cut.
    """
    data = encoded(noise(), kind)
    path = store(data[: len(data) * sixteenth // 16])

    assert refused(path)[0] is JobCode.IMAGE_UNREADABLE
    assert sixteenth == 0 or not whole(path)


@pytest.mark.parametrize("kind", KINDS)
def test_picture_without_its_last_byte_is_unreadable(store: Callable[..., Path], kind: str) -> None:
    """
    A decoder may be content with less; the end mark is asked for all the same.
    """
    path = store(encoded(noise(), kind)[:-1])

    assert not whole(path)
    assert refused(path) == (
        JobCode.IMAGE_UNREADABLE,
        "cat.png is not complete: its end is missing.",
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("sixteenth", range(1, 16))
def test_preallocated_picture_is_unreadable(
    store: Callable[..., Path], kind: str, sixteenth: int
) -> None:
    """
    A file of full length with zeros where the rest will be is never taken.
    """
    data = encoded(noise(), kind)
    arrived = len(data) * sixteenth // 16
    path = store(data[:arrived] + bytes(len(data) - arrived))

    assert not whole(path)
    assert refused(path)[0] is JobCode.IMAGE_UNREADABLE


def test_thumbnail_is_not_the_picture(store: Callable[..., Path]) -> None:
    """
    A JPEG cut right behind the thumbnail in its metadata is not complete.
    """
    thumbnail = encoded(noise((16, 16)), "JPEG")
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + thumbnail
    data = encoded(noise(), "JPEG", exif=exif)
    cut = data.index(thumbnail) + len(thumbnail)

    assert whole(store(data))
    assert seen(store(data)).width == 48
    assert not whole(store(data[:cut]))
    assert refused(store(data[:cut]))[0] is JobCode.IMAGE_UNREADABLE


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_behind_the_end_are_allowed(store: Callable[..., Path], kind: str) -> None:
    """
    A trailer behind the picture, as phones write it, is no fault.
    """
    path = store(encoded(noise(), kind) + b"PK\x03\x04 trailer" + bytes(99))

    assert whole(path)
    assert seen(path).width == 48


def test_damaged_pixels_are_unreadable(store: Callable[..., Path]) -> None:
    """
    A file with its end mark but without sound pixels is damaged, and the message says so.
    """
    data = png(48, 40, b"too little")
    broken = bytearray(encoded(noise(), "PNG"))
    broken[120:400] = bytes(280)

    for content in (data, bytes(broken)):
        assert refused(store(content)) == (
            JobCode.IMAGE_UNREADABLE,
            "cat.png is damaged: not all of it can be read.",
        )


@pytest.mark.parametrize(
    ("colour_type", "extra"),
    [(3, b""), (2, chunk(b"tEXt", b"transparency\0by name only"))],
    ids=["no palette", "clear colour in words"],
)
def test_pictures_that_decode_to_nonsense_are_unreadable(
    store: Callable[..., Path], colour_type: int, extra: bytes
) -> None:
    """
    What a decoder lets pass and nobody can make anything of is the file's fault, not ours.
    """
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, colour_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(2 if colour_type == 3 else 4)))
    path = store(b"\x89PNG\r\n\x1a\n" + header + extra + pixels + END)

    assert refused(path) == (
        JobCode.IMAGE_UNREADABLE,
        "cat.png is damaged: not all of it can be read.",
    )


def test_damaged_header_is_unreadable(store: Callable[..., Path]) -> None:
    """
    A signature with nonsense behind it is a damaged file.
    """
    code, message = refused(store(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"x") + END))

    assert code is JobCode.IMAGE_UNREADABLE
    assert "its beginning" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello", "not a picture of any known kind"),
        (bytes(5000), "not a picture of any known kind"),
    ],
)
def test_content_that_is_no_picture_is_unreadable(
    store: Callable[..., Path], data: bytes, words: str
) -> None:
    """
    An empty file, a text or zeros under a picture's name are told apart from damage.
    """
    code, message = refused(store(data))

    assert code is JobCode.IMAGE_UNREADABLE
    assert words in message


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (encoded(noise(), "GIF"), "a GIF picture"),
        (encoded(noise(), "PDF"), "a PDF document"),
        (encoded(noise(), "EPS"), "an EPS drawing"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"8BPS\0\1", "a Photoshop file"),
    ],
)
def test_other_kinds_are_named_and_never_opened(
    store: Callable[..., Path], data: bytes, kind: str
) -> None:
    """
    Another kind of file under a picture's name is unsupported, and the message names the kind.
    """
    assert refused(store(data)) == (
        JobCode.IMAGE_UNSUPPORTED,
        f"cat.png is {kind}, which cannot be sent.",
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animation_is_refused(store: Callable[..., Path], kind: str) -> None:
    """
    Of an animation only one frame would be edited, so the person is asked for that frame.
    """
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])

    code, message = refused(store(data))

    assert code is JobCode.IMAGE_UNSUPPORTED
    assert "3 frames" in message


def test_phone_picture_with_a_second_one_inside_is_a_jpeg(store: Callable[..., Path]) -> None:
    """
    Phones put a depth or brightness map behind their JPEG; that makes no animation of it.
    """
    data = encoded(noise(), "MPO", save_all=True, append_images=[noise((16, 16))])

    found = seen(store(data))

    assert (found.format, found.width, found.height) == ("mpo", 48, 40)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_odd_metadata_is_no_fault(store: Callable[..., Path]) -> None:
    """
    A picture whose metadata is broken is still a picture.
    """
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x1a\x01\x05\0\xff\0\0\0\xff\xff\0\0\0\0\0\0"

    assert seen(store(encoded(noise(), "JPEG", exif=exif))).width == 48


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize(
    "data",
    [
        png(12000, 12000, bytes(12000 * 1501), depth=1),
        png(2**31 - 1, 2**31 - 1, b""),
        png(2**31 - 1, 1, b""),
        b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f" + bytes(5),
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff\xff\0" * 2,
        bytes.fromhex("ffd8 ffc0000b08ffffffff01011100 ffda0008010100003f0000 ffd9"),
    ],
    ids=["12000x12000", "huge png", "long png", "huge webp", "huge webp canvas", "huge jpeg"],
)
def test_bombs_are_refused_without_decoding(store: Callable[..., Path], data: bytes) -> None:
    """
    A small file that claims enormous sides is refused by its header alone.
    """
    path = store(data)

    assert refused(path)[0] is JobCode.IMAGE_TOO_LARGE


def test_pixels_are_capped(store: Callable[..., Path]) -> None:
    """
    A picture of exactly the cap is taken, a larger one is refused with its numbers.
    """
    path = store(encoded(noise((50, 40)), "PNG"))

    assert seen(path, max_megapixels=0.002).width == 50
    assert refused(path, max_megapixels=0.0019) == (
        JobCode.IMAGE_TOO_LARGE,
        "cat.png is too large to be opened: it has 50×40 pixels, more than 0.0019 million.",
    )


def test_enormous_file_is_not_read(store: Callable[..., Path]) -> None:
    """
    There is a cap of bytes whatever the model takes, and beyond it nothing is read.
    """
    path = store(encoded(noise(), "PNG"))
    os.truncate(path, 2**40)

    assert refused(path)[0] is JobCode.IMAGE_TOO_LARGE
    assert whole(path)


def make_link(path: Path) -> None:
    path.with_name("real.png").write_bytes(encoded(noise(), "PNG"))
    path.symlink_to("real.png")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere.png")


def make_socket(path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [make_link, make_dangling_link, make_socket, os.mkfifo, os.mkdir])
def test_only_regular_files_are_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """
    A link, FIFO, socket or folder is refused at once and never waited for.
    """
    path = tmp_path / "cat.png"
    make(path)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    assert refused(path)[0] is JobCode.IMAGE_UNSUPPORTED
    with pytest.raises(OSError, match="not a regular file"):
        whole(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_file_that_is_gone_is_not_the_pictures_fault(tmp_path: Path) -> None:
    """
    A vanished file is an OSError for whoever asked, not a fault to blame on the person.
    """
    path = tmp_path / "cat.png"

    with pytest.raises(FileNotFoundError):
        seen(path)
    with pytest.raises(FileNotFoundError):
        whole(path)
    with pytest.raises(FileNotFoundError):
        check_output(path)


def test_files_without_a_rule_are_whole(store: Callable[..., Path]) -> None:
    """
    Of a text, a TIFF or an empty file nothing is known.
    """
    for data in (b"", b"hello", encoded(noise(), "TIFF")):
        assert whole(store(data))


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("PNG", "png"),
        ("JPEG", "jpg"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("AVIF", "avif"),
        ("BMP", "bmp"),
        ("TIFF", "tif"),
    ],
)
def test_received_picture_is_named_by_its_bytes(
    store: Callable[..., Path], kind: str, extension: str
) -> None:
    """
    The extension of a result is that of what was received.
    """
    path = store(encoded(noise(), kind), "output.part")

    assert check_output(path) == extension


def test_received_picture_counts_by_its_pixels(store: Callable[..., Path]) -> None:
    """
    What was paid for and decodes is kept: without its end mark, or moving.
    """
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "green")]
    moving = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    endless = encoded(noise(), "PNG").removesuffix(END)

    assert check_output(store(moving)) == "webp"
    assert check_output(store(endless)) == "png"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!doctype html><title>502</title>",
        b"%PDF-1.7",
        encoded(noise(), "BMP")[:800],
        encoded(noise(), "AVIF")[:800],
        encoded(noise(), "JPEG")[:800],
        encoded(noise(), "PNG")[:800],
        encoded(noise(), "WEBP")[:800],
        encoded(noise(), "GIF")[:400],
    ],
)
def test_undecodable_result_is_a_bad_response(store: Callable[..., Path], data: bytes) -> None:
    """
    What is no picture, or only a part of one, is blamed on the answer.
    """
    with pytest.raises(ImageFault, match=r"^The picture received is .*\.$") as caught:
        check_output(store(data))

    assert caught.value.problem.code is JobCode.BAD_RESPONSE


LARGE = (12_000, 12_000)


LARGE_KINDS: dict[str, Callable[[], bytes]] = {
    "png": lambda: encoded(Image.new("1", LARGE), "PNG"),
    "jpeg": lambda: encoded(Image.new("L", LARGE), "JPEG"),
    "progressive": lambda: encoded(Image.new("L", LARGE), "JPEG", progressive=True),
}


@pytest.mark.parametrize("kind", LARGE_KINDS)
def test_result_of_any_size_is_taken_and_not_decoded(store: Callable[..., Path], kind: str) -> None:
    """
    What was paid for is no bomb for its size: its structure is whole, and nothing of it is unpacked.

    A part of it is no picture.
    """
    data = LARGE_KINDS[kind]()
    cut = data.removesuffix(END)[:-200] + END if kind == "png" else data[:-2_000]

    assert check_output(store(data)) == ("png" if kind == "png" else "jpg")
    with pytest.raises(ImageFault):
        check_output(store(cut))


def test_enormous_sides_with_nothing_behind_them_are_none(store: Callable[..., Path]) -> None:
    """
    What a header claims is no picture.
    """
    claim = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff\xff\0" * 2

    with pytest.raises(ImageFault):
        check_output(store(claim))


def test_threads_do_not_disturb_each_other(store: Callable[..., Path]) -> None:
    """
    Sound and broken pictures looked at together each get their own answer.
    """
    sound = [store(encoded(noise(), kind), kind) for kind in KINDS]
    broken = [store(encoded(noise(), kind)[:-9], f"{kind}-cut") for kind in KINDS]

    def judge(path: Path) -> str:
        try:
            return seen(path).format
        except ImageFault as fault:
            return fault.problem.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(judge, (sound + broken) * 20))

    assert answers == (["png", "jpeg", "webp"] + [JobCode.IMAGE_UNREADABLE] * 3) * 20
