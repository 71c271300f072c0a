"""
The benchmarks: `make bench`, or `make bench ROWS="2mb idle"` for some rows.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    ceiling,
    crowds,
    curves,
    drain,
    exchange,
    finishing,
    flight,
    machine,
    promptness,
)
from benchmarks.contest import contests
from benchmarks.figures import HEADER, Figure, Skipped, line
from benchmarks.scale import FULL, SMOKE, Scale
from benchmarks.scene import Scene

Row = Callable[[Scene, Scale], Iterator[Figure | Skipped]]


def _contest(row: str) -> Row:
    return lambda scene, scale: contests(scale)[row].run(scene, scale.rounds)


ROWS: dict[str, Row] = {
    "endpoint": ceiling.ceilings,
    "exchange": exchange.exchanges,
    **{row: _contest(row) for row in contests(FULL)},
    "flight-cpu": flight.cpu_by_flight,
    "flight-rate": flight.rate_of_ideal,
    "memory": flight.memory,
    "stalls": flight.stalls,
    "syncs": flight.syncs,
    "first-byte": promptness.settled_to_first_byte,
    "drop": promptness.dropped_to_request,
    "once": drain.drained,
    "backlog": crowds.backlogs,
    "stopped": crowds.stopped,
    "idle": crowds.idle,
    "polling": crowds.polling,
    "start": promptness.starts,
    "finishing": finishing.finishings,
    "curves": curves.curves,
}


def measure(
    rows: list[str], scale: Scale, place: Path, plots: Path | None = None
) -> Iterator[Figure | Skipped]:
    """
    Yield the figures of rows, telling on standard error how far it is; plots go to `plots`, if they are wanted.
    """
    scene = Scene(place, plots or place, by_exec=scale.by_exec)
    for row in rows:
        began = time.monotonic()
        yield from ROWS[row](scene, scale)
        took = time.monotonic() - began
        sys.stderr.write(f"{row}: {took:.0f} s, load {machine.load()}\n")
        sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; else all")
    parser.add_argument("--smoke", action="store_true", help="tiny: only to see that it works")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # Ends what was started, too.
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    _say(f"{machine.described()}\n\n{HEADER}")
    with tempfile.TemporaryDirectory(prefix="retouchd-bench-") as place:
        scale, plots = (SMOKE, None) if asked.smoke else (FULL, Path(__file__).parent)
        for figure in measure(asked.rows or list(ROWS), scale, Path(place), plots):
            _say(line(figure))
    _say(f"\nload at the end {machine.load()}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
