"""
How much is done for each figure: all of it, or just enough to see that it still works.
"""

from dataclasses import dataclass

from benchmarks.stock import KB, MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """
    Numbers and sizes of a run.
    """

    by_exec: bool
    """Whether each program is started by a new interpreter, as people do; else by the tests' fork server."""
    rounds: int
    jobs: int
    """Jobs of 2 MB in a round; of smaller pictures there are more."""
    in_flight: tuple[int, int]
    latency_seconds: float
    waves: int
    samples: int
    backlogs: tuple[int, int]
    waiting: int
    """Pairs that lie there when `once` starts."""
    missed: int
    """Files written while the daemon is stopped."""
    rest_seconds: float
    """How long a daemon is to have all but stopped working before it is watched: longer than a photo waits for
    its prompt before it is told of."""
    idle_seconds: float
    rescan_seconds: float
    """How long a daemon with a full inbox is watched: one rescan is among it."""
    starts: int
    cases: int
    """How many of the cases of a row are measured that has several."""
    at_once: int
    """Requests in flight while memory is measured."""
    finished_megapixels: tuple[int, ...]
    small: tuple[int, int]
    middle: tuple[int, int]
    large: tuple[int, int]
    heavy: tuple[int, int]
    """Bytes of a picture in and out."""
    concurrencies: tuple[int, ...]
    sizes: tuple[int, ...]
    flushes: tuple[float, ...]
    """The points of the curves: requests at once, bytes each way, milliseconds."""
    at_once_by_flush: tuple[int, ...]
    """Requests at once for which a curve by flushes is drawn."""


FULL = Scale(
    by_exec=True,
    rounds=5,
    jobs=48,
    in_flight=(8, 128),
    latency_seconds=5.0,
    waves=3,
    samples=100,
    backlogs=(1_000, 100_000),
    waiting=300,
    missed=30_000,
    rest_seconds=11.0,
    idle_seconds=20.0,
    rescan_seconds=62.0,
    starts=7,
    cases=5,
    at_once=64,
    finished_megapixels=(24, 45, 100),
    small=(50 * KB, 100 * KB),
    middle=(2 * MB, 2 * MB),
    large=(20 * MB, 2 * MB),
    heavy=(20 * MB, 4 * MB),
    concurrencies=(1, 4, 8, 32, 128),
    sizes=(50 * KB, 500 * KB, 2 * MB, 5 * MB, 20 * MB),
    flushes=(0, 2, 5, 10, 20),
    at_once_by_flush=(8, 32),
)

SMOKE = Scale(
    by_exec=False,
    rounds=1,
    jobs=4,
    in_flight=(2, 4),
    latency_seconds=0.2,
    waves=2,
    samples=3,
    backlogs=(60, 80),
    waiting=6,
    missed=20,
    rest_seconds=0.5,
    idle_seconds=0.3,
    rescan_seconds=0.5,
    starts=1,
    cases=1,
    at_once=3,
    finished_megapixels=(1,),
    small=(2 * KB, 2 * KB),
    middle=(4 * KB, 4 * KB),
    large=(8 * KB, 4 * KB),
    heavy=(8 * KB, 8 * KB),
    concurrencies=(2,),
    sizes=(2 * KB,),
    flushes=(1,),
    at_once_by_flush=(2,),
)
