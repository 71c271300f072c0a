"""
What the end of a request means: for the job, for the money, for the endpoint; and who is at fault.

Words decide before the status (`error_patterns`). What is not provably unpaid is in doubt: an unknown failure
is treated as a generation that was charged.

Who is at fault for what the endpoint refused: the job that met it, and which of its files. What the operator is
told where the endpoint does not take the key.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from retouchd.answer.error_body import (
    ErrorBody,
    Reach,
    is_about_an_answer,
    reach_of,
    read_error,
    request_id_of,
    safe_text,
)
from retouchd.answer.error_kinds import ErrorKind, is_turned_away, kind_of_status, meaning_of
from retouchd.answer.error_patterns import kind_of_error
from retouchd.answer.retry_after import retry_after
from retouchd.endpoint.api_key import KeySource
from retouchd.errors import JobCode, Problem
from retouchd.job.model import CONFIGURATION, Job, Role, Verdict
from retouchd.job.naming import sentence, shown
from retouchd.request.limits import MB, told_size


class Failure(StrEnum):
    """
    How a request ended that got no answer.
    """

    NOT_SENT = "not_sent"
    """Provably nothing was sent that could be charged."""
    UNREADABLE = "unreadable"
    """A file of ours could not be read: nothing was sent, and the endpoint had no part in it."""
    OUTDATED = "outdated"
    """What was ready may not be sent any more as it is, by settings that were changed meanwhile."""
    NO_ANSWER = "no_answer"
    """Sent, and no whole answer came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """
    A verdict with what people and the breaker need to know about it.

    `code` is the endpoint's own where it gave one, else ours. `message` is at most 500 characters without
    control characters or keys. `job_code` names the fault should the job end with this verdict; None where no
    file is at fault. `complaint` says in a few words what is wrong where an operator must act. `retry_after`
    is in seconds. `endpoint_failure` counts toward the breaker; `slows_pool` delays every request, not this
    job's alone, and `may_slow_pool` does where others are served meanwhile; `may_hide_account` is a failure
    behind which an account's fault may hide. `error_kind` is what the endpoint's words are about, if it had
    any; `parameter` the field refused, if named. `common_fault` says what was wrong if a configuration, not a
    file, is the likely cause. `is_final` where repeating cannot change an answer that may have been charged.
    """

    verdict: Verdict
    code: str
    message: str
    job_code: JobCode | None = None
    hint: str = ""
    complaint: str = ""
    retry_after: float | None = None
    endpoint_failure: bool = False
    slows_pool: bool = False
    may_slow_pool: bool = False
    may_hide_account: bool = False
    parameter: str | None = None
    common_fault: str | None = None
    request_id: str | None = None
    is_final: bool = False
    error_kind: ErrorKind | None = None

    @property
    def reason(self) -> str:
        """
        Return what to tell the operator: what is wrong, in the endpoint's own words too, and what to do.
        """
        if not self.complaint:
            return self.message
        return f"{self.complaint}: {sentence(self.message)} {self.hint}"


_BAD_SUCCESS_HINT = (
    "The answer was paid for but holds no picture: check endpoint.base_url and edit.model."
)

_OUTWEIGHED = {ErrorKind.UNKNOWN, ErrorKind.BUSY, ErrorKind.UNAVAILABLE}
"""Of these a relay or a proxy may know more: how far the request got."""

_BY_REACH = {Reach.NOBODY: ErrorKind.UNAVAILABLE, Reach.SOMEBODY: ErrorKind.UNKNOWN}

_ABOUT_A_FILE = {
    ErrorKind.TOO_LARGE,
    ErrorKind.TOO_SMALL,
    ErrorKind.UNSUPPORTED,
    ErrorKind.UNREADABLE,
    ErrorKind.PARAMETER,
    ErrorKind.REQUEST,
}

_DEMAND = re.compile(r"limit:? (\d{1,9})\b.{0,60}requested:? (\d{1,9})\b", re.IGNORECASE)


def judge_failure(failure: Failure, message: str) -> Judgement:
    """
    Return what a request means that got no answer; `message` is a plain sentence of the client's.
    """
    match failure:
        case Failure.NOT_SENT:
            return _judgement(ErrorKind.UNAVAILABLE, failure.value, message)
        case Failure.UNREADABLE | Failure.OUTDATED:
            judged = _judgement(ErrorKind.UNAVAILABLE, failure.value, message)
            return replace(judged, endpoint_failure=False)
        case Failure.NO_ANSWER:
            return _judgement(ErrorKind.UNKNOWN, failure.value, message)


def judge_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: dt.datetime,
    *,
    is_cut: bool = False,
) -> Judgement:
    """
    Return what an answer without success means; header names in lower case.

    Of the body the first MiB is enough. A redirect is a fault of the configuration: it is never
    followed, because the key would go along.

    `is_cut`: it came before the request's last bytes were sent, and they never were. Whoever is behind a
    relay or a proxy has at most a part of it, which is no request to any server (RFC 9112, 8): what would be
    in doubt cost nothing.
    """
    error = read_error(body)
    error_kind = _kind_of(status, headers, error, body)
    if is_cut and meaning_of(error_kind).verdict is Verdict.IN_DOUBT:
        error_kind = ErrorKind.UNAVAILABLE
    code = _code(error) or f"http_{status}"
    message = " ".join(error.message.split()) or f"no reason given (HTTP {status})"
    if 300 <= status < 400:
        code, message = "redirected", f"redirected to {headers.get('location', 'nowhere')}"
    elif error.is_page:
        message = f"HTTP {status} with {message}"
    return _judgement(
        error_kind,
        code,
        message,
        parameter="model" if error_kind is ErrorKind.MODEL else error.parameter,
        retry_after=retry_after(headers, error.message, now),
        request_id=request_id_of(headers, error.message),
    )


def judge_bad_success(
    fault: str, text: str | None, headers: Mapping[str, str], body: bytes, now: dt.datetime
) -> Judgement:
    """
    Return what a 2xx means from which no picture could be had; `fault` says why, `text` what came instead.

    Where the body is an error that names a reason (relays send errors with status 200 too), the reason
    decides as it would under any status. Everything else may have been charged.
    """
    error = read_error(body)
    error_kind = kind_of_error(error, 200) if _code(error) or error.message else None
    if error_kind is None and not error.is_page and reach_of(headers, error, body) is Reach.NOBODY:
        error_kind = ErrorKind.UNAVAILABLE
    if error_kind not in {None, ErrorKind.UNKNOWN}:
        return judge_answer(200, headers, body, now)
    said = error.message if error.is_page else (f"{fault}: {text}" if text else fault)
    return Judgement(
        verdict=Verdict.IN_DOUBT,
        code=JobCode.BAD_RESPONSE.value,
        message=safe_text(" ".join(said.split())),
        job_code=JobCode.BAD_RESPONSE,
        common_fault=f"the answer was not a picture but {fault}",
        hint=_BAD_SUCCESS_HINT,
        request_id=request_id_of(headers, error.message),
    )


def _judgement(
    error_kind: ErrorKind,
    code: str,
    message: str,
    *,
    parameter: str | None = None,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> Judgement:
    meaning = meaning_of(error_kind)
    code = safe_text(code)
    return Judgement(
        verdict=meaning.verdict,
        code=code,
        message=safe_text(message),
        job_code=meaning.job_code,
        hint=meaning.hint,
        complaint=meaning.complaint,
        retry_after=meaning.wait if retry_after is None else retry_after,
        endpoint_failure=meaning.verdict in {Verdict.TRANSIENT, Verdict.IN_DOUBT},
        slows_pool=meaning.slows_pool,
        may_slow_pool=meaning.may_slow_pool,
        may_hide_account=meaning.may_hide_account,
        parameter=None if parameter is None else safe_text(parameter),
        common_fault=meaning.common_fault or _common_fault(error_kind, parameter, code),
        request_id=request_id,
        error_kind=error_kind,
    )


def _kind_of(status: int, headers: Mapping[str, str], error: ErrorBody, body: bytes) -> ErrorKind:
    error_kind = kind_of_error(error, status) or kind_of_status(status, headers, error)
    if error_kind in _OUTWEIGHED and not is_turned_away(status, error):
        reach = reach_of(headers, error, body)
        if reach is None and is_about_an_answer(error.message):
            return ErrorKind.UNKNOWN
        return error_kind if reach is None else _BY_REACH[reach]
    if error_kind is ErrorKind.THROTTLED:
        return _kind_of_limit(error.message)
    if error.parameter == "mask" and error_kind in _ABOUT_A_FILE:
        return ErrorKind.MASK
    if error_kind in {ErrorKind.REQUEST, ErrorKind.PARAMETER}:
        return _kind_of_parameter(error_kind, error)
    return error_kind


def _kind_of_parameter(error_kind: ErrorKind, error: ErrorBody) -> ErrorKind:
    """
    Sort a fault by the field it names: pictures are the file's, anything else is a parameter.
    """
    match error.parameter and error.parameter.partition("[")[0]:
        case None | "":
            return error_kind
        case "image" | "images" | "input_references" if not _NOT_FOUND.isdisjoint(error.codes):
            # A picture goes with each request: whoever misses it, or knows no such field, looks elsewhere.
            return ErrorKind.DIALECT
        case "image" | "images" | "input_references" | "prompt":
            return ErrorKind.REQUEST
        case _:
            return ErrorKind.PARAMETER


_NOT_FOUND = frozenset({"unknown_parameter", "missing_required_parameter"})


def _common_fault(error_kind: ErrorKind, parameter: str | None, code: str) -> str | None:
    if error_kind is ErrorKind.PARAMETER and parameter:
        return f"the endpoint refuses {safe_text(parameter)}"
    if error_kind is ErrorKind.REQUEST and not parameter:
        # It does not say what of the request it objects to, so it need not be anything of the file's.
        return f"the endpoint refuses the request ({code})"
    return None


def _kind_of_limit(message: str) -> ErrorKind:
    """
    Tell a limit that is reached from one that can never be kept ("Limit 5, Used 0, Requested 6").

    A limit of nothing is what an account without credit has.
    """
    found = _DEMAND.search(message)
    if found is None or int(found[2]) <= int(found[1]):
        return ErrorKind.THROTTLED
    return ErrorKind.DEMAND if int(found[1]) else ErrorKind.MONEY


def _code(error: ErrorBody) -> str:
    return next(iter((*error.codes, *error.types)), "")


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


def as_told(judgement: Judgement, key: KeySource) -> Judgement:
    """
    Return a judgement that, where it is about the key, says which one, and where another one goes.
    """
    is_about_key = judgement.error_kind is ErrorKind.KEY or (
        not key.place and judgement.error_kind is ErrorKind.ACCESS
    )
    if not is_about_key:
        return judgement
    return replace(judgement, complaint=key.complaint, hint=key.remedy)
