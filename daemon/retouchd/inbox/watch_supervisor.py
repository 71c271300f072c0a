"""
Supervises the watcher: restarts it when it failed, and falls back to polling where it cannot watch.

Whatever is wrong with it, the inbox is scanned: nothing here decides about a file. An inbox that is away
(removed, renamed, unmounted) is only waited for, and never made anew: what would then lie in its place
may be an empty mount point.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from retouchd.clock import Clock
from retouchd.disk.calls import Folder
from retouchd.disk.filesystems import Anchor, filesystem_of
from retouchd.disk.folders import Folders
from retouchd.disk.threads import attempt, run
from retouchd.errors import DiskFailed, FolderUnresponsive
from retouchd.events import Level, emit
from retouchd.events.inbox import WatchCrashed, WatchLost, WatchMode, WatchRestored
from retouchd.inbox.ignore import ignore_table
from retouchd.inbox.intake import Intake
from retouchd.inbox.watch_mode import Choice, ChosenMode, Mode, choose, fall_back
from retouchd.inbox.watcher import EventQueue, Watcher

_CHECK_SECONDS = 5.0
_SHORTEST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 60.0

"""Device and inode of a folder, None while there is none."""

_MEANINGS = {
    Mode.INOTIFY: "files are seen as they come",
    Mode.POLLING: "files are seen by looking at the inbox every poll_seconds",
    Mode.SCAN: "files are seen by looking at the inbox every rescan_seconds",
}


class WatchSettings(Protocol):
    """
    What is said of how changes in the inbox are noticed.
    """

    @property
    def folders(self) -> Folders:
        """
        Return the six folders.
        """

    @property
    def observer(self) -> Choice:
        """
        Return what `intake.observer` asks for.
        """

    @property
    def recursive(self) -> bool:
        """
        Return whether sub-folders are watched.
        """

    @property
    def ignore(self) -> Sequence[str]:
        """
        Return the person's patterns of names that are left alone.
        """

    @property
    def poll_seconds(self) -> float:
        """
        Return how often polling looks.
        """

    @property
    def rescan_seconds(self) -> float:
        """
        Return how often the whole inbox is looked at in any case.
        """


def choose_watch_mode(settings: WatchSettings, watcher: Watcher) -> ChosenMode:
    """
    Start the watcher unless polling is better; return the mode that can be had. Blocks.

    Raises FileNotFoundError or NotADirectoryError where there is no inbox.
    """
    chosen = choose(settings.observer, filesystem_of(settings.folders.inbox))
    if chosen.mode is not Mode.INOTIFY:
        return chosen
    try:
        watcher.start()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, RecursionError) as error:
        return fall_back(settings.observer, error)
    if refusal := watcher.refusal:
        watcher.stop()
        return fall_back(settings.observer, refusal)
    return chosen


def try_out(settings: WatchSettings) -> ChosenMode:
    """
    Return the mode that a run would have, having watched the inbox for a moment. Blocks; raises as above.
    """
    event_queue = EventQueue(lambda: None)
    watcher = _watcher_of(settings, event_queue)
    try:
        return choose_watch_mode(settings, watcher)
    finally:
        watcher.stop()


def _watcher_of(settings: WatchSettings, event_queue: EventQueue) -> Watcher:
    return Watcher(
        inbox=settings.folders.inbox,
        event_queue=event_queue,
        recursive=settings.recursive,
        is_left_out=ignore_table(settings.ignore).is_of_no_matter,
    )


class WatchSupervisor:
    """
    Supervises the watcher of a run: `begin` puts events until the context ends, `run` looks after it.

    `away` says why the inbox cannot be used now, empty while it can; `on_change` is called when that changes.
    """

    def __init__(
        self,
        *,
        settings: WatchSettings,
        intake: Intake,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._clock = clock
        self._on_change = on_change
        self._inbox = settings.folders.inbox
        self._watcher = _watcher_of(settings, intake.event_queue)
        self._root = Anchor(self._inbox)
        self._work = Anchor(settings.folders.work)
        self._lost = ""
        self._backoff = _SHORTEST_BACKOFF_SECONDS
        self._armed_at = 0.0
        self._checking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._is_stopped = False
        self.away = ""
        self.chosen = ChosenMode(mode=Mode.SCAN, reason="not started")

    async def __aenter__(self) -> Self:
        return self

    async def begin(self) -> None:
        """
        Be told of changes from now on.
        """
        async with self._checking:
            try:
                await self._arm()
            except OSError as error:
                await self._lose(str(error))

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        with contextlib.suppress(FolderUnresponsive):
            async with self._checking:
                await attempt(Folder.INBOX, self._watcher.stop)

    def stop(self) -> None:
        """
        Have `run` come to its end.
        """
        self._is_stopped = True
        self._wake.set()

    def try_again(self) -> None:
        """
        Try the kernel once more where it could not watch all: a person has mended something.
        """
        self._wake.set()

    async def run(self) -> None:
        """
        Look after the watcher until stopped.
        """
        while not self._is_stopped:
            await self.check()
            if not self._is_stopped:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds_to_check()):
                        await self._wake.wait()

    async def check(self) -> None:
        """
        See whether the inbox and its watcher are what they were; lose them or take them up again.
        """
        async with self._checking:
            try:
                await self._check()
            except Exception as error:  # noqa: BLE001 - as with jobs: it is tried again, and scans go on meanwhile
                emit(WatchCrashed(exception=error))
                self._lost = self._lost or "the watcher failed; see the log"

    async def _check(self) -> None:
        is_asked = self._wake.is_set()
        self._wake.clear()
        if self._lost:
            await self._take_up()
        elif reason := await run(Folder.INBOX, self._mismatch):
            await self._lose(reason)
        elif refusal := self._watcher.refusal:
            await self._fall_back(refusal)
        elif is_asked and self.chosen.remedy:
            await self._arm()
        elif self._clock.monotonic() > self._armed_at + _LONGEST_BACKOFF_SECONDS:
            self._backoff = _SHORTEST_BACKOFF_SECONDS

    async def _arm(self) -> None:
        """
        Watch anew, in the mode that can be had now, and scan for what came before that.
        """
        await run(Folder.INBOX, self._watcher.stop)
        await run(Folder.INBOX, self._root.drop)
        chosen = await run(Folder.INBOX, choose_watch_mode, self._settings, self._watcher)
        self._armed_at = self._clock.monotonic()
        self._assume(chosen)
        self._intake.scan_soon()

    def _assume(self, chosen: ChosenMode) -> None:
        every = self._settings.rescan_seconds
        if chosen.mode is Mode.POLLING:
            every = min(every, self._settings.poll_seconds)
        self._intake.scan_every(every)
        self._intake.note_watched(is_watched=chosen.mode is Mode.INOTIFY)
        if chosen != self.chosen:
            self.chosen = chosen
            emit(
                WatchMode(
                    level=Level.WARNING if chosen.remedy else Level.INFO,
                    mode=chosen.mode.value,
                    reason=chosen.reason,
                    meaning=_MEANINGS[chosen.mode],
                    remedy=chosen.remedy,
                    scan_seconds=every,
                )
            )

    def _mismatch(self) -> str:
        if self._root.is_gone:
            return f"the inbox {self._inbox} is not there"
        if not self._root.holds:
            return f"another folder stands in place of the inbox {self._inbox}"
        return self._watcher.fault

    async def _lose(self, reason: str) -> None:
        """
        Stop watching what is not the inbox, or not watched; forget what is not there any more.
        """
        await run(Folder.INBOX, self._watcher.stop)
        self.away = await run(Folder.INBOX, self._unusable)
        self._lost = self.away or reason
        self._intake.note_watched(is_watched=False)
        emit(WatchLost(reason=self._lost, action="scanning the inbox, trying again"))
        self._intake.scan_soon()
        self._on_change()

    async def _take_up(self) -> None:
        self._backoff = min(2 * self._backoff, _LONGEST_BACKOFF_SECONDS)
        self.away = await run(Folder.INBOX, self._unusable)
        if self.away and self.away != self._lost:
            emit(WatchLost(reason=self.away))
        self._lost = self.away or self._lost
        if self.away:
            return
        try:
            await self._arm()
        except OSError:
            return  # It is gone again.
        self._lost = ""
        emit(WatchRestored(mode=self.chosen.mode.value))
        self._on_change()

    async def _fall_back(self, refusal: OSError) -> None:
        """
        Look more often, since a folder of the inbox could not be watched.
        """
        chosen = fall_back(self._settings.observer, refusal)
        await run(Folder.INBOX, self._watcher.stop)
        self._assume(chosen)
        self._intake.scan_soon()

    def _unusable(self) -> str:
        folders = self._settings.folders
        if self._root.is_gone:
            return f"the inbox {folders.inbox} is not there: mount its disk, or make it again"
        if not self._work.holds:
            return f"{folders.work} is not the work folder any more: mount its disk, or start anew"
        try:
            return "" if self._root.holds else folders.inbox_problem()
        except DiskFailed as failure:
            return f"the inbox {folders.inbox} cannot be used now: {failure.__cause__}"

    def _seconds_to_check(self) -> float:
        if self._lost:
            return self._backoff
        if self.chosen.mode is Mode.INOTIFY:
            return _CHECK_SECONDS
        return self._intake.scan_pause
