"""
What came of a step of a job: it is over, or it waits.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class End(StrEnum):
    """
    The ways in which a job leaves the work folder.
    """

    DONE = "done"
    ERROR = "error"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Over:
    """
    The job is over.
    """

    end: End


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """
    The job cannot go on before so many seconds have passed (None: no time helps), or a pause ends.

    `in_doubt_count` is the number of requests that may have been paid for, None if it may not be asked again.
    `is_stranded` where only a person can help: nothing but a change of the configuration does, or something
    stands in the way and did not go by itself.
    """

    seconds: float | None
    reason: str
    in_doubt_count: int | None = None
    is_stranded: bool = False


Outcome: TypeAlias = Over | Wait
