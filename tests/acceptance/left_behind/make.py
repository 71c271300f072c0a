"""
Makes what a version leaves: a station with finished jobs, and jobs whose daemon died in each phase.

    python tests/acceptance/left_behind/make.py OUT.tar.gz

It runs whatever version is installed beside it; see README.md for the one that made what is stored here.
"""

import asyncio
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, os.fspath(Path(__file__).parents[2] / "support"))

from PIL import Image

from crash_world import counting_endpoint, vars_of
from crashing import DIED, FailingDisk
from retouchd.clock import SystemClock
from retouchd.config.settings import EditDefaults, Settings
from retouchd.disk.folders import Folders
from retouchd.endpoint.client import Endpoint
from retouchd.inbox.readiness import Patience
from retouchd.inbox.watcher import Watcher
from retouchd.logs import logger
from retouchd.request.limits import Limits
from retouchd.service.daemon import Daemon
from retouchd.throttle.retry import RetryBudget

NAMES = ("inbox", "outbox", "review", "done", "error", "work")
MOST_STEPS = 400

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
        "claimed": has(image, prompt, absent=(f"{job}/attempt-1*",)),
        "asking": has(f"{job}/attempt-1*.open", absent=(kept,)),
        "answered": has(f"{kept}.tmp", absent=(kept,)),
        "kept": has(kept, absent=(closed, outputs)),
        "sealed": has(kept, outputs, absent=(closed,)),
        "edited": has(closed, outputs, absent=(plan,)),
        "planned": has(plan, outputs),
        "published": has(plan, absent=(outputs, record)),
        "recorded": has(record, image, prompt, absent=(outputs,)),
        "archiving": has(record, prompt, absent=(image,)),
        "archived": has(record, f"{job}/job.json", absent=(image, prompt, "work/history.jsonl")),
        "torn": lambda root: _history(root)[-1:] not in (b"", b"\n"),
        "told": lambda root: _history(root).endswith(b"\n") and any(root.glob(f"{job}/job.json")),
    }


def _history(root: Path) -> bytes:
    path = root / "work/history.jsonl"
    return path.read_bytes() if path.exists() else b""


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        station = Path(tmp) / "station"
        _make_folders(station)
        with counting_endpoint(Path(tmp) / "ledger") as url:
            _finish(station, url)
            steps = _find(Path(tmp), url)
            for name, step in sorted(steps.items(), key=lambda each: each[0] == "torn"):
                _leave(Path(tmp) / f"leave-{name}", url, name, step, station)
        _drop_more(station)
        requests = (Path(tmp) / "ledger.kept").read_text()
        (station / "requests").write_text(requests)
        for each in (station / "work").iterdir():
            if each.name not in ("jobs", "history.jsonl"):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        with tarfile.open(target, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            archive.add(station, ".", filter=_nobodys)


def _finish(root: Path, url: str) -> None:
    """
    Let bundles of many kinds be finished, one be refused, and one be edited twice.
    """
    inbox = root / "inbox"
    _drop(inbox, "plain.png", "red", "make it blue")
    _drop(inbox, "shoes/long.JPG", "orange", "make it grey", prompt_name="long.JPG.txt")
    _drop(inbox, "shoes/masked.png", "gold", "make it blue")
    Image.new("LA", (16, 16), (0, 0)).save(inbox / "shoes/masked.mask.png")
    _drop(inbox, "sidecar.png", "khaki", None)
    (inbox / "sidecar.toml").write_text(
        'prompt = "make it sepia"\nn = 2\nquality = "high"\noutput_format = "webp"\n'
    )
    (inbox / "folder/deep").mkdir(parents=True)
    (inbox / "folder/_prompt.txt").write_text("make it brighter")
    _drop(inbox, "folder/a.png", "green", None)
    _drop(inbox, "folder/deep/B.PNG", "teal", None)
    (inbox / "chairs/_refs").mkdir(parents=True)
    Image.new("RGB", (16, 16), "brown").save(inbox / "chairs/_refs/floor.png")
    (inbox / "chairs/_edit.toml").write_text('prompt = "invert"\nimages = ["_refs/floor.png"]\n')
    _drop(inbox, "chairs/chair.webp", "navy", None)
    _drop(inbox, "猫.png", "purple", "改成蓝色")
    _drop(inbox, os.fsdecode(b"caf\xe9.png"), "silver", "make it darker")
    _drop(inbox, "refused.png", "pink", "  ")
    _keep_originals(root)
    _note_requests(root, url)
    _drop(inbox, "plain.png", "red", "make it grey")
    _drop(root / "dropped", "again/plain.png", "red", "make it grey")
    _note_requests(root, url)


def _keep_originals(root: Path) -> None:
    """
    Keep a copy of the archive as it was dropped: who drops it again is to buy nothing.
    """
    shutil.copytree(root / "inbox", root / "dropped", copy_function=shutil.copy2)
    (root / "dropped/refused.png").unlink()
    (root / "dropped/refused.txt").unlink()


def _note_requests(root: Path, url: str) -> None:
    assert _run(root, url, FailingDisk()) == 0, "the run did not end well"
    ledger = root.parent / "ledger"
    with (root.parent / "ledger.kept").open("a") as kept:
        kept.write(ledger.read_text())
    ledger.unlink()


def _find(tmp: Path, url: str) -> dict[str, int]:
    """
    Return for each moment the number of the change of the disk at which it comes.
    """
    found: dict[str, int] = {}
    for step in range(1, MOST_STEPS):
        root = tmp / f"find-{step}"
        _make_folders(root)
        _drop(root / "inbox", "died/any.png", "white", "make it blue")
        code = _run(root, url, FailingDisk(die_at=step))
        for name, fits in moments().items():
            if name not in found and fits(root):
                found[name] = step
        shutil.rmtree(root)
        if code != DIED:
            break
    assert found.keys() == moments().keys(), f"only {sorted(found)}"
    (tmp / "ledger").unlink()
    return found


def _leave(root: Path, url: str, name: str, step: int, station: Path) -> None:
    """
    Let a daemon die at that step of a job of its own, and put what it left with the rest.
    """
    _make_folders(root)
    number = list(moments()).index(name) + 1
    _drop(root / "inbox", f"died/{name}.png", f"#{number:02x}8040", f"make {name} blue")
    shutil.copytree(root / "inbox", station / "dropped", dirs_exist_ok=True)
    assert _run(root, url, FailingDisk(die_at=step)) == DIED, name
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
        whole.write(_history(root))


def _drop_more(root: Path) -> None:
    """
    Leave in the inbox what is ready, what was asked for already, and what waits for its prompt.
    """
    _drop(root / "inbox", "fresh.png", "crimson", "make it blue")
    _drop(root / "inbox", "known.png", "red", "make it blue")
    _drop(root / "inbox", "alone.png", "beige", None)


def _run(root: Path, url: str, disk: FailingDisk) -> int:
    """
    Drain the inbox in a child process; return its exit code: 0, or `DIED` where the disk failed.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 2
    try:
        disk.install()
        vars_of(Watcher, start=_refused)
        logger.configure(level="error")
        settings = Settings(
            folders=Folders(**{name: root / name for name in NAMES}),
            endpoint=Endpoint(
                base_url=url,
                api_key="sk-none",
                timeout_seconds=20,
                connect_timeout_seconds=5,
                concurrency=1,
            ),
            budget=RetryBudget(),
            edit=EditDefaults(model="gpt-image-2"),
            limits=lambda _: Limits(),
            patience=Patience(settle_seconds=0),
        )
        asyncio.run(Daemon(settings, SystemClock()).run(until_drained=True))
        code = 0
    finally:
        os._exit(code)


def _refused(_: Watcher) -> None:
    raise OSError("no watches")


def _drop(
    folder: Path, name: str, colour: str, prompt: str | None, *, prompt_name: str | None = None
) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if prompt is not None:
        prompted = path.with_suffix(".txt") if prompt_name is None else path.parent / prompt_name
        prompted.write_text(prompt, "utf-8")
    image = Image.new("RGB", (16, 16), colour)
    image.save(path, path.suffix[1:].upper().replace("JPG", "JPEG"))


def _make_folders(root: Path) -> None:
    for name in NAMES:
        (root / name).mkdir(parents=True)


def _nobodys(about: tarfile.TarInfo) -> tarfile.TarInfo:
    about.uid = about.gid = 0
    about.uname = about.gname = ""
    return about


if __name__ == "__main__":
    main(Path(sys.argv[1]))
