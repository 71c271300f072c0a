"""
How many requests may be out at once: halved when the endpoint says it is too much, widened by successes.

A width that was tried and turned away is tried again after twice as many successes each time, so that an
endpoint with few places turns away few requests, and hardly any of them twice.
"""

from dataclasses import dataclass, replace

_MOST_DOUBLINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """
    The places among the requests at once: `now` of at `most`, and what has gone well since the last change.

    `narrowed_at` is of the monotonic clock. `is_trial` says that the width was widened last,
    `failed_trials` how many such widths in a row were turned away.
    """

    most: int
    now: int
    successes: int = 0
    narrowed_at: float = float("-inf")
    is_trial: bool = False
    failed_trials: int = 0

    @property
    def successes_to_widen(self) -> int:
        """
        Return how many successes in all make the width one place wider.
        """
        return self.now << min(self.failed_trials, _MOST_DOUBLINGS)


def narrowed(width: Width, *, sent_at: float, now: float, served: int | None = None) -> Width:
    """
    Return half the width after a request was turned away, or `served` if no more than these are out.

    Only a request that was sent after the last narrowing says something about the present width: the
    requests of one crowd are turned away together, and are one piece of news.
    """
    is_news = sent_at > width.narrowed_at
    places = max(1, width.now // 2) if is_news else width.now
    if served:
        places = min(places, served)
    if not is_news:
        return replace(width, now=places)
    return replace(
        width,
        now=places,
        successes=0,
        narrowed_at=now,
        is_trial=False,
        failed_trials=width.failed_trials + width.is_trial,
    )


def widened(width: Width) -> Width:
    """
    Return the width after a success: one place more when as many have succeeded as there are places.
    """
    if width.successes + 1 < width.successes_to_widen:
        return replace(width, successes=width.successes + 1)
    # A trial that has lasted as long as this is none any more.
    failed_trials = 0 if width.is_trial else width.failed_trials
    if width.now >= width.most:
        return replace(width, successes=0, is_trial=False, failed_trials=failed_trials)
    return replace(
        width, now=width.now + 1, successes=0, is_trial=True, failed_trials=failed_trials
    )
