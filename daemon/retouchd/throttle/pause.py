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
from retouchd.throttle.breaker import GatePause, PauseCause
from retouchd.throttle.gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """
    A pause as it stands in the file. `configuration` is the fingerprint of the configuration it was met with.
    """

    cause: PauseCause
    reason: str
    since: dt.datetime
    probes: int
    next_probe: dt.datetime
    configuration: str


_ADAPTER = TypeAdapter(Paused)


class PauseFile:
    """
    The file `work/pause.json`.
    """

    def __init__(self, work: Path) -> None:
        self._path = work / "pause.json"

    def write(self, paused: Paused | None) -> None:
        """
        Write the pause down, or that there is none; durable on return.
        """
        if paused is not None:
            durable.write(
                self._path,
                (json_text(_ADAPTER.dump_python(paused, mode="json"), indent=2) + "\n").encode(),
            )
        else:
            durable.remove(self._path)

    def read(self) -> Paused | None:
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
        self._written: GatePause | None = None

    async def restore(self) -> None:
        """
        Begin with the pause that the last process left, with one probe due at once.

        There is none under another configuration than that of the pause, nor where the time of a block is up.
        """
        paused = await in_work(self._file.read)
        if paused is None or self._is_over(paused):
            await in_work(self._file.write, None)
            return
        now = self._clock.monotonic()
        age = max(0.0, (self._clock.now() - paused.since).total_seconds())
        self._gate.restore(
            GatePause(
                cause=paused.cause,
                reason=paused.reason,
                since=now - age,
                probes=paused.probes,
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
        if pause is not None and pause.cause is PauseCause.DISK:
            pause = None  # Nor is a disk that fails or hangs written to.
        if pause == self._written:
            return
        self._written = pause
        try:
            await in_work(self._file.write, self._paused(pause))
        except OSError as error:
            emit(PauseUnwritten(reason=str(error)))

    def _is_over(self, paused: Paused) -> bool:
        is_block_over = not paused.cause.is_probed and paused.next_probe <= self._clock.now()
        return is_block_over or paused.configuration != self._configuration()

    def _paused(self, pause: GatePause | None) -> Paused | None:
        if pause is None:
            return None
        now, monotonic = self._clock.now(), self._clock.monotonic()
        since, probe = (
            now + dt.timedelta(seconds=at - monotonic) for at in (pause.since, pause.probe_at)
        )
        return Paused(
            cause=pause.cause,
            reason=pause.reason,
            since=since,
            probes=pause.probes,
            next_probe=probe,
            configuration=self._configuration(),
        )
