"""
What an error is about, read from its words: tables of codes, types and phrases.

The words come before the status because relays change the status: new-api sends bad requests as 500, spent
balances as 401 or 403, a mistyped model as 503. Among the words a code decides before types and phrases do:
"below the minimum pixel budget" is no empty purse. What these tables do not know is read by its parts
(`dialects`). Types that go with everything (`invalid_request_error`,
`image_generation_user_error`, `new_api_error`) say nothing and are left out. Within codes, and within types
and phrases, the order is account, policy, request, transient.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from retouchd.answer.error_body import ErrorBody, is_about_an_answer, is_of_a_validator
from retouchd.answer.error_dialects import is_of_moderation, kind_of_names, kind_of_words
from retouchd.answer.error_kinds import ErrorKind, meaning_of
from retouchd.job.model import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    error_kind: ErrorKind
    codes: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    phrase: re.Pattern[str] | None = None


def _row(
    error_kind: ErrorKind, codes: str = "", types: str = "", phrases: Iterable[str] = ()
) -> _Row:
    pattern = "|".join(phrases)
    return _Row(
        error_kind=error_kind,
        codes=frozenset(codes.split()),
        types=frozenset(types.split()),
        phrase=re.compile(pattern, re.IGNORECASE) if pattern else None,
    )


_ENTRY_POINT = r"\ba?image_edits?\(\) missing \d+ required positional arguments?"
"""LiteLLM's, called with the request's own fields before anybody is asked."""

_ROWS = (
    _row(
        ErrorKind.MONEY,
        codes="""
            insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded
            project_spend_limit_exceeded organization_usage_limit_exceeded billing_hard_limit_reached
            billing_not_active insufficient_user_quota pre_consume_token_quota_failed
            insufficient_balance budget_exceeded
        """,
        types="insufficient_quota billing_error billing_limit_user_error budget_exceeded",
        phrases=(
            "额度不足",
            "额度已用尽",
            "额度失败",
            "余额不足",
            "欠费",
            r"quota is not enough",
            r"exceeded your current quota",
            r"no available (?:image )?quota",
            r"insufficient (?:\w+ )?(?:quota|balance|credits?|funds)",
            r"(?:credit|account) balance",
            r"out of credits",
            r"billing (?:hard )?limit",
            r"tokenstatusexhausted",
            r"budget ?(?:has been |was )?exceeded|exceeded ?(?:\w+ ?)?budget|over budget|max budget",
        ),
    ),
    _row(
        ErrorKind.KEY,
        codes="""
            invalid_api_key account_deactivated token_expired token_revoked token_invalid
            token_invalidated token_disabled token_not_found
        """,
        types="authentication_error no_db_connection",
        phrases=(
            "无效的令牌",
            "未提供令牌",
            "令牌已过期",
            "令牌状态不可用",
            r"(?:invalid|incorrect|missing) api[ -]?key",
            r"^invalid token(?: \(request id|$)",
        ),
    ),
    _row(
        ErrorKind.MODEL,
        codes="model_not_found model_not_allowed model_price_error",
        phrases=(
            "无可用渠道",
            r"models?\b.{0,120}does not exist",
            r"invalid model name",
            r"模型.{0,60}不存在",
        ),
    ),
    _row(
        ErrorKind.ACCESS,
        codes="access_denied unsupported_country_region_territory",
        types="permission_error",
        phrases=(
            "封禁",
            r"无权(?:使用|访问)",
            r"ip 不在",
            r"must be verified to use",
            r"country, region, or territory not supported",
            "令牌",
        ),
    ),
    _row(ErrorKind.ADDRESS, codes="api_not_implemented"),
    _row(
        ErrorKind.POLICY,
        codes="""
            moderation_blocked content_policy_violation content_filter contentfilter
            responsibleaipolicyviolation sensitive_words_detected prompt_blocked
        """,
        types="content_policy_violation content_filter",
        phrases=(
            r"safety system",
            r"safety_violations",
            r"content[ _]policy",
            r"contentpolicyviolation",
            "敏感词",
            "违规",
        ),
    ),
    _row(
        ErrorKind.BODY_TOO_LARGE,
        codes="request_too_large read_request_body_failed",
        phrases=(r"request body (?:exceeds|too large)", r"request entity too large"),
    ),
    _row(ErrorKind.TOO_LARGE, codes="image_too_large"),
    _row(ErrorKind.TOO_SMALL, codes="image_too_small"),
    _row(
        ErrorKind.UNSUPPORTED,
        codes="unsupported_file_mimetype missing_file_mimetype unsupported_image_format",
        phrases=(r"unsupported mimetype",),
    ),
    _row(
        ErrorKind.UNREADABLE,
        codes="invalid_image_file image_parse_error",
        phrases=(r"invalid image file",),
    ),
    _row(
        ErrorKind.PROMPT_LENGTH,
        codes="string_above_max_length",
        phrases=(r"(?:prompt|string) (?:is )?too long",),
    ),
    _row(
        ErrorKind.PARAMETER,
        codes="""
            invalid_value unknown_parameter invalid_input_fidelity_model missing_required_parameter
            unsupported_value unsupported_parameter invalid_type invalid_parameter
        """,
        phrases=(r"unknown parameter", r"minimum pixel budget", r"longest edge must be"),
    ),
    _row(ErrorKind.REQUEST, codes="invalid_request"),
    _row(
        # new-api's for an upstream's answer that it could not use.
        ErrorKind.UNKNOWN,
        codes="bad_response bad_response_body read_response_body_failed empty_response",
    ),
    _row(
        ErrorKind.DIALECT,
        phrases=(r"field required", r"missing \d+ required positional arguments?"),
    ),
    _row(ErrorKind.COOLDOWN, phrases=(r"no deployments available",)),
    _row(ErrorKind.SATURATED, phrases=("负载已饱和",)),
    _row(
        ErrorKind.THROTTLED,
        codes="rate_limit_exceeded slow_down too_many_requests",
        types="rate_limit_error rate_limit_exceeded tokens requests images input-images",
        phrases=(r"rate limit reached", "请求数限制"),
    ),
    _row(
        ErrorKind.BUSY,
        codes="server_is_overloaded overloaded",
        types="overloaded_error",
    ),
    _row(
        # Each of these is said before the relay calls anybody.
        ErrorKind.UNAVAILABLE,
        codes="get_channel_failed count_token_failed query_data_error",
        phrases=(r"可用渠道不存在", r"does not accept multipart"),
    ),
)

_KINDS_OF_LIMIT = {ErrorKind.SATURATED, ErrorKind.COOLDOWN}
"""What a code of a rate limit may stand for, told by the words beside it."""

_OF_THE_CLIENT = range(400, 500)

_OF_VALIDATORS = {ErrorKind.PARAMETER, ErrorKind.REQUEST}
"""Codes that validators of anything have as well: `invalid_type`, `invalid_value`."""

_FAMILY = re.compile(r"(?:entitlement|token)_(?!.*(?:limit|rate))")
"""new-api and its brands grow codes about a key's rights; a token *limit* is another matter."""


_VAGUE = {None, ErrorKind.REQUEST, ErrorKind.ACCESS}
"""What says so little that words beside it say more."""
_OF_MODERATED = {*_VAGUE, ErrorKind.PARAMETER, ErrorKind.DIALECT}
"""What a moderated picture is called besides."""


def kind_of_error(error: ErrorBody, status: int) -> ErrorKind | None:
    """
    Return what the words of an error are about, or None if they do not say.

    Where they may speak of the upstream's answer as well as of the request, nobody can tell whether the
    request was carried out: ErrorKind.UNKNOWN.
    """
    error_kind = _kind_by_all(error, status)
    if error_kind in _OF_MODERATED and _may_be_told(error, status):
        said = kind_of_words(error.message, error.parameter) if error_kind in _VAGUE else None
        if said is None and is_of_moderation(error.message, error.parameter):
            said = ErrorKind.POLICY
        error_kind = said or error_kind
    if error_kind is None or meaning_of(error_kind).verdict is not Verdict.REFUSED:
        return error_kind
    return error_kind if _is_about_the_request(error_kind, error, status) else ErrorKind.UNKNOWN


def _may_be_told(error: ErrorBody, status: int) -> bool:
    """
    Return whether words that are in no table tell what an error is about: not a page's, and not those of a
    success that may be half a paid picture's document.
    """
    if error.is_page or error.quotes_page:
        return False
    return 400 <= status < 500 or (200 <= status < 300 and not error.is_bare)


def _kind_by_all(error: ErrorBody, status: int) -> ErrorKind | None:
    coded = _kind_of_codes(error.codes, status)
    if coded is ErrorKind.THROTTLED:
        kinds = [
            row.error_kind
            for row in _ROWS
            if row.error_kind in _KINDS_OF_LIMIT and _speaks_of(row, error)
        ]
        return kinds[0] if kinds else coded
    if coded is None and any(_FAMILY.match(code) for code in error.codes):
        return ErrorKind.ACCESS
    spoken = (row.error_kind for row in _ROWS if _speaks_of(row, error))
    return coded or next(spoken, None) or kind_of_names(error.types, status)


def _is_about_the_request(error_kind: ErrorKind, error: ErrorBody, status: int) -> bool:
    coded = _kind_of_codes(error.codes, status) is not None
    is_own = _kind_of_codes(set(error.codes) - error.quoted, status) is not None
    if is_own and error_kind not in _OF_VALIDATORS:
        return True
    if is_about_an_answer(error.message):
        return coded and status in _OF_THE_CLIENT
    if is_own or status in _OF_THE_CLIENT:
        return True
    if error_kind is ErrorKind.DIALECT:
        return re.search(_ENTRY_POINT, error.message) is not None
    return not is_of_a_validator(error.message)


def _kind_of_codes(codes: Collection[str], status: int) -> ErrorKind | None:
    known = next((row.error_kind for row in _ROWS if not row.codes.isdisjoint(codes)), None)
    return known or kind_of_names(codes, status)


def _speaks_of(row: _Row, error: ErrorBody) -> bool:
    if not row.types.isdisjoint(error.types):
        return True
    if error.is_page or row.phrase is None:  # a page's words are a proxy's, about anything
        return False
    return row.phrase.search(error.message) is not None
