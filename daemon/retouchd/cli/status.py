"""
`retouchd status`: how things stand, from what lies on this machine's disks alone.

What `status` prints on a terminal, for an operator who looks twice a week.

The jobs and the history are looked at where they are; the daemon's own notices add what it alone knows, and
what waits in the inbox. Without a daemon the inbox is looked through.
"""

import datetime as dt
import json
import select
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from retouchd.cli.command import is_heard
from retouchd.cli.compose import settings_to_look
from retouchd.errors import RetouchdError
from retouchd.inbox.waiting import READY, STAYS
from retouchd.job.filenames import parse
from retouchd.job.naming import path_below, shown
from retouchd.job.text import counted, dollars, exact_length, json_text
from retouchd.spool.fingerprint import gist
from retouchd.spool.phase import Phase
from retouchd.status.collect import Inventory
from retouchd.status.document import DaemonState, Overview, Today, local_time, unknown
from retouchd.status.report import StatusReport
from retouchd.status.text import staying_line
from retouchd.throttle.breaker import PauseCause

_MOST_NAMED = 5
_MOST_REASONS = 10
_STYLES = {
    DaemonState.RUNNING: ("green", "running"),
    DaemonState.PAUSED: ("bold yellow", "paused"),
    DaemonState.HUNG: ("bold red", "silent"),
    DaemonState.STOPPED: ("bold red", "not running"),
    DaemonState.UNKNOWN: ("bold red", "unknown"),
}
_READY = "waits for its turn"
_CLOSED = "cannot be looked into now, or not by this user"
_PROMPT = "waits for its prompt"


def table_of(found: Overview) -> RenderableType:
    """
    Return one line for each thing in plain words, what needs a person first.
    """
    lines = [_headline(found)]
    lines += [Text(f"! {shown(sentence)}", style="yellow") for sentence in found.attention]
    if found.folders is None:
        return Group(*lines)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for label, text in _rows(found):
        table.add_row(label, text)
    return Group(*lines, "", table)


def _headline(found: Overview) -> Text:
    style, word = _STYLES[found.state]
    line = Text("retouchd ").append(word, style=style)
    if found.since is not None:
        line.append(f" since {local_time(found.since, found.at)}")
    if found.pid:
        line.append(f" (process {found.pid})", style="dim")
    return line


def _rows(found: Overview) -> Iterator[tuple[str, Text]]:
    today = found.today
    yield "today", Text(f"{today.done} done, {_failed(today)}, {_spent(found)}")
    if today.warnings:
        yield "warnings", _warnings(today)
    if found.report is not None and (pause := found.report.pause):
        until = (
            "until retouchd resume"
            if pause.cause is PauseCause.PERSON
            else f"asks again at {local_time(pause.next_probe, found.at)}"
        )
        yield "paused", Text(f"since {local_time(pause.since, found.at)}; {until}")
    yield "in work", _in_work(found)
    yield "in the inbox", _waiting(found)
    if found.in_error and found.folders:
        yield "in error", Text(f"{counted(found.in_error, 'picture')} in {found.folders.error}")
    if found.notes and found.folders:
        notes = (
            f"{counted(found.notes, 'note')} on pictures that were taken away again can be deleted"
        )
        yield "", Text(f"{notes} (.job.json, .error.txt)")
    if found.in_error is None:
        yield "in error", Text(_CLOSED)
    yield "disk", Text(_room(found))
    if found.report is not None:
        yield "watches", Text(_looked_at(found.report, found.at))


_MODES = {
    "inotify": "each file as it comes",
    "polling": "the inbox again and again",
    "scan": "the inbox from time to time",
}


def _looked_at(report: StatusReport, now: dt.datetime) -> str:
    """
    Return how changes are noticed, why not as they come, and when all was looked at last.
    """
    mode = _MODES.get(report.watch_mode, "starting")
    why = f" ({shown(report.watch_reason)})" if report.watch_mode != "inotify" else ""
    if report.scanned_at is None:
        return f"{mode}{why}"
    took = f", which took {exact_length(report.scan_seconds)}" if report.scan_seconds >= 1 else ""
    return f"{mode}{why}; looked through all of it {_ago(report.scanned_at, now)}{took}"


def _in_work(found: Overview) -> Text:
    if not found.in_flight:
        return Text("nothing", style="dim")
    lines = []
    for job in found.in_flight[:_MOST_REASONS]:
        path = path_below(job["folder"], job["name"]) or job["id"]
        number = f"; try {job['attempt']}" if job["attempt"] > 1 else ""
        sent_at = job["sent_at"]
        is_out = sent_at and job["state"] == Phase.ASKING.value and found.pid is not None
        doing = job["reason"]
        if is_out:
            doing = doing.replace("sent,", f"sent {_ago(sent_at, found.at)},", 1)
        lines.append(f"{shown(path)}: {shown(doing)}{number}")
    if rest := len(found.in_flight) - len(lines):
        lines.append(f"and {rest:,} more")
    return Text("\n".join(lines))


def _waiting(found: Overview) -> Text:
    """
    Return the reasons, the most frequent first, with a few of the names.
    """
    if found.kinds is None and found.pid is None:
        return Text(_CLOSED)
    if found.kinds is None:
        return Text("not known yet: it is being looked at", style="dim")
    if not found.kinds:
        return Text("empty", style="dim")
    kinds = {kind: count for kind, count in found.kinds.items() if kind not in STAYS.values()}
    ranked = sorted(kinds.items(), key=lambda kind: -kind[1])
    lines = Text()
    for kind, count in ranked[:_MOST_REASONS]:
        files = [each for each in found.waiting if each["kind"] == kind]
        told = files if found.is_whole else files[:_MOST_NAMED]
        names = _named(told, found.at)
        more = f", and {count - len(names):,} more" if count > len(names) else ""
        if more and any(gist(each["reason"]) for each in files[:1]):
            more += ": see `retouchd status --all`"
        lines.append(f"{counted(count, 'file')}: {shown(_reason(kind, files, found.stop))}\n")
        lines.append(f"  {', '.join(names)}{more}\n", style="dim")
    if rest := sum(count for _, count in ranked[_MOST_REASONS:]):
        lines.append(f"{counted(rest, 'file')} for other reasons: see `retouchd status --all`\n")
    if stays := staying_line(found.kinds):
        lines.append(f"{stays}\n")
        if found.is_whole:
            files = [each for each in found.waiting if each["kind"] in STAYS.values()]
            lines.append(f"  {', '.join(_named(files, found.at))}\n", style="dim")
    lines.rstrip()
    return lines


def _reason(kind: str, files: Sequence[Mapping[str, Any]], stop: str) -> str:
    """
    Return what is said of the files of a kind: their reason in full where all have the same.
    """
    if kind == READY:
        return stop or _READY
    reasons = {each["reason"] for each in files}
    is_own = kind.startswith(_PROMPT) or any(map(gist, reasons))
    return kind if is_own or len(reasons) != 1 else reasons.pop()


def _named(files: Sequence[Mapping[str, Any]], now: dt.datetime) -> list[str]:
    """
    Return the paths of files, each with how old or how patient it is: what is so of a whole photo, behind the
    last of its files.
    """
    noted = [(_photo(each), _notes(each, now)) for each in files]
    paths = [shown(path_below(each["folder"], each["name"])) for each in files]
    return [
        f"{path} ({of[1]})" if of[1] and of != following else path
        for path, of, following in zip(paths, noted, [*noted[1:], None], strict=True)
    ]


def _photo(file: Mapping[str, Any]) -> tuple[str, str]:
    return file["folder"], parse(file["name"]).family


def _notes(file: Mapping[str, Any], now: dt.datetime) -> str:
    notes = []
    if file["changed_at"]:
        notes.append(f"changed {_ago(file['changed_at'], now)}")
    elif file["until"]:
        rest = (file["until"] - now).total_seconds()
        notes.append(f"to error in {exact_length(max(0.0, rest))}")
    elif told := gist(file["reason"]):
        notes.append(shown(told[1]))
    if near := file["reason"].partition("; but ")[2]:
        notes.append(f"but {shown(near)}")
    return "; ".join(notes)


def _failed(today: Today) -> str:
    """
    Return how many failed, and why in two words each.
    """
    codes = ", ".join(f"{count:,} {code.replace('_', ' ')}" for code, count in today.failed.items())
    return f"{sum(today.failed.values()):,} failed{f' ({codes})' if codes else ''}"


def _warnings(today: Today) -> Text:
    """
    Return what came other than asked for, the most frequent first, with a few of the names.
    """
    ranked = sorted(today.warnings.items(), key=lambda each: -len(each[1]))
    lines = [
        f"{counted(len(paths), 'picture')}: {shown(warning)}\n  {_some(paths, len(paths))}"
        for warning, paths in ranked[:_MOST_REASONS]
    ]
    if rest := len(ranked) - len(lines):
        lines.append(f"and {counted(rest, 'other warning')}: see the records in done/")
    return Text("\n".join(lines))


def _some(names: Sequence[str], count: int) -> str:
    """
    Return the first of so many names, and how many more there are.
    """
    told = ", ".join(shown(name) for name in names[:_MOST_NAMED])
    return f"{told}, and {count - _MOST_NAMED:,} more" if count > _MOST_NAMED else told


def _spent(found: Overview) -> str:
    """
    Return what today's requests cost, may have cost, and may still cost, and what the budget leaves.
    """
    spend, rest = found.today.spend, found.today.left
    parts = [f"{dollars(spend.spent_usd)} spent"]
    if spend.unpriced:
        unknown = f"{counted(spend.unpriced, 'request')} of unknown cost"
        parts = [*parts, unknown] if spend.committed_usd else [unknown]
    if spend.in_doubt_usd:
        parts.append(f"at most {dollars(spend.in_doubt_usd)} more perhaps charged")
    if spend.reserved_usd:
        parts.append(f"up to {dollars(spend.reserved_usd)} for what is being edited")
    if rest.usd is not None:
        parts.append(f"{dollars(rest.usd)} of {dollars(found.today.allowance.usd_per_day)} left")
    if rest.images is not None:
        allowed = counted(found.today.allowance.images_per_day, "picture")
        parts.append(f"{rest.images:,} of {allowed} left")
    return ", ".join(parts)


def _room(found: Overview) -> str:
    """
    Return the free space, folders of one disk named together.
    """
    places: dict[int, list[str]] = {}
    for key, spare in found.free_bytes.items():
        places.setdefault(spare // 10**8, []).append(key)
    return "; ".join(
        f"{size / 10:.1f} GB free ({', '.join(keys)})" for size, keys in places.items()
    )


def _ago(moment: dt.datetime, now: dt.datetime) -> str:
    return f"{exact_length(max(0.0, (now - moment).total_seconds()))} ago"


_PAUSE_SECONDS = 1.0
_SHARE = 10
"""A look at a large inbox takes a while: the time between two is so many times as long."""


def status(config: Path | None, *, as_json: bool, is_following: bool, is_whole: bool) -> int:
    """
    Print how things stand; return 0 healthy, 1 needs attention, 3 not running.

    Where it is to be whole, each file that waits is named. Following, it is printed again and again until it
    is interrupted or nobody reads it any more. Raises what keeps it from looking at all; a program gets a
    document that says so, too.
    """
    inventory = Inventory(is_whole=is_whole)
    try:
        found = _look(inventory, config)
    except RetouchdError as error:
        if as_json:
            _show(unknown(error), as_json=True)
        raise
    if is_following:
        return _follow(inventory, config, found, as_json=as_json)
    _show(found, as_json=as_json)
    return found.exit_code


def _look(inventory: Inventory, config: Path | None) -> Overview:
    settings, faults = settings_to_look(config)
    return inventory.overview(settings, faults)


def _follow(inventory: Inventory, config: Path | None, first: Overview, *, as_json: bool) -> int:
    """
    Redraw a terminal; for a program that reads along, print what is new, as JSON one document on a line.
    """
    code = first.exit_code
    looks = _each_look(inventory, config, first)
    try:
        if sys.stdout.isatty() and not as_json:
            with Live(console=_console(), screen=True, auto_refresh=False) as live:
                for found in looks:
                    code = found.exit_code
                    live.update(table_of(found), refresh=True)
        else:
            last = None
            for found in looks:
                code = found.exit_code
                if (news := _news(found)) != last:
                    _show(found, as_json=as_json, indent=None)
                    last = news
    except KeyboardInterrupt:
        pass
    return code


def _each_look(inventory: Inventory, config: Path | None, found: Overview) -> Iterator[Overview]:
    """
    Yield one look after the other for as long as somebody reads; what fails in between is told like the rest.
    """
    took = 0.0
    while is_heard():
        yield found
        if _is_unread_after(max(_PAUSE_SECONDS, _SHARE * took)):
            return
        began = time.monotonic()
        try:
            found = _look(inventory, config)
        except RetouchdError as error:
            found = unknown(error)
        took = time.monotonic() - began


def _is_unread_after(seconds: float) -> bool:
    """
    Wait for so long, or until the reader of our output is gone; return whether it is.
    """
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # What is wrong with it is told unasked.
    return bool(poll.poll(seconds * 1000))


def _news(found: Overview) -> str:
    """
    Return what is worth being told anew: not that time has passed.
    """
    document = found.document()
    for passing in ("at", "reported_at", "scanned_at", "free_bytes"):
        del document[passing]
    return json.dumps(document)


def _show(found: Overview, *, as_json: bool, indent: int | None = 2) -> None:
    if as_json:
        text = json_text(found.document(), indent=indent) + "\n"
        sys.stdout.buffer.write(text.encode())
    else:
        _console().print(table_of(found))
    sys.stdout.flush()


def _console() -> Console:
    return Console(highlight=False)
