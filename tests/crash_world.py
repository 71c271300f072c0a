"""
A run that dies: bundles in an inbox, a daemon in a child process on a failing disk, and the sweep of both.
"""

import asyncio
import contextlib
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from canary import CANARY, assert_unsaid
from checker import check_at_any_time, check_at_the_end, digest, requests_out
from crashing import DIED, FailingDisk
from retouchd import logs
from retouchd.adapters.edits import Endpoint
from retouchd.adapters.folders import Folders
from retouchd.adapters.watch import Watcher
from retouchd.engine.clock import SystemClock
from retouchd.engine.daemon import Daemon, Ending
from retouchd.engine.framing import Edit
from retouchd.engine.settings import Settings
from retouchd.rules.limits import Limits
from retouchd.rules.retrying import Budget
from retouchd.rules.settling import Patience

LONGEST_RUN_SECONDS = 30

Mutant = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """
    What is tried: how the disk fails, whether results go to another filesystem, what is broken on purpose.

    Every step is tried, or with a `stride` every so many: enough to find what is broken at many of them.
    """

    power_cut: bool = False
    far: Path | None = None
    mutant: Mutant = lambda: None
    stride: int = 1


@dataclass(frozen=True, kw_only=True)
class World:
    """
    Five folders, what was dropped into the inbox, and an endpoint that notes what it is asked.
    """

    folders: Folders
    url: str
    ledger: Path
    originals: dict[str, str]
    n: int

    def requests(self) -> list[str]:
        """
        Return the key of every request the endpoint got.
        """
        return self.ledger.read_text().split() if self.ledger.exists() else []


@contextlib.contextmanager
def counting_endpoint(ledger: Path) -> Iterator[str]:
    """
    Run the endpoint in a process of its own; yield its base URL.
    """
    script = Path(__file__).with_name("counting_endpoint.py")
    process = subprocess.Popen(
        [sys.executable, os.fspath(script), os.fspath(ledger)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


def make_world(root: Path, plot: Plot, url: str, ledger: Path) -> World:
    """
    Drop a bundle into a sub-folder; where results stay near, with a reference and a mask that must be
    fitted, and one that is refused.
    """
    ledger.unlink(missing_ok=True)
    away = plot.far / root.name if plot.far else root
    folders = Folders(
        inbox=root / "inbox",
        outbox=away / "outbox",
        done=away / "done",
        error=away / "error",
        work=root / "work",
    )
    for folder in (root / "inbox", *(away / n for n in ("outbox", "done", "error")), root / "work"):
        folder.mkdir(parents=True)
    inbox = folders.inbox
    (inbox / "pets").mkdir()
    _draw(inbox / "pets/cat.png", "teal")
    (inbox / "pets/cat.txt").write_text("make it blue")
    if not plot.far:
        _draw(inbox / "pets/cat.mask.png", (0, 0), mode="LA")
        (inbox / "pets/cat.toml").write_text('images = ["_refs/floor.png"]')
        _draw(inbox / "bad.png", "pink")
        (inbox / "bad.txt").write_text("  ")
    originals = {digest(path): path.name for path in inbox.rglob("*.*")}
    if not plot.far:
        # Copied into the job and never moved: no original of it.
        (inbox / "pets/_refs").mkdir()
        _draw(inbox / "pets/_refs/floor.png", "brown")
    return World(
        folders=folders, url=url, ledger=ledger, originals=originals, n=1 if plot.far else 2
    )


def sweep(plot: Plot, tmp: Path) -> int:
    """
    Let a run die at each of its steps and another one finish; return how many steps there were.

    Raises AssertionError as soon as a promise is broken.
    """
    ledger = tmp / "ledger"
    with counting_endpoint(ledger) as url:
        _drain(make_world(tmp / "warm", plot, url, ledger))  # Imports once, not in every child.
        step = 1
        while _crash_at(step, plot, make_world(tmp / f"{step}", plot, url, ledger)):
            shutil.rmtree(tmp / f"{step}")
            step += plot.stride
    return step - 1


def _crash_at(step: int, plot: Plot, world: World) -> bool:
    shelf = world.folders.work.parent / "lost"
    disk = FailingDisk(die_at=step, power_cut=plot.power_cut, shelf=shelf)
    code = _run(world, disk, plot.mutant)
    if code == 0:
        return False
    assert code == DIED, f"step {step}: the run ended with {code}"
    check_at_any_time(world.folders, world.originals, is_exact=not plot.power_cut and not plot.far)
    asked_again = requests_out(world.folders)
    for _ in range(2):  # The second restart must change nothing.
        assert _run(world, FailingDisk(), plot.mutant) == 0, f"step {step}: no restart finished"
        check_at_the_end(world.folders, world.originals, world.requests(), asked_again)
    assert_unsaid(world.folders.work.parent)
    return True


def _run(world: World, disk: FailingDisk, mutant: Mutant) -> int:
    """
    Drain the inbox in a child process; return its exit code: 0, or `DIED` where the disk failed.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(LONGEST_RUN_SECONDS)
    try:
        mutant()
        disk.install()
        os._exit(0 if _drain(world) is Ending.DRAINED else 1)
    except BaseException:  # noqa: BLE001 - the child must never return into pytest
        traceback.print_exc()
        os._exit(2)


def _drain(world: World) -> Ending:
    # Without events: all must work by scans alone, and a stopping watcher takes half a second.
    vars_of(Watcher, start=_refused)
    random.random = lambda: 0.0  # No jitter: repeats come at once.
    logs.configure(level="error")
    return asyncio.run(Daemon(_settings(world), SystemClock()).run(until_drained=True))


def vars_of(owner: object, **changes: object) -> None:
    """
    Replace attributes of a module or class, in a child process that will not live to put them back.
    """
    for name, value in changes.items():
        setattr(owner, name, value)


def _refused(_: Watcher) -> None:
    raise OSError(errno.ENOSPC, "inotify watch limit reached")


def _settings(world: World) -> Settings:
    return Settings(
        folders=world.folders,
        endpoint=Endpoint(
            base_url=world.url,
            api_key=CANARY,
            timeout_seconds=20,
            connect_timeout_seconds=5,
            concurrency=1,
        ),
        budget=Budget(max_in_doubt=3),
        edit=Edit(model="gpt-image-2", parameters={"n": world.n}),
        limits=lambda _: Limits(),
        patience=Patience(settle_seconds=0, orphan_seconds=0),
    )


def _draw(path: Path, colour: object, *, mode: str = "RGBA") -> None:
    Image.new(mode, (16, 16), colour).save(path)  # type: ignore[arg-type]
