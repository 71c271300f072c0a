"""
How a job ends: its problems, and what of its directory goes along with the originals.
"""

from collections.abc import Sequence
from dataclasses import replace

from retouchd.errors import JobCode, Problem
from retouchd.job import naming
from retouchd.job.model import Attempt, Job, Role, Verdict
from retouchd.spool.job_state import JobState, job_of
from retouchd.spool.phase import ORIGINALS, attempts_in


def with_unfinished(
    job_state: JobState, ends: Sequence[Sequence[Problem]]
) -> Sequence[Sequence[Problem]]:
    """
    Return how each edit ended, those among them that could not be finished.
    """
    failed = job_state.finished.failed
    if not failed:
        return ends
    job = job_of(job_state)
    found = list(ends) or [()] * len(job.edits)
    for edit, why in failed.items():
        found[edit - 1] = [*found[edit - 1], _unfinished(job, why)]
    return found


def _unfinished(job: Job, why: str) -> Problem:
    name = naming.shown(job.members[0].name)
    return Problem(
        code=JobCode.FINISHING_FAILED,
        message=f"{name} was edited, and what its mask does not open could not be protected: {why}",
        hint="What came was paid for and lies here, too; it is not asked for again. See to that cause",
    )


def told_problems(job: Job, ends: Sequence[Sequence[Problem]]) -> tuple[Problem, ...]:
    """
    Return the problems of a job, each once: of those that not all of its edits have, each says whose it is.
    """
    found: dict[Problem, None] = {}
    asked = [each for number, each in enumerate(ends, 1) if number not in job.had]
    for edit, problems in zip(job.edits, ends, strict=bool(ends)):
        for each in problems:
            if all(each in others for others in asked):
                found[each] = None
            else:
                found[replace(each, message=f"{edit.name}: {each.message}")] = None
    return tuple(found)


def originals(job_state: JobState) -> list[str]:
    """
    Return what is in `originals/`, without our own records and reasons that came back with it.
    """
    leftovers = {m.name for m in job_of(job_state).members if m.role is Role.LEFTOVER}
    return [f"{ORIGINALS}/{name}" for name in job_state.below(ORIGINALS) if name not in leftovers]


def fruitless(job_state: JobState) -> list[str]:
    """
    Return the answers that may be worth money and brought no picture, the first one first.
    """
    closed = {each.key: each for each in job_state.attempts}
    return [
        there["response"]
        for key, there in sorted(attempts_in(job_state.files).items())
        if "response" in there and _may_be_worth_money(closed.get(key))
    ]


def _may_be_worth_money(attempt: Attempt | None) -> bool:
    if attempt is None or attempt.http_status is None:
        return True  # Nobody could read it so far.
    return 200 <= attempt.http_status < 300 and attempt.verdict is not Verdict.DONE
