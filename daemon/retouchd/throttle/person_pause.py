"""
A person's pause: the file `work/paused.json`, there while nothing is to be sent.

It is told apart from the daemon's own pauses: no probe ends it, nor a restart, only a person.
"""

import asyncio
import contextlib
import datetime as dt
import json
from pathlib import Path

from retouchd.disk import durable
from retouchd.disk.threads import in_work
from retouchd.errors import FolderUnresponsive
from retouchd.job.text import iso
from retouchd.tasks import Changes
from retouchd.throttle.breaker import LocalBlock, PauseCause
from retouchd.throttle.gate import Gate

REASON = "somebody has paused it; retouchd resume, or Resume on the page, lets it go on"
_LOOK_AGAIN_SECONDS = 60.0
"""How soon its end is noticed that nobody has told of, such as a file removed by hand."""


class PersonPauseFile:
    """
    The file of a work folder that says that a person has paused it. Everything here blocks.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "paused.json"

    def since(self) -> dt.datetime | None:
        """
        Return when it was paused, None where it is not. A file that cannot be read is a pause as well.
        """
        try:
            raw = self._path.read_bytes()
            found = dt.datetime.fromisoformat(json.loads(raw)["since"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return dt.datetime.now(dt.UTC)
        return found if found.tzinfo else found.astimezone()

    def write(self, now: dt.datetime) -> bool:
        """
        Pause, durable on return; return whether it was not paused before. Raises OSError.
        """
        if self.since() is not None:
            return False
        durable.write(self._path, f'{{"since": "{iso(now)}"}}\n'.encode())
        return True

    def remove(self) -> bool:
        """
        Let it go on; return whether it was paused before. Raises OSError.
        """
        was_paused = self._path.exists()
        durable.remove(self._path)
        return was_paused

    def block(self) -> LocalBlock | None:
        """
        Return the block that it is, None where nobody has paused.
        """
        if self.since() is None:
            return None
        return LocalBlock(cause=PauseCause.PERSON, reason=REASON, seconds=_LOOK_AGAIN_SECONDS)


class PersonPause:
    """
    Holds the gate shut while the file is there, whatever else may be wrong meanwhile.
    """

    def __init__(self, gate: Gate, file: PersonPauseFile) -> None:
        self._gate = gate
        self._file = file
        self._is_held = False
        self._changes = Changes()
        self._loop: asyncio.AbstractEventLoop | None = None

    def heed(self) -> None:
        """
        Have it looked at soon: somebody has paused or resumed. From any thread.
        """
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # The run has ended.
                self._loop.call_soon_threadsafe(self._changes.tell)

    async def run(self) -> None:
        """
        Look whenever it is to be heeded.
        """
        while True:
            changes = self._changes.count
            await self.look()
            await self._changes.wait(changes)

    async def look(self) -> None:
        """
        Take in how it is now.
        """
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(FolderUnresponsive, OSError):
            self._take_in(await in_work(self._file.block))

    def _take_in(self, block: LocalBlock | None) -> None:
        cause, was_held = self._gate.pause_cause, self._is_held
        self._is_held = block is not None
        if block is not None:
            # Another block stands until its own cause is looked at again: this one is seen then.
            if cause is None or cause.is_probed:
                self._gate.block(block)
        elif cause is PauseCause.PERSON:
            # Whatever else may stand in the way is looked at first.
            self._gate.block(LocalBlock(cause=cause, reason=REASON, seconds=0.0))
        elif was_held and cause is not None and cause.is_probed:
            self._gate.wake()
