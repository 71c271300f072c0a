"""
`retouchd demo`: the main job, with real photos, the real daemon and the embedded endpoint over HTTP.
"""

import asyncio
import json
import shutil
import sys
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from retouchd import logs
from retouchd.adapters.folders import Folders
from retouchd.adapters.history import History
from retouchd.cli.compose import settings_of
from retouchd.cli.init import folders_below
from retouchd.cli.running import drain, served
from retouchd.config import SANDBOX, Config, EndpointSection, FoldersSection, IntakeSection
from retouchd.engine.clock import SystemClock
from retouchd.engine.daemon import Daemon
from retouchd.errors import ConfigurationError
from retouchd.rules.naming import RECORD, free_stem, shown

PHOTOS = {
    "cat.jpg": 'Make it blue, with a caption "Chelsea".',
    "coffee.jpg": "改成黑白，加边框",
    "rocket.jpg": "   \n",
}
"""Each photo with its prompt; the last one is empty, so that an error is seen too."""


def show(root: Path) -> int:
    """
    Run the demo below `root`; return the exit code, 0 if everything ended as it should.
    """
    folders = folders_below(root.absolute())
    if problems := folders.make():
        raise ConfigurationError(problems)
    console = Console(highlight=False, emoji=False)
    console.print("Three photos and their prompts are dropped into the inbox:")
    for photo, prompt in PHOTOS.items():
        console.print(f"  {photo:<12} {prompt.strip() or '(an empty prompt)'}", markup=False)
    before = {line["id"] for line in History(folders.work).lines()}
    _drop(folders)
    logs.configure(level="error")
    asyncio.run(_work(root))
    lines = [line for line in History(folders.work).lines() if line["id"] not in before]
    console.print(_table(folders, lines))
    _say_more(console, folders)
    return 0 if sorted(line["status"] for line in lines) == ["done", "done", "error"] else 1


def _drop(folders: Folders) -> None:
    """
    Drop the way a good program does: the prompt first, the image last.
    """
    photos = resources("retouchd.cli") / "photos"
    for photo, prompt in PHOTOS.items():
        name, _, extension = photo.partition(".")
        suffixes = [f".{extension}", ".txt"]
        stem = free_stem(name, "demo", suffixes, lambda each: (folders.inbox / each).exists())
        (folders.inbox / f"{stem}.txt").write_text(prompt, "utf-8")
        (folders.inbox / f"{stem}.{extension}").write_bytes((photos / photo).read_bytes())


async def _work(root: Path) -> None:
    # Built as it is, past environment and files: those may name an endpoint that costs money.
    config = Config.model_construct(
        folders=FoldersSection(root=root.absolute()),
        endpoint=EndpointSection(base_url=SANDBOX),
        intake=IntakeSection(settle_seconds=1),
    )
    settings, problems = settings_of(config, root)
    if settings is None:
        raise ConfigurationError(problems)
    async with served(settings) as ready:
        await drain(Daemon(ready, SystemClock()), is_watched=sys.stderr.isatty())


def _table(folders: Folders, lines: list[dict[str, Any]]) -> Table:
    table = Table("original", "result", "seconds", show_edge=False)
    for line in lines:
        is_done = line["status"] == "done"
        archive = folders.done if is_done else folders.error
        record = json.loads((archive / line["record"]).read_bytes())
        result = ", ".join(f"outbox/{name}" for name in line["outputs"])
        sent = sum(attempt["seconds"] for attempt in record["attempts"])
        table.add_row(
            f"{archive.name}/{line['record'].removesuffix(RECORD)}{Path(line['image']).suffix}",
            result or f"[red]{record['error']['message']}[/]",
            f"{sent:.2f}" if is_done else "",
        )
    return table


def _say_more(console: Console, folders: Folders) -> None:
    root, program = folders.inbox.parent, _program()
    console.print(f"\nLook around in {shown(str(root))}:", markup=False, soft_wrap=True)
    console.print("  outbox/  the edited pictures (made by the embedded endpoint, which is no AI)")
    console.print("  done/    the originals with their prompts and the record of each job")
    console.print("  error/   what could not be done, with an .error.txt that says why")
    console.print("\nWith your own photos and key:", style="bold")
    console.print(f"  {program} init")
    console.print("  export RETOUCHD_ENDPOINT__API_KEY=…    (or put it into ./retouch/config.toml)")
    console.print(f"  {program} run --config retouch/config.toml")
    console.print("and drop a photo and its prompt (photo.jpg and photo.txt) into ./retouch/inbox.")


def _program() -> str:
    """
    Return how the reader can call this program: by its name, or by the path it was called by.
    """
    return "retouchd" if shutil.which("retouchd") else sys.argv[0]
