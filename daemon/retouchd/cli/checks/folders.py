"""
The folders as they are: whether they can be used, what they lie on, the room there, how changes are noticed.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from retouchd.cli.checks.exposure import folder_exposure
from retouchd.cli.checks.finding import Finding, Severity
from retouchd.config.settings import Settings
from retouchd.disk.filesystems import filesystem_of
from retouchd.disk.folders import Folders
from retouchd.disk.probes import FolderProbe
from retouchd.disk.threads import PATIENCE_SECONDS, answered, unresponsive
from retouchd.errors import DiskFailed, FolderUnresponsive
from retouchd.inbox.watch_mode import Mode
from retouchd.inbox.watch_supervisor import try_out
from retouchd.status.attention import SPARE_BYTES
from retouchd.throttle.preflight import shortage


def look_at_folders(settings: Settings) -> list[Finding]:
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
    there = dict(folders.needed())
    for key, place in folders.items():
        if key in there:
            yield Finding(key, Severity.OK, str(place))
        else:
            text = f"{place} is not there, and is needed where output.review is true"
            yield Finding(key, Severity.WARNING, text)
    if folders.inbox.stat().st_mode & stat.S_ISVTX and os.geteuid():
        text = (
            f"{folders.inbox} is sticky: files of other users cannot be taken. "
            f"chmod -t {folders.inbox}"
        )
        yield Finding("folders.inbox", Severity.WARNING, text)
    if not broken:
        text = "all of them can be written; files of the inbox can be renamed into work (tried)"
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
