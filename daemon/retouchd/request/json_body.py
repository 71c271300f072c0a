"""
A request as a JSON document in which the pictures stand as `data:` URLs, and its exact length.

The files are no part of the document while it is written: each place is marked, and the text is cut there. So
nobody holds a picture in memory, and its base64 is made from the file while it is sent.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from retouchd.request.envelope import Envelope, base64_size

Measured: TypeAlias = tuple[str, int]
"""A file by its content type and its size in bytes, before it is base64."""


def data_url(content_type: str, mark: str) -> str:
    """
    Return the `data:` URL of a file (RFC 2397) whose base64 comes in place of the mark.
    """
    return f"data:{content_type};base64,{mark}"


def encode_json(document: Mapping[str, Any], files: Sequence[Measured], mark: str) -> Envelope:
    """
    Return the JSON bytes around the files, which stand in the document as marks in this order.

    The mark is the caller's and must not occur in any text: 128 random bits do not. Raises ValueError where
    the document has not as many marks as there are files.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    *heads, tail = text.split(mark.encode())
    if len(heads) != len(files):
        raise ValueError(f"{len(heads)} marks for {len(files)} files")
    around = sum(map(len, heads)) + len(tail)
    return Envelope(
        content_type="application/json",
        heads=tuple(heads),
        tail=tail,
        length=around + sum(base64_size(size) for _, size in files),
        is_base64=True,
    )
