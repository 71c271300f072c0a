"""
`retouchd reindex`: the history, rebuilt from the records beside the originals.
"""

from pathlib import Path

from rich.console import Console

from retouchd.cli.compose import settings_only
from retouchd.disk.lock import WorkLock
from retouchd.errors import ConfigurationError
from retouchd.job.naming import shown
from retouchd.spool.reindex import HISTORY, Rebuilt, rebuild
from retouchd.spool.spool import Spool

_MOST_NAMED = 10


def reindex(config: Path | None) -> None:
    """
    Rebuild the history and say what it was rebuilt from.

    Raises WorkFolderHeld beside a running daemon: it knows the history as it was.
    """
    _, settings = settings_only(config)
    folders = settings.folders
    try:
        with WorkLock(folders.work, is_passing=True):
            spool = Spool(work=folders.work, inbox=folders.inbox)
            found = rebuild(folders, frozenset(spool.ids()))
    except OSError as error:
        msg = f"{shown(str(error.filename or folders.work))} cannot be used: {error.strerror}."
        raise ConfigurationError([msg]) from error
    console = Console(highlight=False, soft_wrap=True)
    for line in told(found):
        console.print(line, markup=False)


def told(found: Rebuilt) -> list[str]:
    """
    Return what became of a history, in sentences.
    """
    lines = [
        f"{HISTORY}: {found.kept} jobs were in it, {found.added} were added from their records."
    ]
    if found.aside is not None:
        lines.append(
            f"{found.damaged} damaged lines were left out; the file as it was is {found.aside.name} "
            "beside it."
        )
    named = found.unread[:_MOST_NAMED]
    lines += [f"{shown(path)} cannot be read or says too little: left out." for path in named]
    if len(found.unread) > _MOST_NAMED:
        lines.append(f"… and {len(found.unread) - _MOST_NAMED} more.")
    return lines
