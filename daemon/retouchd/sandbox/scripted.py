"""
What a fault answers without looking at the request: an error, a web page, a body as it was given.
"""

from typing import Any

from starlette.responses import JSONResponse, Response

from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.refusal import IMAGE, REQUEST, Refusal

_PAGE = "<!doctype html>\n<title>Sign in</title>\n<h1>Please sign in to this network.</h1>\n"

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


def scripted_answer(fault: Fault) -> Response | None:
    """
    Return the whole answer of a fault, or None for one that only spoils a good answer.
    """
    match fault.kind:
        case FaultKind.BODY:
            headers = {"content-type": fault.content_type, **fault.headers}
            return Response(fault.body, status_code=fault.status or 200, headers=headers)
        case FaultKind.HTML:
            return Response(_PAGE, status_code=fault.status or 200, media_type="text/html")
        case FaultKind.STATUS:
            status = fault.status or 500
            kind = "server_error" if status >= 500 else REQUEST
            message = f"The sandbox was told to answer {status}."
            return _error(fault, Refusal(message, status=status, kind=kind))
        case named if named in _ERRORS:
            return _error(fault, Refusal(**_ERRORS[named]))
        case _:
            return None


def refused(refusal: Refusal) -> Response:
    """
    Return the answer that carries a refusal.
    """
    return JSONResponse(refusal.body(), status_code=refusal.status, headers=refusal.headers)


def _error(fault: Fault, error: Refusal) -> Response:
    retry_after = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return refused(
        Refusal(
            fault.message or error.message,
            status=fault.status or error.status,
            kind=fault.type or error.kind,
            param=error.param,
            code=error.code if fault.code is None else fault.code,
            headers=error.headers | retry_after | dict(fault.headers),
        )
    )
