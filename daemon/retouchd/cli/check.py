"""
`retouchd check`: everything that can be known before the first photo, each with a word on how to mend it.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retouchd.adapters.edits import EditsClient, NoAnswer, NotSent
from retouchd.adapters.folders import Folders
from retouchd.cli.compose import read, settings_of, without_password
from retouchd.cli.running import UNAVAILABLE, served
from retouchd.engine.settings import Settings
from retouchd.engine.watching import try_out
from retouchd.errors import ConfigurationError
from retouchd.rules.naming import shown
from retouchd.rules.watching import Mode

_SPARE_BYTES = 1 << 30


class Mark(StrEnum):
    """
    How a check came out.
    """

    OK = "ok"
    WARNING = "look"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing looked at: what, how it came out, a sentence on it, and the exit code if it is a fault.
    """

    what: str
    mark: Mark
    text: str
    exit_code: int = ConfigurationError.exit_code


def check(path: Path | None) -> int:
    """
    Print a table of findings; return 0, 78 for a fault here, 75 for one of the endpoint's.
    """
    findings = asyncio.run(_look(path))
    table = Table("what", "", "finding", show_edge=False)
    colours = {Mark.OK: "green", Mark.WARNING: "yellow", Mark.FAULT: "bold red"}
    for each in findings:
        mark = Text(each.mark, style=colours[each.mark])
        table.add_row(each.what, mark, Text(shown(each.text)))
    Console(highlight=False).print(table)
    faults = [each.exit_code for each in findings if each.mark is Mark.FAULT]
    return max(faults, default=0)


async def _look(path: Path | None) -> list[Finding]:
    try:
        config, start, problems = read(path)
        settings, more = settings_of(config, start) if config else (None, [])
        findings = [*_configuration([*problems, *more])]
        if settings is None:
            return findings
        findings += [*_folders(settings.folders), *_room(settings.folders), *_watches(settings)]
        async with served(settings) as ready:
            return [*findings, *await _endpoint(ready)]
    except ConfigurationError as error:
        return [Finding("configuration", Mark.FAULT, problem) for problem in error.problems]


def _configuration(problems: list[str]) -> Iterator[Finding]:
    for problem in problems:
        yield Finding("configuration", Mark.FAULT, problem)
    if not problems:
        yield Finding("configuration", Mark.OK, "every key is known and valid")


def _folders(folders: Folders) -> Iterator[Finding]:
    problems = folders.problems()
    for problem in problems:
        yield Finding("folders", Mark.FAULT, problem)
    if not problems:
        for key, place in folders.items():
            yield Finding(key, Mark.OK, str(place))
        for key, place in folders.items():
            if place == folders.inbox and place.stat().st_mode & 0o1000 and os.geteuid():
                text = f"{place} is sticky: files of other users cannot be taken. chmod -t {place}"
                yield Finding(key, Mark.WARNING, text)


def _room(folders: Folders) -> Iterator[Finding]:
    for key, place in folders.items():
        if place.is_dir() and (free := shutil.disk_usage(place).free) < _SPARE_BYTES:
            text = f"only {free / 1e6:.0f} MB are free on the disk of {place}"
            yield Finding(key, Mark.WARNING, text)


def _watches(settings: Settings) -> Iterator[Finding]:
    """
    Say how changes would be noticed and why so, having tried it.
    """
    try:
        stance = try_out(settings)
    except OSError:
        return  # The inbox is not there, as said already.
    text = f"{stance.mode}: {stance.reason}"
    if stance.remedy:
        yield Finding("watching", Mark.WARNING, f"{text}; {stance.remedy}")
    elif stance.mode is not Mode.INOTIFY:
        yield Finding("watching", Mark.OK, text)
    else:
        yield _watches_left(settings, text)


def _watches_left(settings: Settings, text: str) -> Finding:
    """
    Compare the kernel's limit with the folders of the inbox: one watch for each.
    """
    try:
        limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text("ascii"))
    except (OSError, ValueError):
        return Finding("watching", Mark.OK, text)
    needed = sum(1 for _ in os.walk(settings.folders.inbox)) if settings.recursive else 1
    text += f"; {needed} of {limit} watches"
    if needed > limit // 2:
        text += " in all: raise fs.inotify.max_user_watches before they run out"
        return Finding("watching", Mark.WARNING, text)
    return Finding("watching", Mark.OK, text)


async def _endpoint(settings: Settings) -> list[Finding]:
    where = without_password(settings.endpoint.base_url)
    try:
        async with EditsClient(settings.endpoint) as client:
            head, body = await client.models()
    except (NotSent, NoAnswer) as error:
        text = f"{where} cannot be reached: {error} Check endpoint.base_url and the network."
        return [Finding("endpoint", Mark.FAULT, text, UNAVAILABLE)]
    if head.status in (401, 403):
        text = f"{where} refuses the key (HTTP {head.status}). Check endpoint.api_key."
        return [Finding("endpoint", Mark.FAULT, text, UNAVAILABLE)]
    if head.status != 200:
        text = f"{where} has no list of models (HTTP {head.status}); edits may work all the same"
        return [Finding("endpoint", Mark.WARNING, text)]
    return [Finding("endpoint", Mark.OK, f"{where} answers"), _model(settings.edit.model, body)]


def _model(wanted: str, body: bytes) -> Finding:
    models = _listed(body)
    if wanted not in models:
        text = (
            f"the endpoint does not list {wanted}; it has {', '.join(sorted(models)[:8]) or 'none'}"
        )
        return Finding("edit.model", Mark.WARNING, text)
    if end := models[wanted].get("shutdown_date"):
        text = f"{wanted} is to be shut down on {end}; choose another model before"
        return Finding("edit.model", Mark.WARNING, text)
    return Finding("edit.model", Mark.OK, f"{wanted} is there")


def _listed(body: bytes) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(body)["data"]
        return {each["id"]: each for each in found}
    except (ValueError, KeyError, TypeError):
        return {}
