"""
The durable queue: a file `work/events/<id>-<way>.json` for each that is still to be told of something.

A file is written before the job it is of is forgotten, and removed once somebody was told. Every method blocks.
"""

import contextlib
import dataclasses
import datetime as dt
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from retouchd.disk import durable
from retouchd.hooks.rules import About, Way

_NAME = re.compile(r"([0-9]{8}-[0-9]{6}-[0-9a-z]{8})-(command|url|notify)\.json")
_TOLD = "told.json"
MOST_GIVEN_UP = 1000
"""Of what was given up so many are kept, the newest."""
_MOST_NAMED = 100
"""Of what fails people are told of so many, the newest: what is told may be as long as a record."""


@validated(frozen=True, slots=True, kw_only=True)
class QueuedEvent:
    """
    Something that somebody is still to be told of, in one way.

    `runs` counts how often that was begun, `failed_at` is the first failure, `retry_at` when it is tried again,
    `fault` why it failed last. `told` are those of several services that know already. `body` has the record or
    the pause, and the absolute paths `outputs`, `original` and `record_path` as far as there are any.
    """

    version: Literal[1] = 1
    id: str
    way: Way
    about: About
    at: dt.datetime
    body: dict[str, Any]
    runs: int = 0
    failed_at: dt.datetime | None = None
    retry_at: dt.datetime | None = None
    fault: str = ""
    told: tuple[str, ...] = ()
    is_given_up: bool = False

    @property
    def name(self) -> str:
        """
        Return the name of its file.
        """
        return f"{self.id}-{self.way.value}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What was told already, for the next start: the cause of the present pause, the last day summed up.
    """

    paused: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookBacklog:
    """
    How many are still to be told, the newest of those that could not be told so far, and of those that were
    given up, of which there are `lost`.
    """

    waiting: int = 0
    failing: tuple[QueuedEvent, ...] = ()
    given_up: tuple[QueuedEvent, ...] = ()
    lost: int = 0


_ADAPTER = TypeAdapter(QueuedEvent)


class EventFiles:
    """
    The files of the queue in a work folder.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._folder = work / "events"

    def prepare(self) -> None:
        """
        Make the folder, clear away what was half written, and the oldest of too many that were given up.
        """
        durable.make_folder(self._folder, root=self._work)
        for left in self._folder.glob("*.tmp"):
            durable.remove(left)
        given_up = [each for each in self.events() if each.is_given_up]
        for event in given_up[:-MOST_GIVEN_UP]:
            self.remove(event)

    def put(self, event: QueuedEvent) -> None:
        """
        Write an event down, over an older state of it; durable on return. Raises OSError.
        """
        path, text = self._folder / event.name, _text_of(event)
        try:
            durable.write(path, text)
        except FileNotFoundError:
            durable.make_folder(self._folder, root=self._work)
            durable.write(path, text)

    def begin(self, event: QueuedEvent) -> None:
        """
        Write down that somebody is about to be told; durable on return. Raises OSError.
        """
        # A power cut must not bring the job back: its end would be told once more as the first time.
        with contextlib.suppress(FileNotFoundError):
            durable.fsync_folder(self._work / "jobs")
        self.put(event)

    def remove(self, event: QueuedEvent) -> None:
        """
        Forget an event. Raises OSError.
        """
        durable.remove(self._folder / event.name)

    def has(self, event: QueuedEvent) -> bool:
        """
        Return whether the file is still there: a person may have removed it.
        """
        return (self._folder / event.name).exists()

    def events(self) -> Iterator[QueuedEvent]:
        """
        Yield all events, oldest first; what is none of ours is passed over.
        """
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except OSError:
            return
        for name in names:
            if _NAME.fullmatch(name):
                with contextlib.suppress(OSError, ValueError, ValidationError, RecursionError):
                    found = json.loads((self._folder / name).read_bytes())
                    event = _ADAPTER.validate_python(found)
                    if event.name == name:
                        yield event

    def backlog(self) -> HookBacklog | None:
        """
        Return what is left, for people; None where nobody was ever to be told of anything.
        """
        if not self._folder.is_dir():
            return None
        waiting, lost = 0, 0
        failing = deque[QueuedEvent](maxlen=_MOST_NAMED)
        given_up = deque[QueuedEvent](maxlen=_MOST_NAMED)
        for event in self.events():
            if event.is_given_up:
                lost += 1
                given_up.append(event)
                continue
            waiting += 1
            if event.failed_at is not None:
                failing.append(event)
        return HookBacklog(
            waiting=waiting, failing=tuple(failing), given_up=tuple(given_up), lost=lost
        )

    def told(self) -> Told:
        """
        Return what was told already, nothing where that cannot be read.
        """
        try:
            body: Mapping[str, Any] = json.loads((self._folder / _TOLD).read_bytes())
            return Told(paused=str(body["paused"]), summary=str(body["summary"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Told()

    def note_told(self, told: Told) -> None:
        """
        Note what was told; durable on return. Raises OSError.
        """
        body = {"paused": told.paused, "summary": told.summary}
        durable.write(self._folder / _TOLD, json.dumps(body).encode())


def _text_of(event: QueuedEvent) -> bytes:
    # ASCII alone: a path of any bytes comes back as it was.
    return json.dumps(dataclasses.asdict(event), default=_iso).encode()


def _iso(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value)} does not belong into an event")
