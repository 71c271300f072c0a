"""
Makes what a version leaves: a station with finished jobs, and jobs whose daemon died in each phase.

    python tests/acceptance/left_behind/make.py OUT.tar.gz

It runs whatever version is installed beside it; see README.md for the one that made what is stored here.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, os.fspath(Path(__file__).parents[2] / "support"))

from PIL import Image

from crash_world import counting_endpoint
from crashing import DIED, FailingDisk
from leaving import drop, history_of, make_folders, pack, run

Moment = Callable[[Path], bool]


def moments() -> dict[str, Moment]:
    """
    Return the moments at which a daemon dies, each by what it leaves of its only job.
    """

    def has(*present: str, absent: tuple[str, ...] = ()) -> Moment:
        def fits(root: Path) -> bool:
            jobs = list(root.glob("work/jobs/*"))
            return bool(jobs) and (
                all(any(root.glob(each)) for each in present)
                and not any(any(root.glob(each)) for each in absent)
            )

        return fits

    job, kept, closed = (
        "work/jobs/*",
        "work/jobs/*/attempt-1*.response",
        "work/jobs/*/attempt-1*.json",
    )
    image, prompt = f"{job}/originals/*.png", f"{job}/originals/*.txt"
    outputs, plan, record = f"{job}/outputs/*", f"{job}/plan.json", "done/*/*.job.json"
    return {
        "unclaimed": has(f"{job}/job.json", absent=(image,)),
        "claiming": has(image, absent=(prompt,)),
        "claimed": has(image, prompt, absent=(f"{job}/attempt-1*.open",)),
        "asking": has(f"{job}/attempt-1*.open", absent=(kept,)),
        "answered": lambda root: any(each.stat().st_size for each in root.glob(f"{job}/*.part")),
        "kept": has(kept, absent=(closed, outputs)),
        "sealed": has(kept, outputs, absent=(closed,)),
        "edited": has(closed, outputs, absent=(plan,)),
        "planned": has(plan, outputs),
        "published": has(plan, absent=(outputs, record)),
        "recorded": has(record, image, prompt, absent=(outputs,)),
        "archiving": has(record, prompt, absent=(image,)),
        "archived": has(record, f"{job}/job.json", absent=(image, prompt, "work/history.jsonl")),
        "torn": lambda root: history_of(root)[-1:] not in (b"", b"\n"),
        "told": lambda root: history_of(root).endswith(b"\n") and any(root.glob(f"{job}/job.json")),
    }


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        station = Path(tmp) / "station"
        make_folders(station)
        with counting_endpoint(Path(tmp) / "ledger") as url:
            _finish(station, url)
            steps = _find(Path(tmp), url)
            for name, step in sorted(steps.items(), key=lambda each: each[0] == "torn"):
                _leave(Path(tmp) / f"leave-{name}", url, name, step, station)
        _drop_more(station)
        pack(station, Path(tmp) / "ledger.kept", target)


def _finish(root: Path, url: str) -> None:
    """
    Let bundles of many kinds be finished, one be refused, and one be edited twice.
    """
    inbox = root / "inbox"
    drop(inbox, "plain.png", "red", "make it blue")
    drop(inbox, "shoes/long.JPG", "orange", "make it grey", prompt_name="long.JPG.txt")
    drop(inbox, "shoes/masked.png", "gold", "make it blue")
    Image.new("LA", (16, 16), (0, 0)).save(inbox / "shoes/masked.mask.png")
    drop(inbox, "sidecar.png", "khaki", None)
    (inbox / "sidecar.toml").write_text(
        'prompt = "make it sepia"\nn = 2\nquality = "high"\noutput_format = "webp"\n'
    )
    (inbox / "folder/deep").mkdir(parents=True)
    (inbox / "folder/_prompt.txt").write_text("make it brighter")
    drop(inbox, "folder/a.png", "green", None)
    drop(inbox, "folder/deep/B.PNG", "teal", None)
    (inbox / "chairs/_refs").mkdir(parents=True)
    Image.new("RGB", (16, 16), "brown").save(inbox / "chairs/_refs/floor.png")
    (inbox / "chairs/_edit.toml").write_text('prompt = "invert"\nimages = ["_refs/floor.png"]\n')
    drop(inbox, "chairs/chair.webp", "navy", None)
    drop(inbox, "猫.png", "purple", "改成蓝色")
    drop(inbox, os.fsdecode(b"caf\xe9.png"), "silver", "make it darker")
    drop(inbox, "refused.png", "pink", "  ")
    _keep_originals(root)
    _note_requests(root, url)
    drop(inbox, "plain.png", "red", "make it grey")
    drop(root / "dropped", "again/plain.png", "red", "make it grey")
    _note_requests(root, url)


def _keep_originals(root: Path) -> None:
    """
    Keep a copy of the archive as it was dropped: who drops it again is to buy nothing.
    """
    shutil.copytree(root / "inbox", root / "dropped", copy_function=shutil.copy2)
    (root / "dropped/refused.png").unlink()
    (root / "dropped/refused.txt").unlink()


def _note_requests(root: Path, url: str) -> None:
    assert run(root, url, FailingDisk()) == 0, "the run did not end well"
    ledger = root.parent / "ledger"
    with (root.parent / "ledger.kept").open("a") as kept:
        kept.write(ledger.read_text())
    ledger.unlink()


def _find(tmp: Path, url: str) -> dict[str, int]:
    """
    Return for each moment the number of the change of the disk at which it comes.
    """
    root, noted = tmp / "find", tmp / "moments"
    make_folders(root)
    drop(root / "inbox", "died/any.png", "white", "make it blue")
    assert run(root, url, _Watched(root, noted)) == 0, "the run did not end well"
    shutil.rmtree(root)
    (tmp / "ledger").unlink()
    found = {name: int(step) for name, step in map(str.split, noted.read_text().splitlines())}
    assert found.keys() == moments().keys(), f"only {sorted(found)}"
    return found


class _Watched(FailingDisk):
    """
    A disk that does not fail, but notes at which change each moment comes: what would be left, did it fail
    there.
    """

    def __init__(self, root: Path, noted: Path) -> None:
        super().__init__()
        self._root = root
        self._noted = noted
        self._missing = moments()

    def _reached(self, last_act: Callable[[], int]) -> int:
        begun = last_act()
        for name in [name for name, fits in self._missing.items() if fits(self._root)]:
            del self._missing[name]
            with self._noted.open("a") as noted:
                noted.write(f"{name} {self.count}\n")
        return begun


def _leave(root: Path, url: str, name: str, step: int, station: Path) -> None:
    """
    Let a daemon die at that step of a job of its own, and put what it left with the rest.
    """
    make_folders(root)
    number = list(moments()).index(name) + 1
    drop(root / "inbox", f"died/{name}.png", f"#{number:02x}8040", f"make {name} blue")
    shutil.copytree(root / "inbox", station / "dropped", dirs_exist_ok=True)
    assert run(root, url, FailingDisk(die_at=step)) == DIED, name
    assert moments()[name](root), f"{name} came at another step"
    ledger = root.parent / "ledger"
    if ledger.exists():
        with (root.parent / "ledger.kept").open("a") as kept:
            kept.write(ledger.read_text())
        ledger.unlink()
    for folder in ("inbox", "outbox", "done"):
        shutil.copytree(root / folder, station / folder, dirs_exist_ok=True)
    shutil.copytree(root / "work/jobs", station / "work/jobs", dirs_exist_ok=True)
    with (station / "work/history.jsonl").open("ab") as whole:
        whole.write(history_of(root))


def _drop_more(root: Path) -> None:
    """
    Leave in the inbox what is ready, what was asked for already, and what waits for its prompt.
    """
    drop(root / "inbox", "fresh.png", "crimson", "make it blue")
    drop(root / "inbox", "known.png", "red", "make it blue")
    drop(root / "inbox", "alone.png", "beige", None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
