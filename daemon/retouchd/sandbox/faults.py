"""
Faults on demand: what the endpoint can do wrong, when, and how often.

A script is a list of faults. Each edit request meets the first fault of the script that is due,
and besides it every `latency` and `limit` that is due. So `[rate x2, overloaded x1]` answers 429, 429,
503, then well.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """
    What goes wrong; `catalogue` says it in words.
    """

    LATENCY = "latency"
    STALL = "stall"
    DRIP = "drip"

    DROP = "drop"
    DROP_READ = "drop_read"
    DROP_ANSWER = "drop_answer"
    TRUNCATE = "truncate"
    LENGTH = "length"

    STATUS = "status"
    BODY = "body"
    HTML = "html"
    REDIRECT = "redirect"

    KEY = "key"
    QUOTA = "quota"
    BILLING = "billing"
    VERIFY = "verify"
    MODEL = "model"
    POLICY = "policy"
    RATE = "rate"
    LIMIT = "limit"
    OVERLOADED = "overloaded"

    NEW_API = "new_api"
    ONE_API = "one_api"
    LITELLM = "litellm"
    FASTAPI = "fastapi"

    CHAT = "chat"
    CHAT_DATA = "chat_data"
    CHAT_IMAGES = "chat_images"
    CHAT_TEXT = "chat_text"
    URL = "url"
    URL_RELATIVE = "url_relative"
    URL_EXPIRED = "url_expired"
    URL_IN_B64 = "url_in_b64"
    DATA_PREFIX = "data_prefix"
    EMPTY = "empty"
    NO_DATA = "no_data"
    GARBAGE = "garbage"
    NOT_BASE64 = "not_base64"
    TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    One fault and when it is due: it lets `after` edit requests through, then hits every
    `every`-th one, `times` times (None: for ever), and no longer than `lasting` seconds from its
    first hit on (None: for ever).

    `seconds` is how late a `latency` answers, how long a `drip` takes. `status`, `type`, `code`,
    `message` make the error of a `status`; `status`, `body`, `content_type` the answer of a `body`;
    `case` is which of its errors a relay has (None: the first). `charged` has the edit made and
    billed before any of these, as behind a gateway that gave up waiting. `retry_after`,
    `retry_after_ms` and `headers` go with any error. `cut` is a number of body bytes, None is half of
    them. `images` is how many input images a minute a `limit` lets through.
    """

    kind: FaultKind
    after: int = 0
    times: int | None = None
    every: int = 1
    lasting: float | None = None
    seconds: float = 1.0
    status: int | None = None
    type: str | None = None
    code: str | int | None = None
    message: str | None = None
    retry_after: str | None = None
    retry_after_ms: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes = b""
    content_type: str = "application/json"
    case: str | None = None
    cut: int | None = None
    images: int = 5
    charged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """
    What one request meets: seconds of delay, limits, and a fault or none.
    """

    seconds: float
    fault: Fault | None
    limits: tuple[Fault, ...] = ()


# Not frozen: it counts.
@dataclass(slots=True)
class _Count:
    hits: int = 0
    first_at: float | None = None


class Script:
    """
    The faults of one endpoint and how often each has hit. May be set from any thread.

    `clock` gives seconds that only grow.
    """

    def __init__(
        self, faults: Iterable[Fault] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self.set(faults)

    def set(self, faults: Iterable[Fault]) -> None:
        """
        Replace the faults and count from the start again.
        """
        with self._lock:
            self._counts = [(fault, _Count()) for fault in faults]
            self._requests = 0

    def next(self) -> Hit:
        """
        Count one edit request and return what it meets.
        """
        with self._lock:
            number, now = self._requests, self._clock()
            self._requests += 1
            seconds, limits, met = 0.0, [], None
            for fault, count in self._counts:
                if not _is_due(fault, number, count, now):
                    continue
                if fault.kind is FaultKind.LATENCY:
                    seconds += fault.seconds
                elif fault.kind is FaultKind.LIMIT:
                    limits.append(fault)
                elif met is None:
                    met = fault
                else:
                    continue
                count.hits += 1
                count.first_at = now if count.first_at is None else count.first_at
            return Hit(seconds=seconds, fault=met, limits=tuple(limits))


def _is_due(fault: Fault, number: int, count: _Count, now: float) -> bool:
    passed = number - fault.after
    if passed < 0 or passed % fault.every:
        return False
    if fault.lasting is not None and now >= (count.first_at or now) + fault.lasting:
        return False
    return fault.times is None or count.hits < fault.times
