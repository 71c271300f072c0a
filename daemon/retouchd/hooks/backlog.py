"""
The queue as it is worked off: the files of `work/events/` in memory, what may be told now, what came of it.

What cannot be written down is told all the same unless the process ends before. Thread-safe; what blocks says
so.
"""

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from retouchd.clock import Clock
from retouchd.events import emit
from retouchd.events.hooks import HookDone, HookFailed, HookGivenUp, HookUnwritten
from retouchd.hooks.queue import EventFiles, QueuedEvent, Told
from retouchd.hooks.rules import LONGEST, PATIENCE, About, HookRules, Way, pause_before
from retouchd.job.naming import escaped


class Backlog:
    """
    All that is still to be told, in the order in which it came.
    """

    def __init__(self, files: EventFiles, rules: HookRules, clock: Clock) -> None:
        self._files = files
        self._rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._events: dict[Way, dict[str, QueuedEvent]] = {way: {} for way in Way}
        self._held: set[str] = set()
        self._written: set[str] = set()
        """Names of the files that were written: one that is gone by now was removed by a person."""
        self._over: set[str] | None = set()
        """Jobs that ended before `load` had found out which are in work."""

    def load(self, in_work: Collection[str]) -> Told:
        """
        Take in what an earlier process left; the events of jobs that are in work still are held. Blocking.

        Return what was told already.
        """
        with contextlib.suppress(OSError):
            self._files.prepare()
        for event in self._files.events():
            if event.way not in self._rules.ways(event.about):
                self.forget(event)  # Nobody wants to be told any more.
                continue
            with self._lock:
                self._written.add(event.name)
                self._events[event.way].setdefault(event.id, event)
                if event.id in in_work and event.id not in (self._over or ()):
                    self._held.add(event.id)
        with self._lock:
            self._over = None
        return self._files.told()

    def put(
        self, event_id: str, about: About, body: dict[str, Any], *, is_held: bool = False
    ) -> None:
        """
        Write down that somebody is to be told; durable on return. It is not told while it `is_held`. Blocking.
        """
        for way in self._rules.ways(about):
            new = QueuedEvent(id=event_id, way=way, about=about, at=self._clock.now(), body=body)
            with self._lock:
                if is_held:
                    self._held.add(event_id)
                # After a crash in between a job ends once more: how often that was told stays.
                event = self._events[way].setdefault(event_id, new)
            self._write(event, self._files.put)

    def release(self, event_id: str) -> None:
        """
        Have an event told from now on.
        """
        with self._lock:
            self._held.discard(event_id)
            if self._over is not None:
                self._over.add(event_id)

    def due(self, way: Way) -> list[QueuedEvent]:
        """
        Return what may be told now in one way.
        """
        now = self._clock.now()
        with self._lock:
            return [each for each in self._events[way].values() if self._is_due(each, now)]

    def first_due(self, way: Way) -> QueuedEvent | None:
        """
        Return what is to be told next in one way.
        """
        now = self._clock.now()
        with self._lock:
            return next(
                (each for each in self._events[way].values() if self._is_due(each, now)), None
            )

    def seconds_to_next(self, way: Way) -> float | None:
        """
        Return when the first that failed is due again, None where none is.
        """
        now = self._clock.now()
        with self._lock:
            times = [
                (each.retry_at - now).total_seconds() if not self._is_due(each, now) else 0.0
                for each in self._events[way].values()
                if each.retry_at is not None and not each.is_given_up
            ]
        return max(0.0, min(times)) if times else None

    def begin(self, event: QueuedEvent) -> QueuedEvent | None:
        """
        Note durably that somebody is about to be told; None where a person has removed the file. Blocking.
        """
        begun = replace(event, runs=event.runs + 1)
        if event.name in self._written and not self._files.has(event):
            with self._lock:
                self._events[event.way].pop(event.id, None)
                self._written.discard(event.name)
            return None
        with self._lock:
            self._events[event.way][event.id] = begun
        self._write(begun, self._files.begin)
        return begun

    def succeed(self, event: QueuedEvent, seconds: float) -> None:
        """
        Forget what was told. Blocking.
        """
        self.forget(event)
        emit(
            HookDone(
                id=event.id,
                way=event.way.value,
                about=event.about.value,
                run=event.runs,
                seconds=round(seconds, 3),
            )
        )

    def fail(self, event: QueuedEvent, reason: str) -> None:
        """
        Have what could not be told tried again later, or give it up after a day. Blocking.
        """
        now, pause = self._clock.now(), pause_before(event.runs)
        since = min(event.failed_at or now, now)
        is_given_up = now - since >= PATIENCE
        failed = replace(
            event,
            failed_at=since,
            retry_at=now + dt.timedelta(seconds=pause),
            fault=escaped(reason),
            is_given_up=is_given_up,
        )
        with self._lock:
            self._events[event.way][event.id] = failed
        self._write(failed, self._files.put)
        if is_given_up:
            emit(
                HookGivenUp(
                    id=event.id, way=event.way.value, about=event.about.value, reason=reason
                )
            )
        else:
            emit(
                HookFailed(
                    id=event.id,
                    way=event.way.value,
                    about=event.about.value,
                    run=event.runs,
                    reason=reason,
                    retry_in=pause,
                )
            )

    def forget(self, event: QueuedEvent) -> None:
        """
        Tell of it no more. Blocking.
        """
        with self._lock:
            self._events[event.way].pop(event.id, None)
            self._written.discard(event.name)
        try:
            self._files.remove(event)
        except OSError as error:
            emit(HookUnwritten(id=event.id, reason=escaped(str(error))))

    def note_told(self, told: Told) -> None:
        """
        Note what was told, for the next start. Blocking.
        """
        with contextlib.suppress(OSError):
            self._files.note_told(told)

    def try_again(self) -> None:
        """
        Have everything told at once that could not be told so far, what was given up too.
        """
        with self._lock:
            for events in self._events.values():
                for key, event in events.items():
                    events[key] = replace(event, retry_at=None, failed_at=None, is_given_up=False)

    def _is_due(self, event: QueuedEvent, now: dt.datetime) -> bool:
        # Further ahead than any pause: the clock was put back meanwhile.
        is_time = event.retry_at is None or not now < event.retry_at <= now + LONGEST
        return is_time and not event.is_given_up and event.id not in self._held

    def _write(self, event: QueuedEvent, write: Callable[[QueuedEvent], None]) -> None:
        try:
            write(event)
            with self._lock:
                self._written.add(event.name)
        except OSError as error:
            emit(HookUnwritten(id=event.id, reason=escaped(str(error))))
