"""
What happens to a run when the disk fails: one operation at a time, each error, once and for a while.

    python fault_plots.py FOLDER WORLD EXTENT SHARD OF [ERROR…]

Tries every OFth operation beginning with SHARD, the errors one after the other, or with `every` as first
error name each of them; prints as JSON how many faults were survived and what broke.
"""

import asyncio
import contextlib
import errno
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from checker import check_at_the_end, check_nothing_changed, digest, files_in, tree
from crash_world import drop_all_kinds, drop_one, drop_three_edits
from engine_world import World, open_world
from faulty_disk import Extent, Fault, FaultyDisk
from retouchd.disk.probes import PROBE
from retouchd.errors import RetouchdError
from retouchd.service.daemon import Daemon, Ending

ERRORS = ("EIO", "ENOSPC", "EXDEV", "EROFS", "EACCES", "ESTALE", "EDQUOT", "EMFILE")
_DROPS = {"near": drop_all_kinds, "far": drop_one, "edits": drop_three_edits}
WORLDS = tuple(_DROPS)
_PICTURES = {"near": 2, "far": 1, "edits": 3}
_AT_ONCE = {"near": 1, "far": 1, "edits": 2}
OUTAGE_SECONDS = 90.0
MOST_STARTS = 5


async def survive(world_name: str, disk: FaultyDisk) -> None:
    """
    Let a run meet what a disk does. Raises AssertionError if it breaks a promise.
    """
    root = disk.root
    async with open_world(root) as world:
        _DROPS[world_name](world.folders.inbox)
        _prepare(world, root, world_name)
        originals = {
            digest(path): path.name
            for path in world.folders.inbox.rglob("*.*")
            if path.parent.name != "_refs"
        }
        trial = _Trial(world, disk)
        try:
            with disk.installed():
                await trial.run()
        except AssertionError as broken:
            broken.add_note(f"Last was told: {world.lines[-3:]}")
            raise
        assert not disk.sins, disk.sins
        charged = [seen.headers["idempotency-key"] for seen in world.requests if seen.charged]
        assert await world.once() is Ending.DRAINED
        check_at_the_end(world.folders, originals, charged, asked_again=0)
        before = tree(world.folders)
        assert await world.once() is Ending.DRAINED
        check_nothing_changed(before, tree(world.folders))
        _check_pictures(world, world_name)
        trial.check_told()


def _prepare(world: World, root: Path, world_name: str) -> None:
    parameters = {"n": 1 if world_name == "edits" else _PICTURES[world_name]}
    concurrency = _AT_ONCE[world_name]
    world.tell(parameters=parameters, concurrency=concurrency, orphan_seconds=0, settle_seconds=1)


def _check_pictures(world: World, world_name: str) -> None:
    for record in world.folders.done.rglob("*.job.json"):
        outputs = json.loads(record.read_bytes())["outputs"]
        assert len(outputs) == _PICTURES[world_name], f"a picture is missing: there are {outputs}"


class _Trial:
    """
    One run on a disk that fails, to its end: started anew where it refuses to start, healed if it must be.
    """

    def __init__(self, world: World, disk: FaultyDisk) -> None:
        self._world = world
        self._disk = disk

    async def run(self) -> None:
        """
        See the run through, as a service manager would.
        """
        for _ in range(MOST_STARTS):
            daemon = self._world.daemon()
            task = asyncio.create_task(daemon.run())
            try:
                await self._see_through(daemon, task)
            except RetouchdError:
                # Told before anything was touched: the next start finds a disk that may be better.
                self._heal()
                continue
            finally:
                if not task.done():
                    task.cancel()
                    await asyncio.wait([task])
            return
        raise AssertionError("no start succeeded")

    async def _see_through(self, daemon: Daemon, task: "asyncio.Task[Ending]") -> None:
        world = self._world
        await world.until(lambda: task.done() or self._is_over() or self._lasts())
        if not task.done() and not self._is_over():
            await self._wait_out(daemon, task)
        self._heal()
        await world.until(lambda: task.done() or self._is_over())
        daemon.stop()
        await world.until(task.done)
        assert task.result() is Ending.STOPPED

    async def _wait_out(self, daemon: Daemon, task: "asyncio.Task[Ending]") -> None:
        """
        Let the fault last, then see that everything that waits has a reason.
        """
        end = self._world.time.seconds() + OUTAGE_SECONDS
        await self._world.until(
            lambda: task.done() or self._is_over() or self._world.time.seconds() > end
        )
        await self._world.time.still()
        if task.done() or self._is_over():
            return
        reasons = await self._world.reasons(daemon)
        report = daemon.status.report()
        assert report is not None
        with self._disk.aside():
            left = self._left()
            jobs = [path.name for path in self._world.jobs()]
        shut = {line["folder"] for line in self._world.events("file.left") if not line["name"]}
        for name in left:
            # What is half given back is explained by its job, and what nobody can see by its folder.
            above = {str(folder).removeprefix(".") for folder in Path(name).parents}
            is_said = bool(
                reasons.get(name) or daemon.status.trouble or report.blocked or above & shut
            )
            assert is_said, f"nobody says why {name} waits"
        for job in jobs:
            is_held = any(line.get("job") == job for line in self._world.events("answer.held"))
            is_said = bool(report.jobs.get(job) or is_held or daemon.status.trouble)
            assert is_said, f"nobody says why {job} waits"
        told = [line for line in self._world.lines if line["log_level"] in {"warning", "error"}]
        assert told or reasons, "the log is silent"

    def _lasts(self) -> bool:
        fault = self._disk.fault
        return fault is not None and fault.extent is not Extent.ONCE and bool(self._disk.hit)

    def _is_over(self) -> bool:
        with self._disk.aside():
            return not self._world.jobs() and not self._left()

    def _left(self) -> list[str]:
        """
        Return what waits in the inbox, by its paths there.
        """
        inbox = self._world.folders.inbox
        found = [path.relative_to(inbox).as_posix() for path in files_in(inbox)]
        return [name for name in found if "_refs" not in name and PROBE not in name]

    def _heal(self) -> None:
        if self._disk.fault is not None and self._disk.hit:
            self._disk.is_healed = True

    def check_told(self) -> None:
        """
        Assert that the end of every job was logged, and nothing crashed.
        """
        told = {
            line["job"] for line in self._world.lines if line["event"] in {"job.done", "job.failed"}
        }
        made = {line["id"] for line in self._world.history()}
        assert made <= told, "a job came to its end in silence"
        crashed = [line for line in self._world.lines if line["event"].endswith(".crashed")]
        assert not crashed, f"a fault nobody foresaw: {crashed[0].get('exc_info') or crashed[0]}"


def faults_of(
    count: int, extent: Extent, shard: int, of: int, errors: list[str]
) -> Iterator[Fault]:
    """
    Return the faults to be tried: each chosen operation with one error after the other, or with every one.
    """
    for at in range(1 + shard, count + 1, of):
        names = ERRORS if errors == ["every"] else [ERRORS[(at // of) % len(ERRORS)]]
        for name in errors if errors and errors != ["every"] else names:
            yield Fault(number=getattr(errno, name), at=at, extent=extent)


def main(folder: str, world: str, extent: str, shard: str, of: str, *errors: str) -> None:
    """
    Try one share of all faults and print what came of it.
    """
    broken: list[str] = []
    survived: Counter[str] = Counter()
    with _quiet():
        root = Path(folder)
        whole = FaultyDisk(root=root / "0")
        asyncio.run(survive(world, whole))
        count = whole.count
        for fault in faults_of(count, Extent(extent), int(shard), int(of), list(errors)):
            disk = FaultyDisk(root=root / f"{fault.at}", fault=fault)
            name = errno.errorcode[fault.number]
            try:
                asyncio.run(survive(world, disk))
                survived[name] += bool(disk.hit)
            except Exception as error:  # noqa: BLE001 - whatever breaks is told with its fault
                notes = " ".join(getattr(error, "__notes__", ()))
                broken.append(f"{name} {extent} at {fault.at}, {disk.hit}: {error!r} {notes}")
            shutil.rmtree(disk.root, ignore_errors=True)
    sys.stdout.write(json.dumps({"operations": count, "survived": survived, "broken": broken}))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


if __name__ == "__main__":
    main(*sys.argv[1:])
