"""
A finishing in a process of its own: what it takes of memory goes back with it, and a decoder that dies takes
nobody along.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retouchd.errors import ProgramReplaced
from retouchd.job.naming import shown
from retouchd.pictures.finishing.task import Finishing, FinishingError, written

_MOST_SECONDS = 900.0
# Nobody would take what it makes once its parent is killed, and the next one needs its memory.
_PROGRAM = """
import sys
try:
    from retouchd.process import end_with_parent
    end_with_parent(int(sys.argv[1]))
    from retouchd.pictures.finishing.worker import main
except Exception as error:
    import json
    print(json.dumps({"unfit": f"{type(error).__name__}: {error}"}))
else:
    main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """
    A finished file, None where what was received is what was asked for; its extension, and what is told of it.
    """

    data: bytes | None
    report: Mapping[str, Any]


def finished_apart(task: Finishing) -> Made:
    """
    Return a finished result. Blocks for as long as it takes; raises FinishingError, and ProgramReplaced where
    the installed package is not the one that this process began with.
    """
    # -P: else Python files that lie where somebody started us would be imported in place of its own.
    command = [sys.executable, "-P", "-c", _PROGRAM, str(os.getpid())]
    try:
        # In a session of its own: who ends the daemon by Ctrl-C does not mean a result that was paid for.
        run = subprocess.run(  # noqa: S603 - this very program
            command,
            input=written(task),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_MOST_SECONDS,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        msg = f"It was not finished within {_MOST_SECONDS / 60:.0f} minutes."
        raise FinishingError(msg) from None
    except FileNotFoundError as error:
        raise _replaced(f"{sys.executable} is not there any more") from error
    except OSError as error:
        raise FinishingError(f"No process could be started for it: {error.strerror}.") from error
    head, _, data = run.stdout.partition(b"\n")
    try:
        body = json.loads(head)
    except ValueError:
        msg = (
            f"The process that finished it ended with signal {-run.returncode}: most likely the memory did not "
            "suffice."
            if run.returncode < 0
            else "The process that finished it failed over one of its pictures: export the original anew."
        )
        raise FinishingError(msg) from None
    if "unfit" in body:
        raise _replaced(body["unfit"])
    if "fault" in body or len(data) != body["bytes"]:
        raise FinishingError(
            body.get("fault") or "What the process that finished it wrote is not whole."
        )
    return Made(data=data if body["is_anew"] else None, report=body["report"])


def _replaced(why: str) -> ProgramReplaced:
    msg = (
        f"What finishes results cannot be loaded ({shown(why)}): most likely retouchd was upgraded or removed "
        "while it runs. Restart it, and the job goes on."
    )
    return ProgramReplaced(msg)
