"""
How many requests may be out at once: halved when the endpoint says it is too much, widened by successes.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """
    The places among the requests at once: `now` of at `most`, and what has gone well since the last change.

    `narrowed_at` is of the monotonic clock.
    """

    most: int
    now: int
    successes: int = 0
    narrowed_at: float = float("-inf")


def narrowed(width: Width, *, sent_at: float, now: float) -> Width:
    """
    Return half the width after a 429.

    Only a request that was sent after the last narrowing says something about the present width: the
    requests of one crowd are turned away together, and are one piece of news.
    """
    if sent_at <= width.narrowed_at:
        return width
    return replace(width, now=max(1, width.now // 2), successes=0, narrowed_at=now)


def widened(width: Width) -> Width:
    """
    Return the width after a success: one place more when as many have succeeded as there are places.
    """
    if width.now >= width.most:
        return width
    if width.successes + 1 < width.now:
        return replace(width, successes=width.successes + 1)
    return replace(width, now=width.now + 1, successes=0)
