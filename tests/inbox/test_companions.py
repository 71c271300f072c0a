"""
What photo programs keep beside a picture goes with it, and is no fault where it cannot; raw files, films and
sounds stay, told by their number.
"""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from engine_world import World, held, open_world, photo, put
from retouchd.inbox.readiness import Patience
from retouchd.inbox.waiting import kind_of
from retouchd.job.companions import companion_extensions, owners_of
from retouchd.job.filenames import parse
from retouchd.retry.error_folder import groups_below
from retouchd.retry.put_back import put_back_group
from retouchd.status.inbox_snapshot import InboxSnapshot
from retouchd.status.text import Scene, body_of, lines_of

STEMS = st.sampled_from(["cat", "Cat", "cat_2", "a.b", "cat.jpg"])
ENDS = st.sampled_from(["jpg", "JPG", "heic", "png", "cr2", "mov", "txt", "xmp"])
NAMES = st.builds("{}.{}".format, STEMS, ENDS)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


@pytest.mark.parametrize(
    ("name", "beside", "owners"),
    [
        ("cat.xmp", ["cat.jpg", "cat.txt"], "cat.jpg"),
        ("cat.XMP", ["cat.jpg"], "cat.jpg"),
        ("cat.jpg.xmp", ["cat.jpg"], "cat.jpg"),
        ("cat.JPG.xmp", ["cat.jpg", "cat.heic"], "cat.jpg"),
        ("cat.jpg.xmp", ["cat.jpg.png"], "cat.jpg.png"),
        ("cat.jpg.xmp", ["cat.jpg.png", "cat.jpg"], "cat.jpg"),
        ("cat.jpg.xmp", ["cat.heic"], ""),
        ("cat.xmp", ["cat.jpg", "cat.heic"], "cat.jpg cat.heic"),
        ("cat.xmp", ["cat.jpg", "cat.CR2"], "cat.jpg cat.CR2"),
        ("cat.CR2.xmp", ["cat.jpg", "cat.CR2"], "cat.CR2"),
        ("cat.thm", ["cat.avi"], "cat.avi"),
        ("Cat.xmp", ["cat.jpg"], ""),
        ("u\u0308.xmp", ["\u00fc.jpg"], "\u00fc.jpg"),
        ("u\u0308.xmp", ["\u00fc.jpg", "u\u0308.jpg"], "u\u0308.jpg"),
        ("cat.xmp", [], ""),
    ],
)
def test_whose_a_companion_may_be(name: str, beside: list[str], owners: str) -> None:
    found = owners_of(name, beside)

    assert " ".join(each.name for each in found) == owners


@given(name=st.builds("{}.xmp".format, STEMS), beside=st.lists(NAMES, unique=True))
def test_it_is_that_of_those_that_have_its_name(name: str, beside: list[str]) -> None:
    """
    In whatever order they are seen; such a picture has that stem, or the file names it whole.
    """
    found = owners_of(name, beside)

    assert sorted(owners_of(name, beside[::-1])) == sorted(found)
    for each in found:
        assert each.name in beside
        is_whole = parse(name).owner.lower() == each.name.lower()
        assert is_whole or each.owner == parse(name).owner


@given(st.lists(st.text(max_size=5)))
def test_extensions_are_such_or_refused(wished: list[str]) -> None:
    try:
        found = companion_extensions(wished)
    except ValueError:
        return
    assert len(set(found)) == len(found)
    assert all(each.isalnum() and each == each.lower() for each in found)
    assert not {"jpg", "txt", "toml", "json", "mov", "cr2", "mp3", "response"} & {*found}


async def test_companions_go_where_the_picture_goes(world: World) -> None:
    """
    Under their own names, into sub-folders as well, to error/ as to done/.
    """
    world.drop("pets/cat.png")
    put(world, "pets/cat.xmp", "settings")
    put(world, "pets/cat.png.XMP", "other settings")
    world.drop("dog.png", "  ")
    put(world, "dog.AAE", "an iPhone's")

    await held(world)

    assert world.tree("done") == [
        f"pets/cat.{end}" for end in ("job.json", "png", "png.XMP", "txt", "xmp")
    ]
    assert world.tree("error") == [
        f"dog.{end}" for end in ("AAE", "error.txt", "job.json", "png", "txt")
    ]
    assert world.tree("inbox") == []
    record = world.record("done/pets/cat.job.json")
    assert sorted(record["companions"]) == ["cat.png.XMP", "cat.xmp"]
    assert [len(each.files) for each in world.requests] == [1]  # None of them is sent.


async def test_a_retry_takes_them_along_and_they_come_back_whole(world: World) -> None:
    world.drop("dog.png", "  ")
    put(world, "dog.xmp", "settings")
    await held(world)
    (group,) = groups_below(world.folders.error)

    names = put_back_group(group, world.folders)

    assert set(names) == {"dog.png", "dog.txt", "dog.xmp", "dog.job.json"}
    assert names[-1] == "dog.png"  # The image is last: whoever watches takes all of it.
    put(world, "dog.txt", "make it blue")
    await held(world)
    assert world.tree("done") == ["dog.job.json", "dog.png", "dog.txt", "dog.xmp"]
    assert world.tree("error") == []


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        (["cat.heic"], "goes along with its picture, cat.heic"),
        (["cat.cr2"], "it belongs to a raw file, cat.cr2"),
    ],
)
async def test_what_may_be_anothers_stays_and_is_no_fault(
    world: World, beside: list[str], reason: str
) -> None:
    world.tell(orphan_seconds=0)
    world.drop("cat.png", None)
    put(world, "cat.png.txt", "make it blue")
    put(world, "cat.xmp", "settings")
    for name in beside:
        put(world, name, photo(kind="AVIF") if name.endswith("heic") else b"raw")

    reasons = await held(world)

    assert "cat.xmp" in world.tree("inbox")
    assert world.tree("error") == []
    assert world.tree("done") == ["cat.job.json", "cat.png", "cat.png.txt"]
    assert reason in reasons["cat.xmp"]


@pytest.mark.parametrize("other", ["cat.heic", "cat.cr2"])
async def test_one_that_may_be_that_of_two_says_how_it_is_told(world: World, other: str) -> None:
    """
    While both lie there; it is not claimed with either.
    """
    world.drop("cat.jpg", None)
    put(world, "cat.xmp", "settings")
    put(world, other, photo(kind="AVIF") if other == "cat.heic" else b"raw")

    reasons = await held(world)

    assert kind_of(reasons["cat.xmp"]) == "not taken: it may be that of several pictures"
    assert f", {other} and cat.jpg: " in reasons["cat.xmp"]
    assert reasons["cat.xmp"].endswith(f"call it such as {other}.xmp")


async def test_a_name_taken_in_done_renames_all_of_them(world: World) -> None:
    world.drop("cat.png")
    (world.folders.done / "cat.xmp").write_text("somebody else's")
    put(world, "cat.xmp", "settings")

    await held(world)

    assert (world.folders.done / "cat.xmp").read_text() == "somebody else's"
    assert (world.folders.done / "cat_2.xmp").read_text() == "settings"
    assert (world.folders.done / "cat_2.png").exists()


async def test_two_of_one_stem_in_two_folders_keep_their_own(world: World) -> None:
    for folder in ("a", "b"):
        world.drop(f"{folder}/cat.png", f"make it {folder}")
        put(world, f"{folder}/cat.xmp", folder)

    await held(world)

    for folder in ("a", "b"):
        assert (world.folders.done / folder / "cat.xmp").read_text() == folder


async def test_that_of_a_picture_held_as_a_duplicate_stays_with_it(world: World) -> None:
    world.drop("cat.png")
    await held(world)
    put(world, "again/cat.png", (world.folders.done / "cat.png").read_bytes())
    put(world, "again/cat.txt", (world.folders.done / "cat.txt").read_bytes())
    put(world, "again/cat.xmp", "settings")

    reasons = await held(world)

    assert world.tree("inbox") == ["again/cat.png", "again/cat.txt", "again/cat.xmp"]
    assert reasons["again/cat.xmp"] == "goes along with its picture, cat.png"
    assert len(world.requests) == 1


async def test_none_is_a_picture_held_by_what_is_empty_planted_or_shut(world: World) -> None:
    for stem in ("empty", "planted", "folder"):
        world.drop(f"{stem}.png", f"make it {stem}")
    put(world, "empty.xmp", "")
    (world.root / "secret").write_text("not for you")
    os.symlink(world.root / "secret", world.folders.inbox / "planted.xmp")
    (world.folders.inbox / "folder.xmp").mkdir()

    await held(world)

    assert len(world.requests) == 3
    assert world.tree("error") == []
    assert [name for name in world.tree("done") if name.endswith("xmp")] == []
    assert (world.folders.inbox / "planted.xmp").is_symlink()
    assert (world.folders.inbox / "empty.xmp").exists()


async def test_a_companion_that_settles_is_waited_for_and_one_that_never_does_is_not(
    world: World,
) -> None:
    """
    As long again as for the picture itself: photo programs write it after the picture.
    """
    world.settings = replace(world.settings, patience=Patience(settle_seconds=4))
    async with world.running() as daemon:
        world.drop("cat.png")
        await world.noticed(daemon, "cat.png")
        put(world, "cat.xmp", "settings")
        daemon.look_again()
        await world.until(lambda: "cat.xmp" in world.tree("done"))

        world.drop("dog.png", "make it grey")
        number = 0
        while "dog.png" not in world.tree("done"):
            number += 1
            put(world, "dog.xmp", f"{number}")
            daemon.look_again()
            await world.time.still()
            world.time.pass_by(1)

    assert "dog.xmp" in world.tree("inbox")
    assert number < 60


async def test_one_that_comes_late_stays_and_waits_for_the_picture_to_come_back(
    world: World,
) -> None:
    world.drop("cat.png")
    await held(world)
    put(world, "cat.xmp", "settings")

    reasons = await held(world)

    assert "there is no such one" in reasons["cat.xmp"]
    world.drop("cat.png", "make it red")
    await held(world)
    assert (world.folders.done / "cat_2.xmp").read_text() == "settings"


async def test_off_nothing_goes_along(world: World) -> None:
    world.tell(companions=())
    world.drop("cat.png")
    put(world, "cat.xmp", "settings")

    reasons = await held(world)

    assert world.tree("inbox") == ["cat.xmp"]
    assert reasons["cat.xmp"].startswith("not taken")


async def test_raw_files_films_and_sounds_stay_and_are_counted(world: World) -> None:
    """
    Beside pictures and alone; one with a prompt of its own goes to error/, as somebody wants it edited.
    """
    world.drop("cat.png")
    for name in ("cat.CR2", "cat.mov", "dog.nef", "pets/a.wav", "pets/b.m4a"):
        put(world, name, b"data")

    reasons = await held(world)

    assert sorted(reasons) == ["cat.CR2", "cat.mov", "dog.nef", "pets/a.wav", "pets/b.m4a"]
    assert all(each.startswith("not taken: ") for each in reasons.values())
    waiting = InboxSnapshot(world.settings, world.clock).summary().waiting()
    assert waiting.kinds == {
        "not taken: a raw file": 2,
        "not taken: a film": 1,
        "not taken: a sound recording": 2,
    }
    assert {each.kind for each in waiting.files} == {*waiting.kinds}
    line = "2 raw files, 1 film, 2 sound recordings stay in the inbox: they are not edited"
    told = [each for each in lines_of(waiting) if "stay" in each or "cat" in each]
    assert told == [f"not taken: {line}; a raw file is edited once it is exported as JPEG or TIFF"]
    assert line in body_of(Scene(waiting=waiting))
    assert "cat.CR2" not in body_of(Scene(waiting=waiting))
