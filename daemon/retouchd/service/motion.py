"""
Whether what is at work moves, pure: a run is stuck if it does not move at all.

A watchdog that ends a run puts every request in flight in doubt, so slow is never taken for stuck: a scan of a
far disk may take an hour as long as it comes from one name to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PATIENCE_SECONDS = 300.0
"""How long something may be at work without moving. The slowest single step is a huge file on a far disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """
    How something moves: `steps` counts what it has done, `moved_at` is when it last moved or was at rest.
    """

    steps: int
    moved_at: float


def observed(before: Motion | None, steps: int, now: float, *, is_at_work: bool) -> Motion:
    """
    Return the motion after one more look at it.
    """
    if before is None or steps != before.steps or not is_at_work:
        return Motion(steps=steps, moved_at=now)
    return before


def stuck(motions: Mapping[str, Motion], now: float) -> str | None:
    """
    Return which of them has been at work for too long without moving, None if all get on.
    """
    slow = {name: each for name, each in motions.items() if now - each.moved_at > PATIENCE_SECONDS}
    return min(slow, key=lambda name: slow[name].moved_at, default=None)
