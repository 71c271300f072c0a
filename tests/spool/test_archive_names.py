"""
The names of originals in `done/` and `error/`: their own where those are free, never beside another's prompt.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from builders import Place, a_job, content_of, member, tree
from engine_world import World, open_world, photo, put
from process import Station
from retouchd.disk.threads import all_steps
from retouchd.job.filenames import parse
from retouchd.spool.finished_job import beside
from retouchd.spool.phase import Phase
from retouchd.spool.plan import Archived, plan_archive


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


ALONE = [
    (["IMG_1.HEIC"], [], "IMG_1", None),
    (["IMG_1.HEIC"], ["IMG_1.jpg", "IMG_1.job.json"], "IMG_1", "IMG_1.HEIC"),
    (
        ["IMG_1.HEIC", "IMG_1.HEIC.txt"],
        ["IMG_1.jpg", "IMG_1.txt", "IMG_1.job.json"],
        "IMG_1",
        "IMG_1.HEIC",
    ),
    (
        ["IMG_1.jpg", "IMG_1.txt"],
        ["IMG_1.HEIC", "IMG_1.HEIC.txt", "IMG_1.job.json"],
        "IMG_1",
        "IMG_1.jpg",
    ),
    # Beside another's prompt, or with one of its own that could be another's.
    (["IMG_1.HEIC"], ["IMG_1.jpg", "IMG_1.txt", "IMG_1.job.json"], "IMG_1_2", None),
    (["IMG_1.jpg", "IMG_1.txt"], ["IMG_1.HEIC", "IMG_1.job.json"], "IMG_1_2", None),
    (["IMG_1.jpg"], ["IMG_1.HEIC", "IMG_1_mask.png", "IMG_1.job.json"], "IMG_1_2", None),
    # Any name that is taken moves all of them.
    (["cat.png", "cat.txt"], ["cat.png", "cat.txt", "cat.job.json"], "cat_2", None),
    (["cat.png", "cat.txt"], ["cat.txt"], "cat_2", None),
    (["cat.png", "cat_mask.png"], ["cat_mask.png"], "cat_2", None),
    (["cat.jpg", "cat.txt"], ["cat.png", "cat.txt", "cat.job.json"], "cat_2", None),
    (["cat.png"], ["cat.error.txt"], "cat_2", None),
    (["cat.png"], ["cat.png.job.json"], "cat_2", None),
    (["cat.png"], ["cat.jpg", "cat.job.json", "cat.png.error.txt"], "cat_2", None),
    (["cat.png"], ["cat.png", "cat.job.json", "cat_2.png.job.json"], "cat_3", None),
    (["cat.jpg.png", "cat.jpg.png.txt"], ["cat.jpg", "cat.jpg.job.json"], "cat.jpg", "cat.jpg.png"),
]


@pytest.mark.parametrize(("names", "there", "stem", "label"), ALONE)
def test_a_group_keeps_its_names_where_it_can(
    names: list[str], there: list[str], stem: str, label: str | None
) -> None:
    """
    The record is named by the stem, or by the image where another group has that.
    """
    job = a_job(*map(member, names))
    sources = [f"originals/{name}" for name in names]
    reserved = frozenset(n for n in there if not n.endswith((".job.json", ".error.txt")))

    found = plan_archive(job, sources, there.__contains__, lambda: reserved)

    assert (found.stem, found.label) == (stem, label)
    assert [item.target for item in found.originals] == [
        stem + name.removeprefix(parse(names[0]).stem) for name in names
    ]


def test_what_a_record_does_not_tell_is_left_alone() -> None:
    """
    Beside somebody's own `cat.job.json`, or an earlier version's, the group moves; so it does from what is
    reserved and not there yet.
    """
    job = a_job(member("cat.png"))

    def planned(reserved: frozenset[str] | None) -> Archived:
        return plan_archive(
            job, ["originals/cat.png"], {"cat.job.json"}.__contains__, lambda: reserved
        )

    assert planned(None).stem == "cat_2"
    assert planned(frozenset({"cat.png"})).stem == "cat_2"
    assert planned(frozenset({"cat.jpg"})).label == "cat.png"


@pytest.mark.parametrize(
    ("record", "stem", "name", "path"),
    [
        ("a/cat.job.json", "cat", "cat.png", "a/cat.png"),
        ("a/cat_2.job.json", "cat", "cat.png", "a/cat_2.png"),
        ("a/cat.png.job.json", "cat", "cat.png", "a/cat.png"),
        ("cat.png.job.json", "cat", "cat_mask.png", "cat_mask.png"),
        ("cat_2.job.json", "cat", "cat-mask.png", "cat_2-mask.png"),
        ("cat.jpg.png.job.json", "cat.jpg", "cat.jpg.png", "cat.jpg.png"),
        ("cat.jpg.job.json", "cat.jpg", "cat.jpg.png", "cat.jpg.png"),
        ("IMG.HEIC.job.json", "IMG", "IMG.HEIC", "IMG.HEIC"),
    ],
)
def test_files_are_found_by_either_form_of_the_record(
    record: str, stem: str, name: str, path: str
) -> None:
    """
    As duplicates are, where a record of an earlier version tells no hash.
    """
    assert beside(record, stem, name) == path


def deliver(place: Place, *jobs: object) -> None:
    """
    Take one step of each job in turn, until all are over.
    """
    left = list(jobs)
    for _ in range(40):
        for job in list(left):
            job_state = place.job_state(job)  # type: ignore[arg-type]
            match job_state.phase:
                case Phase.PUBLISHING:
                    all_steps(place.delivery.publish(job_state))
                case Phase.ARCHIVING:
                    all_steps(place.delivery.archive(job_state))
                case _:
                    left.remove(job)
    assert not left


@pytest.mark.parametrize(
    "groups",
    [
        (("cat.png", "cat.txt"), ("cat.jpg", "cat.txt"), ("cat.webp", "cat.txt")),
        (("cat.png",), ("cat.jpg", "cat.txt"), ("cat.webp", "cat.txt")),
        (("cat.png", "cat.png.txt"), ("cat.jpg", "cat.txt"), ("cat.jpg", "cat.txt")),
        (("cat.png",), ("cat.png",), ("cat.jpg",), ("cat.jpg",)),
        (("cat.png", "cat_mask.png"), ("cat.jpg", "cat_mask.png")),
    ],
)
def test_groups_planned_at_once_never_mix(
    tmp_path: Path, groups: tuple[tuple[str, ...], ...]
) -> None:
    """
    Several daemons that planned the same names before any of them moved a file.
    """
    place = Place.under(tmp_path)
    jobs = [place.planned(*names) for names in groups]

    deliver(place, *jobs)

    records = [json.loads(path.read_bytes()) for path in place.folders.done.glob("*.job.json")]
    assert {record["id"] for record in records} == {job.id for job in jobs}
    files = [name for record in records for name in record["files"]]
    assert sorted(files) == sorted(
        n for n in tree(place.folders.done) if not n.endswith(".job.json")
    )
    by_id = {record["id"]: record["files"] for record in records}
    for job, names in zip(jobs, groups, strict=True):
        found = {(place.folders.done / name).read_bytes() for name in by_id[job.id]}
        assert found == {content_of(name) for name in names}


def test_two_that_reserve_the_same_at_once_both_give_way(tmp_path: Path) -> None:
    """
    Each wrote its record under its image's name, with one prompt's name in both, and neither moved a file.
    """
    place = Place.under(tmp_path)
    all_over = place.planned("cat.png")
    deliver(place, all_over)
    first = place.planned("cat.jpg", "cat.jpg.txt")
    rival = {"version": 1, "files": ["cat.jpg.txt"]}
    record = place.folders.done / "cat.WEBP.job.json"
    record.write_text(json.dumps(rival))

    deliver(place, first)

    assert sorted(tree(place.folders.done)) == sorted(
        [
            "cat.png",
            "cat.job.json",
            "cat.WEBP.job.json",
            "cat_2.jpg",
            "cat_2.jpg.txt",
            "cat_2.job.json",
        ]
    )


async def test_a_phones_two_pictures_stand_side_by_side(world: World) -> None:
    """
    With the folder's prompt, and with prompts of their own.
    """
    put(world, "a/_prompt.txt", "blue")
    put(world, "a/IMG_1.jpg", photo(kind="JPEG"))
    put(world, "a/IMG_1.png", photo())
    put(world, "b/IMG_1.txt", "grey")
    put(world, "b/IMG_1.jpg", photo(kind="JPEG", seed=1))
    put(world, "b/IMG_1.png.txt", "sepia")
    put(world, "b/IMG_1.png", photo(seed=1))

    await world.once()

    images = [name for name in world.tree("done") if not name.endswith(".job.json")]
    assert images == [
        "a/IMG_1.jpg",
        "a/IMG_1.png",
        "b/IMG_1.jpg",
        "b/IMG_1.png",
        "b/IMG_1.png.txt",
        "b/IMG_1.txt",
    ]
    for folder in "ab":
        records = {path.name for path in (world.folders.done / folder).glob("*.job.json")}
        assert "IMG_1.job.json" in records
        assert records < {"IMG_1.job.json", "IMG_1.jpg.job.json", "IMG_1.png.job.json"}
        assert len(records) == 2


async def test_dragged_back_by_hand_each_takes_its_own_record(world: World) -> None:
    """
    Both forms of record and reason are claimed with their image, and tell the job before.
    """
    put(world, "IMG_1.jpg.txt", b"\xff\xfe\x00")
    put(world, "IMG_1.jpg", photo(kind="JPEG"))
    put(world, "IMG_1.png.txt", b"\xff\xfe\x00")
    put(world, "IMG_1.png", photo())
    await world.once()
    records = [world.record(f"error/{n}") for n in world.tree("error") if n.endswith(".job.json")]
    before = {record["image"]: record["id"] for record in records}
    assert len(before) == 2
    assert {"IMG_1.jpg", "IMG_1.png"} < set(world.tree("error"))

    for path in list(world.folders.error.iterdir()):
        path.rename(world.folders.inbox / path.name)
    for end in ("jpg", "png"):
        put(world, f"IMG_1.{end}.txt", "blue")
    await world.once()

    assert world.tree("inbox") == world.tree("error") == []
    done = [world.record(f"done/{n}") for n in world.tree("done") if n.endswith(".job.json")]
    assert {record["image"]: record["previous"] for record in done} == before


@pytest.mark.parametrize(
    "wishes",
    [
        ["IMG_1.jpg", "IMG_1.png"],
        ["IMG_1"],
        ["IMG_1.*"],
        ["--all"],
        ["error/IMG_1.png", "IMG_1.jpg"],
    ],
)
def test_retry_finds_both_again(station: Station, wishes: list[str]) -> None:
    """
    By the image's name, by the stem, by a pattern; each returns under its own name, with its own record;
    the reasons are gone.
    """
    for end in ("jpg", "png"):
        station.drop(f"IMG_1.{end}", prompt=None)
        (station.folders.inbox / f"IMG_1.{end}.txt").write_text(" \n")
    assert station.call("once")[0] == 1
    before = station.tree("error")
    assert len(before) == 8

    code, running = station.call("retry", *wishes)

    assert code == 0, running.err
    assert station.tree("error") == []
    assert station.tree("inbox") == [name for name in before if not name.endswith(".error.txt")]


def test_retry_of_one_leaves_the_other(station: Station) -> None:
    """
    With a prompt that was written beside it meanwhile.
    """
    for end in ("jpg", "png"):
        station.drop(f"IMG_1.{end}", prompt=None)
        (station.folders.inbox / f"IMG_1.{end}.txt").write_text(" \n")
    station.call("once")

    for end in ("jpg", "png"):
        assert station.call("retry", f"IMG_1.{end}")[0] == 0
        assert f"IMG_1.{end}" in station.tree("inbox")
        assert (f"IMG_1.{end}.txt") in station.tree("inbox")
        assert all(f"IMG_1.{end}" not in name for name in station.tree("error"))


def test_retry_brings_a_mask_back_before_its_image(station: Station) -> None:
    """
    `cat_mask.png` belongs to the group of its record, and goes first.
    """
    station.drop("cat.png", prompt=" \n")
    (station.folders.inbox / "cat_mask.png").write_bytes(photo(mode="RGBA"))
    assert station.call("once")[0] == 1
    before = station.tree("error")
    assert "cat_mask.png" in before

    code, running = station.call("retry", "cat")

    assert code == 0, running.err
    assert station.tree("inbox") == [name for name in before if not name.endswith(".error.txt")]
    assert "cat.png → inbox/cat.png (with 2 more)" in running.out
