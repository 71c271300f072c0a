"""
Permission to send: what becomes of a job that has no picture yet, and whether it may send just now.
"""

import contextlib
from collections.abc import AsyncIterator, Callable

from retouchd.adapters.standing import Standing
from retouchd.engine.attempts import Attempts
from retouchd.engine.clock import Clock
from retouchd.engine.current import Current
from retouchd.engine.gate import Gate
from retouchd.engine.means import Means
from retouchd.engine.outcome import Wait
from retouchd.rules.job import Job
from retouchd.rules.naming import shown
from retouchd.rules.pacing import Bar
from retouchd.rules.retrying import Ask, Move, Weather, doubts_in, next_move


class Turns:
    """
    Grants permission to send: a concurrency slot, reserved disk and budget, and an open breaker.
    """

    def __init__(
        self, *, gate: Gate, means: Means, attempts: Attempts, clock: Clock, current: Current
    ) -> None:
        self._gate = gate
        self._means = means
        self._attempts = attempts
        self._clock = clock
        self._current = current
        self._is_stopping = False

    def stop(self) -> None:
        """
        Let nobody send any more.
        """
        self._is_stopping = True

    def next_move(self, standing: Standing, job: Job) -> Move:
        """
        Return what becomes of a job whose attempts, if any, brought no picture.
        """
        name = shown(job.members[0].name)
        budget = self._current.settings.budget
        return next_move(name, standing.attempts, budget, self._weather(job))

    @contextlib.asynccontextmanager
    async def taken(
        self, standing: Standing, job: Job, images: int, is_prepared: Callable[[], bool]
    ) -> AsyncIterator[Wait | None]:
        """
        Take a turn for a request with so many pictures; yield None if it may be sent, else why not.

        Settings may have changed while it waited, so that what was prepared is so no longer.

        Who sends does so without awaiting anything first, and keeps the turn until the verdict is known.
        Raises Blocked where only this job cannot be sent.
        """
        async with self._gate.slot(), self._means.reserved(job) as bar:
            # Only now: a look at the disks takes its time, and much may have changed meanwhile.
            wait = self._held_up(standing, job, bar, images)
            if wait is None and not is_prepared():
                wait = Wait(seconds=0.0, reason="the settings were changed meanwhile")
            if wait is None:
                self._gate.note_sent(job.id, images)
            try:
                yield wait
            finally:
                self._gate.note_over(job.id)

    def _held_up(
        self, standing: Standing, job: Job, bar: Bar | Wait | None, images: int
    ) -> Wait | None:
        if self._is_stopping:
            return Wait(seconds=None, reason="retouchd is stopping")
        if not isinstance(self.next_move(standing, job), Ask):
            return Wait(seconds=0.0, reason=self._gate.reason)
        if not self._gate.admits(job.id):
            doubts = doubts_in(standing.attempts)
            return Wait(seconds=None, reason=self._gate.reason, doubts=doubts)
        if bar is not None:
            return self._barred(bar)
        seconds, reason = self._gate.wait_for_turn(images)
        if seconds and not self._gate.is_probe(job.id):
            return Wait(seconds=seconds, reason=reason)
        return None

    def _barred(self, bar: Bar | Wait) -> Wait:
        if isinstance(bar, Wait):
            return bar
        self._gate.bar(bar)
        # What becomes of it under a hold is decided anew, at once.
        return Wait(seconds=0.0, reason=bar.reason)

    def _weather(self, job: Job) -> Weather:
        is_probe = self._gate.is_probe(job.id)
        now = self._clock.now()
        return Weather(
            now=now,
            hold=None if is_probe else self._gate.hold,
            others_succeeded_at=self._attempts.others_succeeded_at,
            others_turned_away_at=self._attempts.turned_away_beside(job.id),
            due_since=now if is_probe else self._gate.due_since,
        )
