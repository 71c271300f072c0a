"""
What providers that are not OpenAI, and relays in front of them, call the few things that matter.

Names grow with every provider, so they are read by what they are made of: `DataInspectionFailed`,
`InputTextSensitiveContentDetected` and `content_moderation` are one thing. Words are read only where an error
is a client's (below 500, and in a success without a picture): above, the same words may be about anything.
Sources: the error pages of Azure, Google, AWS, Cloudflare, OpenRouter, Portkey, DashScope, Volcano Ark,
Tencent, Zhipu, Moonshot, MiniMax, StepFun, SiliconFlow, Novita, xAI, Stability, fal, Replicate, Together,
Fireworks, Hugging Face, Black Forest Labs, Luma, Ideogram, and threads about them.
"""

import re
from collections.abc import Iterable

from retouchd.answer.error_kinds import ErrorKind

_LONGEST = 200
_JOINTS = re.compile(r"[_\-\s]")


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_SAID_OF_ANY_STATUS = frozenset(
    {ErrorKind.MONEY, ErrorKind.KEY, ErrorKind.POLICY, ErrorKind.THROTTLED}
)
"""A server's error may be about a model or a right that its own part lacks for a moment; not so these."""

_NAMES = (
    (
        ErrorKind.REQUEST,
        # The picture could not be fetched for the inspection.
        _any(r"^invalidparameter\.datainspection$"),
    ),
    (
        ErrorKind.MONEY,
        _any(
            r"overdue|arrear|unpurchased|notpurchased|freetieronly|paymentrequired|creditlimit",
            r"insufficient\w{0,12}(?:balance|credit|fund|quota)|outofcredits?",
            r"not(?:enough|sufficient)(?:balance|credits?|funds?)",
            r"(?:balance|credits?|funds?)not(?:enough|sufficient)",
            r"(?:quota|balance|credits?|freetier|trial|chargeresource|budget|package)\w{0,8}(?:exhaust|usedup)",
            r"(?:quota|balance|credits?|freetier|trial|budget)\w{0,8}exceed",
            r"exceeded(?:current)?quota|spend(?:ing)?limit|setlimitexceeded",
            r"billing(?:disabled|notenabled|inactive)",
        ),
    ),
    (
        ErrorKind.KEY,
        _any(
            r"(?:invalid|incorrect|wrong|missing|expired|bad)\w{0,12}"
            r"(?:apikey|accesskey|secretkey|credentials?|authenticationinfo|auth|\wtoken)$",
            r"apikey(?:is)?(?:not)?(?:valid|invalid|expired|missing|found|revoked|disabled)",
            r"unauthenticated|^unauthori[sz]ed|authfail|authentication(?:fail|error|required|invalid)",
            r"invalidauthentication|invalidapikey|unrecognizedclient|invalidclienttokenid",
            r"signature(?:fail|mismatch|doesnotmatch)",
        ),
    ),
    (ErrorKind.VERSION, _any(r"apiversion")),
    (
        ErrorKind.MODEL,
        _any(
            r"model\.?(?:is)?(?:not(?:found|open|available|allowed|supported|exist|activated)|accessdenied)",
            r"(?:unknown|unsupported|invalid|nosuch)model|deploymentnotfound|endpointormodel",
        ),
    ),
    (
        ErrorKind.ACCESS,
        _any(
            r"(?:account|user|consumer|project)(?:is)?(?:suspended|banned|blocked|disabled|locked)",
            r"consumerinvalid|(?:service|referrer)blocked",
            r"servicedisabled|servicenotopen|ipaddress|unsupported(?:region|country|location)",
            r"(?:region|country|location)(?:is)?not(?:supported|allowed|available)",
            r"realname|verificationrequired|unverified|notverified",
        ),
    ),
    (
        ErrorKind.POLICY,
        _any(
            r"sensitive|datainspection|moderat|nsfw|censor|content(?:filter|policy|violat|block|risk)",
            r"safety|prohibitedcontent|policyviolat|illegaldetect|risk(?:detect|control|notpass)",
            r"ipinfringement|hooksfailed|guardrail|harmful|unsafe|blocklist|recitation|^spii$",
            r"(?:prompt|content|text)(?:is|was)?(?:rejected|refused|blocked|notallowed)",
            r"(?:custom|faq)ruleblocked|filteredwords|invalidprompts$",
        ),
    ),
    (
        # What a filter's refusal is often called besides.
        ErrorKind.ACCESS,
        _any(r"permissiondenied|accessdenied|^forbidden|notauthori[sz]ed"),
    ),
    (
        ErrorKind.THROTTLED,
        _any(
            r"throttl|ratelimit|toomanyrequests|requestlimitexceeded|perminute|persecond",
            r"ratequota|concurren|frequencylimit|qpslimit|flowcontrol",
        ),
    ),
    (ErrorKind.BUSY, _any(r"overload")),
)
"""Parts of codes and types, without case, `_`, `-` and blanks: account, policy, request, transient."""

_NO_POLICY = _any(
    r"case-?sensitive|sensitivity|safetyidentifier|safetysetting",
    r"unavailable|time(?:d)?out|unreachable|internalerror$|(?:service|server)(?:error|fail)",
    r"(?:invalid|unsupported|unknown)(?:moderation|safety)|moderation(?:level|parameter|value)",
)
"""Names of another matter, though they hold such a part: a parameter's, and a filter's that is down."""

_PER_TIME = _any(r"per[ -]?(?:minute|second)|try again in \d|retry in \d")

_WORDS = (
    (
        ErrorKind.MONEY,
        _any(
            r"used all available credits|(?:spending|credit) limit|purchase more credits",
            r"(?<!white )balance (?:\w+ )?(?:is |too )?(?:insufficient|not enough|too low|exhausted|negative)",
            r"(?:not enough|lacks? (?:sufficient )?|sufficient) (?:\w+ )?(?:balance|credits?|funds)",
            r"(?:monthly|weekly|yearly) (?:\w+ )?limit|usage limit (?:reached|exceeded)",
            r"credits? (?:have |has )?expired|trial (?:\w+ )?(?:has )?(?:expired|ended)",
            r"exhausted (?:\w+ ){0,3}(?:balance|quota|credits?)|overdue|arrears|good standing",
            r"used up your|(?:monthly|daily|included) (?:\w+ )?credits|free (?:tier|trial|quota)\b.{0,60}"
            r"(?:exhausted|exceeded|used up)",
            r"no active subscription|requires more credits|call volume quota|unpaid|\btop up\b",
            r"billing (?:is |has )?(?:not (?:enabled|active)|disabled)|payment (?:method|required)",
            "充值|余额|套餐.{0,4}(?:用完|用尽|耗尽|到期|过期)|免费额度|配额(?:已)?(?:不足|用完|用尽|耗尽)",
        ),
    ),
    (
        ErrorKind.KEY,
        _any(
            r"api[ _-]?key (?:is |was |has been )?(?:\w+ ){0,2}"
            r"(?:not valid|not found|invalid|expired|missing|required|revoked|disabled|leaked)",
            r"(?:invalid|incorrect|missing|wrong|no|expired|unknown) (?:\w+ ){0,2}"
            r"(?:api[ _-]?key|access token|bearer token|credentials|subscription key|virtual key"
            r"|authorization header)",
            r"(?:authentication|authorization) (?:failed|fails|error|is required|required)",
            r"failed to authenticate|login fail|unauthenticated|not authenticated|^unauthorized",
            "身份验证失败|鉴权失败|认证失败|密钥(?:无效|错误|不存在)",
            "(?:key|密钥).{0,4}(?:无效|失效)|无效的? ?(?:api)? ?(?:key|密钥)",
        ),
    ),
    (
        ErrorKind.MODEL,
        _any(
            r"(?:cannot|could not|unable to) find (?:the )?(?:model|deployment)|unknown provider",
            r"no endpoints found (?:for|that)|no allowed providers|not a valid model",
            r"\bmodels? (?:not found|not exist|disabled|does not exist)",
            r"\bmodels?\b[ /:'\"`]{1,3}[\w./:@-]{1,100}['\"`]? (?:is |was |are )?"
            r"(?:not (?:found|available|supported|valid|enabled|offered)|unavailable|disabled|deprecated"
            r"|retired|has been (?:deprecated|retired))",
            r"(?:unsupported|unknown|invalid) model\b|unable to access model|with the specified model",
            r"deployment\b.{0,60}(?:does not exist|not found)|has not activated the model",
            "模型.{0,40}(?:未开通|已下线|不可用)",
        ),
    ),
    (
        ErrorKind.VERSION,
        _any(
            r"api[ -]version\b.{0,60}(?:not supported|invalid|required|missing|unknown|unsupported)",
            r"(?:unsupported|invalid|missing|unknown) (?:\S+ ){0,4}api[ -]version",
        ),
    ),
    (
        ErrorKind.HEADERS,
        _any(
            r"\bx-[\w-]{2,40}\b.{0,80}(?:header|is required|missing)",
            r"headers?\b.{0,20}\bx-[\w-]{2,40}",
        ),
    ),
    (
        ErrorKind.ADDRESS,
        _any(r"http request (?:was sent )?to (?:an )?https|^invalid url \("),
    ),
    (
        ErrorKind.ACCESS,
        _any(
            r"location is not supported|in your (?:country|region|location)",
            r"(?:country|region|territory)\b.{0,30}not (?:supported|allowed|available)",
            r"(?:account|organi[sz]ation|api key|project|subscription|team|workspace|user)(?: \S{1,40}){0,3}? "
            r"(?:is|was|has been|are) (?:\w+ )?(?:suspended|banned|disabled|deactivated|terminated|locked)",
            r"data policy|privacy settings|identity-based policy|is not authorized to|not allowed to access",
            r"key is (?:not authori[sz]ed|restricted)|not authori[sz]ed for",
            r"permission[ _]denied|does not have permission|do(?:es)?(?: not|n't) have access to",
            r"access denied due to|has not been used in project",
            r"\bip\b.{0,40}(?:not (?:allowed|permitted|whitelisted|on)|whitelist|allowlist)|白名单",
            r"no provider (?:is )?configured|verify your (?:identity|account|organi[sz]ation|email)",
            "实名认证|未实名|账[号户].{0,12}(?<!将)(?<!会)(?<!能)(?:封禁|冻结|停用)",
        ),
    ),
    (
        ErrorKind.THROTTLED,
        _any(
            r"rate[ -]limit|too many requests|requests? per (?:minute|second)",
            "并发(?:数)?(?:过高|超|限制)|请求(?:过多|过于频繁|太频繁)|限流",
        ),
    ),
)

_THREAT = _any(
    r"\b(?:may|might|can|could|will|would)\b[^.;]{0,80}(?:suspen|bann|terminat|disabl|block|restrict|lock)",
    r"(?:将|会|可能|否则)[^。；，,]{0,8}(?:封禁|封号|冻结|停用)[^。；，,]{0,8}",
)
"""What will become of an account that goes on so is not what has become of it."""

_MODERATED = _any(
    r"\bflagged\b|\bnsfw\b|content exists risk|high risk|risk not pass|new sensitive",
    r"content (?:checker|filters?|violat|restrict)|filtered words|prompt (?:was |is )?(?:blocked|not allowed)",
    r"responsible ai|guardrail|ip infringement|safety (?:check|filter|system|guideline|violation|reason)s?\b",
    r"(?:usage|community|content|acceptable use|safety|moderation) "
    r"(?:guideline|polic|standard|management|rule)",
    r"(?:reject|block|flag|refus|fail|deni|filter|violat)\w{0,8} (?:\S{1,40} ){0,5}(?:moderat|safety)",
    r"moderat(?:ion|ed|or) (?:\S{1,40} ){0,4}(?:reject|block|flag|refus|fail|deni|filter|violat)",
    r"(?:inappropriate|prohibited|harmful|sensitive|explicit|unsafe|offensive|illegal|disallowed|forbidden) "
    r"(?:\w+ ){0,2}(?:content|materials?|information|words?|terms?|prompts?)",
    r"(?:inappropriate|harmful|explicit|unsafe|offensive|sexual|violent) (?:\w+ )?"
    r"(?:text|input|images?|content)",
    r"content\b.{0,30}\bis blocked|(?:words|terms) that are not (?:permitted|allowed)|trust (?:&|and) safety",
    "违反.{0,12}(?:政策|规定|规范|准则|条款|法律)",
    "(?<!大小写)敏感|违规|违禁|違規|不合规|涉黄|涉政|色情|不安全|不适宜|风控|内容安全|不当内容|拒绝生成",
    "(?:审核|審核).{0,6}(?:不通过|未通过|未通過|失败|拒绝)|未通过.{0,12}审核|安全(?:策略|审核|检测)",
    "inappropri[ée]|inapropiad|inadequad|unangemessen|不適切|コンテンツポリシー|부적절|유해|콘텐츠 정책",
)
_NO_MODERATION = _any(
    r"(?:moderation|safety|content filter\w{0,3}) (?:endpoint|model|api|service|key|parameter|server)",
    r"(?:parameter|argument|field|value|key)s?:? ['\"`]?(?:moderation|safety[_ ]\w+)",
)


def kind_of_names(names: Iterable[str], status: int) -> ErrorKind | None:
    """
    Return what codes or types are about by what they are made of, None if they do not say.
    """
    plain = [_JOINTS.sub("", name[:_LONGEST]) for name in names]
    for error_kind, pattern in _NAMES:
        if status >= 500 and error_kind not in _SAID_OF_ANY_STATUS:
            continue
        found = [name for name in plain if pattern.search(name)]
        if error_kind is ErrorKind.POLICY:
            found = [name for name in found if not _NO_POLICY.search(name)]
        if found:
            return error_kind
    return None


def kind_of_words(message: str, parameter: str | None) -> ErrorKind | None:
    """
    Return what a client's error is about by its words, None if they do not say; a model is at fault only where
    no other parameter is.
    """
    said = _THREAT.sub(" ", message)
    for error_kind, pattern in _WORDS:
        if error_kind is ErrorKind.MODEL and parameter not in {None, "model"}:
            continue
        if pattern.search(said):
            is_rate = error_kind is ErrorKind.MONEY and _PER_TIME.search(said)
            return ErrorKind.THROTTLED if is_rate else error_kind
    return None


def is_of_moderation(message: str, parameter: str | None) -> bool:
    """
    Return whether a client's error says that somebody took offence at the picture or the prompt.
    """
    if parameter is not None and re.search(r"moderation|safety", parameter):
        return False
    said = _NO_MODERATION.sub(" ", message.replace("_", " "))
    return _MODERATED.search(said) is not None
