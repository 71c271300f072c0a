"""
What is believed of records and lines, which anybody may have changed: values are looked at before they are
used, and no path leads out of its folder.
"""

import re
from collections.abc import Mapping
from typing import Any

from retouchd.spool.fingerprint import Fingerprint

MOST_PATHS = 1000
LONGEST = 4 * 4096
"""Signs of a path, each byte escaped at worst."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CANVAS = 6
"""Numbers of what was put around a picture: see `job.model.Opened`."""


def is_below(path: object) -> bool:
    """
    Return whether something is a path that leads down from a folder, and nowhere else.
    """
    if not isinstance(path, str) or not 0 < len(path) <= LONGEST or "\0" in path:
        return False
    return not any(part in ("", ".", "..") for part in path.split("/"))


def is_digest(body: Mapping[str, Any], size: str) -> bool:
    """
    Return whether something is told by its size, under that key, and its SHA-256.
    """
    number, digits = body.get(size), body.get("sha256")
    return (
        isinstance(number, int)
        and 0 <= number < 1 << 63
        and isinstance(digits, str)
        and _SHA256.fullmatch(digits) is not None
    )


def received_for(body: Mapping[str, Any], own: Fingerprint) -> dict[str, Any]:
    """
    Return what a line or a record says that came for an edit with that fingerprint and could not be finished,
    as a job keeps it: of which `job`, the `pictures`, and `size` and `canvas` of what was sent for it. Nothing
    where there is no such thing.
    """
    asked = {"size": own.size, "sha256": own.sha256}
    found = [each for each in received_in(body) if each["asked"] == asked]
    found = [each for each in found if each["edit"] == found[0]["edit"]]
    if not found:
        return {}
    pictures = [{key: each[key] for key in ("path", "bytes", "sha256")} for each in found]
    return {"job": str(body.get("id")), "pictures": pictures, **found[0].get("sent", {})}


def received_in(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return what a line or a record says that came and could not be finished, each that can be believed.
    """
    told = body.get("received")
    if not isinstance(told, list) or len(told) > MOST_PATHS:
        return []
    return [dict(each) for each in told if isinstance(each, Mapping) and _is_received(each)]


def _is_received(each: Mapping[str, Any]) -> bool:
    asked, sent = each.get("asked"), each.get("sent", {})
    if not isinstance(asked, Mapping) or not isinstance(sent, Mapping):
        return False
    size, canvas = sent.get("size"), sent.get("canvas")
    is_canvas = isinstance(canvas, list) and len(canvas) == _CANVAS
    return (
        isinstance(each.get("edit"), int)
        and is_digest(asked, "size")
        and is_digest(each, "bytes")
        and is_below(each.get("path"))
        and (size is None or isinstance(size, str))
        and (canvas is None or (is_canvas and all(isinstance(n, int) for n in canvas)))
    )
