"""
A program seen from inside: how long its event loop was away from the kernel, whose doing that was, and
how often it synced.

    python inside.py REPORT MODULE ARGUMENT…

Runs the module and leaves a report as JSON where it is told to, at its end. SIGUSR1 forgets what was
before. Nothing of the program is changed: only the selector, the loop's handles and fsync are looked over.
"""

import asyncio
import atexit
import heapq
import json
import os
import runpy
import selectors
import signal
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

_LONGEST = 8


class Seen:
    """
    What was seen since the beginning, or since it was last forgotten.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self, *_: object) -> None:
        self.stalls: list[tuple[float, float]] = []
        self.callbacks: list[tuple[float, float, str]] = []
        self.turns = 0
        self.syncs: Counter[str] = Counter()

    def report(self) -> dict[str, Any]:
        """
        Return times in milliseconds: of the clock, then of the processor.
        """
        return {
            "turns": self.turns,
            "stalls_ms": sorted(self.stalls, reverse=True),
            "callbacks_ms": sorted(self.callbacks, reverse=True),
            "syncs": dict(self.syncs),
        }


def _note(longest: list[Any], one: Any) -> None:
    if len(longest) < _LONGEST:
        heapq.heappush(longest, one)
    elif one > longest[0]:
        heapq.heapreplace(longest, one)


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    wall, worked = (
        round(1000 * (now - then), 2) for now, then in zip(_clocks(), began, strict=True)
    )
    return wall, worked


def look_over_the_loop(seen: Seen) -> None:
    """
    Note how long the main thread stays away from its selector, and in which callbacks.
    """
    select: Any = selectors.EpollSelector.select
    run: Any = asyncio.Handle._run
    left: list[tuple[float, float]] = []

    def watched_select(self: Any, timeout: float | None = None) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return select(self, timeout)
        if left:
            seen.turns += 1
            _note(seen.stalls, _since(left.pop()))
        try:
            return select(self, timeout)
        finally:
            left.append(_clocks())

    def watched_run(self: Any) -> None:
        began = _clocks()
        run(self)
        wall, worked = _since(began)
        if wall >= 2:
            _note(seen.callbacks, (wall, worked, _told(self._callback)))

    selectors.EpollSelector.select = watched_select  # type: ignore[method-assign]
    asyncio.Handle._run = watched_run  # type: ignore[method-assign]


def count_syncs(seen: Seen) -> None:
    """
    Count the fsyncs of files and of folders.
    """
    fsync: Callable[[int], None] = os.fsync

    def counted(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.syncs[kind] += 1
        fsync(descriptor)

    os.fsync = counted  # type: ignore[assignment]


def _told(callback: Any) -> str:
    """
    Return what a callback is: of a task's step, where its coroutine stands.
    """
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        frames = task.get_stack(limit=1)
        where = f" at {frames[0].f_code.co_qualname}:{frames[0].f_lineno}" if frames else ""
        return f"{task.get_name()}{where}"
    return getattr(callback, "__qualname__", repr(callback))


def main(report: str, module: str, *arguments: str) -> None:
    seen = Seen()
    signal.signal(signal.SIGUSR1, seen.forget)
    look_over_the_loop(seen)
    count_syncs(seen)

    def leave() -> None:
        with open(report, "w", encoding="utf-8") as file:
            json.dump(seen.report(), file)

    atexit.register(leave)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
