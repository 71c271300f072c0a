"""
JPEG files of every kind: decoded right and sent in the usual form, or named; with or without their end mark.
"""

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from retouchd.errors import JobCode
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.fit_apply import fitted_image
from retouchd.pictures.fit_plan import image_fit
from retouchd.pictures.inspect import look, without_metadata
from retouchd.pictures.pillow_gaps import completed
from retouchd.request.limits import Limits, Picture
from sample_pictures import encoded, heic, scene, smooth

SIZE = (93, 61)
END = b"\xff\xd9"
FILM = b"\0\0\0\x18ftypmp42" + bytes(range(1, 256)) * 20


@pytest.fixture
def store(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "cat.jpg"
        path.write_bytes(data)
        return path

    return write


def seen(path: Path) -> Picture:
    return look(path, name=path.name, max_megapixels=1)


def sent(path: Path) -> tuple[Image.Image, bytes]:
    """
    What is sent of a picture, which has to be fitted for it.
    """
    fit = image_fit(seen(path), Limits())
    assert fit is not None
    data = fitted_image(path, name=path.name, fit=fit, max_megapixels=1)
    return Image.open(io.BytesIO(data)).convert("RGB"), data


def furthest(one: Image.Image, other: Image.Image) -> int:
    return max(ImageChops.difference(one, other).tobytes())


def djpeg(data: bytes) -> Image.Image:
    found = subprocess.run(["djpeg", "-ppm"], input=data, check=True, capture_output=True).stdout
    return Image.open(io.BytesIO(found)).convert("RGB")


def cjpeg(*options: str) -> bytes:
    source = encoded(smooth(SIZE), "PPM")
    return subprocess.run(["cjpeg", *options], input=source, check=True, capture_output=True).stdout


needs_libjpeg = pytest.mark.skipif(
    not (shutil.which("cjpeg") and shutil.which("djpeg")),
    reason="cjpeg and djpeg (libjpeg-turbo-progs) are not installed",
)


@needs_libjpeg
@pytest.mark.parametrize(
    "colours", ["-rgb", "-grayscale", "-sample 1x1", "-sample 2x1", "-sample 2x2"]
)
@pytest.mark.parametrize(
    "coding", ["-baseline", "-progressive", "-optimize", "-restart 1", "-arithmetic"]
)
def test_every_coding_is_seen_as_djpeg_sees_it(
    store: Callable[[bytes], Path], coding: str, colours: str
) -> None:
    """
    What is sent byte for byte is what everybody reads; arithmetic codes, which few do, become Huffman's.
    """
    data = cjpeg("-quality", "95", *coding.split(), *colours.split())
    path = store(data)
    picture = seen(path)

    if coding == "-arithmetic" or colours == "-grayscale":
        image, _ = sent(path)
        assert furthest(image, djpeg(data)) <= 12
    else:
        assert picture.format == "jpeg"
        assert image_fit(picture, Limits()) is None


@needs_libjpeg
def test_arithmetic_codes_are_named_where_nothing_is_fitted(store: Callable[[bytes], Path]) -> None:
    picture = seen(store(cjpeg("-arithmetic")))

    from retouchd.request.validate import check_image

    (problem,) = check_image("cat.jpg", picture, Limits())
    assert problem.code is JobCode.IMAGE_UNSUPPORTED
    assert "arithmetic codes" in problem.message


def with_frame(mark: int, bits: int = 8) -> bytes:
    """
    A JPEG with another mark and number of bits in its frame's header.
    """
    data = encoded(smooth(SIZE), "JPEG")
    at = data.index(b"\xff\xc0")
    return data[: at + 1] + bytes([mark]) + data[at + 2 : at + 4] + bytes([bits]) + data[at + 5 :]


@pytest.mark.parametrize(
    ("mark", "bits", "words"),
    [
        (0xC1, 12, "with 12 bits a channel"),
        (0xC2, 12, "with 12 bits a channel"),
        (0xC9, 12, "with 12 bits a channel"),
        (0xC3, 8, "compressed without loss"),
        (0xC3, 16, "compressed without loss"),
        (0xCB, 8, "compressed without loss"),
        (0xC5, 8, "hierarchical"),
        (0xCE, 8, "hierarchical"),
    ],
)
def test_what_is_not_read_is_named_with_a_way_out(
    store: Callable[[bytes], Path], mark: int, bits: int, words: str
) -> None:
    """
    A whole picture is never called damaged because of its kind.
    """
    with pytest.raises(ImageFault) as caught:
        seen(store(with_frame(mark, bits)))

    assert caught.value.problem.code is JobCode.IMAGE_UNSUPPORTED
    assert words in caught.value.problem.message
    assert "save it as PNG or JPEG" in caught.value.problem.hint


# Without the end mark.


def unended(**options: object) -> bytes:
    return encoded(smooth(SIZE), "JPEG", **options).removesuffix(END)


UNENDED = {
    "plain": unended(quality=95),
    "coarse": unended(quality=20),
    "subsampled": unended(subsampling=2),
    "grey": encoded(smooth(SIZE).convert("L"), "JPEG").removesuffix(END),
    "one colour": encoded(Image.new("RGB", SIZE, "red"), "JPEG").removesuffix(END),
    "restarts": unended(restart_marker_blocks=3),
    "restarts in rows": unended(restart_marker_rows=1),
    "CMYK": encoded(scene(SIZE).convert("CMYK"), "JPEG").removesuffix(END),
}


@pytest.mark.parametrize("kind", UNENDED)
@pytest.mark.parametrize(
    "behind", [b"", FILM, b"\0\0\x30\x0aMotionPhoto_Data" + FILM], ids=["", "film", "mark"]
)
def test_rows_that_are_all_there_are_taken_without_an_end_mark(
    store: Callable[[bytes], Path], kind: str, behind: bytes
) -> None:
    """
    Every pixel is as with the mark; what is sent has one, and nothing of what stood behind the rows.
    """
    data = UNENDED[kind]
    path = store(data + behind)
    picture = seen(path)

    assert picture.format == "unended jpeg"
    assert without_metadata(path, name="cat.jpg", picture=picture) is None
    image, found = sent(path)
    assert found.endswith(END)
    assert b"ftyp" not in found
    assert furthest(image, Image.open(io.BytesIO(data + END)).convert("RGB")) <= 16


@pytest.mark.parametrize("kind", UNENDED)
def test_rows_that_are_missing_are_never_made_up(kind: str) -> None:
    """
    Cut anywhere, with whatever behind the cut, it stays incomplete; not even the last byte may be missing.
    """
    data = UNENDED[kind]
    start = data.index(b"\xff\xda") + 14
    cuts = [*range(1, 8), *range(8, len(data) - start, 37)]
    for cut in cuts:
        rest = data[:-cut]
        for behind in (b"", bytes(cut), bytes(5000), FILM):
            found = completed(rest + behind, 1)
            if found is None:
                continue
            # Only padding may be missing.
            assert cut <= 2, (cut, behind[:4])
            whole = Image.open(io.BytesIO(data + END))
            assert not ImageChops.difference(Image.open(io.BytesIO(found)), whole).getbbox()


def test_zeros_for_an_end_are_not_taken_for_it(store: Callable[[bytes], Path]) -> None:
    """
    A writer that has reserved the room may still be on its way.
    """
    for kind, data in UNENDED.items():
        with pytest.raises(ImageFault, match="its end is missing"):
            seen(store(data + bytes(3000)))
        assert completed(data + b"\0", 1) is None, kind


def test_no_more_pixels_are_decoded_than_allowed() -> None:
    assert completed(UNENDED["plain"], 0.001) is None


def test_a_progressive_picture_needs_its_end_mark(store: Callable[[bytes], Path]) -> None:
    """
    Of its scans nobody knows how many there were to be.
    """
    with pytest.raises(ImageFault, match="its end is missing"):
        seen(store(unended(progressive=True)))


def test_a_heic_without_its_end_stays_incomplete(store: Callable[[bytes], Path]) -> None:
    with pytest.raises(ImageFault, match="its end is missing"):
        seen(store(heic(smooth())[:-1]))


def test_an_end_mark_within_a_film_is_not_the_pictures(store: Callable[[bytes], Path]) -> None:
    """
    Not a byte of the film goes out, though by its marks the file seems whole.
    """
    path = store(UNENDED["plain"] + FILM[:200] + END)
    picture = seen(path)

    assert without_metadata(path, name="cat.jpg", picture=picture) is None
