"""
Metadata cut out of pictures: what is sent has the same pixels and colours, and says nothing else.
"""

import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

import mutants
import sample_pictures as pictures
from mutants import broken, jpegs, noise, of_chunks, pngs, rearranged_jpegs, rearranged_pngs
from retouchd.job.filetypes import ByteSource
from retouchd.job.stripped import Stripped
from retouchd.pictures import metadata
from retouchd.pictures.colours import is_foreign
from retouchd.pictures.decoding import DECODERS, FAULTS
from retouchd.pictures.inspect import orientation_of
from retouchd.pictures.metadata import Shown
from retouchd.pictures.pillow_gaps import FileSource
from retouchd.pictures.stripping import stripped
from sample_pictures import chunk, encoded, opened, scene

SECRET = b"Li Lei, 31.2304 N, body 00417"
"""What must not be sent, wherever it stood."""

many = settings(
    max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def sent(data: bytes, found: Stripped) -> bytes:
    """
    The bytes that go out, of which there are as many as was said.
    """
    pieces = (each if isinstance(each, bytes) else data[slice(*each)] for each in found.pieces)
    joined = b"".join(pieces)
    assert found.size == len(joined)
    return joined


def strip(data: bytes, kind: str, shown: Shown | None = None) -> tuple[bytes, list[str]]:
    found = stripped(data, kind, shown or Shown())
    assert found is not None
    return sent(data, found), [each.value for each in found.removed]


def frames(data: bytes) -> list[tuple[str, tuple[int, int], bytes]]:
    """
    The pixels of each frame.
    """
    found = []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append((image.mode, image.size, image.tobytes()))
    return found


def segment(mark: int, content: bytes) -> bytes:
    return bytes([0xFF, mark]) + struct.pack(">H", len(content) + 2) + content


ICC = b"ICC_PROFILE\0\x01\x01" + pictures.srgb_profile()
TIFF = b"II*\0\x08\0\0\0\x01\0\x3b\x01\x02\0\x1e\0\0\0\x1a\0\0\0\0\0\0\0" + SECRET + b"\0"
CUT_SEGMENTS = {
    "exif": (0xE1, b"Exif\0\0" + TIFF, "exif"),
    "exif with a thumbnail": (0xE1, b"Exif\0\0" + TIFF + encoded(scene((16, 16)), "JPEG"), "exif"),
    "exif whose name ends early": (0xE1, b"Exif\0" + SECRET, "exif"),
    "xmp": (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + SECRET, "xmp"),
    "long xmp": (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + SECRET, "xmp"),
    "iptc": (0xED, b"Photoshop 3.0\x008BIM" + SECRET, "iptc"),
    "comment": (0xFE, SECRET, "comment"),
    "comment with marks": (0xFE, b"\xff\xd9\xff\xda" + SECRET, "comment"),
    "c2pa": (0xEB, b"JP\0\x01\0\0\0\x01jumbc2pa" + SECRET, "c2pa"),
    "second pictures": (0xE2, b"MPF\0" + SECRET, "pictures"),
    "gain map": (0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + SECRET, "private"),
    "not a profile": (0xE2, b"ICC_PROFILE " + SECRET, "private"),
    "maker's": (0xE4, b"Qualcomm " + SECRET, "private"),
    "thumbnail": (0xE0, b"JFXX\0\x13" + SECRET, "thumbnail"),
    "canon's": (0xE0, b"II\x1a\0\0\0HEAPCCDR" + SECRET, "private"),
    "empty": (0xEA, b"", "private"),
    "not adobe's": (0xEE, b"Adobf" + SECRET, "private"),
    "short adobe": (0xEE, b"Adobe\0\x64", "private"),
    "short jfif": (0xE0, b"JFIF\0\x01\x01", "private"),
}
KEPT_SEGMENTS = [segment(0xE2, ICC), segment(0xDD, b"\0\0")]


@pytest.mark.parametrize("name", CUT_SEGMENTS)
def test_segments_of_a_jpeg_that_say_nothing_of_its_pixels_are_cut(name: str) -> None:
    """
    Wherever it stands before the first scan, such a segment goes, and is named.
    """
    mark, content, kind = CUT_SEGMENTS[name]
    plain = encoded(scene(), "JPEG", icc_profile=pictures.srgb_profile())

    for at in (2, 20, plain.index(b"\xff\xc0"), plain.index(b"\xff\xda")):
        data = plain[:at] + segment(mark, content) + plain[at:]

        assert strip(data, "jpeg") == (plain, [kind])


@given(st.data())
@many
def test_any_segments_in_any_order_leave_exactly_the_kept_ones(data: st.DataObject) -> None:
    """
    What is sent is the file without the segments that are cut, each other byte as it was.
    """
    name = data.draw(st.sampled_from(["long", "progressive", "restarts", "cmyk", "rgb", "dot"]))
    found, rest = mutants.segments(jpegs()[name])
    parts = [mark + struct.pack(">H", 2 + len(each)) + each for mark, each in found]
    added = data.draw(
        st.lists(
            st.sampled_from([*KEPT_SEGMENTS, *(segment(m, c) for m, c, _ in CUT_SEGMENTS.values())])
            | st.binary(max_size=80).map(lambda body: segment(0xFE, body)),
            max_size=8,
        )
    )
    for each in added:
        parts.insert(data.draw(st.integers(0, len(parts) - 1)), each)
    filled = [b"\xff" * data.draw(st.sampled_from([0, 0, 0, 1, 5])) + each for each in parts]
    cut = {segment(m, c) for m, c, _ in CUT_SEGMENTS.values()}
    kept = [
        each
        for part, each in zip(parts, filled, strict=True)
        if part not in cut and part[1:2] != b"\xfe"
    ]
    trailer = data.draw(st.sampled_from([b"", b"\0", b"\xff\xd8\xff\xe1" + SECRET]))

    result, removed = strip(b"\xff\xd8" + b"".join(filled) + rest + trailer, "jpeg")

    assert result == b"\xff\xd8" + b"".join(kept) + rest
    assert ("trailer" in removed) == bool(trailer)
    assert SECRET not in result


def test_between_the_scans_of_a_progressive_jpeg_nothing_but_codes_is_sent() -> None:
    """
    Tables between scans are needed; comments and application segments there are cut, a profile too.
    """
    plain = jpegs()["progressive"]
    scan = plain.index(b"\xff\xda")
    at = plain.index(b"\xff\xc4", scan)
    others = [segment(0xFE, SECRET), segment(0xE2, ICC), segment(0xE1, b"Exif\0\0" + SECRET)]
    data = plain[:at] + b"".join(others) + plain[at:-2] + segment(0xFE, SECRET) + plain[-2:]

    assert strip(data, "jpeg") == (plain, ["exif", "comment", "private"])
    assert frames(plain) == frames(data)


def test_the_headers_of_colours_are_sent_without_what_hangs_on_to_them() -> None:
    """
    JFIF goes without its thumbnail, Adobe's segment without whatever follows the transform.
    """
    plain = jpegs()["ycck"]
    jfif = b"JFIF\0\x01\x02\x01\0\x48\0\x48"
    adobe = plain.index(b"Adobe")
    tail = plain[adobe + 12 :]
    data = (
        b"\xff\xd8"
        + segment(0xE0, jfif + b"\x01\x0a" + SECRET + b"\0")
        + segment(0xEE, plain[adobe : adobe + 12] + SECRET)
        + tail
    )

    result, removed = strip(data, "jpeg")

    kept = segment(0xE0, jfif + b"\0\0") + segment(0xEE, plain[adobe : adobe + 12])
    assert result == b"\xff\xd8" + kept + tail
    assert removed == ["thumbnail", "private"]
    assert frames(result) == frames(data)


ODD_JPEGS: dict[str, Callable[[bytes], bytes]] = {
    "no end": lambda data: data[:-2],
    "no end, then a film": lambda data: data[:-2] + b"\0\0\0\x18ftypmp42\xff\x3a" + SECRET,
    "bytes between segments": lambda data: data[:20] + SECRET + data[20:],
    "a second start": lambda data: data[:-2] + b"\xff\xd8" + data[-2:],
    "a second frame": lambda data: data[:-2] + data[data.index(b"\xff\xc0") :],
    "lines that say more": lambda data: data[:-2] + segment(0xDC, b"\0\x20" + SECRET) + data[-2:],
    "a hierarchy": lambda data: data[:20] + segment(0xDE, SECRET) + data[20:],
    "a mark of the future": lambda data: data[:20] + segment(0xF7, SECRET) + data[20:],
    "a segment past the end": lambda data: data[:-2] + b"\xff\xe1\xff\xff" + SECRET,
    "garbage behind a table": lambda data: data[:-2] + segment(0xDD, b"\0\0") + SECRET + data[-2:],
    "nothing": lambda _: b"\xff\xd8\xff",
    "no picture": lambda _: b"\xff\xd8\xff\xd9",
}


@pytest.mark.parametrize("name", ODD_JPEGS)
def test_a_jpeg_that_is_not_written_strictly_is_not_told_by_its_parts(name: str) -> None:
    """
    Where what is metadata cannot be known for sure, nothing is said: nothing of the file is sent.
    """
    assert stripped(ODD_JPEGS[name](encoded(scene(), "JPEG")), "jpeg", Shown()) is None


PIXELS = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"pHYs", struct.pack(">IIB", 9, 9, 1))
CUT_CHUNKS = {
    "exif": (b"eXIf", TIFF, "exif"),
    "text": (b"tEXt", b"Author\0" + SECRET, "text"),
    "packed text": (b"zTXt", b"Author\0\0" + SECRET, "text"),
    "comment": (b"tEXt", b"Comment\0" + SECRET, "comment"),
    "xmp": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET, "xmp"),
    "imagemagick's exif": (b"zTXt", b"Raw profile type exif\0\0" + SECRET, "exif"),
    "imagemagick's iptc": (b"zTXt", b"Raw profile type iptc\0\0" + SECRET, "iptc"),
    "time": (b"tIME", struct.pack(">HBBBBB", 2026, 11, 29, 1, 2, 3), "time"),
    "c2pa": (b"caBX", SECRET, "c2pa"),
    "fireworks'": (b"prVW", SECRET, "private"),
    "apple's": (b"iDOT", SECRET, "private"),
    "a palette with a name": (b"sPLT", SECRET + b"\0\x08", "private"),
    "an animation": (b"acTL", struct.pack(">II", 1, 0), "pictures"),
    "gamma with more to it": (b"gAMA", struct.pack(">I", 45455) + SECRET, "private"),
    "a shape with more to it": (b"pHYs", SECRET, "private"),
}


@pytest.mark.parametrize("name", CUT_CHUNKS)
@pytest.mark.parametrize("kind", ["rgb", "palette", "clear colours", "deep", "interlaced"])
def test_chunks_of_a_png_that_say_nothing_of_its_pixels_are_cut(kind: str, name: str) -> None:
    """
    Before the pixels and behind them such a chunk goes, and is named; others stay, checks and all.
    """
    plain = pngs()[kind]
    plain = plain[:33] + PIXELS + plain[33:]
    title, content, removed = CUT_CHUNKS[name]

    for at in (33, plain.index(b"IDAT") - 4, len(plain) - 12):
        data = plain[:at] + chunk(title, content) + plain[at:] + b"IDAT" + SECRET

        assert strip(data, "png") == (plain, [removed, "trailer"])


def test_of_an_animated_png_the_still_picture_is_sent() -> None:
    """
    Of frames only the first one remains, as programs see it that know no animation.
    """
    moving = pngs()["moving"]

    result, removed = strip(moving, "png")

    assert removed == ["pictures"]
    assert frames(result) == frames(moving)[:1]


ODD_PNGS: dict[str, Callable[[bytes], bytes]] = {
    "no end": lambda data: data[:-12],
    "pixels in two runs": lambda data: of_chunks(
        [
            part
            for name, content in mutants.chunks(data)
            for part in (
                [(name, content[:50]), (b"tEXt", SECRET), (name, content[50:])]
                if name == b"IDAT"
                else [(name, content)]
            )
        ]
    ),
    "an unknown chunk that is needed": lambda data: data[:33] + chunk(b"SEcr", SECRET) + data[33:],
    "a header with more to it": lambda data: of_chunks(
        [(n, c + SECRET if n == b"IHDR" else c) for n, c in mutants.chunks(data)]
    ),
    "an end with more to it": lambda data: data[:-12] + chunk(b"IEND", SECRET),
    "two headers": lambda data: data[:33] + data[8:],
    "a chunk before the header": lambda data: data[:8] + chunk(b"CgBI", SECRET[:4]) + data[8:],
    "a chunk past the end": lambda data: data[:-12] + b"\xff\0\0\0tEXt" + SECRET,
    "no pixels": lambda data: data[:33] + data[-12:],
}


@pytest.mark.parametrize("name", ODD_PNGS)
def test_a_png_that_is_not_written_strictly_is_not_told_by_its_parts(name: str) -> None:
    """
    Where what is metadata cannot be known for sure, nothing is said: nothing of the file is sent.
    """
    assert stripped(ODD_PNGS[name](pngs()["rgb"]), "png", Shown()) is None


def riff(*parts: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
        for name, content in parts
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def parts_of(data: bytes) -> list[tuple[bytes, bytes]]:
    found, position = [], 12
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        found.append((data[position : position + 4], data[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    return found


def webp(name: str) -> bytes:
    small = scene().convert("RGBA" if "alpha" in name else "RGB")
    if "alpha" in name:
        small.putalpha(Image.linear_gradient("L").resize(small.size))
    options: dict[str, Any] = {"lossless": "lossless" in name}
    if "moving" in name:
        options |= {"save_all": True, "append_images": [noise(small.size, small.mode)]}
    if "profiled" in name:
        options["icc_profile"] = pictures.srgb_profile()
    return encoded(small, "WEBP", **options)


WEBPS = [
    "lossy",
    "lossless",
    "lossy alpha",
    "lossless alpha",
    "lossy profiled",
    "moving",
    "moving alpha",
]


@pytest.mark.parametrize("name", WEBPS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_chunks_of_a_webp_that_say_nothing_of_its_pixels_are_cut(
    name: str, orientation: int
) -> None:
    """
    The header tells what is left, a decoder sees the same pixels, and the orientation if there is one.
    """
    plain = webp(name)
    held = opened(
        encoded(scene(), "WEBP", exif=pictures.exif(orientation, artist="Li Lei"), xmp=b"x")
    )
    found = parts_of(plain)
    width, height = held.size
    if found[0][0] != b"VP8X":
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        found.insert(0, (b"VP8X", bytes(4) + sides))
    flags = found[0][1][0]
    whole = [
        (b"VP8X", bytes([flags | 0x0C | 0xC1]) + b"abc" + found[0][1][4:]),
        *found[1:],
        (b"EXIF", pictures.exif(orientation, artist="Li Lei")),
        (b"XMP ", SECRET),
        (b"C2PA", SECRET),
        (b"SECR", SECRET),
    ]
    data = riff(*whole) + SECRET

    result, removed = strip(data, "webp", Shown(orientation=orientation))

    assert removed == ["exif", "xmp", "c2pa", "private", "trailer"]
    assert int.from_bytes(result[4:8], "little") == len(result) - 8
    block = metadata.block(Shown(orientation=orientation))
    told = [(b"EXIF", block)] * bool(block)
    head = (b"VP8X", bytes([flags | 8 * bool(block), 0, 0, 0]) + found[0][1][4:])
    assert parts_of(result) == [head, *found[1:], *told]
    assert frames(result) == frames(plain)
    assert orientation_of(opened(result)) == orientation


ODD_WEBPS: dict[str, Callable[[bytes], bytes]] = {
    "more announced than there is": lambda data: data[:-1],
    "two pictures": lambda data: riff(*parts_of(data), *parts_of(data)),
    "no picture": lambda _: riff((b"EXIF", SECRET)),
    "something else first": lambda data: riff((b"SECR", SECRET), *parts_of(data)),
    "a second header": lambda data: riff(*parts_of(data), (b"VP8X", bytes(10))),
    "a short header": lambda data: riff((b"VP8X", bytes(6)), *parts_of(data)),
    "a frame with a secret": lambda _: riff(
        *(
            (name, content + b"SECR" + struct.pack("<I", 30) + SECRET + b"\0")
            if name == b"ANMF"
            else (name, content)
            for name, content in parts_of(webp("moving"))
        )
    ),
    "nothing": lambda _: b"RIFF\0\0\0\0WEBP",
}


@pytest.mark.parametrize("name", ODD_WEBPS)
def test_a_webp_that_is_not_written_strictly_is_not_told_by_its_parts(name: str) -> None:
    """
    Where what is metadata cannot be known for sure, nothing is said: nothing of the file is sent.
    """
    assert stripped(ODD_WEBPS[name](webp("lossy")), "webp", Shown()) is None


def test_an_orientation_has_no_place_in_a_plain_webp() -> None:
    """
    Only the extended header can announce it: such a file is encoded anew.
    """
    assert stripped(webp("lossy"), "webp", Shown(orientation=3)) is None


@pytest.mark.parametrize("kind", ["gif", "bmp", "tiff", "heic", "avif"])
def test_other_formats_are_not_told_by_their_parts(kind: str) -> None:
    """
    Their metadata stays here by encoding them anew.
    """
    data = pictures.heic(scene()) if kind == "heic" else encoded(scene(), kind.upper())

    assert stripped(data, kind, Shown()) is None


def looked(data: bytes, kind: str) -> ImageFile.ImageFile | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = DECODERS[kind](io.BytesIO(data))
            if image.width * image.height > 1e6:
                return None
            image.load()
    except (*FAULTS, Image.DecompressionBombError):
        return None
    return image


def check_seen_alike(data: bytes, kind: str) -> None:
    """
    If a file can be told by its parts and decoded, what is sent decodes to the same.
    """
    image = looked(data, kind)
    if image is None or any(
        isinstance(image.info.get(name), str) for name in ("bbox", "interlace")
    ):
        return  # Pillow decodes by its own notes of those names, and takes texts of a PNG for them.
    found = stripped(data, kind, Shown(orientation=orientation_of(image)))
    if found is None:
        return
    result = looked(sent(data, found), kind)
    assert result is not None
    assert (image.mode, image.size) == (result.mode, result.size)
    assert image.tobytes() == result.tobytes()
    assert orientation_of(image) == orientation_of(result)
    assert is_foreign(image) == is_foreign(result)


@given(st.sampled_from(sorted(jpegs())), st.data())
@many
def test_broken_jpegs_are_seen_as_before(name: str, data: st.DataObject) -> None:
    """
    Whatever became of a file on its way, cutting its metadata changes no pixel of it.
    """
    check_seen_alike(data.draw(broken(jpegs()[name])), "jpeg")
    check_seen_alike(data.draw(rearranged_jpegs(jpegs()[name])), "jpeg")


@given(st.sampled_from(sorted(set(pngs()) - {"moving"})), st.data())
@many
def test_broken_pngs_are_seen_as_before(name: str, data: st.DataObject) -> None:
    """
    Whatever became of a file on its way, cutting its metadata changes no pixel of it.
    """
    check_seen_alike(data.draw(broken(pngs()[name])), "png")
    check_seen_alike(data.draw(rearranged_pngs(pngs()[name])), "png")


def test_a_frame_of_no_animation_is_not_cut_from_a_png() -> None:
    """
    Decoders differ about the pixels of such a file, and without it all would see something else than before.
    """
    data = pngs()["alpha"]
    frame = struct.pack(">IIIIIHHBB", 0, 20, 10, 0, 0, 1, 9, 0, 0)

    assert stripped(data[:33] + chunk(b"fcTL", frame) + data[33:], "png", Shown()) is None


@given(st.sampled_from(WEBPS), st.data())
@many
def test_broken_webps_are_seen_as_before(name: str, data: st.DataObject) -> None:
    """
    Whatever became of a file on its way, cutting its metadata changes no pixel of it.
    """
    check_seen_alike(data.draw(broken(webp(name))), "webp")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("is_adobe_rgb", [False, True])
def test_the_block_tells_orientation_and_colours_and_nothing_else(
    orientation: int, *, is_adobe_rgb: bool
) -> None:
    """
    Decoders read from it what was meant, and no other entry.
    """
    shown = Shown(orientation=orientation, is_adobe_rgb=is_adobe_rgb)

    structure = metadata.block(shown)

    told = Image.Exif()
    told.load(structure)
    assert metadata.says_adobe_rgb(structure) == is_adobe_rgb
    assert told.get(0x0112, 1) == orientation
    assert dict(told.get_ifd(0xA005)) == ({1: "R03"} if is_adobe_rgb else {})
    assert set(told) - {0x8769} == ({0x0112} if orientation > 1 else set())
    assert bool(structure) != shown.is_plain
    corrected = metadata.corrected(structure, is_srgb=True)
    assert metadata.says_adobe_rgb(corrected) is False
    assert len(corrected) == len(structure)


@given(data=st.binary(max_size=80), is_little=st.booleans())
def test_no_structure_is_too_odd(data: bytes, *, is_little: bool) -> None:
    """
    Entries, pointers and counts may say anything.
    """
    structure = (b"II*\0\x08\0\0\0" if is_little else b"MM\0*\0\0\0\x08") + data

    assert len(metadata.corrected(structure, is_srgb=True)) == len(structure)
    assert len(metadata.corrected(data, is_srgb=True)) == len(data)
    metadata.says_adobe_rgb(structure)


class Shrinking:
    """
    A file of which less and less is left while it is read.
    """

    def __init__(self, data: bytes, reads: int) -> None:
        self._data, self._reads = data, reads

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, piece: slice) -> bytes:
        self._reads -= 1
        return self._data[piece] if self._reads > 0 else b""


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_file_that_is_cut_while_it_is_looked_at_raises_nothing(kind: str) -> None:
    """
    Whoever has it open may truncate it; that it changed shows when it is sent.
    """
    whole: dict[str, bytes] = {
        "jpeg": jpegs()["turned"], "png": pngs()["turned"], "webp": webp("moving alpha"),
    }  # fmt: skip
    for reads in range(1, 40):
        content: ByteSource = Shrinking(whole[kind], reads)
        stripped(content, kind, Shown(orientation=3))


def test_from_disk_it_is_the_same_as_in_memory(tmp_path: Path) -> None:
    """
    A file is read in pieces, wherever its parts begin and end.
    """
    data = encoded(noise((700, 500)), "JPEG", quality=97, progressive=True, exif=pictures.exif(6))
    path = tmp_path / "cat.jpg"
    path.write_bytes(data)

    with path.open("rb") as file:
        found = stripped(FileSource(file.fileno()), "jpeg", Shown())

    assert found == stripped(data, "jpeg", Shown())
    assert found is not None
    assert frames(sent(data, found)) == frames(data)
