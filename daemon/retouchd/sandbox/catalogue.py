"""
The faults in words: what each does and what may stand behind its `=`, by groups, for people.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from retouchd.sandbox.faults import FaultKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One fault: the field of `Fault` that `=` sets (None: it takes no value), its name in capitals,
    and what happens.
    """

    field: str | None = None
    value: str = ""
    text: str


def _plain(text: str) -> Entry:
    return Entry(text=text)


def _with(field: str, value: str, text: str) -> Entry:
    return Entry(field=field, value=value, text=text)


CATALOGUE: Mapping[str, Mapping[FaultKind, Entry]] = {
    "slow": {
        FaultKind.LATENCY: _with("seconds", "SECONDS", "the answer comes that much later (1)"),
        FaultKind.STALL: _plain("the edit is made and billed, but never answered"),
        FaultKind.DRIP: _with("seconds", "SECONDS", "the answer trickles in, for that long (1)"),
    },
    "cut": {
        FaultKind.DROP: _plain("reset before the request is read"),
        FaultKind.DROP_READ: _plain("made and billed, then closed without an answer"),
        FaultKind.DROP_ANSWER: _with("cut", "BYTES", "reset after that much of the answer (half)"),
        FaultKind.TRUNCATE: _with("cut", "BYTES", "closed after that much of the answer (half)"),
        FaultKind.LENGTH: _with("cut", "BYTES", "Content-Length is that, a wrong number (half)"),
    },
    "any answer": {
        FaultKind.STATUS: _with("status", "STATUS", "an error as JSON; a bare 503 means the same"),
        FaultKind.BODY: _with("body", "TEXT", "any body, as it is; @FILE reads it from a file"),
        FaultKind.HTML: _with("status", "STATUS", "a web page (200; also 403, 502, 504, 524)"),
        FaultKind.REDIRECT: _with("status", "STATUS", "to another path (307)"),
    },
    "the provider's errors": {
        FaultKind.KEY: _plain("401 invalid_api_key"),
        FaultKind.QUOTA: _plain("429 insufficient_quota"),
        FaultKind.BILLING: _plain("400 billing_hard_limit_reached"),
        FaultKind.VERIFY: _plain("403 organization must be verified to use the model"),
        FaultKind.MODEL: _plain("404 model_not_found"),
        FaultKind.POLICY: _plain("400 moderation_blocked"),
        FaultKind.RATE: _with("retry_after", "SECONDS", "429 with Retry-After (1)"),
        FaultKind.LIMIT: _with("images", "N", "N input images a minute (5), then 429; headers too"),
        FaultKind.OVERLOADED: _plain("503 server_is_overloaded"),
    },
    "relays' errors": {
        FaultKind.NEW_API: _with("case", "CASE", "new-api"),
        FaultKind.ONE_API: _with("case", "CASE", "one-api"),
        FaultKind.LITELLM: _with("case", "CASE", "LiteLLM: the real error nested in a message"),
        FaultKind.FASTAPI: _plain("422 of a server that knows no image[]"),
    },
    "successes that are none, or oddly shaped": {
        FaultKind.CHAT: _plain("a chat completion that links to the picture"),
        FaultKind.CHAT_DATA: _plain("a chat completion with the picture as a data: URI"),
        FaultKind.CHAT_IMAGES: _plain("a chat completion with message.images"),
        FaultKind.CHAT_TEXT: _plain("a chat completion with words and no picture"),
        FaultKind.URL: _plain("data[].url instead of b64_json"),
        FaultKind.URL_RELATIVE: _plain("data[].url that is only a path"),
        FaultKind.URL_EXPIRED: _plain("data[].url that answers 404"),
        FaultKind.URL_IN_B64: _plain("a URL in b64_json"),
        FaultKind.DATA_PREFIX: _plain("b64_json that begins with data:image/...;base64,"),
        FaultKind.EMPTY: _plain("an empty data list"),
        FaultKind.NO_DATA: _plain("no data at all"),
        FaultKind.GARBAGE: _plain("base64 of something that is no picture"),
        FaultKind.NOT_BASE64: _plain("b64_json that is no base64"),
        FaultKind.TASK: _with("status", "STATUS", "a task_id to ask for later (200)"),
    },
}
"""Every kind once."""

ENTRIES: Mapping[FaultKind, Entry] = {
    kind: entry for group in CATALOGUE.values() for kind, entry in group.items()
}


def usage_of(kind: FaultKind) -> str:
    """
    Return how a fault is written: its name, and what may follow.
    """
    entry = ENTRIES[kind]
    return f"{kind}[={entry.value}]" if entry.value else str(kind)
