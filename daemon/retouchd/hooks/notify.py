"""
Notifications for people: what has happened since the last one, to the services that Apprise knows.

Apprise is an extra, `retouchd[notify]`, and imported by this module alone, when it is used. See
https://github.com/caronc/apprise/wiki for the services and their urls.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from retouchd.hooks.queue import QueuedEvent
from retouchd.hooks.rules import About, NotTold
from retouchd.job.naming import path_below, shown
from retouchd.job.text import counted, dollars

EVERY_SECONDS = 60.0
"""At most one notification of each kind in so long; what comes meanwhile goes into the next one."""
_MOST_NAMED = 10
INSTALL = (
    "Install it beside retouchd: pip install 'retouchd[notify]', or pipx inject retouchd apprise."
)


def is_installed() -> bool:
    """
    Return whether Apprise is there.
    """
    return find_spec("apprise") is not None


def refusals(urls: Sequence[str]) -> list[int]:
    """
    Return which of the urls Apprise does not know, as their numbers from 1: a url may hold a password.
    """
    import apprise  # noqa: PLC0415 - an extra, and slow to load

    return [
        number for number, url in enumerate(urls, 1) if apprise.Apprise.instantiate(url) is None
    ]


def name_of(url: str) -> str:
    """
    Return by what a service is remembered: no url stands in a file of ours, as it may hold a password.
    """
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def send(url: str, title: str, body: str) -> None:
    """
    Send a notification. Blocking. Raises NotTold.
    """
    try:
        import apprise  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise NotTold(f"Apprise is not installed. {INSTALL}") from error
    service = apprise.Apprise()
    if not service.add(url):
        raise NotTold(f"Apprise does not know what {_scheme(url)} is")
    # Apprise says why in its log, which ours takes over.
    try:
        # Plain text, said aloud: a mail would else be HTML, with all of it in one line.
        is_taken = service.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # a hundred plugins, each with faults of its own
        raise NotTold(f"{_scheme(url)} failed: {type(error).__name__}: {error}") from error
    if not is_taken:
        raise NotTold(f"{_scheme(url)} did not take it")


def _scheme(url: str) -> str:
    return f"the service {url.partition(':')[0]}://"


def text_of(about: About, events: Sequence[QueuedEvent]) -> tuple[str, str]:
    """
    Return title and body for what has happened of one kind, oldest first; there is at least one.
    """
    last = events[-1]
    match about:
        case About.PAUSED:
            return "retouchd has paused", shown(str(last.body.get("reason", "")))
        case About.RESUMED:
            times = f" (paused {len(events)} times meanwhile)" if len(events) > 1 else ""
            return "retouchd goes on", f"Requests are sent again{times}."
        case About.SUMMARY:
            return _of_days([each.body for each in events])
        case _:
            return _of_errors(events)


def _of_errors(events: Sequence[QueuedEvent]) -> tuple[str, str]:
    lines = [_of_error(each.body.get("record") or {}) for each in events[:_MOST_NAMED]]
    if rest := len(events) - len(lines):
        lines.append(f"and {rest:,} more")
    return f"{counted(len(events), 'picture')} in error/", "\n".join(lines)


def _of_error(record: Mapping[str, Any]) -> str:
    error = record.get("error") or {}
    name = record.get("image") or record.get("name") or record.get("id") or ""
    path = path_below(str(record.get("folder", "")), str(name))
    return f"{shown(path)}: {shown(str(error.get('message', '')))}"


def _of_days(days: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    if len(days) == 1:
        return f"retouchd on {_counts(days[0])}", _figures(days[0])
    done, failed = (sum(each[key] for each in days) for key in ("done", "failed"))
    span = f"from {days[0]['day']} to {days[-1]['day']}: {done:,} done, {failed:,} failed"
    return f"retouchd {span}", "\n\n".join(f"{_counts(each)}\n{_figures(each)}" for each in days)


def _counts(day: Mapping[str, Any]) -> str:
    return f"{day['day']}: {day['done']:,} done, {day['failed']:,} failed"


def _figures(day: Mapping[str, Any]) -> str:
    doubt = day["in_doubt_usd"]
    perhaps = f", at most {dollars(doubt)} more perhaps charged" if doubt else ""
    codes = [f"{count:,} × {code}" for code, count in day["codes"].items()]
    return "\n".join([f"{dollars(day['cost_usd'])} spent{perhaps}.", *codes])
