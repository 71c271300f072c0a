"""
`retouchd check`: everything that can be known before the first photo, each with a word on how to mend it.

What `retouchd check` finds: one thing looked at, and how it came out. What others on this machine may do that
they were hardly meant to: read the key, see or drop pictures. What the endpoint says when it is asked for its
models: whether it is there, takes the key, has the model.
"""

import asyncio
import contextlib
import datetime as dt
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from retouchd.answer.classify import judge_answer
from retouchd.answer.error_kinds import ErrorKind
from retouchd.cli.check_requests import request_lines
from retouchd.cli.compose import read, settings_of
from retouchd.cli.program_faults import faults_of, secret_files, warnings_of
from retouchd.cli.running import UNAVAILABLE, served
from retouchd.config import Config, ConfigFault, at_home, find
from retouchd.config.settings import Settings
from retouchd.disk.filesystems import filesystem_of, others_who_may
from retouchd.disk.folders import Folders
from retouchd.disk.probes import FolderProbe
from retouchd.disk.threads import PATIENCE_SECONDS, answered, unresponsive
from retouchd.endpoint.addresses import without_password
from retouchd.endpoint.client import EditsClient, NoAnswer, NotSent
from retouchd.endpoint.styles import AUTO
from retouchd.errors import ConfigurationError, DiskFailed, FolderUnresponsive
from retouchd.inbox.watch_mode import Mode
from retouchd.inbox.watch_supervisor import try_out
from retouchd.job.naming import sentence, shown
from retouchd.request.models import published_of
from retouchd.request.overrides import nearest
from retouchd.status.attention import SPARE_BYTES
from retouchd.throttle.preflight import shortage

_TOLD = 8
"""So many models are named of a list in which none is like the one that is wanted."""


class Severity(StrEnum):
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
    mark: Severity
    text: str
    exit_code: int = ConfigurationError.exit_code


def key_exposure(file: Path | None, config: Config) -> Iterator[Finding]:
    """
    Say who else may read the key, or lead it elsewhere.
    """
    if file is None:
        return
    section = config.endpoint
    start = file.absolute().parent
    places = [("configuration", file, stat.S_IWOTH)]
    if section.key_source.place.startswith(("endpoint.api_key", "endpoint.headers")):
        places = [("configuration", file, stat.S_IROTH | stat.S_IWOTH)]
    if section.api_key_file is not None:
        key_file = start / at_home(section.api_key_file)
        places.append(("endpoint.api_key_file", key_file, stat.S_IROTH | stat.S_IWOTH))
    for what, own in secret_files(config):
        places.append((what, start / at_home(own), stat.S_IROTH | stat.S_IWOTH))
    for what, path, right in places:
        with contextlib.suppress(OSError):
            if who := others_who_may(path, right):
                does = "read the key in" if right & stat.S_IROTH else "lead the key elsewhere in"
                mode = "600" if right & stat.S_IROTH else "go-w"
                yield Finding(
                    what, Severity.WARNING, f"{who} may {does} {path}: chmod {mode} {path}"
                )


def folder_exposure(folders: Folders) -> Iterator[Finding]:
    """
    Name folders whose pictures everybody on this machine may see, or into which everybody may drop.
    """
    for key, place in folders.items():
        with contextlib.suppress(OSError):
            if others_who_may(place, stat.S_IWOTH) == "everybody":
                text = f"everybody on this machine may put files into {place} and take some away"
            elif others_who_may(place, stat.S_IROTH) == "everybody":
                text = f"everybody on this machine may look into {place}"
            else:
                continue
            yield Finding(key, Severity.WARNING, f"{text}: chmod o= {place}")


async def ask_endpoint(settings: Settings) -> list[Finding]:
    """
    Ask the endpoint for its models, with the key.
    """
    where = without_password(settings.endpoint.base_url)
    try:
        async with EditsClient(settings.endpoint) as client:
            head, body = await client.models()
    except ConfigurationError as error:
        return [Finding("endpoint", Severity.FAULT, problem) for problem in error.problems]
    except (NotSent, NoAnswer) as error:
        reason = sentence(str(error))
        text = f"{where} cannot be reached: {reason} Check endpoint.base_url and the network."
        return [Finding("endpoint", Severity.FAULT, text, UNAVAILABLE)]
    said = judge_answer(head.status, head.headers, body, dt.datetime.now(dt.UTC))
    # xAI answers 400 to a wrong key.
    is_about_key = 400 <= head.status < 500 and said.error_kind is ErrorKind.KEY
    if is_about_key or head.status in (401, 403):
        source = settings.endpoint.key_source
        text = f"{where} answers HTTP {head.status}. {source.complaint}. {source.remedy}"
        return [Finding("endpoint", Severity.FAULT, text, UNAVAILABLE)]
    if head.status == 407:
        text = (
            f"the proxy on the way to {where} wants a user and a password (HTTP 407): see HTTP_PROXY, "
            "HTTPS_PROXY and ALL_PROXY in the environment"
        )
        return [Finding("endpoint", Severity.FAULT, text, UNAVAILABLE)]
    if head.status != 200:
        text = f"{where} has no list of models (HTTP {head.status}); edits may work all the same"
        if head.status == HTTPStatus.NOT_FOUND and not urlsplit(settings.endpoint.base_url).path:
            text += ", but most addresses end in /v1, and endpoint.base_url does not"
        return [Finding("endpoint", Severity.WARNING, text)]
    today = dt.datetime.now(dt.UTC).date()
    place = settings.endpoint.key_source.place
    key = f"takes the key from {place}" if place else "asks for no key; none is set"
    return [
        Finding("endpoint", Severity.OK, f"{where} answers and {key}"),
        _model(settings, body, today),
    ]


def _model(settings: Settings, body: bytes, today: dt.date) -> Finding:
    endpoint, models = settings.endpoint, _listed(body)
    wanted = endpoint.named(settings.edit.model)
    if not endpoint.style.lists_models:
        route = urlsplit(endpoint.style.edits(endpoint.base_url, wanted)).path
        text = f"edits go to {route}; whether that deployment is there, no list tells"
        return Finding("edit.model", Severity.OK, text)
    if wanted not in models:
        near = nearest(wanted, models, 0.7)
        text = f"the endpoint does not list {wanted}; " + (
            f"did you mean {near}?"
            if near
            else f"it has {', '.join(sorted(models)[:_TOLD]) or 'none'}"
        )
        return Finding("edit.model", Severity.WARNING, text)
    published = published_of(settings.edit.model)
    is_provider = endpoint.style.is_at(urlsplit(endpoint.base_url).hostname or "")
    end = models[wanted].get("shutdown_date") or (published.shutdown if is_provider else None)
    if end:
        text = f"{wanted} {_ending(str(end), today)}"
        return Finding("edit.model", Severity.WARNING, text)
    dated = [each for each in published.dated if each in models or is_provider]
    if dated and wanted not in published.dated:
        text = (
            f"{wanted} is there; what stands behind a name without a date may change, but {dated[-1]} stays "
            "what it is"
        )
        return Finding("edit.model", Severity.WARNING, text)
    return Finding("edit.model", Severity.OK, f"{wanted} is there")


def _listed(body: bytes) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(body)["data"]
        return {each["id"]: each for each in found}
    except (ValueError, KeyError, TypeError):
        return {}


def _ending(end: str, today: dt.date) -> str:
    try:
        days = (dt.date.fromisoformat(end[:10]) - today).days
    except ValueError:
        return f"is to be shut down ({end}); choose another model before"
    if days < 0:
        return f"was shut down on {end}; choose another model"
    return f"is to be shut down on {end}, in {days} days; choose another model before"


_NOBODY_ASKED = Finding(
    "endpoint",
    Severity.WARNING,
    "nobody was asked: with these faults it is not certain where the endpoint is, and whose key goes there",
)


def check(path: Path | None) -> int:
    """
    Print a table of findings; return 0, 78 for a fault here, 75 for one of the endpoint's.
    """
    findings, lines = asyncio.run(_look(path))
    table = Table("what", "", "finding", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    colours = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.FAULT: "bold red"}
    for each in findings:
        mark = Text(each.mark, style=colours[each.mark])
        table.add_row(each.what, mark, Text(shown(each.text)))
    console = Console(highlight=False)
    console.print(table)
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    faults = [each.exit_code for each in findings if each.mark is Severity.FAULT]
    return max(faults, default=0)


async def _look(path: Path | None) -> tuple[list[Finding], list[str]]:
    """
    Return all that is found, and what would be asked for.
    """
    try:
        config, start, problems = read(path)
        settings, more = settings_of(config, start) if config else (None, [])
        more += faults_of(config, start) if config else ()
        findings = [*_configuration(find(path), [*problems, *more])]
        if config is not None and settings is not None:
            findings += [*key_exposure(find(path), config), *_places(settings)]
            findings += [
                Finding(what, Severity.WARNING, text) for what, text in warnings_of(config)
            ]
            findings += _style(config, settings)
        if settings is None or any(
            isinstance(p, ConfigFault) and p.hides_endpoint for p in problems
        ):
            return [*findings, _NOBODY_ASKED], []
        async with served(settings) as ready:
            findings += await ask_endpoint(ready)
            if any(each.mark is Severity.FAULT for each in findings):
                return findings, []
            return findings, ["", *await asyncio.to_thread(_requests, ready)]
    except ConfigurationError as error:
        faults = [Finding("configuration", Severity.FAULT, each) for each in error.problems]
        return faults, []


def _requests(settings: Settings) -> list[str]:
    try:
        places = settings.folders.by_name()
        return answered(lambda: list(request_lines(settings)), places, PATIENCE_SECONDS)
    except (FolderUnresponsive, OSError) as error:
        return [str(error)]


def _style(config: Config, settings: Settings) -> Iterator[Finding]:
    """
    Say how the endpoint is asked, and what was put right in its address.
    """
    style = settings.endpoint.style
    why = ", by its address" if config.endpoint.style == AUTO else ""
    yield Finding("style", Severity.OK, f"{style.name}{why}: {style.title}")
    for remark in settings.endpoint.remarks:
        yield Finding("address", Severity.WARNING, remark)


def _configuration(file: Path | None, problems: list[str]) -> Iterator[Finding]:
    for problem in problems:
        yield Finding("configuration", Severity.FAULT, problem)
    if not problems:
        where = str(file.absolute()) if file else "the environment alone"
        yield Finding("configuration", Severity.OK, f"{where}: every key is known and valid")


def _places(settings: Settings) -> list[Finding]:
    """
    Look at everything that lies on a disk, unless a folder does not answer.
    """
    places = settings.folders.by_name()
    if hung := sorted(FolderProbe().unresponsive(places, PATIENCE_SECONDS)):
        return [_unresponsive(unresponsive(each, places[each])) for each in hung]
    try:
        return answered(lambda: list(_looks(settings)), places, PATIENCE_SECONDS)
    except FolderUnresponsive as error:
        return [_unresponsive(str(error))]


def _looks(settings: Settings) -> Iterator[Finding]:
    folders = settings.folders
    found = list(_folders(folders))
    yield from found
    yield from folder_exposure(folders)
    yield from _disks(folders)
    if not any(each.mark is Severity.FAULT for each in found):
        yield from _room(settings)
    yield from _watches(settings)


def _unresponsive(sentence: str) -> Finding:
    return Finding("folders", Severity.FAULT, sentence, DiskFailed.exit_code)


def _folders(folders: Folders) -> Iterator[Finding]:
    """
    Look at each folder; that files can be made, and renamed from the inbox into work, is really tried.
    """
    problems = folders.problems()
    broken = list(problems or folders.unwritable())
    for problem in broken:
        yield Finding("folders", Severity.FAULT, problem)
    if problems:
        return
    for key, place in folders.items():
        yield Finding(key, Severity.OK, str(place))
    if folders.inbox.stat().st_mode & stat.S_ISVTX and os.geteuid():
        text = (
            f"{folders.inbox} is sticky: files of other users cannot be taken. "
            f"chmod -t {folders.inbox}"
        )
        yield Finding("folders.inbox", Severity.WARNING, text)
    if not broken:
        text = "all five can be written; files of the inbox can be renamed into work (tried)"
        yield Finding("permissions", Severity.OK, text)


def _disks(folders: Folders) -> Iterator[Finding]:
    """
    Say what the folders lie on and how much room is there, folders of one disk together.
    """
    disks: dict[tuple[int, str], list[tuple[str, Path]]] = {}
    for key, place in folders.items():
        if os.access(place, os.F_OK):
            kind = filesystem_of(place) or "unknown"
            name = key.partition(".")[2]
            disks.setdefault((place.stat().st_dev, kind), []).append((name, place))
    for (_, kind), places in disks.items():
        free = shutil.disk_usage(places[0][1]).free
        names = ", ".join(name for name, _ in places)
        if free < SPARE_BYTES:
            text = f"only {free / 1e6:.0f} MB are free on the disk of {places[0][1]} ({kind})"
            yield Finding("disk", Severity.WARNING, f"{text}: {names}")
        else:
            yield Finding("disk", Severity.OK, f"{kind}, {free / 1e9:.1f} GB free: {names}")


def _room(settings: Settings) -> Iterator[Finding]:
    """
    Say by the rule of the daemon itself whether it would send anything with the room there is.
    """
    pictures = int(settings.edit.parameters.get("n") or 1)
    for requests in sorted({1, settings.endpoint.concurrency}):
        reason = shortage(settings.folders, requests * pictures)
        if not reason:
            continue
        if requests == 1:
            yield Finding(
                "room", Severity.FAULT, f"nothing will be sent: {reason}", DiskFailed.exit_code
            )
            return
        text = f"it will pause with {requests} requests at once: {reason}"
        yield Finding("room", Severity.WARNING, text)


def _watches(settings: Settings) -> Iterator[Finding]:
    """
    Say how changes would be noticed and why so, having tried it.
    """
    try:
        chosen = try_out(settings)
    except OSError:
        return  # The inbox is not there, as said already.
    text = f"{chosen.mode}: {chosen.reason}"
    if chosen.remedy:
        yield Finding("watching", Severity.WARNING, f"{text}; {chosen.remedy}")
    elif chosen.mode is not Mode.INOTIFY:
        yield Finding("watching", Severity.OK, text)
    else:
        yield _watches_left(settings, text)


def _watches_left(settings: Settings, text: str) -> Finding:
    """
    Compare the kernel's limit with the folders of the inbox: one watch for each.
    """
    try:
        limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text("ascii"))
    except (OSError, ValueError):
        return Finding("watching", Severity.OK, text)
    needed = sum(1 for _ in os.walk(settings.folders.inbox)) if settings.recursive else 1
    text += f"; {needed} of {limit} watches"
    if needed > limit // 2:
        text += " in all: raise fs.inotify.max_user_watches before they run out"
        return Finding("watching", Severity.WARNING, text)
    return Finding("watching", Severity.OK, text)
