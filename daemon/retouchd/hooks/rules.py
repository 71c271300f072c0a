"""
Who is told of what, and when it is tried again: values of the configuration's `[hooks]` and `[notify]`.

A run that fails is tried again after ten seconds, then after twice as long each time, up to an hour; for a day
after its first failure.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

_FIRST_SECONDS = 10.0
_LONGEST_SECONDS = 3600.0
LONGEST = dt.timedelta(seconds=_LONGEST_SECONDS)
"""The longest pause between two tries."""
PATIENCE = dt.timedelta(days=1)
"""How long after its first failure something is tried again."""


class About(StrEnum):
    """
    What somebody can be told of.
    """

    DONE = "done"
    ERROR = "error"
    PAUSED = "paused"
    RESUMED = "resumed"
    SUMMARY = "summary"


class Way(StrEnum):
    """
    How somebody is told.
    """

    COMMAND = "command"
    URL = "url"
    NOTIFY = "notify"


class NotTold(Exception):
    """
    Somebody could not be told: a command, a post or a notification failed; half a sentence says why.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRules:
    """
    Who is told: the command for each event, its time and its folder; the webhook's url and secret; the
    notification services' urls.
    """

    commands: Mapping[About, Sequence[str]] = field(default_factory=dict)
    timeout_seconds: float = 60
    root: str = "."
    url: str = ""
    secret: str = field(default="", repr=False)
    notify: Sequence[str] = field(default=(), repr=False)

    def ways(self, about: About) -> tuple[Way, ...]:
        """
        Return the ways in which somebody is told of that.
        """
        found = []
        if self.commands.get(about):
            found.append(Way.COMMAND)
        if self.url and about is not About.SUMMARY:
            found.append(Way.URL)
        if self.notify and about is not About.DONE:
            found.append(Way.NOTIFY)
        return tuple(found)


def pause_before(run: int) -> float:
    """
    Return how many seconds pass after so many runs that failed.
    """
    return min(_FIRST_SECONDS * 2.0 ** min(run - 1, 20), _LONGEST_SECONDS)


def filled(
    command: Sequence[str], *, output: str = "", original: str = "", record: str = ""
) -> list[str]:
    """
    Return a command with the paths in their places; no shell reads it.
    """
    places = {"{output}": output, "{original}": original, "{record}": record}
    return [_filled(word, places) for word in command]


def _filled(word: str, places: Mapping[str, str]) -> str:
    """
    Return a word with each place filled once: a path that holds braces is left as it is.
    """
    found = ""
    while word:
        place = next((each for each in places if word.startswith(each)), None)
        found += places[place] if place else word[0]
        word = word[len(place or word[0]) :]
    return found
