"""
The systemd watchdog and status line of a run: `sd_notify` datagrams to the service manager.

The protocol is systemd's, see sd_notify(3); a library for six lines would be more to trust than to save.

The watchdog hears of a run only while this loop turns, the inbox gets looked at, and the disk below the
work folder answers. A far folder that hangs is no reason to end a run, since no start would mend it: it is a
pause, and told. See sd_watchdog_enabled(3).
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable

from retouchd.clock import Clock
from retouchd.disk.calls import Folder
from retouchd.events import emit
from retouchd.events.run import DaemonStuck, DaemonUnstuck
from retouchd.inbox.intake import Intake
from retouchd.job.naming import shown
from retouchd.service.motion import Motion, observed, stuck
from retouchd.tasks import running
from retouchd.throttle.disk_monitor import DiskMonitor


def notify(*lines: str) -> None:
    """
    Send assignments such as `READY=1` or `STATUS=…`; a manager that does not listen is no fault.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.setblocking(False)  # A word is lost rather than waited for.
            manager.connect(address)
            manager.sendall("\n".join(map(shown, lines)).encode())
    except OSError:
        return


def watchdog_seconds() -> float | None:
    """
    Return how often at least the manager's watchdog wants to hear `WATCHDOG=1`, None if there is none.
    """
    is_ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    wanted = os.environ.get("WATCHDOG_USEC", "")
    return int(wanted) / 1_000_000 if is_ours and wanted.isdecimal() and int(wanted) else None


_EXTEND_USEC = 30_000_000
_EXTEND_SECONDS = 5.0
_BEAT_SECONDS = 30.0
_REST_SECONDS = 1.0
_PARTS = {
    "inbox": "a look at the inbox has not come any further for a long time",
    "work": "the disk of the work folder has not answered for a long time: see to it",
}


@contextlib.asynccontextmanager
async def extending(status: Callable[[], str]) -> AsyncIterator[None]:
    """
    Ask the manager for more time while something lasts that may take long, and say what it is.
    """
    async with running(_extend(status)):
        yield


async def _extend(status: Callable[[], str]) -> None:
    while True:
        notify(f"EXTEND_TIMEOUT_USEC={_EXTEND_USEC}", f"STATUS={status()}")
        await asyncio.sleep(_EXTEND_SECONDS)


class StatusLine:
    """
    The one line that the manager shows of a run: true within a second, and never told more often than that.
    """

    def __init__(self) -> None:
        self._text = self._told = ""
        self._rest: asyncio.TimerHandle | None = None

    def say(self, text: str) -> None:
        """
        Let the line be this from now on.
        """
        self._text = text
        if self._rest is None:
            self._tell()

    def close(self) -> None:
        """
        Say no more.
        """
        if self._rest is not None:
            self._rest.cancel()

    def _tell(self) -> None:
        self._rest = None
        if self._text != self._told:
            notify(f"STATUS={self._text}")
            self._told = self._text
            self._rest = asyncio.get_running_loop().call_later(_REST_SECONDS, self._tell)


class Watchdog:
    """
    Watches whether a run gets on, and feeds the watchdog as long as it does. `on_change` is told why it does
    not, or "" once it does again.
    """

    def __init__(
        self, *, intake: Intake, disks: DiskMonitor, clock: Clock, on_change: Callable[[str], None]
    ) -> None:
        self._intake = intake
        self._disks = disks
        self._clock = clock
        self._on_change = on_change
        self._motions: dict[str, Motion] = {}
        self._answers = 0
        self._asking: asyncio.Future[None] | None = None
        self._stuck: str | None = None

    async def run(self) -> None:
        """
        Look twice in the watchdog's time, or now and then where there is none; until cancelled.
        """
        allowed = watchdog_seconds()
        pause = min(allowed / 2, _BEAT_SECONDS) if allowed else _BEAT_SECONDS
        while True:
            self.beat()
            await asyncio.sleep(pause)

    def beat(self) -> None:
        """
        Look at the run once, and tell the manager unless it is stuck.
        """
        now = self._clock.monotonic()
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_the_disk())
        self._see("work", self._answers, now, is_at_work=True)
        is_looking = self._intake.is_turning and not self._disks.is_hung(Folder.INBOX)
        self._see("inbox", self._intake.steps, now, is_at_work=is_looking)
        # A look at the inbox needs a thread and the work folder, too: it is not to blame for those.
        work = {"work": self._motions["work"]}
        self._tell(stuck(work, now) or stuck(self._motions, now))
        if self._stuck is None:
            notify("WATCHDOG=1")

    def _see(self, name: str, steps: int, now: float, *, is_at_work: bool) -> None:
        before = self._motions.get(name)
        self._motions[name] = observed(before, steps, now, is_at_work=is_at_work)

    async def _ask_the_disk(self) -> None:
        # Jobs need a free thread as well: where none is left, nothing gets on either.
        try:
            await self._disks.check()
            self._answers += 1
        finally:
            self._asking = None

    def _tell(self, part: str | None) -> None:
        if part == self._stuck:
            return
        if part is not None:
            emit(DaemonStuck(reason=_PARTS[part]))
        else:
            emit(DaemonUnstuck())
        self._stuck = part
        self._on_change(_PARTS[part] if part else "")
