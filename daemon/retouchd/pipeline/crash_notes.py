"""
Notes of the steps in which a process ended unexpectedly: how they call a step, and when an edit fails by them.
"""

from retouchd.errors import JobCode, Problem
from retouchd.job.model import Job
from retouchd.job.naming import shown
from retouchd.spool.job_state import EditState
from retouchd.spool.phase import Phase

CRASHES_TO_FAIL = 3
FETCHED = "fetched"
"""The step in which a picture is decoded that was fetched."""
_STEPS = {Phase.CLAIMED: (Phase.CLAIMED.value,), Phase.KEPT: (Phase.KEPT.value, FETCHED)}
"""The steps of the phases that decode what somebody else made."""


def crash_step(step: str, edit_state: EditState) -> str:
    """
    Return how a note of a crash calls a step of an edit.
    """
    return step if edit_state.edit == 1 else f"{step} {edit_state.edit}"


def crash_steps(edit_state: EditState) -> set[str]:
    """
    Return how notes of crashes call all steps of an edit that may be noted.
    """
    return {crash_step(each, edit_state) for steps in _STEPS.values() for each in steps}


def has_crashed(edit_state: EditState) -> bool:
    """
    Return whether the present phase of an edit has brought processes down too often.
    """
    names = {crash_step(each, edit_state) for each in _STEPS.get(edit_state.phase, ())}
    return sum(each in names for each in edit_state.whole.crashes) >= CRASHES_TO_FAIL


def crashed(job: Job) -> Problem:
    """
    Return how an edit ends that has brought processes down.
    """
    return Problem(
        code=JobCode.CRASHED,
        message=f"retouchd ended unexpectedly {CRASHES_TO_FAIL} times while working on "
        f"{shown(job.members[0].name)}.",
        hint="Please report it, open the picture in another program and save it anew.",
    )
