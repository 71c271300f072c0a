"""
The paths that a line of the history names, as they are written there: escaped, below `done/` or `error/`.
"""

from collections.abc import Mapping
from typing import Any

from retouchd.job.naming import path_below


def record_path(line: Mapping[str, Any]) -> str:
    """
    Return the path of a job's record.
    """
    return path_below(_folder(line), str(line.get("record")))


def picture_path(line: Mapping[str, Any]) -> str:
    """
    Return the path of a job's picture, or of what else was claimed where it had none.
    """
    return path_below(_folder(line), str(line.get("image") or line.get("name")))


def _folder(line: Mapping[str, Any]) -> str:
    return str(line.get("folder") or "")
