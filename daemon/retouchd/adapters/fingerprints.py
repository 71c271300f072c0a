"""
What a job is known by, read from its files: where they lie in the inbox, or in the job's directory.
"""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from retouchd.adapters import below, presence
from retouchd.rules.duplicates import Fingerprint, fingerprint
from retouchd.rules.job import Job, Member, Role, Snapshot
from retouchd.rules.naming import path_below
from retouchd.rules.phase import ORIGINALS, REFERENCES

_BLOCK = 1 << 20
"""Bytes read at once: each read lets other threads in, which costs more than it takes."""


def in_inbox(job: Job, inbox: Path) -> Fingerprint:
    """
    Return the fingerprint of what lies in the inbox; raises OSError where it cannot be read.

    Raises FileNotFoundError where a file turns out not to be the one that the job was made of.
    """

    def digest(path: str, snapshot: Snapshot) -> str:
        with below.opened(inbox, path) as file:
            found = _digest(file)
            if presence.snapshot_of(os.fstat(file.fileno())) != snapshot:
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
        with below.opened(folder, path) as file:
            return _digest(file)

    return _fingerprint(
        job,
        lambda member: digest(f"{ORIGINALS}/{member.name}"),
        lambda number: digest(f"{REFERENCES}/{number + 1}"),
    )


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
    return digest.hexdigest()
