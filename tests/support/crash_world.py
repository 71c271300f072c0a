"""
A run that dies: bundles in an inbox, a daemon in a child process on a failing disk, and the sweep of both.
"""

import asyncio
import contextlib
import ctypes
import errno
import json
import os
import random
import re
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from canary import CANARY, assert_unsaid
from checker import (
    check_at_the_end,
    digest,
)
from counting_endpoint import serve_for_ever
from crashing import FailingDisk
from retouchd.clock import SystemClock
from retouchd.config.settings import EditDefaults, Settings
from retouchd.disk.folders import Folders
from retouchd.endpoint.client import Endpoint
from retouchd.hooks.hooks import Hooks
from retouchd.hooks.rules import About, HookRules
from retouchd.inbox.readiness import Patience
from retouchd.inbox.watcher import Watcher
from retouchd.job.model import Request
from retouchd.logs import logger
from retouchd.request.limits import Limits, limits_for
from retouchd.service.daemon import Daemon, Ending
from retouchd.spool.documents import is_torn
from retouchd.spool.fingerprint import fingerprint
from retouchd.spool.spool import Spool
from retouchd.throttle.retry import RetryBudget

LONGEST_RUN_SECONDS = 120
MOST_RUNS = 5
MODEL = "gpt-image-2"
_RANDOM = random.random
_SET_PARENT_DEATH_SIGNAL = 1
_JOB_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")

Mutant = Callable[[], None]
Drop = Callable[[Path], None]


def drop_all_kinds(inbox: Path) -> None:
    """
    Drop a bundle with a reference, a mask that must be fitted and a companion, and one that is refused.
    """
    drop_with_companion(inbox)
    _draw(inbox / "pets/cat.mask.png", (0, 0), mode="LA")
    (inbox / "pets/cat.toml").write_text('images = ["_refs/floor.png"]')
    _draw(inbox / "bad.png", "pink")
    (inbox / "bad.txt").write_text("  ")
    (inbox / "pets/_refs").mkdir()
    _draw(inbox / "pets/_refs/floor.png", "brown")


def drop_one(inbox: Path) -> None:
    """
    Drop a picture with its prompt into a sub-folder.
    """
    (inbox / "pets").mkdir()
    _draw(inbox / "pets/cat.png", "teal")
    (inbox / "pets/cat.txt").write_text("make it blue")


def drop_with_companion(inbox: Path) -> None:
    """
    Drop the same with what a photo program keeps beside it.
    """
    drop_one(inbox)
    (inbox / "pets/cat.xmp").write_text("settings")


def drop_masked_wide(inbox: Path) -> None:
    """
    Drop a picture with a mask, of a shape that no model makes: it is padded before it is sent.
    """
    (inbox / "pets").mkdir()
    Image.new("RGB", (96, 24), "teal").save(inbox / "pets/cat.png")
    (inbox / "pets/cat.txt").write_text("make it blue")
    mask = Image.new("LA", (96, 24), (0, 255))
    mask.paste((0, 0), (0, 0, 48, 24))
    mask.save(inbox / "pets/cat.mask.png")


def drop_three_edits(inbox: Path) -> None:
    """
    Drop a picture whose sidecar names three edits, the result of one is to be reviewed; the last one is like
    the text beside it says.
    """
    drop_one(inbox)
    (inbox / "pets/cat.toml").write_text(
        '[[edits]]\nname = "warm"\nprompt = "make it sepia"\n'
        '[[edits]]\nname = "studio"\nprompt = "make it grey"\noutput.review = true\n'
        '[[edits]]\nname = "cold"\n'
    )


def drop_two(inbox: Path) -> None:
    """
    Drop two bundles.
    """
    drop_one(inbox)
    _draw(inbox / "dog.png", "navy")
    (inbox / "dog.txt").write_text("make it grey")


def drop_again(inbox: Path) -> None:
    """
    Drop what a person drags back out of `error/`: with the record and the reason of the first time.
    """
    drop_one(inbox)
    previous = "20250101-000000-0badcafe"
    record = {"version": 1, "id": previous, "status": "error", "attempts": [], "request": {}}
    (inbox / "pets/cat.job.json").write_text(json.dumps(record))
    (inbox / "pets/cat.error.txt").write_text(f"It failed.\n(retouchd, job {previous})\n")


def drop_what_was_paid_for(inbox: Path) -> None:
    """
    Drop a photo alone, for which something came that could not be finished: what came lies in `error/`, and
    record and history say what it was asked for with.
    """
    drop_one(inbox)
    error = inbox.parent / "error/pets"
    error.mkdir()
    _draw(error / "cat.received.png", "red")
    image, came = digest(inbox / "pets/cat.png"), digest(error / "cat.received.png")
    size = (inbox / "pets/cat.png").stat().st_size
    request = Request(model=MODEL, prompt="make it blue", parameters={"n": 1})
    asked = fingerprint(size, request, image, None, ()).sha256
    received = {
        "edit": 1,
        "asked": {"size": size, "sha256": asked},
        "path": "pets/cat.received.png",
        "bytes": (error / "cat.received.png").stat().st_size,
        "sha256": came,
    }
    record = {
        "version": 1,
        "id": "20250101-000000-0badcafe",
        "previous": None,
        "status": "error",
        "name": "cat",
        "image": "cat.png",
        "folder": "pets",
        "finished_at": "2025-01-01T00:00:00+00:00",
        "request": {},
        "attempts": [],
        "outputs": [],
        "received": [received],
    }
    (error / "cat.job.json").write_text(json.dumps(record))
    line = record | {"attempts": 1, "record": "cat.job.json"}
    (inbox.parent / "work/history.jsonl").write_text(json.dumps(line) + "\n")


@dataclass(frozen=True, kw_only=True)
class Plot:
    """
    What is tried: how the disk fails, what was dropped, what is broken on purpose.

    `far`: results go to another filesystem. `is_plain`: there are neither links nor RENAME_NOREPLACE.
    `first`: the status by which the first request is answered. `odd`: what is odd about every answer, in the
    words of `counting_endpoint`. Runs that die are not allowed urls at private addresses if the plot
    `is_private`; one that recovers is not either, and then is.
    `has_intruder`: after the first death somebody else takes the names that were planned in the outbox.
    Every step is tried, or with a `stride` every so many from the `first_step` on: enough to find what is
    broken at many of them; what late ones leave first where that is quicker, `from_the_end`.
    A job publishes so many `results`, 0: as many as it asks for with `n`; so many are archived as `received`,
    as others were published in their place. Where all `is_paid`, nobody is asked. With
    a `model` its own limits hold, and its sizes.
    With `recoveries` these die too, at every so many of their steps. The steps by which a start tries its
    folders are the same in all lives: a run dies at them where the plot `tries_probes`, or in a full sweep.
    One that `has_hook` runs a command for each job; `counts` are parts of the paths at whose changes runs die.
    """

    power_cut: bool = False
    far: Path | None = None
    drop: Drop = drop_one
    n: int = 1
    concurrency: int = 1
    is_plain: bool = False
    first: int | None = None
    odd: tuple[str, ...] = ()
    is_private: bool = False
    has_intruder: bool = False
    mutant: Mutant = lambda: None
    first_step: int = 1
    stride: int = 1
    from_the_end: bool = False
    recoveries: int = 0
    tries_probes: bool = False
    has_hook: bool = False
    counts: tuple[str, ...] = ()
    results: int = 0
    received: int = 0
    is_paid: bool = False
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class World:
    """
    Five folders, what was dropped into the inbox, and an endpoint that notes what it is asked.
    """

    folders: Folders
    url: str
    ledger: Path
    originals: dict[str, str]
    strangers: dict[str, str]
    n: int
    results: int
    received: int
    is_paid: bool
    model: str
    concurrency: int
    is_private: bool
    has_hook: bool

    def requests(self) -> list[str]:
        """
        Return the key of every request the endpoint got and did not refuse.
        """
        refused = Counter(words(unpaid(self.ledger)))
        return list((Counter(words(self.ledger)) - refused).elements())


@contextlib.contextmanager
def counting_endpoint(ledger: Path, *faults: str) -> Iterator[str]:
    """
    Run the endpoint in a process of its own, forked from this one; yield its base URL.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            # However this one ends, nobody is left behind.
            ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
            random.random = _RANDOM
            asyncio.run(serve_for_ever(os.fspath(ledger), faults, theirs))
        finally:
            os._exit(1)
    os.close(theirs)
    with open(ours) as told:
        url = told.read().strip()
    try:
        yield url
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def make_world(root: Path, plot: Plot, url: str, ledger: Path) -> World:
    """
    Make the folders, the far ones elsewhere, and drop what the plot says.
    """
    for each in ledger.parent.glob(f"{ledger.name}*"):
        each.unlink()
    results = away(root, plot)
    folders = Folders(
        inbox=root / "inbox",
        outbox=results / "outbox",
        review=results / "review",
        done=results / "done",
        error=results / "error",
        work=root / "work",
    )
    for place in ("inbox", "outbox", "review", "done", "error", "work"):
        folder: Path = getattr(folders, place)
        folder.mkdir(parents=True)
    plot.drop(folders.inbox)
    return World(
        folders=folders,
        url=url,
        ledger=ledger,
        # A reference is copied into the job and never moved, our own notes go: no originals of it.
        originals={
            digest(path): path.name
            for path in folders.inbox.rglob("*.*")
            if path.parent.name != "_refs" and not path.name.endswith((".job.json", ".error.txt"))
        },
        strangers={},
        n=plot.n,
        results=plot.results or plot.n,
        received=plot.received,
        is_paid=plot.is_paid,
        model=plot.model,
        concurrency=plot.concurrency,
        is_private=plot.is_private,
        has_hook=plot.has_hook,
    )


def away(root: Path, plot: Plot) -> Path:
    return plot.far / root.parent.name / root.name if plot.far else root


def intrude(world: World) -> None:
    """
    Put somebody else's pictures where ours were to go.
    """
    for plan in (world.folders.work / "jobs").glob("*/plan.json"):
        if is_torn(plan.read_bytes()):
            continue  # Nothing is planned yet.
        job = json.loads(plan.with_name("job.json").read_bytes())
        for output in json.loads(plan.read_bytes())["outputs"]:
            name = f"{job['folder']}/{output['target']}".lstrip("/")
            path = world.folders.outbox / name
            if not path.exists() and not world.strangers:
                path.parent.mkdir(exist_ok=True)
                _draw(path, "gold")
                world.strangers[name] = digest(path)


def check_end(world: World, asked_again: int) -> None:
    folders = world.folders
    check_at_the_end(folders, world.originals, world.requests(), asked_again, world.strangers)
    assert not (world.is_paid and world.requests()), "what was paid for was asked for again"
    for record in folders.done.rglob("*.job.json"):
        told = json.loads(record.read_bytes())
        outputs = told["outputs"]
        if world.model:
            assert told["edits"][0]["sent"]["canvas"], "it was to be padded"
            assert told["results"][0]["protected"], "it was to be protected"
        assert len(outputs) == world.results, f"a picture is missing: there are {outputs}"
    received = [path.name for path in folders.done.rglob("*.received.*")]
    assert len(received) == world.received, f"not as received is published: {received}"
    for path in world.originals.values():
        assert not (folders.error / "pets" / path).exists(), f"{path} failed without a fault"
    assert_unsaid(folders.work.parent)
    if world.has_hook:
        _check_hooks(world)


def run(world: World, disk: FailingDisk, mutant: Mutant) -> int:
    """
    Drain the inbox in a child process; return its exit code: 0, or `DIED` where the disk failed.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(end_of(world, disk, mutant))


def end_of(world: World, disk: FailingDisk, mutant: Mutant = lambda: None) -> int:
    """
    Drain the inbox in this process; return 0 where that came to the right end.
    """
    signal.alarm(LONGEST_RUN_SECONDS)
    try:
        mutant()
        disk.install()
        ending = drain(world)
    except BaseException:  # noqa: BLE001 - a child must never return into pytest
        traceback.print_exc()
        return 2
    finally:
        signal.alarm(0)
    # Where the configuration keeps a paid picture from being fetched, nothing else is right.
    is_right = ending is Ending.DRAINED or (world.is_private and ending is Ending.UNAVAILABLE)
    return 0 if is_right else 1


def drain(world: World) -> Ending:
    # Without events: all must work by scans alone, and a stopping watcher takes half a second.
    vars_of(Watcher, start=_refused)
    random.random = lambda: 0.0  # No jitter: repeats come at once.
    logger.configure(level="error")
    for _ in range(
        1 if world.is_private else MOST_RUNS
    ):  # One that found its account at fault has given everything back.
        ending = asyncio.run(_drained(world))
        if ending is not Ending.UNAVAILABLE:
            break
    logger.flush()
    return ending


async def _drained(world: World) -> Ending:
    daemon = Daemon(_settings(world), SystemClock())
    if not world.has_hook:
        return await daemon.run(until_drained=True)
    folders = world.folders
    told = ["sh", "-c", 'echo "$RETOUCHD_HOOK_ID $RETOUCHD_HOOK_RUN" >> hooks-told']
    rules = HookRules(commands={About.DONE: told, About.ERROR: told}, root=str(folders.work.parent))
    spool = Spool(work=folders.work, inbox=folders.inbox)
    hooks = Hooks(rules, folders, SystemClock(), in_work=spool.ids)
    async with hooks.kept(daemon.status.begun):
        return await daemon.run(until_drained=True)


def _check_hooks(world: World) -> None:
    """
    Assert that the end of each job was told of, and never twice as the same run: a second one says so.
    """
    folders = world.folders
    assert not list((folders.work / "events").iterdir()), "something is left to be told"
    path = folders.work.parent / "hooks-told"
    told = path.read_text().splitlines() if path.exists() else []
    again = [line for line, times in Counter(told).items() if times > 1]
    assert not again, f"told twice as the same run: {again}"
    known = {line.partition(" ")[0] for line in told}
    for folder in (folders.done, folders.error):
        for record in folder.rglob("*.job.json"):
            assert json.loads(record.read_bytes())["id"] in known, (
                f"{record.name} was never told of"
            )


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
            concurrency=world.concurrency,
            allow_private_urls=not world.is_private,
        ),
        budget=RetryBudget(max_in_doubt=MOST_RUNS),
        edit=EditDefaults(model=world.model or MODEL, parameters={"n": world.n}),
        limits=limits_for if world.model else lambda _: Limits(),
        patience=Patience(settle_seconds=0, orphan_seconds=0),
    )


def unpaid(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.unpaid")


def words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _draw(path: Path, colour: object, *, mode: str = "RGBA") -> None:
    Image.new(mode, (16, 16), colour).save(path)  # type: ignore[arg-type]
