"""
Faults on demand: what the endpoint can do wrong, when, and how often.

A script is a list of faults. Each edit request meets the first fault of the script that is due,
and every `latency` that is due. So `[rate x2, overloaded x1]` answers 429, 429, 503, then well.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """
    What goes wrong.
    """

    LATENCY = "latency"
    STATUS = "status"
    BODY = "body"
    DROP = "drop"
    DROP_READ = "drop_read"
    STALL = "stall"
    TRUNCATE = "truncate"
    HTML = "html"
    CHAT = "chat"
    CHAT_DATA = "chat_data"
    CHAT_TEXT = "chat_text"
    URL = "url"
    DATA_PREFIX = "data_prefix"
    EMPTY = "empty"
    GARBAGE = "garbage"
    KEY = "key"
    QUOTA = "quota"
    RATE = "rate"
    OVERLOADED = "overloaded"
    MODEL = "model"
    POLICY = "policy"


_DESCRIPTIONS = {
    FaultKind.LATENCY: "the answer comes that many seconds later (latency=2.5)",
    FaultKind.STATUS: "an error of any HTTP status (503, or status=503), as JSON",
    FaultKind.BODY: "any body, as it is (body=TEXT), with any status and content type",
    FaultKind.DROP: "the connection is reset before the request is read",
    FaultKind.DROP_READ: "the edit is made and billed, then the connection is closed unanswered",
    FaultKind.STALL: "the edit is made and billed, but never answered",
    FaultKind.TRUNCATE: "the answer is cut after that many bytes (truncate=100; else half of it)",
    FaultKind.HTML: "a web page with status 200 instead of an answer",
    FaultKind.CHAT: "a chat completion that links to the picture",
    FaultKind.CHAT_DATA: "a chat completion that holds the picture as a data: URI",
    FaultKind.CHAT_TEXT: "a chat completion with words and no picture",
    FaultKind.URL: "data[].url instead of data[].b64_json",
    FaultKind.DATA_PREFIX: "b64_json that begins with data:image/...;base64,",
    FaultKind.EMPTY: "status 200 with an empty data list",
    FaultKind.GARBAGE: "status 200 with base64 of something that is no picture",
    FaultKind.KEY: "401 invalid_api_key",
    FaultKind.QUOTA: "429 insufficient_quota",
    FaultKind.RATE: "429 rate_limit_exceeded with Retry-After (rate=5 for five seconds, else 1)",
    FaultKind.OVERLOADED: "503 server_is_overloaded",
    FaultKind.MODEL: "404 model_not_found",
    FaultKind.POLICY: "400 moderation_blocked",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    One fault and when it is due: it lets `after` edit requests through, then hits every
    `every`-th one, `times` times (None: for ever).

    `seconds` is how late a `latency` answers. `status`, `type`, `code`, `message` make the error of
    a `status`; `status`, `body`, `content_type` the answer of a `body`. `charged` has the edit made
    and billed before either, as behind a gateway that gave up waiting. `retry_after` and `headers`
    go with any error. `cut` is the number of body bytes a `truncate` sends; None is half of them.
    """

    kind: FaultKind
    after: int = 0
    times: int | None = None
    every: int = 1
    seconds: float = 1.0
    status: int | None = None
    type: str | None = None
    code: str | int | None = None
    message: str | None = None
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes = b""
    content_type: str = "application/json"
    cut: int | None = None
    charged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """
    What one request meets: seconds of delay, and a fault or none.
    """

    seconds: float
    fault: Fault | None


class Script:
    """
    The faults of one endpoint and how often each has hit. May be set from any thread.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self.set(faults)

    def set(self, faults: Iterable[Fault]) -> None:
        """
        Replace the faults and count from the start again.
        """
        with self._lock:
            self._faults = tuple(faults)
            self._hits = [0] * len(self._faults)
            self._requests = 0

    def next(self) -> Hit:
        """
        Count one edit request and return what it meets.
        """
        with self._lock:
            number = self._requests
            self._requests += 1
            seconds, met = 0.0, None
            for index, fault in enumerate(self._faults):
                if not _is_due(fault, number, self._hits[index]):
                    continue
                if fault.kind is FaultKind.LATENCY:
                    seconds += fault.seconds
                elif met is None:
                    met = fault
                else:
                    continue
                self._hits[index] += 1
            return Hit(seconds=seconds, fault=met)


def _is_due(fault: Fault, number: int, hits: int) -> bool:
    passed = number - fault.after
    return passed >= 0 and passed % fault.every == 0 and (fault.times is None or hits < fault.times)


def describe() -> list[str]:
    """
    Return one line for each kind: its name and what happens.
    """
    width = max(len(kind) for kind in FaultKind)
    return [f"{kind:<{width}}  {_DESCRIPTIONS[kind]}" for kind in FaultKind]
