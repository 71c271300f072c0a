"""
What an HTTP status is about where the words of an answer do not say, and what a web page in front can be about.
"""

import re
from collections.abc import Mapping

from retouchd.answer.error_body import ErrorBody
from retouchd.answer.error_kinds import Topic
from retouchd.answer.upstream import is_about_an_answer

# 408 and 409 may come while the generation goes on; 425 is sent before anything was done (RFC 8470); 521, 523
# and 530 are Cloudflare's: the server behind it refuses connections, cannot be reached, has no address.
_STATUSES = {
    401: Topic.KEY,
    402: Topic.MONEY,
    403: Topic.ACCESS,
    404: Topic.ADDRESS,
    405: Topic.ADDRESS,
    407: Topic.PROXY,
    408: Topic.UNKNOWN,
    409: Topic.UNKNOWN,
    410: Topic.ADDRESS,
    413: Topic.BODY_TOO_LARGE,
    415: Topic.MULTIPART,
    425: Topic.UNAVAILABLE,
    426: Topic.ADDRESS,
    429: Topic.THROTTLED,
    451: Topic.POLICY,
    499: Topic.UNKNOWN,
    501: Topic.ADDRESS,
    503: Topic.BUSY,
    505: Topic.ADDRESS,
    511: Topic.FIREWALL,
    521: Topic.UNAVAILABLE,
    523: Topic.UNAVAILABLE,
    530: Topic.UNAVAILABLE,
}

_TURNED_AWAY = {408, 409}
"""A front's own: the request did not come whole (haproxy, nginx), or cannot be passed on just now."""
_GIVEN_UP = 499
"""nginx's for a client that left: what was behind it may have gone on."""
_OF_FRONTS = {Topic.KEY, Topic.MONEY, Topic.ACCESS, Topic.ADDRESS, Topic.PROXY} | {
    Topic.BODY_TOO_LARGE,
    Topic.UNAVAILABLE,
    Topic.THROTTLED,
}
"""What a page in front of an endpoint can be about; that leaves out whatever is in a file."""

_CHALLENGE = re.compile(
    r"just a moment|attention required|access denied|captcha|challenge", re.IGNORECASE
)
_UPSTREAM_STATUS = re.compile(r"status code:? (\d{3})")


def is_turned_away(status: int, error: ErrorBody) -> bool:
    """
    Return whether a front says for itself that a request goes no further for now.
    """
    return error.is_page and status in _TURNED_AWAY


def topic_of_status(status: int, headers: Mapping[str, str], error: ErrorBody) -> Topic:
    """
    Return what an answer without telling words is about; header names in lower case.
    """
    if "bad_response_status_code" in error.codes:
        # new-api could not read its upstream's answer; a number of 500 or more may be a charged request.
        upstream = _UPSTREAM_STATUS.search(error.message)
        status = max(status, int(upstream[1])) if upstream else status
    if (error.is_page or error.quotes_page) and 400 <= status < 500:
        return _topic_of_page(status, headers, error)
    if error.is_page and _is_challenge(status, headers, error):
        return Topic.FIREWALL
    is_refused = 400 <= status < 500 and not is_about_an_answer(error.message)
    other = Topic.REQUEST if is_refused else Topic.UNKNOWN
    return _STATUSES.get(status, Topic.ADDRESS if 300 <= status < 400 else other)


def _topic_of_page(status: int, headers: Mapping[str, str], error: ErrorBody) -> Topic:
    """
    Sort a page of whatever stands in front of the endpoint: it has not seen what is in a file, only how large
    the request is.
    """
    if is_turned_away(status, error):
        return Topic.UNAVAILABLE
    if _is_challenge(status, headers, error):
        return Topic.FIREWALL
    topic = _STATUSES.get(status, Topic.FIREWALL)
    return topic if topic in _OF_FRONTS or status == _GIVEN_UP else Topic.FIREWALL


def _is_challenge(status: int, headers: Mapping[str, str], error: ErrorBody) -> bool:
    if status not in {403, 503}:
        return False
    return "cf-mitigated" in headers or _CHALLENGE.search(error.message) is not None
