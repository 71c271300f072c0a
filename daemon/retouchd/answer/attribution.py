"""
Who is at fault for what the endpoint refused: the job that met it, and which of its files.
"""

from dataclasses import replace

from retouchd.answer.classify import Judgement
from retouchd.errors import JobCode, Problem
from retouchd.job.model import CONFIGURATION, Job, Role, Verdict
from retouchd.job.naming import sentence, shown
from retouchd.request.limits import MB, told_size


def as_met_by(judgement: Judgement, job: Job) -> Judgement:
    """
    Return what a judgement means for the job that met it.

    A model the endpoint does not offer concerns every file, unless the picture's own sidecar names it: then
    it is that sidecar's fault, and no reason to keep others waiting. Should three sidecars in a row suffer it,
    it is the endpoint that has no model just now.
    """
    is_unknown_model = judgement.verdict is Verdict.ACCOUNT and judgement.parameter == "model"
    if not is_unknown_model or job.said_by("model") is None:
        return judgement
    words = sentence(judgement.message)
    return replace(
        judgement,
        verdict=Verdict.REFUSED,
        job_code=JobCode.PARAMETER_INVALID,
        message=f"it does not offer the model {shown(job.request.model)} to this key. It said: {words}",
        common_fault="the endpoint does not offer the model to this key",
    )


def problem_of(judgement: Judgement, job: Job) -> Problem:
    """
    Return what ended a job in words for the person who dropped its files: a refusal, or a useless success.
    """
    if judgement.verdict is Verdict.IN_DOUBT:
        return without_picture(f"{shown(job.members[0].name)} was sent", judgement.message)
    code = judgement.job_code or JobCode.REFUSED
    member = (job.member(Role.MASK) if code is JobCode.MASK_INVALID else None) or job.members[0]
    return Problem(
        code=code,
        message=f"The endpoint refused {shown(member.name)}: {sentence(judgement.message)}",
        hint=_hint(judgement, job),
    )


def without_picture(sent: str, message: str) -> Problem:
    """
    Return what a person is told of a success that brought no picture; `sent` says how often it was sent.
    """
    return Problem(
        code=JobCode.BAD_RESPONSE,
        message=f"{sent}, and the endpoint sent no picture but {sentence(message)}",
        hint="It may have been charged, and the answer is kept beside this file: check edit.model "
        "and endpoint.base_url in the configuration, or ask the provider.",
    )


def _hint(judgement: Judgement, job: Job) -> str:
    size = job.members[0].snapshot.size
    if judgement.job_code is JobCode.IMAGE_TOO_LARGE and size >= MB:
        return f"Make the picture smaller than its {told_size(size)}."
    key = judgement.parameter
    origin = job.request.origin.get(key or "")
    if key is None or origin is None or judgement.job_code is not JobCode.PARAMETER_INVALID:
        return judgement.hint
    said_by = job.said_by(key)
    place = said_by.name if said_by else origin
    where = "[edit] of the configuration" if place == CONFIGURATION else shown(place)
    return f"Correct {key} in {where}, or leave it out."
