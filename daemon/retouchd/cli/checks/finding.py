"""
What `retouchd check` finds: one thing looked at, and how it came out.
"""

from dataclasses import dataclass
from enum import StrEnum

from retouchd.errors import ConfigurationError


class Severity(StrEnum):
    """
    How a check came out.
    """

    OK = "ok"
    WARNING = "look"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing looked at: what, how it came out, a sentence on it, and the exit code if it is a fault.
    """

    what: str
    mark: Severity
    text: str
    exit_code: int = ConfigurationError.exit_code
