"""
What endpoints and relays answer, and what each answer has to mean: one row for each line known of them.

`section` says where the line comes from: a program, the provider, a proxy in between. The rows are judged by
the pure rules in `test_classify` and, over loopback, by client, spool and gate in `test_verdicts_served`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retouchd.errors import JobCode
from retouchd.job.model import Verdict

ACCOUNT, REFUSED = Verdict.ACCOUNT, Verdict.REFUSED
TRANSIENT, IN_DOUBT = Verdict.TRANSIENT, Verdict.IN_DOUBT

KEY = "Set a valid endpoint.api_key"
MONEY = "Top up the account"
MODEL = "Set edit.model"
ACCESS = "Ask the provider what this key may do"
ADDRESS = "Set endpoint.base_url"
FIREWALL = "A proxy in front of the endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    One answer and its meaning.

    `told` is part of what the operator, or for a refusal the person who dropped the file, is told to do;
    `says` is part of the message. `counts` is whether it counts toward the breaker, by default by the
    verdict. `masks` marks what may hide an account's fault. `common` is part of the fault that three
    files in a row make the configuration's.
    """

    section: str
    status: int
    body: bytes
    verdict: Verdict
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    says: str = ""
    told: str = ""
    job_code: JobCode | None = None
    slows: bool = False
    counts: bool | None = None
    masks: bool = False
    common: str | None = None
    retry_after: float | None = None
    request_id: str | None = None

    @property
    def is_endpoint_failure(self) -> bool:
        """
        Return whether it counts toward the breaker.
        """
        if self.counts is not None:
            return self.counts
        return self.verdict in {TRANSIENT, IN_DOUBT}


def openai(
    code: object, message: str = "", kind: object = None, param: object = None, **more: Any
) -> bytes:
    error = {"message": message, "type": kind, "param": param, "code": code, **more}
    return json.dumps({"error": error}, ensure_ascii=False).encode()


ID = "20261123120000123456789"


def relay(code: object, message: str = "", kind: str = "new_api_error") -> bytes:
    return openai(code, f"{message} (request id: {ID})", kind, "")


def litellm(status: int, inner: dict[str, Any] | str, name: str = "RateLimitError") -> bytes:
    quoted = inner if isinstance(inner, str) else json.dumps({"error": inner})
    message = f"litellm.{name}: {name}: OpenAIException - {quoted}. Received Model Group=m"
    return openai(str(status), message, "throttling_error" if status == 429 else None)


def plain(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def page(title: str) -> bytes:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head></html>".encode()


def _rows(section: str, **common: Any) -> Any:
    def row(status: int, body: bytes, verdict: Verdict, **more: Any) -> Answer:
        return Answer(section=section, status=status, body=body, verdict=verdict, **common | more)

    return row


SATURATED = "当前分组上游负载已饱和，请稍后再试"
COOLDOWN = (
    "litellm.RateLimitError: No deployments available for selected model, Try again in 5 seconds. "
    "Passed model=gpt-image-2. pre-call-checks=False, cooldown_list=['a1']"
)
TOO_LARGE, UNSUPPORTED = JobCode.IMAGE_TOO_LARGE, JobCode.IMAGE_UNSUPPORTED
UNREADABLE, POLICY = JobCode.IMAGE_UNREADABLE, JobCode.CONTENT_POLICY
PARAMETER, BAD_RESPONSE = JobCode.PARAMETER_INVALID, JobCode.BAD_RESPONSE

_one_api = _rows("3.1 one-api", request_id=ID)
ONE_API = {
    "one-api makes no edits": _one_api(
        501,
        openai("api_not_implemented", "API not implemented", "one_api_error", ""),
        ACCOUNT,
        request_id=None,
        code="api_not_implemented",
        told=ADDRESS,
    ),
    **{
        f"one-api 401 {words}": _one_api(
            401, relay(None, words, "one_api_error"), ACCOUNT, says=words, told=told, request_id=ID
        )
        for words, told in {
            "未提供令牌": KEY,
            "无效的令牌": KEY,
            "该令牌已过期": KEY,
            "该令牌状态不可用": KEY,
            "该令牌额度已用尽": MONEY,
        }.items()
    },
    **{
        f"one-api 403 {words}": _one_api(
            403, relay(None, words, "one_api_error"), ACCOUNT, says=words, told=ACCESS
        )
        for words in (
            "用户已被封禁",
            "该令牌无权使用模型：m",
            "该令牌只能在指定网段使用：10.0.0.0/8",
        )
    },
    "one-api user's quota": _one_api(
        403,
        relay("insufficient_user_quota", "user quota is not enough", "one_api_error"),
        ACCOUNT,
        code="insufficient_user_quota",
        told=MONEY,
    ),
    "one-api key's quota": _one_api(
        403,
        relay("pre_consume_token_quota_failed", "token quota is not enough", "one_api_error"),
        ACCOUNT,
        code="pre_consume_token_quota_failed",
        told=MONEY,
    ),
    "one-api no channel": _one_api(
        503, relay(None, "当前分组 g 下对于模型 m 无可用渠道", "one_api_error"), ACCOUNT, told=MODEL
    ),
    "one-api saturated": _one_api(
        429, relay(None, SATURATED, "one_api_error"), TRANSIENT, slows=True, retry_after=60
    ),
    "one-api upstream page": _one_api(
        500,
        openai("bad_response_status_code", "bad response status code 502", "upstream_error", "502"),
        IN_DOUBT,
        request_id=None,
        code="bad_response_status_code",
    ),
    "one-api upstream page, busy": _one_api(
        429,
        openai("bad_response_status_code", "bad response status code 429", "upstream_error", "429"),
        TRANSIENT,
        request_id=None,
        slows=True,
    ),
}

_new_api = _rows("3.2 new-api", request_id=ID)
NEW_API = {
    "new-api made no edits": _new_api(
        501,
        openai("api_not_implemented", "API not implemented", "new_api_error", ""),
        ACCOUNT,
        told=ADDRESS,
        request_id=None,
    ),
    "new-api key": _new_api(401, relay("", "无效的令牌"), ACCOUNT, says="无效的令牌", told=KEY),
    "new-api key in English": _new_api(401, relay("", "Invalid token"), ACCOUNT, told=KEY),
    "new-api key, remapped": _new_api(400, relay("", "Invalid token"), ACCOUNT, told=KEY),
    "new-api spent key": _new_api(
        401,
        relay("", "该令牌额度已用尽 TokenStatusExhausted[sk-abc***xyz]"),
        ACCOUNT,
        says="TokenStatusExhausted[sk-…]",
        told=MONEY,
    ),
    "new-api old key": _new_api(401, relay("", "该令牌已过期"), ACCOUNT, told=KEY),
    **{
        f"new-api balance {words}": _new_api(
            403, relay("insufficient_user_quota", words), ACCOUNT, says=words, told=MONEY
        )
        for words in (
            "用户额度不足, 剩余额度: ＄0.000000",
            "预扣费额度失败, 用户剩余额度: ＄0.01, 需要预扣费额度: ＄0.04",
        )
    },
    "new-api balance without a code": _new_api(
        403, relay("", "预扣费额度失败, 用户剩余额度: ＄0.01"), ACCOUNT, told=MONEY
    ),
    "new-api balance as 400": _new_api(400, relay("", "账户余额不足"), ACCOUNT, told=MONEY),
    "new-api key's quota": _new_api(
        403,
        relay(
            "pre_consume_token_quota_failed", "token quota is not enough, token remain quota: ＄0"
        ),
        ACCOUNT,
        told=MONEY,
    ),
    "new-api key's quota by its words": _new_api(
        500, relay("", "token quota is not enough, token remain quota: ＄0"), ACCOUNT, told=MONEY
    ),
    **{
        f"new-api denied {words} {code}": _new_api(
            403, relay(code, words), ACCOUNT, says=words, told=ACCESS
        )
        for code in ("access_denied", "")
        for words in (
            "您的 IP 不在令牌允许访问的列表中",
            "用户已被封禁",
            "该令牌无权访问模型 m",
            "无权访问 g 分组",
        )
    },
    "new-api no channel": _new_api(
        503,
        relay("model_not_found", "分组 g 下模型 m 无可用渠道（distributor）"),
        ACCOUNT,
        code="model_not_found",
        says="无可用渠道",
        told=MODEL,
    ),
    "new-api channel gone": _new_api(
        500, relay("get_channel_failed", "分组 g 下模型 m 的可用渠道不存在（retry）"), TRANSIENT
    ),
    "new-api bad size as 500": _new_api(
        500,
        relay("invalid_request", "size contains '×', use 'x' instead of '×'"),
        REFUSED,
        code="invalid_request",
        job_code=JobCode.REFUSED,
        common="invalid_request",
    ),
    "new-api model is required": _new_api(
        500, relay("invalid_request", "model is required"), REFUSED, common="invalid_request"
    ),
    "new-api channel by lottery": _new_api(
        500,
        relay(
            "convert_request_failed",
            "gpt-image-2 does not accept multipart file upload; please provide a public URL via "
            "'image_url' instead",
        ),
        TRANSIENT,
        code="convert_request_failed",
    ),
    "new-api conversion, of which nothing is known": _new_api(
        500, relay("convert_request_failed", "not implemented"), IN_DOUBT
    ),
    "new-api sensitive words": _new_api(
        500,
        relay("sensitive_words_detected", "user sensitive words detected"),
        REFUSED,
        job_code=POLICY,
        code="sensitive_words_detected",
    ),
    "new-api price": _new_api(500, relay("model_price_error"), ACCOUNT, told=MODEL),
    "new-api counting": _new_api(500, relay("count_token_failed"), TRANSIENT),
    "new-api database": _new_api(500, relay("query_data_error"), TRANSIENT),
    "new-api upstream not reached, or not answering": _new_api(
        500, relay("do_request_failed", "请求上游地址失败"), IN_DOUBT
    ),
    "new-api limiter": _new_api(
        429,
        relay("", "您已达到请求数限制：5分钟内最多请求10次"),
        TRANSIENT,
        slows=True,
        retry_after=300,
    ),
    "new-api limiter in total": _new_api(
        429,
        relay(
            "", "您已达到总请求数限制：3分钟内最多请求10次，包括失败次数，请检查您的请求是否正确"
        ),
        TRANSIENT,
        slows=True,
        retry_after=180,
    ),
    **{
        f"new-api saturated {code}": _new_api(
            429, relay(code, SATURATED), TRANSIENT, slows=True, retry_after=60
        )
        for code in ("", "rate_limit_exceeded", "insufficient_capacity")
    },
    "new-api saturated, with a wait": _new_api(
        429,
        relay("", SATURATED),
        TRANSIENT,
        headers={"retry-after": "7"},
        slows=True,
        retry_after=7,
    ),
    "new-api body": _new_api(
        413,
        relay("read_request_body_failed", "request body exceeds 128 MB"),
        REFUSED,
        job_code=TOO_LARGE,
        code="read_request_body_failed",
        common="no request this large",
    ),
    "new-api body as 500": _new_api(
        500,
        relay("read_request_body_failed", "request body too large"),
        REFUSED,
        job_code=TOO_LARGE,
        common="no request this large",
    ),
    "new-api upstream page": _new_api(
        500, relay("bad_response_status_code", "bad response status code 524"), IN_DOUBT
    ),
    "new-api upstream page as it came": _new_api(
        524, relay("bad_response_status_code", "bad response status code 524"), IN_DOUBT
    ),
    "new-api upstream page under a remapped status": _new_api(
        400, relay("bad_response_status_code", "bad response status code 524"), IN_DOUBT
    ),
    "new-api upstream page, busy": _new_api(
        429,
        relay("bad_response_status_code", "bad response status code 429"),
        TRANSIENT,
        slows=True,
    ),
    "new-api upstream page, large": _new_api(
        413,
        relay("bad_response_status_code", "bad response status code 413"),
        REFUSED,
        job_code=TOO_LARGE,
        common="no request this large",
    ),
    "the provider's code passes through": _new_api(
        400,
        relay("invalid_value", "no such size", "image_generation_user_error"),
        REFUSED,
        job_code=PARAMETER,
    ),
    **{
        f"another brand's type {kind}": _new_api(
            400, relay("moderation_blocked", "…", kind), REFUSED, job_code=POLICY
        )
        for kind in (
            "v_api_error",
            "packy_api_error",
            "packy_image_generation_user_error",
            "comet_api_error",
        )
    },
    **{
        f"a status remapped to {status}": _new_api(
            status, relay("insufficient_user_quota", "用户额度不足"), ACCOUNT, told=MONEY
        )
        for status in (400, 401, 429, 500, 502, 503)
    },
}

_litellm = _rows("3.3 LiteLLM")
LITELLM = {
    "LiteLLM quota": _litellm(
        429,
        litellm(
            429,
            {"message": "You exceeded", "type": "insufficient_quota", "code": "insufficient_quota"},
        ),
        ACCOUNT,
        headers={"x-litellm-call-id": "call-0001"},
        code="insufficient_quota",
        told=MONEY,
        request_id="call-0001",
    ),
    "LiteLLM quota, quoted once more": _litellm(
        429,
        litellm(429, json.dumps({"error": {"code": "insufficient_quota"}}).replace('"', '\\"')),
        ACCOUNT,
        code="insufficient_quota",
    ),
    "LiteLLM quota, as Python writes it": _litellm(
        429,
        litellm(429, "Error code: 429 - {'error': {'code': 'insufficient_quota'}}"),
        ACCOUNT,
        code="insufficient_quota",
    ),
    "LiteLLM rate": _litellm(
        429,
        litellm(429, {"message": "slow", "code": "rate_limit_exceeded"}),
        TRANSIENT,
        code="rate_limit_exceeded",
        slows=True,
    ),
    "LiteLLM policy": _litellm(
        400,
        litellm(
            400, {"message": "no", "code": "moderation_blocked"}, "ContentPolicyViolationError"
        ),
        REFUSED,
        job_code=POLICY,
        code="moderation_blocked",
    ),
    "LiteLLM value": _litellm(
        400,
        litellm(
            400,
            {"message": "minimum pixel budget", "param": "size", "code": "invalid_value"},
            "BadRequestError",
        ),
        REFUSED,
        job_code=PARAMETER,
        common="refuses size",
    ),
    "LiteLLM key": _litellm(
        401,
        litellm(
            401, {"message": "Incorrect API key", "code": "invalid_api_key"}, "AuthenticationError"
        ),
        ACCOUNT,
        code="invalid_api_key",
        told=KEY,
    ),
    "LiteLLM forbidden": _litellm(
        403, litellm(403, {"message": "no", "code": None}, "PermissionDeniedError"), ACCOUNT
    ),
    "LiteLLM not found": _litellm(
        404, litellm(404, {"message": "no", "code": "model_not_found"}, "NotFoundError"), ACCOUNT
    ),
    "LiteLLM server": _litellm(
        500,
        litellm(500, {"message": "no", "code": "server_error"}, "InternalServerError"),
        IN_DOUBT,
    ),
    "LiteLLM overloaded": _litellm(
        503,
        litellm(503, {"message": "no", "code": "server_is_overloaded"}, "ServiceUnavailableError"),
        TRANSIENT,
    ),
    "LiteLLM cooldown": _litellm(
        429,
        openai("429", COOLDOWN, "None"),
        TRANSIENT,
        code="http_429",
        headers={"retry-after": "5"},
        slows=True,
        masks=True,
        retry_after=5,
        says="No deployments available",
        told="key of its own",
    ),
    "LiteLLM cooldown, by its words alone": _litellm(
        429, openai("429", COOLDOWN), TRANSIENT, slows=True, masks=True, retry_after=5
    ),
    "LiteLLM chat upstream": _litellm(
        500,
        litellm(500, "3 validation errors for ImageResponse", "APIConnectionError"),
        IN_DOUBT,
    ),
    "LiteLLM missing image": _litellm(
        500,
        openai("500", "aimage_edit() missing 1 required positional argument: 'image'"),
        REFUSED,
        common="does not find",
    ),
    "LiteLLM both names of the image": _litellm(
        422,
        plain(detail="Both 'image' and 'image[]' provided"),
        REFUSED,
        common="http_422",
    ),
    "LiteLLM unknown model": _litellm(
        400,
        openai("400", "/images/edits: Invalid model name passed in model=gpt-image-9"),
        ACCOUNT,
        told=MODEL,
    ),
    "LiteLLM unknown key": _litellm(
        400, openai("400", "No connected db.", "no_db_connection"), ACCOUNT, told=KEY
    ),
    **{
        f"LiteLLM budget {words}": _litellm(400, openai("400", words), ACCOUNT, told=MONEY)
        for words in (
            "Budget has been exceeded! Current cost: 2, Max budget: 1",
            "ExceededBudget: User over budget",
            "ExceededTokenBudget: Current spend for token: 2; Max Budget for Token: 1",
            "BudgetExceededError: team",
        )
    },
    "LiteLLM budget by its type": _litellm(400, openai("400", "no", "budget_exceeded"), ACCOUNT),
}

_local = _rows("3.4 LocalAI")
LOCAL_AI = {
    "LocalAI has no such path": _local(
        404, plain(error={"code": 404, "message": "Not Found", "type": ""}), ACCOUNT, told=ADDRESS
    ),
    "LocalAI an integer as code": _local(
        500,
        plain(error={"code": 500, "message": "rpc error", "type": ""}),
        IN_DOUBT,
        code="http_500",
    ),
    **{
        f"LocalAI opaque {status}": _local(status, b"", verdict, says=f"HTTP {status}", **more)
        for status, verdict, more in (
            (404, ACCOUNT, {}),
            (500, IN_DOUBT, {}),
            (400, REFUSED, {"common": "http_400"}),
        )
    },
}

_hosted = _rows("3.5 self-hosted")
_MISSING = {"type": "missing", "loc": ["body", "image"], "msg": "Field required", "input": None}
SELF_HOSTED = {
    "sglang detail as text": _hosted(
        400, plain(detail="size must be WxH"), REFUSED, says="size must be WxH", common="http_400"
    ),
    "sglang detail as a list": _hosted(
        422,
        plain(detail=[{"type": "int_parsing", "loc": ["body", "n"], "msg": "not an integer"}]),
        REFUSED,
        says="body.n: not an integer",
        job_code=PARAMETER,
        common="refuses n",
    ),
    "FastAPI knows only image": _hosted(
        422,
        plain(detail=[_MISSING]),
        REFUSED,
        says="body.image: Field required",
        job_code=JobCode.REFUSED,
        common="does not find",
    ),
    "FastAPI not authenticated": _hosted(401, plain(detail="Not authenticated"), ACCOUNT, told=KEY),
    "FastAPI no such path": _hosted(404, plain(detail="Not Found"), ACCOUNT, told=ADDRESS),
    "FastAPI other method": _hosted(405, plain(detail="Method Not Allowed"), ACCOUNT, told=ADDRESS),
    "FastAPI fell over": _hosted(500, b"Internal Server Error", IN_DOUBT),
    "detail as an error": _hosted(
        400,
        plain(detail={"error": {"code": "moderation_blocked"}}),
        REFUSED,
        job_code=POLICY,
    ),
    "no images left": _hosted(429, plain(detail="no available image quota"), ACCOUNT, told=MONEY),
    "xAI takes JSON only": _hosted(
        415,
        plain(code="unsupported", error="Expected request with `Content-Type: application/json`"),
        REFUSED,
        common="endpoint.style",
    ),
}

_odd = _rows("3.6 odd successes", counts=False, job_code=BAD_RESPONSE, code="bad_response")
_TASK = {"task_id": "task-0123456789", "status": "submitted"}
BAD_SUCCESS = {
    **{
        f"asynchronous {status} {shape}": _odd(
            status, body, IN_DOUBT, says="asynchronous relay", common="asynchronous relay"
        )
        for status in (200, 202)
        for shape, body in {
            "in data": plain(code=200, data=_TASK),
            "in a list": plain(code=200, data=[_TASK]),
            "at the top": plain(**_TASK),
            "by an id": plain(id="1", status="queued"),
        }.items()
    },
    "HTML 200": _odd(
        200, page("Sign in"), IN_DOUBT, says="a web page: Sign in", common="a web page"
    ),
    "HTML 200 without a title": _odd(200, b"<html><body>", IN_DOUBT, common="a web page"),
    "empty 200": _odd(200, b"", IN_DOUBT, common="an empty answer"),
    "no data": _odd(200, plain(created=1), IN_DOUBT, common="something else"),
    "empty data": _odd(200, plain(created=1, data=[]), IN_DOUBT, common="something else"),
    "null data": _odd(200, plain(created=1, data=None), IN_DOUBT, common="something else"),
    "no content at all": _odd(204, b"", IN_DOUBT, common="an empty answer"),
    "words in a chat": _odd(
        200,
        plain(choices=[{"message": {"role": "assistant", "content": "I cannot do that."}}]),
        IN_DOUBT,
        says="I cannot do that.",
        common="something else",
    ),
    "not JSON": _odd(200, b"OK", IN_DOUBT, says="OK", common="cannot be read"),
    "cut JSON": _odd(200, b'{"data":[{"b64_json":"iVBORw', IN_DOUBT, common="cannot be opened"),
    "not base64": _odd(
        200, plain(data=[{"b64_json": "*** no ***"}]), IN_DOUBT, common="cannot be opened"
    ),
    "base64 in another script": _odd(
        200, plain(data=[{"b64_json": "图片"}]), IN_DOUBT, common="cannot be opened"
    ),
    "half an emoji for a picture": _odd(
        200, rb'{"data":[{"b64_json":"\ud83d"}]}', IN_DOUBT, common="cannot be opened"
    ),
    "half an emoji for a link": _odd(
        200, rb'{"data":[{"url":"https://a.example/\ud83d"}]}', IN_DOUBT, common="cannot be opened"
    ),
    "no picture": _odd(
        200, plain(data=[{"b64_json": "aGVsbG8="}]), IN_DOUBT, common="cannot be opened"
    ),
    "an error nobody knows": _odd(
        200, openai("mystery", "something"), IN_DOUBT, says="something", common="sent as a success"
    ),
    "usage beyond measure": _odd(
        200,
        b'{"data":[],"usage":{"total_tokens":' + b"9" * 5000 + b"}}",
        IN_DOUBT,
        common="something else",
    ),
    "usage beyond depth": _odd(
        200,
        b'{"data":[],"usage":{"a":"\\ud83d","b":' + b"[" * 900 + b"]" * 900 + b"}}",
        IN_DOUBT,
        common="something else",
    ),
    "usage that is no number": _odd(
        200, b'{"data":[],"usage":{"total_tokens":NaN}}', IN_DOUBT, common="something else"
    ),
}
_sent_as_200 = _rows("3.6 errors sent as a success")
ERRORS_AS_SUCCESS = {
    "quota as 200": _sent_as_200(200, openai("insufficient_quota"), ACCOUNT, told=MONEY),
    "key as 200": _sent_as_200(200, plain(code=401, message="无效的令牌"), ACCOUNT, told=KEY),
    "policy as 200": _sent_as_200(200, openai("moderation_blocked"), REFUSED, job_code=POLICY),
    "rate as 200": _sent_as_200(200, openai("rate_limit_exceeded"), TRANSIENT, slows=True),
    "saturated as 200": _sent_as_200(
        200, plain(error=SATURATED), TRANSIENT, slows=True, retry_after=60
    ),
}

_account = _rows("4 account")
ACCOUNTS = {
    **{
        code: _account(429, openai(code, "…", "insufficient_quota"), ACCOUNT, code=code, told=MONEY)
        for code in (
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        )
    },
    "insufficient_quota by its type": _account(
        429, openai(None, "…", "insufficient_quota"), ACCOUNT, told=MONEY
    ),
    "insufficient_quota with a wait": _account(
        429,
        openai("insufficient_quota"),
        ACCOUNT,
        headers={"retry-after": "30", "x-request-id": "req_0123"},
        retry_after=30,
        request_id="req_0123",
    ),
    "billing_hard_limit_reached": _account(
        400,
        openai(
            "billing_hard_limit_reached",
            "Billing hard limit has been reached",
            "invalid_request_error",
        ),
        ACCOUNT,
        code="billing_hard_limit_reached",
        told=MONEY,
    ),
    "billing_not_active": _account(429, openai("billing_not_active"), ACCOUNT, told=MONEY),
    "account_deactivated": _account(400, openai("account_deactivated"), ACCOUNT, told=KEY),
    "invalid_api_key": _account(
        401,
        openai("invalid_api_key", "Incorrect API key provided: sk-abcdefgh12345678."),
        ACCOUNT,
        says="sk-….",
        told=KEY,
    ),
    "token_expired": _account(400, openai("token_expired"), ACCOUNT, told=KEY),
    "token_unheard_of": _account(400, openai("token_unheard_of"), ACCOUNT, told=ACCESS),
    "entitlement_missing": _account(400, openai("entitlement_missing"), ACCOUNT, told=ACCESS),
    "access_denied": _account(400, openai("access_denied"), ACCOUNT, told=ACCESS),
    "401": _account(401, b"", ACCOUNT, code="http_401", told=KEY),
    "402": _account(402, b"", ACCOUNT, told=MONEY),
    "403": _account(403, b"", ACCOUNT, told=ACCESS),
    "must be verified": _account(
        403,
        openai(
            None,
            "Your organization must be verified to use the model `m`.",
            "invalid_request_error",
        ),
        ACCOUNT,
        says="must be verified",
        told=ACCESS,
    ),
    "unsupported_country_region_territory": _account(
        403, openai("unsupported_country_region_territory"), ACCOUNT, told=ACCESS
    ),
    **{
        f"model_not_found as {status}": _account(
            status, openai("model_not_found"), ACCOUNT, told=MODEL
        )
        for status in (400, 404, 503)
    },
    "does not exist": _account(
        404,
        openai(None, "The model `m` does not exist or you do not have access to it."),
        ACCOUNT,
        told=MODEL,
    ),
    "404": _account(404, b"404 page not found", ACCOUNT, says="404 page not found", told=ADDRESS),
    "405": _account(405, b"", ACCOUNT, told=ADDRESS),
    "501": _account(501, b"", ACCOUNT, told=ADDRESS),
    **{
        f"balance {words}": _account(400, plain(message=words), ACCOUNT, says=words, told=MONEY)
        for words in ("额度不足", "额度已用尽", "余额不足", "账户欠费", "quota is not enough")
    },
    "令牌": _account(400, plain(msg="此令牌不行"), ACCOUNT, told=ACCESS),
    **{
        f"{status} elsewhere": _account(
            status,
            b"",
            ACCOUNT,
            headers={"location": "https://www.relay.example/v1"},
            code="redirected",
            says="redirected to https://www.relay.example/v1",
            told=ADDRESS,
        )
        for status in (301, 302, 303, 307, 308)
    },
    "300 without a target": _account(300, b"", ACCOUNT, says="redirected to nowhere"),
    "407": _account(407, b"", ACCOUNT, told="HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"),
    "511": _account(511, page("Log in to the network"), ACCOUNT, told=FIREWALL),
}

_policy = _rows("4 content policy", job_code=POLICY)
POLICIES = {
    "moderation_blocked": _policy(
        400,
        openai(
            "moderation_blocked",
            "Your request was rejected by the safety system.",
            "image_generation_user_error",
            moderation_details={"moderation_stage": "output", "categories": ["violence"]},
        ),
        REFUSED,
        code="moderation_blocked",
        told="Change the prompt or the picture",
    ),
    "content_policy_violation": _policy(400, openai("content_policy_violation"), REFUSED),
    "content_filter": _policy(400, openai("content_filter"), REFUSED),
    "content_filter as 403": _policy(403, openai("content_filter"), REFUSED),
    "sensitive_words_detected": _policy(500, openai("sensitive_words_detected"), REFUSED),
    "451": _policy(451, b"", REFUSED),
    "safety system as 403": _policy(
        403, openai(None, "rejected as a result of our safety system"), REFUSED
    ),
    "safety_violations=[sexual]": _policy(
        400, openai("", "blocked, safety_violations=[sexual]"), REFUSED
    ),
    "敏感词": _policy(500, openai("", "输入包含敏感词"), REFUSED, says="敏感词"),
    "违规": _policy(400, openai(None, "内容违规"), REFUSED),
    "Azure's inner error": _policy(
        400,
        plain(error={"code": "badRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
        REFUSED,
    ),
}

_request = _rows("4 request")
REQUESTS = {
    "400": _request(
        400, b"", REFUSED, job_code=JobCode.REFUSED, code="http_400", common="http_400"
    ),
    "413": _request(413, b"", REFUSED, job_code=TOO_LARGE, common="no request this large"),
    "415": _request(415, b"", REFUSED, job_code=JobCode.REFUSED, common="endpoint.style"),
    "422": _request(422, b"", REFUSED, job_code=JobCode.REFUSED, common="http_422"),
    "unsupported_file_mimetype": _request(
        400,
        openai(
            "unsupported_file_mimetype",
            "Invalid file 'image': unsupported mimetype ('application/octet-stream').",
            param="image",
        ),
        REFUSED,
        job_code=UNSUPPORTED,
        told="PNG, JPEG or WebP",
    ),
    "unknown image": _request(
        400,
        openai("unknown_parameter", "Unknown parameter: 'image'.", param="image"),
        REFUSED,
        job_code=JobCode.REFUSED,
        common="endpoint.style",
        told="endpoint.style",
    ),
    "missing image": _request(
        400,
        openai("missing_required_parameter", "Missing required parameter: 'image'.", param="image"),
        REFUSED,
        job_code=JobCode.REFUSED,
        common="endpoint.style",
        told="endpoint.style",
    ),
    "missing_file_mimetype": _request(
        400, openai("missing_file_mimetype"), REFUSED, job_code=UNSUPPORTED
    ),
    "invalid_image_file": _request(
        400,
        openai("invalid_image_file", "Invalid image file or mode for image 1"),
        REFUSED,
        job_code=UNREADABLE,
        told="8-bit RGB",
    ),
    "invalid_image_file by its words": _request(
        400, openai(None, "Invalid image file or mode for image 2"), REFUSED, job_code=UNREADABLE
    ),
    "invalid mask": _request(
        400,
        openai("invalid_image_file", "…", param="mask"),
        REFUSED,
        job_code=JobCode.MASK_INVALID,
    ),
    "invalid_value": _request(
        400,
        openai(
            "invalid_value",
            "The longest edge must be less than or equal to 3840.",
            "image_generation_user_error",
            "size",
        ),
        REFUSED,
        job_code=PARAMETER,
        common="refuses size",
    ),
    "a pixel budget is no purse": _request(
        400,
        openai(
            "invalid_value",
            "Requested resolution is below the current minimum pixel budget.",
            "image_generation_user_error",
            "size",
        ),
        REFUSED,
        job_code=PARAMETER,
        common="refuses size",
    ),
    "a pixel budget without a code": _request(
        400,
        openai(None, "Requested resolution is below the current minimum pixel budget."),
        REFUSED,
        job_code=PARAMETER,
    ),
    "unknown_parameter": _request(
        400,
        openai(
            "unknown_parameter", "Unknown parameter: 'response_format'.", param="response_format"
        ),
        REFUSED,
        job_code=PARAMETER,
        common="refuses response_format",
    ),
    "invalid_input_fidelity_model": _request(
        400,
        openai("invalid_input_fidelity_model", param="input_fidelity"),
        REFUSED,
        job_code=PARAMETER,
        common="refuses input_fidelity",
    ),
    **{
        f"the configuration's {param}": _request(
            400, openai(None, "no", param=param), REFUSED, common=f"refuses {param}"
        )
        for param in ("size", "quality", "response_format", "input_fidelity")
    },
    "the picture without a code": _request(
        400, openai(None, "no", param="image[]"), REFUSED, job_code=JobCode.REFUSED
    ),
    "the prompt without a code": _request(
        400, openai(None, "no", param="prompt"), REFUSED, job_code=JobCode.REFUSED
    ),
    "image_too_large": _request(
        400, openai("image_too_large"), REFUSED, job_code=TOO_LARGE, told="smaller"
    ),
    "image_too_small": _request(
        400, openai("image_too_small"), REFUSED, job_code=JobCode.REFUSED, told="larger"
    ),
    "string_above_max_length": _request(
        400,
        openai("string_above_max_length", "too long", param="prompt"),
        REFUSED,
        job_code=JobCode.PROMPT_TOO_LONG,
    ),
    "read_request_body_failed": _request(
        413,
        openai("read_request_body_failed"),
        REFUSED,
        job_code=TOO_LARGE,
        common="no request this large",
    ),
}

_retryable = _rows("4 retryable")
RETRYABLE = {
    "408, a generation may go on": _retryable(408, b"", IN_DOUBT),
    "409, a generation may go on": _retryable(409, b"", IN_DOUBT),
    "499, a relay's own client gave up": _retryable(499, b"", IN_DOUBT),
    "425, nothing was begun": _retryable(425, b"", TRANSIENT),
    "429": _retryable(429, b"", TRANSIENT, code="http_429", slows=True),
    "429 with a wait": _retryable(
        429, b"", TRANSIENT, headers={"retry-after": "12"}, slows=True, retry_after=12
    ),
    "rate_limit_exceeded": _retryable(429, openai("rate_limit_exceeded"), TRANSIENT, slows=True),
    "slow_down": _retryable(503, openai("slow_down"), TRANSIENT, slows=True),
    "503": _retryable(503, b"", TRANSIENT, code="http_503"),
    "503 with a wait": _retryable(
        503, b"", TRANSIENT, headers={"retry-after": "40"}, retry_after=40
    ),
    "server_is_overloaded": _retryable(503, openai("server_is_overloaded"), TRANSIENT),
    "server_error": _retryable(
        500, openai("server_error", "had an error", "server_error"), IN_DOUBT
    ),
    "a null code": _retryable(500, openai(None), IN_DOUBT),
    **{
        str(status): _retryable(status, b"", IN_DOUBT, code=f"http_{status}")
        for status in (500, 502, 504, 520, 522, 524, 525, 529, 599)
    },
    **{
        f"{status}, said by Cloudflare": _retryable(status, b"", TRANSIENT, code=f"http_{status}")
        for status in (521, 523, 530)
    },
}

_page = _rows("4 pages of what stands in between")
PAGES = {
    "HTML 403": _page(403, page("403 Forbidden"), ACCOUNT, says="403 Forbidden", told=ACCESS),
    "Cloudflare 403": _page(403, page("Attention Required! | Cloudflare"), ACCOUNT, told=FIREWALL),
    "Cloudflare 403 by its header": _page(
        403, page("relay.example"), ACCOUNT, headers={"cf-mitigated": "challenge"}, told=FIREWALL
    ),
    "Cloudflare challenge as 503": _page(503, page("Just a moment..."), ACCOUNT, told=FIREWALL),
    "nginx 503": _page(503, page("503 Service Temporarily Unavailable"), TRANSIENT),
    "nginx 413": _page(
        413,
        page("413 Request Entity Too Large"),
        REFUSED,
        job_code=TOO_LARGE,
        says="413 Request Entity Too Large",
        told="smaller",
        common="no request this large",
    ),
    "nginx 502": _page(502, page("502 Bad Gateway"), IN_DOUBT, says="502 Bad Gateway"),
    "nginx 504": _page(504, page("504 Gateway Time-out"), IN_DOUBT),
    "Cloudflare 524": _page(
        524,
        page("relay.example | 524: A timeout occurred"),
        IN_DOUBT,
        headers={"cf-ray": "9a0b1c2d3e4f"},
        request_id="9a0b1c2d3e4f",
    ),
    "Cloudflare 429": _page(429, page("Access denied | used Cloudflare"), TRANSIENT, slows=True),
    "nginx 400": _page(400, page("400 Bad Request"), ACCOUNT, says="400 Bad", told=FIREWALL),
    "a provider's network page as 451": _page(451, page("Blocked"), ACCOUNT, told=FIREWALL),
    "a page about a policy is no policy": _page(500, page("Our content policy"), IN_DOUBT),
    "a page about money is no bill": _page(502, page("Insufficient balance"), IN_DOUBT),
}

_unreached = _rows("upstreams that were not reached")
_POST = 'Post "https://api.upstream.example/v1/images/edits": '
UNREACHED = {
    **{
        f"{words} as {status}": _unreached(
            status, relay("do_request_failed", words), TRANSIENT, request_id=ID
        )
        for status in (500, 502, 504)
        for words in (
            f"{_POST}dial tcp 203.0.113.7:443: connect: connection refused",
            f"{_POST}dial tcp: lookup api.upstream.example on 10.0.0.2:53: no such host",
            f"{_POST}dial tcp 203.0.113.7:443: i/o timeout (Client.Timeout exceeded while awaiting headers)",
            f"{_POST}dial tcp 203.0.113.7:443: connect: connection reset by peer",
            f"{_POST}proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: no route to host",
            f"{_POST}net/http: TLS handshake timeout",
            f"{_POST}tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "connect ECONNREFUSED 203.0.113.7:443",
            "request failed, reason: getaddrinfo ENOTFOUND api.upstream.example",
            "fetch failed: connect ETIMEDOUT 203.0.113.7:443",
            "UND_ERR_CONNECT_TIMEOUT",
            "httpx.ConnectError: All connection attempts failed",
            "[Errno -2] Name or service not known",
            "Max retries exceeded (Caused by NewConnectionError('Failed to establish a new connection'))",
            "cURL error 7: Failed to connect to api.upstream.example port 443 after 3 ms: refused",
            "cURL error 6: Could not resolve host: api.upstream.example",
            "client error (Connect): tcp connect error: Connection refused (os error 111)",
            "java.net.UnknownHostException: api.upstream.example",
            "No connection could be made because the target machine actively refused it.",
        )
    },
    **{
        f"LiteLLM {words}": _unreached(500, litellm(500, words, "InternalServerError"), TRANSIENT)
        for words in (
            "Cannot connect to host api.upstream.example:443 ssl:default [Connect call failed]",
            "Cannot connect to host u.example:443 ssl:<ssl.SSLContext object at 0x7f> [Name not known]",
        )
    },
    **{
        f"envoy, {reason}": _unreached(
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: "
            f"{reason}".encode(),
            TRANSIENT,
        )
        for reason in (
            "connection failure",
            "connection failure, transport failure reason: delayed connect error: 111",
            "remote connection failure, transport failure reason: TLS_error",
            "connection timeout",
            "overflow",
        )
    },
    "envoy has nobody": _unreached(503, b"no healthy upstream", TRANSIENT),
    "Kong has nobody": _unreached(
        502, plain(message="failure to get a peer from the ring-balancer"), TRANSIENT
    ),
    "Kong does not find it": _unreached(502, plain(message="name resolution failed"), TRANSIENT),
    **{
        f"squid's {error} as {status}": _unreached(
            status,
            page("ERROR: The requested URL could not be retrieved"),
            TRANSIENT,
            headers={"x-squid-error": f"{error} 0"},
        )
        for status in (502, 503, 504)
        for error in ("ERR_DNS_FAIL", "ERR_CONNECT_FAIL")
    },
    "squid's name without an address": _unreached(
        502, page("ERROR"), TRANSIENT, headers={"x-squid-error": "ERR_READ_ERROR 0"}
    ),
    "squid's page alone": _unreached(
        502, page("ERROR") + b"<body id=ERR_DNS_FAIL><h1>ERROR</h1>", TRANSIENT
    ),
    "new-api's upstream is behind Cloudflare": _unreached(
        500,
        relay("bad_response_status_code", "bad response status code 521"),
        TRANSIENT,
        request_id=ID,
    ),
    "sent as a success": _unreached(
        200, plain(error=f"{_POST}dial tcp 203.0.113.7:443: connect: connection refused"), TRANSIENT
    ),
}

_reached = _rows("upstreams that may have been reached")
REACHED = {
    **{
        f"{words} as {status}": _reached(
            status, relay("do_request_failed", words), IN_DOUBT, request_id=ID
        )
        for status in (500, 502, 503, 521)
        for words in (
            f"{_POST}read tcp 10.0.0.2:5000->203.0.113.7:443: read: connection reset by peer",
            f"{_POST}write tcp 10.0.0.2:5000->203.0.113.7:443: write: broken pipe",
            f"{_POST}EOF",
            f"{_POST}unexpected EOF",
            f"{_POST}http2: server sent GOAWAY and closed the connection",
            f"{_POST}context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            f"{_POST}net/http: timeout awaiting response headers",
            "connection reset by peer",
            "read ECONNRESET",
            "socket hang up",
            "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
            "httpx.RemoteProtocolError: Server disconnected without sending a response.",
            "Read timed out. (read timeout=600)",
            "cURL error 28: Operation timed out after 60000 milliseconds with 0 bytes received",
            "1: read tcp 10.0.0.2:5->203.0.113.7:443: i/o timeout; 2: dial tcp 203.0.113.7:443: refused",
        )
    },
    **{
        words: _reached(500, plain(message=words), IN_DOUBT)
        for words in (
            "upload image failed: dial tcp 203.0.113.9:443: connect: connection refused",
            "saving the result: connect ECONNREFUSED 203.0.113.9:443",
            "cannot store the picture in R2: getaddrinfo ENOTFOUND r2.example",
            "dial tcp 127.0.0.1:6379: connect: connection refused",
            "download image failed: dial tcp: lookup cdn.example: no such host",
            "Connection error.",
        )
    },
    **{
        f"envoy, {words}": _reached(
            503,
            f"upstream connect error or disconnect/reset before headers.{words}".encode(),
            IN_DOUBT,
        )
        for words in (
            "",
            " reset reason: connection termination",
            " reset reason: remote reset",
            " reset reason: protocol error",
            " retried and the latest reset reason: connection failure",
        )
    },
    **{
        f"squid's {error}": _reached(
            503, page("ERROR"), IN_DOUBT, headers={"x-squid-error": f"{error} 104"}
        )
        for error in ("ERR_READ_ERROR", "ERR_ZERO_SIZE_OBJECT", "ERR_READ_TIMEOUT")
    },
    **{
        title: _reached(503, page(title), IN_DOUBT)
        for title in ("503 Backend fetch failed", "503 first byte timeout")
    },
}

_unusable = _rows("answers that a relay could not use")
_PYDANTIC = (
    "1 validation error for ImageResponse\ndata\n  Field required [type=missing, input_value={}, "
    "input_type=dict]\n    For further information visit https://errors.pydantic.dev/2.9/v/missing"
)
_ZOD = (
    'Type validation failed: Value: {}. Error message: [{"code": "invalid_type", "path": ["data"]}]'
)
UNUSABLE = {
    **{
        f"{words} as {status}": _unusable(status, litellm(status, words, "APIError"), IN_DOUBT)
        for status in (500, 502, 503, 504)
        for words in (
            _PYDANTIC,
            "ImageResponse.__init__() missing 1 required positional argument: 'data'",
            "validation error for OpenAIImagesResponse: content policy",
            f"{_ZOD} of the upstream's response",
        )
    },
    **{
        f"{words}": _unusable(500, plain(error={"message": words}), IN_DOUBT)
        for words in (
            _PYDANTIC.replace("ImageResponse", "Picture"),
            "Field required",
            "KeyError: 'data'",
            "KeyError: 'b64_json'",
            "Expecting value: line 1 column 1 (char 0)",
            "Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON: unknown parameter",
            "invalid character '<' looking for beginning of value",
            "json: cannot unmarshal string into Go struct field ImageResponse.data of type []dto.ImageData",
            "upstream returned invalid JSON: Invalid image file or mode for image 1",
            "upstream returned no image: string too long",
            "b64_json missing in the result of the safety_check: unsupported mimetype",
            "Failed to parse the upstream response: unknown parameter",
            "ResponseValidationError: {'loc': ('response', 'data'), 'msg': 'Field required'}",
            "AttributeError: 'NoneType' object has no attribute 'data': invalid image file",
            _ZOD,
            "TypeError: Cannot read properties of undefined (reading 'data'): longest edge must be",
            'validation failed: {"code": "invalid_value", "received": "undefined", "path": ["data"]}',
        )
    },
    **{
        f"new-api's {code}": _unusable(
            500, relay(code, "unsupported mimetype"), IN_DOUBT, request_id=ID
        )
        for code in (
            "bad_response",
            "bad_response_body",
            "read_response_body_failed",
            "empty_response",
        )
    },
    **{
        f"503 {words}": _unusable(503, plain(message=words), IN_DOUBT)
        for words in (
            "An invalid response was received from the upstream server",
            "upstream returned no image",
            "could not decode the response body",
        )
    },
    "a client's error that is none": _unusable(
        400, plain(message="Failed to parse upstream response: Field required"), IN_DOUBT
    ),
    "the response's own validation as 422": _unusable(
        422,
        plain(detail=[{"loc": ["response", "data"], "msg": "Field required", "type": "missing"}]),
        IN_DOUBT,
    ),
    "sent as a success": _unusable(
        200,
        plain(error={"message": _PYDANTIC}),
        IN_DOUBT,
        job_code=BAD_RESPONSE,
        counts=False,
        common="sent as a success",
    ),
    "a code says that it was the request": _unusable(
        500,
        relay(
            "invalid_request", "json: cannot unmarshal string into Go struct field ImageRequest.n"
        ),
        REFUSED,
        request_id=ID,
        common="invalid_request",
    ),
    "a policy's code": _unusable(
        500,
        openai("content_policy_violation", "upstream returned an empty response"),
        REFUSED,
        job_code=POLICY,
    ),
    "a provider's sentence as 500": _unusable(
        500,
        openai(None, "Invalid image file or mode for image 1"),
        REFUSED,
        job_code=UNREADABLE,
    ),
    "a format of the response is a parameter": _unusable(
        400,
        openai(
            None, "Invalid value: 'b64_json'. Supported values are: 'url'.", None, "response_format"
        ),
        REFUSED,
        common="refuses response_format",
    ),
}

_limits = _rows("5 rate limits")


def _rate(words: str) -> bytes:
    return openai(
        "rate_limit_exceeded",
        f"Rate limit reached for gpt-image-2 in organization org-x on input-images per min: {words}",
        "input-images",
    )


LIMITS = {
    "input images": _limits(
        429,
        _rate("Limit 5, Used 5, Requested 1. Please try again in 12s."),
        TRANSIENT,
        slows=True,
        retry_after=12,
    ),
    "both waits": _limits(
        429,
        _rate("Limit 5, Used 5, Requested 1."),
        TRANSIENT,
        headers={"retry-after": "1", "retry-after-ms": "534"},
        slows=True,
        retry_after=0.534,
    ),
    "by its type alone": _limits(429, openai(None, "no", "input-images"), TRANSIENT, slows=True),
    "by its type under another status": _limits(
        400, openai(None, "no", "input-images"), TRANSIENT, slows=True
    ),
    "a request that just fits": _limits(
        429, _rate("Limit 5, Used 3, Requested 5."), TRANSIENT, slows=True
    ),
    "more than the limit can never pass": _limits(
        429,
        _rate("Limit 5, Used 0, Requested 6."),
        REFUSED,
        job_code=JobCode.REFUSED,
        told="fewer pictures",
        common="more than its limit",
    ),
    "more than the limit, nested": _limits(
        429,
        litellm(
            429,
            {"message": "Limit 5, Used 0, Requested 6.", "code": "rate_limit_exceeded"},
        ),
        REFUSED,
        common="more than its limit",
    ),
    "a limit of none is the account's": _limits(
        429, _rate("Limit 0, Used 0, Requested 1."), ACCOUNT, told=MONEY
    ),
    "slow_down as 429": _limits(429, openai("slow_down"), TRANSIENT, slows=True),
}

_body = _rows("4 dialects of the body")
DIALECTS = {
    "error as text": _body(403, plain(error="余额不足"), ACCOUNT, says="余额不足", told=MONEY),
    "error as text with a message": _body(
        400,
        plain(error="bad_request", message="no"),
        REFUSED,
        says="bad_request: no",
        common="http_400",
    ),
    "bare message": _body(400, plain(code=400, message="请求内容违规"), REFUSED, job_code=POLICY),
    "bare msg": _body(500, plain(code=1, msg="账户欠费"), ACCOUNT, told=MONEY),
    "bare detail": _body(400, plain(detail="user quota is not enough"), ACCOUNT, told=MONEY),
    "a list": _body(500, b"[]", IN_DOUBT),
    "a list of one error": _body(
        400, b"[" + openai("moderation_blocked", "no") + b"]", REFUSED, job_code=POLICY
    ),
    "a number": _body(500, b"7", IN_DOUBT),
    "an empty code": _body(429, openai("", "slow", ""), TRANSIENT, code="http_429", slows=True),
    "a byte order mark": _body(
        429, b"\xef\xbb\xbf" + openai("insufficient_quota"), ACCOUNT, told=MONEY
    ),
    "half an emoji beside the code": _body(
        429,
        rb'{"error":{"code":"insufficient_quota","message":"no \ud83d"}}',
        ACCOUNT,
        code="insufficient_quota",
        says=r"no \ud83d",
    ),
    "GBK beside the code": _body(
        403,
        b'{"error":{"code":"insufficient_user_quota","message":"' + "额度".encode("gbk") + b'"}}',
        ACCOUNT,
        code="insufficient_user_quota",
        told=MONEY,
    ),
    "a raw NUL beside the code": _body(
        429,
        b'{"error":{"code":"insufficient_quota","message":"a\x00b\nc"}}',
        ACCOUNT,
        code="insufficient_quota",
        says=r"a\x00b c",
    ),
    "a code behind a long message": _body(
        429, openai("insufficient_quota", "x" * 200_000), ACCOUNT, code="insufficient_quota"
    ),
    "a long message that never ends": _body(
        400, openai(None, "Invalid image file " + "x" * 3_000_000), REFUSED, job_code=UNREADABLE
    ),
}

_seen = _rows("seen elsewhere")
OTHERS = {
    **{
        f"{code}, seen elsewhere": _seen(500, openai(code), verdict, told=told, slows=slows)
        for verdict, told, slows, codes in (
            (ACCOUNT, MONEY, False, "insufficient_balance budget_exceeded"),
            (
                ACCOUNT,
                KEY,
                False,
                "token_revoked token_invalid token_invalidated token_disabled token_not_found",
            ),
            (ACCOUNT, MODEL, False, "model_not_allowed"),
            (REFUSED, "PNG, JPEG", False, "unsupported_image_format"),
            (REFUSED, "8-bit RGB", False, "image_parse_error"),
            (
                REFUSED,
                "Correct the parameter",
                False,
                """
                missing_required_parameter unsupported_value unsupported_parameter invalid_type
                invalid_parameter
                """,
            ),
            (REFUSED, "Change the prompt", False, "contentFilter"),
            (TRANSIENT, "", True, "too_many_requests"),
            (TRANSIENT, "", False, "overloaded"),
        )
        for code in codes.split()
    },
    **{
        f"the type {kind}, seen elsewhere": _seen(
            400, openai(None, "no", kind), verdict, told=told, slows=slows
        )
        for kind, verdict, told, slows in (
            ("billing_error", ACCOUNT, MONEY, False),
            ("billing_limit_user_error", ACCOUNT, MONEY, False),
            ("authentication_error", ACCOUNT, KEY, False),
            ("permission_error", ACCOUNT, ACCESS, False),
            ("content_filter", REFUSED, "Change the prompt", False),
            ("rate_limit_error", TRANSIENT, "", True),
            ("requests", TRANSIENT, "", True),
            ("tokens", TRANSIENT, "", True),
            ("images", TRANSIENT, "", True),
            ("overloaded_error", TRANSIENT, "", False),
        )
    },
    "request_too_large": _seen(
        413, openai("request_too_large"), REFUSED, told="smaller", common="no request this large"
    ),
}

ANSWERS: dict[str, Answer] = {
    **ONE_API,
    **NEW_API,
    **LITELLM,
    **LOCAL_AI,
    **SELF_HOSTED,
    **BAD_SUCCESS,
    **ERRORS_AS_SUCCESS,
    **ACCOUNTS,
    **POLICIES,
    **REQUESTS,
    **RETRYABLE,
    **PAGES,
    **{f"unreached: {name}": answer for name, answer in UNREACHED.items()},
    **{f"reached: {name}": answer for name, answer in REACHED.items()},
    **{f"unusable: {name}": answer for name, answer in UNUSABLE.items()},
    **LIMITS,
    **DIALECTS,
    **OTHERS,
}

NAMED = """
    api_not_implemented insufficient_user_quota pre_consume_token_quota_failed bad_response_status_code
    access_denied model_not_found get_channel_failed invalid_request convert_request_failed
    sensitive_words_detected model_price_error count_token_failed query_data_error do_request_failed
    read_request_body_failed no_db_connection
    insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded
    project_spend_limit_exceeded organization_usage_limit_exceeded billing_hard_limit_reached
    billing_not_active account_deactivated invalid_api_key token_ entitlement_
    unsupported_country_region_territory moderation_blocked content_policy_violation content_filter
    unsupported_file_mimetype missing_file_mimetype invalid_image_file invalid_value unknown_parameter
    invalid_input_fidelity_model image_too_large image_too_small string_above_max_length
    rate_limit_exceeded slow_down server_error server_is_overloaded
    one_api_error new_api_error v_api_error packy_api_error packy_image_generation_user_error
    comet_api_error upstream_error image_generation_user_error throttling_error
    x-litellm-call-id x-request-id cf-ray cf-mitigated retry-after retry-after-ms
    未提供令牌 无效的令牌 令牌已过期 令牌状态不可用 令牌额度已用尽 用户已被封禁 无权使用模型 无可用渠道
    负载已饱和 用户额度不足 预扣费额度失败 不在令牌允许访问的列表中 无权访问模型 无权访问 可用渠道不存在
    请求上游地址失败 达到请求数限制 达到总请求数限制 额度不足 额度已用尽 余额不足 欠费 敏感词 违规
    TokenStatusExhausted safety_violations= cooldown_list= task_id
"""
"""Each code, type, header and word that is known to decide, or was met beside one that does."""

SENTENCES = (
    "API not implemented",
    "user quota is not enough",
    "token quota is not enough",
    "Invalid token",
    "use 'x' instead of '×'",
    "model is required",
    "does not accept multipart",
    "request body exceeds",
    "bad response status code 524",
    "No deployments available",
    "missing 1 required positional argument",
    "Invalid model name",
    "Budget",
    "Field required",
    "must be verified to use the model",
    "does not exist",
    "safety system",
    "Invalid image file or mode for image",
    "longest edge must be less than or equal to 3840",
    "minimum pixel budget",
    "Unknown parameter: 'response_format'",
    "no available image quota",
    "try again in 12s",
    "Limit 5, Used 5, Requested 1",
    "Limit 5, Used 0, Requested 6",
)
"""The same for what is said in several words."""
