"""
The pause that outlives the process: `work/pause.json`, written whenever a pause begins, changes or ends.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from retouchd.clock import Clock
from retouchd.disk import durable
from retouchd.disk.threads import in_work
from retouchd.events import emit
from retouchd.events.run import PauseUnwritten
from retouchd.job.text import json_text
from retouchd.throttle.breaker import Pause, PauseCause
from retouchd.throttle.gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRecord:
    """
    A pause for those who do not share this process's clock: why, since when, and when the next probe may pass.
    """

    cause: PauseCause
    reason: str
    since: dt.datetime
    next_probe: dt.datetime


def record_of(pause: Pause, clock: Clock) -> PauseRecord:
    """
    Return the record of a pause, in whole seconds: two looks at the same one are to be equal.
    """
    now, monotonic = clock.now(), clock.monotonic()
    since, probe = (
        (now + dt.timedelta(seconds=at - monotonic + 0.5)).replace(microsecond=0)
        for at in (pause.since, pause.probe_at)
    )
    return PauseRecord(cause=pause.cause, reason=pause.reason, since=since, next_probe=probe)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FileContent:
    """
    What stands in the file; `configuration` is the fingerprint of the one that the pause was met with.
    """

    cause: PauseCause
    reason: str
    since: dt.datetime
    next_probe: dt.datetime
    probes: int
    configuration: str


_ADAPTER = TypeAdapter(_FileContent)


class PauseFile:
    """
    The file `work/pause.json`.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "pause.json"

    def write(self, content: _FileContent | None) -> None:
        """
        Write the pause down, or that there is none; durable on return.
        """
        if content is not None:
            durable.write(
                self._path,
                (json_text(_ADAPTER.dump_python(content, mode="json"), indent=2) + "\n").encode(),
            )
        else:
            durable.remove(self._path)

    def read(self) -> _FileContent | None:
        """
        Return the pause that was written down last, None where there is none that can be read.
        """
        try:
            return _ADAPTER.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None


class PauseRecorder:
    """
    Writes each change of the pause to its file, and restores it at a start.
    """

    def __init__(
        self, *, gate: Gate, file: PauseFile, configuration: Callable[[], str], clock: Clock
    ) -> None:
        self._gate = gate
        self._file = file
        self._configuration = configuration
        self._clock = clock
        self._written: Pause | None = None

    async def restore(self) -> None:
        """
        Begin with the pause that the last process left, with one probe due at once.

        There is none under another configuration than that of the pause, nor where the time of a block is up.
        """
        kept = await in_work(self._file.read)
        if kept is None or self._is_over(kept):
            await in_work(self._file.write, None)
            return
        now = self._clock.monotonic()
        age = max(0.0, (self._clock.now() - kept.since).total_seconds())
        self._gate.restore(
            Pause(
                cause=kept.cause,
                reason=kept.reason,
                since=now - age,
                probes=kept.probes,
                probe_at=now,
            )
        )
        self._written = self._gate.pause

    async def run(self) -> None:
        """
        Write each change down.
        """
        while True:
            changes = self._gate.changes.count
            await self.write()
            await self._gate.changes.wait(changes)

    async def write(self) -> None:
        """
        Write the present pause down if it is another than last time.
        """
        pause = self._gate.pause
        if pause is not None and pause.cause in {PauseCause.DISK, PauseCause.PERSON}:
            pause = None  # A disk that fails or hangs is not written to; a person's pause has its own file.
        if pause == self._written:
            return
        self._written = pause
        try:
            await in_work(self._file.write, self._content(pause))
        except OSError as error:
            emit(PauseUnwritten(reason=str(error)))

    def _is_over(self, kept: _FileContent) -> bool:
        is_block_over = not kept.cause.is_probed and kept.next_probe <= self._clock.now()
        return is_block_over or kept.configuration != self._configuration()

    def _content(self, pause: Pause | None) -> _FileContent | None:
        if pause is None:
            return None
        record = record_of(pause, self._clock)
        return _FileContent(
            cause=record.cause,
            reason=record.reason,
            since=record.since,
            next_probe=record.next_probe,
            probes=pause.probes,
            configuration=self._configuration(),
        )
