"""
A count of changes that tasks wait on without missing one.
"""

import asyncio
import contextlib


class Changes:
    """
    Counts changes and wakes everyone who waits for the next one.
    """

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """
        Have everyone who waits look again.
        """
        self.count += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, since: int, within: float | None = None) -> None:
        """
        Wait until the count is another than `since`, or for so many seconds.

        Whoever reads the count before it decides to wait misses no change that came meanwhile.
        """
        if self.count == since:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._changed.wait()
