"""
A photo without any prompt takes the caption that its program wrote, where the configuration says so.
"""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine_world import World, open_world, photo
from retouchd.pictures.captions import caption_of

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>'
    '<rdf:li xml:lang="de">{other}</rdf:li><rdf:li xml:lang="x-default">{text}</rdf:li>'
    "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def jpeg(*, xmp: str = "", exif: str | bytes = "", iptc: str | bytes = "") -> bytes:
    block = Image.Exif()
    if exif:
        block[270] = exif.encode() if isinstance(exif, str) else exif
    packet = XMP.format(text=xmp, other=f"nicht {xmp}").encode() if xmp else b""
    target = io.BytesIO()
    with Image.open(io.BytesIO(photo())) as image:
        image.convert("RGB").save(target, "JPEG", exif=block, xmp=packet)
    data = target.getvalue()
    if iptc:
        text = iptc.encode() if isinstance(iptc, str) else iptc
        mark = b"\x1c\x01\x5a\x00\x03\x1b%G" if isinstance(iptc, str) else b""
        sets = mark + b"\x1c\x02\x78" + len(text).to_bytes(2, "big") + text
        resource = (
            b"8BIM\x04\x04\x00\x00" + len(sets).to_bytes(4, "big") + sets + b"\0" * (len(sets) % 2)
        )
        body = b"Photoshop 3.0\0" + resource
        data = data[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    return data


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"xmp": "make it blue", "iptc": "b", "exif": "c"}, "make it blue"),
        ({"iptc": "mach es blau, ü", "exif": "c"}, "mach es blau, ü"),
        ({"exif": "改成蓝色"}, "改成蓝色"),
        ({"exif": "OLYMPUS DIGITAL CAMERA"}, ""),
        ({"exif": "SONY DSC"}, ""),
        ({"xmp": "   ", "exif": "make it red"}, "make it red"),
        ({"iptc": "改成蓝色".encode("gb18030")}, ""),
        ({"exif": "青にして".encode("cp932")}, ""),
        ({"iptc": "mach es grün".encode("mac-roman"), "exif": "make it red"}, "make it red"),
        ({"exif": "???? ???"}, ""),
        ({}, ""),
    ],
)
def test_a_caption_is_found_where_programs_write_it(
    tmp_path: Path, wishes: dict[str, Any], expected: str
) -> None:
    """
    And read for certain, or not at all.
    """
    path = tmp_path / "cat.jpg"
    path.write_bytes(jpeg(**wishes))

    assert caption_of(path, name="cat.jpg", max_megapixels=100) == expected


@pytest.mark.parametrize("place", ["iptc", "exif"])
def test_a_caption_that_is_not_in_unicode_is_read_as_prompts_are(
    tmp_path: Path, place: str
) -> None:
    path = tmp_path / "cat.jpg"
    wishes: dict[str, Any] = {place: "改成蓝色".encode("gb18030")}
    path.write_bytes(jpeg(**wishes))

    found = caption_of(path, name="cat.jpg", max_megapixels=100, text_encoding="gb18030")

    assert found == "改成蓝色"


@pytest.mark.parametrize(
    "text",
    [
        "rhdr",
        "cof_vivid",
        "IMG_1234.JPG",
        "SAMSUNG",
        "DCIM\\100MEDIA\\DJI_0001.JPG",
        "Samsung Camera Pictures",
        "CASIO COMPUTER CO.,LTD.",
        "KODAK Digital Still Camera",
        "<KENOX S860  / Samsung S860>",
        "Exif JPEG picture",
        "Screenshot 2024-05-01",
        "Created with The GIMP",
        "Processed with VSCO with a6 preset",
        "File written by Adobe Photoshop 4.0",
        "Captured by Xiaomi",
        "CREATOR: gd-jpeg v1.0",
        "LEAD Technologies Inc. V1.01",
        "- -",
    ],
)
def test_what_cameras_and_programs_write_by_themselves_is_no_caption(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(jpeg(exif=text))

    assert caption_of(path, name="cat.jpg", max_megapixels=100) == ""


def test_what_is_no_picture_has_none(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"no picture")

    assert caption_of(path, name="cat.jpg", max_megapixels=100) == ""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


async def test_a_caption_is_the_prompt_where_there_is_no_other(world: World) -> None:
    """
    It is sent as it is; any prompt that holds comes before it, and a photo without caption waits.
    """
    world.tell(reads_captions=True)
    (world.folders.inbox / "shoes").mkdir()
    (world.folders.inbox / "shoes/_prompt.txt").write_text("make it grey")
    world.drop("own.jpg", prompt=None, image=jpeg(xmp="make {stem} blue"))
    world.drop("text.jpg", prompt="make it red", image=jpeg(xmp="no"))
    world.drop("shoes/red.jpg", prompt=None, image=jpeg(exif="no"))
    world.drop("bare.jpg", prompt=None, image=jpeg(exif="SONY DSC"))

    await world.once()

    assert sorted(world.prompts()) == ["make it grey", "make it red", "make {stem} blue"]
    assert world.tree("inbox") == ["bare.jpg", "shoes/_prompt.txt"]
    record = world.record("done/own.job.json")
    assert record["request"]["from"]["prompt"] == "own.jpg"


async def test_a_caption_is_the_prompt_of_those_edits_that_have_none(world: World) -> None:
    """
    Wherever they are named; a photo without caption waits, and the reason names the edits.
    """
    world.tell(reads_captions=True)
    edits = '[[edits]]\nname = "a"\n[[edits]]\nname = "b"\nprompt = "make it grey"\n'
    (world.folders.inbox / "_edit.toml").write_text(edits)
    world.drop("cat.jpg", prompt=None, image=jpeg(xmp="make it blue"))
    world.drop("bare.jpg", prompt=None, image=jpeg())

    await world.once()

    assert sorted(world.prompts()) == ["make it blue", "make it grey"]
    assert world.tree("outbox") == ["cat-a.png", "cat-b.png"]
    held = [line["reason"] for line in world.lines if line["event"] == "file.held"]
    assert any(reason.startswith("_edit.toml names a among its edits") for reason in held)


async def test_captions_stay_unread_unless_that_is_set(world: World) -> None:
    world.drop("own.jpg", prompt=None, image=jpeg(xmp="make it blue"))

    await world.once()

    assert world.requests == []
