"""
The full sweep: every death at every step and second one, every operation that fails with every error.

    python sweep.py EVERY [crashes] [faults]

With EVERY above 1 only every so many of the faults are tried, and of the second deaths outside of the three
recoveries with most to do: all of them take hours. Prints what was tried and what broke; ends with 1 if
anything did.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from crash_plots import MEMORY, MUTANTS, plots
from fault_plots import WORLDS
from faulty_disk import Extent

_HERE = Path(__file__).parent
_SHARES = 4


def main(every: str, *parts: str) -> int:
    """
    Run all of it, two at a time or as many as there are processors.
    """
    wanted = parts or ("crashes", "faults")
    place = MEMORY if MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=place) as near,
        tempfile.TemporaryDirectory() as far,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        tasks = [
            *(_crashes(Path(near), Path(far), every) if "crashes" in wanted else ()),
            *(_faults(Path(near), int(every)) if "faults" in wanted else ()),
        ]
        return 1 if sum(pool.map(_told, tasks)) else 0


def _crashes(near: Path, far: Path, every: str) -> Iterator[list[str]]:
    for name in plots(far):
        if name not in MUTANTS:
            yield ["crash_plots.py", str(near), str(far), every, name]


def _faults(near: Path, every: int) -> Iterator[list[str]]:
    for world in WORLDS:
        for extent in Extent:
            errors = ["every"] if extent is Extent.ONCE else []
            for share in range(_SHARES):
                place = near / f"{world} {extent} {share}"
                place.mkdir()
                command = [
                    "fault_plots.py",
                    str(place),
                    world,
                    extent,
                    str(share),
                    str(_SHARES * every),
                ]
                yield [*command, *errors]


def _told(command: list[str]) -> int:
    script, *arguments = command
    run = subprocess.run(
        [sys.executable, str(_HERE / script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    found: dict[str, Any] = json.loads(run.stdout or '{"broken": ["it ended without a word"]}')
    outcomes = found.values() if "broken" not in found else [found]
    broken = [each for outcome in outcomes for each in outcome["broken"]]
    figures: Counter[str] = Counter()
    for outcome in outcomes:
        names = ("", "first deaths", "second", "third", "fourth")
        figures.update({names[int(n)]: count for n, count in outcome.get("deaths", {}).items()})
        figures.update({"faults survived": sum(outcome.get("survived", {}).values())})
    told = ", ".join(f"{count} {name}" for name, count in figures.items() if count)
    what = " ".join(arguments[1:5] if script == "fault_plots.py" else arguments[3:])
    lines = [
        f"{what}: {told or 'nothing'}; {len(broken)} broken",
        *(f"  {each}" for each in broken),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return len(broken)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
