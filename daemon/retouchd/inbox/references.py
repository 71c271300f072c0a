"""
Reference pictures, which sidecars and folder files name: tracked, checked, and copied into a job.

A reference is copied into the jobs that need it and never moved, so it stays in the inbox. It is not a job of
its own while somebody names it, nor afterwards unless it gets a sidecar of its own.

What is wrong with a folder's reference must hold its images, not move them, so it is looked into before any of
them is claimed; once for each state of the file, since all images of the folder share it.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias

from retouchd.disk import file_stat, filesystems, nofollow
from retouchd.disk.signature import Observation, Signature
from retouchd.errors import Blocked, Problem
from retouchd.inbox.readiness import observed, touched
from retouchd.inbox.scanner import InboxScanner
from retouchd.job.model import Job, Reference, Snapshot
from retouchd.job.naming import shown
from retouchd.spool.history import History
from retouchd.spool.spool import Spool

Place: TypeAlias = tuple[str, str]
"""A file: its folder below the inbox, and its name."""

MISSING = "is not there"
_MOST_WHOLE = 1000


class References:
    """
    All references known, by their paths below the inbox.
    """

    def __init__(self) -> None:
        self._found: dict[str, Observation | str] = {}
        self._named: dict[Place, tuple[str, ...]] = {}
        self._namers: dict[str, dict[Place, None]] = {}
        self._spared: dict[str, Reference] = {}
        self._whole: dict[str, Signature] = {}

    def name(self, namer: Place, paths: Iterable[str]) -> list[str]:
        """
        Take in what a file names now; return the paths that it named before or names now.
        """
        before = self._named.pop(namer, ())
        for path in before:
            self._namers[path].pop(namer)
            if not self._namers[path]:
                del self._namers[path], self._found[path]
                self._whole.pop(path, None)
        now = tuple(dict.fromkeys(paths))
        if now:
            self._named[namer] = now
        for path in now:
            self._namers.setdefault(path, {})[namer] = None
            self._found.setdefault(path, MISSING)
        return [*before, *now]

    def forget(self, namer: Place) -> list[str]:
        """
        Take in that a file is gone: its job, or another daemon's, may be using what it named.
        """
        for path in self._named.get(namer, ()):
            if isinstance(observation := self._found.get(path), Observation):
                self.spare([Reference(path=path, snapshot=observation.signature.snapshot)])
        return self.name(namer, ())

    def see(self, path: str, found: Signature | str, now: float) -> bool:
        """
        Take in a look at a reference, or half a sentence why it cannot be used; return whether that is news.
        """
        before = self._found.get(path)
        if before is None:
            return False
        seen: Observation | str
        if isinstance(found, Signature) and isinstance(before, Observation):
            known = before.signature
            if found != known and found._replace(inode=known.inode) == known:
                # As with pictures: another file would have a ctime of its own.
                filesystems.distrust(found.device)
                self._found[path] = before._replace(
                    signature=found._replace(inode=filesystems.UNKNOWN)
                )
                return False
        if isinstance(found, Signature) and found == self._whole.get(path):
            seen = Observation(found, -math.inf)
        elif isinstance(found, Signature):
            seen = observed(before if isinstance(before, Observation) else None, found, now)
        else:
            seen = found
        self._found[path] = seen
        return seen != before

    def note_event(self, path: str, now: float) -> None:
        """
        Take in an event: whatever it was, the file is not quiet yet.
        """
        observation = self._found.get(path)
        if isinstance(observation, Observation) and observation.signature != self._whole.get(path):
            self._found[path] = touched(observation, now)

    def note_whole(self, path: str, found: Signature | str) -> None:
        """
        Take in that a file is complete as it is now, as a drop of our own has written it: whoever is to name it
        comes next, and need not wait for its quiet.
        """
        if isinstance(found, Signature) and found.size:
            self._whole[path] = found
            while len(self._whole) > _MOST_WHOLE:  # Of drops that failed.
                del self._whole[next(iter(self._whole))]

    def paths(self) -> list[str]:
        """
        Return all that anybody names.
        """
        return list(self._found)

    def knows(self, path: str) -> bool:
        """
        Return whether anybody names that path.
        """
        return path in self._found

    def namers(self, path: str) -> list[Place]:
        """
        Return the files that name a path.
        """
        return list(self._namers.get(path, ()))

    def observations(self, paths: Iterable[str]) -> Mapping[str, Observation | str]:
        """
        Return what was last seen of these paths.
        """
        return {path: self._found.get(path, MISSING) for path in paths}

    def spare(self, references: Iterable[Reference]) -> None:
        """
        Remember what jobs have used.
        """
        self._spared |= {reference.path: reference for reference in references}

    def used(self) -> list[str]:
        """
        Return the paths of all that jobs have used.
        """
        return list(self._spared)

    def is_spared(self, path: str, seen: Signature) -> bool:
        """
        Return whether a job has used just this file as its reference.
        """
        used = self._spared.get(path)
        if used is None:
            return False
        # Not the device: its number may differ after the next boot.
        snapshot = used.snapshot
        return (snapshot.size, snapshot.mtime_ns, snapshot.inode) == (
            seen.size,
            seen.mtime_ns,
            seen.inode,
        )


def used_references(history: History, spool: Spool) -> Iterator[Reference]:
    """
    Yield what jobs have used as references: those that are over, then those in work. Blocking.
    """
    yield from history.references()
    for job in spool.jobs():
        yield from job.references


_KEPT = 256


class ReferenceChecks:
    """
    Remembers the problems of references, by path, snapshot and model; `examine` finds them. Blocking.
    """

    def __init__(self, *, inbox: Path, examine: Callable[[Path, str, str], list[Problem]]) -> None:
        self._inbox = inbox
        self._examine = examine
        self._known: dict[tuple[str, Snapshot, str], list[Problem]] = {}

    def problems(self, path: str, snapshot: Snapshot, model: str) -> list[Problem]:
        """
        Return what is wrong with a reference, by its path below the inbox; raises OSError.
        """
        key = (path, snapshot, model)
        if key not in self._known:
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._examine(self._inbox / path, path, model)
        return self._known[key]


_BLOCK_BYTES = 1 << 20


class ReferenceCopier:
    """
    Copies references. Blocking.
    """

    def __init__(self, *, spool: Spool, inbox: InboxScanner) -> None:
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
