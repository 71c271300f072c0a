"""
An index of all finished jobs by fingerprint, original and result; and fingerprints read from files.

What edits and pictures are known by, read from their files: in the inbox, in a job's directory, or below any
other folder.

In memory are hashes, sizes and where a line begins in its journal; a match is compared in full with the line.
What a line has no hash of is read from the files themselves, once a candidate has their size.
"""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from retouchd.disk import file_stat, nofollow
from retouchd.disk.calls import Folder, at, step
from retouchd.disk.folders import Folders
from retouchd.job.model import Job, Member, Role, Snapshot
from retouchd.job.naming import path_below
from retouchd.spool import history
from retouchd.spool.believed import received_for
from retouchd.spool.fingerprint import Digest, Fingerprint, fingerprint, record_path
from retouchd.spool.finished_job import beside, is_told, raw_name, references_of, request_of
from retouchd.spool.hash_index import HashIndex, hash_key
from retouchd.spool.history import RECOVERED, History
from retouchd.spool.history_line import Facts, bare_in, edit_in, facts_in, result_path
from retouchd.spool.phase import ORIGINALS, REFERENCES

_BLOCK = 1 << 20
"""Bytes read at once: each read lets other threads in, which costs more than it takes."""


def in_inbox(job: Job, inbox: Path) -> tuple[Fingerprint, ...]:
    """
    Return the fingerprint of each edit of what lies in the inbox; raises OSError where it cannot be read.

    Raises FileNotFoundError where a file turns out not to be the one that the job was made of.
    """

    def digest(path: str, snapshot: Snapshot) -> str:
        with nofollow.opened(inbox, path) as file:
            found = _digest(file)
            if not snapshot.shows(file_stat.snapshot_of(os.fstat(file.fileno()))):
                raise FileNotFoundError(errno.ENOENT, "It was changed meanwhile", path)
        return found

    return _fingerprints(
        job,
        lambda member: digest(path_below(job.folder, member.inbox_name), member.snapshot),
        lambda number: digest(job.references[number].path, job.references[number].snapshot),
    )


def in_work(job: Job, folder: Path) -> tuple[Fingerprint, ...]:
    """
    Return the fingerprint of each edit of a job that has all its files in its directory; raises OSError
    otherwise.
    """

    def digest(path: str) -> str:
        with nofollow.opened(folder, path) as file:
            return _digest(file)

    return _fingerprints(
        job,
        lambda member: digest(f"{ORIGINALS}/{member.name}"),
        lambda number: digest(f"{REFERENCES}/{number + 1}"),
    )


def of_record(body: Mapping[str, Any], path: str, *, done: Path, inbox: Path) -> Fingerprint | None:
    """
    Return the fingerprint of a job by its record below `done/`, where that does not tell it: read from the
    files beside it, and from its references where they lie in the inbox now.

    None where the record does not say enough, or a file is gone. Raises OSError where the disk fails.
    """
    request, references = request_of(body), references_of(body)
    names = [body.get("image"), body["request"].get("mask")]
    image, mask = (beside(path, body.get("name"), name) for name in names)
    if request is None or references is None or image is None or (names[1] and mask is None):
        return None
    original = found_digest(done, image)
    masked = found_digest(done, mask) if mask else None
    others = [found_digest(inbox, each) for each in references]
    if original is None or (mask and masked is None) or None in others:
        return None
    return fingerprint(
        original.size,
        request,
        original.sha256,
        masked.sha256 if masked else None,
        [each.sha256 for each in others if each],
    )


def found_digest(root: Path, path: str) -> Digest | None:
    """
    Return what a file below a folder is known by, None where there is none that may be read.

    Raises OSError where the disk fails.
    """
    try:
        return digest_of(root, path)
    except OSError as error:
        if error.errno in nofollow.UNREADABLE:
            return None
        raise


def digest_of(root: Path, path: str) -> Digest:
    """
    Return what a file below a folder is known by; raises OSError where it cannot be read, also for a link.
    """
    with nofollow.opened(root, path) as file:
        return Digest(size=os.fstat(file.fileno()).st_size, sha256=_digest(file))


def _fingerprints(
    job: Job, member: Callable[[Member], str], reference: Callable[[int], str]
) -> tuple[Fingerprint, ...]:
    image, mask = job.member(Role.IMAGE), job.member(Role.MASK)
    assert image is not None, "a job without an image has a problem"
    size, original = image.snapshot.size, member(image)
    masked = member(mask) if mask else None
    references = [reference(number) for number, _ in enumerate(job.references)]
    return tuple(
        fingerprint(size, edit.request, original, masked, references) for edit in job.edits
    )


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
        step()
    return digest.hexdigest()


Line: TypeAlias = Mapping[str, Any]
OnText: TypeAlias = Callable[[int, bytes, Facts], None]
"""Takes the position of a line, the line, and what it says."""

_JOURNALS = 4
"""The most there may be: a position is where a line begins in its journal times this, plus its number."""


class ReplacedError(Exception):
    """
    A journal is not the one that was read: a person removed or shortened it.
    """


@dataclass(slots=True, kw_only=True)
class Journal:
    """
    A journal, and how far it was read: how it begins, and the end of what was read, in bytes.

    `number` tells it from others in the positions that are remembered; that of the history is 0.
    """

    history: History
    number: int
    head: bytes = b""
    end: int = 0


class FinishedIndex:
    """
    An index of the history and of what was recovered, empty until `catch_up`; `further` journals are read too.
    Blocking; it may be asked by one thread while another one adds to it.
    """

    def __init__(self, folders: Folders, history: History, *further: History) -> None:
        self._folders = folders
        journals = (history, History(folders.work, RECOVERED), *further)
        self.journals = [Journal(history=each, number=n) for n, each in enumerate(journals)]
        self._image_sizes = HashIndex()
        self._result_sizes = HashIndex()
        self._fingerprints = HashIndex()
        self._originals = HashIndex()
        self._results = HashIndex()
        self._received = HashIndex()
        self._unhashed = HashIndex()
        """By the size of its original, each job whose fingerprint is not known."""
        self._hashed: set[tuple[str, int]] = set()
        self._read_fingerprints: dict[str, int] = {}
        self._read_originals: set[str] = set()
        self._read_results: dict[str, tuple[int, str]] = {}
        self._lock = threading.RLock()

    def catch_up(self, on_text: OnText = lambda *_: None) -> None:
        """
        Take in what the journals have more than at the last look; `on_text` is told each line.

        Raises ReplacedError where one is another than at the last look.
        """
        with self._lock:
            for journal in self.journals:
                self._read_on(journal, on_text)

    def may_be_done(self, size: int) -> bool:
        """
        Return whether the image of a finished job has that size, in bytes.
        """
        with self._lock:
            return size in self._image_sizes

    def may_be_result(self, size: int) -> bool:
        """
        Return whether a result of a finished job has that size, in bytes.
        """
        with self._lock:
            return size in self._result_sizes

    def done(self, own: Fingerprint) -> Line | None:
        """
        Return the line of a job of which an edit was asked for the same and is done, None where there is none.

        Raises OSError where the disk fails under a file of an earlier version's job.
        """
        with self._lock:
            for _, line in self._at(self._fingerprints, own.sha256):
                if edit_in(line, own) is not None:
                    return line
            self._hash_originals(own.size)
            position = self._read_fingerprints.get(own.sha256)
            return None if position is None else self.line(position)

    def received(self, own: Fingerprint) -> list[Line]:
        """
        Return the lines of jobs that got something for such an edit and could not finish it, the last first;
        those alone that ended after the same was last done.
        """
        with self._lock:
            lines = [line for _, line in self._at(self._received, own.sha256)]
            done = [line for _, line in self._at(self._fingerprints, own.sha256)]
        last = max((_ended(line) for line in done if edit_in(line, own) is not None), default="")
        found = [line for line in lines if _ended(line) > last and received_for(line, own)]
        return sorted(found, key=_ended, reverse=True)

    def result(self, content: Digest) -> tuple[str, Line] | None:
        """
        Return where below the outbox that content was published, and the line of its job; None where it was
        not.

        Raises OSError where the disk fails under a file of an earlier version's job.
        """
        with self._lock:
            for _, line in self._at(self._results, content.sha256):
                if (path := result_path(line, content)) is not None:
                    return path, line
            self._hash_results(content.size)
            if (found := self._read_results.get(content.sha256)) is not None:
                position, path = found
                return path, self.line(position) or {}
        return None

    def is_original(self, content: Digest) -> bool:
        """
        Return whether a finished job was asked to edit that content.

        Raises OSError where the disk fails under a file of an earlier version's job.
        """
        with self._lock:
            for _, line in self._at(self._originals, content.sha256):
                if line.get("original") == asdict(content):
                    return True
            self._hash_originals(content.size)
            for position in self._unread("original", self._image_sizes.find(content.size)):
                line = self.line(position) or {}
                if "original" not in line and (path := _original(line)):
                    with at(Folder.DONE):
                        found = found_digest(self._folders.done, path)
                    self._read_originals |= {found.sha256} if found else set()
            return content.sha256 in self._read_originals

    def line(self, position: int) -> Line | None:
        """
        Return the line at a position, None where none is any more.
        """
        start, number = divmod(position, _JOURNALS)
        return self.journals[number].history.line(start)

    def _read_on(self, journal: Journal, on_text: OnText) -> None:
        before = journal.history.written  # First: a job may end meanwhile.
        head, end = journal.history.state()
        for known, known_end in ((journal.head, journal.end), before):
            if end < known_end or (known and head != known):
                raise ReplacedError
        journal.head = head
        if end == journal.end:
            return
        for start, line_end, text in journal.history.texts(journal.end):
            facts = facts_in(text)
            position = start * _JOURNALS + journal.number
            self._add(position, text, facts)
            on_text(position, text, facts)
            journal.end = line_end

    def _add(self, position: int, text: bytes, facts: Facts) -> None:
        for own in facts.fingerprints:
            self._image_sizes.add(own.size, position)
            self._fingerprints.add(hash_key(own.sha256), position)
        if facts.original is not None:
            self._originals.add(hash_key(facts.original.sha256), position)
        for own in facts.received:
            self._image_sizes.add(own.size, position)
            self._received.add(hash_key(own.sha256), position)
        for each in facts.results or ():
            self._result_sizes.add(each.size, position)
            self._results.add(hash_key(each.sha256), position)
        if (bare := bare_in(text)) is not None:
            if bare.original is not None:
                self._image_sizes.add(bare.original, position)
                self._unhashed.add(bare.original, position)
            for size, _ in bare.results:
                self._result_sizes.add(size, position)

    def _hash_originals(self, size: int) -> None:
        """
        Derive the fingerprints that no line tells of jobs whose original has that size.
        """
        for position in self._unread("fingerprint", self._unhashed.find(size)):
            path = _record(self.line(position) or {})
            with at(Folder.DONE):
                body = history.record_in(self._folders.done, path)
                if body is None or not is_told(body):
                    continue  # It was taken away since, or is another one's by now.
                found = of_record(body, path, done=self._folders.done, inbox=self._folders.inbox)
            if found is not None:
                self._read_fingerprints[found.sha256] = position
                self._read_originals.add(found.image)

    def _hash_results(self, size: int) -> None:
        for position in self._unread("results", self._result_sizes.find(size)):
            bare = (self.line(position) or {}).get("bare")
            for number, path in bare["results"] if bare else ():
                if number != size:
                    continue
                for folder, root in self._folders.results().items():
                    with at(folder):
                        found = found_digest(root, raw_name(path))
                    if found is not None:
                        self._read_results[found.sha256] = position, path

    def _unread(self, what: str, positions: list[int]) -> Iterator[int]:
        """
        Yield those positions whose files were not read for that yet; one is noted once it was.
        """
        for position in positions:
            if (what, position) not in self._hashed:
                yield position
                self._hashed.add((what, position))

    def _at(self, index: HashIndex, sha256: str) -> Iterator[tuple[int, Line]]:
        for position in index.find(hash_key(sha256)):
            if (line := self.line(position)) is not None:
                yield position, line


def _ended(line: Line) -> str:
    """
    Return when a job ended as it is written, which sorts by time.
    """
    return str(line.get("finished_at") or "")


def _record(line: Line) -> str:
    return raw_name(record_path(line))


def _original(line: Line) -> str | None:
    return beside(_record(line), line.get("name"), line.get("image"))
