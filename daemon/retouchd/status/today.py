"""
What the day has brought so far: counted from the end of the history back to local midnight.
"""

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from retouchd.config.settings import Settings
from retouchd.disk.thread_pools import Folder
from retouchd.inbox.waiting import is_picture
from retouchd.job.naming import RECORD
from retouchd.money.budget import Allowance, Left, Spend, day_of, left
from retouchd.spool.history import History
from retouchd.spool.history_line import picture_path
from retouchd.spool.spool import Spool
from retouchd.status.alarms import is_for_the_operator
from retouchd.throttle.ledger import day_on_disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """
    Since local midnight: what ended, and what the requests sent since then cost.

    `failed` counts by code. `alarming` has the paths of those failures that are the operator's matter and still
    lie in `error/`, by code; `warnings` for each warning the paths of the pictures it came with.
    """

    done: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    alarming: Mapping[str, list[str]] = field(default_factory=dict)
    warnings: Mapping[str, list[str]] = field(default_factory=dict)
    spend: Spend = field(default_factory=Spend)
    allowance: Allowance = field(default_factory=Allowance)

    @property
    def left(self) -> Left:
        """
        Return what the budget leaves for the rest of the day.
        """
        return left(self.spend, self.allowance)


def today_of(
    settings: Settings,
    now: dt.datetime,
    hung: AbstractSet[Folder],
    in_error: Mapping[str, AbstractSet[str]] | None,
) -> Today:
    """
    Return how the day has been; `in_error` has the names in `error/` by folder: unknown, all may be there.
    """
    folders, day = settings.folders, day_of(now)
    history, spool = History(folders.work), Spool(work=folders.work, inbox=folders.inbox)
    done, failed, spend = 0, Counter[str](), Spend()
    alarming: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    retried: set[object] = set()
    mended: set[str] = set()
    with contextlib.suppress(OSError):
        spend, lines = day_on_disk(day, history, spool) if Folder.WORK not in hung else (spend, ())
        for line in lines:
            # The newest comes first: what was taken back out of error/ counts by its last end.
            retried.add(line.get("previous"))
            if line.get("id") in retried:
                continue
            path = picture_path(line)
            for warning in line.get("warnings", ()):
                warnings.setdefault(str(warning), []).append(path)
            if line.get("status") == "done":
                done += 1
                mended.add(path)
                continue
            folder, record = str(line.get("folder")), str(line.get("record"))
            if path in mended and in_error is not None and not _lies_in(in_error, folder, record):
                continue  # It was dragged back by hand, without its record.
            code = str(line.get("code"))
            failed[code] += 1
            # A name that is used again is of the last one.
            is_there = in_error is None or record in in_error.get(folder, ())
            is_left = is_there and (folder, record) not in seen
            seen.add((folder, record))
            if is_left and is_for_the_operator(code):
                alarming.setdefault(code, []).append(path)
    return Today(
        done=done,
        failed=failed,
        alarming=alarming,
        warnings=warnings,
        spend=spend,
        allowance=settings.allowance,
    )


def _lies_in(in_error: Mapping[str, AbstractSet[str]], folder: str, record: str) -> bool:
    """
    Return whether the picture of a record lies in `error/` still.
    """
    stem = record.removesuffix(RECORD)
    names = in_error.get(folder, frozenset())
    return any(is_picture(name) and stem in (name, name.rpartition(".")[0]) for name in names)
