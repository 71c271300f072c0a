"""
How providers and relays all over the world say the few things that matter: rows for `test_error_dialects`.

Each text is as its program writes it; for each dialect only what it says in a way of its own.
"""

import json
from dataclasses import dataclass
from typing import Any

from retouchd.errors import JobCode
from retouchd.job.model import Verdict
from verdict_cases import ACCESS, ADDRESS, FIREWALL, KEY, MODEL, MONEY, openai, page, plain

ACCOUNT, REFUSED = Verdict.ACCOUNT, Verdict.REFUSED
TRANSIENT, IN_DOUBT = Verdict.TRANSIENT, Verdict.IN_DOUBT
VERSION, HEADERS, PROXY = "api-version", "endpoint.headers", "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """
    A status and a body, what they mean, and words that a person is shown of them: theirs and ours.
    """

    status: int
    body: bytes
    verdict: Verdict
    says: str = ""
    told: str = ""
    job_code: JobCode | None = None


def _policy(status: int, body: bytes, says: str = "") -> Said:
    return Said(
        status=status, body=body, verdict=REFUSED, says=says, job_code=JobCode.CONTENT_POLICY
    )


def _account(told: str, status: int, body: bytes, says: str = "") -> Said:
    return Said(status=status, body=body, verdict=ACCOUNT, says=says, told=told)


def _said(verdict: Verdict, status: int, body: bytes, says: str = "", told: str = "") -> Said:
    return Said(status=status, body=body, verdict=verdict, says=says, told=told)


def _raw(status: int, raw: Any) -> bytes:
    """
    An upstream's error as OpenRouter passes it on.
    """
    metadata = {"raw": raw if isinstance(raw, str) else json.dumps(raw), "provider_name": "OpenAI"}
    return plain(
        error={"message": "Provider returned error", "code": status, "metadata": metadata},
        user_id="u",
    )


def _google(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    return plain(
        error={"code": code, "message": message, "status": status, "details": list(details)}
    )


def _reason(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "g"}


_FILTERED = {"hate": {"filtered": False}, "sexual": {"filtered": True, "severity": "high"}}
_CLEAN = {"hate": {"filtered": False}, "sexual": {"filtered": False, "severity": "safe"}}

MODERATED = {
    "OpenRouter's own moderation": _policy(
        403,
        plain(
            error={
                "code": 403,
                "message": "Your chosen model requires moderation and your input was flagged",
                "metadata": {"reasons": ["sexual", "violence"], "flagged_input": "…"},
            }
        ),
        "sexual, violence",
    ),
    "OpenRouter, the upstream's code": _policy(
        400,
        _raw(400, {"error": {"message": "rejected", "code": "moderation_blocked"}}),
        "rejected",
    ),
    "OpenRouter, the upstream's words": _policy(
        403, _raw(403, "Your request was rejected by the safety system."), "safety system"
    ),
    "OpenRouter, an upstream's object": _policy(
        403,
        plain(
            error={
                "message": "Provider returned error",
                "code": 403,
                "metadata": {"raw": {"error": {"code": "content_policy_violation"}}},
            }
        ),
    ),
    "Azure's prompt filter": _policy(
        400,
        openai(
            "content_filter",
            "The response was filtered due to the prompt triggering Azure OpenAI's content management "
            "policy. Please modify your prompt and retry.",
            None,
            "prompt",
            status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": _FILTERED,
            },
        ),
    ),
    "Azure's filter by its results alone": _policy(
        400, openai(None, "no", inner_error={"content_filter_results": _FILTERED})
    ),
    "Azure, under 403": _policy(
        403,
        openai("BadRequest", "no", inner_error={"code": "ResponsibleAIPolicyViolation"}),
    ),
    "DashScope's inspection": _policy(
        400,
        plain(
            code="DataInspectionFailed",
            message="Output data may contain inappropriate content.",
            request_id="r-1",
        ),
        "inappropriate content",
    ),
    "DashScope's inspection, longer": _policy(
        500, plain(code="InternalError.Algo.DataInspectionFailed", message="Input data")
    ),
    "DashScope's inspection, as OpenAI": _policy(
        400, openai("data_inspection_failed", "<400> InternalError.Algo.DataInspectionFailed")
    ),
    "DashScope's rights of others": _policy(
        400,
        plain(
            code="IPInfringementSuspect",
            message="Input data is suspected of being involved in IP infringement.",
        ),
    ),
    "Volcano's text": _policy(
        400,
        openai(
            "InputTextSensitiveContentDetected",
            "The request failed because the input text may contain sensitive information.",
            "BadRequest",
        ),
    ),
    "Volcano's picture, and a policy": _policy(
        400, openai("OutputImageSensitiveContentDetected.PolicyViolation", "no", "BadRequest")
    ),
    "Volcano's older numbers": _policy(
        400, plain(code=50412, message="Text Risk Not Pass", request_id="r-1")
    ),
    "xAI's picture": _policy(
        400,
        plain(
            code="Client specified an invalid argument",
            error="Generated image rejected by content moderation.",
        ),
    ),
    "xAI's guidelines under 403": _policy(
        403,
        plain(
            code="The caller does not have permission to execute the specified operation",
            error="Content violates usage guidelines. Team: t, API key ID: k, Model: grok-imagine, "
            "Failed check: SAFETY_CHECK_TYPE_CSAM",
        ),
        "usage guidelines",
    ),
    "Zhipu": _policy(
        400,
        openai(
            "1301",
            "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语。",
        ),
        "敏感内容",
    ),
    "Moonshot": _policy(
        400,
        openai(
            None,
            "The request was rejected because it was considered high risk",
            "content_filter",
        ),
    ),
    "DeepSeek": _policy(400, openai("invalid_request_error", "Content Exists Risk")),
    "StepFun": _policy(
        451,
        openai(
            None,
            "The content you provided or machine outputted is blocked.",
            "censorship_blocked",
        ),
    ),
    "MiniMax, as a success": _policy(
        200, plain(base_resp={"status_code": 1026, "status_msg": "input new_sensitive"})
    ),
    "Tencent": _policy(
        200,
        plain(
            Response={
                "Error": {
                    "Code": "OperationDenied.ImageIllegalDetected",
                    "Message": "图片包含违法违规信息，审核不通过。",
                },
                "RequestId": "r-1",
            }
        ),
        "审核不通过",
    ),
    "a relay's review in Chinese": _policy(
        403, openai("", "提示词未通过内容安全审核，请修改后重试", "new_api_error"), "审核"
    ),
    "a relay that threatens": _policy(
        403,
        openai("access_denied", "内容违规，多次违规将封禁账号", "new_api_error"),
    ),
    "a threat in English": _policy(
        403,
        plain(
            error="Your prompt was flagged as unsafe content. Repeated violations may lead to your "
            "account being suspended."
        ),
    ),
    "Stability": _policy(
        403,
        plain(
            id="i-1",
            name="content_moderation",
            errors=["Your request was flagged by our content moderation system."],
        ),
        "flagged by our content moderation system",
    ),
    "fal": _policy(
        422,
        plain(
            detail=[
                {
                    "loc": ["body", "prompt"],
                    "msg": "The content could not be processed because it contained material flagged "
                    "by a content checker.",
                    "type": "content_policy_violation",
                }
            ]
        ),
    ),
    "Together": _policy(
        422, openai("nsfw", "NSFW content detected in prompt", "invalid_request_error", "prompt")
    ),
    "Cloudflare Workers AI": _policy(
        400,
        plain(
            errors=[
                {"message": "AiError: AiError: Input prompt contains NSFW content", "code": 3030}
            ],
            success=False,
            result={},
        ),
        "NSFW",
    ),
    "Cloudflare's gateway": _policy(
        424,
        plain(
            success=False,
            error=[{"code": 2016, "message": "Prompt blocked due to unsafe content"}],
        ),
        "unsafe content",
    ),
    "Bedrock": _policy(
        400,
        plain(
            message="This request has been blocked by our content filters. Our filters automatically "
            "flagged this prompt because it may conflict with our AUP or AWS Responsible AI Policy."
        ),
    ),
    "Portkey's guardrails": _policy(
        446,
        openai(
            None,
            "The guardrail checks defined in the config failed. You can find more information in the "
            "`hook_results` object.",
            "hooks_failed",
        ),
    ),
    "Ideogram": _policy(422, plain(error="Prompt failed safety check")),
    "Luma": _policy(400, plain(detail="prompt not allowed because advanced moderation failed")),
    "Runway": _policy(400, plain(error="x", failureCode="y", code="SAFETY.INPUT.IMAGE")),
    "Black Forest Labs, as a success": _policy(
        200,
        plain(
            id="i", status="Request Moderated", result=None, details={"Moderation Reasons": ["x"]}
        ),
    ),
    "Gemini's prompt, as a success": _policy(
        200, plain(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}, usageMetadata={})
    ),
    "Gemini's picture, as a success": _policy(
        200, plain(candidates=[{"finishReason": "IMAGE_SAFETY", "index": 0, "content": {}}])
    ),
    "a chat that was filtered": _policy(
        200,
        plain(choices=[{"finish_reason": "content_filter", "message": {"content": ""}}], created=1),
    ),
    "problem+json": _policy(
        403,
        plain(
            type="https://api.example/problems/content-policy-violation",
            title="Content rejected",
            status=403,
            detail="The picture was not processed.",
        ),
        "Content rejected: The picture was not processed.",
    ),
    "Traditional Chinese": _policy(403, plain(message="內容違反使用規範，審核未通過")),
    "Japanese": _policy(400, plain(message="不適切なコンテンツが検出されました")),
    "Korean": _policy(400, plain(message="부적절한 콘텐츠가 감지되었습니다")),
    "XML": _policy(
        403,
        b'<?xml version="1.0"?><Error><Code>SensitiveContentDetected</Code><Message>no</Message></Error>',
    ),
}

NOT_MODERATED = {
    "the filter of another fault": Said(
        status=400,
        body=openai(None, "no", innererror={"content_filter_result": _CLEAN}),
        verdict=REFUSED,
        job_code=JobCode.REFUSED,
    ),
    "a data policy": _account(
        ACCESS,
        404,
        plain(
            error={
                "code": 404,
                "message": "No endpoints found matching your data policy (Free model publication). "
                "Configure: https://openrouter.ai/settings/privacy",
            }
        ),
        "data policy",
    ),
    "an account banned for it": _account(
        ACCESS, 403, openai("", "您的账号因违规已被封禁", "new_api_error")
    ),
    "an account suspended for it": _account(
        ACCESS,
        403,
        plain(error="Your account has been suspended for violating our usage policies."),
    ),
    "an identity's policy": _account(
        ACCESS,
        403,
        plain(
            message="User is not authorized to perform: bedrock:InvokeModel with an explicit deny in "
            "an identity-based policy"
        ),
    ),
    "a moderation that is down": _said(
        IN_DOUBT, 500, plain(error="moderation service unavailable")
    ),
    "a parameter called moderation": Said(
        status=400,
        body=openai(
            "invalid_value",
            "Invalid value: 'strict'. Supported values are: 'low' and 'auto'.",
            "invalid_request_error",
            "moderation",
        ),
        verdict=REFUSED,
        job_code=JobCode.PARAMETER_INVALID,
    ),
    "a parameter that says safety": Said(
        status=400,
        body=openai(None, "Unknown parameter: 'safety_identifier'.", None, "safety_identifier"),
        verdict=REFUSED,
        job_code=JobCode.PARAMETER_INVALID,
    ),
    "names that are case-sensitive": _account(
        MODEL, 404, plain(message="Model not found: names are case-sensitive")
    ),
    "an inspection that could not load": Said(
        status=400,
        body=plain(
            code="InvalidParameter.DataInspection",
            message="Unable to download the media resource during the data inspection process.",
        ),
        verdict=REFUSED,
        job_code=JobCode.REFUSED,
    ),
}

ACCOUNTS = {
    "Google's key": _account(
        KEY,
        400,
        _google(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
            _reason("API_KEY_INVALID"),
        ),
        "API key not valid",
    ),
    "Google's key in a list": _account(
        KEY,
        400,
        b"[" + _google(400, "INVALID_ARGUMENT", "no", _reason("API_KEY_INVALID")) + b"]",
    ),
    "Google's key that leaked": _account(
        KEY,
        403,
        _google(
            403,
            "PERMISSION_DENIED",
            "Your API key was reported as leaked. Please use another API key.",
        ),
    ),
    "Google's permission": _account(
        ACCESS, 400, _google(403, "PERMISSION_DENIED", "The caller does not have permission")
    ),
    "Google's switched-off service": _account(
        ACCESS,
        403,
        _google(
            403,
            "PERMISSION_DENIED",
            "Generative Language API has not been used in project 1 before or it is disabled.",
            _reason("SERVICE_DISABLED"),
        ),
    ),
    "Google's billing": _account(
        MONEY, 403, _google(403, "PERMISSION_DENIED", "no", _reason("BILLING_DISABLED"))
    ),
    "Google's region": _account(
        ACCESS,
        400,
        _google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        "location",
    ),
    "Google's model": _account(
        MODEL,
        404,
        _google(
            404,
            "NOT_FOUND",
            "models/gemini-9 is not found for API version v1beta, or is not supported for "
            "generateContent.",
        ),
    ),
    "Google through LiteLLM": _account(
        KEY,
        400,
        openai(
            "400",
            "litellm.BadRequestError: VertexAIException BadRequestError - "
            + _google(400, "INVALID_ARGUMENT", "x", _reason("API_KEY_INVALID")).decode(),
        ),
    ),
    "Azure's deployment": _account(
        MODEL,
        404,
        openai(
            "DeploymentNotFound",
            "The API deployment for this resource does not exist. If you created the deployment within "
            "the last 5 minutes, please wait a moment and try again.",
        ),
        "deployment",
    ),
    "Azure's address": _account(ADDRESS, 404, openai("404", "Resource not found")),
    "Azure's version": _account(VERSION, 400, openai("BadRequest", "API version not supported")),
    "Azure's version that is missing": _account(
        VERSION,
        400,
        openai(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required",
        ),
    ),
    "Azure's key": _account(
        KEY,
        401,
        openai(
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide "
            "a valid key for an active subscription and use a correct regional API endpoint",
        ),
    ),
    "Azure's gateway": _account(
        KEY,
        401,
        plain(statusCode=401, message="Access denied due to missing subscription key."),
        "missing subscription key",
    ),
    "Azure's volume": _account(
        MONEY,
        403,
        plain(
            statusCode=403,
            message="Out of call volume quota. Quota will be replenished in 10.12:34:56.",
        ),
    ),
    "Azure's network": _account(
        ACCESS, 403, openai("403", "Access denied due to Virtual Network/Firewall rules.")
    ),
    "Azure's model": _account(
        MODEL,
        400,
        openai(
            "OperationNotSupported",
            "The images edit operation does not work with the specified model, gpt-4o. Please choose "
            "different model and try again.",
        ),
    ),
    "OpenRouter's key": _account(
        KEY, 401, plain(error={"message": "No auth credentials found", "code": 401})
    ),
    "OpenRouter's model": _account(
        MODEL,
        400,
        plain(error={"message": "openai/gpt-image-9 is not a valid model ID", "code": 400}),
    ),
    "OpenRouter has nobody": _account(
        MODEL, 404, plain(error={"message": "No endpoints found for openai/x.", "code": 404})
    ),
    "OpenRouter's credits": _account(
        MONEY,
        402,
        plain(error={"message": "Insufficient credits. Add more using …", "code": 402}),
    ),
    "OpenRouter, the upstream's key": _account(
        KEY, 400, _raw(400, {"error": {"code": "invalid_api_key", "message": "Incorrect API key"}})
    ),
    "DashScope's key": _account(
        KEY, 400, plain(code="InvalidApiKey", message="Invalid API-key provided.", request_id="r")
    ),
    "DashScope's arrears": _account(
        MONEY,
        400,
        plain(
            code="Arrearage",
            message="Access denied, please make sure your account is in good standing.",
        ),
        "good standing",
    ),
    "DashScope's model": _account(
        MODEL, 400, plain(code="Model.AccessDenied", message="Model access denied.")
    ),
    "DashScope's free tier": _account(
        MONEY,
        403,
        plain(
            code="AllocationQuota.FreeTierOnly",
            message="The free tier of the model has been exhausted.",
        ),
    ),
    "DashScope's purchase": _account(
        MONEY, 403, plain(code="AccessDenied.Unpurchased", message="Access to model denied.")
    ),
    "Portkey's key": _account(
        KEY, 401, plain(status="failure", message="Invalid API Key. Error Code: 03")
    ),
    "Portkey's headers": _account(
        HEADERS,
        400,
        plain(
            status="failure",
            message="Either x-portkey-config or x-portkey-provider header is required",
        ),
        "x-portkey-provider",
    ),
    "Portkey's upstream": _account(
        MONEY,
        412,
        openai(None, "openai error: You exceeded your current quota", "insufficient_quota"),
    ),
    "SiliconFlow's balance": _account(
        MONEY,
        403,
        plain(code=30001, message="Sorry, your account balance is insufficient", data=None),
    ),
    "SiliconFlow's model": _account(
        MODEL,
        400,
        plain(code=20012, message="Model does not exist. Please check it carefully.", data=None),
    ),
    "SiliconFlow's disabled model": _account(
        MODEL, 400, plain(code=30003, message="Model disabled.", data=None)
    ),
    "SiliconFlow's key": _account(KEY, 401, b'"Invalid token"'),
    "xAI's credits": _account(
        MONEY,
        429,
        plain(
            code="Some resource has been exhausted",
            error="Your team t has either used all available credits or reached its monthly spending "
            "limit. To continue making API requests, please purchase more credits or raise your "
            "spending limit.",
        ),
        "used all available credits",
    ),
    "xAI's key": _account(
        KEY,
        400,
        plain(
            code="Client specified an invalid argument",
            error="Incorrect API key provided: xa***yz. You can obtain an API key from the console.",
        ),
    ),
    "xAI's model": _account(
        MODEL,
        404,
        plain(
            code="Some requested entity was not found",
            error="The model grok-9 does not exist or your team t does not have access to it.",
        ),
    ),
    "Volcano's overdue bill": _account(
        MONEY,
        403,
        openai(
            "AccountOverdueError",
            "The request failed because your account has an overdue balance.",
            "Forbidden",
        ),
    ),
    "Volcano's quota": _account(
        MONEY,
        429,
        openai(
            "QuotaExceeded",
            "Your account [1] has exhausted its free trial quota for the [m] model.",
            "TooManyRequests",
        ),
    ),
    "Volcano's own limit": _account(
        MONEY,
        429,
        openai(
            "SetLimitExceeded",
            "Your account [1] has reached the set inference limit for the [m] model, and the model "
            "service has been paused.",
            "TooManyRequests",
        ),
    ),
    "Volcano's model": _account(
        MODEL,
        404,
        openai("ModelNotOpen", "Your account has not activated the model m.", "NotFound"),
    ),
    "Volcano's endpoint": _account(
        MODEL, 404, openai("InvalidEndpointOrModel.NotFound", "no", "NotFound")
    ),
    "Zhipu's arrears": _account(MONEY, 429, openai("1113", "您的账户已欠费，请充值后重试。")),
    "Zhipu's key": _account(KEY, 400, openai("1000", "身份验证失败。")),
    "Zhipu's model": _account(MODEL, 400, openai("1211", "模型不存在，请检查模型代码。")),
    "Moonshot's quota": _account(
        MONEY,
        429,
        openai(None, "Your account is not active", "exceeded_current_quota_error"),
    ),
    "MiniMax, as a success": _account(
        MONEY, 200, plain(base_resp={"status_code": 1008, "status_msg": "insufficient balance"})
    ),
    "MiniMax' key, as a success": _account(
        KEY,
        200,
        plain(
            base_resp={
                "status_code": 1004,
                "status_msg": "login fail: Please carry the API secret key in the 'Authorization' field",
            }
        ),
    ),
    "Tencent's arrears, as a success": _account(
        MONEY,
        200,
        plain(Response={"Error": {"Code": "ResourceUnavailable.InArrears", "Message": "账号欠费"}}),
    ),
    "Tencent's key, as a success": _account(
        KEY,
        200,
        plain(Response={"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "no"}}),
    ),
    "Stability's credits": _account(
        MONEY,
        400,
        plain(
            id="i",
            name="payment_required",
            errors=["You lack sufficient credits to make this request."],
        ),
    ),
    "fal's balance": _account(
        MONEY, 403, plain(detail="User is locked. Reason: Exhausted balance. Top up your balance")
    ),
    "Replicate's credit": _account(
        MONEY,
        402,
        plain(
            title="Insufficient credit",
            detail="You have insufficient credit to run this model.",
            status=402,
        ),
        "Insufficient credit: You have",
    ),
    "Together's limit": _account(
        MONEY, 400, openai(None, "Credit limit exceeded, please navigate to …", "credit_limit")
    ),
    "Fireworks": _account(
        MONEY,
        412,
        openai(
            "ACCOUNT_SUSPENDED",
            "Account a is suspended, possibly due to reaching the monthly spending limit or failure to "
            "pay past invoices.",
            "invalid_request_error",
        ),
        "suspended",
    ),
    "Novita": _account(
        MONEY, 400, plain(code=400, reason="NOT_ENOUGH_BALANCE", message="no", metadata={})
    ),
    "Hugging Face": _account(
        MONEY,
        400,
        plain(error="You have exceeded your monthly included credits for Inference Providers."),
    ),
    "Cloudflare's key": _account(
        KEY,
        400,
        plain(success=False, errors=[{"code": 10000, "message": "Authentication error"}]),
        "Authentication error",
    ),
    "Cloudflare's neurons": _account(
        MONEY,
        429,
        plain(
            errors=[
                {
                    "message": "you have used up your daily free allocation of 10,000 neurons",
                    "code": 4006,
                }
            ],
            success=False,
        ),
    ),
    "Bedrock's key": _account(
        KEY,
        403,
        plain(
            __type="com.amazon.coral.service#UnrecognizedClientException",
            message="The security token included in the request is invalid.",
        ),
    ),
    "Bedrock's model": _account(
        MODEL,
        400,
        plain(
            __type="AccessDeniedException",
            message="You don't have access to the model with the specified model ID.",
        ),
    ),
    "Anthropic's credit": _account(
        MONEY,
        400,
        plain(
            type="error",
            error={"type": "invalid_request_error", "message": "Your credit balance is too low"},
        ),
    ),
    "Apigee's key": _account(
        KEY,
        400,
        plain(
            fault={
                "faultstring": "Invalid ApiKey",
                "detail": {"errorcode": "oauth.v2.InvalidApiKey"},
            }
        ),
    ),
    "an object store's XML": _account(
        ACCESS,
        400,
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
        b"<Message>Access Denied</Message><RequestId>1</RequestId></Error>",
        "Access Denied",
    ),
    "Azure's XML": _account(
        KEY,
        400,
        b'<error xmlns="urn:x"><code>InvalidAuthenticationInfo</code>'
        b"<message xml:lang='en'>Server failed to authenticate the request.</message></error>",
        "failed to authenticate",
    ),
    "problem+json": _account(
        MONEY,
        400,
        plain(type="https://x.example/errors/quota-exhausted", title="No", detail="nothing left"),
        "No: nothing left",
    ),
    "an error in an error": _account(
        KEY, 400, plain(error={"error": {"error": {"code": "invalid_api_key", "message": "no"}}})
    ),
    "TLS where there is none": _account(
        ADDRESS, 400, b"Client sent an HTTP request to an HTTPS server.\n"
    ),
    "our own proxy": _account(PROXY, 407, page("407 Proxy Authentication Required")),
}

OTHERS = {
    "DashScope's rate": _said(
        TRANSIENT, 429, plain(code="Throttling.RateQuota", message="Requests rate limit exceeded")
    ),
    "DashScope's rate under another status": _said(
        TRANSIENT, 400, plain(code="Throttling", message="no")
    ),
    "Volcano's rate": _said(
        TRANSIENT,
        429,
        openai("RateLimitExceeded.EndpointRPMExceeded", "no", "TooManyRequests"),
    ),
    "Google's rate": _said(
        TRANSIENT,
        429,
        _google(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details.",
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}],
            },
        ),
    ),
    "Google's resource": _said(
        TRANSIENT, 429, _google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.")
    ),
    "Zhipu's rate": _said(
        TRANSIENT, 400, openai("1302", "您当前使用该API的并发数过高，请降低并发")
    ),
    "Tencent's rate, as a success": _said(
        TRANSIENT, 200, plain(Response={"Error": {"Code": "RequestLimitExceeded", "Message": "x"}})
    ),
    "Bedrock's rate": _said(
        TRANSIENT, 400, plain(__type="ThrottlingException", message="Too many requests")
    ),
    "SiliconFlow's crowd": _said(
        TRANSIENT,
        503,
        plain(code=50505, message="Model service overloaded. Please try again later."),
    ),
    "JSON:API": Said(
        status=400,
        body=plain(
            errors=[
                {
                    "status": "400",
                    "title": "Invalid",
                    "detail": "must be 1024x1024",
                    "source": {"parameter": "size"},
                }
            ]
        ),
        verdict=REFUSED,
        says="Invalid: must be 1024x1024",
        job_code=JobCode.PARAMETER_INVALID,
    ),
    "a list of texts": _said(
        REFUSED, 400, plain(errors=["size: is wrong", "n: too many"]), "size: is wrong; n: too many"
    ),
    "a list as the error": _said(
        REFUSED, 400, plain(error=["is wrong", "too many"]), "is wrong; too many"
    ),
}

HAPROXY = "<html><body><h1>{}</h1>\nYour browser sent an invalid request.\n</body></html>\n"
FRONTS = {
    **{
        f"{status} of a front": _said(
            ACCOUNT, status, page(f"{status} No"), f"a web page: {status} No"
        )
        for status in (
            400,
            401,
            402,
            403,
            404,
            405,
            406,
            410,
            411,
            412,
            414,
            415,
            416,
            417,
            418,
        )
    },
    **{
        f"{status} of a front, later": _said(ACCOUNT, status, page("No"), told=FIREWALL)
        for status in (421, 422, 424, 428, 431, 444, 449, 450, 451, 494, 497)
    },
    "haproxy's 400": _said(
        ACCOUNT,
        400,
        HAPROXY.format("400 Bad request").encode(),
        "400 Bad request Your browser",
        FIREWALL,
    ),
    "haproxy's 408": _said(TRANSIENT, 408, HAPROXY.format("408 Request Time-out").encode()),
    "a front's 409": _said(TRANSIENT, 409, page("409 Conflict"), "409 Conflict"),
    "haproxy's 503": _said(
        TRANSIENT,
        503,
        b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request."
        b"\n</body></html>\n",
        "No server is available",
    ),
    "haproxy's 413": Said(
        status=413,
        body=HAPROXY.format("413 Payload Too Large").encode(),
        verdict=REFUSED,
        job_code=JobCode.IMAGE_TOO_LARGE,
    ),
    "a captive portal": _said(
        ACCOUNT,
        400,
        b"<!DOCTYPE html><html><head><style>h1{}</style></head><body><h1>Welcome to <b>Hotel</b> WLAN"
        b"</h1></body></html>",
        "Welcome to Hotel WLAN",
        FIREWALL,
    ),
    "a firewall's page that says policy": _said(
        ACCOUNT,
        403,
        page("Web Page Blocked") + b"<h1>Blocked by your organization's content policy</h1>",
        "content policy",
    ),
    "an XHTML page": _said(
        ACCOUNT,
        422,
        b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0"><html><head><title>No'
        b"</title></head></html>",
        "a web page: No",
        FIREWALL,
    ),
    "a page within a relay's error": _said(
        ACCOUNT,
        400,
        openai(
            "400",
            "litellm.BadRequestError: OpenAIException - <html><head><title>403 Forbidden</title></head>"
            "<body><center><h1>403 Forbidden</h1></center></body></html>",
        ),
        "403 Forbidden",
    ),
}
