"""
The probes of a pause: one request at a time finds out whether the endpoint answers again (half-open breaker).

During a block, a pause for a cause of our own, a look at that cause is enough.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from retouchd.clock import Clock
from retouchd.endpoint.client import EditsClient, NoAnswer, NotSent
from retouchd.job.model import Verdict
from retouchd.job.outcome import Wait
from retouchd.throttle.breaker import AttemptReport, PauseCause
from retouchd.throttle.gate import Gate
from retouchd.throttle.preflight import Preflight


class Jobs(Protocol):
    """
    The jobs in work: how many, what those that wait do so for, and which of them may be asked next.
    """

    @property
    def jobs(self) -> int:
        """
        Return how many jobs are in work.
        """

    @property
    def waiting(self) -> Mapping[str, Wait]:
        """
        Return what the jobs that cannot go on wait for.
        """

    def probe_candidate(self) -> str | None:
        """
        Return the waiting job that may be asked next, None if there is none.
        """


class Prober:
    """
    Sends a probe whenever one is due.

    It takes a waiting job nothing was paid for, else a new one from the inbox, else a waiting job that may have
    been paid for but may be asked again; where there is only the last request of jobs that may not, the free
    list of models.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        jobs: Jobs,
        client: EditsClient,
        preflight: Preflight,
        clock: Clock,
        has_ready: Callable[[], bool],
        wake_intake: Callable[[], None],
    ) -> None:
        self._gate = gate
        self._jobs = jobs
        self._client = client
        self._preflight = preflight
        self._clock = clock
        self._has_ready = has_ready
        self._wake_intake = wake_intake
        self._changed = asyncio.Event()
        self.wants_new = False

    def note_change(self) -> None:
        """
        Take in that a job ended or waits, or that something new is ready.
        """
        self._changed.set()

    def take(self, job_id: str) -> None:
        """
        Take in that a job was claimed: it is the probe if a new one was wanted for that.
        """
        if self.wants_new:
            self.wants_new = False
            self._gate.let_probe(job_id)

    async def run(self) -> None:
        """
        Send a probe whenever one is due; look again at the cause of a block when its time is up.
        """
        while True:
            changes = self._gate.changes.count
            seconds, cause = self._gate.seconds_to_probe(), self._gate.pause_cause
            if seconds == 0 and cause is not None and not cause.is_probed:
                await self._look_at_block()
            elif seconds == 0 and not self._gate.is_probing:
                await self._probe()
            else:
                self.wants_new = False
                await self._gate.changes.wait(changes, None if self._gate.is_probing else seconds)

    async def _look_at_block(self) -> None:
        block = await self._preflight.look_again()
        if block is None:
            self._gate.unblock()
            self._wake_intake()  # Nobody is at work whose end would do it.
        else:
            self._gate.block(block)

    async def _probe(self) -> None:
        self._changed.clear()
        job_id = self._jobs.probe_candidate()
        is_clean = job_id is not None and self._jobs.waiting[job_id].in_doubt_count == 0
        if job_id is not None and (is_clean or not self._has_ready()):
            self.wants_new = False
            self._gate.let_probe(job_id)
        elif self._has_ready():
            self.wants_new = True
            self._wake_intake()
            await self._changed.wait()
        elif self._jobs.jobs and self._gate.pause_cause is PauseCause.OUTAGE:
            await self._ask_models()
        else:
            await self._changed.wait()

    async def _ask_models(self) -> None:
        try:
            head, _ = await self._client.models()
            failure = f"the list of models answers {head.status}" if head.status >= 500 else ""
        except (NotSent, NoAnswer) as error:
            failure = str(error)
        self._gate.report(
            AttemptReport(
                verdict=Verdict.TRANSIENT if failure else Verdict.DONE,
                is_endpoint_failure=bool(failure),
                slows_pool=False,
                retry_after=0.0,
                reason=failure,
                is_probe=True,
                now=self._clock.monotonic(),
                is_only_job=False,
            )
        )
