"""
The references of a job, copied into it before anything is sent: what lies in the inbox may change later.
"""

import os

from retouchd.adapters import below
from retouchd.adapters.inbox import Inbox
from retouchd.adapters.spool import Spool
from retouchd.rules.job import Job, Reference, Snapshot
from retouchd.rules.naming import shown


class Gatherer:
    """
    Copies references. Blocking.
    """

    def __init__(self, *, spool: Spool, inbox: Inbox) -> None:
        self._spool = spool
        self._inbox = inbox

    def gather(self, job: Job) -> str | None:
        """
        Copy every reference that is not in the job yet; return what stands against it, None if all are there.
        """
        for number, reference in enumerate(job.references, 1):
            if not self._spool.reference(job.id, number).exists():
                try:
                    is_same = self._copy(job.id, number, reference)
                except OSError as error:
                    return f"its reference {shown(reference.path)} cannot be read: {error.strerror}"
                if not is_same:
                    return f"its reference {shown(reference.path)} was changed meanwhile"
        return None

    def _copy(self, job_id: str, number: int, reference: Reference) -> bool:
        with below.opened(self._inbox.root, reference.path) as file:
            if _snapshot(os.fstat(file.fileno())) != reference.snapshot:
                return False
            blocks = iter(lambda: file.read(1 << 20), b"")
            self._spool.add_reference(job_id, number, blocks)
        return True


def _snapshot(found: os.stat_result) -> Snapshot:
    return Snapshot(
        size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino, device=found.st_dev
    )
