"""
A day's summary: how many were done and failed, why, and what it cost, by the history.
"""

import contextlib
import datetime as dt
from collections import Counter
from typing import Any

from retouchd.money.budget import midnight
from retouchd.spool.history import History

_MOST_DAYS = dt.timedelta(days=31)


def day_after(told: str, now: dt.datetime) -> dt.date | None:
    """
    Return the day that is over and was not told of: `told` is the first that was not, "" where nobody knows.

    After days in which nothing ran, each of the last month is told of that had any end: a clock that was
    wrong at the start, by decades perhaps, is put right at one go.
    """
    today = now.astimezone().date()
    with contextlib.suppress(ValueError):
        day = dt.date.fromisoformat(told)
        if day < today:
            return max(day, today - _MOST_DAYS)
    return None


def first_day(told: str, now: dt.datetime) -> str:
    """
    Return the first day that was not told of: today where nobody knows, or where a clock that has been put
    back since had come further.
    """
    today = now.astimezone().date().isoformat()
    return min(told, today) if told else today


def summary_of(history: History, day: dt.date) -> dict[str, Any] | None:
    """
    Return a day's figures, None where nothing ended on it. Blocking.
    """
    begin, end = midnight(day), midnight(day + dt.timedelta(days=1))
    done, cost, doubt = 0, 0.0, 0.0
    codes = Counter[str]()
    with contextlib.suppress(OSError):
        for line in history.since(begin):
            try:
                at = dt.datetime.fromisoformat(str(line.get("finished_at")))
                is_then = begin <= at < end
            except (TypeError, ValueError):
                continue
            if not is_then:
                continue
            if line.get("status") == "done":
                done += 1
            else:
                codes[str(line.get("code"))] += 1
            cost += _number(line.get("cost_usd"))
            doubt += _number(line.get("in_doubt_usd"))
    if not done and not codes:
        return None
    return {
        "day": day.isoformat(),
        "done": done,
        "failed": codes.total(),
        "codes": dict(codes.most_common(10)),
        "cost_usd": cost,
        "in_doubt_usd": doubt,
    }


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
