"""
Results that lie behind urls: fetched for as long as they may be there, at growing intervals.
"""

import contextlib
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from retouchd.answer import stored_answer
from retouchd.answer.body import Link
from retouchd.answer.stored_answer import Spilled
from retouchd.answer.url_life import expires_at, seconds_to_retry
from retouchd.clock import Clock
from retouchd.disk.threads import in_work
from retouchd.endpoint.client import ANSWER_LIMIT, EditsClient, FetchFailed, FetchRefused
from retouchd.job.filetypes import called
from retouchd.job.magic import SNIFF_BYTES, sniff
from retouchd.pictures.end_markers import is_whole
from retouchd.pictures.file_source import OnDisk
from retouchd.pipeline.results import Fetched
from retouchd.spool.spool import Spool


class FetchLater(Exception):
    """
    A paid picture lies behind a url that gives none yet; it is fetched again, never bought again.

    `seconds` is when, None where only a person can change it.
    """

    def __init__(self, reason: str, seconds: float | None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class WithheldError(FetchLater):
    """
    A paid picture lies at an address where the configuration does not let us go.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"its picture is paid for but not fetched: {reason}", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pause:
    """
    Until when a job's urls are left alone, of the monotonic clock, and why.
    """

    until: float
    reason: str


class Downloads:
    """
    Fetches what answers name. When a url is asked again follows from the answer's age alone, so that a
    restart changes nothing.
    """

    def __init__(self, *, spool: Spool, client: EditsClient, clock: Clock) -> None:
        self._spool = spool
        self._client = client
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}

    def check_due(self, job_id: str) -> None:
        """
        Raise FetchLater while it is too early to fetch a job's pictures again.
        """
        pause = self._pauses.get(job_id)
        if pause is not None and (left := pause.until - self._clock.monotonic()) > 0:
            raise FetchLater(pause.reason, left)

    async def fetch(
        self,
        job_id: str,
        links: Iterable[Link],
        answered_at: dt.datetime,
        files: contextlib.ExitStack,
        *,
        is_awaited: bool,
    ) -> dict[Link, Fetched]:
        """
        Return what lies behind each url; its files live as long as `files`.

        Raises FetchLater while one of them may still come; without `is_awaited` nobody waits for it.
        """
        self._pauses.pop(job_id, None)
        fetched: dict[Link, Fetched] = {}
        for link in links:
            try:
                fetched[link] = await self._fetched(job_id, link, files)
            except FetchRefused as refusal:
                fetched[link] = refusal
            except FetchFailed as failure:
                now = self._clock.now()
                if not is_awaited or now >= expires_at(link.url, answered_at):
                    fetched[link] = FetchRefused(str(failure))
                    continue
                wait = seconds_to_retry((now - answered_at).total_seconds())
                until = self._clock.monotonic() + wait
                reason = f"its picture is paid for but cannot be fetched yet: {failure}"
                self._pauses[job_id] = _Pause(until=until, reason=reason)
                raise FetchLater(reason, wait) from failure
        return fetched

    async def _fetched(self, job_id: str, link: Link, files: contextlib.ExitStack) -> Fetched:
        folder = self._spool.folder(job_id)
        async with self._client.fetch(link.url) as answer:
            spilled = await stored_answer.spilled(answer, folder, limit=ANSWER_LIMIT)
        file = files.enter_context(spilled.file)
        await in_work(_check, spilled)
        return file


def _check(spilled: Spilled) -> None:
    """
    Raise FetchFailed unless a file begins as a picture does, and ends as one if its answer broke off.
    """
    content = OnDisk(spilled.file.fileno())
    kind = sniff(content[:SNIFF_BYTES])
    if kind is None or kind in {"html", "svg"}:
        found = called(kind) if kind else "something else" if len(content) else "nothing"
        raise FetchFailed(f"the picture's URL holds no picture but {found}")
    if spilled.broken is not None and not is_whole(content):
        raise spilled.broken
