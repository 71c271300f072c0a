"""
Patterns for names of models, as `limits` and `pricing` of the configuration have them.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_VERSION = re.compile(r"-20[0-9]{2}-[0-9]{2}-[0-9]{2}\Z")


def fitting(model: str, patterns: Iterable[str]) -> list[str]:
    """
    Return the patterns that fit the model, the most specific last.

    A provider's prefix (`openai/`) and a version's date (`-2026-04-21`) do not hide a model.
    """
    full = model.strip().lower()
    bare = full.rpartition("/")[2]
    names = {full, bare, _VERSION.sub("", full), _VERSION.sub("", bare)}
    found = [
        pattern for pattern in patterns if any(fnmatchcase(name, pattern.lower()) for name in names)
    ]
    return sorted(found, key=lambda pattern: (not _is_wild(pattern), len(pattern), pattern))


def _is_wild(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")
