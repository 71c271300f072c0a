"""
The composition root of one endpoint's admission.
"""

from collections.abc import Callable

from retouchd.clock import Clock
from retouchd.disk.folders import Folders
from retouchd.endpoint.client import EditsClient
from retouchd.throttle.admission import Admission, AdmissionSettings
from retouchd.throttle.disk_monitor import DiskMonitor
from retouchd.throttle.gate import Gate
from retouchd.throttle.ledger import Ledger
from retouchd.throttle.pause import PauseFile, PauseRecorder
from retouchd.throttle.person_pause import PersonPause, PersonPauseFile
from retouchd.throttle.preflight import Preflight
from retouchd.throttle.prober import Jobs, Prober


class Lane:
    """
    Admission to one endpoint and its parts: gate, disk monitor, ledger, both kinds of pauses, prober.

    `jobs` returns the ids of those in work; `on_change` is called whenever a folder's state changes.
    """

    def __init__(
        self,
        settings: AdmissionSettings,
        clock: Clock,
        *,
        folders: Folders,
        jobs: Callable[[], list[str]],
        on_change: Callable[[], None],
    ) -> None:
        self._clock = clock
        self.gate = Gate(concurrency=settings.concurrency, clock=clock, rates=settings.rates)
        self.disks = DiskMonitor(folders=folders, gate=self.gate, jobs=jobs, on_change=on_change)
        self.ledger = Ledger(
            allowance=settings.allowance, clock=clock, on_release=self.gate.changes.tell
        )
        pause_file = PersonPauseFile(folders.work)
        self.person = PersonPause(self.gate, pause_file)
        self._preflight = Preflight(
            folders=folders,
            person=pause_file,
            disks=self.disks,
            ledger=self.ledger,
            prices=settings.prices,
            clock=clock,
        )
        self.admission = Admission(
            gate=self.gate,
            preflight=self._preflight,
            ledger=self.ledger,
            clock=clock,
            settings=settings,
        )
        self.pausing = PauseRecorder(
            gate=self.gate,
            file=PauseFile(folders.work),
            configuration=lambda: settings.fingerprint,
            clock=clock,
        )

    def prober(
        self,
        *,
        jobs: Jobs,
        client: EditsClient,
        has_ready: Callable[[], bool],
        wake_intake: Callable[[], None],
    ) -> Prober:
        """
        Return who probes the endpoint with one of these jobs, or with a new one.
        """
        return Prober(
            gate=self.gate,
            jobs=jobs,
            client=client,
            preflight=self._preflight,
            clock=self._clock,
            has_ready=has_ready,
            wake_intake=wake_intake,
        )
