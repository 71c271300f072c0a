"""
How cost goes with concurrency and with size, and the rate with what a flush takes: each a plot.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.contenders import BARE, OURS, Contender, Result, compete
from benchmarks.figures import Figure, Skipped
from benchmarks.plot import Plot
from benchmarks.scale import Scale
from benchmarks.scene import Scene
from benchmarks.slow_disk import AS_IT_IS, Flush
from benchmarks.stock import KB


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """
    A point of a curve.
    """

    at: float
    sizes: tuple[int, int]
    jobs: int
    concurrency: int
    flush: Flush = AS_IT_IS


def curves(scene: Scene, scale: Scale) -> Iterator[Figure | Skipped]:
    """
    Yield the points of all curves, and plot them beside this module's README.
    """
    present = [each for each in (OURS, BARE) if not each.missing]
    rounds, small = min(3, scale.rounds), scale.small
    cpu_plotted = partial(_plotted, scene, rounds, told=lambda result: result.cpu_ms, unit="ms")
    cases = [
        _Case(at=each, sizes=small, jobs=max(2 * scale.jobs, 3 * each), concurrency=each)
        for each in scale.concurrencies
    ]
    yield from cpu_plotted(
        {each.name: (each, cases) for each in present},
        name="concurrency",
        title="CPU a job, ms, by requests at once (50 KB in, 100 KB out)",
        axis="requests at once",
    )
    cases = [
        _Case(at=each / KB, sizes=(each, each), jobs=max(8, scale.jobs // 2), concurrency=8)
        for each in scale.sizes
    ]
    yield from cpu_plotted(
        {each.name: (each, cases) for each in present},
        name="size",
        title="CPU a job, ms, by the size of the picture sent and of the one received, 8 at once",
        axis="KB, each way",
    )
    if missing := Flush(milliseconds=1).missing:
        yield Skipped(row="curves", what="by flush", reason=missing)
        return
    by_flush = {
        f"{each.name}, {concurrency} at once": (
            each,
            [
                _Case(
                    at=milliseconds,
                    sizes=small,
                    jobs=max(scale.jobs, 3 * concurrency),
                    concurrency=concurrency,
                    flush=Flush(milliseconds=milliseconds),
                )
                for milliseconds in scale.flushes
            ],
        )
        for concurrency in scale.at_once_by_flush
        for each in present
    }
    yield from _plotted(
        scene,
        rounds,
        by_flush,
        name="flush",
        title="jobs a second, by what each flush takes longer (50 KB in, 100 KB out)",
        axis="ms a flush, in parallel",
        told=lambda result: result.jobs_per_second,
        unit="jobs/s",
    )


def _plotted(
    scene: Scene,
    rounds: int,
    asked: Mapping[str, tuple[Contender, list[_Case]]],
    *,
    name: str,
    title: str,
    axis: str,
    told: Callable[[Result], float],
    unit: str,
) -> Iterator[Figure]:
    found: dict[str, dict[float, list[float]]] = {curve: {} for curve in asked}
    for _ in range(rounds):
        for curve, (contender, cases) in asked.items():
            for case in cases:
                with scene.endpoint(case.sizes[1]) as endpoint:
                    result = compete(
                        contender,
                        scene,
                        endpoint,
                        size=case.sizes[0],
                        jobs=case.jobs,
                        concurrency=case.concurrency,
                        flush=case.flush,
                    )
                found[curve].setdefault(case.at, []).append(told(result))
    Plot(title, axis, found).save(scene.plots / f"{name}.png")
    for curve, points in found.items():
        for at, values in points.items():
            what = f"{curve}, {at:g} {axis}"
            yield Figure(row="curves", what=what, values=tuple(values), unit=unit)
