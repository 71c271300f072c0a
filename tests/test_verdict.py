"""
What each end of a request means, row by row.
"""

import datetime as dt
import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.errors import JobCode
from retouchd.rules.job import Verdict
from retouchd.rules.verdict import Failure, judge_answer, judge_bad_success, judge_failure

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)

ACCOUNT, REFUSED = Verdict.ACCOUNT, Verdict.REFUSED
TRANSIENT, IN_DOUBT = Verdict.TRANSIENT, Verdict.IN_DOUBT


class Row(NamedTuple):
    status: int
    body: bytes
    verdict: Verdict
    job_code: JobCode | None = None
    code: str | None = None


def openai(code: object, message: str = "", kind: object = None, param: object = None) -> bytes:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}, ensure_ascii=False).encode()


def relay(code: object, message: str = "", kind: str = "new_api_error") -> bytes:
    return openai(code, f"{message} (request id: 20261123120000123456789)", kind, "")


def litellm(status: int, inner: dict[str, Any] | str, name: str = "RateLimitError") -> bytes:
    quoted = inner if isinstance(inner, str) else json.dumps({"error": inner})
    message = f"litellm.{name}: {name}: OpenAIException - {quoted}. Received Model Group=m"
    return openai(str(status), message, "throttling_error" if status == 429 else None)


def plain(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def page(title: str) -> bytes:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head></html>".encode()


SATURATED = "当前分组上游负载已饱和，请稍后再试"

ROWS = {
    # DESIGN: the table of verdicts, by the status alone
    "429": Row(429, b"", TRANSIENT, code="http_429"),
    "503": Row(503, b"", TRANSIENT, code="http_503"),
    "500": Row(500, b"", IN_DOUBT, JobCode.IN_DOUBT, "http_500"),
    "502": Row(502, b"", IN_DOUBT),
    "504": Row(504, b"", IN_DOUBT),
    **{str(status): Row(status, b"", IN_DOUBT) for status in (520, 521, 522, 523, 524, 525, 529)},
    "400": Row(400, b"", REFUSED, JobCode.REFUSED, "http_400"),
    "413": Row(413, b"", REFUSED, JobCode.IMAGE_TOO_LARGE),
    "415": Row(415, b"", REFUSED, JobCode.REFUSED),
    "422": Row(422, b"", REFUSED, JobCode.REFUSED),
    "451": Row(451, b"", REFUSED, JobCode.CONTENT_POLICY),
    "401": Row(401, b"", ACCOUNT, None, "http_401"),
    "402": Row(402, b"", ACCOUNT),
    "403": Row(403, b"", ACCOUNT),
    "404": Row(404, b"", ACCOUNT),
    "405": Row(405, b"", ACCOUNT),
    "407": Row(407, b"", ACCOUNT),
    "501": Row(501, b"", ACCOUNT),
    "408, a generation may go on": Row(408, b"", IN_DOUBT),
    "409, a generation may go on": Row(409, b"", IN_DOUBT),
    "425, nothing was begun": Row(425, b"", TRANSIENT),
    "499, a relay's own client gave up": Row(499, b"", IN_DOUBT),
    "a status nobody knows": Row(599, b"", IN_DOUBT),
    **{
        f"{status} elsewhere": Row(status, b"", ACCOUNT, None, "redirected")
        for status in (301, 302, 307, 308)
    },
    # account, by code
    **{
        code: Row(429, openai(code, "…", "insufficient_quota"), ACCOUNT, None, code)
        for code in (
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        )
    },
    "insufficient_quota by type": Row(429, openai(None, "…", "insufficient_quota"), ACCOUNT),
    "billing_hard_limit_reached as 400": Row(
        400,
        openai(
            "billing_hard_limit_reached",
            "Billing hard limit has been reached",
            "invalid_request_error",
        ),
        ACCOUNT,
    ),
    "billing_not_active": Row(429, openai("billing_not_active"), ACCOUNT),
    "account_deactivated": Row(400, openai("account_deactivated"), ACCOUNT),
    "invalid_api_key": Row(401, openai("invalid_api_key", "Incorrect API key provided"), ACCOUNT),
    "token_expired": Row(400, openai("token_expired"), ACCOUNT),
    "entitlement_missing": Row(400, openai("entitlement_missing"), ACCOUNT),
    "must be verified": Row(
        403,
        openai(
            None,
            "Your organization must be verified to use the model `m`.",
            "invalid_request_error",
        ),
        ACCOUNT,
    ),
    "country": Row(403, openai("unsupported_country_region_territory"), ACCOUNT),
    **{
        f"model_not_found as {status}": Row(status, openai("model_not_found"), ACCOUNT)
        for status in (400, 404, 503)
    },
    "model does not exist": Row(
        400, openai(None, "The model `m` does not exist or you do not have access"), ACCOUNT
    ),
    "Invalid model name": Row(400, openai("400", "Invalid model name passed in model=x"), ACCOUNT),
    "quota of images": Row(429, plain(detail="no available image quota"), ACCOUNT),
    "budget": Row(
        400, openai("400", "Budget has been exceeded! Current cost: 2, Max budget: 1"), ACCOUNT
    ),
    # policy
    "moderation_blocked": Row(
        400,
        openai(
            "moderation_blocked",
            "Your request was rejected by the safety system.",
            "image_generation_user_error",
        ),
        REFUSED,
        JobCode.CONTENT_POLICY,
        "moderation_blocked",
    ),
    "content_policy_violation": Row(
        400, openai("content_policy_violation"), REFUSED, JobCode.CONTENT_POLICY
    ),
    "content_filter as 403": Row(403, openai("content_filter"), REFUSED, JobCode.CONTENT_POLICY),
    "inner error": Row(
        400,
        plain(error={"code": "badRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
        REFUSED,
        JobCode.CONTENT_POLICY,
    ),
    "safety system by its words": Row(
        403,
        openai(None, "rejected as a result of our safety system"),
        REFUSED,
        JobCode.CONTENT_POLICY,
    ),
    "safety_violations": Row(
        400, openai("", "blocked, safety_violations=[sexual]"), REFUSED, JobCode.CONTENT_POLICY
    ),
    "敏感词": Row(500, relay("", "输入包含敏感词"), REFUSED, JobCode.CONTENT_POLICY),
    "违规": Row(400, relay(None, "内容违规"), REFUSED, JobCode.CONTENT_POLICY),
    # request
    "unsupported_file_mimetype": Row(
        400,
        openai(
            "unsupported_file_mimetype", "Invalid file 'image': unsupported mimetype", param="image"
        ),
        REFUSED,
        JobCode.IMAGE_UNSUPPORTED,
    ),
    "missing_file_mimetype": Row(
        400, openai("missing_file_mimetype"), REFUSED, JobCode.IMAGE_UNSUPPORTED
    ),
    "invalid_image_file": Row(
        400,
        openai("invalid_image_file", "Invalid image file or mode for image 1"),
        REFUSED,
        JobCode.IMAGE_UNREADABLE,
    ),
    "invalid_image_file by its words": Row(
        400,
        openai(None, "Invalid image file or mode for image 2"),
        REFUSED,
        JobCode.IMAGE_UNREADABLE,
    ),
    "invalid mask": Row(
        400, openai("invalid_image_file", "…", param="mask"), REFUSED, JobCode.MASK_INVALID
    ),
    "invalid_value": Row(
        400,
        openai(
            "invalid_value",
            "The longest edge must be less than or equal to 3840.",
            "image_generation_user_error",
            "size",
        ),
        REFUSED,
        JobCode.PARAMETER_INVALID,
    ),
    "a pixel budget is no purse": Row(
        400,
        openai(
            "invalid_value",
            "Requested resolution is below the current minimum pixel budget.",
            param="size",
        ),
        REFUSED,
        JobCode.PARAMETER_INVALID,
    ),
    "a pixel budget without a code": Row(
        400,
        openai(None, "Requested resolution is below the current minimum pixel budget."),
        REFUSED,
        JobCode.PARAMETER_INVALID,
    ),
    "unknown_parameter": Row(
        400,
        openai(
            "unknown_parameter", "Unknown parameter: 'response_format'.", param="response_format"
        ),
        REFUSED,
        JobCode.PARAMETER_INVALID,
    ),
    "invalid_input_fidelity_model": Row(
        400, openai("invalid_input_fidelity_model"), REFUSED, JobCode.PARAMETER_INVALID
    ),
    "a parameter without a code": Row(
        400, openai(None, "no", param="n"), REFUSED, JobCode.PARAMETER_INVALID
    ),
    "the picture without a code": Row(
        400, openai(None, "no", param="image[]"), REFUSED, JobCode.REFUSED
    ),
    "image_too_large": Row(400, openai("image_too_large"), REFUSED, JobCode.IMAGE_TOO_LARGE),
    "image_too_small": Row(400, openai("image_too_small"), REFUSED, JobCode.REFUSED),
    "string_above_max_length": Row(
        400, openai("string_above_max_length", param="prompt"), REFUSED, JobCode.PROMPT_TOO_LONG
    ),
    "413 page": Row(413, page("413 Request Entity Too Large"), REFUSED, JobCode.IMAGE_TOO_LARGE),
    "missing field": Row(
        422,
        plain(detail=[{"type": "missing", "loc": ["body", "image"], "msg": "Field required"}]),
        REFUSED,
        JobCode.REFUSED,
    ),
    "more than the limit can never pass": Row(
        429,
        openai(
            "rate_limit_exceeded",
            "Rate limit reached for m on input-images per min: Limit 5, Used 0, Requested 6.",
        ),
        REFUSED,
        JobCode.REFUSED,
    ),
    # transient
    "rate_limit_exceeded": Row(
        429,
        openai(
            "rate_limit_exceeded", "Rate limit reached: Limit 5, Used 5, Requested 1.", "requests"
        ),
        TRANSIENT,
    ),
    "slow_down": Row(503, openai("slow_down"), TRANSIENT),
    "server_is_overloaded": Row(503, openai("server_is_overloaded"), TRANSIENT),
    "server_error": Row(500, openai("server_error", "had an error", "server_error"), IN_DOUBT),
    "null code": Row(500, openai(None), IN_DOUBT),
    # one-api
    "one-api has no edits": Row(
        501, openai("api_not_implemented", "API not implemented", "one_api_error", ""), ACCOUNT
    ),
    **{
        f"one-api 401 {words}": Row(401, relay(None, words, "one_api_error"), ACCOUNT)
        for words in (
            "未提供令牌",
            "无效的令牌",
            "该令牌已过期",
            "该令牌状态不可用",
            "该令牌额度已用尽",
        )
    },
    **{
        f"one-api 403 {words}": Row(403, relay(None, words, "one_api_error"), ACCOUNT)
        for words in ("用户已被封禁", "该令牌无权使用模型：m")
    },
    "one-api no channel": Row(
        503, relay(None, "当前分组 g 下对于模型 m 无可用渠道", "one_api_error"), ACCOUNT
    ),
    "one-api saturated": Row(429, relay(None, SATURATED, "one_api_error"), TRANSIENT),
    # new-api, its table of section 3.2
    "new-api quota": Row(
        403, relay("insufficient_user_quota", "用户额度不足, 剩余额度: 0"), ACCOUNT
    ),
    "new-api quota in advance": Row(403, relay("", "预扣费额度失败, 用户剩余额度: 0"), ACCOUNT),
    "new-api spent as 400": Row(400, relay("", "账户余额不足"), ACCOUNT),
    "new-api spent key": Row(
        401, relay("", "该令牌额度已用尽 TokenStatusExhausted[sk-abcdefgh]"), ACCOUNT
    ),
    "new-api key quota": Row(
        403, relay("pre_consume_token_quota_failed", "token quota is not enough"), ACCOUNT
    ),
    "new-api key quota by its words": Row(500, relay("", "token quota is not enough"), ACCOUNT),
    "new-api address": Row(
        403, relay("access_denied", "您的 IP 不在令牌允许访问的列表中"), ACCOUNT
    ),
    "new-api model": Row(403, relay("", "该令牌无权访问模型 m"), ACCOUNT),
    "new-api group": Row(403, relay("", "无权访问 g 分组"), ACCOUNT),
    "new-api no channel": Row(
        503, relay("model_not_found", "分组 g 下模型 m 无可用渠道（distributor）"), ACCOUNT
    ),
    "new-api channel gone": Row(
        500, relay("get_channel_failed", "分组 g 下模型 m 的可用渠道不存在（retry）"), TRANSIENT
    ),
    "new-api bad request as 500": Row(
        500, relay("invalid_request", "size … 'x' instead of '×'"), REFUSED, JobCode.REFUSED
    ),
    "new-api channel by lottery": Row(
        500,
        relay(
            "convert_request_failed", "gpt-image-2 does not accept multipart file upload; please"
        ),
        TRANSIENT,
    ),
    "new-api conversion": Row(500, relay("convert_request_failed", "not implemented"), IN_DOUBT),
    "new-api sensitive words": Row(
        500, relay("sensitive_words_detected"), REFUSED, JobCode.CONTENT_POLICY
    ),
    "new-api price": Row(500, relay("model_price_error"), ACCOUNT),
    "new-api counting": Row(500, relay("count_token_failed"), TRANSIENT),
    "new-api database": Row(500, relay("query_data_error"), TRANSIENT),
    "new-api upstream": Row(500, relay("do_request_failed", "请求上游地址失败"), IN_DOUBT),
    "new-api limiter": Row(429, relay("", "您已达到请求数限制：5分钟内最多请求10次"), TRANSIENT),
    "new-api limiter in total": Row(
        429, relay("", "您已达到总请求数限制：5分钟内最多请求10次，包括失败次数"), TRANSIENT
    ),
    "new-api saturated": Row(429, relay("rate_limit_exceeded", SATURATED), TRANSIENT),
    "new-api body": Row(
        413,
        relay("read_request_body_failed", "request body exceeds 128 MB"),
        REFUSED,
        JobCode.IMAGE_TOO_LARGE,
    ),
    "new-api upstream page": Row(
        500, relay("bad_response_status_code", "bad response status code 524"), IN_DOUBT
    ),
    "new-api upstream page under a remapped status": Row(
        400, relay("bad_response_status_code", "bad response status code 524"), IN_DOUBT
    ),
    "new-api upstream page, busy": Row(
        429, relay("bad_response_status_code", "bad response status code 429"), TRANSIENT
    ),
    "another brand's type": Row(
        400,
        relay("moderation_blocked", "…", "packy_image_generation_user_error"),
        REFUSED,
        JobCode.CONTENT_POLICY,
    ),
    # LiteLLM, its samples of section 3.3
    "LiteLLM quota": Row(
        429,
        litellm(
            429,
            {"message": "You exceeded", "type": "insufficient_quota", "code": "insufficient_quota"},
        ),
        ACCOUNT,
        None,
        "insufficient_quota",
    ),
    "LiteLLM quota, quoted once more": Row(
        429,
        litellm(429, json.dumps({"error": {"code": "insufficient_quota"}}).replace('"', '\\"')),
        ACCOUNT,
        None,
        "insufficient_quota",
    ),
    "LiteLLM quota, as Python writes it": Row(
        429, litellm(429, "Error code: 429 - {'error': {'code': 'insufficient_quota'}}"), ACCOUNT
    ),
    "LiteLLM rate": Row(
        429, litellm(429, {"message": "slow", "code": "rate_limit_exceeded"}), TRANSIENT
    ),
    "LiteLLM policy": Row(
        400,
        litellm(
            400, {"message": "no", "code": "moderation_blocked"}, "ContentPolicyViolationError"
        ),
        REFUSED,
        JobCode.CONTENT_POLICY,
    ),
    "LiteLLM value": Row(
        400,
        litellm(
            400,
            {"message": "minimum pixel budget", "param": "size", "code": "invalid_value"},
            "BadRequestError",
        ),
        REFUSED,
        JobCode.PARAMETER_INVALID,
    ),
    "LiteLLM cooldown": Row(
        429,
        openai(
            "429",
            "No deployments available for selected model, Try again in 5 seconds. cooldown_list=[]",
        ),
        TRANSIENT,
    ),
    "LiteLLM chat upstream": Row(
        500, litellm(500, "1 validation error for ImageResponse", "APIConnectionError"), IN_DOUBT
    ),
    "LiteLLM unknown key": Row(400, openai("400", "No connected db.", "no_db_connection"), ACCOUNT),
    "LiteLLM budget": Row(400, openai("400", "ExceededBudget: User over budget"), ACCOUNT),
    # dialects of the body
    "integer code": Row(
        500, plain(error={"code": 500, "message": "rpc error", "type": ""}), IN_DOUBT
    ),
    "opaque": Row(500, b"", IN_DOUBT),
    "error as text": Row(403, plain(error="余额不足"), ACCOUNT),
    "bare message": Row(
        400, plain(code=400, message="请求内容违规"), REFUSED, JobCode.CONTENT_POLICY
    ),
    "bare msg": Row(500, plain(code=1, msg="账户欠费"), ACCOUNT),
    "detail as text": Row(401, plain(detail="Not authenticated"), ACCOUNT),
    "detail as an error": Row(
        400,
        plain(detail={"error": {"code": "moderation_blocked"}}),
        REFUSED,
        JobCode.CONTENT_POLICY,
    ),
    "plain text": Row(404, b"404 page not found", ACCOUNT),
    "list": Row(500, plain() + b"[]", IN_DOUBT),
    # pages of what stands in between
    "Cloudflare 403": Row(403, page("Attention Required! | Cloudflare"), ACCOUNT),
    "Cloudflare challenge as 503": Row(503, page("Just a moment..."), ACCOUNT),
    "nginx 503": Row(503, page("503 Service Temporarily Unavailable"), TRANSIENT),
    "Cloudflare 524": Row(524, page("example.com | 524: A timeout occurred"), IN_DOUBT),
    "nginx 502": Row(502, page("502 Bad Gateway"), IN_DOUBT),
    "a page about a policy is no policy": Row(500, page("Our content policy"), IN_DOUBT),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_every_known_answer_has_its_verdict(row: Row) -> None:
    """
    Each answer of the tables leads to its verdict; a refusal also to the code the person sees.
    """
    judged = judge_answer(row.status, {}, row.body, NOW)

    assert judged.verdict is row.verdict
    if row.job_code is not None:
        assert judged.job_code is row.job_code
    if row.code is not None:
        assert judged.code == row.code
    assert judged.message
    assert judged.hint or judged.verdict is TRANSIENT


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_only_what_may_pass_by_itself_counts_as_an_outage(row: Row) -> None:
    """
    Unpaid and doubtful failures count toward the breaker; refusals and the account's faults do not.
    """
    judged = judge_answer(row.status, {}, row.body, NOW)

    assert judged.endpoint_failure is (row.verdict in {TRANSIENT, IN_DOUBT})


def test_nothing_sent_is_free_and_no_answer_is_not() -> None:
    """
    A request that never left may be repeated; one whose answer is missing may have been charged.
    """
    unsent = judge_failure(Failure.NOT_SENT, "Connection refused by relay.example")
    unanswered = judge_failure(Failure.NO_ANSWER, "no whole answer within 600 s")

    assert (unsent.verdict, unsent.code, unsent.endpoint_failure) == (TRANSIENT, "not_sent", True)
    assert unsent.message == "Connection refused by relay.example"
    assert (unanswered.verdict, unanswered.code) == (IN_DOUBT, "no_answer")
    assert unanswered.job_code is JobCode.IN_DOUBT
    assert unanswered.endpoint_failure


def test_a_file_of_ours_is_not_the_endpoints_fault() -> None:
    """
    A file that could not be read cost nothing and says nothing about the endpoint.
    """
    judged = judge_failure(Failure.UNREADABLE, "cat.png cannot be read: Input/output error")

    assert (judged.verdict, judged.endpoint_failure) == (TRANSIENT, False)


def test_a_throttled_request_slows_every_other() -> None:
    """
    429 delays the pool; an outage or an empty purse under the same status does not.
    """
    throttled = judge_answer(429, {"retry-after": "7"}, openai("rate_limit_exceeded"), NOW)

    assert throttled.slows_pool
    assert throttled.retry_after == 7
    assert not judge_answer(503, {}, b"", NOW).slows_pool
    assert not judge_answer(429, {}, openai("insufficient_quota"), NOW).slows_pool


def test_a_refused_parameter_is_named() -> None:
    """
    The field refused is there to tell a bad configuration from a bad file.
    """
    body = openai("invalid_value", "no", param="size")
    fastapi = plain(detail=[{"loc": ["body", "image"], "msg": "Field required"}])

    assert judge_answer(400, {}, body, NOW).parameter == "size"
    assert judge_answer(400, {}, litellm(400, {"param": "quality"}), NOW).parameter == "quality"
    assert judge_answer(422, {}, fastapi, NOW).parameter == "image"
    assert judge_answer(400, {}, openai(None, param=""), NOW).parameter is None


def test_a_redirect_says_where_to() -> None:
    """
    A redirect is the configuration's fault, and its target is what the person needs.
    """
    judged = judge_answer(308, {"location": "https://www.relay.example/v1"}, b"", NOW)

    assert judged.message == "redirected to https://www.relay.example/v1"
    assert "endpoint.base_url" in judged.hint


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-request-id": "req_1", "cf-ray": "r"}, b"", "req_1"),
        ({"x-litellm-call-id": "c-1"}, b"", "c-1"),
        ({}, relay("", "…"), "20261123120000123456789"),
        ({}, b"", None),
    ],
)
def test_the_endpoints_name_for_a_request_is_kept(
    headers: dict[str, str], body: bytes, expected: str | None
) -> None:
    """
    The id a provider's support asks for comes from the headers, else from the message.
    """
    assert judge_answer(500, headers, body, NOW).request_id == expected


def test_success_without_a_picture_may_have_been_charged() -> None:
    """
    A 2xx without a picture is in doubt, quotes what came instead, and is no outage.
    """
    judged = judge_bad_success("no picture", "I can't\ndraw that", {}, b'{"choices":[]}', NOW)

    assert judged.verdict is IN_DOUBT
    assert judged.job_code is JobCode.BAD_RESPONSE
    assert judged.message == "no picture: I can't draw that"
    assert not judged.endpoint_failure


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (openai("insufficient_quota"), ACCOUNT),
        (plain(code=401, message="无效的令牌"), ACCOUNT),
        (openai("moderation_blocked"), REFUSED),
        (openai("mystery", "something"), IN_DOUBT),
        (page("rate limit reached"), IN_DOUBT),
        (b"\x89PNG\r\n", IN_DOUBT),
    ],
)
def test_an_error_under_a_status_of_success_is_judged_by_its_words(
    body: bytes, verdict: Verdict
) -> None:
    """
    Relays send refusals with status 200; a reason they name decides, and nothing else does.
    """
    assert judge_bad_success("no picture", None, {}, body, NOW).verdict is verdict


@given(st.integers(300, 999), st.dictionaries(st.text(), st.text()), st.binary(max_size=300))
def test_no_answer_is_too_strange_to_be_judged(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    """
    Any status, headers and bytes yield a verdict and a message fit for one line.
    """
    judged = judge_answer(status, headers, body, NOW)

    assert judged.verdict is not Verdict.DONE
    assert len(judged.message) <= 500
    assert len(judged.message.splitlines()) == 1
