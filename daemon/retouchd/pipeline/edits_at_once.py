"""
The edits of one job, taken forward at once: each goes its way by itself, and waits by itself for what it needs.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence

from retouchd.disk.threads import in_work
from retouchd.pipeline.disk_steps import JobGone
from retouchd.pipeline.edit_steps import EditSteps, Halt
from retouchd.spool.job_state import EditState
from retouchd.spool.spool import Spool
from retouchd.tasks import Changes


class EditsAtOnce:
    """
    Takes all edits of a job that are not over as far as they can go, those first that stand first in its list.

    One that waits is tried again when its time comes or `changes` are told, as long as another one is under
    way. Once all of them wait, the job does.
    """

    def __init__(self, *, spool: Spool, edit_steps: EditSteps, changes: Changes) -> None:
        self._spool = spool
        self._edit_steps = edit_steps
        self._changes = changes
        self._companies: dict[str, _Company] = {}
        self.failed: dict[str, int] = {}
        """The edit of a job that last failed in a way nobody foresaw."""

    def under_way(self, job_id: str) -> Collection[str]:
        """
        Return the keys of a job's edits that do not wait.
        """
        company = self._companies.get(job_id)
        return company.under_way if company is not None else ()

    async def advance(self, edits: Sequence[EditState]) -> list[Halt]:
        """
        Return what keeps each of the edits from going on that are not over then.

        Raises what kept one of them from being taken forward, once none is under way: the requests of the
        others are paid for, whatever becomes of this one.
        """
        job_id = edits[0].id
        with self._changes.part() as changes:
            company = self._companies[job_id] = _Company(changes, [each.key for each in edits])
            try:
                async with asyncio.TaskGroup() as tasks:
                    found = [tasks.create_task(self._taken(each, company)) for each in edits]
            finally:
                del self._companies[job_id]
        ends = [task.result() for task in found]
        if errors := [each for each in ends if isinstance(each, Exception)]:
            raise errors[0]
        return [each for each in ends if each is not None and not isinstance(each, Exception)]

    async def _taken(self, edit_state: EditState, company: "_Company") -> Halt | Exception | None:
        try:
            return await self._take(edit_state, company)
        except Exception as error:  # noqa: BLE001 - raised in `advance`
            self.failed[edit_state.id] = edit_state.edit
            return error
        finally:
            company.leave(edit_state.key)

    async def _take(self, edit_state: EditState, company: "_Company") -> Halt | None:
        while not self._edit_steps.is_over(edit_state):
            since = company.changes.count
            halt = await self._edit_steps.step(edit_state)
            if isinstance(halt, JobGone):
                return halt
            if halt is not None and not await company.rest(edit_state.key, since, halt.seconds):
                return halt
            if not self._edit_steps.is_over(edit_state):
                job_state = await in_work(self._spool.load, edit_state.id)
                edit_state = job_state.edits[edit_state.edit - 1]
        return None


class _Company:
    """
    Those edits of a job that are `under_way`, by their keys; `changes` are told as well when none is any more.
    """

    def __init__(self, changes: Changes, keys: Iterable[str]) -> None:
        self.changes = changes
        self.under_way = set(keys)

    async def rest(self, key: str, since: int, seconds: float | None) -> bool:
        """
        Let an edit wait for a change, or for so many seconds; return False where no other one is under way.
        """
        self.leave(key)
        if self.under_way:
            await self.changes.wait(since, seconds)
        if not self.under_way:
            return False
        self.under_way.add(key)
        return True

    def leave(self, key: str) -> None:
        """
        Take in that an edit goes no further for now.
        """
        self.under_way.discard(key)
        if not self.under_way:
            self.changes.tell()
