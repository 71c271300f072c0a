"""
However changes are noticed, the outcome is the same: by the kernel's reports, by polling, by scans alone.

Time is real here: the kernel's reports come from outside of the loop.
"""

import asyncio
import errno
import os
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from engine_world import HOUR, NoWatches, World, open_world, photo
from inotify_faults import overflow, refuse_instances, refuse_watches
from retouchd.disk import filesystems
from retouchd.inbox import watch_supervisor, watcher
from retouchd.inbox.watch_mode import Choice, Mode
from retouchd.inbox.watch_supervisor import WatchSupervisor
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Daemon, Ending

pytestmark = pytest.mark.slow(60)

Writer = Callable[[Path, Path, bytes], Awaitable[None]]

BLUE = photo()


@pytest.fixture
async def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """
    A world in real time that settles quickly, and is looked after often.
    """
    monkeypatch.setattr(watch_supervisor, "_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(watch_supervisor, "_SHORTEST_BACKOFF_SECONDS", 0.05)
    async with open_world(tmp_path, has_events=True) as world:
        world.tell(settle_seconds=0.1, rescan_seconds=HOUR)
        yield world


@pytest.fixture
def watched(real: World) -> World:
    """
    Everything from the kernel's reports: the next scan is an hour away.
    """
    real.tell(observer=Choice.AUTO)
    return real


@pytest.fixture
def polling(real: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(watcher, "Observer", NoWatches)
    real.tell(observer=Choice.POLLING, poll_seconds=0.2)
    return real


@pytest.fixture
def deaf(real: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """
    No observer at all.
    """
    monkeypatch.setattr(watcher, "Observer", NoWatches)
    real.tell(observer=Choice.INOTIFY, rescan_seconds=0.3)
    return real


@pytest.fixture(params=["watched", "polling", "deaf"])
def any_world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


def watching_of(daemon: Daemon) -> WatchSupervisor:
    assert daemon._assembly is not None
    return daemon._assembly.watching


async def started(world: World) -> None:
    await world.until(lambda: world.events("watch.mode"))


async def edited(world: World, *names: str) -> None:
    """
    Wait until these and no other files are in the outbox, each asked for once.
    """
    await world.until(lambda: world.tree("outbox") == sorted(names) and not world.jobs(), within=20)
    assert len(world.requests) == len(names)
    assert world.tree("error") == []


async def known(world: World, daemon: Daemon, *names: str) -> None:
    """
    Wait until these and no other files are known to wait.
    """
    async with asyncio.timeout(20):
        while set(names) != (await world.reasons(daemon)).keys():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.02)


# Writers, each giving a file its name in its own way.


async def written(place: Path, elsewhere: Path, content: bytes) -> None:
    place.write_bytes(content)


async def moved_in(place: Path, elsewhere: Path, content: bytes) -> None:
    elsewhere.write_bytes(content)
    elsewhere.rename(place)


async def renamed_inside(place: Path, elsewhere: Path, content: bytes) -> None:
    temporary = place.with_name(f".{place.name}.Ab3dEf")
    temporary.write_bytes(content)
    await asyncio.sleep(0.2)
    temporary.rename(place)


async def renamed_over(place: Path, elsewhere: Path, content: bytes) -> None:
    place.touch()
    await asyncio.sleep(0.5)
    await renamed_inside(place, elsewhere, content)


async def linked(place: Path, elsewhere: Path, content: bytes) -> None:
    elsewhere.write_bytes(content)
    place.hardlink_to(elsewhere)


async def named_at_last(place: Path, elsewhere: Path, content: bytes) -> None:
    fd = os.open(place.parent, os.O_TMPFILE | os.O_RDWR, 0o644)
    try:
        os.write(fd, content)
        # With a folder's number Python follows the link, as linkat(2) must here.
        os.link(f"/proc/self/fd/{fd}", place, src_dir_fd=fd, follow_symlinks=True)
    finally:
        os.close(fd)


async def rewritten(place: Path, elsewhere: Path, content: bytes) -> None:
    place.write_bytes(content[: len(content) // 2])
    await asyncio.sleep(0.05)
    place.write_bytes(content)


async def in_pieces(place: Path, elsewhere: Path, content: bytes) -> None:
    for start in range(0, len(content), len(content) // 4):
        with place.open("ab") as file:
            file.write(content[start : start + len(content) // 4])
        await asyncio.sleep(0.02)


WRITERS = [
    written,
    moved_in,
    renamed_inside,
    renamed_over,
    linked,
    named_at_last,
    rewritten,
    in_pieces,
]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
async def test_each_way_of_writing_is_noticed(any_world: World, write: Writer) -> None:
    """
    One request for each bundle, with its last content.
    """
    inbox = any_world.folders.inbox

    async with any_world.running():
        await started(any_world)
        await write(inbox / "猫.txt", any_world.root / "text", "变成蓝色".encode())
        await write(inbox / "猫.png", any_world.root / "image", BLUE)
        await edited(any_world, "猫.png")

    assert any_world.prompts() == ["变成蓝色"]
    assert any_world.requests[0].files[0].size == len(BLUE)
    assert any_world.tree("inbox") == []


async def test_a_folder_moved_in_is_noticed(any_world: World) -> None:
    """
    With all that is in it, however deep.
    """
    deep = any_world.root / "鞋" / "autumn" / "brown"
    deep.mkdir(parents=True)
    for seed, place in enumerate((deep.parent, deep)):
        (place / "cat.txt").write_text("make it blue")
        (place / "cat.png").write_bytes(photo(seed=seed))

    async with any_world.running():
        await started(any_world)
        (any_world.root / "鞋").rename(any_world.folders.inbox / "鞋")
        await edited(any_world, "鞋/autumn/cat.png", "鞋/autumn/brown/cat.png")


async def test_new_folders_are_noticed_with_files_written_at_once(any_world: World) -> None:
    """
    Nobody waits until a new folder is watched; what comes later is noticed in it as well.
    """
    names = [f"{number}/a/b/c/d/cat.png" for number in range(5)]

    async with any_world.running():
        await started(any_world)
        for name in names:
            any_world.drop(name)
        await edited(any_world, *names)
        any_world.drop("0/a/b/late.png")
        await edited(any_world, *names, "0/a/b/late.png")


async def test_a_file_that_is_gone_is_forgotten(any_world: World) -> None:
    """
    A removed image is not asked for; one of that name that comes later is, once.
    """
    image = any_world.folders.inbox / "cat.png"

    async with any_world.running() as daemon:
        await started(any_world)
        image.write_bytes(BLUE)
        await known(any_world, daemon, "cat.png")
        image.unlink()
        await known(any_world, daemon)
        any_world.drop("cat.png")
        await edited(any_world, "cat.png")


async def test_a_waiting_image_that_is_rewritten_goes_out_as_it_is_at_last(
    any_world: World,
) -> None:
    """
    What was known of it while it waited for its prompt counts for nothing.
    """
    image = any_world.folders.inbox / "cat.png"

    async with any_world.running() as daemon:
        await started(any_world)
        image.write_bytes(photo(60, 60))
        await known(any_world, daemon, "cat.png")
        image.write_bytes(BLUE)
        (any_world.folders.inbox / "cat.txt").write_text("make it blue")
        await edited(any_world, "cat.png")

    assert any_world.requests[0].files[0].size == len(BLUE)


# The inbox itself.


async def test_an_inbox_that_was_made_anew_is_watched(any_world: World) -> None:
    """
    Removed and made again, or renamed away with another in its place: what comes into the new one is done.
    """
    inbox = any_world.folders.inbox
    threads = threading.active_count()

    async with any_world.running():
        await started(any_world)
        shutil.rmtree(inbox)
        inbox.mkdir()
        any_world.drop("removed.png")
        await edited(any_world, "removed.png")
        lost, restored = (
            partial(any_world.events, f"watch.{each}") for each in ("lost", "restored")
        )
        before = len(lost())
        inbox.rename(any_world.root / "old")
        inbox.mkdir()
        await any_world.until(lambda: before < len(lost()) == len(restored()), within=20)
        any_world.drop("renamed.png")
        await edited(any_world, "removed.png", "renamed.png")
        (any_world.root / "old" / "mine.png").write_bytes(BLUE)

    assert (any_world.root / "old" / "mine.png").exists()
    assert len(lost()) == len(restored())
    assert threading.active_count() <= threads + 8


async def test_an_inbox_that_is_away_is_waited_for(any_world: World) -> None:
    """
    One line says so, the state is told, nothing is made in its place; it goes on when the inbox is back.
    """
    inbox, away = any_world.folders.inbox, any_world.root / "unmounted"
    any_world.drop("lone.png", None)

    async with any_world.running() as daemon:
        await started(any_world)
        inbox.rename(away)
        await any_world.until(lambda: any_world.events("watch.lost"), within=20)
        await any_world.until(lambda: "is not there" in daemon.status.trouble, within=20)
        await known(any_world, daemon)
        assert not inbox.exists()
        (away / "cat.txt").write_text("make it blue")
        (away / "cat.png").write_bytes(BLUE)
        away.rename(inbox)
        await edited(any_world, "cat.png")
        assert daemon.status.trouble == ""

    assert len(any_world.events("watch.lost")) == 1
    assert len(any_world.events("watch.restored")) == 1
    assert any_world.tree("inbox") == ["lone.png"]


async def test_nothing_is_taken_under_an_empty_mount_point(any_world: World) -> None:
    """
    Where both inbox and work are others than before, their disk is away: nothing there is touched.
    """
    mounted = any_world.root / "mounted"
    mounted.mkdir()

    async with any_world.running() as daemon:
        await started(any_world)
        for name in ("inbox", "work"):
            (any_world.root / name).rename(mounted / name)
            (any_world.root / name).mkdir()
        await any_world.until(lambda: "work folder" in daemon.status.trouble, within=20)
        any_world.drop("cat.png")
        await asyncio.sleep(1)
        assert any_world.tree("inbox") == ["cat.png", "cat.txt"]
        assert any_world.tree("work") == []
        for name in ("inbox", "work"):
            shutil.rmtree(any_world.root / name)
            (mounted / name).rename(any_world.root / name)
        await any_world.until(lambda: any_world.events("watch.restored"), within=20)
        any_world.drop("dog.png")
        await edited(any_world, "dog.png")


async def test_a_job_waits_for_the_inbox_it_is_given_back_to(any_world: World) -> None:
    """
    The account is exhausted while the inbox is away: the job stays in work until it can be given back.
    """
    inbox, away = any_world.folders.inbox, any_world.root / "unmounted"
    any_world.faults(Fault(kind=FaultKind.LATENCY, seconds=1), Fault(kind=FaultKind.KEY))
    any_world.drop("shoes/cat.png")

    async with any_world.running():
        await any_world.asked(1)
        inbox.rename(away)
        await any_world.until(lambda: any_world.events("job.waiting"), within=20)
        assert not inbox.exists()
        assert len(any_world.jobs()) == 1
        away.rename(inbox)
        await any_world.until(lambda: any_world.events("job.returned"), within=20)

    assert any_world.tree("inbox") == ["shoes/cat.png", "shoes/cat.txt"]


async def test_draining_an_inbox_that_went_away_ends_and_says_so(any_world: World) -> None:
    """
    An inbox that is not there is not a drained one; what is on its way is finished first.
    """
    any_world.faults(Fault(kind=FaultKind.LATENCY, seconds=1))
    any_world.drop("cat.png")
    daemon = any_world.daemon()
    run = asyncio.create_task(daemon.run(until_drained=True))
    await any_world.asked(1)

    any_world.folders.inbox.rename(any_world.root / "unmounted")

    async with asyncio.timeout(60):
        assert Ending.AWAY is await run
    assert "is not there" in daemon.status.trouble
    assert any_world.tree("outbox") == ["cat.png"]


async def test_an_inbox_that_stays_away_is_looked_for_once_a_minute(tmp_path: Path) -> None:
    """
    For hours, with one line in all; it is back within a minute of its return.
    """
    async with open_world(tmp_path) as world:
        inbox, away = world.folders.inbox, world.root / "unmounted"
        async with world.running():
            await started(world)
            inbox.rename(away)
            await asyncio.sleep(6 * HOUR)
            assert len(world.events("watch.lost")) == 1
            away.rename(inbox)
            world.drop("cat.png")
            await world.until(lambda: world.tree("outbox"), within=61)

        assert len(world.events("watch.restored")) == 1


# The watcher.


@pytest.mark.parametrize("which", ["_Handler", "_Emitter", "_Reader"])
async def test_a_watcher_that_failed_is_taken_up_again(
    watched: World, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """
    Whichever part of it: one line, a scan at once for what was missed, and reports again.
    """
    owner = getattr(watcher, which)
    name = {
        "_Handler": "on_any_event",
        "_Emitter": "build_and_queue_event",
        "_Reader": "handle_event",
    }[which]
    whole = getattr(owner, name)

    def fail(*arguments: object, **named: object) -> None:
        monkeypatch.setattr(owner, name, whole)
        raise RuntimeError("out of nowhere")

    async with watched.running():
        await started(watched)
        threads = threading.active_count()
        monkeypatch.setattr(owner, name, fail)
        watched.drop("cat.png")
        await edited(watched, "cat.png")
        await watched.until(lambda: watched.events("watch.restored"), within=20)
        watched.drop("dog.png")
        await edited(watched, "cat.png", "dog.png")
        assert threading.active_count() <= threads + 8

    (line,) = watched.events("watch.lost")
    assert "out of nowhere" in line["reason"]
    assert len(watched.events("watch.restored")) == 1


async def test_a_watcher_that_fails_again_and_again_is_tried_ever_more_seldom(
    watched: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The files are taken all the same, since each loss leads to a scan.
    """

    def fail(*_: object) -> None:
        raise RuntimeError("out of nowhere")

    monkeypatch.setattr(watcher._Handler, "on_any_event", fail)

    async with watched.running():
        await started(watched)
        began = asyncio.get_running_loop().time()
        number = 0
        while asyncio.get_running_loop().time() < began + 3:
            number += 1
            (watched.folders.inbox / f"_{number}").write_bytes(b"")
            await asyncio.sleep(0.05)
        watched.drop("cat.png")
        await edited(watched, "cat.png")

    assert 2 <= len(watched.events("watch.lost")) <= 7


async def test_an_overflow_drops_nothing(watched: World) -> None:
    """
    The kernel forgot thousands of events, jobs among them: each job is sent once, without waiting for a scan.
    """
    names = [f"{number}.png" for number in range(6)]

    def then() -> None:
        for name in names:
            watched.drop(f"shoes/{name}", image=photo(seed=int(name[0])))

    async with watched.running() as daemon:
        await started(watched)
        watcher = watching_of(daemon)._watcher
        await asyncio.to_thread(overflow, watcher, watched.folders.inbox, then)
        await edited(watched, *(f"shoes/{name}" for name in names))
        watched.drop("shoes/late.png")
        await edited(watched, "shoes/late.png", *(f"shoes/{name}" for name in names))

    assert watched.events("watch.overflow")
    assert set(watched.requests_by_job().values()) == {1}


LIMITS = {
    "watches": (refuse_watches, errno.ENOSPC, "fs.inotify.max_user_watches"),
    "instances": (refuse_instances, errno.EMFILE, "fs.inotify.max_user_instances"),
    "files": (refuse_instances, errno.ENFILE, "fs.file-max"),
    "no-inotify": (refuse_instances, errno.ENOSYS, "intake.observer"),
}


@pytest.mark.parametrize(("refuse", "error", "remedy"), LIMITS.values(), ids=LIMITS)
async def test_without_watches_it_polls_and_says_so(
    watched: World,
    monkeypatch: pytest.MonkeyPatch,
    refuse: Callable[[pytest.MonkeyPatch, int], None],
    error: int,
    remedy: str,
) -> None:
    """
    One warning names the mode, the reason, what it means and the setting to raise.
    """
    watched.tell(poll_seconds=0.2)
    refuse(monkeypatch, error)

    async with watched.running() as daemon:
        await started(watched)
        watched.drop("cat.png")
        await edited(watched, "cat.png")
        report = daemon.status.report()
        assert report is not None
        assert report.watch_mode == Mode.POLLING

    (line,) = watched.events("watch.mode")
    assert (line["mode"], line["log_level"]) == ("polling", "warning")
    assert remedy in line["remedy"]
    assert line["reason"]
    assert "poll_seconds" in line["meaning"]


async def test_a_watch_refused_later_turns_to_polling(watched: World) -> None:
    """
    A new sub-folder cannot be watched: said loudly, and its files are found; after SIGHUP it is tried again.
    """
    watched.tell(poll_seconds=0.2)

    async with watched.running() as daemon:
        await started(watched)
        with pytest.MonkeyPatch.context() as patch:
            refuse_watches(patch, errno.ENOSPC)
            watched.drop("shoes/cat.png")
            await edited(watched, "shoes/cat.png")
            await watched.until(lambda: len(watched.events("watch.mode")) == 2, within=20)
            watched.drop("shoes/dog.png")
            await edited(watched, "shoes/cat.png", "shoes/dog.png")
        daemon.look_again()
        await watched.until(lambda: len(watched.events("watch.mode")) == 3, within=20)

    assert [line["mode"] for line in watched.events("watch.mode")] == [
        "inotify",
        "polling",
        "inotify",
    ]
    assert "max_user_watches" in watched.events("watch.mode")[1]["remedy"]
    assert watched.events("watch.lost") == []


@pytest.fixture
def deepest(tmp_path: Path) -> Iterator[Path]:
    """
    A folder below more of them than the interpreter's stack has room for.
    """
    inbox = tmp_path / "inbox"
    deepest = inbox / "/".join("d" * 1200)
    subprocess.run(["mkdir", "-p", deepest], check=True)
    yield deepest
    subprocess.run(["rm", "-r", inbox / "d"], check=True)


async def test_folders_too_deep_to_be_watched_are_polled(watched: World, deepest: Path) -> None:
    """
    The library's walk ends in an error where the interpreter's recursion does: polling has none.
    """
    watched.tell(poll_seconds=0.2, rescan_seconds=1)

    async with watched.running():
        await started(watched)
        watched.drop("cat.png")
        await edited(watched, "cat.png")

    (line,) = watched.events("watch.mode")
    assert line["mode"] in ("polling", "inotify")
    assert (line["mode"] == "inotify") or "deep" in line["reason"]


async def test_a_network_folder_is_polled(watched: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The kernel would report nothing of what others write there: said as a warning, with the filesystem.
    """
    table = watched.root / "mountinfo"
    table.write_text(f"36 1 0:99 / {watched.root} rw shared:1 - nfs4 nas:/photos rw\n")
    monkeypatch.setattr(filesystems, "_TABLE", table)
    watched.tell(poll_seconds=0.2)

    async with watched.running():
        await started(watched)
        watched.drop("cat.png")
        await edited(watched, "cat.png")

    (line,) = watched.events("watch.mode")
    assert (line["mode"], line["log_level"]) == ("polling", "warning")
    assert "nfs4" in line["reason"]


async def test_it_tells_how_and_when_it_looked(any_world: World) -> None:
    """
    The mode with its reason, the time of the last scan and how long that took.
    """
    began = any_world.clock.now()

    async with any_world.running() as daemon:
        await started(any_world)
        await any_world.until(lambda: any_world.scanned_at(daemon), within=20)
        report = daemon.status.report()
        assert report is not None
        assert report.scanned_at is not None
        assert began <= report.scanned_at <= any_world.clock.now()
        assert 0 <= report.scan_seconds < 10
        assert report.watch_mode == any_world.events("watch.mode")[0]["mode"]
        assert report.watch_reason
