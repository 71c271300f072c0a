"""
A world in which anything may happen at any moment, and the promises that hold in it all the same.

Daemons live on a mortal disk, each with a work folder of its own, on one inbox.
"""

import asyncio
import base64
import binascii
import contextlib
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from checker import digest, files_in
from engine_world import World, open_world
from mortal_disk import Died, Life, Moment, mortal_disk
from person import Act, Drop, Person, Return
from retouchd.config.settings import Settings
from retouchd.job.model import Job, idempotency_key
from retouchd.retry.error_folder import record_at
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Daemon, Ending
from retouchd.status.inbox_snapshot import InboxSnapshot
from retouchd.throttle.retry import IN_DOUBT_SECONDS

WORKS = ("work", "work-b")
_ID = len("20251129-120000-0a1b2c3d")
UNPAID = {429, 503}
LONG_ENOUGH_SECONDS = 61.0
"""By then what was dropped has been seen by a scan."""


@dataclass
class Run:
    """
    One daemon from its start to its end.
    """

    daemon: Daemon
    life: Life
    task: asyncio.Task[Ending]


@dataclass
class Remembered:
    """
    What earlier looks saw: how many requests a job had made when its picture was with us, and what the
    person has taken apart since, so that nobody is to blame for it.
    """

    arrived: dict[str, int] = field(default_factory=dict)
    outputs_moved: set[tuple[str, Path]] = field(default_factory=set)
    records_moved: set[Path] = field(default_factory=set)
    reasons_moved: set[str] = field(default_factory=set)


class MachineWorld:
    """
    The folders, the person, the endpoint and the daemons; every method leaves all at rest.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.person = Person(world.folders, world.root / "elsewhere")
        self.runs: dict[str, Run] = {}
        self._seen = Remembered()
        self._is_up = True

    def settings(self, work: str) -> Settings:
        """
        Return the settings of the daemon on that work folder.
        """
        folders = replace(self.world.folders, work=self.world.root / work)
        return replace(self.world.settings, folders=folders)

    async def start(self, work: str) -> None:
        """
        Start a daemon, if none runs there.
        """
        if work not in self.runs:
            self._begin(work)
            await self.rest()

    async def stop(self, work: str) -> None:
        """
        Stop a daemon as SIGTERM does; it may take as long as its requests.
        """
        if run := self.runs.get(work):
            run.daemon.stop()
            await self.world.until(run.task.done)
            await self.rest()

    async def kill(self, work: str) -> None:
        """
        End a daemon as kill -9 does.
        """
        if run := self.runs.get(work):
            run.life.die()
            run.task.cancel()
            await self.rest()

    async def kill_at(self, work: str, moment: Moment, drop: Act) -> None:
        """
        Have a daemon die at a moment of its work at what is dropped. The endpoint is well.
        """
        await self.retry_context(())
        self.act(drop)
        await self.start(work)
        if run := self.runs.get(work):
            run.life.die_at(moment)
            await self.live(LONG_ENOUGH_SECONDS)

    async def refuse_one(self, work: str, drop: Drop, *, with_record: bool) -> None:
        """
        Have the second request of what is dropped refused, then have all of it dragged back, with its record or
        without.
        """
        await self.retry_context((Fault(kind=FaultKind.POLICY, after=1, times=1),))
        self.act(drop)
        await self.start(work)
        await self.live(LONG_ENOUGH_SECONDS)
        self.act(Return(drop.name, with_record))
        await self.live(LONG_ENOUGH_SECONDS)

    async def look_again(self, work: str) -> None:
        """
        Do what SIGHUP does.
        """
        if run := self.runs.get(work):
            run.daemon.look_again()
            await self.rest()

    async def live(self, seconds: float) -> None:
        """
        Let time pass.
        """
        await asyncio.sleep(seconds)
        await self.rest()

    def act(self, act: Act) -> None:
        """
        Have the person do something.
        """
        before, unexplained = dict(self._records()), self._unexplained()
        self.person.do(act)
        after = dict(self._records())
        for record in before.values():
            for path in self._outputs_of(record):
                if not path.exists():
                    self._seen.outputs_moved.add((record["id"], path))
        for path in before.keys() - after.keys():
            self._seen.records_moved.update(self._outputs_of(before[path]))
        self._seen.reasons_moved |= self._unexplained() - unexplained

    async def kill_asking(self, work: str, drop: Act) -> None:
        """
        Kill a daemon while its requests are out.
        """
        await self.kill(work)
        await self.retry_context((Fault(kind=FaultKind.LATENCY, seconds=30),))
        self.act(drop)
        await self.start(work)
        await self.live(IN_DOUBT_SECONDS)
        await self.kill(work)

    async def act_between(self, work: str, moment: Moment, drop: Act, act: Act) -> None:
        """
        Have the person drop something, then do something while a daemon stands still at a moment of its
        work at that. The endpoint is well.
        """
        await self.retry_context(())
        await self.start(work)
        self.act(drop)
        run = self.runs.get(work)
        if run is None:
            self.act(act)
            return
        run.life.stand_at(moment)
        passing = asyncio.create_task(self.live(LONG_ENOUGH_SECONDS))
        job_state = asyncio.create_task(run.life.stands.wait())
        await asyncio.wait({passing, job_state}, return_when=asyncio.FIRST_COMPLETED)
        self.act(act)
        run.life.go_on()
        job_state.cancel()
        await asyncio.wait({job_state, passing})
        passing.result()
        await self.rest()

    async def retry_context(self, faults: Sequence[Fault] | None) -> None:
        """
        Change what the endpoint does wrong; None: nobody listens any more.
        """
        self.world.faults(*faults or ())
        if faults is None and self._is_up:
            await self.world.go_down()
        elif faults is not None and not self._is_up:
            await self.world.come_up()
        self._is_up = faults is not None
        await self.rest()

    async def rest(self) -> None:
        """
        Wait until nothing more happens without time passing; bury the dead.
        """
        await self.world.time.still()
        for work, run in list(self.runs.items()):
            if run.life.is_dead and not run.task.done():
                run.task.cancel()
                await asyncio.wait({run.task})
                await self.world.time.still()
            if run.task.done():
                del self.runs[work]
                with contextlib.suppress(asyncio.CancelledError):
                    _raise_unless_dead(run)

    async def finish(self) -> None:
        """
        Mend everything, drain the inbox, and have a second drain change nothing.
        """
        for work in list(self.runs):
            await self.kill(work)
        await self.retry_context(())
        self._clear_the_way()
        await self._drain()
        await self.check()
        self._check_drained()
        before, asked = self._everything(), len(self.world.requests)
        await self._drain()
        assert self._everything() == before, "a second drain changed something"
        assert len(self.world.requests) == asked, "a second drain asked again"

    async def check(self) -> None:
        """
        Assert what holds at every moment.
        """
        self._check_places()
        self._check_pictures()
        self._check_money()
        self._check_bought_once()
        self._check_reasons()
        for run in self.runs.values():
            assert not run.task.done(), "a daemon ended by itself"

    def _begin(self, work: str) -> None:
        (self.world.root / work).mkdir(exist_ok=True)
        life = Life()
        daemon = Daemon(self.settings(work), self.world.clock)
        task = asyncio.create_task(daemon.run(), context=life.context())
        self.runs[work] = Run(daemon, life, task)

    def _clear_the_way(self) -> None:
        """
        Have the person do what the daemon asks for where their own file stands in an original's way.
        """
        for job in self._jobs():
            for item in _read(job / "plan.json").get("originals", ()):
                if (job / item["source"]).exists():
                    folder = _read(job / "job.json")["folder"]
                    for place in (self.world.folders.done, self.world.folders.error):
                        self.person.take_away(place / folder / item["target"])

    async def _drain(self) -> None:
        works = [work for work in WORKS if (self.world.root / work).exists()]
        daemons = [Daemon(self.settings(work), self.world.clock) for work in works]
        ending = await self.world.once(*daemons)
        assert ending is Ending.DRAINED, f"it ended {ending}"

    def _check_places(self) -> None:
        places: Counter[str] = Counter()
        for folder in (*self.person.places, *self._originals_in_work()):
            places.update(map(digest, files_in(folder)))
        for known, name in self.person.originals.items():
            assert places[known], f"{name} is lost or was changed"
            assert places[known] == 1, f"{name} stands in {places[known]} places"

    def _check_pictures(self) -> None:
        outbox, ours = self.world.folders.outbox, Counter[Path]()
        for record in {
            r["id"]: r for r in (*self._planned(), *dict(self._records()).values())
        }.values():
            is_out = record.get("is_out", True)
            for path in self._outputs_of(record):
                if (record["id"], path) in self._seen.outputs_moved:
                    continue
                assert path.exists() or not is_out, f"{path.name} of a record is missing"
                ours[path] += path.exists()
        for path in files_in(outbox):
            if digest(path) in self.person.originals:
                continue
            assert _is_picture(path.read_bytes()), f"{path.name} is not whole"
            owners = ours[path]
            assert owners or path in self._seen.records_moved, f"{path.name} belongs to no record"
            assert owners <= 1, f"{path.name} belongs to {owners} records"

    def _check_money(self) -> None:
        budget = 1 + self.world.settings.budget.max_in_doubt
        made = self.world.requests_by_job()
        for job, number in self._seen.arrived.items():
            assert made[job] == number, f"{job} was asked for again after its picture had come"
        for job in self._with_picture():
            self._seen.arrived.setdefault(job, made[job])
        doubtful, charged = Counter[str](), Counter[tuple[str, int]]()
        for seen in self.world.requests:
            job = seen.headers["idempotency-key"]
            is_unpaid = seen.status in UNPAID or 400 <= (seen.status or 0) < 500
            doubtful[job] += not is_unpaid
            if seen.charged and seen.files:
                edit = int(job[_ID + 1 :] or 1)
                charged[seen.files[0].sha256, edit] += 1
        for job, number in doubtful.items():
            assert number <= budget, f"{job} may have been paid {number} times"
        for (known, edit), number in charged.items():
            name = self.person.originals.get(known, known)
            put = self.person.put[known]
            assert number <= put * budget, (
                f"{name} was put {put} times and paid {number} times for edit {edit}"
            )

    def _check_bought_once(self) -> None:
        """
        Assert that no daemon has bought an edit again that it knows to be done: each has a history of its own.
        """
        for work in WORKS:
            lines = {each["id"]: each for each in _lines(self.world.root / work / "history.jsonl")}
            bought = Counter[str]()
            for line in lines.values():
                edits = line.get("edits") or [line]
                paid = {each["edit"] for each in line["charges"] if not each["in_doubt"]}
                for number, edit in enumerate(edits, 1):
                    if number in paid and edit.get("fingerprint"):
                        bought[edit["fingerprint"]["sha256"]] += 1
            twice = [known for known, number in bought.items() if number > 1]
            assert not twice, f"{len(twice)} edits were bought again by {work} that were done"

    def _check_reasons(self) -> None:
        told = {
            each[:2]
            for each in InboxSnapshot(self.settings("work"), self.world.clock).idle()
            if each.reason
        }
        for path in files_in(self.world.folders.inbox):
            below = path.relative_to(self.world.folders.inbox)
            if any(part.startswith(("_", ".")) for part in below.parts):
                continue
            folder = below.parent.as_posix().removeprefix(".")
            assert (folder, path.name) in told, f"nobody says why {below} waits"
        silent = self._unexplained() - self._seen.reasons_moved
        names = [self.person.originals[known] for known in silent]
        assert not silent, f"nobody says why {names} lie in error"

    def _check_drained(self) -> None:
        left = [path for work in WORKS for path in (self.world.root / work).glob("jobs/*")]
        assert not left, f"jobs are left: {left}"
        claimable = InboxSnapshot(self.settings("work"), self.world.clock).claimable()
        ready = [job.stem for _, job in claimable if isinstance(job, Job) and not job.problems]
        assert not ready, f"{ready} could be claimed and were left"

    def _unexplained(self) -> set[str]:
        """
        Return the originals in error that have no record or no reason beside them.
        """
        found = set()
        for path in files_in(self.world.folders.error):
            if (known := digest(path)) not in self.person.originals:
                continue
            stems = {p.name.removesuffix(".error.txt") for p in path.parent.glob("*.error.txt")}
            if not any(
                (path.name == stem or path.name.startswith((f"{stem}.", f"{stem}_mask.")))
                and (path.parent / f"{stem}.job.json").exists()
                for stem in stems
            ):
                found.add(known)
        return found

    def _originals_in_work(self) -> Iterator[Path]:
        for work in WORKS:
            yield from (self.world.root / work).glob("*/*/originals")

    def _jobs(self) -> Iterator[Path]:
        for work in WORKS:
            yield from (self.world.root / work).glob("jobs/*")

    def _records(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for folder in (self.world.folders.done, self.world.folders.error):
            for path in files_in(folder, ".job.json"):
                if (record := record_at(path)) is not None:
                    yield path, record

    def _planned(self) -> Iterator[dict[str, Any]]:
        """
        Return what the jobs in work are about to publish, like records.
        """
        for job in self._jobs():
            if plan := _read(job / "plan.json"):
                folder = _read(job / "job.json")["folder"]
                outputs = [f"{folder}/{each['target']}".lstrip("/") for each in plan["outputs"]]
                yield {"id": job.name, "outputs": outputs, "is_out": False}

    def _outputs_of(self, record: dict[str, Any]) -> list[Path]:
        return [self.world.folders.outbox / output for output in record["outputs"]]

    def _with_picture(self) -> Iterator[str]:
        """
        Return the keys of the edits whose picture is with us.
        """
        for job in self._jobs():
            for answer in job.glob("attempt-*.response"):
                head, _, body = answer.read_bytes().partition(b"\n")
                edit = int(answer.name.split("-")[1])
                if json.loads(head)["status"] == 200 and _holds_picture(body):
                    yield idempotency_key(job.name, edit)
        for _, record in self._records():
            for number, edit in enumerate(record["edits"], 1):
                if edit["status"] == "done":
                    yield idempotency_key(record["id"], number)

    def _everything(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.world.root)): digest(path)
            for place in self.person.places
            for path in files_in(place)
        }


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """
    Return the lines of a history; a crash may leave one torn.
    """
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _read(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {}
    return body


def _raise_unless_dead(run: Run) -> None:
    error = run.task.exception()
    if error is None:
        return
    if isinstance(error, BaseExceptionGroup):
        _, error = error.split(Died)
    if error is not None and not (isinstance(error, Died) and run.life.is_dead):
        raise error


def _is_picture(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except OSError:
        return False
    return True


def _holds_picture(body: bytes) -> bool:
    try:
        return _is_picture(base64.b64decode(json.loads(body)["data"][0]["b64_json"], validate=True))
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error):
        return False


@contextlib.asynccontextmanager
async def open_machine_world(root: Path) -> AsyncIterator[MachineWorld]:
    """
    Open such a world in an empty folder; what still runs at its end is killed.
    """
    with mortal_disk():
        async with open_world(root, threads=1) as world:
            machine = MachineWorld(world)
            yield machine
            for work in list(machine.runs):
                await machine.kill(work)
