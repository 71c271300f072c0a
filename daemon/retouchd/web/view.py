"""
What the listener knows of the run beside it: signs of life, and what the run has put into its status files.

The run's loop writes here, the listener's thread reads; nothing is asked of the run itself.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from retouchd.events import Event, listen
from retouchd.events.run import DaemonReady, DaemonStopping, DaemonStuck, DaemonUnstuck
from retouchd.inbox.waiting import Waiting
from retouchd.status.report import StatusReport, stop_of
from retouchd.status.status_file import StatusFiles
from retouchd.tasks import running

_BEAT_SECONDS = 2.0
SILENT_SECONDS = 30.0
"""A loop that did not turn for so long is not alive: nothing of ours takes it a second."""


class RunView:
    """
    One run as seen from the listener.
    """

    def __init__(self, status_files: StatusFiles) -> None:
        self._status_files = status_files
        self._beat_at = time.monotonic()
        self._stuck = ""
        self.is_ready = False
        self.is_stopping = False

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """
        Note meanwhile that this loop turns, and what the run tells of itself.
        """
        unlisten = listen(self._hear)
        try:
            async with running(self._beat()):
                yield
        finally:
            unlisten()

    @property
    def death(self) -> str:
        """
        Return why the run is not alive, empty while it is. The same that systemd's watchdog is told.
        """
        silence = time.monotonic() - self._beat_at
        if silence > SILENT_SECONDS:
            return f"no sign of life for {silence:.0f} s"
        return self._stuck

    @property
    def unreadiness(self) -> list[str]:
        """
        Return why nothing would be edited now, a phrase each, empty where all is well. Blocking.
        """
        if death := self.death:
            return [death]
        if self.is_stopping:
            return ["stopping"]
        if not self.is_ready:
            return ["starting"]
        report = self.report
        return [stop] if (stop := stop_of(report)) else []

    @property
    def report(self) -> StatusReport | None:
        """
        Return how the run stood when it last told. Blocking.
        """
        found = self._status_files.read()
        return found[0] if found else None

    @property
    def waiting(self) -> Waiting | None:
        """
        Return what waits in the inbox, as the run last told. Blocking.
        """
        found = self._status_files.read_waiting()
        return found[0] if found else None

    @property
    def silence(self) -> float:
        """
        Return for how many seconds there has been no sign of life.
        """
        return time.monotonic() - self._beat_at

    async def _beat(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    def _hear(self, event: Event) -> None:
        match event:
            case DaemonReady():
                self.is_ready = True
            case DaemonStopping():
                self.is_stopping = True
            case DaemonStuck(reason=reason):
                self._stuck = reason
            case DaemonUnstuck():
                self._stuck = ""
