"""
What the scripts share that make what a version leaves: a run that may die, and an archive of what it left.
"""

import asyncio
import os
import shutil
import tarfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from PIL import Image

from crash_world import vars_of
from crashing import FailingDisk
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
Drain = Callable[[Settings], Coroutine[Any, Any, object]]


async def drained(settings: Settings) -> object:
    """
    Drain the inbox.
    """
    return await Daemon(settings, SystemClock()).run(until_drained=True)


def pack(station: Path, ledger: Path, target: Path, *, kept: tuple[str, ...] = ()) -> None:
    """
    Write a station into an archive with the requests that its endpoint got; of `work/` what is its state.
    """
    (station / "requests").write_text(ledger.read_text())
    for each in (station / "work").iterdir():
        if each.name not in ("jobs", "history.jsonl", *kept):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    with tarfile.open(target, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.add(station, ".", filter=_nobodys)


def history_of(root: Path) -> bytes:
    """
    Return the history, nothing where there is none.
    """
    path = root / "work/history.jsonl"
    return path.read_bytes() if path.exists() else b""


def run(root: Path, url: str, disk: FailingDisk, drain: Drain = drained) -> int:
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
        asyncio.run(drain(settings))
        code = 0
    finally:
        os._exit(code)


def _refused(_: Watcher) -> None:
    raise OSError("no watches")


def drop(
    folder: Path, name: str, colour: str, prompt: str | None, *, prompt_name: str | None = None
) -> None:
    """
    Drop a picture and its prompt.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if prompt is not None:
        prompted = path.with_suffix(".txt") if prompt_name is None else path.parent / prompt_name
        prompted.write_text(prompt, "utf-8")
    image = Image.new("RGB", (16, 16), colour)
    image.save(path, path.suffix[1:].upper().replace("JPG", "JPEG"))


def make_folders(root: Path) -> None:
    """
    Make the five folders.
    """
    for name in NAMES:
        (root / name).mkdir(parents=True, exist_ok=True)


def _nobodys(about: tarfile.TarInfo) -> tarfile.TarInfo:
    about.uid = about.gid = 0
    about.uname = about.gname = ""
    return about
