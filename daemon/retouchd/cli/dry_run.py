"""
`retouchd once --dry-run`: what would be sent, where to and for how much, as text and as JSON; nothing is
touched.

A rehearsal as lines for people: no name is cut or broken, however narrow the terminal is. A rehearsal as a
document for programs.
"""

import datetime as dt
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.cells import cell_len

from retouchd.cli.compose import asked, settings_only
from retouchd.clock import SystemClock
from retouchd.config import SANDBOX
from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder, at
from retouchd.endpoint.addresses import without_password
from retouchd.errors import ConfigurationError
from retouchd.inbox.waiting import Waiting, WaitingFile, in_order, is_no_work, is_picture
from retouchd.job.model import CONFIGURATION, Role, scalar_text
from retouchd.job.naming import escaped, shown
from retouchd.job.text import counted, dollars, iso, json_text
from retouchd.money.pricing import pictures_asked
from retouchd.pictures.fit_plan import Change
from retouchd.pictures.metadata import Metadata
from retouchd.request.limits import Picture
from retouchd.status.rehearsal import Failing, Planned, Rehearsal, Sent, picture_path, sources
from retouchd.status.rehearse import Rehearser
from retouchd.status.text import lines_of as waiting_lines

_FORMATS = {"webp": "WebP", "mpo": "JPEG"}
_PROMPT = 100
"""Characters of a prompt that are told."""
_KEPT = 'Metadata (place, names, serial numbers) would be sent along: images.metadata is "keep".'
_CHANGES = {
    Change.FORMAT: "converted",
    Change.CHANNELS: "converted to 8-bit colours",
    Change.COLOURS: "converted to sRGB",
    Change.ORIENTATION: "turned upright",
    Change.PIXELS: "scaled down",
    Change.BYTES: "made smaller",
    Change.SHAPE: "padded to the shape that is asked for",
    Change.METADATA: "encoded anew to leave metadata out",
}


def lines_of(
    found: Rehearsal, *, base_url: str, metadata: Metadata, waiting: Waiting, width: int | None
) -> Iterator[str]:
    """
    Yield what would be sent, of each request what its pictures have in common first; then what would not be.

    Lines are wrapped at `width` columns between words and names, None for not at all.
    """
    if found.planned:
        yield _endpoint(base_url)
    for jobs in _alike(found.planned).values():
        yield ""
        yield from _wrapped(_request(jobs[0]), width, "")
        for job in jobs:
            yield from _wrapped(_job(job), width, "    ")
    if found.planned:
        yield ""
    for failing in found.failing:
        for problem in failing.problems:
            path = shown(picture_path(failing.job))
            yield f"would go to error/: {path}: {shown(problem.message)} {shown(problem.hint)}"
    yield from waiting_lines(waiting)
    if found.planned and metadata is Metadata.KEEP:
        yield _KEPT
    yield from _summary(found)


def host_of(base_url: str) -> str:
    """
    Return the host to which pictures go, with its port where that is said; empty for the embedded endpoint.
    """
    parts = urlsplit(base_url)
    return "" if base_url == SANDBOX else shown(parts.netloc.rpartition("@")[2])


def _endpoint(base_url: str) -> str:
    if host := host_of(base_url):
        return f"To {host}:"
    return "To the embedded endpoint: nothing leaves this machine, and nothing is paid."


def _alike(planned: Sequence[Planned]) -> dict[object, list[Planned]]:
    """
    Return the jobs by what they ask for and where that stands, in the order of the first of each.
    """
    found: dict[object, list[Planned]] = {}
    for each in planned:
        request = each.job.request
        key = (
            request.model,
            request.prompt,
            tuple(request.parameters.items()),
            tuple(sources(each.job).items()),
            tuple(reference.path for reference in each.references),
        )
        found.setdefault(key, []).append(each)
    return found


def _request(planned: Planned) -> Iterator[str]:
    """
    Yield what is asked for, each with the file that says so: parts that are not to be broken.
    """
    request, origin = planned.job.request, sources(planned.job)
    prompt = " ".join((request.prompt or "").split())
    short = f"{prompt[:_PROMPT]}…" if len(prompt) > _PROMPT else prompt
    yield from f"“{shown(short)}”".split()
    yield f"({_origin(origin.get('prompt', CONFIGURATION))}),"
    values = {"model": request.model, **request.parameters}
    for number, (key, value) in enumerate(values.items(), 1):
        where = origin.get(key, CONFIGURATION)
        told = f" ({_origin(where)})" if where != CONFIGURATION else ""
        end = ":" if number == len(values) and not planned.references else ","
        yield f"{shown(key)}={shown(scalar_text(value))}{told}{end}"
    for number, each in enumerate(planned.references, 1):
        yield "with" if number == 1 else "and"
        yield shown(each.path)
        yield from f"({as_sent(each)}){':' if number == len(planned.references) else ','}".split()


def _origin(path: str) -> str:
    return "configuration" if path == CONFIGURATION else shown(path)


def _job(planned: Planned) -> Iterator[str]:
    """
    Yield a picture, what it is sent as, where its results go and what they cost: parts that stay whole.
    """
    yield shown(planned.image.path)
    yield from f"({as_sent(planned.image)})".split()
    if mask := planned.mask:
        yield from ["with", "mask"]
        yield shown(mask.path)
        yield from f"({as_sent(mask)})".split()
    for number, name in enumerate(planned.results):
        arrow = "" if number else "→ "
        yield f"{arrow}{planned.place}/{shown(name)},"
    usd = planned.usd
    yield from ("price unknown" if usd is None else f"at most {dollars(usd)}").split()
    if not planned.is_today:
        yield from ["(not", "today)"]


def as_sent(picture: Sent) -> str:
    """
    Return what a picture is and what is sent of it.
    """
    found, sent = picture.found, picture.sent
    changes = ", ".join(dict.fromkeys(_CHANGES[each] for each in picture.changes))
    text = f"{_in_words(found)}, {_size(found.size_bytes)}"
    text += f", {changes}: sent as {_in_words(sent)}" if changes else ", sent as it is"
    if picture.removed:
        text += f", without {', '.join(each.value for each in picture.removed)}"
    return text


def _in_words(picture: Picture) -> str:
    width, height = picture.upright
    return f"{width}×{height} {_FORMATS.get(picture.format, picture.format.upper())}"


def _size(count: int) -> str:
    for unit, size in (("MB", 1e6), ("KB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return counted(count, "byte")


def _summary(found: Rehearsal) -> Iterator[str]:
    costs = [each.usd for each in found.planned]
    known = [cost for cost in costs if cost is not None]
    unknown = len(costs) - len(known)
    amounts = [f"at most {dollars(sum(known))}"] if known else []
    if unknown:
        amounts.append(f"price unknown of {unknown:,}")
    if found.in_work:
        yield f"{counted(found.in_work, 'photo')} in work from before would be finished first."
    if found.lack:
        today = [each for each in found.planned if each.is_today]
        paid = sum(each.usd or 0 for each in today)
        yield (
            f"Only the first {len(today):,} of {len(costs):,} today, for at most {dollars(paid)}: "
            f"{found.lack} The others would wait in the inbox."
        )
    would = f"{len(costs):,} would be sent" + (f" ({', '.join(amounts)})" if amounts else "")
    yield f"{would}, {len(found.failing):,} would go to error/. Nothing was touched."


def _wrapped(parts: Iterator[str], width: int | None, indent: str) -> Iterator[str]:
    """
    Yield parts as lines, the first of them hanging out; one that is longer than a line is left whole.
    """
    line, is_begun = indent[: len(indent) // 2], False
    for part in parts:
        gap = " " if is_begun else ""
        if is_begun and width is not None and cell_len(line + gap + part) > width:
            yield line
            line, gap = indent + "  ", ""
        line, is_begun = line + gap + part, True
    yield line


def document_of(found: Rehearsal, settings: Settings, now: dt.datetime) -> dict[str, Any]:
    """
    Return all that is known of a rehearsal.
    """
    base_url = settings.endpoint.base_url
    known = [each.usd for each in found.planned if each.usd is not None]
    today = [each for each in found.planned if each.is_today]
    return {
        "version": 1,
        "at": iso(now),
        "endpoint": {
            "base_url": without_password(base_url),
            "host": host_of(base_url) or None,
            "is_embedded": base_url == SANDBOX,
        },
        "metadata": settings.metadata.value,
        "totals": {
            "pictures": len(found.planned),
            "today": len(today),
            "usd_at_most": round(sum(known), 6),
            "usd_today_at_most": round(sum(each.usd or 0 for each in today), 6),
            "price_unknown": len(found.planned) - len(known),
            "to_error": len(found.failing),
            "waiting": len(found.waiting),
            "in_work": found.in_work,
        },
        "budget": {
            "usd_per_day": settings.allowance.usd_per_day or None,
            "images_per_day": settings.allowance.images_per_day or None,
            "usd_spent": float(found.spend.committed_usd),
            "images_spent": found.spend.images,
            "reason": found.lack,
        },
        "pictures": [_planned(each) for each in found.planned],
        "to_error": [_failing(each) for each in found.failing],
        "waiting": [_file(each) for each in found.waiting],
    }


def _planned(each: Planned) -> dict[str, Any]:
    job, origin = each.job, sources(each.job)
    image = job.member(Role.IMAGE)

    def said(key: str, value: object) -> dict[str, Any]:
        where = origin.get(key, CONFIGURATION)
        return {"value": value, "from": None if where == CONFIGURATION else escaped(where)}

    return {
        "folder": escaped(job.folder),
        "name": escaped(image.name if image else job.stem),
        "edit": job.edits[0].name or None,
        "prompt": said("prompt", job.request.prompt),
        "model": said("model", job.request.model),
        "parameters": {key: said(key, value) for key, value in job.request.parameters.items()},
        "image": _sent(each.image),
        "mask": _sent(each.mask) if each.mask else None,
        "references": [_sent(reference) for reference in each.references],
        "results": [escaped(name) for name in each.results],
        "pictures_asked": pictures_asked(job.request),
        "usd_at_most": each.usd,
        "today": each.is_today,
    }


def _sent(picture: Sent) -> dict[str, Any]:
    found, sent = picture.found, picture.sent
    return {
        "path": escaped(picture.path),
        "bytes": found.size_bytes,
        "format": found.format,
        "width": found.width,
        "height": found.height,
        "changes": [each.value for each in picture.changes],
        "sent": {"format": sent.format, "width": sent.width, "height": sent.height},
        "metadata_removed": [each.value for each in picture.removed],
    }


def _failing(each: Failing) -> dict[str, Any]:
    return {
        "folder": escaped(each.job.folder),
        "name": escaped(each.job.members[0].name),
        "problems": [
            {"code": problem.code.value, "message": problem.message, "hint": problem.hint}
            for problem in each.problems
        ],
    }


def _file(each: WaitingFile) -> dict[str, Any]:
    return {
        "folder": each.folder,
        "name": each.name,
        "reason": each.reason,
        "kind": each.kind,
        "is_no_work": is_no_work(each.kind),
    }


def rehearse(config: Path | None, *, as_json: bool) -> int:
    """
    Print what `once` would do; return 0, or 1 if something would go to `error/`.
    """
    _, settings = settings_only(config)
    found = asked(settings.folders, partial(_rehearsed, settings))
    now = dt.datetime.now(dt.UTC)
    if as_json:
        sys.stdout.write(json_text(document_of(found, settings, now), indent=2) + "\n")
    else:
        lines = lines_of(
            found,
            base_url=settings.endpoint.base_url,
            metadata=settings.metadata,
            waiting=_summary_of(found.waiting, now),
            width=shutil.get_terminal_size().columns if sys.stdout.isatty() else None,
        )
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if found.failing else 0


def _rehearsed(settings: Settings) -> Rehearsal:
    inbox = settings.folders.inbox
    with at(Folder.INBOX):
        if not inbox.is_dir():
            raise ConfigurationError(
                [f"folders.inbox: {shown(str(inbox))} is not there. Run `retouchd init`."]
            )
    return Rehearser(settings, SystemClock()).rehearse()


def _summary_of(files: Sequence[WaitingFile], now: dt.datetime) -> Waiting:
    """
    Return what waits, by the kinds of its reasons.
    """
    counts = Counter(each.kind for each in files)
    pictures = sum(is_picture(each.name) and not is_no_work(each.kind) for each in files)
    return Waiting(
        pid=os.getpid(),
        at=now,
        kinds=in_order(counts),
        pictures=pictures,
        files=tuple(files),
    )
