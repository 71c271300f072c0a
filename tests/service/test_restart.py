"""
A daemon that ends at a bad moment, and the next one on the same folders: nothing lost, nothing paid twice.
"""

import asyncio
import errno
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import PngImagePlugin

from engine_world import HOUR, World, moment, open_world, photo
from retouchd.disk import durable
from retouchd.errors import WorkFolderHeld
from retouchd.pictures import inspect
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


# Moments.


async def test_killed_with_a_request_on_its_way_repeats_it_once(world: World) -> None:
    """
    An attempt found open may have been charged: it is asked again, once, under the same key.
    """
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.STALL, times=1))
    async with world.killing():
        await world.until(lambda: world.charged)
    assert len(world.in_work("attempt-1-1.open")) == 1

    await world.once()

    assert world.verdicts("done/cat.job.json") == ["in_doubt", "done"]
    assert world.record("done/cat.job.json")["attempts"][0]["code"] == "interrupted"
    assert len(world.requests_by_job()) == 1
    assert len(world.requests) == 2


@pytest.mark.parametrize("max_in_doubt", [0, 1, 2])
async def test_killed_again_and_again_asks_no_more_than_allowed(
    world: World, max_in_doubt: int
) -> None:
    """
    However often a daemon dies with the request on its way, no more repeats are made than allowed.
    """
    world.tell(max_in_doubt=max_in_doubt)
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.STALL))
    for number in range(max_in_doubt + 1):
        async with world.killing():
            await world.asked(number + 1)

    assert Ending.DRAINED is await world.once()

    assert max_in_doubt + 1 == len(world.requests)
    assert world.record("error/cat.job.json")["error"]["code"] == "in_doubt"
    assert {"cat.png", "cat.txt"} < set(world.tree("error"))


async def test_killed_before_anything_was_sent_sends_it_then(world: World) -> None:
    """
    A job that was claimed and never asked is asked once, like a fresh one.
    """
    world.tell(concurrency=1)
    await _kill_with_claimed(world, ["late"])
    (claimed,) = [job.name for job in world.jobs() if not list(job.glob("attempt-*.open"))]

    await world.once()

    assert world.tree("outbox") == ["first0.png", "late.png"]
    assert sorted(world.requests_by_job().values()) == [1, 2]
    assert world.requests_by_job()[claimed] == 1


async def test_a_half_done_claim_is_finished(world: World) -> None:
    """
    A claim that moved the image and not yet its prompt goes on with the prompt, and nobody waits for either.
    """
    world.tell(concurrency=1)
    await _kill_with_claimed(world, ["late"])
    (prompt,) = world.in_work("originals/late.txt")
    prompt.rename(world.folders.inbox / "late.txt")

    await world.once()

    assert world.tree("outbox") == ["first0.png", "late.png"]
    assert {"late.job.json", "late.png", "late.txt"} < set(world.tree("done"))
    assert world.tree("inbox") == []


async def test_a_claim_whose_prompt_changed_meanwhile_is_given_back(world: World) -> None:
    """
    What is no longer the file that was seen is not sent: the bundle returns and is taken anew, as it is now.
    """
    world.tell(concurrency=1)
    await _kill_with_claimed(world, ["late"])
    (prompt,) = world.in_work("originals/late.txt")
    prompt.unlink()
    (world.folders.inbox / "late.txt").write_text("make it red now")

    async with world.running():
        await world.until(lambda: len(world.tree("outbox")) == 2, within=HOUR)

    assert sorted(world.prompts()) == ["make it blue", "make it blue", "make it red now"]
    assert world.record("done/late.job.json")["request"]["prompt"] == "make it red now"


async def test_draining_includes_what_is_given_back_meanwhile(world: World) -> None:
    """
    A bundle given back while the inbox is drained lies in the inbox again: it is drained too.
    """
    world.tell(concurrency=1)
    await _kill_with_claimed(world, ["late"])
    (prompt,) = world.in_work("originals/late.txt")
    prompt.unlink()
    (world.folders.inbox / "late.txt").write_text("make it red now")

    await world.once()

    assert world.tree("outbox") == ["first0.png", "late.png"]


@pytest.mark.parametrize("shape", [None, FaultKind.URL, FaultKind.CHAT_DATA])
async def test_a_kept_answer_is_never_asked_for_again(
    world: World, shape: FaultKind | None
) -> None:
    """
    A daemon that died after keeping an answer leaves the next one a picture to publish, not to buy.
    """
    world.drop("cat.png")
    await _kill_with_a_kept_answer(world, shape)
    assert world.charged == 1

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    assert world.verdicts("done/cat.job.json") == ["done"]
    assert len(world.requests) == 1


async def test_a_kept_refusal_is_judged_after_the_restart(world: World) -> None:
    """
    What was kept may be bad news: it is read all the same, and not asked for again.
    """
    world.drop("cat.png")
    await _kill_with_a_kept_answer(world, None)
    (response,) = world.in_work("attempt-1-1.response")
    head = json.loads(response.read_bytes().partition(b"\n")[0])
    body = json.dumps({"error": {"message": "no", "code": "moderation_blocked"}})
    response.write_text(json.dumps(head | {"status": 400}) + "\n" + body)

    await world.once()

    assert world.record("error/cat.job.json")["error"]["code"] == "content_policy"
    assert len(world.requests) == 1


async def test_a_kept_refusal_of_the_account_is_no_news_after_a_restart(world: World) -> None:
    """
    What an earlier process was told says nothing about now: the key may be mended since, so one asks again.
    """
    world.drop("cat.png")
    await _kill_with_a_kept_answer(world, None)
    (response,) = world.in_work("attempt-1-1.response")
    head = json.loads(response.read_bytes().partition(b"\n")[0])
    body = json.dumps({"error": {"message": "wrong key", "code": "invalid_api_key"}})
    response.write_text(json.dumps(head | {"status": 401}) + "\n" + body)

    assert Ending.DRAINED is await world.once()

    assert world.verdicts("done/cat.job.json") == ["account", "done"]
    assert world.events("daemon.paused") == []


async def test_a_due_time_survives_a_restart(world: World) -> None:
    """
    A job told to come back in ten minutes is not asked earlier by another daemon.
    """
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.OVERLOADED, retry_after="250", times=1))
    async with world.killing():
        await world.until(lambda: world.in_work("attempt-1-1.json"))

    await world.once()

    first, second = world.record("done/cat.job.json")["attempts"]
    assert (moment(second["sent_at"]) - moment(first["sent_at"])).total_seconds() >= 249
    assert len(world.requests) == 2


async def test_a_clock_set_back_delays_no_job_longer_than_the_longest_back_off(
    world: World,
) -> None:
    """
    When the time of day jumps back by a day, a due time of yesterday's tomorrow is not waited for.
    """
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.OVERLOADED, retry_after="60", times=1))
    async with world.killing():
        await world.until(lambda: world.in_work("attempt-1-1.json"))
    world.clock.jump = -24 * HOUR

    async with world.running():
        await world.until(lambda: world.tree("outbox"), within=400)


async def test_a_clean_stop_lets_what_is_on_its_way_finish(world: World) -> None:
    """
    Asked to stop, the daemon claims nothing more, waits for the request it pays for, and publishes it.
    """
    world.tell(concurrency=1)
    for name in ("a", "b", "c", "d"):
        world.drop(f"{name}.png")
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=120))

    async with world.running():
        await world.asked(1)

    assert len(world.requests) == len(world.tree("outbox")) == 1
    world.faults()
    await world.once()
    assert world.tree("outbox") == ["a.png", "b.png", "c.png", "d.png"]
    assert len(world.requests) == 4


async def test_a_second_stop_stops_now(world: World) -> None:
    """
    Asked twice, the daemon does not wait; what was on its way is in doubt at the next start.
    """
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.STALL, times=1))
    async with world.running() as daemon:
        await world.asked(1)
        asked = world.clock.monotonic()
        daemon.stop()
        await world.time.still()
        daemon.stop()
        await world.until(lambda: world.events("daemon.stopped"), within=10)
        assert world.clock.monotonic() - asked < 10

    await world.once()

    assert world.verdicts("done/cat.job.json") == ["in_doubt", "done"]


async def test_a_work_folder_serves_one_daemon_at_a_time(world: World) -> None:
    """
    A second daemon on the same work folder is refused by name and touches nothing.
    """
    async with world.running():
        await world.until(lambda: world.events("watch.mode"))
        world.drop("cat.png")
        with pytest.raises(WorkFolderHeld, match="work"):
            await world.daemon().run(until_drained=True)
        assert world.requests == []


# Poison.


async def test_a_job_that_cannot_be_prepared_is_tried_three_times(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A picture over which memory runs out time and again ends as `crashed`; others are done meanwhile.
    """
    decoder = Decoder(monkeypatch, fault=MemoryError("made up"), times=9)
    world.drop("bad.png", image=photo(77, 30))
    world.drop("good.png")

    assert Ending.DRAINED is await world.once()

    assert world.tree("outbox") == ["good.png"]
    assert 3 == len(decoder.tries) == len(world.events("job.crashed"))
    error = world.record("error/bad.job.json")["error"]
    assert error["code"] == "crashed"
    assert "bad.png" in error["message"]
    assert {"bad.error.txt", "bad.png", "bad.txt"} < set(world.tree("error"))
    assert len(world.requests) == 1


async def test_progress_forgives_earlier_crashes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A job that failed twice and then got on is an ordinary job.
    """
    Decoder(monkeypatch, fault=MemoryError("made up"), times=2)
    world.drop("cat.png", image=photo(77, 30))
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=30))

    async with world.running():
        await world.asked(1)
        assert world.in_work("crashes") == []

    assert world.tree("outbox") == ["cat.png"]
    assert world.tree("done") == ["cat.job.json", "cat.png", "cat.txt"]


async def test_ends_in_preparation_are_counted_across_daemons(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After the third unclean end that found it in preparation a picture is put aside, untried.
    """
    world.tell(concurrency=1)
    await _kill_with_claimed(world, ["bad"], image=photo(77, 30))
    decoder = Decoder(monkeypatch, fault=Death(), times=9)
    for _ in range(2):
        assert await _dies(world)
    assert len(decoder.tries) == 2

    await world.once()

    assert len(decoder.tries) == 2
    assert world.record("error/bad.job.json")["error"]["code"] == "crashed"
    assert world.tree("outbox") == ["first0.png"]


async def test_after_an_unclean_end_suspects_run_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Jobs that may have brought the daemon down are prepared one at a time, before anything new is sent.
    """
    world.tell(concurrency=3)
    await _kill_with_claimed(world, ["old0", "old1", "old2"], image=photo(77, 30))
    world.drop("new.png")
    world.lines.clear()
    sent = len(world.requests)
    decoder = Decoder(monkeypatch, is_over=lambda: len(world.requests) > sent)

    await world.once()

    assert decoder.most_at_once == 1
    # Few rows of each are decoded.
    assert {77} == {width for width, _ in decoder.tries}
    assert len(decoder.tries) == 3
    assert len(world.tree("outbox")) == 7
    assert [line["was_clean"] for line in world.events("daemon.started")] == [False]


async def test_a_suspect_that_gets_on_is_forgiven(world: World) -> None:
    """
    Killed five times for other reasons while a job waited, the daemon still does that job.
    """
    world.tell(concurrency=1, max_in_doubt=5)  # Which of the two is out at a kill is up to chance.
    await _kill_with_claimed(world, ["late"])
    for _ in range(4):
        world.faults(Fault(kind=FaultKind.OVERLOADED, retry_after="100"))
        async with world.killing():
            await world.until(lambda: world.events("request.failed"))
        world.lines.clear()
    world.faults()

    await world.once()

    assert world.tree("outbox") == ["first0.png", "late.png"]


async def test_a_clean_end_makes_no_suspects(world: World) -> None:
    """
    After a clean stop nothing is noted against the jobs that still waited.
    """
    world.tell(concurrency=1)
    world.drop("a.png")
    world.drop("b.png")
    world.faults(Fault(kind=FaultKind.OVERLOADED, retry_after="100", times=1))
    async with world.running():
        await world.until(lambda: world.in_work("attempt-1-1.json"))
    world.lines.clear()

    await world.once()

    assert [line["was_clean"] for line in world.events("daemon.started")] == [True]
    assert world.tree("outbox") == ["a.png", "b.png"]


# Folders in the way, full disks.


@pytest.mark.parametrize("folder", ["outbox", "done"])
async def test_a_blocked_folder_makes_the_job_wait(world: World, folder: str) -> None:
    """
    A file named like the folder that is needed: the job waits with the reason, then goes on without asking.
    """
    obstacle = getattr(world.folders, folder) / "shoes"
    obstacle.write_text("in the way")
    world.drop("shoes/red.png")

    async with world.running():
        await world.until(lambda: world.events("job.waiting"))
        (line,) = world.events("job.waiting")
        assert "shoes" in line["reason"]
        assert (line["folder"], line["name"]) == ("shoes", "red.png")
        blocked = world.clock.monotonic()
        await world.until(lambda: world.clock.monotonic() > blocked + 300)
        assert len(world.events("job.waiting")) == 1
        assert world.tree("error") == []
        obstacle.unlink()
        await world.until(lambda: world.tree("done") and not world.jobs(), within=600)

    assert world.tree("outbox") == ["shoes/red.png"]
    assert world.tree("done") == ["shoes/red.job.json", "shoes/red.png", "shoes/red.txt"]
    assert len(world.requests) == 1


async def test_a_blocked_error_folder_makes_the_job_wait(world: World) -> None:
    """
    The way to error may be blocked as well; the originals stay in work until it is free.
    """
    obstacle = world.folders.error / "shoes"
    obstacle.write_text("in the way")
    world.drop("shoes/red.png", " ")

    async with world.running():
        await world.until(lambda: world.events("job.waiting"))
        assert len(world.in_work("originals/red.png")) == 1
        obstacle.unlink()
        await world.until(lambda: not world.jobs(), within=600)

    assert world.record("error/shoes/red.job.json")["error"]["code"] == "prompt_empty"


async def test_a_blocked_folder_survives_a_restart(world: World) -> None:
    """
    A daemon that ends while a picture cannot be published leaves it to the next one.
    """
    obstacle = world.folders.outbox / "shoes"
    obstacle.write_text("in the way")
    world.drop("shoes/red.png")
    async with world.killing():
        await world.until(lambda: world.events("job.waiting"))
    obstacle.unlink()

    await world.once()

    assert world.tree("outbox") == ["shoes/red.png"]
    assert len(world.requests) == 1


@pytest.mark.parametrize("is_sent", [False, True])
async def test_once_does_not_wait_for_ever_for_a_blocked_folder(
    world: World, *, is_sent: bool
) -> None:
    """
    The others are done first; it ends and says why, nothing is paid for in vain, and the next run goes on.
    """
    obstacle = world.folders.outbox / "shoes"
    if is_sent:
        world.faults(Fault(kind=FaultKind.LATENCY, seconds=5))
    else:
        obstacle.write_text("in the way")
    for seed, name in enumerate(("cat.png", "hats/blue.png", "shoes/red.png")):
        world.drop(name, image=photo(seed=seed))
    daemon = world.daemon()

    async def block() -> None:
        await world.asked(3)
        obstacle.write_text("in the way")

    async with asyncio.TaskGroup() as tasks:
        if is_sent:
            tasks.create_task(block())
        ending = await world.once(daemon)

    assert ending is Ending.UNAVAILABLE
    assert "shoes is in the way" in daemon.status.trouble
    assert world.tree("outbox") == ["cat.png", "hats/blue.png", "shoes"]
    obstacle.unlink()
    await world.once()
    assert world.tree("outbox") == ["cat.png", "hats/blue.png", "shoes/red.png"]
    assert len(world.requests) == 3


async def test_a_clean_stop_does_not_wait_for_a_blocked_folder(world: World) -> None:
    """
    A job that cannot go on keeps no daemon from stopping.
    """
    (world.folders.outbox / "shoes").write_text("in the way")
    world.drop("shoes/red.png")

    async with world.running() as daemon:
        await world.until(lambda: world.events("job.waiting"))
        daemon.stop()
        await world.until(lambda: world.events("daemon.stopped"), within=60)

    assert len(world.in_work("originals/red.png")) == 1


@pytest.mark.parametrize("n", [1, 3])
async def test_an_answer_the_disk_refuses_is_held_and_published_later(
    world: World, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    """
    While the disk takes nothing the answer stays in memory; it is not asked for again, and comes out whole.
    """
    world.tell(parameters={"n": n})
    world.drop("cat.png", image=photo(400, 300))
    disk = FullDisk(".part", ".response", after=700)
    monkeypatch.setattr(durable, "os", disk)

    async with world.running():
        await world.until(lambda: len(world.events("answer.held")) >= 5)
        assert len(world.requests) == 1
        assert world.tree("error") == []
        disk.is_full = False
        await world.until(lambda: world.tree("done") and not world.jobs(), within=60)

    assert n == len(world.tree("outbox"))
    assert world.verdicts("done/cat.job.json") == ["done"]
    assert len(world.requests) == 1


@pytest.mark.parametrize("name", ["attempt-1-1.json", "outputs", "plan.json", "attempt-1-1.open"])
async def test_a_full_disk_at_any_other_step_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """
    Wherever a job meets a full disk it waits with the reason and goes on when there is room again.
    """
    world.drop("cat.png")
    disk = FullDisk(name)
    monkeypatch.setattr(durable, "os", disk)

    async with world.running():
        await world.until(lambda: world.events("job.waiting"))
        assert "space" in world.events("job.waiting")[0]["reason"]
        disk.is_full = False
        await world.until(lambda: world.tree("done") and not world.jobs(), within=60)

    assert world.tree("outbox") == ["cat.png"]
    assert world.tree("error") == []
    assert len(world.requests) == 1


# Several daemons.


async def test_two_daemons_on_one_inbox_share_the_work(world: World, tmp_path: Path) -> None:
    """
    Each file is taken by one of them: as many requests and results as files, none lost, none twice.
    """
    names = [f"{number:02}" for number in range(24)]
    for number, name in enumerate(names):
        world.drop(f"{name}.png", f"make {name} blue", image=photo(seed=number))
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=1))
    other = tmp_path / "other-work"
    other.mkdir()
    one = world.daemon()
    world.tell(folders=replace(world.folders, work=other))
    two = world.daemon()

    await world.once(one, two)

    assert len(names) == len(world.requests) == world.charged
    assert sorted(f"make {name} blue" for name in names) == sorted(world.prompts())
    assert [f"{name}.png" for name in names] == world.tree("outbox")
    assert 3 * len(names) == len(world.tree("done"))
    assert [] == world.tree("inbox") == world.tree("error")
    assert one.status.ends
    assert two.status.ends


class FullDisk:
    """
    Stands for `os` in the one module that writes: no room for files of those names beyond some bytes.
    """

    def __init__(self, *names: str, after: int = 0) -> None:
        self.is_full = True
        self._names = names
        self._left = after

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: memoryview) -> int:
        path = os.readlink(f"/proc/self/fd/{fd}")
        if self.is_full and any(name in path for name in self._names):
            if not self._left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: self._left]
            self._left -= len(data)
        return os.write(fd, data)


async def test_a_fetched_picture_that_brings_processes_down_is_put_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    After it has done so again and again, with the answer that names it; it was bought once.
    """
    world.drop("cat.png")
    await _kill_with_a_kept_answer(world, FaultKind.URL)
    bought = len(world.requests)
    tries: list[str] = []

    def deadly(path: Path) -> str:
        tries.append(path.name)
        raise Death

    monkeypatch.setattr(inspect, "check_output", deadly)
    for _ in range(2):
        assert await _dies(world)
    await world.once()

    assert len(tries) == 2
    assert world.record("error/cat.job.json")["error"]["code"] == "crashed"
    assert "cat.response" in world.tree("error")
    assert len(world.requests) == bought


class Death(BaseException):
    """
    Stands for the end of the process at the place where it is raised.
    """


class Decoder:
    """
    Pillow's PNG decoder, with a fault for pictures at least `width` wide, the first so many times.

    Nothing is counted any more once `is_over`: the endpoint decodes pictures too. Nor is what is decoded
    already: many things ask for that again.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        width: int = 77,
        fault: BaseException | None = None,
        times: int = 0,
        is_over: Callable[[], object] = bool,
    ) -> None:
        self.tries: list[tuple[int, int]] = []
        """The size of each such picture, in the order they were decoded first."""
        self.most_at_once = 0
        self._width = width
        self._fault = fault
        self._times = times
        self._is_over = is_over
        self._load = PngImagePlugin.PngImageFile.load
        self._lock = threading.Lock()
        self._running = 0
        self._together = threading.Event()

        def load(image: PngImagePlugin.PngImageFile) -> Any:
            return self.load(image)

        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)

    def load(self, image: PngImagePlugin.PngImageFile) -> Any:
        if image.width < self._width or not image.tile or self._is_over():
            return self._load(image)
        with self._lock:
            self.tries.append(image.size)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            if self._running > 1:
                self._together.set()
        try:
            if self._fault is not None and len(self.tries) <= self._times:
                raise self._fault
            # Time for another to come along, if any may.
            self._together.wait(0.05)
            return self._load(image)
        finally:
            with self._lock:
                self._running -= 1


async def _dies(world: World) -> bool:
    is_dead = False
    try:
        await world.once()
    except* Death:
        is_dead = True
    return is_dead


async def _kill_with_claimed(world: World, stems: list[str], image: bytes | None = None) -> None:
    """
    Kill a daemon whose requests hang, with those stems claimed and never asked.
    """
    most = world.settings.endpoint.concurrency
    for number in range(most):
        world.drop(f"first{number}.png")
    world.faults(Fault(kind=FaultKind.STALL))
    async with world.killing():
        await world.until(lambda: len(world.requests) == most)
        for stem in stems:
            world.drop(f"{stem}.png", f"make {stem} blue", image=image)
        await world.until(lambda: len(world.jobs()) == most + len(stems))
    assert most == len(world.in_work("attempt-1-1.open"))
    world.faults()


async def _kill_with_a_kept_answer(world: World, shape: FaultKind | None) -> None:
    """
    Kill a daemon that could keep the answer, and not decode it for a file in the way.
    """
    late = Fault(kind=FaultKind.LATENCY, seconds=30)
    world.faults(late, *([Fault(kind=shape)] if shape is not None else []))
    async with world.killing():
        await world.asked(1)
        obstacle = world.jobs()[0] / "outputs-1.part"
        obstacle.write_text("in the way")
        await world.until(lambda: world.events("job.waiting"))
    assert len(world.in_work("attempt-1-1.response")) == 1
    assert world.in_work("attempt-1-1.json") == []
    obstacle.unlink()
    world.faults()
