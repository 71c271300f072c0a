"""
What a fault answers without looking at the request: an error, a web page, a body as it was given.
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.refusal import IMAGE, REQUEST, Refusal
from retouchd.sandbox.relays import CASES
from retouchd.sandbox.styles import Dialect

_PAGES = {
    200: ("Sign in", "Please sign in to this network.", ""),
    403: ("Attention Required! | Cloudflare", "Sorry, you have been blocked", "cloudflare"),
    502: ("502 Bad Gateway", "502 Bad Gateway", "nginx"),
    504: ("504 Gateway Time-out", "504 Gateway Time-out", "nginx"),
    524: ("524: A timeout occurred", "Error 524: a timeout occurred", "cloudflare"),
}
"""Title, heading and server of the page that comes with a status."""

_ELSEWHERE = "/moved/v1/images/edits"

_ERRORS: dict[FaultKind, dict[str, Any]] = {
    FaultKind.KEY: {
        "message": "Incorrect API key provided.",
        "status": 401,
        "code": "invalid_api_key",
    },
    FaultKind.QUOTA: {
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "status": 429,
        "kind": "insufficient_quota",
        "code": "insufficient_quota",
    },
    FaultKind.BILLING: {
        "message": "Billing hard limit has been reached.",
        "kind": "billing_limit_user_error",
        "code": "billing_hard_limit_reached",
    },
    FaultKind.VERIFY: {
        "message": "Your organization must be verified to use the model `gpt-image-2`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization.",
        "status": 403,
    },
    FaultKind.RATE: {
        "message": "Rate limit reached on input-images per min: Limit 5, Used 5, Requested 1.",
        "status": 429,
        "kind": "input-images",
        "code": "rate_limit_exceeded",
        "headers": {"Retry-After": "1"},
    },
    FaultKind.OVERLOADED: {
        "message": "The server is overloaded, please try again later.",
        "status": 503,
        "kind": "server_error",
        "code": "server_is_overloaded",
    },
    FaultKind.MODEL: {
        "message": "The model does not exist or you do not have access to it.",
        "status": 404,
        "param": "model",
        "code": "model_not_found",
    },
    FaultKind.POLICY: {
        "message": "Your request was rejected by the safety system.",
        "kind": IMAGE,
        "code": "moderation_blocked",
    },
}


def scripted_answer(fault: Fault, dialect: Dialect) -> Response | None:
    """
    Return the whole answer of a fault, or None for one that only spoils a good answer.
    """
    if fault.kind in CASES:
        return _relayed(fault)
    if fault.kind in _ERRORS or fault.kind is FaultKind.STATUS:
        return _error(fault, dialect)
    match fault.kind:
        case FaultKind.BODY:
            headers = {"content-type": fault.content_type, **_headers(fault)}
            return Response(fault.body, status_code=fault.status or 200, headers=headers)
        case FaultKind.HTML:
            return _page(fault)
        case FaultKind.REDIRECT:
            headers = {"location": _ELSEWHERE, **_headers(fault)}
            return Response(status_code=fault.status or 307, headers=headers)
        case _:
            return None


def refused(refusal: Refusal, dialect: Dialect) -> Response:
    """
    Return the answer that carries a refusal, as that style writes one.
    """
    return JSONResponse(
        dialect.error_body(refusal), status_code=refusal.status, headers=refusal.headers
    )


def _told(status: int) -> Refusal:
    kind = "server_error" if status >= 500 else REQUEST
    return Refusal(f"The sandbox was told to answer {status}.", status=status, kind=kind)


def _relayed(fault: Fault) -> Response:
    cases = CASES[fault.kind]
    reply = cases[fault.case or next(iter(cases))]
    return JSONResponse(
        reply.body, fault.status or reply.status, dict(reply.headers) | _headers(fault)
    )


def _page(fault: Fault) -> Response:
    status = fault.status or 200
    title, heading, server = _PAGES.get(status, (str(status), f"Error {status}", "nginx"))
    page = f"<!doctype html>\n<title>{title}</title>\n<h1>{heading}</h1>\n"
    headers = {"server": server} if server else {}
    headers |= _headers(fault)
    return Response(page, status_code=status, headers=headers, media_type="text/html")


def _error(fault: Fault, dialect: Dialect) -> Response:
    named = _ERRORS.get(fault.kind)
    error = _told(fault.status or 500) if named is None else Refusal(**named)
    error = dialect.errors.get(fault.kind, error)
    return refused(
        Refusal(
            fault.message or error.message,
            status=fault.status or error.status,
            kind=fault.type or error.kind,
            param=error.param,
            code=error.code if fault.code is None else fault.code,
            headers=error.headers | _headers(fault),
        ),
        dialect,
    )


def _headers(fault: Fault) -> dict[str, str]:
    given = {"Retry-After": fault.retry_after, "retry-after-ms": fault.retry_after_ms}
    return {name: str(value) for name, value in given.items() if value is not None} | dict(
        fault.headers
    )
