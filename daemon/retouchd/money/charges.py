"""
What one attempt costs, or may: reserved when it is opened, settled when it is closed.
"""

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from retouchd.job.model import Attempt, Opened, Verdict


class State(StrEnum):
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
    state: State


def opening(opened: Opened) -> Charge:
    """
    Return the reservation of an attempt that is open.
    """
    return Charge(
        sent_at=opened.sent_at,
        usd=opened.estimate_usd,
        pictures=opened.pictures,
        state=State.OPEN,
    )


def closing(attempt: Attempt) -> Charge | None:
    """
    Return the charge of a closed attempt, None if it is provably unpaid.
    """
    states = {Verdict.DONE: State.DONE, Verdict.IN_DOUBT: State.IN_DOUBT}
    if attempt.verdict not in states:
        return None
    return Charge(
        sent_at=attempt.sent_at,
        usd=attempt.cost_usd,
        pictures=attempt.pictures,
        state=states[attempt.verdict],
    )


def charges_of(attempts: Iterable[Attempt]) -> dict[int, Charge]:
    """
    Return the charges of closed attempts, by their numbers.
    """
    found = {attempt.number: closing(attempt) for attempt in attempts}
    return {number: charge for number, charge in found.items() if charge is not None}


def total(charges: Iterable[Charge], state: State) -> float | None:
    """
    Return the sum of the charges in a state, None if one of them has no known price.
    """
    known = [charge.usd for charge in charges if charge.state is state]
    amounts = [exact(usd) for usd in known if usd is not None]
    return float(sum(amounts, Decimal())) if len(amounts) == len(known) else None


def written(number: int, charge: Charge) -> dict[str, Any]:
    """
    Return the charge of an attempt as a line of the history has it.
    """
    return {
        "number": number,
        "sent_at": charge.sent_at.astimezone(dt.UTC).isoformat(),
        "usd": charge.usd,
        "in_doubt": charge.state is State.IN_DOUBT,
        "pictures": charge.pictures,
    }


def charges_in(line: Mapping[str, Any]) -> Iterator[tuple[int, Charge]]:
    """
    Return the charges in a line of the history, each with the number of its attempt; a damaged one is left out.
    """
    found = line.get("charges")
    for body in found if isinstance(found, list) else ():
        try:
            number, charge = _charge(body)
        except (KeyError, TypeError, ValueError):
            continue
        yield number, charge


def _charge(body: Mapping[str, Any]) -> tuple[int, Charge]:
    usd, pictures = body["usd"], int(body["pictures"])
    if (usd is not None and not 0 <= usd < math.inf) or pictures < 0:
        raise ValueError("not an amount")
    charge = Charge(
        sent_at=dt.datetime.fromisoformat(body["sent_at"]),
        usd=usd,
        pictures=pictures,
        state=State.IN_DOUBT if body["in_doubt"] else State.DONE,
    )
    return int(body["number"]), charge


def exact(amount: float) -> Decimal:
    """
    Return a stored amount as a number that adds up without loss.
    """
    return Decimal(str(amount))
