"""
What became of a job's results when they were to be written anew: the document `finished/results.json`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedResults:
    """
    By the number of each picture (`1-1`) what the record tells of it; by that of an edit why it could not be
    finished and is not published; and in sentences what is other than asked for.
    """

    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: Mapping[int, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def dump(results: FinishedResults) -> bytes:
    """
    Return the document.
    """
    body = {
        "version": VERSION,
        "reports": results.reports,
        "failed": {str(edit): why for edit, why in results.failed.items()},
        "warnings": results.warnings,
    }
    return json.dumps(body, default=dict).encode("ascii")


def load(raw: bytes) -> FinishedResults:
    """
    Return what a document says; raises ValueError, KeyError or TypeError otherwise.
    """
    body = json.loads(raw)
    return FinishedResults(
        reports=dict(body["reports"]),
        failed={int(edit): str(why) for edit, why in body["failed"].items()},
        warnings=tuple(body["warnings"]),
    )
