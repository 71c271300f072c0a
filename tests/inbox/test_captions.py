"""
A photo without any prompt takes the caption that its program wrote, where the configuration says so.
"""

import io
from collections.abc import AsyncIterator
from pathlib import Path

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


def jpeg(*, xmp: str = "", exif: str = "", iptc: str = "") -> bytes:
    block = Image.Exif()
    if exif:
        block[270] = exif.encode()
    packet = XMP.format(text=xmp, other=f"nicht {xmp}").encode() if xmp else b""
    target = io.BytesIO()
    with Image.open(io.BytesIO(photo())) as image:
        image.convert("RGB").save(target, "JPEG", exif=block, xmp=packet)
    data = target.getvalue()
    if iptc:
        text = iptc.encode()
        sets = b"\x1c\x01\x5a\x00\x03\x1b%G" + b"\x1c\x02\x78" + len(text).to_bytes(2, "big") + text
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
        ({}, ""),
    ],
)
def test_a_caption_is_found_where_programs_write_it(
    tmp_path: Path, wishes: dict[str, str], expected: str
) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(jpeg(**wishes))

    assert caption_of(path, name="cat.jpg", max_megapixels=100) == expected


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


async def test_captions_stay_unread_unless_that_is_set(world: World) -> None:
    world.drop("own.jpg", prompt=None, image=jpeg(xmp="make it blue"))

    await world.once()

    assert world.requests == []
