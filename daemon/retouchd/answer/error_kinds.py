"""
What an error can be about, what follows from each, and what the HTTP status alone says of it.

What an HTTP status is about where the words of an answer do not say, and what a web page in front can be about.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from retouchd.answer.error_body import ErrorBody, is_about_an_answer
from retouchd.errors import JobCode
from retouchd.job.model import Verdict


class ErrorKind(Enum):
    """
    What an error is about, as finely as the person who has to act needs it.
    """

    KEY = auto()
    MONEY = auto()
    MODEL = auto()
    ACCESS = auto()
    ADDRESS = auto()
    VERSION = auto()
    """The address names a version of the interface that the endpoint does not have."""
    HEADERS = auto()
    """The endpoint wants to be told something in the request's headers."""
    FIREWALL = auto()
    PROXY = auto()
    """The proxy that the environment names does not let us through."""
    POLICY = auto()
    BODY_TOO_LARGE = auto()
    """The request as a whole: the limit is the endpoint's, or that of a proxy in front of it."""
    TOO_LARGE = auto()
    TOO_SMALL = auto()
    UNSUPPORTED = auto()
    UNREADABLE = auto()
    MASK = auto()
    PARAMETER = auto()
    PROMPT_LENGTH = auto()
    REQUEST = auto()
    DIALECT = auto()
    """The endpoint does not understand how retouchd asks."""
    ENCODING = auto()
    """The endpoint takes forms where it was sent a document, or the other way round."""
    DEMAND = auto()
    """One request asks for more than is ever given at once."""
    THROTTLED = auto()
    SATURATED = auto()
    COOLDOWN = auto()
    """A relay has parked whatever it could have asked, and does not say why."""
    BUSY = auto()
    """Turned away unread: the endpoint is down, or takes no more at once."""
    UNAVAILABLE = auto()
    UNKNOWN = auto()
    """Nobody can tell whether the request was carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """
    What follows from an error kind: the verdict, the job's code should it end so, and what a person can do.

    `complaint` says in a few words what is wrong, for the operator. `common_fault` is what is wrong with the
    configuration if three different files in a row meet it. `wait` is in seconds, where the endpoint names
    none. `slows_pool` concerns every request, not one job's alone, and `may_slow_pool` does where the endpoint
    serves others meanwhile; what `may_hide_account` may be a fault of the account that the endpoint does not
    tell.
    """

    verdict: Verdict
    job_code: JobCode | None = None
    hint: str = ""
    complaint: str = ""
    common_fault: str | None = None
    wait: float | None = None
    slows_pool: bool = False
    may_slow_pool: bool = False
    may_hide_account: bool = False


def _account(complaint: str, hint: str) -> Meaning:
    return Meaning(verdict=Verdict.ACCOUNT, complaint=complaint, hint=hint)


def _refused(job_code: JobCode, hint: str, common_fault: str | None = None) -> Meaning:
    return Meaning(verdict=Verdict.REFUSED, job_code=job_code, hint=hint, common_fault=common_fault)


_MEND = "Change what it objects to, or try another prompt or picture."
_STYLE = (
    "Set endpoint.style to how this endpoint is asked (docs/endpoints.md has a recipe for each)."
)

_MEANINGS = {
    ErrorKind.KEY: _account(
        "The endpoint does not accept the key", "Set a valid endpoint.api_key."
    ),
    ErrorKind.MONEY: _account(
        "The account or the key has nothing left to spend",
        "Top up the account, or raise the limit of the key at the provider.",
    ),
    ErrorKind.MODEL: _account(
        "The endpoint does not offer the model",
        "Set edit.model to a model this endpoint offers to this key.",
    ),
    ErrorKind.ACCESS: _account(
        "The endpoint does not allow this",
        "Ask the provider what this key may do, and from which addresses.",
    ),
    ErrorKind.ADDRESS: _account(
        "There are no edits at this address",
        "Set endpoint.base_url to where the endpoint's interface begins, which for most ends in /v1, and "
        "endpoint.style to how it is asked.",
    ),
    ErrorKind.VERSION: _account(
        "The endpoint does not know the version it is asked for",
        "Set the api-version at the end of endpoint.base_url to one that this endpoint has for edits.",
    ),
    ErrorKind.HEADERS: _account(
        "The endpoint misses something that goes along with each request",
        "Add what it names to endpoint.headers.",
    ),
    ErrorKind.PROXY: _account(
        "The proxy of this machine does not let requests through",
        "See what HTTP_PROXY, HTTPS_PROXY or ALL_PROXY in the environment names: it may want a user and a "
        "password (http://user:password@host:port).",
    ),
    ErrorKind.FIREWALL: _account(
        "The request did not get through to the endpoint",
        "A proxy in front of the endpoint turns this machine away: ask the provider, or use another address.",
    ),
    ErrorKind.POLICY: _refused(JobCode.CONTENT_POLICY, "Change the prompt or the picture."),
    ErrorKind.BODY_TOO_LARGE: _refused(
        JobCode.IMAGE_TOO_LARGE,
        "Make the picture smaller.",
        common_fault="the endpoint, or a proxy in front of it, takes no request this large",
    ),
    ErrorKind.TOO_LARGE: _refused(JobCode.IMAGE_TOO_LARGE, "Make the picture smaller."),
    ErrorKind.TOO_SMALL: _refused(JobCode.REFUSED, "Make the picture larger."),
    ErrorKind.UNSUPPORTED: _refused(
        JobCode.IMAGE_UNSUPPORTED, "Save the picture as PNG, JPEG or WebP."
    ),
    ErrorKind.UNREADABLE: _refused(JobCode.IMAGE_UNREADABLE, "Save the picture anew as 8-bit RGB."),
    ErrorKind.MASK: _refused(
        JobCode.MASK_INVALID,
        "Give the mask the picture's size and transparent areas where to edit.",
    ),
    ErrorKind.PARAMETER: _refused(JobCode.PARAMETER_INVALID, "Correct the parameter."),
    ErrorKind.PROMPT_LENGTH: _refused(JobCode.PROMPT_TOO_LONG, "Shorten the prompt."),
    ErrorKind.REQUEST: _refused(JobCode.REFUSED, _MEND),
    ErrorKind.DIALECT: _refused(
        JobCode.REFUSED,
        _STYLE,
        common_fault="the endpoint does not find what it needs in the request: see endpoint.style",
    ),
    ErrorKind.ENCODING: _refused(
        JobCode.REFUSED,
        _STYLE,
        common_fault="the endpoint takes no requests that are written so: see endpoint.style",
    ),
    ErrorKind.DEMAND: _refused(
        JobCode.REFUSED,
        "Send fewer pictures with one request, or have the provider raise the limit.",
        common_fault="the endpoint is asked for more than its limit at once",
    ),
    ErrorKind.THROTTLED: Meaning(verdict=Verdict.TRANSIENT, slows_pool=True),
    ErrorKind.SATURATED: Meaning(verdict=Verdict.TRANSIENT, slows_pool=True, wait=60.0),
    ErrorKind.COOLDOWN: Meaning(
        verdict=Verdict.TRANSIENT,
        slows_pool=True,
        may_hide_account=True,
        complaint="The relay has nobody to pass the request on to",
        hint="See in the relay's log whether a provider refuses a key of its own, or is out of money.",
    ),
    ErrorKind.BUSY: Meaning(verdict=Verdict.TRANSIENT, may_slow_pool=True),
    ErrorKind.UNAVAILABLE: Meaning(verdict=Verdict.TRANSIENT),
    ErrorKind.UNKNOWN: Meaning(
        verdict=Verdict.IN_DOUBT,
        job_code=JobCode.IN_DOUBT,
        hint="The request may have been charged: look at the provider's usage page before trying again.",
    ),
}


def meaning_of(error_kind: ErrorKind) -> Meaning:
    """
    Return what follows from an error kind.
    """
    return _MEANINGS[error_kind]


# 408 and 409 may come while the generation goes on; 425 is sent before anything was done (RFC 8470); 521, 523
# and 530 are Cloudflare's: the server behind it refuses connections, cannot be reached, has no address.
_STATUSES = {
    401: ErrorKind.KEY,
    402: ErrorKind.MONEY,
    403: ErrorKind.ACCESS,
    404: ErrorKind.ADDRESS,
    405: ErrorKind.ADDRESS,
    407: ErrorKind.PROXY,
    408: ErrorKind.UNKNOWN,
    409: ErrorKind.UNKNOWN,
    410: ErrorKind.ADDRESS,
    413: ErrorKind.BODY_TOO_LARGE,
    415: ErrorKind.ENCODING,
    425: ErrorKind.UNAVAILABLE,
    426: ErrorKind.ADDRESS,
    429: ErrorKind.THROTTLED,
    451: ErrorKind.POLICY,
    499: ErrorKind.UNKNOWN,
    501: ErrorKind.ADDRESS,
    503: ErrorKind.BUSY,
    505: ErrorKind.ADDRESS,
    511: ErrorKind.FIREWALL,
    521: ErrorKind.UNAVAILABLE,
    523: ErrorKind.UNAVAILABLE,
    530: ErrorKind.UNAVAILABLE,
}

_TURNED_AWAY = {408, 409}
"""A front's own: the request did not come whole (haproxy, nginx), or cannot be passed on just now."""
_GIVEN_UP = 499
"""nginx's for a client that left: what was behind it may have gone on."""
_OF_FRONTS = {
    ErrorKind.KEY,
    ErrorKind.MONEY,
    ErrorKind.ACCESS,
    ErrorKind.ADDRESS,
    ErrorKind.PROXY,
} | {
    ErrorKind.BODY_TOO_LARGE,
    ErrorKind.UNAVAILABLE,
    ErrorKind.THROTTLED,
}
"""What a page in front of an endpoint can be about; that leaves out whatever is in a file."""

_CHALLENGE = re.compile(
    r"just a moment|attention required|access denied|captcha|challenge", re.IGNORECASE
)
_UPSTREAM_STATUS = re.compile(r"status code:? (\d{3})")


def is_turned_away(status: int, error: ErrorBody) -> bool:
    """
    Return whether a front says for itself that a request goes no further for now.
    """
    return error.is_page and status in _TURNED_AWAY


def kind_of_status(status: int, headers: Mapping[str, str], error: ErrorBody) -> ErrorKind:
    """
    Return what an answer without telling words is about; header names in lower case.
    """
    if "bad_response_status_code" in error.codes:
        # new-api could not read its upstream's answer; a number of 500 or more may be a charged request.
        upstream = _UPSTREAM_STATUS.search(error.message)
        status = max(status, int(upstream[1])) if upstream else status
    if (error.is_page or error.quotes_page) and 400 <= status < 500:
        return _kind_of_page(status, headers, error)
    if error.is_page and _is_challenge(status, headers, error):
        return ErrorKind.FIREWALL
    is_refused = 400 <= status < 500 and not is_about_an_answer(error.message)
    other = ErrorKind.REQUEST if is_refused else ErrorKind.UNKNOWN
    return _STATUSES.get(status, ErrorKind.ADDRESS if 300 <= status < 400 else other)


def _kind_of_page(status: int, headers: Mapping[str, str], error: ErrorBody) -> ErrorKind:
    """
    Sort a page of whatever stands in front of the endpoint: it has not seen what is in a file, only how large
    the request is.
    """
    if is_turned_away(status, error):
        return ErrorKind.UNAVAILABLE
    if _is_challenge(status, headers, error):
        return ErrorKind.FIREWALL
    error_kind = _STATUSES.get(status, ErrorKind.FIREWALL)
    return error_kind if error_kind in _OF_FRONTS or status == _GIVEN_UP else ErrorKind.FIREWALL


def _is_challenge(status: int, headers: Mapping[str, str], error: ErrorBody) -> bool:
    if status not in {403, 503}:
        return False
    return "cf-mitigated" in headers or _CHALLENGE.search(error.message) is not None
