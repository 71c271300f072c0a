"""
What a slow look found, for all who ask within a second: a flood of questions costs one look.
"""

import asyncio
import time
from collections.abc import Callable

from retouchd.tasks import in_own_thread

_FRESH_SECONDS = 1.0


class Latest:
    """
    The result of a look that blocks, no older than a second.
    """

    def __init__(self, look: Callable[[], bytes]) -> None:
        self._look = look
        self._found = b""
        self._at = 0.0
        self._looking: asyncio.Future[bytes] | None = None

    async def get(self) -> bytes:
        """
        Return it. Raises what the look raises.
        """
        if self._found and time.monotonic() - self._at < _FRESH_SECONDS:
            return self._found
        if self._looking is None:
            self._looking = asyncio.ensure_future(in_own_thread(self._look))
            self._looking.add_done_callback(self._note)
        return await asyncio.shield(self._looking)

    def _note(self, looked: "asyncio.Future[bytes]") -> None:
        self._looking = None
        if not looked.cancelled() and looked.exception() is None:
            self._found, self._at = looked.result(), time.monotonic()
