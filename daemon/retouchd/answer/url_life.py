"""
How long a result's url is worth asking, and when the next time.
"""

import datetime as dt
from urllib.parse import parse_qsl, urlsplit

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
