"""
`retouchd pause` and `retouchd resume`: a person's pause, which holds until a person ends it.
"""

import contextlib
import datetime as dt
import os
import signal
import sys
from pathlib import Path

from retouchd.cli.compose import settings_only
from retouchd.config.settings import Settings
from retouchd.errors import ConfigurationError
from retouchd.job.naming import shown
from retouchd.status.collect import holder_of
from retouchd.status.document import local_time
from retouchd.throttle.person_pause import PersonPauseFile


def pause(path: Path | None) -> None:
    """
    Send nothing from now on, over restarts too. Raises ConfigurationError where that cannot be written down.
    """
    now = dt.datetime.now(dt.UTC)
    settings, file = _of(path)
    try:
        is_new = file.write(now)
    except OSError as error:
        raise _refused(error) from error
    _tell_the_run(settings)
    if is_new:
        _say(
            "Paused: nothing more is sent; what is under way is finished. Go on with: retouchd resume"
        )
    else:
        _say(f"It is paused already, since {local_time(file.since() or now, now)}.")


def resume(path: Path | None) -> None:
    """
    Let it go on after a person's pause. Raises ConfigurationError where that cannot be written down.
    """
    settings, file = _of(path)
    try:
        was_paused = file.remove()
    except OSError as error:
        raise _refused(error) from error
    _tell_the_run(settings)
    _say("It goes on." if was_paused else "Nobody has paused it.")


def _of(path: Path | None) -> tuple[Settings, PersonPauseFile]:
    _, settings = settings_only(path)
    return settings, PersonPauseFile(settings.folders.work)


def _tell_the_run(settings: Settings) -> None:
    """
    Have a running daemon look now, as a reload does; without that it looks at the next request.
    """
    pid = holder_of(settings)
    if pid:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGHUP)


def _refused(error: OSError) -> ConfigurationError:
    name = shown(str(error.filename))
    return ConfigurationError(
        [f"folders.work: {name}: {error.strerror}. Do this as the user that retouchd runs as."]
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
