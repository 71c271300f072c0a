"""
What edits and pictures are known by, read from their files: in the inbox, in a job's directory, or below
any other folder.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from retouchd.disk import file_stat, nofollow
from retouchd.disk.thread_pools import step
from retouchd.job.model import Job, Member, Role, Snapshot
from retouchd.job.naming import path_below
from retouchd.spool.fingerprint import Digest, Fingerprint, fingerprint
from retouchd.spool.phase import ORIGINALS, REFERENCES
from retouchd.spool.recovered_job import beside, references_of, request_of

_BLOCK = 1 << 20
"""Bytes read at once: each read lets other threads in, which costs more than it takes."""


def in_inbox(job: Job, inbox: Path) -> Fingerprint:
    """
    Return the fingerprint of what lies in the inbox; raises OSError where it cannot be read.

    Raises FileNotFoundError where a file turns out not to be the one that the job was made of.
    """

    def digest(path: str, snapshot: Snapshot) -> str:
        with nofollow.opened(inbox, path) as file:
            found = _digest(file)
            if not snapshot.shows(file_stat.snapshot_of(os.fstat(file.fileno()))):
                raise FileNotFoundError(errno.ENOENT, "It was changed meanwhile", path)
        return found

    return _fingerprint(
        job,
        lambda member: digest(path_below(job.folder, member.inbox_name), member.snapshot),
        lambda number: digest(job.references[number].path, job.references[number].snapshot),
    )


def in_work(job: Job, folder: Path) -> Fingerprint:
    """
    Return the fingerprint of a job that has all its files in its directory; raises OSError otherwise.
    """

    def digest(path: str) -> str:
        with nofollow.opened(folder, path) as file:
            return _digest(file)

    return _fingerprint(
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


def _fingerprint(
    job: Job, member: Callable[[Member], str], reference: Callable[[int], str]
) -> Fingerprint:
    image, mask = job.member(Role.IMAGE), job.member(Role.MASK)
    assert image is not None, "a job without an image has a problem"
    return fingerprint(
        image.snapshot.size,
        job.request,
        member(image),
        member(mask) if mask else None,
        [reference(number) for number, _ in enumerate(job.references)],
    )


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
        step()
    return digest.hexdigest()
