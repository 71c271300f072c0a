"""
The lines of the log: events as sentences, and the bounded queue that counts what it drops.

Events of the log as sentences, for people who watch a terminal. A bounded queue of log lines, which counts
exactly what it drops.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from retouchd.job.naming import path_below
from retouchd.job.text import dollars

Values: TypeAlias = Mapping[str, Any]

_COSTS = {
    "transient": "nothing was charged",
    "in_doubt": "it may have been charged",
    "account": "it waits until that is put right",
}


def sentence(event: str, values: Values) -> str | None:
    """
    Return what an event tells a person, "" where that is nothing, None for an event that has no words here.

    `values` are those of the event, escaped as they are logged.
    """
    words = _WORDS.get(event)
    if words is None:
        return None
    try:
        return words if isinstance(words, str) else words(values)
    except (KeyError, TypeError, ValueError):
        return None  # It lacks what the sentence tells.


def _of(text: str) -> Callable[[Values], str]:
    """
    Return a sentence with the file in its place, and the values by their names.
    """
    return lambda values: text.format_map({**values, "file": _file(values)})


def _file(values: Values) -> str:
    name = str(values.get("name") or values.get("path") or values.get("job") or "")
    return path_below(str(values.get("folder") or ""), name)


def _edit(values: Values) -> str:
    """
    Return the picture, with the one of its edits that is meant where there are several.
    """
    name = values.get("edit")
    return f"{_file(values)} ({name})" if name else _file(values)


def _sent(values: Values) -> str:
    again = f", try {values['attempt']}" if values.get("attempt", 1) > 1 else ""
    return f"{_edit(values)}: sent{again}"


def _failed(values: Values) -> str:
    costs = _COSTS.get(values["verdict"], "")
    retry = values.get("retry_in")
    again = f", again in {retry:.0f} s" if retry is not None else ""
    more = f" ({costs}{again})" if costs else ""
    return f"{_edit(values)}: {values.get('message') or values['code']}{more}"


def _done(values: Values) -> str:
    cost = values.get("cost_usd")
    paid = f", {dollars(cost)}" if cost else ""
    reviewed = values.get("review") or ()
    results = ", ".join(
        f"{'review' if name in reviewed else 'outbox'}/{name}" for name in values["outputs"]
    )
    return f"{_file(values)} → {results} ({values['seconds']:.0f} s{paid})"


def _job_failed(values: Values) -> str:
    results = ", ".join(f"outbox/{name}" for name in values.get("outputs") or ())
    came = f" All the same there came {results}." if results else ""
    return f"{_file(values)} went to error/: {values['message']}{came}"


def _stopping(values: Values) -> str:
    jobs = values["jobs"]
    if not jobs:
        return "Stopping."
    what = "1 photo that was" if jobs == 1 else f"{jobs} photos that were"
    return f"Stopping: waiting for {what} sent and may be charged. Ctrl-C again stops at once."


def _stopped(values: Values) -> str:
    ends = f"Stopped. {values.get('done', 0)} done"
    return f"{ends}, {values['error']} in error/." if values.get("error") else f"{ends}."


def _waiting(values: Values) -> str:
    file, name, others = _file(values), values["name"], values["others"]
    reason = values["reason"].removeprefix(f"{name} ")
    is_predicate = reason != values["reason"] or reason.startswith("waits ")
    first = f"{file}{' ' if is_predicate else ': '}{reason}."
    rest = values["files"] - 1 - len(others)
    more = f" and {rest:,} more" if rest > 0 else ""
    return f"{first} Likewise {', '.join(others)}{more}." if others else first


_WORDS: dict[str, str | Callable[[Values], str]] = {
    "daemon.started": "",
    "daemon.ready": _of("Ready. Drop photos and prompts into {inbox}. Ctrl-C stops it."),
    "daemon.paused": _of("Paused: {reason}"),
    "daemon.resumed": "Going on.",
    "daemon.stopping": _stopping,
    "daemon.stopped": _stopped,
    "once.ended": "",
    "daemon.stuck": _of("No progress: {reason}"),
    "daemon.unstuck": "Going on.",
    "watch.mode": lambda values: (
        f"{values['reason']}: {values['remedy']}" if values.get("remedy") else ""
    ),
    "job.claimed": "",
    "image.fitted": "",
    "request.sent": _sent,
    "request.failed": _failed,
    "job.done": _done,
    "job.failed": _job_failed,
    "job.warning": _of("{file}: {message}"),
    "job.waiting": _of("{file} waits: {reason}"),
    "job.left": _of("{file} goes on at the next start: {reason}"),
    "job.returned": _of("{file} is back in the inbox: {reason}"),
    "file.waiting": _waiting,
    "file.held": _of("{file} waits: {reason}"),
    "file.open": _of("{file} waits: {reason}"),
    "file.returning": _of("{file} waits: {reason}"),
    "file.left": _of("{file} is not taken: {reason}"),
    "file.returned": _of("{file} came back from error/: its retry had been cut short"),
    "file.unreturned": _of("A retry that was cut short could not be finished: {reason}"),
    "finish.ended": _of("{path} is there now: the `retouchd finish` for it had been cut short"),
    "finish.unended": _of("A `retouchd finish` that was cut short could not be ended: {reason}"),
    "folder.made": lambda values: (
        f"Made {', '.join(values['folders'])}: it was not there yet."
        if len(values["folders"]) == 1
        else f"Made {', '.join(values['folders'])}: they were not there yet."
    ),
    "folder.unresponsive": _of("{reason}"),
    "folder.answers": _of("{folder}/ answers again."),
    "work.misplaced": _of("{reason}"),
    "work.restored": "The work folder is in its place again.",
    "pool.narrowed": _of("The endpoint asks for less: {at_once} of {most} requests at once."),
    "pool.widened": _of("{at_once} requests at once again."),
    "configuration.reloaded": "The configuration was read anew.",
    "configuration.unchanged": "The configuration was read anew; nothing has changed.",
    "configuration.late": lambda values: f"Restart retouchd for: {', '.join(values['keys'])}.",
    "configuration.refused": lambda values: (
        f"The changed configuration is refused, the old one holds: {' '.join(values['problems'])}"
    ),
    "history.recovered": _of(
        "{jobs} finished photos that the history lacked were read from done/."
    ),
    "history.unread": _of("{reason}"),
}
"""Sentences by their events; what is not here is shown as it is logged."""


@dataclass(frozen=True, slots=True)
class Gap:
    """
    Lines that are missing in the log: how many, and when the first of them was dropped.
    """

    lines: int
    since: dt.datetime

    def __add__(self, later: "Gap") -> "Gap":
        return Gap(self.lines + later.lines, min(self.since, later.since))


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What is to be written next: a line, empty where there is only a gap, and the gap before it.
    """

    line: bytes
    gap: Gap | None


class LogQueue:
    """
    Log lines, first in, first out. What comes while it is full is dropped; it takes lines again once half of it
    is written, so that a slow reader meets few gaps and not one at every other line.

    An empty queue takes a line of any length.
    """

    def __init__(self, *, most_lines: int, most_bytes: int) -> None:
        self._most_lines, self._most_bytes = most_lines, most_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._gap: Gap | None = None

    def put(self, line: bytes, now: dt.datetime) -> bool:
        """
        Add a line; return whether there was room.
        """
        share = 1 if self._gap is None else 2
        is_taken = not self._entries or (
            (len(self._entries) + 1) * share <= self._most_lines
            and (self._bytes + len(line)) * share <= self._most_bytes
        )
        if is_taken:
            self._entries.append(Entry(line, self._gap))
            self._bytes += len(line)
            self._gap = None
        else:
            self._gap = Gap(1, now) if self._gap is None else self._gap + Gap(1, now)
        return is_taken

    def take(self) -> Entry | None:
        """
        Return what is to be written next, None where nothing waits.
        """
        if self._entries:
            entry = self._entries.popleft()
            self._bytes -= len(entry.line)
            return entry
        gap, self._gap = self._gap, None
        return Entry(b"", gap) if gap else None
