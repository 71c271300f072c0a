"""
Names for the shell to complete: what `retry` can be given.
"""

import os
from pathlib import Path


def names_in_error(config: Path | None, begun: str) -> list[str]:
    """
    Return the jobs in `error/` whose names begin so; none where anything is wrong.
    """
    from retouchd.adapters.archive import groups_below  # noqa: PLC0415 - only who completes pays
    from retouchd.cli.compose import settings_only  # noqa: PLC0415
    from retouchd.errors import RetouchdError  # noqa: PLC0415

    try:
        _, settings = settings_only(config)
        groups = list(groups_below(settings.folders.error))
    except (RetouchdError, OSError):
        return []
    names = {group.path(each) for group in groups for each in (group.stem, group.names[-1])}
    return sorted(name for name in names if name.startswith(begun) and _is_typed(name))


def _is_typed(name: str) -> bool:
    """
    Return whether a name can be handed to a shell as a word of one line.
    """
    return name.isprintable() and os.fsencode(name).decode("utf-8", "replace") == name
