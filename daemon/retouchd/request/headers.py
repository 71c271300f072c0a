"""
What may stand in the headers of a request, and under which names endpoints, and addresses, hold a key.
"""

import re
from collections.abc import Iterable

_OF_KEYS = {
    "authorization",
    "api-key",
    "apikey",
    "x-api-key",
    "x-auth-token",
    "x-goog-api-key",
    "x-key",
    "xi-api-key",
    "ocp-apim-subscription-key",
}
"""Headers in which endpoints take their key; any other goes beside it."""
HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
"""What may stand in a header, and so what a key may be."""
HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"""A header's name (RFC 9110, 5.1), as a regular expression."""
_HEADER_NAME = re.compile(HEADER_NAME)
_FRAMING = {"content-length", "content-type", "transfer-encoding", "connection", "host"}
KEY_WORDS = "key|token|secret|sig|pass|auth"
"""An expression for what stands in the name of a parameter that holds a key; case does not matter."""


def is_header_name(name: str) -> bool:
    """
    Return whether a text can be the name of a header (RFC 9110, 5.1).
    """
    return bool(_HEADER_NAME.fullmatch(name))


def is_framing(name: str) -> bool:
    """
    Return whether a header is set by whoever writes the request.
    """
    return name.lower() in _FRAMING


def names_a_key(headers: Iterable[str]) -> bool:
    """
    Return whether one of these header names, in any case, is one in which an endpoint takes its key.
    """
    return any(name.strip().lower() in _OF_KEYS for name in headers)
