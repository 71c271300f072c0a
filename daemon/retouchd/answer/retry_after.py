"""
How long to wait before the endpoint is asked again, or a result's url; and how long that is worth asking.

How long an endpoint asks to be left alone, wherever it says so. How long a result's url is worth asking, and
when the next time.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlsplit

LONGEST_RETRY_AFTER_SECONDS = 3600.0
"""What is honoured at most: relays were seen to send a date in seconds where a wait belongs."""

_UNITS = {
    "ms": 0.001,
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
}
_SPAN = r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|seconds?|sec|s|minutes?|min|m|hours?|h)(?![a-z])"
_TRY_AGAIN = re.compile(
    rf"(?:try again|retry|wait)[^.\d]{{0,40}}((?:{_SPAN}[\s,]*)+)", re.IGNORECASE
)
_PART = re.compile(_SPAN, re.IGNORECASE)
_GO_DURATION = re.compile(rf"(?:{_SPAN})+", re.IGNORECASE)
_RESET, _REMAINING = "x-ratelimit-reset-", "x-ratelimit-remaining-"
# new-api: 您已达到请求数限制：N分钟内最多请求M次
_WINDOW = re.compile(r"(\d{1,4})\s*分钟内最多")


def retry_after(headers: Mapping[str, str], message: str, now: dt.datetime) -> float | None:
    """
    Return the seconds an endpoint asks to wait, at most an hour, or None if it does not say.

    Read in this order: `retry-after-ms`, `retry-after` as seconds or as an HTTP date (lower-case names),
    the message ("try again in 6m0s", "Try again in 5 seconds", "N分钟内最多请求M次"), and the longest
    `x-ratelimit-reset-*` of what is used up.
    """
    found = _asked(headers, message, now)
    if found is None:
        found = _longest_reset(headers, unsaid_is_used_up=True)
    return None if found is None else min(found, LONGEST_RETRY_AFTER_SECONDS)


def rest_after(headers: Mapping[str, str]) -> float:
    """
    Return the seconds until more may be sent, as the head of an answer says that took the last of it.

    OpenAI sends `x-ratelimit-remaining-requests: 0` with `x-ratelimit-reset-requests: 6m0s`, a duration
    as Go writes it; the same for `tokens` and `input-images`.
    """
    found = _longest_reset(headers, unsaid_is_used_up=False)
    return min(found or 0.0, LONGEST_RETRY_AFTER_SECONDS)


def _longest_reset(headers: Mapping[str, str], *, unsaid_is_used_up: bool) -> float | None:
    waits = []
    for name, text in headers.items():
        if not name.startswith(_RESET):
            continue
        remaining = _number(headers.get(_REMAINING + name.removeprefix(_RESET), ""))
        is_used_up = unsaid_is_used_up if remaining is None else remaining == 0
        wait = _duration(text)
        if is_used_up and wait is not None:
            waits.append(wait)
    return max(waits, default=None)


def _duration(text: str) -> float | None:
    """
    Return a duration of Go's (`1s`, `6m0s`, `120ms`, `1h2m3.5s`), or bare seconds.
    """
    text = text.strip()
    if _GO_DURATION.fullmatch(text):
        return _added_up(text)
    return _number(text)


def _asked(headers: Mapping[str, str], message: str, now: dt.datetime) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is None:
        seconds = _until(value, now)
    return _from_message(message) if seconds is None else seconds


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(number, 0.0) if math.isfinite(number) else None


def _until(text: str, now: dt.datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max((moment - now).total_seconds(), 0.0)


def _from_message(message: str) -> float | None:
    found = _TRY_AGAIN.search(message)
    if found is not None:
        return _added_up(found[1])
    window = _WINDOW.search(message)
    return None if window is None else float(window[1]) * 60


def _added_up(text: str) -> float:
    return sum(float(n) * _UNITS[_unit(unit)] for n, unit in _PART.findall(text))


def _unit(text: str) -> str:
    text = text.lower()
    return text if text in _UNITS else text.removesuffix("s")


_LEAST = dt.timedelta(minutes=60)
"""What OpenAI grants its own (`url` of the images API), and a relay takes for moving a picture at worst."""
_MOST = dt.timedelta(hours=24)
_FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 300.0
_GROWTH = 4
"""So much of its age goes by until a url is asked again: it comes late by a quarter of the wait at most."""


def expires_at(url: str, answered_at: dt.datetime) -> dt.datetime:
    """
    Return when a url is given up: an hour after the answer, or when it says it ends, up to a day.

    Said by the signatures of S3 and its kin (`X-Amz-Date` and `X-Amz-Expires`; GCS: `X-Goog-`), of Azure
    (`se`), and of those that give a Unix time (`Expires`).
    """
    said = _said(url)
    if said is None:
        return answered_at + _LEAST
    return min(max(said, answered_at + _LEAST), answered_at + _MOST)


def seconds_to_retry(age: float) -> float:
    """
    Return for how long to leave a url alone that gave nothing `age` seconds after the answer.
    """
    return min(max(age / _GROWTH, _FIRST_SECONDS), _LONGEST_SECONDS)


def _said(url: str) -> dt.datetime | None:
    try:
        query = {key.lower(): value for key, value in parse_qsl(urlsplit(url).query)}
        for kind in ("x-amz-", "x-goog-"):
            if kind + "expires" in query:
                begun = dt.datetime.strptime(query[kind + "date"], "%Y%m%dT%H%M%S%z")
                return begun + dt.timedelta(seconds=int(query[kind + "expires"]))
        if "se" in query:
            said = dt.datetime.fromisoformat(query["se"])
            return said if said.tzinfo else said.replace(tzinfo=dt.UTC)
        if "expires" in query:
            return dt.datetime.fromtimestamp(int(query["expires"]), dt.UTC)
    except (ValueError, KeyError, OverflowError, OSError):
        return None
    return None
