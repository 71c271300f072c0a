"""
The pause that outlives the process: `work/pause.json`, written whenever the breaker opens or closes.

The hold of the gate, written down whenever it changes: a new process begins where the last one stood.
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
    A hold as it is written down. `configuration` tells which configuration it was met with.
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
    The pause of a work folder.
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
    Keeps `work/pause.json` true: with the fingerprint of the configuration that was in force.
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
        Hold the gate as the last process left it, with one probe due at once.

        With another configuration than the one that was held, the gate begins open; so it does where the time
        of a bar is up.
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
        self._written = self._gate.held

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
        Write the present hold down if it is another than last time.
        """
        hold = self._gate.held
        if hold is not None and hold.cause is PauseCause.DISK:
            hold = None  # Nor is a disk that fails or hangs written to.
        if hold == self._written:
            return
        self._written = hold
        try:
            await in_work(self._file.write, self._paused(hold))
        except OSError as error:
            emit(PauseUnwritten(reason=str(error)))

    def _is_over(self, paused: Paused) -> bool:
        is_bar_up = not paused.cause.is_probed and paused.next_probe <= self._clock.now()
        return is_bar_up or paused.configuration != self._configuration()

    def _paused(self, hold: GatePause | None) -> Paused | None:
        if hold is None:
            return None
        now, monotonic = self._clock.now(), self._clock.monotonic()
        since, probe = (
            now + dt.timedelta(seconds=at - monotonic) for at in (hold.since, hold.probe_at)
        )
        return Paused(
            cause=hold.cause,
            reason=hold.reason,
            since=since,
            probes=hold.probes,
            next_probe=probe,
            configuration=self._configuration(),
        )
