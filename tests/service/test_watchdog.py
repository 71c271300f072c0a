"""
The watchdog is fed while a run gets on, and only then.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_world import World, open_world
from process import RETOUCHD
from retouchd.disk.calls import Folder
from retouchd.service.daemon import Daemon, Ending
from retouchd.service.motion import PATIENCE_SECONDS, Motion, observed, stuck
from retouchd.status.status_file import StatusFiles

_LOOKS = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.floats(0.1, PATIENCE_SECONDS)), max_size=30
)


@given(looks=_LOOKS)
def test_stuck_is_what_was_at_work_for_too_long_and_did_not_move(
    looks: list[tuple[int, bool, float]],
) -> None:
    """
    However slowly something moves, or however long it rests: it is not stuck.
    """
    motion: Motion | None = None
    steps, now, still = 0, 0.0, 0.0

    for moved, is_at_work, later in looks:
        is_first = motion is None
        steps, now = steps + moved, now + later
        still = 0.0 if is_first or moved or not is_at_work else still + later
        motion = observed(motion, steps, now, is_at_work=is_at_work)

        expected = None if still <= PATIENCE_SECONDS else "inbox"
        if abs(still - PATIENCE_SECONDS) > 0.01:
            assert stuck({"inbox": motion}, now) == expected


def test_what_is_stuck_for_the_longest_is_named() -> None:
    """
    It is the likely cause of the others.
    """
    motions = {
        "work": Motion(steps=1, moved_at=50),
        "inbox": Motion(steps=7, moved_at=20),
        "else": Motion(steps=7, moved_at=900),
    }

    assert stuck(motions, 1000) == "inbox"


def healthcheck(world: World, daemon: Daemon) -> tuple[int, str]:
    """
    Return what a container's engine is told of a run that tells of itself now.
    """
    report = daemon.status.report()
    assert report is not None
    StatusFiles(world.folders.work).post(report)
    places = {
        f"RETOUCHD_FOLDERS__{name.upper()}": os.fspath(path)
        for name, path in world.folders.by_name().items()
    }
    told = subprocess.run(
        [RETOUCHD, "healthcheck"],
        env=os.environ | places,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode, told.stdout


class SlowFolder:
    """
    A folder on a share that has stopped answering: whoever lists it waits, busy or not.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_busy: bool = False) -> None:
        self._is_busy = is_busy
        self.answers = threading.Event()
        self.answers.set()
        self.is_asked = threading.Event()
        self._scandir = os.scandir
        monkeypatch.setattr(os, "scandir", self._list)

    def _list(self, *arguments: Any) -> Any:
        self.is_asked.set()
        end = time.monotonic() + 60
        while self._is_busy and not self.answers.is_set() and time.monotonic() < end:
            sum(range(1000))
        self.answers.wait(60)
        return self._scandir(*arguments)


class Manager:
    """
    A service manager that counts how often its watchdog was fed.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._fed = 0

    @property
    def fed(self) -> int:
        """
        Return how often, until now.
        """
        with contextlib.suppress(BlockingIOError):
            while True:
                self._fed += b"WATCHDOG=1" in self._listening.recv(4096).split(b"\n")
        return self._fed


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """
    Listen as a service manager does that has a watchdog of 60 s.
    """
    place = os.fspath(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(place)
        listening.setblocking(False)
        yield Manager(listening)


@contextlib.asynccontextmanager
async def idle_run(root: Path, manager: Manager) -> AsyncIterator[tuple[World, Daemon]]:
    """
    Run a daemon that has nothing to do, in a time that passes only as the test says.
    """
    async with open_world(root) as world:
        daemon = world.daemon()
        task = asyncio.create_task(daemon.run())
        await world.until(lambda: manager.fed)
        world.time.is_skipping = False
        yield world, daemon
        daemon.stop()
        assert await task is Ending.STOPPED


async def fed_after(seconds: float, world: World, manager: Manager) -> bool:
    """
    Let time pass; return whether the watchdog was fed then.
    """
    before = manager.fed
    world.time.pass_by(seconds)
    await asyncio.sleep(0.2)
    return manager.fed > before


async def fed_again(world: World, manager: Manager) -> None:
    """
    Wait until the watchdog is fed once more, and that is told.
    """
    for _ in range(50):
        if await fed_after(10, world, manager):
            break
    assert len(world.events("daemon.unstuck")) == 1


async def test_an_inbox_that_hangs_is_a_pause_and_no_reason_to_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    """
    No start would mend it, and an end would put requests in doubt: it is told of, and the watchdog is fed.
    """
    folder = SlowFolder(monkeypatch)
    async with idle_run(tmp_path / "world", manager) as (world, daemon):
        folder.is_asked.clear()
        folder.answers.clear()
        daemon.look_again()
        await world.until(folder.is_asked.is_set)
        await world.until(lambda: world.events("folder.unresponsive"))

        for _ in range(10):
            assert await fed_after(100, world, manager)

        assert not world.events("daemon.stuck")
        (line,) = world.events("folder.unresponsive")
        assert f"{world.folders.inbox} does not answer" in line["reason"]
        assert str(world.folders.inbox) in daemon.status.trouble
        folder.answers.set()
        await world.until(lambda: world.events("daemon.resumed"))


async def test_a_look_that_computes_for_ever_lets_the_watchdog_starve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: Manager
) -> None:
    """
    That is no disk's fault, so it is given five minutes; then it is told of, and the watchdog hears nothing.
    """
    folder = SlowFolder(monkeypatch, is_busy=True)
    async with idle_run(tmp_path / "world", manager) as (world, daemon):
        folder.is_asked.clear()
        folder.answers.clear()
        daemon.look_again()
        await world.until(folder.is_asked.is_set)

        assert await fed_after(40, world, manager)
        assert await fed_after(200, world, manager)
        assert not world.events("daemon.stuck")
        assert not await fed_after(100, world, manager)

        (line,) = world.events("daemon.stuck")
        assert "a look at the inbox" in line["reason"]
        assert healthcheck(world, daemon) == (1, f"{line['reason']}\n")
        folder.answers.set()
        await fed_again(world, manager)
        assert healthcheck(world, daemon) == (0, "alive\n")


async def test_threads_that_hang_let_the_watchdog_starve(tmp_path: Path, manager: Manager) -> None:
    """
    Where no thread is left that could look at the work folder, no job gets on.
    """
    async with idle_run(tmp_path / "world", manager) as (world, daemon):
        free = threading.Event()
        threads = daemon._disks.threads
        hanging = [threads.run(Folder.WORK, free.wait, 60) for _ in range(40)]
        waiting = asyncio.ensure_future(asyncio.gather(*hanging))
        await asyncio.sleep(0.1)

        assert await fed_after(40, world, manager)
        assert await fed_after(200, world, manager)
        assert not await fed_after(200, world, manager)

        (line,) = world.events("daemon.stuck")
        assert "work folder" in line["reason"]
        free.set()
        await waiting
        await fed_again(world, manager)
