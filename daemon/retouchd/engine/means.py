"""
The means for a request, seen to before it is opened: room on the disks for its answer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from retouchd.adapters import room
from retouchd.adapters.folders import Folders
from retouchd.errors import Blocked
from retouchd.rules.pacing import Bar, Cause

_LOOK_AGAIN_SECONDS = 10.0


class Means:
    """
    Knows what the requests on their way will need, and whether one more can be afforded.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._expected = 0
        self._refused = 1

    @contextlib.asynccontextmanager
    async def reserved(self, folder: str, pictures: int) -> AsyncIterator[Bar | None]:
        """
        Set aside what a request for so many pictures needs; yield what forbids it, None if nothing does.

        Raises Blocked where only this job's own folders cannot be written.
        """
        self._expected += pictures
        try:
            bar = await self._bar(self._expected)
            if bar is None:
                await asyncio.to_thread(self._check_targets, folder)
            else:
                self._refused = pictures
            yield bar
        finally:
            self._expected -= pictures

    async def look_again(self) -> Bar | None:
        """
        Return what still forbids the request that was refused last, None if nothing does.
        """
        return await self._bar(self._expected + self._refused)

    async def _bar(self, pictures: int) -> Bar | None:
        reason = await asyncio.to_thread(room.shortage, self._folders, pictures)
        return Bar(cause=Cause.DISK, reason=reason, seconds=_LOOK_AGAIN_SECONDS) if reason else None

    def _check_targets(self, folder: str) -> None:
        for root in (self._folders.outbox, self._folders.done, self._folders.error):
            if reason := room.unwritable(root, folder):
                raise Blocked(reason)
