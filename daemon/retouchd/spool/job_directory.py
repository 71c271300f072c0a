"""
A job's directory: its state, read at once; the claim, and the claim reversed, as renames of its originals.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from retouchd.disk import durable, file_stat, moves
from retouchd.disk.nofollow import Entry, OpenFolder
from retouchd.errors import Blocked
from retouchd.job import naming
from retouchd.job.model import Attempt, Job, Member, Opened
from retouchd.spool import documents
from retouchd.spool.phase import JOB, ORIGINALS, PLAN, Phase, attempts_in, phase_of
from retouchd.spool.plan import Plan, suffixes_in

CRASHES = "crashes"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """
    All that a job's directory says: its documents, and the relative names of its files.

    `opened` is the note of the last attempt while that is not closed.
    """

    id: str
    files: frozenset[str]
    job: Job | None
    attempts: tuple[Attempt, ...]
    opened: Opened | None
    plan: Plan | None
    crashes: tuple[str, ...]

    @property
    def phase(self) -> Phase:
        """
        Return where the job stands.
        """
        members = (member.name for member in self.job.members) if self.job else ()
        return phase_of(self.files, members)

    @property
    def number(self) -> int:
        """
        Return the number of the last attempt, open or closed; 0 if there is none.
        """
        return max(attempts_in(self.files), default=0)

    def asking(self, number: int, opened: Opened) -> "JobState":
        """
        Return where the job stands once an attempt was opened.
        """
        return replace(self, files=self.files | {f"attempt-{number}.open"}, opened=opened)

    def kept(self) -> "JobState":
        """
        Return where the job stands once the answer to its last attempt was kept.
        """
        return replace(self, files=self.files | {f"attempt-{self.number}.response"})

    def planned(self, plan: Plan) -> "JobState":
        """
        Return where the job stands once its end was fixed.
        """
        return replace(self, files=self.files | {PLAN}, plan=plan)

    def without(self, names: Iterable[str]) -> "JobState":
        """
        Return where the job stands once these files have left its directory.
        """
        return replace(self, files=self.files.difference(names))

    def below(self, folder: str) -> list[str]:
        """
        Return the names in one of the job's folders, in the order of their numbers or letters.
        """
        found = [name.partition("/")[2] for name in self.files if name.startswith(f"{folder}/")]
        return sorted(found, key=lambda name: (len(name.partition(".")[0]), name))


def job_of(job_state: JobState) -> Job:
    """
    Return the job that stands there; every phase but the empty one has one.
    """
    assert job_state.job is not None, f"{job_state.id} has no job.json"
    return job_state.job


def opened_of(job_state: JobState) -> Opened:
    """
    Return what was noted when the last attempt was opened; raises Blocked where the note is gone.
    """
    if job_state.opened is None:
        msg = (
            f"attempt-{job_state.number}.open is gone from jobs/{job_state.id} in the work folder. Put it "
            "back, or move what is in its originals/ back to the inbox and remove the folder."
        )
        raise Blocked(msg)
    return job_state.opened


def read_job_state(job_id: str, folder: Path) -> JobState:
    """
    Return where the job of that directory stands; raises Blocked for a damaged document.
    """
    found = frozenset(_names_below(folder))
    if JOB not in found and found - {durable.temporary_of(folder / JOB).name}:
        msg = f"{folder / JOB} is gone. {_safe(folder)}"
        raise Blocked(msg)
    parts = attempts_in(found)
    closed = [n for n in sorted(parts) if "json" in parts[n]]
    last = max(parts, default=0)
    is_open = last not in closed and "open" in parts.get(last, ())
    try:
        return JobState(
            id=job_id,
            files=found,
            job=documents.load_job(file_stat.read(folder / JOB)) if JOB in found else None,
            attempts=tuple(
                documents.load_attempt(file_stat.read(folder / f"attempt-{n}.json")) for n in closed
            ),
            opened=documents.load_opened(file_stat.read(folder / f"attempt-{last}.open"))
            if is_open
            else None,
            plan=documents.load_plan(file_stat.read(folder / PLAN)) if PLAN in found else None,
            crashes=_lines(folder / CRASHES) if CRASHES in found else (),
        )
    except (ValueError, KeyError, TypeError) as error:
        msg = f"A document in {folder} is damaged ({error}). {_safe(folder)}"
        raise Blocked(msg) from error


def _safe(folder: Path) -> str:
    return (
        f"Its originals are safe in {folder / ORIGINALS}: move them back to the inbox, then remove "
        "the folder."
    )


def _names_below(folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from (f"{entry.name}/{name}" for name in os.listdir(entry))  # noqa: PTH208
        else:
            yield entry.name


def _lines(path: Path) -> tuple[str, ...]:
    return tuple(file_stat.read(path).decode().splitlines())


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
