"""
What tasks wait for and run beside: a count of changes of which none is missed, a task for as long as a block of
code runs, a call in a thread of its own.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Changes:
    """
    Counts changes and wakes everyone who waits for the next one.
    """

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()
        self._parts: list[Changes] = []

    def tell(self) -> None:
        """
        Have everyone who waits look again.
        """
        self.count += 1
        self._changed.set()
        self._changed = asyncio.Event()
        for part in self._parts:
            part.tell()

    @contextlib.contextmanager
    def part(self) -> Iterator["Changes"]:
        """
        Yield a count of its own for a few of those who wait: it counts these changes, too.
        """
        part = Changes()
        self._parts.append(part)
        try:
            yield part
        finally:
            self._parts.remove(part)

    async def wait(self, since: int, within: float | None = None) -> None:
        """
        Wait until the count is another than `since`, or for so many seconds.

        Whoever reads the count before it decides to wait misses no change that came meanwhile.
        """
        if self.count == since:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._changed.wait()


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """
    Run it beside the block, and cancel it when that ends.
    """
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def in_own_thread(function: Callable[[], T]) -> T:
    """
    Call a function in a thread that is made for it, which may hang for as long as it likes: it takes no other's
    place, and the process ends without it.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[T] = loop.create_future()

    def hand_on(value: T | None, error: BaseException | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(cast(T, value))

    def call() -> None:
        value, error = None, None
        try:
            value = function()
        except BaseException as raised:  # noqa: BLE001 - handed on to whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(hand_on, value, error)
        del error  # It leads to this frame, and so to itself.

    threading.Thread(target=call, daemon=True).start()
    return await found
