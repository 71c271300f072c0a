"""
Crash at every mutation: the process dies at each change of the disk in turn, and is started again.

Once by a plain kill, once by a power cut that loses what was not synced. The promises are checked from
outside, at the crash and after the restart. Then the product is broken on purpose: the check must see it.
"""

import asyncio
import errno
import os
import random
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from checker import check_at_any_time, check_at_the_end, digest
from crashing import DIED, FailingDisk
from PIL import Image

from retouchd import logs
from retouchd.adapters import files
from retouchd.adapters.delivery import Delivery
from retouchd.adapters.edits import Endpoint
from retouchd.adapters.folders import Folders
from retouchd.adapters.spool import Spool
from retouchd.adapters.watch import Watcher
from retouchd.engine.clock import SystemClock
from retouchd.engine.daemon import Daemon, Ending
from retouchd.engine.framing import Edit
from retouchd.engine.settings import Settings
from retouchd.rules import phase
from retouchd.rules.limits import Limits
from retouchd.rules.phase import Phase
from retouchd.rules.retrying import Budget
from retouchd.rules.settling import Patience

Mutant = Callable[[], None]


@dataclass(frozen=True)
class World:
    """
    A root with five folders and files in the inbox, and an endpoint that counts.
    """

    root: Path
    url: str
    ledger: Path
    originals: dict[str, str]

    def requests(self) -> list[str]:
        """
        Return the key of every request the endpoint got.
        """
        return self.ledger.read_text().split() if self.ledger.exists() else []


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    ledger = tmp_path_factory.mktemp("endpoint") / "ledger"
    script = Path(__file__).with_name("counting_endpoint.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(ledger)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), ledger
        process.kill()


def make_world(root: Path, endpoint: tuple[str, Path]) -> World:
    """
    Drop three bundles: one with mask and two results, a plain one in a sub-folder, one that is refused.
    """
    url, ledger = endpoint
    ledger.unlink(missing_ok=True)
    for name in ("inbox/shoes", "outbox", "done", "error", "work"):
        (root / name).mkdir(parents=True)
    _draw(root / "inbox/cat.png", "teal")
    _draw(root / "inbox/cat.mask.png", (0, 0, 0, 0))
    (root / "inbox/cat.txt").write_text("make it blue")
    _draw(root / "inbox/shoes/red.png", "red")
    (root / "inbox/shoes/red.txt").write_text("grey")
    _draw(root / "inbox/bad.png", "pink")
    (root / "inbox/bad.txt").write_text("  ")
    originals = {digest(path): path.name for path in (root / "inbox").rglob("*.*")}
    return World(root, url, ledger, originals)


def _draw(path: Path, colour: object) -> None:
    Image.new("RGBA", (16, 16), colour).save(path)  # type: ignore[arg-type]


def settings_of(world: World) -> Settings:
    root = world.root
    return Settings(
        folders=Folders(
            inbox=root / "inbox",
            outbox=root / "outbox",
            done=root / "done",
            error=root / "error",
            work=root / "work",
        ),
        endpoint=Endpoint(
            base_url=world.url,
            api_key=None,
            timeout_seconds=20,
            connect_timeout_seconds=5,
            concurrency=1,
        ),
        budget=Budget(max_in_doubt=3),
        edit=Edit(model="gpt-image-2", parameters={"n": 2}),
        limits=lambda _: Limits(),
        patience=Patience(settle_seconds=0, orphan_seconds=0),
    )


def run(world: World, disk: FailingDisk, mutant: Mutant = lambda: None) -> int:
    """
    Drain the inbox in a child process; return its exit code: 0, or `DIED` where the disk failed.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        # Without events: everything must work by scans alone, and a stopping watcher takes its time.
        Watcher.start = _refused  # type: ignore[method-assign]
        mutant()
        disk.install()
        logs.configure(level="error")
        random.random = lambda: 0.0  # no jitter: repeats come at once
        ending = asyncio.run(Daemon(settings_of(world), SystemClock()).run(until_drained=True))
        (world.root / "count").write_text(str(disk.count))
        os._exit(0 if ending is Ending.DRAINED else 1)
    except BaseException:  # noqa: BLE001 - the child must never return into pytest
        traceback.print_exc()
        os._exit(2)


def _refused(_: Watcher) -> None:
    raise OSError(errno.ENOSPC, "inotify watch limit reached")


def count_of(world: World) -> int:
    return int((world.root / "count").read_text())


def crash_at(
    step: int, tmp: Path, endpoint: tuple[str, Path], *, power_cut: bool, mutant: Mutant
) -> bool:
    """
    Let one run die at that step and another finish; return False once the run has no such step.
    """
    world = make_world(tmp / f"{step}", endpoint)
    code = run(world, FailingDisk(die_at=step, power_cut=power_cut), mutant)
    if code == 0:
        return False
    assert code == DIED, f"the run ended with {code}"
    check_at_any_time(world.root, world.originals, same_disk=not power_cut)
    assert run(world, FailingDisk(), mutant) == 0, "the restart did not finish"
    check_at_the_end(world.root, world.originals, requests=world.requests(), crashes=1)
    assert run(world, FailingDisk(), mutant) == 0, "a second restart did not finish"
    check_at_the_end(world.root, world.originals, requests=world.requests(), crashes=1)
    return True


@pytest.mark.timeout(300)
@pytest.mark.parametrize("power_cut", [False, True], ids=["kill", "power cut"])
def test_crash_at_every_mutation(
    tmp_path: Path, endpoint: tuple[str, Path], power_cut: bool
) -> None:
    """
    Whatever the moment, nothing is lost, nothing is paid twice, and a restart finishes the work.
    """
    step = 1
    while crash_at(step, tmp_path, endpoint, power_cut=power_cut, mutant=lambda: None):
        step += 1

    assert step > 150, "the sweep covered a whole run"
