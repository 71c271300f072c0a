"""
Makes what a version leaves of photos with several edits, finished results, companions and hooks: jobs whose
daemon died at moments of theirs.

    python tests/acceptance/left_behind/make_edits.py OUT.tar.gz

It runs whatever version is installed beside it; see README.md for the one that made what is stored here.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, os.fspath(Path(__file__).parents[2] / "support"))

from crash_world import counting_endpoint, vars_of
from crashing import DIED, FailingDisk
from leaving import MOST_STEPS, drop, history_of, make_folders, pack, run
from retouchd.clock import SystemClock
from retouchd.config.settings import Settings
from retouchd.hooks.hooks import Hooks
from retouchd.hooks.rules import About, HookRules
from retouchd.pictures.finishing.apart import Made
from retouchd.pictures.finishing.finish import finish
from retouchd.pictures.finishing.task import Finishing
from retouchd.pictures.finishing.worker import report_of
from retouchd.pipeline import finish as pipeline_finish
from retouchd.service.daemon import Daemon
from retouchd.spool.spool import Spool

Moment = Callable[[Path], bool]

EDITS = """
[[edits]]
name = "warm"
prompt = "make it sepia, like {0}"
[[edits]]
name = "studio"
prompt = "make it grey, like {0}"
n = 2
[[edits]]
name = "cold"
"""
WRITTEN_ANEW = f'{EDITS}output = {{ format = "webp", size = "source" }}\n'
"""Of the last edit what is published is no longer what was received."""
REFUSED_FIRST = "first=500"


def has(*present: str, absent: tuple[str, ...] = ()) -> Moment:
    """
    Return the moment at which some files are there and others are not.
    """

    def fits(root: Path) -> bool:
        return all(any(root.glob(each)) for each in present) and not any(
            any(root.glob(each)) for each in absent
        )

    return fits


_JOB, _PLAN, _RECORD = "work/jobs/*", "work/jobs/*/plan.json", "done/*/*.job.json"
_CLOSED = [f"{_JOB}/attempt-{edit}-1.json" for edit in (1, 2, 3)]
_COMPANION, _RESULTS = f"{_JOB}/originals/*.xmp", f"{_JOB}/finished/results.json"
ASKED: dict[str, Moment] = {
    "half-claimed": has(f"{_JOB}/originals/*.toml", absent=(_COMPANION,)),
    "first-done": has(_CLOSED[0], f"{_JOB}/outputs/1-1.*", absent=(f"{_JOB}/attempt-2-1.open",)),
    "second-asked": has(f"{_JOB}/attempt-2-1.open", absent=(f"{_JOB}/attempt-2-1.response",)),
    "second-answered": has(f"{_JOB}/attempt-2-1.response", absent=(_CLOSED[1],)),
    "third-asked": has(_CLOSED[1], f"{_JOB}/attempt-3-1.open", absent=(_CLOSED[2],)),
}
"""The moments at which a daemon dies, each by what it leaves of its only job."""
DOUBTED: dict[str, Moment] = {"doubted": has(_CLOSED[0], absent=(f"{_JOB}/attempt-1-2.open",))}
"""Where the endpoint answers the first request in a way that may have been paid for."""
ENDED: dict[str, Moment] = {
    "all-done": has(*_CLOSED, f"{_JOB}/outputs/3-1.*", absent=(f"{_JOB}/finished*", _PLAN)),
    "half-finished": has(f"{_JOB}/finished.part/*", absent=(_PLAN, _RESULTS)),
    "finished": has(_RESULTS, absent=(_PLAN,)),
    "planned": has(_PLAN, absent=("outbox/*/*",)),
    "half-published": has(_PLAN, "outbox/*/*-warm.*", absent=("outbox/*/*-cold.*",)),
    "recorded": has(_RECORD, f"{_JOB}/originals/*.png"),
    "archiving": has(_RECORD, _COMPANION, absent=(f"{_JOB}/originals/*.png",)),
    "untold": lambda root: history_of(root).endswith(b"\n") and any(root.glob(f"{_JOB}/job.json")),
}
"""Those with results that are written anew."""


async def drained(settings: Settings) -> object:
    """
    Drain the inbox; hooks are told of each job, and results written anew in this process, which is to die.
    """

    def made(task: Finishing) -> Made:
        found = finish(task)
        return Made(data=found.data, report=report_of(found, task))

    vars_of(pipeline_finish, finished_apart=made)
    folders = settings.folders
    daemon = Daemon(settings, SystemClock())
    spool = Spool(work=folders.work, inbox=folders.inbox)
    rules = HookRules(commands={About.DONE: ["true"]}, root=str(folders.work.parent))
    async with Hooks(rules, folders, SystemClock(), in_work=spool.ids).kept(daemon.status.begun):
        return await daemon.run(until_drained=True)


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        station = Path(tmp) / "station"
        make_folders(station)
        _drop(station / "inbox", "whole", WRITTEN_ANEW)
        shutil.copytree(station / "inbox", station / "dropped")
        with counting_endpoint(Path(tmp) / "ledger") as url:
            assert run(station, url, FailingDisk(), drained) == 0, "the run did not end well"
            _keep(Path(tmp))
            _leave_all(Path(tmp), url, station, ASKED, EDITS)
            _leave_all(Path(tmp), url, station, ENDED, WRITTEN_ANEW)
        with counting_endpoint(Path(tmp) / "ledger", REFUSED_FIRST) as url:
            _leave_all(Path(tmp), url, station, DOUBTED, EDITS)
        pack(station, Path(tmp) / "ledger.kept", target, kept=("events",))


def _leave_all(tmp: Path, url: str, station: Path, wanted: dict[str, Moment], sidecar: str) -> None:
    """
    Let a daemon die at each of its steps, and keep what it left at the first that fits each moment.
    """
    left = dict(wanted)
    for step in range(1, MOST_STEPS):
        root = tmp / f"die-{step}"
        make_folders(root)
        _drop(root / "inbox", "died", sidecar)
        code = run(root, url, FailingDisk(die_at=step), drained)
        name = next((name for name, fits in left.items() if fits(root)), None)
        if name is not None and code == DIED:
            shutil.rmtree(root)
            _drop(root / "inbox", name, sidecar)
            _again(root, url, station, FailingDisk(die_at=step))
            assert left.pop(name)(root), f"{name} came at another step"
        (tmp / "ledger").unlink(missing_ok=True)
        shutil.rmtree(root)
        if code != DIED or not left:
            break
    assert not left, f"never came: {sorted(left)}"


def _again(root: Path, url: str, station: Path, disk: FailingDisk) -> None:
    """
    Let it die there once more under a name of its own, and put what it left with the rest.
    """
    ledger = root.parent / "ledger"
    for each in (ledger, root.parent / "ledger.unpaid"):
        each.unlink(missing_ok=True)
    shutil.copytree(root / "inbox", station / "dropped", dirs_exist_ok=True)
    make_folders(root)
    assert run(root, url, disk, drained) == DIED
    _keep(root.parent)
    for folder in ("inbox", "outbox", "done", "work/jobs", "work/events"):
        if (root / folder).exists():
            shutil.copytree(root / folder, station / folder, dirs_exist_ok=True)
    with (station / "work/history.jsonl").open("ab") as whole:
        whole.write(history_of(root))


def _keep(tmp: Path) -> None:
    ledger = tmp / "ledger"
    if ledger.exists():
        with (tmp / "ledger.kept").open("a") as kept:
            kept.write(ledger.read_text())
        ledger.unlink()


def _drop(inbox: Path, name: str, sidecar: str) -> None:
    """
    Drop a picture with three edits, the text of the one that has none, and a companion.
    """
    shade = sum(name.encode()) % 256
    drop(inbox, f"{name}/{name}.png", f"#{shade:02x}8040", f"make {name} blue")
    place = inbox / name / name
    place.with_suffix(".toml").write_text(sidecar.replace("{0}", name))
    place.with_suffix(".xmp").write_text(json.dumps({"settings": name}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
