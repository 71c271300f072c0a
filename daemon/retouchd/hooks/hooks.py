"""
Tells others what happens in a run: takes events into the durable queue, and works that off, one at a time
each way.

Nothing here holds a job up: what hangs hangs in threads of its own. An event is told once its job is over and
forgotten, so that only a process that dies in the midst of telling tells twice.
"""

import asyncio
import contextlib
import datetime as dt
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from retouchd.clock import Clock
from retouchd.disk.folders import Folders
from retouchd.events import Event, emit, listen
from retouchd.events.hooks import HookCrashed
from retouchd.events.jobs import JobDone, JobEnding, JobFailed
from retouchd.events.run import DaemonPaused, DaemonReady, DaemonResumed
from retouchd.hooks import notify
from retouchd.hooks.backlog import Backlog
from retouchd.hooks.command import Command, command_for
from retouchd.hooks.queue import EventFiles, QueuedEvent, Told
from retouchd.hooks.rules import About, HookRules, NotTold, Way
from retouchd.hooks.summary import day_after, first_day, summary_of
from retouchd.hooks.webhook import Webhook
from retouchd.spool.history import History
from retouchd.tasks import Changes, in_own_thread

_LOOK_SECONDS = 60.0
"""How often it is looked at least whether something is due, or a day is over: clocks jump."""
_GATHER_SECONDS = 5.0
"""What fails together is told of together."""
_LAST_SECONDS = 10.0
"""How long at a stop whoever is still to be told is told."""


class Hooks:
    """
    The queue of one run and who works it off. `in_work` returns the ids of jobs that are not over yet.
    """

    def __init__(
        self,
        rules: HookRules,
        folders: Folders,
        clock: Clock,
        *,
        in_work: Callable[[], Collection[str]],
    ) -> None:
        self._rules = rules
        self._folders = folders
        self._clock = clock
        self._in_work = in_work
        self._backlog = Backlog(EventFiles(folders.work), rules, clock)
        self._history = History(folders.work)
        self._webhook = Webhook(rules.url, rules.secret)
        self._loop = asyncio.get_running_loop()
        self._changes = Changes()
        self._notified_at: dict[About, float] = {}
        self._told = Told()
        self._is_paused = False
        self._has_begun = False
        self._is_loaded = False
        self._early: list[Event] = []
        self._is_hasty = False
        self._is_closing = False
        self._is_abandoned = False
        self._command: Command | None = None
        self._noting: set[asyncio.Future[None]] = set()

    @contextlib.asynccontextmanager
    async def kept(self, begun: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """
        Tell others meanwhile, from the moment that `begun` returns: then the work folder is ours.

        At the end whoever can be told at once is told, and what has begun is finished.
        """
        unlisten = listen(self._hear)
        running = asyncio.ensure_future(self._work_off(begun))
        try:
            yield
        finally:
            unlisten()
            if not self._has_begun:
                running.cancel()
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_SECONDS):
                        await self.drained()
            self._is_closing = True
            self._changes.tell()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def _work_off(self, begun: Callable[[], Awaitable[None]]) -> None:
        await begun()
        self._has_begun = True
        self._told = await in_own_thread(lambda: self._backlog.load(set(self._in_work())))
        self._is_loaded = True
        for event in self._early:
            self._take_pause(event)
        async with asyncio.TaskGroup() as tasks:
            days = tasks.create_task(self._sum_up())
            workers = [
                tasks.create_task(self._work(Way.COMMAND, partial(self._tell_next, self._run))),
                tasks.create_task(
                    self._work(Way.URL, partial(self._tell_next, self._webhook.post))
                ),
                tasks.create_task(self._work(Way.NOTIFY, self._notify_next)),
            ]
            await asyncio.wait(workers)
            days.cancel()

    async def drained(self) -> None:
        """
        Wait until nobody is left who can be told now; what failed waits for its time.
        """
        self._is_hasty = True
        self._changes.tell()
        while not self._is_abandoned:
            changes = self._changes.count
            is_left = any(self._backlog.first_due(way) is not None for way in Way)
            if self._is_loaded and not self._noting and not is_left:
                return
            await self._changes.wait(changes, 1.0)

    def abandon(self) -> None:
        """
        Wait for nobody any longer: a command that runs is ended, and run again by the next start.
        """
        self._is_closing = self._is_abandoned = True
        if self._command is not None:
            threading.Thread(target=self._command.end, daemon=True).start()
        self._changes.tell()

    def try_again(self) -> None:
        """
        Have everything told at once that could not be told so far.
        """
        self._backlog.try_again()
        self._changes.tell()

    # What is heard, in any thread.

    def _hear(self, event: Event) -> None:
        match event:
            case JobEnding():
                self._note_job(event)
            case JobDone(job=job) | JobFailed(job=job):
                self._soon(self._release, job)
            case DaemonPaused() | DaemonResumed() | DaemonReady():
                self._soon(self._take_pause, event)

    def _soon(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: the run is over.
            self._loop.call_soon_threadsafe(function, *arguments)

    def _note_job(self, event: JobEnding) -> None:
        folders = self._folders
        archive = folders.done if event.is_done else folders.error
        body = {
            "record": dict(event.record),
            "record_path": os.fspath(archive / event.record_path),
            "original": os.fspath(archive / event.original) if event.original else "",
            "outputs": [
                os.fspath((folders.review if each in event.review else folders.outbox) / each)
                for each in event.outputs
            ],
        }
        self._backlog.put(
            event.job, About.DONE if event.is_done else About.ERROR, body, is_held=True
        )

    # On the loop.

    def _release(self, job_id: str) -> None:
        self._backlog.release(job_id)
        self._changes.tell()

    def _take_pause(self, event: Event) -> None:
        """
        Take in that a pause began or ended, once it is known what was told of before.
        """
        if not self._is_loaded:
            self._early.append(event)
            return
        match event:
            case DaemonPaused():
                self._pause(event)
            case DaemonResumed():
                self._resume()
            case _:
                self._end_old_pause()

    def _pause(self, event: DaemonPaused) -> None:
        self._is_paused = True
        if self._told.paused != event.cause:
            body = {"cause": event.cause, "reason": event.reason}
            self._tell(About.PAUSED, body, replace(self._told, paused=event.cause))

    def _resume(self) -> None:
        self._is_paused = False
        if self._told.paused:
            body = {"cause": self._told.paused, "reason": ""}
            self._tell(About.RESUMED, body, replace(self._told, paused=""))

    def _end_old_pause(self) -> None:
        """
        Tell of the end of a pause that an earlier process told of and that is over at this start.
        """
        if not self._is_paused:
            self._resume()

    def _tell(self, about: About, body: dict[str, Any], told: Told) -> None:
        self._told = told
        moment = self._clock.now().astimezone(dt.UTC)
        event_id = f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        noting = asyncio.ensure_future(self._note(event_id, about, body, told))
        self._noting.add(noting)
        noting.add_done_callback(self._noted)

    def _noted(self, noting: asyncio.Future[None]) -> None:
        self._noting.discard(noting)
        self._changes.tell()

    async def _note(self, event_id: str, about: About, body: dict[str, Any], told: Told) -> None:
        # In this order: told twice after a crash rather than never.
        await in_own_thread(partial(self._backlog.put, event_id, about, body))
        await in_own_thread(partial(self._backlog.note_told, told))

    async def _work(self, way: Way, work: Callable[[QueuedEvent], Awaitable[bool]]) -> None:
        while not self._is_closing:
            changes = self._changes.count
            first = self._backlog.first_due(way)
            if first is None or not await self._survived(work, first):
                seconds = self._backlog.seconds_to_next(way)
                within = _LOOK_SECONDS if seconds is None else min(seconds + 0.05, _LOOK_SECONDS)
                if first is not None:
                    within = 1.0  # Its kind has to wait for its next turn.
                await self._changes.wait(changes, within)
            else:
                self._changes.tell()

    async def _survived(
        self, work: Callable[[QueuedEvent], Awaitable[bool]], first: QueuedEvent
    ) -> bool:
        """
        Tell somebody, or tell of a fault that nobody foresaw: it must not end the others, and comes again.
        """
        try:
            return await work(first)
        except Exception as error:  # noqa: BLE001 - as with jobs
            emit(HookCrashed(id=first.id, way=first.way.value, exception=error))
            await self._failed(
                replace(first, runs=first.runs + 1), f"{type(error).__name__}: {error}"
            )
            return True

    async def _tell_next(
        self, tell: Callable[[QueuedEvent], Awaitable[None]], first: QueuedEvent
    ) -> bool:
        """
        Tell somebody of one event.
        """
        event = await in_own_thread(partial(self._backlog.begin, first))
        if event is None:
            return True
        began = time.monotonic()
        try:
            await tell(event)
        except NotTold as error:
            if not self._is_abandoned:
                await self._failed(event, str(error))
        else:
            await self._succeeded(event, began)
        return True

    async def _run(self, event: QueuedEvent) -> None:
        """
        Run the command for an event. Raises NotTold.
        """
        command = self._command = command_for(event, self._rules, os.environ)
        try:
            await in_own_thread(partial(command.run, self._rules.timeout_seconds))
        finally:
            self._command = None

    async def _notify_next(self, _: QueuedEvent) -> bool:
        """
        Send one notification for all events of a kind; return False where each kind has had its turn.
        """
        due, now = self._backlog.due(Way.NOTIFY), self._clock.monotonic()
        about = next((each.about for each in due if self._may_notify(each, now)), None)
        if about is None:
            return False
        self._notified_at[about] = now
        begun = [
            await in_own_thread(partial(self._backlog.begin, each))
            for each in due
            if each.about is about
        ]
        if events := [each for each in begun if each is not None]:
            await self._notify(about, events)
        return True

    def _may_notify(self, first: QueuedEvent, now: float) -> bool:
        """
        Return whether it is time for a notification of a kind, of which this is the first event.
        """
        at = self._notified_at.get(first.about)
        age = (self._clock.now() - first.at).total_seconds()
        is_gathered = not 0 <= age < _GATHER_SECONDS
        is_next = at is None or now - at >= notify.EVERY_SECONDS
        return self._is_hasty or (is_gathered and is_next)

    async def _notify(self, about: About, events: Sequence[QueuedEvent]) -> None:
        began, faults = time.monotonic(), []
        title, body = notify.text_of(about, events)
        told = set.intersection(*(set(each.told) for each in events))
        for url in self._rules.notify:
            if (name := notify.name_of(url)) not in told:
                try:
                    await in_own_thread(partial(notify.send, url, title, body))
                    told.add(name)
                except NotTold as error:
                    faults.append(str(error))
        for event in events:
            if faults:
                event_told = replace(event, told=tuple(sorted(told)))
                await self._failed(event_told, "; ".join(faults))
            else:
                await self._succeeded(event, began)

    async def _succeeded(self, event: QueuedEvent, began: float) -> None:
        await in_own_thread(partial(self._backlog.succeed, event, time.monotonic() - began))

    async def _failed(self, event: QueuedEvent, reason: str) -> None:
        await in_own_thread(partial(self._backlog.fail, event, reason))

    async def _sum_up(self) -> None:
        """
        Tell of each day once it is over.
        """
        while self._rules.notify:
            now = self._clock.now()
            day = day_after(self._told.summary, now)
            if day is not None:
                body = await in_own_thread(partial(summary_of, self._history, day))
                next_day = (day + dt.timedelta(days=1)).isoformat()
                self._told = told = replace(self._told, summary=next_day)
                # Named by its day: told once, however often that day is looked at.
                event_id = f"{day:%Y%m%d}-235959-00summ00"
                if body is not None:
                    await self._note(event_id, About.SUMMARY, body, told)
                    self._changes.tell()
                continue
            if (first := first_day(self._told.summary, now)) != self._told.summary:
                self._told = replace(self._told, summary=first)
                await in_own_thread(partial(self._backlog.note_told, self._told))
            await asyncio.sleep(_LOOK_SECONDS)
