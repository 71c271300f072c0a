"""
One result finished, in a process of its own: what it takes of the processor and of memory.

    python finishing_once.py FOLDER size|protect|detail ORIGINAL

Prints the seconds of CPU, the start included, and the most memory in MB.
"""

import re
import resource
import sys
from pathlib import Path
from typing import Any

from retouchd.pictures.finishing.finish import finish
from retouchd.pictures.finishing.task import Finishing
from retouchd.request.output import resolved

_ASKED: dict[str, dict[str, Any]] = {
    "size": {"size": "source"},
    "protect": {"protect": True},
    "detail": {"detail": "source"},
}


def main(place: str, kind: str, original: str) -> None:
    folder, has_mask = Path(place), kind == "protect"
    output = resolved({"format": "source", **_ASKED[kind]}, has_mask=has_mask, has_references=False)
    task = Finishing(
        received=folder / "received.png",
        original=folder / original,
        mask=folder / "mask.png" if has_mask else None,
        output=output,
    )
    finish(task)
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    assert peak is not None
    sys.stdout.write(f"{used.ru_utime + used.ru_stime} {int(peak[1]) / 1024}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
