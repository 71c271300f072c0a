"""
Names that nearly fit are named: in the status, and in the text beside what went to error/.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from engine_world import World, held, open_world, photo, put
from retouchd.inbox.missing import NearMisses
from retouchd.job.filenames import parse

SCREENSHOT = "Screenshot 2026-11-29 at 6.02.11{}PM"

WAITING = [
    # The names in a folder, which of them is asked about, and words of the answer.
    (["UP.JPG", "up.TXT"], "UP.JPG", ["up.TXT", "upper and lower case", "UP.txt"]),
    (["UP.JPG", "up.TXT"], "up.TXT", ["UP.JPG", "upper and lower case", "UP.txt"]),
    (
        [SCREENSHOT.format("\u202f") + ".png", SCREENSHOT.format(" ") + ".txt"],
        SCREENSHOT.format("\u202f") + ".png",
        ["spaces"],
    ),
    (["a\u00a0cat.png", "a cat.txt"], "a\u00a0cat.png", ["a cat.txt", "spaces"]),
    (["a cat.png", "a  cat.txt"], "a cat.png", ["spaces"]),
    (["cat.png", "cat .txt"], "cat.png", ["spaces"]),
    (["launch 2.jpg", "launch2.txt"], "launch 2.jpg", ["launch2.txt", "spaces", "launch 2.txt"]),
    (["launch 2.jpg", "launch2.txt"], "launch2.txt", ["launch 2.jpg", "launch 2.txt"]),
    (["red-hat.jpg", "red_hat.txt"], "red-hat.jpg", ["red_hat.txt", "red-hat.txt"]),
    (["cat.png", "c\u0430t.txt"], "cat.png", ["look alike"]),
    (["cat.png", "cat\u200b.txt"], "cat.png", ["look alike"]),
    (["cat-1.png", "cat\u20131.txt"], "cat-1.png", ["look alike"]),
    (["dog.jpg", "dog.txt.txt"], "dog.jpg", ["dog.txt.txt", "ending too many", "dog.txt"]),
    (["dog.jpg", "dog.txt.txt"], "dog.txt.txt", ["dog.jpg", "dog.txt"]),
    (["cat.jpg", "cat.jpg.txt.txt"], "cat.jpg", ["cat.jpg.txt.txt", "cat.txt"]),
    (["IMG.HEIC.jpg", "IMG.txt"], "IMG.HEIC.jpg", ["IMG.txt", "IMG.HEIC.jpg.txt"]),
    (["IMG.HEIC.jpg", "IMG.HEIC.txt"], "IMG.HEIC.jpg", ["IMG.HEIC.txt", "IMG.HEIC.jpg.txt"]),
    (["cat.jpg.jpg", "cat.jpg.txt"], "cat.jpg.jpg", ["cat.jpg.txt", "cat.jpg.jpg.txt"]),
    (["IMG (1).jpg", "IMG.txt"], "IMG (1).jpg", ["IMG.txt", "IMG (1).txt"]),
    (["UP.JPG", "up.toml"], "UP.JPG", ["up.toml", "UP.toml"]),
    (["cat.jpg", "cat.docx"], "cat.jpg", ["cat.docx", "no plain text", "cat.txt"]),
    (["cat.jpg", "cat.rtf"], "cat.jpg", ["cat.rtf", "no plain text"]),
    (["cat.jpg", "cat.md"], "cat.jpg", ["cat.md"]),
    (["cat.jpg", "prompt.txt"], "prompt.txt", ["all pictures of its folder", "_prompt.txt"]),
    (["cat.jpg", "Prompt.txt"], "Prompt.txt", ["_prompt.txt"]),
    (["cat.jpg", "edit.toml"], "edit.toml", ["_edit.toml"]),
    (["cat.png", "cat.maks.png"], "cat.maks.png", ["mask of cat.png", "cat.mask.png"]),
    (["cat.png", "cat mask.png"], "cat mask.png", ["mask of cat.png", "cat.mask.png"]),
    (["cat.png", "mask.png"], "mask.png", ["such as cat.mask.png"]),
    (
        ["cat.png", "cat mask.jpg"],
        "cat mask.jpg",
        ["save it with transparent parts as cat.mask.png"],
    ),
    # What an editor adds an ending to keeps its own: as a prompt its every line would be sent.
    (["cat.jpg", "cat.toml.txt"], "cat.jpg", ["cat.toml.txt has", "rename it to cat.toml if"]),
    (["cat.jpg", "cat.JSON.txt"], "cat.JSON.txt", ["one ending too many for", "to cat.json if"]),
    (["cat.jpeg", "cat.jpg.toml"], "cat.jpg.toml", ["in its ending from cat.jpeg", "to cat.toml"]),
    (
        ["cat.jpg", "cat.text"],
        "cat.jpg",
        ["cat.text is not read as a prompt: rename it to cat.txt"],
    ),
    (["cat.jpg", "cat..txt"], "cat.jpg", ["cat..txt", "cat.txt"]),
    (["cat.jpg", "cat_prompt.txt"], "cat.jpg", ["cat_prompt.txt", "cat.txt"]),
    (["cat.jpg", "cat prompt.txt"], "cat prompt.txt", ["cat.jpg", "cat.txt"]),
    (["x\u00bd.jpg", "x1\u20442.txt"], "x\u00bd.jpg", ["signs that look alike"]),
]
BESIDE = [
    (["cat.jpg", "cat.CR3"], "cat.CR3", "belongs to cat.jpg"),
    (["cat.jpg", "cat.xmp"], "cat.xmp", "belongs to cat.jpg"),
    (["cat.jpg", "cat.jpg.xmp"], "cat.jpg.xmp", "belongs to cat.jpg"),
    (["cat.jpg", "cat.docx"], "cat.docx", "cat.txt"),
    (["_prompt.txt.txt"], "_prompt.txt.txt", "_prompt.txt"),
    (["_prompt.rtf"], "_prompt.rtf", "_prompt.txt"),
    (["cat.jpg", "cat.txt", "cat.docx"], "cat.docx", "beside cat.jpg, which has its prompt"),
    (["cat.jpg", "cat.md"], "cat.md", "rename it to cat.txt, if it is the prompt of cat.jpg"),
]
FOR_A_FOLDER = [
    (["cat.jpg", "prompt.txt"], "prompt.txt"),
    (["cat.jpg", "_prompt.txt.txt"], "_prompt.txt.txt"),
    (["cat.jpg", "_promt.txt"], "_promt.txt"),
]
NOTHING = [
    (["IMG 1-2.jpg", "IMG 12.txt"], "IMG 1-2.jpg"),
    (["cat.jpg", "dog.txt"], "cat.jpg"),
    (["IMG_1.jpg", "IMG_2.txt"], "IMG_1.jpg"),
    (["IMG.jpg", "IMG.txt", "IMG (1).jpg"], "IMG (1).jpg"),
    (["cat.jpg", "_prompt.txt"], "cat.jpg"),
    (["unmask.png"], "unmask.png"),
    (["prompt.png", "prompt.txt", "cat.jpg"], "cat.jpg"),
    (["edit.jpg", "edit.json", "cat.jpg"], "cat.jpg"),
    (["IMG (1).jpg", "IMG (2).txt"], "IMG (1).jpg"),
    (["IMG (1).jpg", "IMG (2).txt"], "IMG (2).txt"),
    (["cat.jpg"], "cat.jpg"),
]


@pytest.mark.parametrize(("names", "asked", "words"), WAITING, ids=str)
def test_what_was_meant_is_named(names: list[str], asked: str, words: list[str]) -> None:
    found = NearMisses(names).of(parse(asked))

    assert all(word in found for word in words), found


@pytest.mark.parametrize(("names", "asked", "words"), BESIDE, ids=str)
def test_what_lies_beside_says_why_it_is_left_alone(
    names: list[str], asked: str, words: str
) -> None:
    assert words in NearMisses(names).beside(asked)


@pytest.mark.parametrize(("names", "meant"), FOR_A_FOLDER, ids=str)
def test_what_is_meant_for_a_folder_is_told_of_once(names: list[str], meant: str) -> None:
    """
    Of itself while all wait, not of each picture beside it; and of a picture that goes to `error/`.
    """
    misses = NearMisses(names)

    assert misses.of(parse(names[0])) == ""
    assert f"{meant} speaks for no picture: rename it to _prompt.txt" in misses.for_folder()
    assert "_prompt.txt" in misses.of(parse(meant)) + misses.beside(meant)


@pytest.mark.parametrize(("names", "asked"), NOTHING, ids=str)
def test_strangers_are_no_near_misses(names: list[str], asked: str) -> None:
    assert not NearMisses(names).of(parse(asked))


@given(st.lists(st.text(min_size=1, max_size=12), max_size=6), st.text(min_size=1, max_size=12))
def test_any_names_have_an_answer(names: list[str], asked: str) -> None:
    misses = NearMisses(names)

    assert "\n" not in misses.of(parse(f"{asked}.png")) + misses.of(parse(f"{asked}.txt"))
    assert "\n" not in misses.beside(asked)


def test_a_large_folder_takes_time_in_proportion() -> None:
    """
    Each of twenty thousand orphans is asked about, all alike but for a number: no square of it.
    """
    names = [f"cat ({n % 1000}).{end}" for n in range(1000) for end in ("jpg", "TXT")]
    names += [f"IMG_{n}.jpg" for n in range(20_000)]
    began = time.process_time()
    misses = NearMisses(names)
    for name in names:
        misses.of(parse(name))
    # A square of it would take hours.
    assert time.process_time() - began < 60


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


async def test_the_status_names_what_was_meant(world: World) -> None:
    put(world, "UP.JPG", photo())
    put(world, "up.TXT", "make it blue")
    put(world, "raw/cat.png", photo(seed=1))
    put(world, "raw/cat.CR3", b"raw")
    put(world, "shoes/red.png", photo(seed=2))
    put(world, "shoes/_prompt.txt.txt", "make it blue")

    reasons = await held(world)

    assert "up.TXT differs only in upper and lower case" in reasons["UP.JPG"]
    assert reasons["UP.JPG"].startswith("waits for its prompt, UP.txt")
    assert "UP.JPG" in reasons["up.TXT"]
    assert (
        reasons["raw/cat.CR3"]
        == "not taken: it belongs to cat.png; only the picture itself is edited"
    )
    assert "rename it to _prompt.txt" in reasons["shoes/_prompt.txt.txt"]
    assert reasons["shoes/red.png"] == "waits for its prompt, red.txt"


async def test_the_text_in_error_names_what_was_meant(world: World) -> None:
    world.tell(orphan_seconds=30)
    put(world, "UP.JPG", photo())
    put(world, "up.TXT", "make it blue")
    async with world.running():
        await world.until(lambda: len(world.tree("error")) == 6)

    said = (world.folders.error / "UP.error.txt").read_text()
    assert "up.TXT differs only in upper and lower case" in said
