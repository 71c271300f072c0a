"""
Sentences of providers, and some that only sound like them, each with what it has to come to.
"""

from verdict_cases import openai, plain


def _said(message: str, code: object = None, kind: object = None, param: object = None) -> bytes:
    return openai(code, message, kind, param)


# "policy" is a refusal for the content, "refused" any other one.
WORDS: list[tuple[str, int, bytes]] = [
    (
        "policy",
        400,
        _said(
            "Your request was rejected by our content filter because it may depict a real person."
        ),
    ),
    (
        "policy",
        403,
        plain(
            error="Image blocked: possible minor detected. This violates our Terms and content rules."
        ),
    ),
    (
        "policy",
        400,
        plain(code="PromptRejected", message="The prompt contains words that are not permitted."),
    ),
    ("policy", 422, plain(error={"code": "IMAGE_REJECTED_BY_MODERATION", "message": "no"})),
    ("policy", 403, plain(message="图片涉及敏感信息，无法处理")),
    ("policy", 400, plain(msg="您输入的内容包含违禁词")),
    ("policy", 400, plain(code=20043, msg="文本内容不合规")),
    (
        "policy",
        400,
        _said("Request blocked by Gemini safety filters: IMAGE_SAFETY", "content_blocked"),
    ),
    (
        "policy",
        400,
        plain(detail="The prompt was rejected for violating our acceptable use policy."),
    ),
    (
        "policy",
        400,
        plain(
            error={
                "code": "celebrity_or_likeness_detected",
                "message": "A recognizable public figure: it cannot be processed for safety reasons.",
            }
        ),
    ),
    ("policy", 403, _said("Policy violation: nudity", "policy_violation")),
    (
        "policy",
        400,
        plain(errors=[{"code": "ContentModerationError", "message": "Text failed moderation"}]),
    ),
    ("policy", 403, _said("content_moderation_failed", "upstream_error", "new_api_error")),
    ("policy", 400, _said("生成失败：触发了平台的安全策略", None)),
    ("policy", 400, _said("The generated image was filtered by the provider's safety settings")),
    ("policy", 200, plain(candidates=[{"finishReason": "PROHIBITED_CONTENT"}], usageMetadata={})),
    ("policy", 200, plain(choices=[{"finish_reason": "SAFETY", "message": {"content": None}}])),
    ("policy", 400, _said("Prompt contains disallowed terms: 'x'")),
    (
        "policy",
        400,
        plain(
            error={
                "message": "Input image may contain child; request refused",
                "type": "safety_error",
            }
        ),
    ),
    ("policy", 403, plain(Error={"Code": "InvalidPicture.ContentRisk", "Message": "risk content"})),
    ("policy", 400, _said("违反了OpenAI的内容政策")),
    ("policy", 400, _said("This content may violate our content policies.")),
    ("policy", 400, _said("触发风控，请修改提示词")),
    ("account", 403, plain(message="You have run out of credits. Please recharge.")),
    ("account", 400, plain(error="Invalid bearer token")),
    ("account", 429, _said("Daily budget for this key has been exhausted", "budget_exhausted")),
    ("account", 402, plain(detail="Payment Required")),
    (
        "account",
        400,
        _said("Project proj_x does not have access to model gpt-image-2", "model_not_found"),
    ),
    ("account", 403, _said("This model is not available in your region.")),
    ("account", 400, plain(error="The model gpt-image-9 has been deprecated, learn more here")),
    ("account", 400, plain(message="Model gpt-image-9 not found")),
    ("account", 400, _said("model `x` is not supported by any provider you have access to")),
    ("account", 400, _said("unknown provider for model gpt-image-9")),
    (
        "account",
        400,
        plain(code="Forbidden.SubscriptionExpired", message="Your subscription has expired"),
    ),
    (
        "account",
        403,
        plain(code="InvalidAccessKeyId.NotFound", message="Specified access key is not found."),
    ),
    ("account", 400, _said("无效的API Key")),
    ("account", 400, _said("该模型未开通，请前往控制台开通")),
    ("account", 400, _said("账户余额为0，请先充值")),
    ("account", 429, _said("套餐已用完", "package_exhausted")),
    ("account", 403, _said("API key has expired. Please renew.")),
    ("account", 400, plain(error={"code": "unsupported_api_version", "message": "x"})),
    ("account", 400, plain(statusCode=400, message="The api-version '2023-01-01' is invalid.")),
    (
        "account",
        404,
        plain(error={"code": "NotFound", "message": "The specified resource was not found"}),
    ),
    ("account", 400, _said("Your IP address 1.2.3.4 is not whitelisted for this key")),
    ("account", 403, plain(error_code=110, error_msg="Access token invalid or no longer valid")),
    ("transient", 429, plain(error_code=17, error_msg="Open api daily request limit reached")),
    (
        "account",
        400,
        plain(
            error={
                "code": "customer_verification_required",
                "message": "Please verify your identity",
            }
        ),
    ),
    ("account", 400, _said("Missing required header: x-goog-user-project")),
    ("account", 400, _said("No provider configured for this virtual key")),
    ("account", 429, _said("You have reached your monthly usage limit. Upgrade to continue.")),
    ("account", 429, _said("Trial credits expired")),
    ("account", 400, _said("Cannot find deployment gpt-image-2")),
    (
        "account",
        400,
        b'<?xml version="1.0"?><R><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code></Error></R>',
    ),
    (
        "refused",
        400,
        _said(
            "Invalid value: 'xhigh'. Supported values are: 'low'.", "invalid_value", None, "quality"
        ),
    ),
    (
        "refused",
        400,
        _said("The model 'gpt-image-2' does not support size 100x100", None, None, "size"),
    ),
    (
        "refused",
        400,
        _said("Invalid image file or mode for image 1", "invalid_image_file", None, "image"),
    ),
    ("refused", 400, _said("image dimensions exceed the model limit")),
    ("refused", 400, _said("prompt is required")),
    (
        "refused",
        400,
        _said(
            "background 'transparent' is not supported with this model", None, None, "background"
        ),
    ),
    ("refused", 400, _said("Could not decode image: invalid header")),
    ("refused", 400, _said("The uploaded photo's credit line could not be read")),
    (
        "refused",
        422,
        plain(
            detail=[
                {
                    "loc": ["body", "size"],
                    "msg": "model gpt-image-2 is not supported at this size",
                    "type": "value_error",
                }
            ]
        ),
    ),
    ("refused", 400, _said("mask must be the same size as image", None, None, "mask")),
    ("refused", 400, _said("prompt too long; max 1000 tokens")),
    (
        "refused",
        400,
        _said("Unknown parameter: 'moderation'.", "unknown_parameter", None, "moderation"),
    ),
    ("refused", 400, _said("n must be between 1 and 4")),
    ("refused", 400, plain(error="Unsupported image format: image/bmp")),
    (
        "refused",
        400,
        _said(
            "Image is missing an alpha channel; sensitive areas cannot be determined",
            None,
            None,
            "mask",
        ),
    ),
    ("refused", 400, _said("Failed to load the input: model expects RGB")),
    ("refused", 400, _said("Invalid token '<' in JSON extra field")),
    ("transient", 429, _said("Model is overloaded, try later", "overloaded")),
    ("transient", 429, plain(message="API rate limit exceeded for ip address")),
    ("transient", 400, _said("Too Many Requests")),
    (
        "transient",
        429,
        _said("You exceeded your current requests per minute quota, try again in 3s"),
    ),
    ("transient", 503, plain(error="Model x is currently loading", estimated_time=20)),
    ("in_doubt", 500, _said("safety check crashed")),
    ("in_doubt", 500, _said("moderation endpoint timed out", "moderation_timeout")),
    ("in_doubt", 500, _said("model m is not available right now")),
    ("in_doubt", 502, _said("no auth credentials found in upstream reply")),
    ("refused", 400, _said("Illegal image format")),
    ("refused", 400, _said("illegal input: size")),
    ("refused", 400, _said("Invalid image: missing JPEG header")),
    ("refused", 400, _said("image exceeds the total pixel limit of this model")),
    ("refused", 400, _said("white balance is too low")),
    ("refused", 400, _said("PNG signature mismatch")),
    ("refused", 400, _said("Corrupt EXIF: copyright and credit fields unreadable")),
    ("refused", 400, _said("The image has a forbidden colour profile")),
    (
        "refused",
        400,
        _said("The key frame could not be found; invalid key frame index", None, None, "image"),
    ),
    (
        "refused",
        400,
        plain(
            error={
                "code": "InvalidParameter",
                "message": "Invalid image resolution, the range is 14..4096",
                "param": "image",
            }
        ),
    ),
    ("refused", 400, plain(code="InvalidParameter.FileDownload", message="download image failed")),
    ("refused", 400, plain(code="BadRequest.TooLarge", message="Payload too large")),
    ("refused", 400, _said("This model only supports 1 image per request", None, None, "n")),
    ("refused", 400, plain(errors=["image: Unsupported aspect ratio"], name="bad_request", id="1")),
    ("refused", 400, _said("A safety margin of 16 pixels is required around the mask")),
    ("refused", 400, _said("edit failed: quota of reference images is 4", None, None, "image")),
    ("refused", 400, _said("token limit exceeded: prompt has 40000 tokens", None, None, "prompt")),
    (
        "in_doubt",
        200,
        b'{"created":1,"data":[{"revised_prompt":"a photo flagged as inappropriate content","b64_json":"iVBORw',
    ),
    ("in_doubt", 200, b"insufficient words: the model gpt is not supported"),
    (
        "policy",
        400,
        plain(
            error={
                "message": "Your image was flagged by our system as potentially violating our policies",
                "code": "400",
            }
        ),
    ),
    ("policy", 400, _said("The prompt could not be processed due to trust & safety restrictions")),
    (
        "policy",
        403,
        plain(
            title="Forbidden content",
            detail="Image contains nudity",
            type="about:blank",
            status=403,
        ),
    ),
    (
        "policy",
        400,
        plain(status="error", error_type="ContentModerationException", message="blocked"),
    ),
    (
        "policy",
        422,
        plain(detail=[{"loc": ["body", "image_url"], "msg": "NSFW image", "type": "nsfw_content"}]),
    ),
    ("policy", 400, plain(code="1301", message="内容不安全")),
    ("policy", 400, _said("抱歉，该图片可能包含不适宜内容，无法编辑")),
    ("policy", 400, _said("Je ne peux pas modifier: contenu inapproprié", "content_refused")),
    (
        "policy",
        403,
        plain(error={"code": "SAFETY_BLOCK", "status": "PERMISSION_DENIED", "message": "x"}),
    ),
    ("account", 400, _said("Your organization has been disabled.")),
    ("account", 403, _said("Account not verified. Complete KYC first.")),
    ("account", 400, plain(code="NotAuthorised", message="Key not authorised for images")),
    ("account", 402, _said("Zero balance")),
    ("account", 400, _said("No active subscription found")),
    ("account", 400, plain(code=40101, message="API密钥错误")),
    ("account", 400, _said("You must be a paying customer to use this model", "payment_required")),
    ("account", 400, _said("This API key is restricted to other models")),
    ("account", 404, plain(message="no Route matched with those values")),
    ("account", 404, b"<html><head><title>404 Not Found</title></head></html>"),
    ("account", 421, b"<html><head><title>421 Misdirected Request</title></head></html>"),
    (
        "account",
        400,
        b"<HTML><HEAD><TITLE>Invalid URL</TITLE></HEAD><BODY><H1>Invalid URL</H1>The requested URL</BODY>",
    ),
    (
        "account",
        400,
        b"\n\n<center><h1>400 Bad Request</h1></center><hr><center>cloudflare</center>",
    ),
    ("account", 418, b"<html><title>I'm a teapot</title>Request blocked by WAF</html>"),
    ("account", 403, b"error code: 1020"),
]
