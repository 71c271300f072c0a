"""
A cheap look at a picture must tell what decoding all of it tells, whatever became of its bytes.
"""

import contextlib
import errno
import io
import os
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, ImageFile, JpegImagePlugin, PngImagePlugin

from mutants import broken, chunks, jpegs, of_chunks, pngs, rearranged_jpegs, rearranged_pngs
from retouchd.job.filetypes import ARITHMETIC, UNENDED, sniff
from retouchd.pictures import inspect, png, unsupported
from retouchd.pictures.colours import alpha_of, is_foreign, kinds_in, says_adobe_rgb
from retouchd.pictures.decoding import FAULTS, ImageFault, inspect_quickly
from retouchd.pictures.end_markers import is_whole, is_whole_at_a_glance
from retouchd.pictures.jpeg import is_arithmetic
from retouchd.pictures.pillow_gaps import completed, correct_key
from retouchd.request.limits import Picture

MOST_MEGAPIXELS = 1.0
DAMAGED = "not all of it can be read"
IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "sweep"

often = settings(
    max_examples=int(os.environ.get("EXAMPLES", "2000")) if IS_LONG else 300,
    derandomize=not IS_LONG,
    deadline=None,
    print_blob=True,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
pytestmark = [
    pytest.mark.timeout(0 if IS_LONG else 120),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def by_decoding(data: bytes) -> ImageFile.ImageFile | str:
    """
    What Pillow makes of a file when it decodes all of it: an image, or a part of why not.
    """
    try:
        image = _opened(data)
    except FAULTS:
        return "its beginning is not"
    if image.width * image.height > MOST_MEGAPIXELS * 1e6:
        return "too large"
    try:
        image.load()
        if image.format == "PNG":
            correct_key(image, data)
    except FAULTS:
        return DAMAGED
    return image


def by_looking(  # noqa: PLR0911 - one for each thing that may be wrong
    data: bytes, image: ImageFile.ImageFile | str
) -> Picture | str:
    """
    What is to be told of that file when it is dropped.
    """
    if unsupported.obstacle(data, str(sniff(data))):
        return "which is not read"
    if not is_whole(data):
        return _without_end(data)
    if isinstance(image, str):
        return image
    if getattr(image, "n_frames", 1) > 1:
        return "an animation"
    if image.mode == "P" and image.palette is None:
        return DAMAGED
    try:
        return _told(image, data)
    except FAULTS:
        return DAMAGED


def _without_end(data: bytes) -> Picture | str:
    ended = completed(data, MOST_MEGAPIXELS)
    if ended is None:
        return "its end is missing"
    image = by_decoding(ended)
    assert not isinstance(image, str)
    return replace(_told(image, data), format=UNENDED)


def _opened(data: bytes) -> ImageFile.ImageFile:
    if sniff(data) == "png":
        image = PngImagePlugin.PngImageFile(io.BytesIO(data))
        code = png.colour_code(data)
        if code is not None:
            image.info["cicp"] = code
        return image
    return JpegImagePlugin.JpegImageFile(io.BytesIO(data))


def _told(image: ImageFile.ImageFile, data: bytes) -> Picture:
    segments = getattr(image, "applist", [])
    is_mpo = any(name == "APP2" and body.startswith(b"MPF\0") for name, body in segments)
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except FAULTS:
        turn = 1
    form = "mpo" if is_mpo else str(sniff(data))
    is_odd = form != "png" and is_arithmetic(data)
    return Picture(
        format=ARITHMETIC if is_odd else form,
        width=image.width,
        height=image.height,
        mode=image.mode,
        has_alpha=image.has_transparency_data,
        has_transparency=image.has_transparency_data and 0 in alpha_of(image).getextrema(),
        size_bytes=len(data),
        depth=data[24] if image.format == "PNG" else 8,
        orientation=turn if isinstance(turn, int) and 1 <= turn <= 8 else 1,
        has_foreign_colours=is_foreign(image),
        has_exif_colours=says_adobe_rgb(image),
        metadata=kinds_in(image),
    )


@pytest.fixture(scope="module")
def agree(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], None]:
    """
    Check that a file is judged as a full decoding judges it, dropped and received.
    """
    path = tmp_path_factory.mktemp("pictures") / "cat"

    def looked() -> Picture | str:
        try:
            return inspect.look(path, name="cat", max_megapixels=MOST_MEGAPIXELS)
        except ImageFault as fault:
            return fault.problem.message

    def checked() -> str:
        try:
            inspect.check_output(path)
        except ImageFault as fault:
            return fault.problem.message
        return ""

    def check(data: bytes) -> None:
        path.write_bytes(data)
        if sniff(data) not in {"jpeg", "png"}:
            return
        received = by_decoding(data)
        dropped = by_looking(data, received)
        seen, faults = looked(), checked()
        if isinstance(dropped, str) and isinstance(seen, str):
            assert dropped in seen
        else:
            assert seen == dropped
        if isinstance(received, str):
            assert received in faults
        else:
            assert not faults

    return check


def whole_of(kind: str) -> dict[str, bytes]:
    return jpegs() if kind == "jpeg" else pngs()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_sound_pictures_are_told_as_by_decoding(agree: Callable[[bytes], None], kind: str) -> None:
    """
    Of every kind of file the same is told, with something behind its end or without.
    """
    for data in whole_of(kind).values():
        agree(data)
        agree(data + b"PK\x03\x04 trailer")


@often
@given(st.sampled_from(sorted(jpegs())), st.data())
def test_broken_jpegs_are_judged_as_by_decoding(
    agree: Callable[[bytes], None], name: str, data: st.DataObject
) -> None:
    """
    Cut, flipped, zeroed, lost, repeated or additional bytes of a JPEG change no verdict.
    """
    agree(data.draw(broken(jpegs()[name])))


@often
@given(st.sampled_from(sorted(jpegs())), st.data())
def test_rearranged_jpegs_are_judged_as_by_decoding(
    agree: Callable[[bytes], None], name: str, data: st.DataObject
) -> None:
    """
    Neither do lost, repeated, changed or foreign segments, nor marks within the scan.
    """
    agree(data.draw(rearranged_jpegs(jpegs()[name])))


@often
@given(st.sampled_from(sorted(pngs())), st.data())
def test_broken_pngs_are_judged_as_by_decoding(
    agree: Callable[[bytes], None], name: str, data: st.DataObject
) -> None:
    """
    Cut, flipped, zeroed, lost, repeated or additional bytes of a PNG change no verdict.
    """
    agree(data.draw(broken(pngs()[name])))


@often
@given(st.sampled_from(sorted(pngs())), st.data())
def test_rearranged_pngs_are_judged_as_by_decoding(
    agree: Callable[[bytes], None], name: str, data: st.DataObject
) -> None:
    """
    Neither do lost, repeated, changed or foreign chunks, other rows, filters and checks.
    """
    agree(data.draw(rearranged_pngs(pngs()[name])))


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Fail a test in which a picture is decoded as a whole.
    """

    def decoded(*_: object) -> None:
        raise AssertionError("all of it was decoded")

    monkeypatch.setattr(inspect, "decoded", decoded)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("name", sorted(jpegs().keys() - {"progressive"}))
def test_plain_jpegs_are_not_decoded(tmp_path: Path, name: str) -> None:
    """
    Of what cameras and programs write by default no more than a few rows are decoded.
    """
    path = tmp_path / "cat"
    path.write_bytes(jpegs()[name])

    assert inspect.look(path, name="cat", max_megapixels=1).width
    assert inspect.check_output(path) == "jpg"


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("name", sorted(pngs().keys() - {"interlaced", "moving"}))
def test_still_pngs_are_decoded_for_their_transparency_alone(tmp_path: Path, name: str) -> None:
    """
    Where alpha 0 may be among the pixels, they are looked at before sending; else rows are counted.
    """
    path = tmp_path / "cat"
    path.write_bytes(pngs()[name])
    has_alpha = any(each in name for each in ("alpha", "clear", "keyed"))

    assert inspect.check_output(path) == "png"
    if not has_alpha:
        assert inspect.look(path, name="cat", max_megapixels=1).width


def test_png_that_inflates_to_too_much_takes_no_room() -> None:
    """
    What inflates to a thousand times what it should is left to the decoder after a piece.
    """
    found = list(chunks(pngs()["grey"]))
    data = of_chunks([found[0], (b"IDAT", zlib.compress(bytes(100_000_000))), found[-1]])
    sketch = inspect_quickly(data, "png", 1)
    assert sketch is not None

    tracemalloc.start()
    try:
        assert not sketch.is_sound()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8_000_000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "made",
    [
        lambda: jpegs()["dot"][:-2] + b"\xff\0" * 10_000_000,
        lambda: jpegs()["dot"][:-2] + b"\xff" * 20_000_000,
        lambda: jpegs()["dot"][:2] + b"\xff\xe1\0\2" * 2_000_000,
        lambda: of_chunks([*list(chunks(pngs()["dot"]))[:1], *[(b"IDAT", b"")] * 300_000]),
    ],
    ids=["stuffed", "filled", "segments", "chunks"],
)
def test_hostile_files_are_not_followed_for_long(tmp_path: Path, made: Callable[[], bytes]) -> None:
    """
    However a file is made up of empty parts, a verdict comes soon.
    """
    path = tmp_path / "cat"
    path.write_bytes(made())

    assert not inspect.whole(path)
    with pytest.raises(ImageFault):
        inspect.look(path, name="cat", max_megapixels=1)


@pytest.mark.parametrize("name", ["jpeg", "png"])
@pytest.mark.parametrize("reads", range(12))
def test_file_that_shrinks_meanwhile_is_a_picture_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reads: int
) -> None:
    """
    Whenever a writer empties a file that is being looked at, it is taken for damaged at most.
    """
    path = tmp_path / "cat"
    path.write_bytes(whole_of(name)["long"])
    taken = 0

    def pread(descriptor: int, count: int, start: int) -> bytes:
        nonlocal taken
        taken += 1
        return read(descriptor, count, start) if taken <= reads else b""

    read = os.pread
    monkeypatch.setattr(os, "pread", pread)

    with contextlib.suppress(ImageFault):
        assert inspect.look(path, name="cat", max_megapixels=1).width
    with contextlib.suppress(ImageFault):
        inspect.check_output(path)


@pytest.mark.parametrize("name", ["jpeg", "png"])
@pytest.mark.parametrize("at", [1, 2])
def test_failing_disk_is_not_the_pictures_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    """
    Whichever read of a look fails, at the header or behind, nothing is said of the picture.
    """
    path = tmp_path / "cat"
    path.write_bytes(whole_of(name)["long"])
    read, left = os.pread, [at]

    def pread(descriptor: int, count: int, start: int) -> bytes:
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, count, start)

    monkeypatch.setattr(os, "pread", pread)

    with pytest.raises(OSError, match="Input/output error"):
        inspect.look(path, name="cat", max_megapixels=1)
    left[0] = at
    with pytest.raises(OSError, match="Input/output error"):
        inspect.check_output(path)


def test_picture_as_high_as_the_format_allows_is_left_to_the_decoder() -> None:
    """
    The few rows of a stand-in would hide that a decoder takes no more than 65,500.
    """
    data = bytearray(jpegs()["low"])
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 2] = (65_501).to_bytes(2, "big")
    taken = bytes(data[:at]) + (65_500).to_bytes(2, "big") + bytes(data[at + 2 :])

    assert inspect_quickly(bytes(data), "jpeg", 100) is None
    assert inspect_quickly(taken, "jpeg", 100) is not None


@often
@given(
    name=st.sampled_from(sorted(jpegs())),
    arrived=st.floats(0, 1),
    known=st.floats(0, 1),
    is_long=st.booleans(),
    behind=st.sampled_from([b"", b"PK\x03\x04"]),
)
def test_a_glance_takes_no_incomplete_picture_for_whole(
    name: str, arrived: float, known: float, *, is_long: bool, behind: bytes
) -> None:
    """
    However much of a JPEG has arrived, and whatever is still zero, a glance never says more than a search.
    """
    data = jpegs()[name] + behind
    first, last = (int(len(data) * each) for each in sorted((arrived, known)))
    partly = data[:first] + bytes(last - first) + (data[last:] if is_long else b"")

    assert not is_whole_at_a_glance(partly) or is_whole(partly)


@pytest.mark.parametrize("name", sorted(jpegs()))
def test_a_glance_is_enough_for_jpegs_that_end_with_their_end(name: str) -> None:
    """
    Of nearly every JPEG the first and last bytes tell that it is whole.
    """
    assert is_whole_at_a_glance(jpegs()[name])
    assert not is_whole_at_a_glance(jpegs()[name] + b"PK")
