"""
The references of a job, copied into it before anything is sent: what lies in the inbox may change later.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from retouchd.disk import file_stat, nofollow
from retouchd.errors import Blocked
from retouchd.inbox.scanner import Inbox
from retouchd.job.model import Job, Reference
from retouchd.job.naming import shown
from retouchd.spool.spool import Spool

_BLOCK_BYTES = 1 << 20


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

        Raises Blocked where the work folder does not take the copy.
        """
        for number, reference in enumerate(job.references, 1):
            try:
                is_same = self._is_here(job.id, number) or self._copy(job.id, number, reference)
            except _UnreadableError as error:
                return f"its reference {shown(reference.path)} cannot be read: {error}"
            except OSError as error:
                # No fault of the picture: given back, it would only be taken again at once.
                msg = f"{shown(reference.path)} cannot be copied into the work folder: {error.strerror}"
                raise Blocked(msg) from error
            if not is_same:
                return f"its reference {shown(reference.path)} was changed meanwhile"
        return None

    def _is_here(self, job_id: str, number: int) -> bool:
        return file_stat.is_taken(self._spool.reference(job_id, number))

    def _copy(self, job_id: str, number: int, reference: Reference) -> bool:
        with contextlib.ExitStack() as stack:
            with _reading():
                file = stack.enter_context(nofollow.opened(self._inbox.root, reference.path))
                if not reference.snapshot.shows(file_stat.snapshot_of(os.fstat(file.fileno()))):
                    return False
            self._spool.add_reference(job_id, number, _blocks(file))
        return True


class _UnreadableError(Exception):
    """
    A reference cannot be read.
    """


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _UnreadableError(error.strerror) from error


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with _reading():
        while block := file.read(_BLOCK_BYTES):
            yield block
