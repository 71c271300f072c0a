"""
The scheduler of jobs in work: one asyncio task each, until the job is over; one that waits blocks no other.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection

from retouchd.errors import Blocked
from retouchd.events import emit
from retouchd.events.jobs import JobCrashed
from retouchd.job.outcome import End, Over, Wait
from retouchd.pipeline.pipeline import Pipeline
from retouchd.tasks import Changes
from retouchd.throttle.retry import LONGEST_BACKOFF_SECONDS


class Runner:
    """
    Runs a task for each job in work. `on_change` is called whenever one is over or has to wait, `on_over` with
    the id of each that is over; `ends` counts how they ended.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        changes: Changes,
        room: Callable[[], int],
        on_over: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        self._pipeline = pipeline
        self._changes = changes
        self._room = room
        self._on_over = on_over
        self._on_change = on_change
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._tops: dict[str, str] = {}
        self._is_stopping = False
        self.waiting: dict[str, Wait] = {}
        self.ends: Counter[End] = Counter()

    @property
    def jobs(self) -> int:
        """
        Return how many jobs are in work.
        """
        return len(self._tasks)

    @property
    def ids(self) -> list[str]:
        """
        Return the ids of the jobs in work.
        """
        return list(self._tasks)

    def room(self, coming: int = 0) -> Collection[str] | None:
        """
        Return of which sub-folders of the inbox no other job may be claimed besides so many that are about to
        be, None where none may at all.

        Where all jobs wait, such as for a folder that cannot be written, one of each sub-folder that has none
        in work may be claimed beyond the limit: nobody waits for what only others have to wait for.
        """
        if len(self._tasks) + coming < self._room():
            return ()
        is_waiting = len(self.waiting) == len(self._tasks) and not coming
        return frozenset(self._tops.values()) if is_waiting else None

    @property
    def stranded(self) -> str:
        """
        Return why no job can go on unless a person helps, empty where one can.
        """
        waits = list(self.waiting.values())
        is_stuck = len(waits) == len(self._tasks) and all(wait.is_stranded for wait in waits)
        return waits[0].reason if waits and is_stuck else ""

    def start(self, job_id: str, folder: str, tasks: asyncio.TaskGroup) -> None:
        """
        Take in a job from a folder of the inbox and drive it to its end.
        """
        self._tops[job_id] = folder.partition("/")[0]
        self._tasks[job_id] = tasks.create_task(self._drive(job_id), name=f"job {job_id}")

    def stop(self) -> None:
        """
        Send nothing more: jobs that wait end where they are, those that can go on do so.
        """
        self._is_stopping = True
        self._changes.tell()

    def abandon(self) -> None:
        """
        Stop at once; requests on their way are in doubt from now on.
        """
        for task in self._tasks.values():
            task.cancel()

    def probe_candidate(self) -> str | None:
        """
        Return the waiting job that may be asked next, one that nothing was paid for if there is any.
        """
        askable = {
            job: wait.in_doubt_count
            for job, wait in self.waiting.items()
            if wait.in_doubt_count is not None
        }
        return min(askable, key=lambda job: (askable[job], job), default=None)

    async def _drive(self, job_id: str) -> None:
        failures = 0
        try:
            while not self._is_stopping or job_id not in self.waiting:
                self.waiting.pop(job_id, None)
                changes = self._changes.count
                try:
                    outcome = await self._pipeline.advance(job_id)
                    failures = 0
                except Exception as error:  # noqa: BLE001 - a job nobody foresaw must not stop the others
                    emit(JobCrashed(job=job_id, exception=error))
                    failures += 1
                    outcome = await self._after_crash(job_id, failures)
                if isinstance(outcome, Over):
                    self.ends[outcome.end] += 1
                    self._on_over(job_id)
                    return
                await self._wait(job_id, outcome, changes)
        finally:
            self.waiting.pop(job_id, None)
            del self._tasks[job_id], self._tops[job_id]
            self._on_change()

    async def _wait(self, job_id: str, wait: Wait, changes: int) -> None:
        self.waiting[job_id] = wait
        self._on_change()
        if not self._is_stopping:
            await self._changes.wait(changes, wait.seconds)

    async def _after_crash(self, job_id: str, failures: int) -> Wait:
        seconds = min(2.0**failures, LONGEST_BACKOFF_SECONDS)
        with contextlib.suppress(Blocked, OSError):
            await self._pipeline.note_crash(job_id)
        return Wait(seconds=seconds, reason="failed in an unforeseen way; see the log")
