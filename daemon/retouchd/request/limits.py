"""
What each model takes: bytes, formats, counts, lengths, sizes and the values of its parameters.

The built-in table holds the models whose rules are published; every other model gets permissive
rules, because a wrong refusal cannot be argued with while a refused request costs nothing. The
configuration (`limits.<model pattern>.<key>`) is laid on top.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeAlias

from retouchd.request.models import MODELS
from retouchd.request.overrides import READERS, fitting, row_fault, row_problems
from retouchd.request.rules import EVERYTHING, MB, SENT, Interface, Limits, Picture

__all__ = [
    "EVERYTHING",
    "MB",
    "SENT",
    "TABLE",
    "Interface",
    "Limits",
    "Picture",
    "limits_for",
    "override_problems",
    "told_size",
]

Overrides: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The configuration's `limits`: a pattern for models, then keys of `Limits`."""

TABLE: Mapping[str, Limits] = {pattern: row.limits for pattern, row in MODELS.items() if row.limits}
"""The published rules, by pattern; of several that fit, the most specific holds."""


def limits_for(
    model: str, overrides: Overrides | None = None, interface: Interface = EVERYTHING
) -> Limits:
    """
    Return the limits of a model at an endpoint: its row of the table, what the interface can carry, and on
    top what the configuration says.

    A provider's prefix (`openai/`) and a version's date (`-2026-04-21`) do not hide a row. Overrides
    are laid on key by key, the most specific pattern last; `values` and `ranges` parameter by
    parameter. Faulty ones have no effect here: `override_problems` reports them.
    """
    overrides = overrides or {}
    limits = _published(model)
    if interface is not EVERYTHING:
        limits = _carried(limits, interface)
    for pattern in fitting(model, overrides):
        for key, value in overrides[pattern].items():
            if not row_fault(key, value, READERS):
                limits = replace(limits, **_read(limits, key, value))
    return limits


@lru_cache(maxsize=64)
def _published(model: str) -> Limits:
    return next((TABLE[pattern] for pattern in reversed(fitting(model, TABLE))), Limits())


def _carried(limits: Limits, interface: Interface) -> Limits:
    most = interface.max_file_bytes
    return replace(
        limits,
        interface=interface,
        max_image_bytes=_least(limits.max_image_bytes, most),
        max_mask_bytes=_least(limits.max_mask_bytes, most),
    )


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def override_problems(overrides: Overrides) -> list[str]:
    """
    Return every fault of the configuration's `limits`: a sentence each, naming the key.
    """
    return row_problems("limits", overrides, READERS)


def _read(limits: Limits, key: str, value: object) -> dict[str, Any]:
    """
    Return the field that an override sets.
    """
    read = READERS[key](value)
    return {key: {**getattr(limits, key), **read} if key in {"values", "ranges"} else read}


def told_size(count: int) -> str:
    """
    Return a number of bytes as people are told it.
    """
    # Rounded up, so that a file just over its limit does not read as if it kept it.
    return f"{-(-count * 10 // MB) / 10:g} MB" if count >= MB else f"{count} bytes"
