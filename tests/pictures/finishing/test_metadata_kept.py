"""
Metadata of an original in its result, field by field; the judge is exiftool, which is no relation.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import exiftool
import sample_pictures
from finishing_cases import Case
from retouchd.pictures.finishing.finish import Finished

pytestmark = exiftool.NEEDED
RIGHTS = "© Jürgen Müller 红"
FIELDS = {
    "EXIF:Copyright": RIGHTS,
    "EXIF:Artist": "Jürgen Müller",
    "EXIF:Make": "Nikon",
    "EXIF:Model": "Z 9",
    "EXIF:DateTimeOriginal": "2026:10:04 11:22:33",
    "EXIF:LensModel": "NIKKOR Z 85mm f/1.2 S",
    "EXIF:FNumber": "1.2",
    "XMP-xmp:Rating": "4",
    "XMP-dc:Description": "Ein Mädchen mit einem roten Schal 围巾",
    "XMP-dc:Creator": "Jürgen Müller",
    "XMP-photoshop:City": "Köln",
}
KEYWORDS = ["Mädchen", "Schal", "红"]
POSITIONS = {
    "EXIF:GPSLatitude": "50.9413",
    "EXIF:GPSLatitudeRef": "N",
    "EXIF:GPSLongitude": "6.9583",
    "EXIF:GPSLongitudeRef": "E",
    "XMP-exif:GPSLatitude": "50.9413",
    "XMP-exif:GPSLongitude": "6.9583",
}
SMOOTH = sample_pictures.smooth((300, 200))
LYING = SMOOTH.transpose(Image.Transpose.ROTATE_90)
RESULT = sample_pictures.smooth((150, 100))


def asked(*arguments: str) -> str:
    return exiftool.said("-charset", "UTF8", "-charset", "exif=UTF8", *arguments)


def source(case: Case, name: str) -> Path:
    """
    A photo as a camera held upright writes it, and a program that knows who made it and where.
    """
    path = case.original(LYING, name, **({"quality": 92} if name.endswith("jpg") else {}))
    thumbnail = case.folder / "thumbnail.jpg"
    RESULT.save(thumbnail)
    values = [f"-{key}={value}" for key, value in {**FIELDS, **POSITIONS}.items()]
    keywords = [f"-XMP-dc:Subject={each}" for each in KEYWORDS]
    if name.endswith("jpg"):
        keywords += [f"-IPTC:Keywords={each}" for each in KEYWORDS]
        keywords += [
            "-IPTC:CodedCharacterSet=UTF8",
            "-IPTC:Caption-Abstract=Ein Schal",
            "-IPTC:City=Köln",
        ]
        keywords += [f"-ThumbnailImage<={thumbnail}"]
    turned = ["-n", "-EXIF:Orientation=6", "-EXIF:ExifImageWidth=200", "-EXIF:ExifImageHeight=300"]
    asked(
        "-overwrite_original",
        "-m",
        *values,
        *keywords,
        *turned,
        "-XMP-tiff:Orientation=6",
        str(path),
    )
    return path


def told(folder: Path, found: Finished) -> dict[str, Any]:
    """
    What exiftool reads in a result, by group and name.
    """
    assert found.data is not None
    path = folder / f"finished.{found.extension}"
    path.write_bytes(found.data)
    (read,) = json.loads(asked("-json", "-G1", "-a", "-n", "-struct", str(path)))
    checked = asked("-validate", "-warning", "-error", "-a", str(path))
    read["checked"] = [line for line in checked.splitlines() if "Validate" not in line]
    assert isinstance(read, dict)
    return read


def value(read: dict[str, Any], name: str) -> Any:
    group, _, key = name.partition(":")
    places = ("IFD0", "ExifIFD") if group == "EXIF" else (group,)
    return next((read[f"{place}:{key}"] for place in places if f"{place}:{key}" in read), None)


@pytest.mark.parametrize("name", ["cat.jpg", "cat.tif", "cat.png"])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif", "tiff"])
def test_what_a_photographer_wrote_is_in_the_result(tmp_path: Path, name: str, kind: str) -> None:
    """
    Whoever made it, when and with what; upright, in its own size, without the place where it was.
    """
    if name != "cat.jpg" and kind in ("webp", "avif"):
        pytest.skip("tried with a JPEG")
    case = Case(tmp_path)

    found = case.finished(
        source(case, name), case.received(RESULT), like="source", format=kind, size="source"
    )

    read = told(tmp_path, found)
    for field, text in FIELDS.items():
        expected = [text] if field == "XMP-dc:Creator" else text
        assert str(value(read, field)) == str(expected), field
    assert read["XMP-dc:Subject"] == KEYWORDS
    assert value(read, "EXIF:Orientation") in ((None, 1) if kind == "avif" else (1,))
    if kind != "tiff":
        size = value(read, "EXIF:ExifImageWidth"), value(read, "EXIF:ExifImageHeight")
        assert size in ((300, 200), (None, None)[: 2 * (name == "cat.tif")])
    assert not [key for key in read if "GPS" in key]
    assert not [key for key in read if "Thumbnail" in key]
    assert "XMP-tiff:Orientation" not in read
    assert read["XMP-iptcExt:DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert read["XMP-iptcExt:AISystemUsed"] == "api.example.com"
    assert read["XMP-iptcExt:AISystemVersionUsed"] == "gpt-image-2"
    assert "XMP-iptcExt:AIPromptInformation" not in read
    assert read["checked"] == []
    if name == "cat.jpg" and kind == "jpeg":
        assert read["IPTC:Keywords"] == KEYWORDS
        assert read["IPTC:Caption-Abstract"] == "Ein Schal"


def test_positions_stay_if_they_are_wanted(tmp_path: Path) -> None:
    case = Case(tmp_path)
    path, received = source(case, "cat.jpg"), case.received(RESULT)
    for kind in ("jpeg", "tiff"):
        found = case.finished(path, received, like="source", format=kind, gps=True)

        read = told(tmp_path, found)
        assert read["GPS:GPSLatitude"] == pytest.approx(50.9413, abs=1e-4)
        assert read["XMP-exif:GPSLongitude"] == pytest.approx(6.9583, abs=1e-4)
        assert [line for line in read["checked"] if "GPSProcessingMethod" not in line] == []


def test_no_byte_of_a_position_is_left_behind(tmp_path: Path) -> None:
    """
    Not in what is no longer pointed to either.
    """
    case = Case(tmp_path)
    path = source(case, "cat.jpg")
    before = path.read_bytes()
    gps = asked("-b", "-GPSLatitude", "-n", str(path))
    assert gps.startswith("50.94")

    found = case.finished(path, case.received(RESULT), like="source")

    assert found.data is not None
    start = before.index(b"Exif\0\0")
    with Image.open(path) as image:
        stored = image.getexif().get_ifd(0x8825)
    degrees, minutes, seconds = stored[2]
    raw = b"".join(
        int(part).to_bytes(4, "big")
        for each in (degrees, minutes, seconds)
        for part in (each.numerator, each.denominator)
    )
    assert raw[-8:] in before[start:]
    assert raw[-8:] not in found.data


def test_iptc_of_a_jpeg_alone_reaches_other_formats(tmp_path: Path) -> None:
    """
    Older programs write nothing else: there it becomes XMP.
    """
    case = Case(tmp_path)
    path = case.original(SMOOTH, "cat.jpg", quality=92)
    texts = [
        "-IPTC:By-line=Jürgen Müller",
        "-IPTC:CopyrightNotice=" + RIGHTS,
        "-IPTC:Headline=Schal",
    ]
    asked(
        "-overwrite_original",
        *texts,
        *[f"-IPTC:Keywords={each}" for each in KEYWORDS],
        "-IPTC:CodedCharacterSet=UTF8",
        str(path),
    )

    found = case.finished(path, case.received(RESULT), like="source", format="png")

    read = told(tmp_path, found)
    assert read["XMP-dc:Creator"] == ["Jürgen Müller"]
    assert read["XMP-dc:Rights"] == RIGHTS
    assert read["XMP-dc:Subject"] == KEYWORDS
    assert read["XMP-photoshop:Headline"] == "Schal"
    assert read["checked"] == []


def test_without_metadata_it_still_says_that_a_model_had_a_part(tmp_path: Path) -> None:
    case = Case(tmp_path)
    path, received = source(case, "cat.jpg"), case.received(RESULT)

    found = case.finished(path, received, metadata="none", size="source", provenance_prompt=True)

    read = told(tmp_path, found)
    assert read["XMP-iptcExt:DigitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert read["XMP-iptcExt:AIPromptInformation"] == "Mach es blau, 请"
    assert value(read, "EXIF:Copyright") is None

    silent = case.finished(path, received, metadata="none", size="source", provenance=False)
    assert "XMP-iptcExt:DigitalSourceType" not in told(tmp_path, silent)


def test_what_came_with_the_answer_stays_where_nothing_else_is_said(tmp_path: Path) -> None:
    case = Case(tmp_path)
    received = case.received(RESULT, "1-1.jpg", exif=sample_pictures.exif(copyright="a model"))

    found = case.finished(source(case, "cat.jpg"), received, size="source")

    read = told(tmp_path, found)
    assert value(read, "EXIF:Copyright") == "a model"
    assert value(read, "EXIF:Artist") is None


def test_colours_said_by_exif_are_said_as_they_are(tmp_path: Path) -> None:
    """
    Adobe RGB by EXIF alone: the numbers stay in it, or EXIF says sRGB.
    """
    case = Case(tmp_path)
    path = case.original(SMOOTH, "cat.jpg", quality=92)
    asked(
        "-overwrite_original", "-n", "-EXIF:ColorSpace=65535", "-EXIF:InteropIndex=R03", str(path)
    )
    received = case.received(RESULT)

    kept = told(tmp_path, case.finished(path, received, like="source"))
    assert value(kept, "EXIF:ColorSpace") == 65535
    assert "Adobe RGB" in kept["ICC_Profile:ProfileDescription"]

    plain = told(tmp_path, case.finished(path, received, like="source", profile="srgb"))
    assert value(plain, "EXIF:ColorSpace") == 1
    assert plain["InteropIFD:InteropIndex"] == "R98"
    assert "ICC_Profile:ProfileDescription" not in plain
