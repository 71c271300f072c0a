import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOT_UTF8, named
from retouchd.errors import JobCode
from retouchd.job.naming import shown
from retouchd.job.pairing import Bundle, pair

ENDS = [
    *(".png", ".PNG", ".jpg", ".webp", ".psd", ".raf", ".txt", ".prompt"),
    *(".png.txt", ".jpg.txt", ".JPG.Txt", ".psd.txt", ".png.prompt"),
    *(".mask.png", ".png.mask.png", ".jpg.mask.png", ".job.json", ".error.txt", ".xmp"),
    *(
        "_mask.png",
        "-mask.png",
        "_MASK.jpg",
        "_mask.txt",
        "-mask.toml",
        ".png_mask.png",
        "_mask.mask.png",
    ),
]
FAMILY = st.sets(st.sampled_from([f"cat{end}" for end in ENDS]))


def files_of(bundle: Bundle) -> list[str]:
    return [each.name for each in bundle.files]


def pairs(*names: str) -> list[list[str]]:
    bundles = pair(named(*names))
    assert all(bundle.fault is None for bundle in bundles)
    return [files_of(bundle) for bundle in bundles]


CLEAR = {
    "short name": (["cat.png", "cat.txt"], [["cat.png", "cat.txt"]]),
    "long name": (["cat.png", "cat.png.txt"], [["cat.png", "cat.png.txt"]]),
    "case of the extension": (["cat.JPG", "cat.Txt"], [["cat.JPG", "cat.Txt"]]),
    "long name in other case": (["cat.JPG", "cat.jpg.TXT"], [["cat.JPG", "cat.jpg.TXT"]]),
    "the short one is for the image without a long one": (
        ["cat.png", "cat.jpg", "cat.png.txt", "cat.txt"],
        [["cat.jpg", "cat.txt"], ["cat.png", "cat.png.txt"]],
    ),
    "records of both forms": (
        ["cat.jpg", "cat.job.json", "cat.png", "cat.png.error.txt", "cat.png.job.json"],
        [["cat.jpg", "cat.job.json"], ["cat.png", "cat.png.error.txt", "cat.png.job.json"]],
    ),
    "the record of a stem that ends like an image": (
        ["cat.jpg.job.json", "cat.jpg.png", "cat.jpg.png.txt"],
        [["cat.jpg.png", "cat.jpg.png.txt", "cat.jpg.job.json"]],
    ),
    "image alone": (["cat.png"], [["cat.png"]]),
    "images without sidecars": (["cat.jpg", "cat.png"], [["cat.jpg"], ["cat.png"]]),
    "mask": (
        ["cat.mask.png", "cat.png", "cat.txt"],
        [["cat.png", "cat.txt", "cat.mask.png"]],
    ),
    "long mask and long prompts": (
        ["cat.jpg", "cat.jpg.mask.png", "cat.jpg.txt", "cat.png", "cat.png.txt"],
        [["cat.jpg", "cat.jpg.txt", "cat.jpg.mask.png"], ["cat.png", "cat.png.txt"]],
    ),
    "mask of a JPEG": (["cat.jpg", "cat.mask.png"], [["cat.jpg", "cat.mask.png"]]),
    "lone prompt": (["cat.txt"], [["cat.txt"]]),
    "lone mask": (["cat.mask.png"], [["cat.mask.png"]]),
    "prompt of an image that is not there": (
        ["cat.jpg", "cat.png.txt"],
        [["cat.jpg"], ["cat.png.txt"]],
    ),
    "foreign picture with a prompt": (["cat.psd", "cat.txt"], [["cat.psd", "cat.txt"]]),
    "foreign picture with a long prompt": (
        ["cat.psd", "cat.psd.txt", "cat.png", "cat.txt"],
        [["cat.png", "cat.txt"], ["cat.psd", "cat.psd.txt"]],
    ),
    "foreign picture beside an image": (
        ["cat.psd", "cat.png", "cat.txt"],
        [["cat.png", "cat.txt"]],
    ),
    "foreign picture without a prompt": (["cat.psd"], []),
    "leftovers beside their image": (
        ["cat.error.txt", "cat.job.json", "cat.png", "cat.txt"],
        [["cat.png", "cat.txt", "cat.error.txt", "cat.job.json"]],
    ),
    "leftovers of a prompt without its image": (
        ["cat.error.txt", "cat.job.json", "cat.txt"],
        [["cat.txt", "cat.error.txt", "cat.job.json"]],
    ),
    "leftovers beside a picture and a prompt of none": (
        ["cat.jpg.txt", "cat.job.json", "cat.png"],
        [["cat.png", "cat.job.json"], ["cat.jpg.txt"]],
    ),
    "leftovers alone": (["cat.error.txt", "cat.job.json"], []),
    "other files": (["cat.xmp", "cat.png", "cat.txt"], [["cat.png", "cat.txt"]]),
}


@pytest.mark.parametrize(("names", "expected"), CLEAR.values(), ids=CLEAR)
def test_sidecars_belong_to_their_image(names: list[str], expected: list[list[str]]) -> None:
    """
    Each bundle holds one image and what belongs to it, in the order in which it is claimed.
    """
    assert expected == pairs(*names)


AMBIGUOUS = {
    "two images, one prompt": (["cat.jpg", "cat.png", "cat.txt"], "cat.txt"),
    "two images, one mask": (["cat.jpg", "cat.mask.png", "cat.png"], "cat.mask.png"),
    "two images with prompts, one mask": (
        ["cat.jpg", "cat.jpg.txt", "cat.mask.png", "cat.png", "cat.png.txt"],
        "cat.mask.png",
    ),
    "long and short prompt": (["cat.png", "cat.png.txt", "cat.txt"], "cat.png.txt and cat.txt"),
    "txt and prompt": (["cat.png", "cat.prompt", "cat.txt"], "cat.prompt and cat.txt"),
    "two masks": (
        ["cat.mask.png", "cat.png", "cat.png.mask.png", "cat.txt"],
        "cat.mask.png and cat.png.mask.png",
    ),
    "all have long ones": (
        ["cat.jpg", "cat.jpg.txt", "cat.png", "cat.png.txt", "cat.txt"],
        "cat.txt",
    ),
    "two foreign pictures": (["cat.psd", "cat.raf", "cat.txt"], "cat.txt"),
}


@pytest.mark.parametrize(("names", "culprit"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_cannot_be_told_apart_is_never_guessed(names: list[str], culprit: str) -> None:
    """
    All files concerned go together, and the fault names the sidecar that could belong to several.
    """
    (bundle,) = pair(named(*names))

    assert set(names) == set(files_of(bundle))
    assert bundle.fault is not None
    assert JobCode.SIDECAR_AMBIGUOUS is bundle.fault.code
    assert culprit in bundle.fault.message.partition(" could belong")[0]


def test_the_hint_names_a_file_that_would_be_clear() -> None:
    """
    Renamed as the hint says, the sidecar belongs to one image.
    """
    fault = pair(named("cat.jpg", "cat.png", "cat.txt"))[0].fault

    assert fault is not None
    assert "cat.jpg.txt" in fault.hint
    assert pairs("cat.jpg", "cat.png", "cat.jpg.txt") == [["cat.jpg", "cat.jpg.txt"], ["cat.png"]]


def test_a_fault_can_be_shown_whatever_the_names_are() -> None:
    """
    Names that are not UTF-8 or hold line breaks are escaped in what a person reads.
    """
    for stem in (NOT_UTF8, "cat\nINFO all is well"):
        fault = pair(named(f"{stem}.jpg", f"{stem}.png", f"{stem}.txt"))[0].fault

        assert fault is not None
        assert fault.message == shown(fault.message)
        assert fault.hint == shown(fault.hint)


def test_composed_and_decomposed_names_belong_together() -> None:
    """
    A prompt in NFD is the prompt of its image in NFC.
    """
    image = unicodedata.normalize("NFC", "Größe.png")
    prompt = unicodedata.normalize("NFD", "Größe.txt")

    assert [[image, prompt]] == pairs(prompt, image)


@given(FAMILY)
def test_pairing_does_not_depend_on_the_order_of_names(names: set[str]) -> None:
    """
    The same files make the same bundles in whatever order a folder lists them.
    """
    there, back = sorted(names), sorted(names, reverse=True)

    assert pair(named(*there)) == pair(named(*back)) == pair(named(*names))


@given(FAMILY)
def test_no_file_is_in_two_bundles(names: set[str]) -> None:
    """
    Every image, prompt and mask is in exactly one bundle, everything else in at most one.
    """
    placed = [name for bundle in pair(named(*names)) for name in files_of(bundle)]

    assert len(placed) == len(set(placed))
    ours = {n for n in names if n.endswith((".png", ".PNG", ".jpg", ".webp", ".mask.png"))}
    prompts = {n for n in names if n.endswith((".txt", ".Txt", ".prompt"))} - {"cat.error.txt"}
    assert ours | prompts <= set(placed)


@given(FAMILY)
def test_a_bundle_without_fault_has_one_of_each(names: set[str]) -> None:
    """
    What may be sent has one image, at most one prompt and at most one mask.
    """
    for bundle in pair(named(*names)):
        if bundle.images and bundle.fault is None:
            assert len(bundle.images) == 1
            assert len(bundle.prompts) <= 1
            assert len(bundle.masks) <= 1


def test_names_that_are_not_utf8_are_paired() -> None:
    """
    Bytes that are no text still name an image and its prompt.
    """
    image, prompt = (os.fsdecode(b"caf\xe9" + end) for end in (b".png", b".txt"))

    assert [[image, prompt]] == pairs(image, prompt)
