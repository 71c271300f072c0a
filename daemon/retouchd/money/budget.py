"""
What a day has cost so far, and what its budget leaves.

A day is that of the person who reads the bill: it begins at local midnight, and a request belongs to the
day on which it was sent. `zone` is the zone of that person, None the machine's own.
"""

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

from retouchd.job.amounts import dollars
from retouchd.money.charges import Charge, State, exact

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
            case State.OPEN:
                return replace(counted, reserved_usd=self.reserved_usd + usd)
            case State.IN_DOUBT:
                return replace(counted, in_doubt_usd=self.in_doubt_usd + usd)
            case State.DONE:
                return replace(counted, spent_usd=self.spent_usd + usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
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


def left(spend: Spend, allowance: Allowance) -> Left:
    """
    Return what is left of a day's allowance; never less than nothing.
    """
    usd, images = exact(allowance.usd_per_day), allowance.images_per_day
    return Left(
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
