"""
The folder `error/` as it lies there: what could go back into the inbox.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retouchd.job.naming import RECORD
from retouchd.retry.error_groups import Group, groups_in
from retouchd.retry.leftovers import STAGE
from retouchd.spool.record import own_record


def groups_below(root: Path) -> Iterator[Group]:
    """
    Return the jobs in `error/` and its folders. Raises OSError for a folder that cannot be read.
    """
    for below, visible in names_below(root):
        here = root / below
        records = {name: record_at(here / name) for name in visible if name.endswith(RECORD)}
        known = {name: body for name, body in records.items() if body is not None}
        yield from groups_in(below, visible, known)


def names_below(root: Path) -> Iterator[tuple[str, list[str]]]:
    """
    Return the folders of `error/`, by their paths below it, with the names that a person sees in each.

    Raises OSError for a folder that cannot be read.
    """
    for place, folders, names in os.walk(root, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith(STAGE))
        here = Path(place)
        below = "" if here == root else here.relative_to(root).as_posix()
        yield below, [name for name in names if not name.startswith(".")]


def record_at(path: Path) -> dict[str, Any] | None:
    """
    Return a record of ours, None where the file is none or cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    if own_record(raw) is None:
        return None
    body: dict[str, Any] = json.loads(raw)
    return body


def _raise(error: OSError) -> None:
    raise error
