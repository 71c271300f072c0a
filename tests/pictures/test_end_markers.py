import io
import random
import struct
from collections.abc import Sequence
from typing import Any

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from retouchd.job.filetypes import sniff
from retouchd.pictures import end_markers
from retouchd.pictures.end_markers import is_whole


def encoded(kind: str, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    noise = random.Random(7).randbytes(size[0] * size[1] * 3)
    buffer = io.BytesIO()
    Image.frombytes("RGB", size, noise).save(buffer, kind, **options)
    return buffer.getvalue()


def heic() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.effect_noise((64, 48), 80).convert("RGB")).save(buffer)
    return buffer.getvalue()


def with_thumbnail(picture: bytes) -> tuple[bytes, int]:
    """
    Put a whole JPEG into an APP1 segment at the start of another; return where the segment ends.
    """
    inner = b"Exif\0\0" + encoded("JPEG", (16, 16))
    segment = b"\xff\xe1" + struct.pack(">H", len(inner) + 2) + inner
    return picture[:2] + segment + picture[2:], 2 + len(segment)


_STATED = ("webp", "webp with metadata", "avif", "heic", "bmp")
"""Their lengths stand at their beginnings, so that zeros for the rest cannot be told."""
WHOLE = {
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "jpeg with restarts": encoded("JPEG", restart_marker_blocks=2),
    "jpeg with a comment": encoded("JPEG", comment=b"\xff\xd9\xff\xda"),
    "png": encoded("PNG"),
    "webp": encoded("WEBP"),
    "lossless webp": encoded("WEBP", lossless=True),
    "webp with metadata": encoded("WEBP", exif=b"Exif\0\0II*\0"),
    "avif": encoded("AVIF"),
    "heic": heic(),
    "bmp": encoded("BMP"),
}


@pytest.fixture(params=WHOLE.values(), ids=list(WHOLE))
def picture(request: pytest.FixtureRequest) -> bytes:
    found: bytes = request.param
    return found


def test_whole_pictures_are_whole(picture: bytes) -> None:
    """
    A picture as its encoder wrote it reaches its end mark.
    """
    assert is_whole(picture)


def test_what_follows_the_end_does_not_matter(picture: bytes) -> None:
    """
    Bytes behind the end mark, as phones and archives append them, are allowed.
    """
    assert is_whole(picture + b"PK\x03\x04 trailer")
    assert is_whole(picture + bytes(5000))


@pytest.mark.parametrize("sixteenth", range(1, 16))
def test_cut_pictures_are_not_whole(picture: bytes, sixteenth: int) -> None:
    """
    A picture of which only a part has arrived is not whole.
    """
    assert not is_whole(picture[: len(picture) * sixteenth // 16])


@pytest.mark.parametrize("sixteenth", range(1, 16))
@pytest.mark.parametrize("kind", [kind for kind in WHOLE if not kind.endswith(_STATED)])
def test_zeros_in_place_of_the_rest_are_not_whole(kind: str, sixteenth: int) -> None:
    """
    A file that has its full length before its content, as network copies make it, is not whole.
    """
    data = WHOLE[kind]
    arrived = len(data) * sixteenth // 16

    assert not is_whole(data[:arrived] + bytes(len(data) - arrived))


def test_zeros_for_the_last_byte_alone_are_not_whole() -> None:
    """
    Even one missing byte of the end mark counts.
    """
    for kind in ("jpeg", "progressive jpeg"):
        assert not is_whole(WHOLE[kind][:-1] + b"\0")


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_no_strict_beginning_is_whole(kind: str, data: st.DataObject) -> None:
    """
    Wherever a picture is cut after its signature, it is not whole.
    """
    content = WHOLE[kind]
    cut = data.draw(st.integers(16, len(content) - 1))

    assert not is_whole(content[:cut])


@given(
    st.sampled_from(["PNG", "JPEG"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([{}, {"optimize": True}]),
    st.floats(0, 1, exclude_max=True),
)
def test_no_beginning_of_any_picture_is_whole(
    kind: str, width: int, height: int, options: dict[str, bool], part: float
) -> None:
    """
    The same holds for pictures of every size, optimised or not.
    """
    content = encoded(kind, (width, height), **options)
    cut = max(8, int(len(content) * part))

    assert is_whole(content)
    assert not is_whole(content[:cut])


def test_thumbnail_does_not_count() -> None:
    """
    The end mark of a thumbnail inside the metadata is not the picture's.
    """
    data, end = with_thumbnail(WHOLE["jpeg"])

    assert is_whole(data)
    assert not is_whole(data[: end - 1])
    assert not is_whole(data[:end])
    assert not is_whole(data[: len(data) - 2])


def test_filling_before_a_mark_is_stepped_over() -> None:
    """
    JPEG allows any number of FF bytes before a mark.
    """
    data = WHOLE["jpeg"]

    assert is_whole(data[:-2] + b"\xff\xff\xff\xd9")


def test_long_scans_are_searched_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wherever a window of the search ends, no mark at its edge is missed.
    """
    for window in range(2, 40):
        monkeypatch.setattr(end_markers, "_WINDOW", window)
        assert is_whole(WHOLE["jpeg"])
        assert not is_whole(WHOLE["jpeg"][:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xe0\x00\x02" + b"\xff\xe1\x00\x02" * 1_200_000,
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0tEXt\0\0\0\0" * 1_200_000,
        b"RIFF" + struct.pack("<I", 4 + 8 * 1_200_000) + b"WEBP" + b"EXIF\0\0\0\0" * 1_200_000,
    ],
    ids=["jpeg", "png", "webp"],
)
def test_files_of_empty_parts_end(data: bytes) -> None:
    """
    A file made of a million empty parts is no picture, and is not followed to its end.
    """
    assert not is_whole(data)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE["png"][:8] + b"\0\0\0\1IEND" + bytes(4),
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"RIFF\x04\0\0\0WEBP",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"RIFF\x14\0\0\0WEBPVP8 \x40\0\0\0" + bytes(64),
        b"RIFF\x14\0\0\0WEBP" + bytes(64),
    ],
)
def test_stumps_are_not_whole(data: bytes) -> None:
    """
    A signature without a structure behind it is not a picture.
    """
    assert not is_whole(data)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%PDF-1.7", b"hello", bytes(100)])
def test_of_other_files_nothing_is_known(data: bytes) -> None:
    """
    What has no rule counts as whole: other checks refuse it.
    """
    assert is_whole(data)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_any_bytes_are_judged(data: bytes, signature: bytes) -> None:
    """
    Whatever the bytes are, the answer is yes or no; views of memory are read as well.
    """
    assert is_whole(signature + data) == is_whole(memoryview(signature + data))
    assert sniff(signature + data) == sniff(bytearray(signature + data))


HEADS: Sequence[tuple[str | None, bytes]] = [
    ("jpeg", WHOLE["jpeg"]),
    ("png", WHOLE["png"]),
    ("webp", WHOLE["webp"]),
    ("gif", encoded("GIF")),
    ("bmp", encoded("BMP")),
    ("tiff", encoded("TIFF")),
    ("tiff", b"MM\0*\0\0\0\x08"),
    ("tiff", b"II+\0\x08\0\0\0"),
    ("avif", b"\0\0\0\x20ftypavif"),
    ("avif", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"),
    ("heic", b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf"),
    ("heic", b"\0\0\0\x18ftypheic"),
    ("heic", b"\0\0\0\x18ftypmif1"),
    ("cr3", b"\0\0\0\x18ftypcrx "),
    ("video", b"\0\0\0\x18ftypisom"),
    ("video", b"RIFF\0\0\0\0AVI LIST"),
    ("video", b"\0\0\0\x08wide\0\0\1\0mdat"),
    ("video", b"\0\0\1\0moov"),
    ("video", b"\x1a\x45\xdf\xa3\x9f"),
    ("video", bytes.fromhex("3026b2758e66cf11a6d9")),
    ("video", b"FLV\1\5"),
    ("video", b"\0\0\1\xba\x44"),
    ("video", b"\0\0\1\xb3\x14"),
    ("video", (b"G" + bytes(187)) * 4),
    ("jpeg xr", b"II\xbc\1"),
    ("exr", b"v/1\1\2\0\0\0"),
    ("radiance", b"#?RADIANCE\n"),
    ("dicom", bytes(128) + b"DICM"),
    ("fits", b"SIMPLE  =                    T"),
    ("pnm", b"P6\n48 32\n255\n"),
    ("dds", b"DDS \x7c\0\0\0"),
    ("qoi", b"qoif\0\0"),
    ("icns", b"icns\0\0"),
    ("jpeg xl", b"\xff\x0a\0\0"),
    ("jpeg xl", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("jpeg 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("psd", b"8BPS\0\1"),
    ("pdf", b"%PDF-1.7\n"),
    ("eps", b"%!PS-Adobe-3.0 EPSF-3.0"),
    ("eps", b"\xc5\xd0\xd3\xc6\x20\0\0\0"),
    ("ico", b"\0\0\1\0\1\0\x10\x10"),
    ("xcf", b"gimp xcf v011\0"),
    ("zip", b"PK\x03\x04\x14\0"),
    ("svg", b'<svg xmlns="http://www.w3.org/2000/svg">'),
    ("svg", b'\xef\xbb\xbf\n<?xml version="1.0"?>\n<!-- made by hand -->\n<svg>'),
    ("svg", b"<!DOCTYPE svg PUBLIC><SVG>"),
    ("html", b"<!DOCTYPE html><html>"),
    ("html", b"\n<html lang='en'>"),
    (None, b""),
    (None, b"hello"),
    (None, bytes(2000)),
    (None, b"<?xml version='1.0'?><rss>"),
    (None, b"BMW is a car, not a bitmap"),
    (None, b"RIFF\0\0\0\0WAVEfmt "),
]


@pytest.mark.parametrize(("kind", "head"), HEADS)
def test_content_is_named(kind: str | None, head: bytes) -> None:
    """
    The first bytes say what a file is, whatever it is called.
    """
    assert sniff(head) == kind
