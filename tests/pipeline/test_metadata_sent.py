"""
Metadata on its way through the whole daemon: what the endpoint receives says nothing of place, name or number.
"""

import ast
import json
import os
import struct
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

import exiftool
import sample_pictures as pictures
from engine_world import World, open_world, photo, put
from retouchd.endpoint.transfers import Upload, UploadUnreadable, begun
from retouchd.pictures.inspect import look, without_metadata
from retouchd.pictures.metadata import Blocks, Metadata, with_blocks
from retouchd.request.limits import limits_for
from retouchd.request.multipart import encode, parts_of
from retouchd.sandbox.faults import Fault, FaultKind
from sample_pictures import chunk, encoded, masking, opened, profile, scene, stored_as

PHOTO = Path(__file__).parents[2] / "daemon" / "retouchd" / "cli" / "photos" / "rocket.jpg"
SECRET = "Jürgen Müller 红"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" dc:creator="Jürgen Müller 红"/>'
    "</rdf:RDF></x:xmpmeta>"
).encode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        world.bodies = []
        yield world


def entry(tag: int, kind: int, count: int, value: int | bytes) -> tuple[int, int, int, int | bytes]:
    return tag, kind, count, value


def directories(*found: list[tuple[int, int, int, int | bytes]]) -> bytes:
    """
    EXIF of several directories in little-endian order; a value `-n` points to the n-th of them.
    """
    sizes = [2 + 12 * len(each) + 4 for each in found]
    starts = [8 + sum(sizes[:number]) for number in range(len(found))]
    data, rest = b"", b""
    behind = 8 + sum(sizes)
    for each in found:
        data += struct.pack("<H", len(each))
        for tag, kind, count, value in each:
            if isinstance(value, bytes) and len(value) > 4:
                field = struct.pack("<I", behind + len(rest))
                rest += value + b"\0" * (len(value) % 2)
            elif isinstance(value, bytes):
                field = value.ljust(4, b"\0")
            else:
                field = struct.pack("<I", starts[-value] if value < 0 else value)
            data += struct.pack("<HHI", tag, kind, count) + field
        data += bytes(4)
    return b"II*\0\x08\0\0\0" + data + rest


def camera(orientation: int = 1, *, is_adobe_rgb: bool = False) -> bytes:
    """
    EXIF as cameras write it: artist, serial number, position, a note of the maker; texts in UTF-8.
    """
    name = SECRET.encode() + b"\0"
    third = struct.pack("<6I", 31, 1, 13, 1, 49, 1)
    return directories(
        [
            entry(0x010F, 2, 7, b"Camera\0"),
            entry(0x0112, 3, 1, orientation),
            entry(0x013B, 2, len(name), name),
            entry(0x8769, 4, 1, -1),
            entry(0x8825, 4, 1, -2),
        ],
        [
            entry(0x9000, 7, 4, b"0232"),
            entry(0x927C, 7, 22, b"MAKERNOTE BODY 0041700"),
            entry(0xA001, 3, 1, 0xFFFF if is_adobe_rgb else 1),
            entry(0xA005, 4, 1, -3),
            entry(0xA431, 2, 10, b"SN0041700\0"),
        ],
        [
            entry(0x0000, 1, 4, b"\2\3\0\0"),
            entry(0x0001, 2, 2, b"N\0"),
            entry(0x0002, 5, 3, third),
            entry(0x0003, 2, 2, b"E\0"),
            entry(0x0004, 5, 3, third),
        ],
        [entry(0x0001, 2, 4, b"R03\0" if is_adobe_rgb else b"R98\0")],
    )


IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0f\x1c\x02\x50\0\x0aLi Lei 417\0"


def laden(kind: str, image: Image.Image, orientation: int = 1, **options: Any) -> bytes:
    """
    A file with all the metadata that its format can hold, and a film behind it.
    """
    plain = encoded(image, kind.upper(), icc_profile=pictures.srgb_profile(), **options)
    structure = camera(orientation)
    if kind == "webp":
        whole = encoded(
            image, "WEBP", icc_profile=pictures.srgb_profile(), exif=structure, xmp=XMP, **options
        )
        return whole + b"ftypmp42 Li Lei"
    data = with_blocks(plain, kind, Blocks(exif=structure, xmp=XMP))
    if kind == "jpeg":
        parts = ((0xED, IPTC), (0xFE, b"by Li Lei"), (0xEB, b"JP\0\1\0\0\0\1jumbc2pa Li Lei"))
        more = b"".join(
            bytes([0xFF, mark]) + struct.pack(">H", 2 + len(body)) + body for mark, body in parts
        )
        return data[:20] + more + data[20:] + b"\0\0\0\x18ftypmp42 Li Lei"
    more = b"".join(
        (
            chunk(b"tEXt", b"Author\0Li Lei"),
            chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"Li Lei")),
            chunk(b"tIME", b"\x07\xea\x0b\x1d\1\2\3"),
            chunk(b"prVW", b"Li Lei"),
        )
    )
    return data[:-12] + more + data[-12:] + b"PK\3\4 Li Lei"


def told(*files: bytes) -> list[dict[str, Any]]:
    """
    What exiftool finds in each file, by group and name, and what is wrong with it.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, str(number)) for number in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        text = exiftool.said("-json", "-G1", "-a", "-u", "-ee", *map(str, paths))
    found: list[dict[str, Any]] = json.loads(text)
    assert [each["SourceFile"] for each in found] == [os.fspath(path) for path in paths]
    return found


GROUPS = {
    "ExifTool",
    "File",
    "SourceFile",
    "System",
    "JFIF",
    "PNG",
    "PNG-pHYs",
    "RIFF",
    "Composite",
    "Adobe",
}
TEXTS = {"Author", "Comment", "ModifyDate", "Warning", "Creator", "Software"}


def assert_says_nothing(tags: dict[str, Any], orientation: int = 1) -> None:
    """
    Check that of what exiftool finds nothing but pixels, colours and orientation is told.
    """
    for key in tags:
        group, _, name = key.partition(":")
        if group.startswith("ICC"):
            continue
        if (group, name) in {("IFD0", "Orientation"), ("File", "ExifByteOrder")}:
            assert orientation != 1
            continue
        assert group in GROUPS, key
        assert name not in TEXTS, key


KINDS: dict[str, Callable[..., bytes]] = {
    "baseline": partial(laden, "jpeg", quality=95),
    "progressive": partial(laden, "jpeg", progressive=True),
    "restarts": partial(laden, "jpeg", restart_marker_blocks=1),
    "png": partial(laden, "png"),
    "lossy": partial(laden, "webp"),
    "lossless": partial(laden, "webp", lossless=True),
}
ALL = {
    "baseline": ["exif", "xmp", "iptc", "comment", "c2pa", "trailer"],
    "png": ["exif", "xmp", "comment", "text", "time", "private", "trailer"],
    "lossy": ["exif", "xmp", "trailer"],
}
ALL |= {"progressive": ALL["baseline"], "restarts": ALL["baseline"], "lossless": ALL["lossy"]}


@exiftool.NEEDED
@pytest.mark.parametrize("kind", KINDS)
async def test_the_endpoint_gets_pixels_colours_and_orientation_alone(
    world: World, kind: str
) -> None:
    """
    Image, reference and mask go without metadata; coded pixels and profile are those of the files.
    """
    world.tell(fit=False)
    suffix = {"png": "png", "lossy": "webp", "lossless": "webp"}.get(kind, "jpg")
    dropped = {}
    for orientation in range(1, 9):
        mask = laden("png", stored_as(masking(), orientation), orientation)
        name = f"cat-{orientation}.{suffix}"
        dropped[name] = KINDS[kind](stored_as(scene(), orientation), orientation)
        put(world, f"cat-{orientation}.mask.png", mask)
        put(world, f"cat-{orientation}.toml", 'prompt = "blue"\nimages = ["_refs/back.jpg"]\n')
    reference = laden("jpeg", scene())
    put(world, "_refs/back.jpg", reference)
    for name, data in dropped.items():
        put(world, name, data)

    await world.once()

    assert world.bodies is not None
    assert len(world.bodies) == 8
    sent: list[tuple[bytes, int]] = []
    for number in range(8):
        image, backdrop, mask = world.received(number).values()
        seen = {opened(data).getexif().get(0x0112, 1) for data in (image, mask)}
        (orientation,) = seen
        original = dropped[f"cat-{orientation}.{suffix}"]
        for before, after in ((original, image), (reference, backdrop)):
            assert opened(before).tobytes() == opened(after).tobytes()
            assert opened(before).info["icc_profile"] == opened(after).info["icc_profile"]
            assert len(after) < len(before)
        sent.extend(((image, orientation), (backdrop, 1), (mask, orientation)))
        assert b"Li Lei" not in image + backdrop + mask
        record = world.record(f"done/cat-{orientation}.job.json")
        assert set(record["request"]["removed"]) == {*ALL[kind], *ALL["baseline"], *ALL["png"]}
        assert original == (world.folders.done / f"cat-{orientation}.{suffix}").read_bytes()
    for tags, (_, orientation) in zip(told(*(data for data, _ in sent)), sent, strict=True):
        assert_says_nothing(tags, orientation)


@exiftool.NEEDED
@pytest.mark.parametrize("kind", KINDS)
async def test_a_fitted_picture_says_nothing_either(world: World, kind: str) -> None:
    """
    What is encoded anew holds none of it, and the record names what was left behind.
    """
    world.drop(f"cat-{kind}.jpg", image=KINDS[kind](stored_as(scene(), 6), 6))

    await world.once()

    (image,) = world.received().values()
    assert opened(image).size == scene().size
    (tags,) = told(image)
    assert_says_nothing(tags)
    assert world.record(f"done/cat-{kind}.job.json")["request"]["removed"] == ALL[kind]


def written_by_exiftool(path: Path) -> None:
    names = (
        "Artist",
        "SerialNumber",
        "IPTC:By-line",
        "XMP:Creator",
        "Comment",
        "GPSLatitude",
        "CameraID",
    )
    values = [f"-{name}={'31.2' if 'GPS' in name else 'Li Lei'}" for name in names]
    exiftool.said("-m", *values, f"-ThumbnailImage<={PHOTO}", str(path))


@exiftool.NEEDED
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
async def test_what_exiftool_writes_into_a_photo_stays_here(world: World, kind: str) -> None:
    """
    A program that knows every place for metadata puts it into all of them, and finds none of it again.
    """
    path = world.root / f"cat.{kind}"
    if kind == "jpg":
        path.write_bytes(PHOTO.read_bytes())
    else:
        opened(PHOTO.read_bytes()).resize((90, 60)).save(path)
    written_by_exiftool(path)
    data = path.read_bytes()
    assert data.count(b"Li Lei") >= 3
    world.drop(path.name, image=data)

    await world.once()

    (image,) = world.received().values()
    assert b"Li Lei" not in image
    (tags,) = told(image)
    assert_says_nothing(tags)
    assert opened(image).tobytes() == opened(data).tobytes()
    assert {"exif", "xmp"} <= set(world.record("done/cat.job.json")["request"]["removed"])


async def test_a_file_that_changes_while_its_ranges_are_sent_is_not_sent(tmp_path: Path) -> None:
    """
    Longer, shorter or only written to: what was judged is not what lies there now.
    """
    path = tmp_path / "cat.jpg"
    data = laden("jpeg", scene())
    path.write_bytes(data)
    found = without_metadata(path, name="cat", picture=look(path, name="cat", max_megapixels=1))
    assert found is not None
    mtime_ns = path.stat().st_mtime_ns
    upload = Upload(
        path=path, content_type="image/jpeg", size=len(data), mtime_ns=mtime_ns, stripped=found
    )
    envelope = encode([], parts_of([(upload.content_type, upload.sent_size)], None), "boundary")
    whole = b"".join([bytes(piece) async for piece in await begun(envelope, [upload])])
    assert len(whole) == envelope.length

    for changed in (data + b"x", data[:-1], data[:100]):
        path.write_bytes(changed)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        with pytest.raises(UploadUnreadable, match="changed while it was being sent"):
            _ = [piece async for piece in await begun(envelope, [upload])]
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns + 1))
    with pytest.raises(UploadUnreadable, match="changed while it was being sent"):
        _ = [piece async for piece in await begun(envelope, [upload])]


async def test_keep_sends_all(world: World) -> None:
    """
    With `images.metadata = "keep"` what needs nothing is sent byte for byte, whatever follows its end.
    """
    world.tell(metadata=Metadata.KEEP)
    data = laden("jpeg", scene())
    world.drop("cat.jpg", image=data)

    await world.once()

    assert list(world.received().values()) == [data]
    assert world.record("done/cat.job.json")["request"]["removed"] == []


@exiftool.NEEDED
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", ["gpt-image-2", "dall-e-2"])
async def test_kept_metadata_of_a_fitted_picture_is_as_it_was(
    world: World, kind: str, model: str
) -> None:
    """
    Names keep their letters, places their numbers; the orientation is the only thing to change.
    """
    world.tell(metadata=Metadata.KEEP, model=model, fit=True)
    world.drop(f"cat-{kind}.jpg", image=KINDS[kind](stored_as(scene((40, 40)), 6), 6))

    await world.once()

    (image,) = world.received().values()
    (found,) = told(image)
    assert found["IFD0:Artist"] == SECRET
    assert found["XMP-dc:Creator"] == SECRET
    assert found["ExifIFD:SerialNumber"] == "SN0041700"
    assert found["IFD0:Orientation"] == "Horizontal (normal)"
    assert found["XMP-tiff:Orientation"] == "Horizontal (normal)"
    assert found["Composite:GPSPosition"].startswith("31 deg 13' 49.00\" N")
    assert "ICC_Profile" in " ".join(found) or "ICC-header" in " ".join(found)
    assert camera(1) in image
    left = set(ALL[kind]) - {"exif", "xmp"}
    assert set(world.record(f"done/cat-{kind}.job.json")["request"]["removed"]) == left


@pytest.mark.parametrize("metadata", list(Metadata))
async def test_colours_that_only_exif_tells_are_converted(world: World, metadata: Metadata) -> None:
    """
    A camera's Adobe RGB without a profile comes out as it does with one.
    """
    world.tell(metadata=metadata)
    image = pictures.smooth((64, 64))
    plain = encoded(image, "JPEG", quality=100, subsampling=0)
    structure = camera(is_adobe_rgb=True)
    world.drop("told.jpg", image=with_blocks(plain, "jpeg", Blocks(exif=structure)))
    named = encoded(image, "JPEG", quality=100, subsampling=0, icc_profile=profile("adobe"))
    world.drop("named.jpg", image=named)

    await world.once()

    one, other = (opened(world.received(number)["image.jpg"]) for number in (0, 1))
    assert max(ImageChops.difference(one, other).tobytes()) <= 3
    assert max(ImageChops.difference(one, image).tobytes()) > 9
    assert {tuple(line["changes"]) for line in world.events("image.fitted")} == {("colours",)}


async def test_without_fitting_such_colours_are_told_as_they_were(world: World) -> None:
    """
    Where nothing may be encoded anew, the two entries that tell the colours go along, alone.
    """
    world.tell(fit=False)
    plain = encoded(scene(), "JPEG")
    structure = camera(6, is_adobe_rgb=True)
    world.drop("cat.jpg", image=with_blocks(plain, "jpeg", Blocks(exif=structure)))

    await world.once()

    (image,) = world.received().values()
    found = opened(image).getexif()
    assert dict(found.get_ifd(0x8769)) == {0xA001: 0xFFFF, 0xA005: found.get_ifd(0x8769)[0xA005]}
    assert (found[0x0112], dict(found.get_ifd(0xA005))) == (6, {1: "R03"})
    assert set(found) == {0x0112, 0x8769}
    assert opened(image).tobytes() == opened(plain).tobytes()


async def test_of_a_phones_file_the_first_picture_is_sent_as_it_is_coded(world: World) -> None:
    """
    A JPEG with others behind it needs no encoding: what stands behind its end stays here.
    """
    data = encoded(
        scene(), "MPO", quality=95, save_all=True, append_images=[pictures.smooth((16, 16))]
    )
    world.drop("cat.jpg", image=data)

    await world.once()

    (image,) = world.received().values()
    assert world.requests[-1].files[0].content_type == "image/jpeg"
    assert opened(image).tobytes() == opened(data).tobytes()
    assert data.startswith(image[:2])
    assert image.endswith(b"\xff\xd9")
    assert b"MPF" not in image
    assert world.events("image.fitted") == []
    assert world.record("done/cat.job.json")["request"]["removed"] == ["pictures", "trailer"]


ODD = {
    "jpeg": (
        "jpg",
        encoded(scene(), "JPEG")[:20] + b"Li Lei, 31.2304 N" + encoded(scene(), "JPEG")[20:],
    ),
    "png": ("png", photo()[:-12] + chunk(b"IEND", b"Li Lei")),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
async def test_what_cannot_be_told_by_its_parts_is_encoded_anew(world: World, kind: str) -> None:
    """
    A file that decoders take though it is not written strictly never goes out as it is.
    """
    suffix, data = ODD[kind]
    world.drop(f"cat.{suffix}", image=data)

    await world.once()

    (image,) = world.received().values()
    assert b"Li Lei" not in image
    assert opened(image).size == opened(data).size
    assert [line["changes"] for line in world.events("image.fitted")] == [["metadata"]]


async def test_or_is_refused_where_nothing_is_encoded_anew(world: World) -> None:
    """
    Without fitting there are two ways out, and the reason names them.
    """
    world.tell(fit=False)
    world.drop("cat.jpg", image=ODD["jpeg"][1])

    await world.once()

    assert world.bodies == []
    error = world.record("error/cat.job.json")["error"]
    assert error["code"] == "image_unsupported"
    assert 'images.metadata = "keep"' in error["hint"]
    assert "images.fit = true" in error["hint"]


async def test_a_format_without_a_rule_is_encoded_anew_though_the_model_takes_it(
    world: World,
) -> None:
    """
    Also where the configuration says that HEIC may be sent.
    """
    world.tell(limits=partial(limits_for, overrides={"*": {"formats": ["heic", "png"]}}))
    world.drop("cat.heic", image=pictures.heic(scene(), exif=pictures.exif(1, artist="Li Lei")))

    await world.once()

    assert world.requests[-1].files[0].content_type == "image/png"
    assert world.record("done/cat.job.json")["request"]["removed"] == ["exif"]


async def test_and_is_refused_where_the_model_takes_no_other(world: World) -> None:
    """
    Nothing goes out by mistake because there is no way to fit it.
    """
    world.tell(limits=partial(limits_for, overrides={"*": {"formats": ["heic"]}}))
    world.drop("cat.heic", image=pictures.heic(scene()))

    await world.once()

    assert world.bodies == []
    assert world.record("error/cat.job.json")["error"]["code"] == "image_unsupported"


async def test_limits_count_what_is_sent(world: World) -> None:
    """
    A film behind a picture makes it no larger; neither is it encoded anew nor refused.
    """
    plain = encoded(scene(), "JPEG")
    world.tell(
        fit=False, limits=partial(limits_for, overrides={"*": {"max_image_bytes": len(plain) + 1}})
    )
    world.drop("cat.jpg", image=plain + bytes(100_000))

    await world.once()

    assert list(world.received().values()) == [plain]


@pytest.mark.parametrize("name", ["tEXt", "zTXt", "iTXt", "iCCP"])
async def test_texts_and_profiles_of_any_size_are_no_damage(world: World, name: str) -> None:
    """
    What Pillow will not unpack is no reason to call a picture damaged; its colours are still converted.
    """
    large = zlib.compress(profile("adobe") + bytes(2**20 + 2**18))
    content = {
        "tEXt": b"workflow\0" + b"n" * (2**20 + 1),
        "zTXt": b"workflow\0\0" + large,
        "iTXt": b"workflow\0\1\0\0\0" + large,
        "iCCP": b"monitor\0\0" + large,
    }[name]
    plain = photo()
    world.drop("cat.png", image=plain[:33] + chunk(name.encode(), content) + plain[33:])

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    (image,) = world.received().values()
    assert len(image) < 20_000
    assert (opened(image).tobytes() == opened(plain).tobytes()) == (name != "iCCP")


async def test_a_setting_that_changes_holds_for_what_waits_to_be_sent_again(world: World) -> None:
    """
    Whoever notices that too much goes out and says `strip` is heard at the very next request.
    """
    world.tell(metadata=Metadata.KEEP)
    data = laden("jpeg", scene())
    world.drop("cat.jpg", image=data)
    world.faults(Fault(kind=FaultKind.OVERLOADED, retry_after="600", times=1))
    async with world.running() as daemon:
        await world.asked(1)
        world.tell(metadata=Metadata.STRIP)
        await world.adopt(daemon, world.settings)
        await world.asked(2)

    first, second = (world.received(number)["image.jpg"] for number in (0, 1))
    assert first == data
    assert b"Li Lei" not in second
    # What left the machine once is not said to have stayed.
    assert world.record("done/cat.job.json")["request"]["removed"] == []


async def test_what_an_earlier_version_fitted_is_sent_without_its_metadata(world: World) -> None:
    """
    A file in `upload/` that holds EXIF is cut like any other.
    """
    world.drop("cat.jpg", image=laden("jpeg", stored_as(scene(), 6), 6))
    world.faults(Fault(kind=FaultKind.STALL, times=1))
    async with world.killing():
        await world.asked(1)
    (path,) = world.in_work("upload/image.jpg")
    path.write_bytes(with_blocks(path.read_bytes(), "jpeg", Blocks(exif=camera())))
    for attempt in world.in_work("attempt-*"):
        attempt.unlink()
    (world.folders.work / "journal.jsonl").unlink()

    await world.once()

    assert b"SN0041700" in (world.root / path).read_bytes() if path.exists() else True
    assert b"SN0041700" not in world.received()["image.jpg"]
    assert world.verdicts("done/cat.job.json") == ["done"]


async def test_the_setting_makes_no_other_request_of_it(world: World) -> None:
    """
    The same picture dropped again under the other setting is a duplicate.
    """
    data = laden("jpeg", scene())
    world.drop("cat.jpg", image=data)
    await world.once()
    world.tell(metadata=Metadata.KEEP)
    world.drop("cat.jpg", image=data)

    await world.once()

    assert world.bodies is not None
    assert len(world.bodies) == 1


def test_no_encoder_is_given_exif() -> None:
    """
    Pillow writes "?" for every letter of EXIF beyond ASCII, so that none comes from there. Where results are
    encoded it gets whole blocks as bytes, which it passes on unread: tried field by field beside that module.
    Captions are read from a block, and none is written.
    """
    daemon = Path(__file__).parents[2] / "daemon" / "retouchd"
    calls = [
        (path.name, call.func.attr, {each.arg for each in call.keywords})
        for path in daemon.rglob("*.py")
        if path.parts[-2:] != ("finishing", "encode.py")
        for call in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    ]

    assert any(name == "save" for _, name, _ in calls)
    assert [each for each in calls if each[1] == "save" and {"exif", None} & each[2]] == []
    assert [each for each in calls if each[1] == "Exif" and each[0] != "captions.py"] == []
