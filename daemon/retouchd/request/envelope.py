"""
The bytes of a request around its files: what every way of writing one down comes to.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """
    The body without the files: `heads[k]` goes before file k, `tail` after the last one.

    `is_base64` says that each file stands there in base64 (RFC 4648, padded) rather than byte for byte.
    `length` is the Content-Length in bytes, files included as they stand there.
    """

    content_type: str
    heads: tuple[bytes, ...]
    tail: bytes
    length: int
    is_base64: bool = False


def base64_size(size: int) -> int:
    """
    Return how many characters that many bytes become.
    """
    return (size + 2) // 3 * 4
