"""
Status as text for people: the lines of `status.txt`, and of what waits in the inbox.

`status.txt` begins with a byte order mark and ends its lines as Windows does: old Notepads show it right only
so, and no other editor minds.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from retouchd.inbox.waiting import (
    CHANGING,
    DUPLICATES,
    NOT_TAKEN,
    READY,
    STAYS,
    UNDECIDED,
    Waiting,
    WaitingFile,
    is_no_work,
    staying,
)
from retouchd.job.filetypes import Medium
from retouchd.job.naming import path_below, sentence, shown
from retouchd.job.text import counted, rough_length
from retouchd.spool.fingerprint import gist
from retouchd.status.progress import Progress
from retouchd.status.report import StatusReport
from retouchd.throttle.breaker import PauseCause

MOST_NAMED = 10
"""Files of each kind that are told by name."""

_TURN = "waits for its turn"
_REMEDIES = {
    "waits for its prompt": (
        "What is to be done with a photo is written into the text file named there, or for all photos of "
        "a folder into a _prompt.txt."
    ),
    "waits for its image": "Put the photo beside it, or take the file away.",
    CHANGING: "A file is taken once nothing has touched it for intake.settle_seconds: look again then.",
}


def lines_of(waiting: Waiting) -> Iterator[str]:
    """
    Yield how many files wait and how many are no work, then the first of each kind with their reasons, and what
    to do where no reason says so.
    """
    others = sum(count for kind, count in waiting.kinds.items() if is_no_work(kind))
    if not waiting.kinds:
        yield "Nothing waits in the inbox."
        return
    yield _headline(waiting.count - others, waiting.pictures, others)
    if stays := staying_line(waiting.kinds):
        yield f"not taken: {stays}"
    for kind, count in waiting.kinds.items():
        if kind in STAYS.values():
            continue
        files = sorted((each for each in waiting.files if each.kind == kind), key=_path)[
            :MOST_NAMED
        ]
        word = "not taken" if is_no_work(kind) else "waits"
        for before, each in zip([None, *files], files, strict=False):
            yield f"{word}: {_path(each)}: {_reason(each, before)}"
        if rest := count - len(files):
            more = _TURN if kind == READY else shown(kind).removeprefix(NOT_TAKEN)
            yield f"{word}: {rest:,} more: {more} (`retouchd status --all` names them)"
        yield from (text for start, text in _REMEDIES.items() if kind.startswith(start))


def staying_line(kinds: Mapping[str, int]) -> str:
    """
    Return how many raw files, films and sound recordings stay in the inbox, "" where none do.
    """
    found = staying(kinds)
    if not found:
        return ""
    counts = ", ".join(counted(count, medium) for medium, count in found.items())
    stays = "stays" if sum(found.values()) == 1 else "stay"
    remedy = (
        "; a raw file is edited once it is exported as JPEG or TIFF" if Medium.RAW in found else ""
    )
    return f"{counts} {stays} in the inbox: they are not edited{remedy}"


def _headline(count: int, pictures: int, others: int) -> str:
    waits = "waits" if count == 1 else "wait"
    photos = f", {counted(pictures, 'photo')} among them" if count > 1 and pictures else ""
    line = f"{counted(count, 'file')} {waits} in the inbox{photos}"
    if not count:
        line = "Nothing waits in the inbox"
    not_taken = "is not taken" if others == 1 else "are not taken"
    return f"{line}; {counted(others, 'other file')} {not_taken}." if others else f"{line}."


def _path(file: WaitingFile) -> str:
    return shown(path_below(file.folder, file.name))


def _reason(file: WaitingFile, before: WaitingFile | None) -> str:
    """
    Return why a file waits, in short where the one before it waits for the same.
    """
    if file.reason == READY:
        return _TURN
    if (
        before
        and (before.folder, before.reason) == (file.folder, file.reason)
        and gist(file.reason)
    ):
        return f"as {shown(before.name)} does"
    return shown(file.reason).removeprefix(NOT_TAKEN)


MARK = "\ufeffretouchd: "
"""How every such text begins, so that nothing is written over what somebody else has written."""
MOST_KINDS = 12

_KINDS = {
    READY: ("waits for its turn", "wait for their turn"),
    CHANGING: ("is still being copied", "are still being copied"),
    UNDECIDED: ("is about to be looked at", "are about to be looked at"),
    DUPLICATES[0]: (
        "is the same as one that comes first",
        "are the same as others that come first",
    ),
    DUPLICATES[1]: (
        "was edited before, and is not edited (and paid for) again",
        "were edited before, and are not edited (and paid for) again",
    ),
    DUPLICATES[2]: (
        "is a result of an earlier edit, and is not edited again by itself",
        "are results of earlier edits, and are not edited again by themselves",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """
    A picture in work: its path below the inbox, and what happens with it.
    """

    path: str
    doing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """
    What ended since local midnight: how many were done, the paths in `error/` of those that failed, the newest
    first, and how many others failed that somebody has taken out of there.
    """

    done: int = 0
    failed: Sequence[str] = ()
    taken_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """
    All that is told. Names are as they are, or escaped; `troubles` are sentences, `paused` is one or empty.
    `stop` says in a few words why what is ready does not have its turn, empty where it has.

    `waiting` is None before the inbox was looked at, `running_count` more than are `running` where those are
    many. `stopped` says that this is the last text of a run.
    """

    troubles: Sequence[str] = ()
    paused: str = ""
    stop: str = ""
    stopped: bool = False
    progress: Progress | None = None
    running: Sequence[Running] = ()
    running_count: int = 0
    waiting: Waiting | None = None
    day: Day = field(default_factory=Day)


def paused(report: StatusReport) -> str:
    """
    Return why nothing is sent, since when, and that it goes on by itself; empty while all goes its way.
    """
    pause = report.pause
    if pause is not None and pause.cause is PauseCause.PERSON:
        since = _clock(pause.since)
        return f"Nothing is sent since {since}: {sentence(pause.reason)} Nothing is lost meanwhile."
    if pause is None:
        return ""
    return (
        f"Nothing is sent since {_clock(pause.since)}: {sentence(pause.reason)} It is tried again at "
        f"{_clock(pause.next_probe)} and goes on by itself; nothing is lost meanwhile."
    )


def troubles(report: StatusReport) -> Iterator[str]:
    """
    Yield what else is wrong with a run, as far as it concerns those who drop photos.
    """
    yield from (each for each in (report.away, report.looking_up, report.unread) if each)
    yield from report.unusable.values()
    yield from dict.fromkeys(report.jobs[job] for job in report.blocked)


def written(body: str, now: dt.datetime) -> bytes:
    """
    Return a text as it is written; `now` is local.
    """
    head = (
        f"{MARK}written at {now:%H:%M:%S} on {_date(now)}. If that is more than ten minutes ago while photos "
        "wait, retouchd is not running."
    )
    return f"{head}\n\n{body}".replace("\n", "\r\n").encode("utf-8", "replace")


def is_ours(raw: bytes) -> bool:
    """
    Return whether a file that begins so may be written over: one of ours, or nothing (a power cut leaves that).
    """
    return raw.startswith(MARK.encode()) or not raw.strip(b"\0")


def body_of(scene: Scene) -> str:
    """
    Return the text without its first line, which tells only when it was written.
    """
    parts = [[line] for line in _first(scene)]
    parts += [part for part in (_troubles(scene), _running(scene), *_waiting(scene)) if part]
    parts.append(_day(scene))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _first(scene: Scene) -> Iterator[str]:
    if scene.stopped:
        yield "retouchd has been stopped. Nothing is done before it is started again; nothing is lost."
    if scene.progress is not None:
        yield _progress(scene.progress, is_going_on=not scene.paused and not scene.stopped)
    elif not scene.stopped and scene.waiting is not None and not scene.running_count:
        pictures = scene.waiting.pictures
        yield (
            "All is done: nothing waits for its turn."
            if not pictures
            else (f"{counted(pictures, 'photo')} {_are(pictures)} in the inbox: see below.")
        )


def _progress(progress: Progress, *, is_going_on: bool) -> str:
    line = (
        f"{progress.over:,} of {counted(progress.total, 'photo')} {_are(progress.total)} finished"
    )
    if progress.seconds_left is not None and is_going_on:
        line += f", about {rough_length(progress.seconds_left)} to go"
    return f"{line}."


def _troubles(scene: Scene) -> list[str]:
    sentences = [shown(each) for each in (scene.paused, *scene.troubles) if each]
    return (
        ["WHAT IS WRONG, AND WHAT TO DO", *(f"- {each}" for each in sentences)] if sentences else []
    )


def _running(scene: Scene) -> list[str]:
    lines = [f"- {shown(each.path)}: {shown(each.doing)}" for each in scene.running[:MOST_NAMED]]
    if not lines:
        return []
    if more := scene.running_count - len(lines):
        lines.append(f"- and {more:,} more")
    return [f"NOW IN WORK: {counted(scene.running_count, 'photo')}", *lines]


def _waiting(scene: Scene) -> Iterator[list[str]]:
    waiting = scene.waiting
    if waiting is None:
        yield ["The inbox is being looked at for the first time."]
        return
    if not waiting.kinds:
        return
    lines = [f"IN THE INBOX: {counted(waiting.count, 'file')}"]
    kinds = {kind: count for kind, count in waiting.kinds.items() if kind not in STAYS.values()}
    for kind, count in list(kinds.items())[:MOST_KINDS]:
        files = [each for each in waiting.files if each.kind == kind]
        lines += _kind(kind, count, files, scene.stop)
    if rest := sum(list(kinds.values())[MOST_KINDS:]):
        lines.append(f"- {counted(rest, 'file')} for other reasons")
    if stays := staying_line(waiting.kinds):
        lines.append(f"- {stays}")
    yield lines


def _kind(kind: str, count: int, files: Sequence[WaitingFile], stop: str) -> Iterator[str]:
    """
    Return what is said of one kind: those that want something are told one by one, each with what it wants.
    """
    one, many = _KINDS.get(kind, (kind, kind))
    if kind == READY and stop:
        one, many = f"waits ({stop})", f"wait ({stop})"
    if kind in _KINDS:
        names = ", ".join(_name(each) for each in files[:MOST_NAMED])
        more = f" and {count - MOST_NAMED:,} more" if count > MOST_NAMED else ""
        yield f"- {counted(count, 'file')} {one if count == 1 else many}: {names}{more}"
        return
    for each in files[:MOST_NAMED]:
        until = (
            f" (otherwise it goes to the folder error at {each.until.astimezone():%H:%M})"
            if each.until
            else ""
        )
        yield f"- {_name(each)}: {shown(each.reason)}{until}"
    if count > MOST_NAMED:
        yield f"- and {count - MOST_NAMED:,} more: {shown(kind)}"


def _day(scene: Scene) -> list[str]:
    day = scene.day
    failed = len(day.failed) + day.taken_out
    lines = [f"TODAY: {counted(day.done, 'photo')} done, {failed:,} not."]
    if day.failed:
        lines.append(
            "These went to the folder error; beside each a text (.error.txt) says why and what to do:"
        )
        lines += [f"- {shown(path)}" for path in day.failed[:MOST_NAMED]]
        if more := len(day.failed[MOST_NAMED:]):
            lines.append(f"- and {more:,} more")
    if day.taken_out:
        lines.append(f"Taken out of the folder error again: {counted(day.taken_out, 'photo')}.")
    return lines


def _name(file: WaitingFile) -> str:
    return shown(path_below(file.folder, file.name))


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _clock(moment: dt.datetime) -> str:
    return f"{moment.astimezone():%H:%M}"


def _date(now: dt.datetime) -> str:
    return f"{now.day} {now:%B %Y}"
