"""
What attempts cost or may, reserved and settled; what a day has cost so far, and what its budget leaves.

What one attempt costs, or may: reserved when it is opened, settled when it is closed.

A day is that of the person who reads the bill: it begins at local midnight, and a request belongs to the
day on which it was sent. `zone` is the zone of that person, None the machine's own.
"""

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from retouchd.job.model import Attempt, AttemptKey, Opened, Verdict
from retouchd.job.text import dollars


class ChargeState(StrEnum):
    """
    How certain a charge is.
    """

    OPEN = "open"
    """On its way: its estimate is reserved."""
    IN_DOUBT = "in_doubt"
    """May have been charged: its estimate stays reserved."""
    DONE = "done"
    """Answered, and paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """
    What one attempt costs, or may: US dollars, None where no price is known, and a number of pictures.
    """

    sent_at: dt.datetime
    usd: float | None
    pictures: int
    state: ChargeState


def opening(opened: Opened) -> Charge:
    """
    Return the reservation of an attempt that is open.
    """
    return Charge(
        sent_at=opened.sent_at,
        usd=opened.estimate_usd,
        pictures=opened.pictures,
        state=ChargeState.OPEN,
    )


def closing(attempt: Attempt) -> Charge | None:
    """
    Return the charge of a closed attempt, None if it is provably unpaid.
    """
    states = {Verdict.DONE: ChargeState.DONE, Verdict.IN_DOUBT: ChargeState.IN_DOUBT}
    if attempt.verdict not in states:
        return None
    return Charge(
        sent_at=attempt.sent_at,
        usd=attempt.cost_usd,
        pictures=attempt.pictures,
        state=states[attempt.verdict],
    )


def charges_of(attempts: Iterable[Attempt]) -> dict[AttemptKey, Charge]:
    """
    Return the charges of closed attempts, by their keys.
    """
    found = {attempt.key: closing(attempt) for attempt in attempts}
    return {key: charge for key, charge in found.items() if charge is not None}


def total(charges: Iterable[Charge], state: ChargeState) -> float | None:
    """
    Return the sum of the charges in a state, None if one of them has no known price.
    """
    known = [charge.usd for charge in charges if charge.state is state]
    amounts = [exact(usd) for usd in known if usd is not None]
    return float(sum(amounts, Decimal())) if len(amounts) == len(known) else None


def written(charge: Charge) -> dict[str, Any]:
    """
    Return a charge as records have it, and the history besides edit and number of its attempt.
    """
    return {
        "sent_at": charge.sent_at.astimezone(dt.UTC).isoformat(),
        "usd": charge.usd,
        "in_doubt": charge.state is ChargeState.IN_DOUBT,
        "pictures": charge.pictures,
    }


def charges_in(line: Mapping[str, Any]) -> Iterator[tuple[AttemptKey, Charge]]:
    """
    Return the charges in a line of the history, each with the key of its attempt; a damaged one is left out.

    An earlier version's lines say no edit: it knew of one only.
    """
    found = line.get("charges")
    for body in found if isinstance(found, list) else ():
        try:
            key, charge = _charge(body)
        except (KeyError, TypeError, ValueError):
            continue
        yield key, charge


def _charge(body: Mapping[str, Any]) -> tuple[AttemptKey, Charge]:
    usd, pictures = body["usd"], int(body["pictures"])
    if (usd is not None and not 0 <= usd < math.inf) or pictures < 0:
        raise ValueError("not an amount")
    charge = Charge(
        sent_at=dt.datetime.fromisoformat(body["sent_at"]),
        usd=usd,
        pictures=pictures,
        state=ChargeState.IN_DOUBT if body["in_doubt"] else ChargeState.DONE,
    )
    return (int(body.get("edit", 1)), int(body["number"])), charge


def exact(amount: float) -> Decimal:
    """
    Return a stored amount as a number that adds up without loss.
    """
    return Decimal(str(amount))


_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """
    What a day may cost; 0 is no limit.
    """

    usd_per_day: float = 0
    images_per_day: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """
    The sums of a day: what answers cost, what may have been charged without one, what is reserved for
    requests on their way; the pictures of all three, and how many requests have no known price.
    """

    spent_usd: Decimal = Decimal()
    in_doubt_usd: Decimal = Decimal()
    reserved_usd: Decimal = Decimal()
    images: int = 0
    unpriced: int = 0

    @property
    def committed_usd(self) -> Decimal:
        """
        Return all that may have been, or will be, paid.
        """
        return self.spent_usd + self.in_doubt_usd + self.reserved_usd

    def plus(self, charge: Charge) -> "Spend":
        """
        Return the sums with one more charge.
        """
        return self._moved(charge, 1)

    def minus(self, charge: Charge) -> "Spend":
        """
        Return the sums without a charge that is in them.
        """
        return self._moved(charge, -1)

    def _moved(self, charge: Charge, sign: int) -> "Spend":
        counted = replace(
            self,
            images=self.images + sign * charge.pictures,
            unpriced=self.unpriced + sign * (charge.usd is None),
        )
        usd = sign * (exact(charge.usd) if charge.usd is not None else Decimal())
        match charge.state:
            case ChargeState.OPEN:
                return replace(counted, reserved_usd=self.reserved_usd + usd)
            case ChargeState.IN_DOUBT:
                return replace(counted, in_doubt_usd=self.in_doubt_usd + usd)
            case ChargeState.DONE:
                return replace(counted, spent_usd=self.spent_usd + usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    """
    What is left of an allowance; None where there is no limit.
    """

    usd: Decimal | None
    images: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """
    Why a request must wait, and until when at the latest.

    `is_hopeless` says that no new day will help, `is_passing` that part of the budget is only reserved, and
    may be free again as soon as one of the answers that are waited for is there.
    """

    reason: str
    until: dt.datetime
    is_hopeless: bool = False
    is_passing: bool = False


def left(spend: Spend, allowance: Allowance) -> BudgetLeft:
    """
    Return what is left of a day's allowance; never less than nothing.
    """
    usd, images = exact(allowance.usd_per_day), allowance.images_per_day
    return BudgetLeft(
        usd=max(Decimal(), usd - spend.committed_usd) if usd else None,
        images=max(0, images - spend.images) if images else None,
    )


def beyond(allowance: Allowance, usd: float | None, pictures: int) -> str | None:
    """
    Return why a request could never be paid for, however little was spent; None if it could.
    """
    if allowance.usd_per_day and usd is None:
        return (
            "What the request may cost is not known, so budget.usd_per_day could not be kept: set the "
            "price of its model in [pricing] of the configuration."
        )
    if allowance.usd_per_day and usd is not None and usd > allowance.usd_per_day:
        return (
            f"The request may cost {dollars(usd)}, more than a whole day's budget.usd_per_day = "
            f"{allowance.usd_per_day:g}: raise it, or ask for less with size, quality and n."
        )
    if 0 < allowance.images_per_day < pictures:
        return (
            f"The request asks for {pictures} pictures, more than a whole day's budget.images_per_day = "
            f"{allowance.images_per_day}: raise it, or ask for less with n."
        )
    return None


def lack(spend: Spend, allowance: Allowance, usd: float | None, pictures: int) -> str | None:
    """
    Return why a request cannot be paid for today, None if it can.
    """
    if reason := beyond(allowance, usd, pictures):
        return reason
    rest = left(spend, allowance)
    if rest.usd is not None and usd is not None and exact(usd) > rest.usd:
        parts = {
            "spent": spend.spent_usd,
            "perhaps charged without a picture": spend.in_doubt_usd,
            "reserved for requests on their way": spend.reserved_usd,
        }
        told = ", ".join(f"{dollars(sum_)} {what}" for what, sum_ in parts.items() if sum_)
        return (
            f"Today's budget.usd_per_day = {allowance.usd_per_day:g} is used up: {told}, and the next "
            f"request may cost {dollars(usd)}."
        )
    if rest.images is not None and pictures > rest.images:
        return (
            f"Today's budget.images_per_day = {allowance.images_per_day} is used up: {spend.images} were "
            f"asked for, and the next request asks for {pictures}."
        )
    return None


def unpriced(model: str) -> str:
    """
    Return what to do where a budget is set and a model's price is not known.
    """
    return (
        f'budget.usd_per_day is set, but what {model} costs is not known: write [pricing."{model}"] with '
        "per_call or per_image in the configuration, or take budget.usd_per_day out."
    )


def day_of(moment: dt.datetime, zone: dt.tzinfo | None = None) -> dt.date:
    """
    Return the day to which a moment belongs.
    """
    return moment.astimezone(zone).date()


def midnight(day: dt.date, zone: dt.tzinfo | None = None) -> dt.datetime:
    """
    Return the aware moment at which a day begins: 23 to 25 hours before the next where clocks are changed.
    """
    # By way of the timestamp: where clocks skip midnight, `astimezone` is an hour off in the machine's zone.
    return dt.datetime.fromtimestamp(dt.datetime.combine(day, dt.time(), zone).timestamp(), dt.UTC)


def next_midnight(moment: dt.datetime, zone: dt.tzinfo | None = None) -> dt.datetime:
    """
    Return the aware moment at which the next day begins.
    """
    return midnight(day_of(moment, zone) + _DAY, zone)
