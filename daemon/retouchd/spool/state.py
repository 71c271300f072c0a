"""
Where a job stands: all that its directory says, read at once.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from retouchd.disk import durable, file_stat
from retouchd.errors import Blocked
from retouchd.job.model import Attempt, Job, Opened
from retouchd.spool import documents
from retouchd.spool.phase import JOB, ORIGINALS, PLAN, Phase, attempts_in, phase_of
from retouchd.spool.plan import Plan

CRASHES = "crashes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
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

    def asking(self, number: int, opened: Opened) -> "Standing":
        """
        Return where the job stands once an attempt was opened.
        """
        return replace(self, files=self.files | {f"attempt-{number}.open"}, opened=opened)

    def kept(self) -> "Standing":
        """
        Return where the job stands once the answer to its last attempt was kept.
        """
        return replace(self, files=self.files | {f"attempt-{self.number}.response"})

    def planned(self, plan: Plan) -> "Standing":
        """
        Return where the job stands once its end was fixed.
        """
        return replace(self, files=self.files | {PLAN}, plan=plan)

    def without(self, names: Iterable[str]) -> "Standing":
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


def job_of(standing: Standing) -> Job:
    """
    Return the job that stands there; every phase but the empty one has one.
    """
    assert standing.job is not None, f"{standing.id} has no job.json"
    return standing.job


def opened_of(standing: Standing) -> Opened:
    """
    Return what was noted when the last attempt was opened; raises Blocked where the note is gone.
    """
    if standing.opened is None:
        msg = (
            f"attempt-{standing.number}.open is gone from jobs/{standing.id} in the work folder. Put it "
            "back, or move what is in its originals/ back to the inbox and remove the folder."
        )
        raise Blocked(msg)
    return standing.opened


def read_standing(job_id: str, folder: Path) -> Standing:
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
        return Standing(
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
