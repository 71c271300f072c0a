"""
Events of the log as sentences, for people who watch a terminal.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from retouchd.job.amounts import dollars
from retouchd.job.naming import path_below

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


def _sent(values: Values) -> str:
    again = f", try {values['attempt']}" if values.get("attempt", 1) > 1 else ""
    return f"{_file(values)}: sent{again}"


def _failed(values: Values) -> str:
    costs = _COSTS.get(values["verdict"], "")
    retry = values.get("retry_in")
    again = f", again in {retry:.0f} s" if retry is not None else ""
    more = f" ({costs}{again})" if costs else ""
    return f"{_file(values)}: {values.get('message') or values['code']}{more}"


def _done(values: Values) -> str:
    cost = values.get("cost_usd")
    paid = f", {dollars(cost)}" if cost else ""
    results = ", ".join(f"outbox/{name}" for name in values["outputs"])
    return f"{_file(values)} → {results} ({values['seconds']:.0f} s{paid})"


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
    "job.failed": _of("{file} went to error/: {message}"),
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
