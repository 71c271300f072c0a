"""
How much memory a finishing needs, by what it does, and how much there is.
"""

from collections.abc import Iterable
from pathlib import Path

from retouchd.request.output import Output

_MB = 2**20
_BASE, _LAID_OVER, _REGISTERED = 80 * _MB, 130 * _MB, 190 * _MB
"""Of any finishing, of one that lays a result over its original, and while it is looked at where that lies."""
_FITTED = 80
"""Bytes for each pixel of a result to which a transform of colours is fitted."""
_CGROUP = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")


def need(
    output: Output, *, pixels: int, received: int, file_bytes: int, is_turned: bool, has_mask: bool
) -> int:
    """
    Return the bytes that a finishing takes at most; `pixels` are the original's or the result's, whichever is
    more, `received` the result's.

    As measured: a frame of four bytes a pixel, another one while it is turned, a mask and the channels that a
    frame is made of; what is fitted to a result; what is read and written.
    """
    compared = _REGISTERED + 4 * pixels
    if not (output.protect or output.detail == "source"):
        found = _BASE + 5 * pixels + 2 * file_bytes
        return max(found, compared) if has_mask else found
    each = (8 if is_turned else 4) + (2 if has_mask else 0)
    fit = _FITTED * received if output.detail == "source" else 0
    return max(compared, _LAID_OVER + each * pixels + fit + 2 * file_bytes)


def available() -> int | None:
    """
    Return how many bytes there are: of the machine, or of the control group, if that has less; None if nobody
    tells.
    """
    found = [each for each in (_of_machine(), *_of_groups()) if each is not None]
    return min(found, default=None)


def _of_machine() -> int | None:
    try:
        lines = _MEMORY.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return None
    found = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if found is None else int(found) * 1024


def _of_groups() -> Iterable[int | None]:
    """
    Yield what is left in each control group (version 2) that this process is in.
    """
    try:
        own = Path("/proc/self/cgroup").read_text("utf-8").rpartition("::")[2].strip().lstrip("/")
    except (OSError, ValueError):
        return
    path = _CGROUP / own
    while path.is_relative_to(_CGROUP):
        yield _left(path)
        if path == _CGROUP:
            return
        path = path.parent


def _left(group: Path) -> int | None:
    """
    Return what is left below the limit of a control group, what it has only cached included.
    """
    try:
        most = (group / "memory.max").read_text("ascii").strip()
        used = int((group / "memory.current").read_text("ascii"))
        lines = (group / "memory.stat").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return None
    cached = sum(
        int(line.split()[1])
        for line in lines
        if line.startswith(("inactive_file ", "active_file "))
    )
    return int(most) - used + cached if most.isdigit() else None
