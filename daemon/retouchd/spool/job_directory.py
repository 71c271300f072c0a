"""
The claim, and the claim reversed, as renames of a job's originals.
"""

from collections.abc import Callable
from pathlib import Path

from retouchd.disk import durable, file_stat, moves
from retouchd.disk.nofollow import Entry, OpenFolder
from retouchd.job import naming
from retouchd.job.model import Job, Member
from retouchd.spool.plan import suffixes_in


def claim(job: Job, inbox: OpenFolder, originals: Path) -> bool:
    """
    Rename the members out of the inbox, the image first; return whether all of them are here.

    A file that is no longer the one seen is left alone, with all that follow it: it belongs to
    somebody's newer bundle, or to another daemon.
    """
    with durable.synced(originals, inbox):
        return all(_claim_one(member, inbox, originals) for member in job.members)


def end(job: Job, inbox: OpenFolder, originals: Path) -> None:
    """
    Remove the other name of each member that has two: what a claim or a return cut short may leave.
    """
    for member in job.members:
        _end_one(inbox / member.inbox_name, originals / member.name)


def undo_claim(
    job: Job, inbox: OpenFolder, originals: Path, rewrite: Callable[[Job], None]
) -> list[str]:
    """
    Rename the members back into the inbox, the image last; return the names they have there.

    Where one of their names is taken by now, all of them get one free stem; the new names are made
    durable by `rewrite` first, so that a half-done return still reads as a half-done claim.
    """
    here = {member.name for member in job.members if file_stat.is_taken(originals / member.name)}
    if any(_is_clash(m, inbox, originals) for m in job.members if m.name in here):
        job = _renamed(job, inbox)
        rewrite(job)
    returned = [member for member in reversed(job.members) if member.name in here]
    for member in returned:
        moves.rename_new(originals / member.name, inbox / member.inbox_name)
    return [member.inbox_name for member in returned]


def _claim_one(member: Member, inbox: OpenFolder, originals: Path) -> bool:
    source, target = inbox / member.inbox_name, originals / member.name
    if file_stat.is_taken(target):
        _end_one(source, target)
        return True
    if not member.snapshot.shows(file_stat.snapshot(source)):
        return False
    try:
        moves.take(source, target)
    except FileNotFoundError:
        return False
    return True


def _end_one(outside: Entry, here: Path) -> None:
    if file_stat.is_same(outside, here):
        durable.remove(outside)
    else:
        moves.release(here, outside)


def _is_clash(member: Member, inbox: OpenFolder, originals: Path) -> bool:
    here, outside = originals / member.name, inbox / member.inbox_name
    return file_stat.is_taken(outside) and not (
        file_stat.is_same(here, outside) or moves.is_reserved(here, outside)
    )


def _renamed(job: Job, inbox: OpenFolder) -> Job:
    suffixes = suffixes_in(job, [member.name for member in job.members])
    stem = naming.free_stem(
        job.stem, job.id, list(suffixes.values()), lambda name: file_stat.is_taken(inbox / name)
    )
    return job.under(stem, suffixes)
