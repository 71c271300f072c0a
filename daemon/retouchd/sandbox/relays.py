"""
The errors of relays, as their sources and threads about them show them: one table for each program.

A case is one error: HTTP status, code and message. `answer/error_body.py` has to find the same in them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retouchd.sandbox.faults import FaultKind

REQUEST_ID = "20261123120000000000000retouchd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    An answer as a relay writes it.
    """

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def _new_api(status: int, code: str, message: str) -> Reply:
    return _enveloped(status, message, type="new_api_error", param="", code=code)


def _one_api(status: int, code: str | None, message: str) -> Reply:
    coded = {} if code is None else {"code": code}
    return _enveloped(status, message, type="one_api_error", **coded)


def _enveloped(status: int, message: str, **fields: str) -> Reply:
    error = {"message": f"{message} (request id: {REQUEST_ID})", **fields}
    return Reply(status=status, body={"error": error})


def _litellm(status: int, name: str, message: str, code: str | None, **headers: str) -> Reply:
    """
    Return an error of LiteLLM, whose own code is the status; the upstream's code is in the message.
    """
    if code is not None:
        upstream = {"error": {"message": message, "type": code, "param": None, "code": code}}
        message = f"OpenAIException - {json.dumps(upstream)}. Received Model Group=gpt-image-2"
    error = {
        "message": f"litellm.{name}: {name}: {message}",
        "type": None,
        "param": None,
        "code": str(status),
    }
    return Reply(status=status, body={"error": error}, headers=headers)


_SATURATED = "当前分组上游负载已饱和，请稍后再试"
_NOT_MADE = Reply(
    status=501,
    body={
        "error": {
            "message": "API not implemented",
            "type": "one_api_error",
            "param": "",
            "code": "api_not_implemented",
        }
    },
)

CASES: Mapping[FaultKind, Mapping[str, Reply]] = {
    FaultKind.NEW_API: {
        "quota": _new_api(403, "insufficient_user_quota", "用户额度不足, 剩余额度: ＄0.000000"),
        "spent": _new_api(401, "", "该令牌额度已用尽 TokenStatusExhausted[sk-***]"),
        "key": _new_api(401, "", "无效的令牌"),
        "denied": _new_api(403, "access_denied", "该令牌无权访问模型 gpt-image-2"),
        "channel": _new_api(
            503, "model_not_found", "分组 default 下模型 gpt-image-2 无可用渠道（distributor）"
        ),
        "retry": _new_api(
            500, "get_channel_failed", "分组 default 下模型 gpt-image-2 的可用渠道不存在（retry）"
        ),
        "invalid": _new_api(500, "invalid_request", "size is not valid: use 'x' instead of '×'"),
        "convert": _new_api(
            500,
            "convert_request_failed",
            "gpt-image-2 does not accept multipart file upload; please provide a public URL",
        ),
        "policy": _new_api(500, "sensitive_words_detected", "sensitive words detected"),
        "network": _new_api(500, "do_request_failed", "请求上游地址失败"),
        "limit": _new_api(429, "", "您已达到请求数限制：1分钟内最多请求10次"),
        "busy": _new_api(429, "", _SATURATED),
        "large": _new_api(413, "read_request_body_failed", "request body too large"),
        "upstream": _new_api(524, "bad_response_status_code", "bad response status code 524"),
    },
    FaultKind.ONE_API: {
        "quota": _one_api(403, "insufficient_user_quota", "user quota is not enough"),
        "spent": _one_api(401, None, "该令牌额度已用尽"),
        "key": _one_api(401, None, "无效的令牌"),
        "denied": _one_api(403, None, "该令牌无权使用模型：gpt-image-2"),
        "channel": _one_api(503, None, "当前分组 default 下对于模型 gpt-image-2 无可用渠道"),
        "busy": _one_api(429, None, _SATURATED),
        "missing": _NOT_MADE,
    },
    FaultKind.LITELLM: {
        "quota": _litellm(
            429, "RateLimitError", "You exceeded your current quota.", "insufficient_quota"
        ),
        "key": _litellm(
            401, "AuthenticationError", "Incorrect API key provided.", "invalid_api_key"
        ),
        "rate": _litellm(429, "RateLimitError", "Rate limit reached.", "rate_limit_exceeded"),
        "policy": _litellm(
            400, "BadRequestError", "Rejected by the safety system.", "moderation_blocked"
        ),
        "model": _litellm(
            400, "BadRequestError", "Invalid model name passed in model=gpt-image-2.", None
        ),
        "cooldown": _litellm(
            429,
            "RateLimitError",
            "No deployments available for selected model, Try again in 5 seconds. "
            "Passed model=gpt-image-2. cooldown_list=['1']",
            None,
            **{"retry-after": "5"},
        ),
        "json": _litellm(
            500,
            "APIConnectionError",
            "aimage_edit() missing 1 required positional argument: 'image'",
            None,
        ),
    },
    FaultKind.FASTAPI: {
        "missing": Reply(
            status=422,
            body={
                "detail": [{"type": "missing", "loc": ["body", "image"], "msg": "Field required"}]
            },
        ),
    },
}
"""The errors by program and case; the first is the one without a value."""
