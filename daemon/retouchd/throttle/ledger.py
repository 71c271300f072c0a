"""
The budget ledger, sole owner of what each day has cost: read from the disk at start, updated by attempts.
"""

import contextlib
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from retouchd.clock import Clock
from retouchd.errors import Blocked
from retouchd.job.model import Attempt, AttemptKey
from retouchd.money.budget import (
    Allowance,
    BudgetLeft,
    Charge,
    ChargeState,
    Lack,
    Spend,
    beyond,
    charges_in,
    charges_of,
    closing,
    day_of,
    lack,
    left,
    midnight,
    next_midnight,
    opening,
)
from retouchd.spool.history import History
from retouchd.spool.job_state import JobState
from retouchd.spool.phase import attempts_in
from retouchd.spool.spool import Spool

Charges: TypeAlias = dict[AttemptKey, Charge]
"""The charges of one job, by the keys of its attempts."""


class Ledger:
    """
    Reserved and spent sums of each day.

    A charge is noted under its job and attempt, so that it counts once however often it is noted, and moves
    from reserved to spent without ever being in both or in neither.

    `on_release` is called whenever a reservation has become something else, or nothing, unless it was taken
    back.
    """

    def __init__(
        self,
        *,
        allowance: Callable[[], Allowance],
        clock: Clock,
        on_release: Callable[[], None] = lambda: None,
    ) -> None:
        self._allowance = allowance
        self._on_release = on_release
        self._clock = clock
        self._days: defaultdict[dt.date, Spend] = defaultdict(Spend)
        self._noted: dict[str, Charges] = {}

    def prime(self, history: History, spool: Spool) -> None:
        """
        Take in what the disk says of today, in place of all that was noted. Blocking.
        """
        self._days.clear()
        self._noted.clear()
        at_work = _at_work(spool)
        found = at_work | _over(history.since(midnight(day_of(self._clock.now()))))
        for job_id, charges in found.items():
            for key, charge in charges.items():
                self.note(job_id, key, charge)
            if job_id not in at_work:
                self.forget(job_id)

    def note(self, job_id: str, key: AttemptKey, charge: Charge | None) -> None:
        """
        Let an attempt count as this from now on, or as nothing.
        """
        if self._replace(job_id, key, charge):
            self._on_release()

    def take_back(self, job_id: str, key: AttemptKey) -> None:
        """
        Let a reservation for an attempt that was never opened count as nothing. Nobody is told: those who wait,
        many of them for the same disk, would wake one another without end.
        """
        self._replace(job_id, key, None)

    def _replace(self, job_id: str, key: AttemptKey, charge: Charge | None) -> bool:
        """
        Replace a charge by another one or by nothing; return whether it was a reservation.
        """
        charges = self._noted.setdefault(job_id, {})
        known = charges.pop(key, None)
        if known is not None:
            day = day_of(known.sent_at)
            self._days[day] = self._days[day].minus(known)
        if charge is not None:
            charges[key] = charge
            day = day_of(charge.sent_at)
            self._days[day] = self._days[day].plus(charge)
        return known is not None and known.state is ChargeState.OPEN

    def forget(self, job_id: str, attempts: Iterable[Attempt] = ()) -> None:
        """
        Close the account of a job that is over: its closed attempts are what they are, and what is still
        open by then was never sent.
        """
        for attempt in attempts:
            self.note(job_id, attempt.key, closing(attempt))
        for key, charge in list(self._noted.get(job_id, {}).items()):
            if charge.state is ChargeState.OPEN:
                self.note(job_id, key, None)
        self._noted.pop(job_id, None)

    def today(self) -> Spend:
        """
        Return the sums of the present day.
        """
        return self._days[day_of(self._clock.now())]

    def left(self) -> BudgetLeft:
        """
        Return what the budget leaves for the rest of the day.
        """
        return left(self.today(), self._allowance())

    def lack(self, estimate: float | None, pictures: int) -> Lack | None:
        """
        Return why a request of that cost and so many pictures must wait, and until when; None if it may go.
        """
        allowance = self._allowance()
        reason = lack(self.today(), allowance, estimate, pictures)
        if reason is None:
            return None
        is_hopeless = beyond(allowance, estimate, pictures) is not None
        return Lack(
            reason=reason,
            until=next_midnight(self._clock.now()),
            is_hopeless=is_hopeless,
            is_passing=not is_hopeless and self._has_reservations(),
        )

    def _has_reservations(self) -> bool:
        today = day_of(self._clock.now())
        return any(
            charge.state is ChargeState.OPEN and day_of(charge.sent_at) == today
            for charges in self._noted.values()
            for charge in charges.values()
        )


def day_on_disk(day: dt.date, history: History, spool: Spool) -> tuple[Spend, list[dict[str, Any]]]:
    """
    Return the sums of a day and the lines of the jobs that ended since it began, for those who look from
    outside. Blocking.
    """
    # First the jobs: one that ends meanwhile is then found in the history, and counts once.
    at_work = _at_work(spool)
    lines = list(history.since(midnight(day)))
    found = at_work | _over(lines)
    spend = Spend()
    for charges in found.values():
        for charge in charges.values():
            if day_of(charge.sent_at) == day:
                spend = spend.plus(charge)
    return spend, lines


def _at_work(spool: Spool) -> dict[str, Charges]:
    found = {}
    for job_id in spool.ids():
        with contextlib.suppress(Blocked, OSError):
            found[job_id] = _charges_of(spool.load(job_id))
    return found


def _charges_of(job_state: JobState) -> Charges:
    charges = charges_of(job_state.attempts)
    for edit, opened in job_state.opened.items():
        number = max(number for of, number in attempts_in(job_state.files) if of == edit)
        charges[edit, number] = opening(opened)
    return charges


def _over(lines: Iterable[Mapping[str, Any]]) -> dict[str, Charges]:
    return {str(line.get("id")): dict(charges_in(line)) for line in lines}
