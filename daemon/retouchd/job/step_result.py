"""
What came of taking a job forward: it is over, or it must wait.
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
    The job cannot go on before so many seconds have passed (None: no time helps), or the gate changes.

    `doubts` is the number of requests that may have been paid for, None if it may not be asked again.
    `is_stranded` where only a person can help: nothing but a change of the configuration does, or something
    stands in the way and did not go by itself.
    """

    seconds: float | None
    reason: str
    doubts: int | None = None
    is_stranded: bool = False


Outcome: TypeAlias = Over | Wait
