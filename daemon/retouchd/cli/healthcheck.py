"""
`retouchd healthcheck`: whether a daemon lives, for containers. It looks at the work folder and asks nobody.
"""

import datetime as dt
import sys
from pathlib import Path

from retouchd.cli.compose import settings_to_look
from retouchd.job.naming import shown
from retouchd.status.collect import HUNG_SECONDS, holder_of
from retouchd.status.report import stop_of
from retouchd.status.status_file import StatusFiles


def check(path: Path | None) -> int:
    """
    Print a line; return 0 where a daemon lives, whether or not it has paused, else 1.
    """
    settings, _ = settings_to_look(path)
    pid = holder_of(settings)
    if pid is None:
        return _told("not running", 1)
    found = StatusFiles(settings.folders.work).read()
    if found is None or (report := found[0]).pid != pid:
        return _told("starting", 0)
    silence = (dt.datetime.now(dt.UTC) - found[1]).total_seconds()
    if silence > HUNG_SECONDS:
        return _told(f"no sign of life for {silence:.0f} s", 1)
    if report.stuck:
        return _told(report.stuck, 1)
    stop = stop_of(report)
    return _told(f"alive; {shown(stop)}" if stop else "alive", 0)


def _told(text: str, code: int) -> int:
    sys.stdout.write(f"{text}\n")
    return code
