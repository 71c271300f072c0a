"""
An error's body in any dialect, as one shape; and how far the request got beyond relays, by what they say.

Dialects met: OpenAI's `{"error": {…}}`; the same with an integer, empty or null code (LocalAI, one-api);
LiteLLM, which hides the real error as JSON text inside the message and puts the status into `code`; FastAPI's
`{"detail": …}`; an error that is only a string; a bare `message` or `msg`; lists of errors, errors in
errors (`error_layers`); XML and web pages (`markup`); nothing at all.

How far a request got beyond a relay or a proxy, by what that says of it: the money depends on it.

A failed connection costs nothing; one that broke off, timed out, or brought an answer the relay could not
use may have been charged. The words are those of Go's net (new-api, one-api, caddy), aiohttp, httpx and
requests (LiteLLM), Node, Rust's reqwest, Java, .NET and curl; of envoy, squid, Kong, varnish and Fastly.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from pydantic_core import from_json

from retouchd.answer.error_layers import is_page, layers_of, page_words, xml_fields

LOOKED_AT = 1 << 20
"""So many bytes of a body are read; errors are short."""
_SEARCHED = 1 << 16
_MESSAGE_LIMIT = 500

_NO_NAMES = {"", "none", "null"}

_NESTED = re.compile(
    r"""\\*["'](code|type|param|status|reason)\\*["']\s*:\s*\\*["']([^"'\\]{1,100})"""
)
_RPC_KEYS = {"status", "reason"}
_QUOTED_PAGE = re.compile(r"<!doctype html|<html\b", re.IGNORECASE)
_UPPER = re.compile(r"[A-Z][A-Z_]{3,60}")
_KEY = re.compile(
    r"\b(sk-|pk-)[A-Za-z0-9_*-]{6,}"
    r"|\b(eyJ|bearer\s+(?=\S*\d))[A-Za-z0-9_*.~+/=-]{6,}",
    re.IGNORECASE,
)
_REQUEST_ID = re.compile(r"request[ _]id: ?([\w.-]{6,100})", re.IGNORECASE)
_REQUEST_ID_HEADERS = ("x-request-id", "x-oneapi-request-id", "x-litellm-call-id", "cf-ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """
    What an error says: all its codes, then all its types, each from the outside in and in lower case.

    A code that is only a number (LiteLLM repeats the status) is no code; `quoted` are those that stand only
    within the message, where a relay repeats its upstream's. `message` is as received, at most 64 KiB of it;
    show it only through `safe_text`. `is_page` marks a web page: nothing of the endpoint's own; `quotes_page`
    an error that says no more than that there was one; `is_bare` marks words without a document.
    """

    codes: tuple[str, ...] = ()
    quoted: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()
    message: str = ""
    parameter: str | None = None
    is_page: bool = False
    quotes_page: bool = False
    is_bare: bool = False


def read_error(body: bytes) -> ErrorBody:
    """
    Return what an error's body says; of a longer body only the first MiB. Raises nothing.
    """
    start = body[:LOOKED_AT].strip().removeprefix(b"\xef\xbb\xbf")
    try:
        return _from_document(_parsed(start, is_cut=len(body) > LOOKED_AT))
    except (ValueError, RecursionError):  # no JSON, too deep, or a number too long to be written
        return _from_text(start.decode(errors="replace"))


def _parsed(start: bytes, *, is_cut: bool) -> Any:
    try:
        return from_json(start, allow_partial="trailing-strings" if is_cut else False)
    except ValueError:
        # Half an emoji, another encoding or a raw control character in a message is no reason to miss the code.
        return json.loads(start.decode(errors="replace"), strict=False)


def _from_document(document: Any) -> ErrorBody:
    found = layers_of(document)
    message = found.message[:_SEARCHED]
    page = _QUOTED_PAGE.search(message)
    nested = _NESTED.findall(message)
    own = _named(found.codes)
    quoted = _named(
        (
            *found.quoted,
            *(v for k, v in nested if k == "code" or (k in _RPC_KEYS and _UPPER.fullmatch(v))),
        )
    )
    types = (*found.types, *(value for key, value in nested if key == "type"))
    params = (*found.parameters, *(value for key, value in nested if key == "param"))
    return ErrorBody(
        codes=tuple(dict.fromkeys((*own, *quoted))),
        quoted=frozenset(quoted).difference(own),
        types=_named(types),
        message=message
        if page is None
        else message[: page.start()] + _told(message[page.start() :]),
        parameter=next(iter(_named(params)), None),
        quotes_page=page is not None,
    )


def safe_text(text: str) -> str:
    """
    Return at most 500 characters fit for a log line or a note.

    Control characters and whatever else could break a line or turn its direction are escaped; anything
    that looks like a key is masked, since relays quote the key they refuse.
    """
    text = _KEY.sub(r"\1\2…", text[: 4 * _MESSAGE_LIMIT].strip())
    text = "".join(_escaped(character) for character in text)
    return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 1] + "…"


def request_id_of(headers: Mapping[str, str], message: str = "") -> str | None:
    """
    Return the endpoint's own name for a request, from the headers (lower-case names) or the message.
    """
    found = next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)
    if found is None and (match := _REQUEST_ID.search(message)):
        found = match[1]
    return None if found is None else safe_text(found)


def _from_text(text: str) -> ErrorBody:
    if fields := xml_fields(text):
        return _from_document(fields)
    if not is_page(text):
        return ErrorBody(message=text[:_SEARCHED], is_bare=True)
    return ErrorBody(message=_told(text), is_page=True)


def _told(page: str) -> str:
    words = page_words(page)
    return f"a web page: {words}" if words else "a web page without a title"


def _named(values: Iterable[str]) -> tuple[str, ...]:
    names = (value.strip().lower() for value in values)
    return tuple(
        dict.fromkeys(name for name in names if name not in _NO_NAMES and not name.isdigit())
    )


def _escaped(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return character if character.isprintable() else character.encode("unicode_escape").decode()


_READ = 1 << 16


class Reach(Enum):
    """
    How far a request got.
    """

    NOBODY = auto()
    """No connection came about: it cannot have been carried out."""
    SOMEBODY = auto()
    """It may have been carried out: a connection was lost, or nobody waited for the answer."""


def _any(*patterns: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile("|".join(patterns), flags)


_NOBODY = _any(
    r"\bdial (?:tcp|udp)[46]?\b",
    r"\bproxyconnect tcp\b",
    r"connection refused",
    r"\beconnrefused\b",
    r"actively refused",
    r"no such host\b",
    r"\benotfound\b",
    r"\beai_again\b",
    r"\bgetaddrinfo\b",
    r"could(?: not|n't) resolve (?:host|proxy)",
    r"name(?: or service)? not known",
    r"nodename nor servname",
    r"failure in name resolution",
    r"name resolution (?:failed|failure|error)",
    r"unknownhostexception",
    r"failed to lookup address",
    r"no address associated with",
    r"\bdns error\b",
    r"cannot connect to (?:host|proxy)\b",
    r"connect call failed",
    r"all connection attempts failed",
    r"failed to establish a new connection",
    r"failed to connect to \S+ port \d",
    r"error trying to connect",
    r"tcp connect error",
    r"client error \(connect\)",
    r"\bconnect (?:etimedout|ehostunreach|enetunreach|eaddrnotavail)\b",
    r"\bconnect(?:ion)?:? (?:to \S+ )?timed out\. \(connect timeout",
    r"\bconnect ?timeout ?(?:error|exception)\b|\bconnecttimeout\b|und_err_connect_timeout",
    r"\bconnect timed out\b",
    r"\bconnection timed out after \d+ (?:ms|milliseconds)",
    r"tls handshake timeout|(?:ssl|tls) handshake failed",
    r"\bx509: |certificate[_ ]verify[_ ]failed|self[- ]signed certificate|certificate has expired",
    r"tunnel connection failed|connect tunnel failed",
    r"no healthy upstream",
    r"failure to get a peer from the ring-balancer",
)

_LOST = _any(
    r"\b(?:read|write) tcp\b",
    r"(?<!connect: )connection reset by peer",
    r"\beof\b",
    r"\beconnreset\b|\bepipe\b|broken pipe|socket hang up",
    r"\bconnection (?:was )?(?:aborted|closed|terminated|lost|termination)\b",
    r"closed (?:the )?connection|server disconnected|remotedisconnected|without (?:a )?response",
    r"remoteprotocolerror|\breaderror\b|\breadtimeout|incompleteread|incomplete read",
    r"premature(?:ly)?\b",
    r"\bremote reset\b|\bgoaway\b|stream (?:error|was reset|reset)",
    r"\bread timed out\b|\bread timeout\b|operation timed out",
)
"""Said of a connection that stood: it outweighs whatever another try met."""

_UNHEARD = _any(
    r"deadline exceeded",
    r"await(?:ing)? (?:response )?headers",
    r"(?:request|response|gateway|upstream) time(?:d )?-?out",
    r"\b(?:first|between) bytes? timeout|backend (?:fetch failed|read error|write error)",
)
"""Said of an answer nobody waited for; Go adds it to a failed dial, too."""

_AFTERWARDS = _any(
    r"\b(?:upload|sav|stor)(?:ing|e|ed)?\b",
    r"\bdownload(?:ing|ed)?\b",
    r"\b(?:s3|r2|oss|cos|minio|bucket|redis|mysql|mariadb|postgres\w*|mongo\w*|sqlite|database)\b",
    r":(?:6379|3306|5432|27017|11211|9000)\b",
)
"""A failure to connect to something that has its turn when the picture is there."""

_ENVOY = re.compile(
    r"upstream connect error or disconnect/reset before headers\.?"
    r"(?P<again> retried and the latest)?(?: reset reason: (?P<reason>[a-z ]+))?",
    re.IGNORECASE,
)
_ENVOY_UNSENT = {
    "connection failure",
    "remote connection failure",
    "local connection failure",
    "connection timeout",
    "overflow",
    "remote refused stream reset",
}
_SQUID = re.compile(rb"<body id=[\"']?(ERR_[A-Z_]{3,40})")
_SQUID_UNSENT = {"ERR_DNS_FAIL", "ERR_CONNECT_FAIL", "ERR_SECURE_CONNECT_FAIL", "ERR_READ_ERROR 0"}
"""The last, without an error number, is what squid 5 says of a name without any address: measured."""

_ABOUT_AN_ANSWER = _any(
    r"validation errors? for \w*(?:response|result|output|object|usage|completion)",
    r"response\W{0,3}validation|\('response',|(?:^|; )response\.\w",
    r"(?:pars|decod|unmarshal\w*|read|convert|process|validat|handl|deserializ|transform)\w* "
    r"(?:\S+ ){0,3}(?:response|answer|reply)\b",
    r"(?:invalid|empty|malformed|unexpected|incomplete|truncated|non-json|unparsable|bad) "
    r"(?:\S+ ){0,3}(?:response|answer|reply)\b(?! status)",
    r"(?:response|answer|reply) (?:body )?(?:is|was|has|had|could|cannot|did|does|lacks?) ",
    r"(?:upstream|provider|backend|server|origin|model|channel)(?: \S+){0,2}? "
    r"(?:returned|sent|gave|responded|replied)(?: with)? (?:an? )?"
    r"(?:invalid|empty|malformed|unexpected|incomplete|truncated|bad|broken|html|non|no|nothing)\b",
    r"returned (?:by|from) (?:the )?(?:upstream|provider|backend|model)",
    r"b64_json['\"]? (?:\w+ ){0,3}(?:missing|not found|empty|null|none|undefined)",
    r"(?:missing|no|without|lacks?) (?:\w+ ){0,2}['\"]?b64_json|keyerror: ['\"]b64_json",
    r"no images? (?:data )?(?:was |were |is |are )?"
    r"(?:returned|generated|received|produced|found|in (?:the )?(?:response|result|output|answer))",
    r"(?-i:\b[A-Z]\w*Response\b)",
    r"original response",
)
"""Said of an answer that came and could not be used."""

_OF_A_VALIDATOR = _any(
    r"expecting value|jsondecodeerror|json(?:\.decoder)? decode|extra data: line|unterminated string",
    r"unexpected (?:token|end of|character)|invalid character .{1,12} (?:looking|after|in)",
    r"cannot unmarshal|keyerror|indexerror|attributeerror|typeerror|valueerror|syntaxerror",
    r"nonetype|index out of (?:range|bounds)|undefined|cannot read propert|nil pointer|null reference",
    r"validation errors? for|type validation failed|zoderror|validationerror|field required",
    r"input should be|\binput_value=|errors\.pydantic\.dev|(?:expected|received)['\"]?\s*[:=]",
)
"""What a program says that stumbles over a document, whichever: its request's, or its upstream's answer's."""


def reach_of(headers: Mapping[str, str], error: ErrorBody, body: bytes) -> Reach | None:
    """
    Return how far a request got by the words of an error, None if they do not say; header names in lower case.
    """
    message = error.message
    if found := _ENVOY.search(message):
        reason = (found["reason"] or "").strip().lower()
        # After several tries only the last one is told of.
        is_unsent = not found["again"] and reason in _ENVOY_UNSENT
        return Reach.NOBODY if is_unsent else Reach.SOMEBODY
    if (squid := _squids(headers, body)) is not None:
        return Reach.NOBODY if squid in _SQUID_UNSENT else Reach.SOMEBODY
    if _LOST.search(message):
        return Reach.SOMEBODY
    if not error.is_page and _NOBODY.search(message) and not _AFTERWARDS.search(message):
        return Reach.NOBODY
    return Reach.SOMEBODY if _UNHEARD.search(message) else None


def is_about_an_answer(message: str) -> bool:
    """
    Return whether an error complains about an upstream's answer: its request was carried out.
    """
    return _ABOUT_AN_ANSWER.search(message) is not None


def is_of_a_validator(message: str) -> bool:
    """
    Return whether an error may be a program's complaint about any document, a request's or an answer's.
    """
    return _OF_A_VALIDATOR.search(message) is not None


def _squids(headers: Mapping[str, str], body: bytes) -> str | None:
    named, _, number = headers.get("x-squid-error", "").strip().partition(" ")
    if named:
        full = f"{named} {number}"
        return full if full in _SQUID_UNSENT else named
    found = _SQUID.search(body[:_READ])
    return found[1].decode() if found else None
