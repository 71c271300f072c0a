"""
The provider's rate limit: so many input images a minute, counted over the last sixty seconds.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from retouchd.sandbox.refusal import Refusal

_WINDOW_SECONDS = 60.0
_ROUNDING = 1e-3
"""Seconds; who waits exactly as told must not be told to wait a little more."""


class Meter:
    """
    The input images of the last minute. `clock` gives seconds that only grow. Thread-safe.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._taken: deque[float] = deque()

    def take(self, images: int, limit: int, model: str) -> Mapping[str, str]:
        """
        Count the images of one request, and return the headers that tell what is left.

        Raises Refusal (429) if they are too many, and counts nothing then: with `Retry-After` if a
        wait can help.
        """
        with self._lock:
            now = self._clock()
            while self._taken and now - self._taken[0] >= _WINDOW_SECONDS - _ROUNDING:
                self._taken.popleft()
            used = len(self._taken)
            if used + images > limit:
                raise self._refusal(images, limit, model, now)
            self._taken.extend([now] * images)
            return _headers(limit, limit - used - images, self._taken[-1] + _WINDOW_SECONDS - now)

    def _refusal(self, images: int, limit: int, model: str, now: float) -> Refusal:
        used = len(self._taken)
        facts = f"Limit {limit}, Used {used}, Requested {images}."
        if images > limit:
            return Refusal(
                f"Request too large for {model} on input-images per min: {facts} "
                "The input images must be reduced in order to run successfully.",
                status=429,
                kind="input-images",
                code="rate_limit_exceeded",
            )
        # The last of those that must leave before there is room.
        wait = self._taken[used + images - limit - 1] + _WINDOW_SECONDS - now
        return Refusal(
            f"Rate limit reached for {model} on input-images per min: {facts} "
            f"Please try again in {math.ceil(wait)}s.",
            status=429,
            kind="input-images",
            code="rate_limit_exceeded",
            headers={
                **_headers(limit, limit - used, self._taken[-1] + _WINDOW_SECONDS - now),
                "retry-after": str(math.ceil(wait)),
                "retry-after-ms": str(math.ceil(wait * 1000)),
            },
        )


def _headers(limit: int, left: int, seconds: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit-input-images": str(limit),
        "x-ratelimit-remaining-input-images": str(max(0, left)),
        "x-ratelimit-reset-input-images": f"{seconds:.3f}s",
    }
