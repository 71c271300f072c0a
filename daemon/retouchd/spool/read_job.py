"""
Reads where a job stands from its directory, and tells what a power cut tore of it.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from retouchd.disk import file_stat
from retouchd.errors import Blocked
from retouchd.job.model import Verdict
from retouchd.spool import documents, finished_results
from retouchd.spool.finished_results import FinishedResults
from retouchd.spool.job_state import CRASHES, JobState
from retouchd.spool.phase import (
    ANSWER_PART,
    JOB,
    ORIGINALS,
    PLAN,
    RESULTS,
    Phase,
    attempts_in,
)


def read_job_state(job_id: str, folder: Path) -> JobState:
    """
    Return where the job of that directory stands; raises Blocked for a damaged document.

    A torn document counts as not there: whatever is done because of one is done once it is durable.
    """
    found = frozenset(_names_below(folder))
    parts = attempts_in(found)
    names = [each for each in (JOB, PLAN) if each in found]
    names += [there[kind] for there in parts.values() for kind in ("open", "json") if kind in there]
    raw = {name: file_stat.read(folder / name) for name in names}
    torn = {name for name in names if documents.is_torn(raw[name])}
    if any(name.startswith(f"{ORIGINALS}/") for name in found):
        torn.discard(JOB)  # Nothing was claimed without it: it is damaged.
    for there in parts.values():
        if there.get("open", "") in {"", *torn}:
            torn.discard(there.get("json", ""))  # Nothing was closed that had not been opened.
    found -= torn
    if JOB not in found and found - {f"{JOB}.tmp", ANSWER_PART, PLAN, CRASHES}:
        msg = f"{folder / JOB} is gone. {_safe(folder)}"
        raise Blocked(msg)
    try:
        job_state = _state_of(job_id, folder, found, raw)
        if PLAN in torn and not _may_be_planned(job_state):
            documents.load_plan(raw[PLAN])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"A document in {folder} is damaged ({error}). {_safe(folder)}"
        raise Blocked(msg) from error
    return job_state


def _may_be_planned(job_state: JobState) -> bool:
    """
    Return whether nothing was renamed yet that a plan tells of.
    """
    is_whole = job_state.phase not in (Phase.EMPTY, Phase.CLAIMING)
    return is_whole and all(
        edit.outputs or all(each.verdict is not Verdict.DONE for each in edit.attempts)
        for edit in job_state.edits
    )


def _state_of(
    job_id: str, folder: Path, found: frozenset[str], raw: Mapping[str, bytes]
) -> JobState:
    parts = attempts_in(found)
    plan = documents.load_plan(raw[PLAN]) if PLAN in found else None
    closed = {
        key: documents.load_attempt(raw[parts[key]["json"]], key)
        for key in parts
        if "json" in parts[key]
    } | {each.key: each for each in (plan.attempts if plan else ())}
    last = {key[0]: key for key in sorted(parts)}
    return JobState(
        id=job_id,
        files=found,
        job=documents.load_job(raw[JOB]) if JOB in found else None,
        attempts=tuple(closed[key] for key in sorted(closed)),
        opened={
            key[0]: documents.load_opened(raw[parts[key]["open"]])
            for key in last.values()
            if key not in closed and "open" in parts[key]
        },
        plan=plan,
        crashes=_lines(folder / CRASHES) if CRASHES in found else (),
        finished=finished_results.load(file_stat.read(folder / RESULTS))
        if RESULTS in found
        else FinishedResults(),
    )


def _safe(folder: Path) -> str:
    return (
        f"Its originals are safe in {folder / ORIGINALS}: move them back to the inbox, then remove "
        "the folder."
    )


def _names_below(folder: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # Another edit's has just got its name.
                yield from [f"{entry.name}/{name}" for name in os.listdir(entry)]  # noqa: PTH208
        else:
            yield entry.name


def _lines(path: Path) -> tuple[str, ...]:
    with contextlib.suppress(FileNotFoundError):  # Another edit has just made progress.
        return tuple(file_stat.read(path).decode().splitlines())
    return ()
