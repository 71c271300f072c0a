import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.job.filenames import Kind, parse

KINDS = [
    ("cat.png", Kind.IMAGE, "cat", "png"),
    ("cat.JPG", Kind.IMAGE, "cat", "jpg"),
    ("cat.v2.webp", Kind.IMAGE, "cat.v2", "webp"),
    ("mask.png", Kind.IMAGE, "mask", "png"),
    ("unmask.png", Kind.IMAGE, "unmask", "png"),
    ("cat.txt", Kind.PROMPT, "cat", None),
    ("cat.Txt", Kind.PROMPT, "cat", None),
    ("cat.prompt", Kind.PROMPT, "cat", None),
    ("cat.png.txt", Kind.PROMPT, "cat", "png"),
    ("cat.PNG.Prompt", Kind.PROMPT, "cat", "png"),
    ("cat.heic.txt", Kind.PROMPT, "cat", "heic"),
    ("cat.v2.txt", Kind.PROMPT, "cat.v2", None),
    ("cat.mask.png", Kind.MASK, "cat", None),
    ("cat.MASK.Png", Kind.MASK, "cat", None),
    ("cat.jpg.mask.png", Kind.MASK, "cat", "jpg"),
    ("_prompt.txt", Kind.FOLDER_PROMPT, "_prompt", None),
    ("_PROMPT.TXT", Kind.FOLDER_PROMPT, "_prompt", None),
    ("cat.job.json", Kind.RECORD, "cat", None),
    ("cat.error.txt", Kind.REASON, "cat", None),
    ("cat.HEIC", Kind.IMAGE, "cat", "heic"),
    ("cat.jfif", Kind.IMAGE, "cat", "jfif"),
    ("cat.JPE", Kind.IMAGE, "cat", "jpe"),
    ("DSC00001.HIF", Kind.IMAGE, "DSC00001", "hif"),
    ("cat.jfif.txt", Kind.PROMPT, "cat", "jfif"),
    ("cat.jpe.toml", Kind.EDIT, "cat", "jpe"),
    ("cat.hif.mask.png", Kind.MASK, "cat", "hif"),
    ("_DSC0001.JPG", Kind.IMAGE, "_DSC0001", "jpg"),
    ("_DSC0001.txt", Kind.PROMPT, "_DSC0001", None),
    ("_DSC0001.mask.png", Kind.MASK, "_DSC0001", None),
    ("cat.PSD", Kind.FOREIGN_PICTURE, "cat", "psd"),
    ("cat.gif", Kind.FOREIGN_PICTURE, "cat", "gif"),
    ("cat.xmp", Kind.OTHER, "cat", None),
    ("cat.received.png", Kind.OTHER, "cat.received", None),
    ("cat-1.Received.WEBP", Kind.OTHER, "cat-1.Received", None),
    ("cat.received.gif", Kind.OTHER, "cat.received", None),
    ("received.png", Kind.IMAGE, "received", "png"),
    ("cat_received.png", Kind.IMAGE, "cat_received", "png"),
    ("cat.received.txt", Kind.PROMPT, "cat.received", None),
    ("README", Kind.OTHER, "README", None),
    (".png", Kind.OTHER, ".png", None),
]


@pytest.mark.parametrize(
    ("name", "kind", "stem", "target"), KINDS, ids=[f"{row[0]}" for row in KINDS]
)
def test_a_name_says_what_its_file_is(name: str, kind: Kind, stem: str, target: str | None) -> None:
    """
    Extensions, `_prompt` and `mask` are read without case; stems stay as they were written.
    """
    found = parse(name)

    assert kind is found.kind
    assert stem.lower() == found.stem.lower()
    assert name.startswith(found.stem)
    assert target == found.target


def test_stems_that_differ_in_case_are_different() -> None:
    """
    `Cat.txt` is not the prompt of `cat.png`.
    """
    assert parse("Cat.txt").family != parse("cat.png").family


def test_composed_and_decomposed_names_are_one_family() -> None:
    """
    A prompt written on a Mac (NFD) belongs to a picture named on Linux (NFC), each keeping its own name.
    """
    mac, linux = (unicodedata.normalize(form, "Größe.png") for form in ("NFD", "NFC"))

    assert mac != linux
    assert parse(mac).family == parse(linux).family
    assert mac == parse(mac).stem + parse(mac).suffix


def test_a_name_that_is_not_utf8_keeps_its_bytes() -> None:
    """
    Stem and suffix put together are the same bytes as before.
    """
    found = parse(os.fsdecode(b"caf\xe9.png"))

    assert os.fsencode(found.family) == b"caf\xe9"
    assert found.suffix == ".png"


@given(st.binary(min_size=1, max_size=60).map(os.fsdecode))
def test_every_name_can_be_taken_apart(name: str) -> None:
    """
    No name raises, and stem and suffix always make the whole of it.
    """
    found = parse(name)

    assert name == found.stem + found.suffix
    assert found.stem
