"""
The way in: what is taken, when, in which order, and what waits; with the kernel's events and without.
"""

import asyncio
import errno
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from engine_world import HOUR, Refusing, World, moment, open_world, photo
from retouchd.disk import durable, nofollow
from retouchd.disk.nofollow import Where
from retouchd.inbox import intake, scanner
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service import daemon as daemon_module
from retouchd.service.daemon import Ending

pytestmark = pytest.mark.slow(50)

Trace = Callable[[World], Awaitable[None]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """
    Everything from scans, two seconds to settle, time skipped.
    """
    async with open_world(tmp_path) as world:
        world.tell(settle_seconds=2, rescan_seconds=5)
        yield world


@pytest.fixture
async def ringing(tmp_path: Path) -> AsyncIterator[World]:
    """
    Everything from events: the next scan is an hour away, and time is real.
    """
    async with open_world(tmp_path, has_events=True) as world:
        world.tell(settle_seconds=0.05, rescan_seconds=HOUR)
        yield world


@pytest.fixture(params=["world", "ringing"])
def either(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


async def quiet(world: World) -> None:
    """
    Wait until the last files have settled: some skipped seconds, or a moment of real ones.
    """
    await asyncio.sleep(12 if world.time.is_skipping else 0.2)


# Who comes when.


async def prompt_first(world: World) -> None:
    (world.folders.inbox / "cat.txt").write_text("make it blue")
    await quiet(world)
    (world.folders.inbox / "cat.png").write_bytes(photo())


async def image_first(world: World) -> None:
    (world.folders.inbox / "cat.png").write_bytes(photo())
    await quiet(world)
    (world.folders.inbox / "cat.txt").write_text("make it blue")


async def both_at_once(world: World) -> None:
    world.drop("cat.png", image=photo())


async def long_names(world: World) -> None:
    (world.folders.inbox / "cat.png.txt").write_text("make it blue")
    (world.folders.inbox / "cat.png").write_bytes(photo())


async def temporary_names(world: World) -> None:
    for name, content in (("cat.txt", b"make it blue"), ("cat.png", photo())):
        temporary = world.folders.inbox / f".{name}.Ab3dEf"
        temporary.write_bytes(content)
        await quiet(world)
        temporary.rename(world.folders.inbox / name)


async def moved_in(world: World) -> None:
    for name, content in (("cat.txt", b"make it blue"), ("cat.png", photo())):
        (world.root / name).write_bytes(content)
        (world.root / name).rename(world.folders.inbox / name)


async def linked_in(world: World) -> None:
    for name, content in (("cat.txt", b"make it blue"), ("cat.png", photo())):
        (world.root / name).write_bytes(content)
        (world.folders.inbox / name).hardlink_to(world.root / name)


async def old_times(world: World) -> None:
    for name, content in (("cat.txt", b"make it blue"), ("cat.png", photo())):
        (world.root / name).write_bytes(content)
        os.utime(world.root / name, (1_000_000_000, 1_000_000_000))
        shutil.copy2(world.root / name, world.folders.inbox / name)


async def replaced_while_it_waits(world: World) -> None:
    (world.folders.inbox / "cat.png").write_bytes(photo(60, 60))
    await quiet(world)
    (world.root / "newer.png").write_bytes(photo())
    (world.root / "newer.png").rename(world.folders.inbox / "cat.png")
    (world.folders.inbox / "cat.txt").write_text("make it blue")


async def empty_first(world: World) -> None:
    (world.folders.inbox / "cat.txt").write_text("make it blue")
    (world.folders.inbox / "cat.png").touch()
    await quiet(world)
    (world.folders.inbox / "cat.png").write_bytes(photo())


async def prompt_rewritten(world: World) -> None:
    (world.folders.inbox / "cat.txt").write_text("make it red, no:")
    await quiet(world)
    (world.folders.inbox / "cat.txt").write_text("make it blue")
    (world.folders.inbox / "cat.png").write_bytes(photo())


TRACES = [
    prompt_first,
    image_first,
    both_at_once,
    long_names,
    temporary_names,
    moved_in,
    linked_in,
    old_times,
    replaced_while_it_waits,
    empty_first,
    prompt_rewritten,
]


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.__name__)
async def test_whoever_writes_however_the_outcome_is_the_same(either: World, trace: Trace) -> None:
    """
    One request with the last picture and the last prompt, one result: with events and without.
    """
    async with either.running():
        await either.until(lambda: either.events("watch.mode"))
        await trace(either)
        await either.until(lambda: either.tree("done") and not either.jobs(), within=120)

    assert either.prompts() == ["make it blue"]
    assert hashlib.sha256(photo()).hexdigest() == either.requests[0].files[0].sha256
    assert either.tree("outbox") == ["cat.png"]
    assert either.record("done/cat.job.json")["status"] == "done"
    assert [] == either.tree("inbox") == either.tree("error")


async def test_a_folder_moved_in_whole_is_taken(either: World) -> None:
    """
    A folder full of bundles that appears by one rename is worked off, and stays where it is, empty.
    """
    made = either.root / "shoes"
    (made / "autumn").mkdir(parents=True)
    for seed, name in enumerate(("red.png", "autumn/brown.png")):
        (made / name).write_bytes(photo(seed=seed))
        (made / name).with_suffix(".txt").write_text("make it blue")

    async with either.running():
        await either.until(lambda: either.events("watch.mode"))
        made.rename(either.folders.inbox / "shoes")
        await either.until(lambda: len(either.tree("outbox")) == 2, within=120)

    assert either.tree("outbox") == ["shoes/autumn/brown.png", "shoes/red.png"]
    assert (either.folders.inbox / "shoes" / "autumn").is_dir()


@pytest.mark.parametrize("growing", ["cat.png", "cat.txt", "cat.mask.png"])
async def test_a_growing_file_is_not_sent_before_it_is_whole(world: World, growing: str) -> None:
    """
    While any file of a bundle still grows nothing is asked; then all of it goes out as it is at the end.
    """
    contents = {
        "cat.txt": b"make it blue, and a little brighter",
        "cat.mask.png": photo(mode="RGBA"),
        "cat.png": photo(),
    }
    for name, content in contents.items():
        (world.folders.inbox / name).write_bytes(content if name != growing else content[:4])
    step = len(contents[growing]) // 12 + 1

    async with world.running():
        with (world.folders.inbox / growing).open("ab") as file:
            for start in range(4, len(contents[growing]), step):
                file.write(contents[growing][start : start + step])
                file.flush()
                await asyncio.sleep(1)
                assert world.requests == []
                assert world.jobs() == []
        await world.until(lambda: world.tree("outbox"), within=60)

    (seen,) = world.requests
    assert contents["cat.txt"].decode() == world.prompts()[0]
    sums = [hashlib.sha256(contents[name]).hexdigest() for name in ("cat.png", "cat.mask.png")]
    assert sums == [sent.sha256 for sent in seen.files]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_scanner_that_pauses_is_waited_for(world: World, kind: str) -> None:
    """
    Closed after each page with pauses longer than settle_seconds: the missing end mark tells that more comes.
    """
    whole = photo(kind=kind)
    third = len(whole) // 3 + 1
    (world.folders.inbox / "cat.txt").write_text("make it blue")

    async with world.running():
        for start in range(0, len(whole), third):
            await asyncio.sleep(6)
            with (world.folders.inbox / f"cat.{kind.lower()}").open("ab") as file:
                file.write(whole[start : start + third])
        await world.until(lambda: world.tree("outbox"), within=60)

    assert [hashlib.sha256(whole).hexdigest()] == [s.files[0].sha256 for s in world.requests]
    assert world.tree("error") == []


async def test_events_postpone_settling(ringing: World) -> None:
    """
    A file written every tenth of its settling time is not taken as long as that goes on.
    """
    ringing.tell(settle_seconds=1)
    ringing.drop("cat.png")
    prompt = ringing.folders.inbox / "cat.txt"

    async with ringing.running():
        await ringing.until(lambda: ringing.events("watch.mode"))
        for number in range(15):
            prompt.write_text(f"make it blue, {number}")
            await asyncio.sleep(0.1)
        assert ringing.requests == []
        await ringing.until(lambda: ringing.tree("outbox"))

    assert ringing.prompts() == ["make it blue, 14"]


@pytest.mark.parametrize(
    "name", ["cat.png.crdownload", ".cat.png.Ab3dEf", "Photoshop Temp1234", "cat.png_exiftool_tmp"]
)
async def test_the_settle_time_counts_from_a_rename(ringing: World, name: str) -> None:
    """
    Whatever the name was before: its writer may look at the file, set its times or write it once more.
    """
    ringing.tell(settle_seconds=1, prompt="make it blue")

    async with ringing.running():
        await ringing.until(lambda: ringing.events("watch.mode"))
        temporary = ringing.folders.inbox / name
        temporary.write_bytes(photo())
        await quiet(ringing)
        renamed_at = ringing.clock.monotonic()
        temporary.rename(ringing.folders.inbox / "cat.png")
        await ringing.until(lambda: ringing.requests)

    assert ringing.requests[0].arrived_at >= renamed_at + 1


@pytest.mark.parametrize("is_in_place", [False, True], ids=["renamed", "in place"])
async def test_two_rewritings_in_a_row_are_one_picture(either: World, *, is_in_place: bool) -> None:
    """
    As ExifTool does when it is called twice: the last bytes are sent, once.
    """
    either.tell(settle_seconds=3, prompt="make it blue")
    picture = either.folders.inbox / "cat.png"

    async with either.running():
        await either.until(lambda: either.events("watch.mode"))
        picture.write_bytes(photo(seed=1))
        for seed in (2, 3):
            await asyncio.sleep(0.2)
            temporary = either.folders.inbox / "cat.png_exiftool_tmp"
            temporary.write_bytes(photo(seed=seed))
            if is_in_place:
                picture.write_bytes(temporary.read_bytes())
                temporary.unlink()
            else:
                temporary.rename(picture)
        await either.until(lambda: either.tree("done") and not either.jobs(), within=120)

    assert [hashlib.sha256(photo(seed=3)).hexdigest()] == [
        each.files[0].sha256 for each in either.requests
    ]
    assert either.tree("done") == ["cat.job.json", "cat.png"]


async def test_a_late_prompt_is_waited_for(world: World) -> None:
    """
    An image without a prompt waits and says for what; the prompt that comes half an hour later is used.
    """
    world.tell(rescan_seconds=20)
    world.drop("cat.png", None)

    async with world.running() as daemon:
        await asyncio.sleep(HOUR / 2)
        assert world.requests == []
        assert "cat.txt" in (await world.reasons(daemon))["cat.png"]
        (world.folders.inbox / "cat.txt").write_text("make it blue")
        await world.until(lambda: world.tree("outbox"), within=30)

    assert world.prompts() == ["make it blue"]


async def test_settled_means_looked_at_when_the_time_is_up(world: World) -> None:
    """
    A file is taken when it has settled, not at the scan after next.
    """
    world.tell(rescan_seconds=600)
    world.drop("cat.png")
    began = world.clock.now()

    async with world.running():
        await world.until(lambda: world.tree("outbox"), within=60)

    waited = (moment(world.record("done/cat.job.json")["claimed_at"]) - began).total_seconds()
    assert 1.9 <= waited <= 5


# What is not whole, what is alone.


async def test_a_cut_picture_is_given_time_and_then_up(world: World) -> None:
    """
    A JPEG without its end waits ten quiet seconds, then it is `image_unreadable`; nothing was asked.
    """
    world.drop("cat.jpg", image=photo(kind="JPEG")[:-200])
    began = world.clock.now()

    async with world.running():
        await world.until(lambda: world.tree("error") and not world.jobs(), within=60)

    record = world.record("error/cat.job.json")
    assert record["error"]["code"] == "image_unreadable"
    assert 10 <= (moment(record["claimed_at"]) - began).total_seconds() <= 20
    assert world.requests == []


async def test_a_cut_picture_that_is_completed_in_time_is_done(world: World) -> None:
    """
    The rest of a picture may come seconds after its prompt and its beginning had settled.
    """
    whole = photo(kind="JPEG")
    path = world.drop("cat.jpg", image=whole[:-200])

    async with world.running():
        await asyncio.sleep(6)
        with path.open("ab") as file:
            file.write(whole[-200:])
        await world.until(lambda: world.tree("outbox"), within=60)

    assert hashlib.sha256(whole).hexdigest() == world.requests[0].files[0].sha256
    assert world.tree("error") == []


ORPHANS = {
    "image": ("cat.png", photo(), "prompt_missing"),
    "prompt": ("cat.txt", b"make it blue", "image_missing"),
    "long-prompt": ("cat.jpg.txt", b"make it blue", "image_missing"),
    "mask": ("cat.mask.png", photo(mode="RGBA"), "image_missing"),
}


@pytest.mark.parametrize(("name", "content", "code"), ORPHANS.values(), ids=ORPHANS)
async def test_an_orphan_waits_its_time_and_goes_to_error(
    world: World, name: str, content: bytes, code: str
) -> None:
    """
    What came alone waits an hour for its other half, then ends in error with the reason.
    """
    world.tell(rescan_seconds=300)
    (world.folders.inbox / name).write_bytes(content)
    began = world.clock.monotonic()

    async with world.running():
        await world.until(lambda: world.tree("error") and not world.jobs(), within=2 * HOUR)
        assert HOUR <= world.clock.monotonic() - began <= HOUR + 400

    (found,) = [each for each in world.tree("error") if each.endswith(".job.json")]
    assert code == world.record(f"error/{found}")["error"]["code"]
    assert name in world.tree("error")
    assert world.requests == []
    assert world.tree("inbox") == []


async def test_orphans_wait_for_ever_if_told_so(world: World) -> None:
    """
    With `orphan_seconds` 0 what came alone stays in the inbox, with its reason.
    """
    world.tell(orphan_seconds=0, rescan_seconds=HOUR)
    world.drop("cat.png", None)
    (world.folders.inbox / "dog.txt").write_text("make it blue")

    async with world.running() as daemon:
        await asyncio.sleep(6 * HOUR)
        assert world.tree("inbox") == ["cat.png", "dog.txt"]
        assert {"cat.png", "dog.txt"} == (await world.reasons(daemon)).keys()


async def test_draining_lists_orphans_and_does_not_wait_for_them(world: World) -> None:
    """
    `once` ends when the rest is done; what waits for its other half is told and stays.
    """
    world.drop("good.png")
    world.drop("cat.png", None)
    (world.folders.inbox / "dog.txt").write_text("make it blue")
    daemon = world.daemon()
    began = world.clock.monotonic()

    ending = await world.once(daemon)

    assert Ending.DRAINED is ending
    assert world.clock.monotonic() - began < 60
    assert world.tree("outbox") == ["good.png"]
    assert world.tree("inbox") == ["cat.png", "dog.txt"]
    assert {"cat.png", "dog.txt"} == (await world.reasons(daemon)).keys()


async def test_draining_waits_for_what_still_settles(world: World) -> None:
    """
    A file dropped just before `once` is not left behind because it has not settled yet.
    """
    world.tell(settle_seconds=20, rescan_seconds=600)
    world.drop("cat.png")

    assert Ending.DRAINED is await world.once()

    assert world.tree("outbox") == ["cat.png"]


async def test_what_is_nobodys_picture_is_left_alone_and_told_once(world: World) -> None:
    """
    Links, pipes and conflict copies stay where they are, each with one line; private names with none.
    """
    target = world.root / "secret.png"
    target.write_bytes(photo())
    (world.folders.inbox / "link.png").symlink_to(target)
    os.mkfifo(world.folders.inbox / "pipe.png")
    (world.folders.inbox / "cat (Ann's conflicted copy 2024-01-02).png").write_bytes(photo())
    (world.folders.inbox / "_mine.png").write_bytes(photo())
    (world.folders.inbox / ".hidden.png").write_bytes(photo())
    (world.folders.inbox / "_prompt.txt").write_text("make it blue")
    before = world.tree("inbox")

    async with world.running() as daemon:
        await asyncio.sleep(60)
        told = await world.reasons(daemon)

    assert before == world.tree("inbox")
    assert world.requests == []
    names = ["cat (Ann's conflicted copy 2024-01-02).png", "link.png", "pipe.png"]
    assert names == sorted(line["name"] for line in world.events("file.left"))
    assert set(names) <= told.keys()


# What belongs to nobody, what belongs to many.


async def test_a_broken_folder_prompt_moves_no_file(world: World) -> None:
    """
    Its images are held with the reason and one line of the log, and go on when it is mended.
    """
    broken = world.folders.inbox / "_prompt.txt"
    broken.write_bytes(b"\x00\xff\x00\xfe\x81")
    for number in range(3):
        world.drop(f"{number}.png", None, image=photo(seed=number))
    world.drop("own.png", "sepia")
    held = ["0.png", "1.png", "2.png"]

    async with world.running() as daemon:
        await asyncio.sleep(600)
        assert [*held, "_prompt.txt"] == world.tree("inbox")
        assert world.tree("error") == []
        assert world.prompts() == ["sepia"]
        told = await world.reasons(daemon)
        assert all("_prompt.txt" in told[name] for name in held)
        assert len(world.events("file.held")) == 1
        broken.write_text("make it blue")
        await world.until(lambda: len(world.tree("outbox")) == 4, within=60)

    assert world.prompts()[1:] == ["make it blue"] * 3


@pytest.mark.parametrize("content", [b"", b" \n ", b"blue " * 6401], ids=["empty", "blank", "long"])
async def test_any_fault_of_a_folder_prompt_only_holds(world: World, content: bytes) -> None:
    """
    Empty, blank or too long: an image is never moved for the fault of a file it does not own.
    """
    (world.folders.inbox / "_prompt.txt").write_bytes(content)
    world.drop("cat.png", None)
    daemon = world.daemon()

    assert Ending.DRAINED is await world.once(daemon)

    assert world.tree("inbox") == ["_prompt.txt", "cat.png"]
    assert "_prompt.txt" in (await world.reasons(daemon))["cat.png"]
    assert world.requests == []


async def test_a_folder_prompt_that_still_changes_is_waited_for(world: World) -> None:
    """
    Folder files belong to the bundle: they must have settled as well.
    """
    shared = world.folders.inbox / "_prompt.txt"
    shared.write_text("make it")
    world.drop("cat.png", None)

    async with world.running():
        for number in range(10):
            shared.write_text("make it blue" + "!" * number)
            await asyncio.sleep(1)
            assert world.requests == []
        await world.until(lambda: world.tree("outbox"), within=60)

    assert world.prompts() == ["make it blue!!!!!!!!!"]


AMBIGUOUS = {
    "one-prompt-two-images": ["cat.jpg", "cat.png", "cat.txt"],
    "two-prompts-one-image": ["cat.png", "cat.png.txt", "cat.txt"],
    "two-spellings": ["cat.png", "cat.prompt", "cat.txt"],
    "one-mask-two-images": ["cat.jpg", "cat.jpg.txt", "cat.mask.png", "cat.png", "cat.png.txt"],
}


@pytest.mark.parametrize("names", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_what_cannot_be_told_apart_goes_to_error_together(
    world: World, names: list[str]
) -> None:
    """
    Two owners for one prompt, or two prompts for one owner: all of the group is in error, never a guess.
    """
    contents = {"png": photo(mode="RGBA"), "jpg": photo(kind="JPEG")}
    for name in names:
        path = world.folders.inbox / name
        path.write_bytes(contents.get(path.suffix[1:], b"make it blue"))

    await world.once()

    assert [*sorted(["cat.error.txt", "cat.job.json", *names])] == world.tree("error")
    assert world.record("error/cat.job.json")["error"]["code"] == "sidecar_ambiguous"
    assert world.requests == []
    assert world.tree("inbox") == []


async def test_a_long_name_belongs_to_its_image_alone(world: World) -> None:
    """
    Two images of one stem, each with a prompt that names it whole, are two jobs.
    """
    for name, prompt in (("cat.png", "make it blue"), ("cat.jpg", "sepia")):
        (world.folders.inbox / f"{name}.txt").write_text(prompt)
        (world.folders.inbox / name).write_bytes(photo(kind="PNG" if "png" in name else "JPEG"))

    await world.once()

    assert sorted(world.prompts()) == ["make it blue", "sepia"]
    assert len(world.tree("outbox")) == 2
    assert len(world.tree("done")) == 6
    assert world.tree("error") == []


# Order and scale.


async def test_a_backlog_is_worked_off_in_turns_by_age_then_by_path(world: World) -> None:
    """
    What lay there at start: folders take turns, each with its oldest first; by path where ages are the same.
    """
    world.tell(concurrency=1)
    ages = {"d.png": 1, "b/z.png": 2, "b/a.png": 2, "a.png": 3, "c.png": 0}
    for number, (name, age) in enumerate(ages.items()):
        path = world.drop(name, image=photo(seed=number))
        os.utime(path, (1_700_000_000 + age, 1_700_000_000 + age))

    await world.once()

    expected = ["c.png", "b/a.png", "d.png", "b/z.png", "a.png"]
    claimed = [Path(line["folder"], line["name"]) for line in world.events("job.claimed")]
    assert [Path(name) for name in expected] == claimed


async def test_later_files_come_after_earlier_ones_whatever_their_age(world: World) -> None:
    """
    In a running daemon what settled first is taken first, even if it is younger by its own time.
    """
    world.tell(concurrency=1)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=60))
    for name in ("first", "second", "third"):
        world.drop(f"{name}.png", name)

    async with world.running():
        await world.asked(1)
        world.drop("new.png", "new")
        await asyncio.sleep(15)
        old = world.drop("old.png", "old")
        os.utime(old, (1_000_000_000, 1_000_000_000))
        await world.until(lambda: len(world.tree("outbox")) == 5, within=HOUR)

    claimed = [line["name"] for line in world.events("job.claimed")]
    assert claimed[3:] == ["new.png", "old.png"]


async def test_the_inbox_is_the_queue(world: World) -> None:
    """
    No more is claimed than twice what may run at once; the rest stays in the inbox where all can see it.
    """
    world.tell(concurrency=2)
    for number in range(12):
        world.drop(f"{number:02}.png", image=photo(seed=number))
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=60))

    async with world.running():
        await world.asked(2)
        await asyncio.sleep(30)
        assert len(world.jobs()) == 4
        assert len(world.tree("inbox")) == 16
        assert len(world.requests) == 2
        await world.until(lambda: len(world.tree("outbox")) == 12, within=HOUR)


async def test_a_full_daemon_rests(world: World) -> None:
    """
    While there is no room new files are seen and wait; nothing runs in circles until there is.
    """
    world.tell(concurrency=1, rescan_seconds=20)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=300))
    for number in range(4):
        world.drop(f"{number}.png", image=photo(seed=number))

    async with world.running() as daemon:
        await world.until(lambda: len(world.jobs()) == 2)
        world.drop("late.png")
        await world.noticed(daemon, "late.png")
        await world.until(lambda: len(world.tree("outbox")) == 5, within=HOUR)


async def test_one_event_costs_one_look_in_an_inbox_of_thousands(
    ringing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    With 3,000 images waiting for their prompts, a new bundle is looked at by name and nothing else is.
    """
    for number in range(3000):
        (ringing.folders.inbox / f"lone{number:04}.png").write_bytes(b"some bytes")
    ringing.drop("first.png")
    system = CountedSystem()
    monkeypatch.setattr(nofollow, "os", system)

    async with ringing.running() as daemon:
        await ringing.until(lambda: ringing.tree("done") and not ringing.jobs())
        await quiet(ringing)
        assert (await daemon.status.summary())[0].count == 3000
        system.calls.clear()
        ringing.drop("cat.png")
        await ringing.until(lambda: len(ringing.tree("outbox")) == 2)

    assert system.calls["scandir"] == 0
    assert system.calls["stat"] <= 60


async def test_a_job_costs_no_look_that_is_not_needed(
    ringing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each of its files as it comes, right before the claim and right after it; our own renames ring nobody.
    """
    jobs = 20
    system = CountedSystem()
    monkeypatch.setattr(nofollow, "os", system)

    async with ringing.running() as daemon:
        await ringing.until(lambda: ringing.events("watch.mode"))
        await quiet(ringing)
        system.inbox_looks = 0
        for number in range(jobs):
            ringing.drop(f"{number:02}.png", image=photo(seed=number))
        await ringing.until(lambda: len(ringing.tree("outbox")) == jobs and not ringing.jobs())
        await quiet(ringing)
        assert daemon.status.is_idle

    # Of a file that is written while it is looked at there are two events.
    assert 6 * jobs <= system.inbox_looks <= 8 * jobs


async def test_it_can_say_who_waits_at_any_moment(world: World) -> None:
    """
    Asked over and over while a scan of thousands is under way, it always has an answer.
    """
    for number in range(3000):
        (world.folders.inbox / f"lone{number:04}.png").write_bytes(b"some bytes")

    async with world.running() as daemon:
        while (await daemon.status.summary())[0].count < 3000:  # noqa: ASYNC110 - the asking is what is tried
            await asyncio.sleep(0)


async def test_a_daemon_without_watches_says_so_and_works(world: World) -> None:
    """
    Where the kernel refuses to watch, one line says so, and files are found at the pace of the scans.
    """
    async with world.running():
        await world.until(lambda: world.events("watch.mode"))
        world.drop("cat.png")
        await world.until(lambda: world.tree("outbox"), within=30)

    (line,) = world.events("watch.mode")
    assert (line["mode"], line["log_level"]) == ("scan", "warning")
    assert "inotify watch limit" in line["reason"]


class CountedSystem:
    """
    Stands for `os` in the one module that looks at the inbox, and counts the looks.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.inbox_looks = 0

    def stat(self, *args: Any, **named: Any) -> os.stat_result:
        self.calls["stat"] += 1
        self.inbox_looks += "/inbox/" in str(args[0])
        return os.stat(*args, **named)

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(os, name)


async def test_a_prompt_that_may_not_be_read_keeps_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A sidecar of another user holds its image where it lies, with the reason; draining ends all the same.
    """
    world.drop("cat.png")
    world.drop("dog.png")
    monkeypatch.setattr(nofollow, "os", Refusing("cat.txt"))
    daemon = world.daemon()

    await world.once(daemon)

    assert world.tree("outbox") == ["dog.png"]
    assert {"cat.png", "cat.txt"} == set(world.tree("inbox"))
    assert "cannot be moved out of the inbox" in (await world.reasons(daemon))["cat.png"]
    assert len(world.events("file.held")) == 1


async def test_a_scan_that_takes_long_does_not_make_files_quiet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What was written while a slow disk was being listed has not been quiet since the listing began.
    """
    slow = Slow(world)
    monkeypatch.setattr(scanner, "os", slow)

    async with world.running():
        await world.until(lambda: world.requests)
        assert world.clock.monotonic() >= slow.written_at + 2


class Slow:
    """
    The system on a slow disk: a file is written while the first listing takes longer than it must settle.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.written_at = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def scandir(self, path: Any) -> Any:
        if not self.written_at:
            self._world.time._ahead += 4
            self._world.drop("cat.png")
            self.written_at = self._world.clock.monotonic()
        return os.scandir(path)


async def test_a_write_after_the_writers_own_rename_is_waited_for(ringing: World) -> None:
    """
    Its settle time counts from what is written last, however quickly one follows the other.
    """
    ringing.tell(settle_seconds=0.5, prompt="make it blue")
    picture, temporary = ringing.folders.inbox / "cat.png", ringing.folders.inbox / "cat.png.part"
    temporary.write_bytes(photo())

    async with ringing.running() as daemon:
        await ringing.until(lambda: ringing.events("watch.mode"))
        assert daemon._assembly is not None
        async with daemon._assembly.intake._turning:  # No turn while all of this happens.
            picture.touch()
            temporary.rename(picture)
            picture.write_bytes(photo(seed=1))
            await asyncio.sleep(0.3)
        released_at = ringing.clock.monotonic()
        await ringing.until(lambda: ringing.requests)

    assert ringing.requests[0].arrived_at >= released_at + 0.45


async def test_a_fault_nobody_foresaw_costs_one_turn(
    ringing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    An error in the midst of a look is logged, and the inbox is looked at anew; the daemon lives.
    """
    ringing.tell(rescan_seconds=HOUR)

    async with ringing.running():
        await ringing.until(lambda: ringing.events("watch.mode"))
        await quiet(ringing)
        monkeypatch.setattr(intake, "_AFTER_CRASH_SECONDS", 0.1)
        monkeypatch.setattr(nofollow, "os", Failing())
        ringing.drop("cat.png")
        await ringing.until(lambda: ringing.tree("outbox"))

    assert len(ringing.events("intake.crashed")) == 1


async def test_a_fault_nobody_foresaw_in_a_claim_loses_no_bundle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A bundle that was ready when the error came is ready again a little later.
    """
    world.drop("cat.png")
    # Scans look through scandir: the first stat is the claim's own.
    monkeypatch.setattr(nofollow, "os", Failing())

    async with world.running():
        await world.until(lambda: world.tree("outbox") == ["cat.png"], within=HOUR)

    assert len(world.events("intake.crashed")) == 1


class Failing:
    """
    The system as it never was seen: the first look at a file ends in an error of another kind.
    """

    def __init__(self) -> None:
        self._is_spent = False

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def stat(self, path: Any, **more: Any) -> os.stat_result:
        if not self._is_spent:
            self._is_spent = True
            raise RuntimeError("out of nowhere")
        return os.stat(path, **more)


async def test_a_claim_that_fails_half_way_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A prompt that may not be renamed (a sticky folder, another owner) leaves its image in the inbox too.
    """
    world.drop("cat.png")
    world.drop("dog.png")
    move = durable.move_unless_taken

    def choosy(source: Where, target: Where) -> None:
        if source.name == "cat.txt":
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source.name)
        move(source, target)

    monkeypatch.setattr(durable, "move_unless_taken", choosy)
    daemon = world.daemon()

    await world.once(daemon)

    assert world.tree("outbox") == ["dog.png"]
    assert {"cat.png", "cat.txt"} == set(world.tree("inbox"))
    assert world.jobs() == []
    assert "cannot be moved out of the inbox" in (await world.reasons(daemon))["cat.png"]


async def test_the_last_look_finds_a_prompt_that_nobody_rang_for(world: World) -> None:
    """
    Without events too, a prompt of its own that came after the scan wins over the folder's.
    """
    world.tell(settle_seconds=4, rescan_seconds=HOUR)
    (world.folders.inbox / "_prompt.txt").write_text("make it sepia")
    (world.folders.inbox / "cat.png").write_bytes(photo())

    async with world.running():
        await asyncio.sleep(1)
        (world.folders.inbox / "cat.txt").write_text("make it blue")
        await world.until(lambda: world.tree("outbox"))

    assert world.prompts() == ["make it blue"]
    assert world.tree("inbox") == ["_prompt.txt"]


async def test_a_job_that_was_mended_by_hand_is_over(world: World) -> None:
    """
    Who moves the originals of a damaged job back and removes its folder, as told, is rid of it.
    """
    world.drop("cat.png")
    damaged = world.folders.work / "jobs/20261123-120000-00000000"
    (damaged / "originals").mkdir(parents=True)
    (damaged / "originals/dog.png").write_bytes(photo())
    (damaged / "job.json").write_text("{")

    async with world.running() as daemon:
        await world.until(lambda: world.events("job.waiting") and world.tree("outbox"))
        shutil.rmtree(damaged)
        await world.until(lambda: not daemon.status.jobs, within=60)


async def test_it_is_ready_before_anything_is_claimed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The service manager hears of it once the inbox was looked at, however much there is to claim.
    """
    world.tell(settle_seconds=0)
    for name in ("cat.png", "dog.png"):
        world.drop(name)
    told: list[tuple[str, int]] = []

    def noted(*assignments: str) -> None:
        jobs = world.folders.work / "jobs"
        told.extend((each, len(list(jobs.iterdir()))) for each in assignments)

    monkeypatch.setattr(daemon_module, "notify", noted)

    await world.once()

    assert ("READY=1", 0) in told
    assert sorted(path.name for path in world.folders.done.glob("*.png")) == ["cat.png", "dog.png"]
