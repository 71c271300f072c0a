"""
Publishes the summary of what waits for other programs, and logs what is news in it: at once after a change, at
most once a second.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from retouchd.disk.threads import in_work
from retouchd.events import emit
from retouchd.events.inbox import FileWaiting
from retouchd.events.run import StatusUnwritten
from retouchd.inbox.waiting import Waiting
from retouchd.inbox.waiting_news import WaitingNews
from retouchd.job.naming import path_below
from retouchd.service.background import running
from retouchd.service.daemon import Daemon
from retouchd.status.status_file import Board

_GATHER_SECONDS = 0.1
"""What is dropped comes in several files: they are told of together."""
_BEAT_SECONDS = 1.0
_MOST_NAMED = 10
_SHARE = 50
"""To count a large inbox takes a while: the time between two is so many times as long."""


class WaitingPublisher:
    """
    Writes the summary of what waits into the work folder; `latest` is the last one, None before the first.
    """

    def __init__(self, daemon: Daemon, board: Board) -> None:
        self._daemon = daemon
        self._board = board
        self._changes = -1
        self._is_told = False
        self._news = WaitingNews(daemon.holds)
        self.latest: Waiting | None = None

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """
        Keep the published summary up to date meanwhile.
        """
        async with running(self._keep()):
            yield

    async def _keep(self) -> None:
        while True:
            await self._daemon.turned()
            await asyncio.sleep(_GATHER_SECONDS)
            seconds = 0.0
            try:
                seconds = await self._look()
                self._is_told = False
            except OSError as error:
                if not self._is_told:
                    emit(StatusUnwritten(reason=str(error)))
                self._is_told = True
            await asyncio.sleep(max(_BEAT_SECONDS, _SHARE * seconds))

    async def _look(self) -> float:
        """
        Publish what is new; return how many seconds of work that was.
        """
        changes = self._daemon.changes
        if changes == self._changes:
            await in_work(self._board.confirm_waiting)
            return 0.0
        self.latest, seconds = await self._daemon.summary()
        self._tell(self.latest)
        await in_work(self._board.post_waiting, self.latest)
        self._changes = changes
        return seconds

    def _tell(self, waiting: Waiting) -> None:
        for count, (first, *others) in self._news.of(waiting):
            some = others[: _MOST_NAMED - 1]
            emit(
                FileWaiting(
                    folder=first.folder,
                    name=first.name,
                    reason=first.reason,
                    files=count,
                    others=[path_below(each.folder, each.name) for each in some],
                )
            )
