"""
When a file is whole: no event and no change of its signature for a while of the monotonic clock.

Events are only hints that restart the wait. A file's age by its own mtime is no proof, since copying
programs set it to the past; nor is a rename from a temporary name: rclone looks at the file afterwards,
ExifTool and Photoshop write it once more, sync clients set its times.
"""

from dataclasses import dataclass

from retouchd.disk.signature import Sight, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """
    How long to wait, in seconds: for quiet, for a missing end marker, for a missing partner (0: for ever).
    """

    settle_seconds: float = 2
    incomplete_seconds: float = 10
    orphan_seconds: float = 3600


def look(previous: Sight | None, signature: Signature, now: float) -> Sight:
    """
    Return the sight of a file after a look at it: unchanged files go on being quiet.
    """
    if previous is not None and previous.signature == signature:
        return previous
    return Sight(signature, now)


def disturb(sight: Sight, now: float) -> Sight:
    """
    Return the sight after an event: the wait starts again.
    """
    return Sight(sight.signature, now)


def settled_at(sight: Sight, patience: Patience) -> float | None:
    """
    Return the moment of the monotonic clock at which the file settles, None for an empty file.

    A file of zero bytes is a placeholder: it has not arrived.
    """
    if sight.signature.size == 0:
        return None
    return sight.quiet_since + patience.settle_seconds
