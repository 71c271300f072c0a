"""
`retouchd once --dry-run`: what would be sent, where it would go, what it may cost; nothing is touched.
"""

import datetime as dt
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from retouchd.cli.compose import asked, settings_only
from retouchd.cli.rehearsal_document import document_of
from retouchd.cli.rehearsal_text import lines_of
from retouchd.clock import SystemClock
from retouchd.config.settings import Settings
from retouchd.disk.thread_pools import Folder, at
from retouchd.errors import ConfigurationError
from retouchd.inbox.waiting import Waiting, WaitingFile, in_order, is_no_work, is_picture
from retouchd.job.json_text import json_text
from retouchd.job.naming import shown
from retouchd.status.rehearsal import Rehearsal
from retouchd.status.rehearse import Rehearser


def rehearse(config: Path | None, *, as_json: bool) -> int:
    """
    Print what `once` would do; return 0, or 1 if something would go to `error/`.
    """
    _, settings = settings_only(config)
    found = asked(settings.folders, partial(_rehearsed, settings))
    now = dt.datetime.now(dt.UTC)
    if as_json:
        sys.stdout.write(json_text(document_of(found, settings, now), indent=2) + "\n")
    else:
        lines = lines_of(
            found,
            base_url=settings.endpoint.base_url,
            metadata=settings.metadata,
            waiting=_waiting(found.waiting, now),
            width=shutil.get_terminal_size().columns if sys.stdout.isatty() else None,
        )
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if found.failing else 0


def _rehearsed(settings: Settings) -> Rehearsal:
    inbox = settings.folders.inbox
    with at(Folder.INBOX):
        if not inbox.is_dir():
            raise ConfigurationError(
                [f"folders.inbox: {shown(str(inbox))} is not there. Run `retouchd init`."]
            )
    return Rehearser(settings, SystemClock()).rehearse()


def _waiting(files: Sequence[WaitingFile], now: dt.datetime) -> Waiting:
    """
    Return what waits, by the kinds of its reasons.
    """
    counts = Counter(each.kind for each in files)
    pictures = sum(is_picture(each.name) and not is_no_work(each.kind) for each in files)
    return Waiting(
        pid=os.getpid(),
        at=now,
        kinds=in_order(counts),
        pictures=pictures,
        files=tuple(files),
    )
