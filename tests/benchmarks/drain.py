"""
An inbox that is full when `once` starts: how soon the first request leaves, and how quickly the rest follows.
"""

import os
import time
from collections.abc import Iterator

from benchmarks.contenders import BARE
from benchmarks.figures import Figure, Skipped
from benchmarks.scale import Scale
from benchmarks.scene import Scene, Served, count_in, script, until
from benchmarks.stock import drop
from process import RETOUCHD, Running, Station

_CONCURRENCY = 8
_OURS, _BARE, _TWO = "retouchd once", "(a) bare httpx", "bare httpx with two syncs"


def drained(scene: Scene, scale: Scale) -> Iterator[Figure | Skipped]:
    """
    Yield the time from a start to its first request, and the rate from then on, beside bare loops'.
    """
    if BARE.missing:
        yield Skipped(row="once", what=_BARE, reason=BARE.missing)
        return
    firsts: dict[str, list[float]] = {_OURS: [], _BARE: [], _TWO: []}
    rates: dict[str, list[float]] = {_OURS: [], _BARE: [], _TWO: []}
    with scene.endpoint(scale.small[1]) as endpoint:
        for _ in range(scale.rounds):
            for name, found in firsts.items():
                first, rate = _drain(name, scene, scale, endpoint)
                found.append(first)
                rates[name].append(rate)
    count = scale.waiting
    for name, found in firsts.items():
        yield Figure(
            row="once",
            what=f"{name}, {count} waiting: start → first request",
            values=tuple(found),
            unit="s",
        )
        yield Figure(
            row="once", what=f"{name}: from then on", values=tuple(rates[name]), unit="jobs/s"
        )
    for name in (_BARE, _TWO):
        yield Figure(
            row="once",
            what=f"{_OURS} / {name}, from the first request on",
            values=tuple(a / b for a, b in zip(rates[_OURS], rates[name], strict=True)),
            unit="×",
            at_least=0.5,
        )


def _drain(name: str, scene: Scene, scale: Scale, endpoint: Served) -> tuple[float, float]:
    """
    Return the seconds from a start to the first byte at the endpoint, and the jobs a second from then on.
    """
    jobs = scale.waiting
    with scene.station(
        endpoint={"base_url": endpoint.url, "concurrency": _CONCURRENCY},
        intake={"settle_seconds": 0},
    ) as station:
        for _ in drop(scene.stock.pictures(scale.small[0], jobs), station.folders.inbox):
            pass
        endpoint.forget()
        began = time.monotonic()
        _start(name, station, endpoint)
        end = until(
            lambda: count_in(station.folders.done, ".jpg") >= jobs, f"{name}: {jobs} jobs done"
        )
        first = min(each for each, _, _ in endpoint.times())
    return first - began, jobs / (end - first)


def _start(name: str, station: Station, endpoint: Served) -> Running:
    if name == _OURS:
        return station.run(RETOUCHD, "once", "--config", os.fspath(station.config))
    more = ("two",) if name == _TWO else ()
    loop = (*script("loop_httpx"), str(station.root), endpoint.url, str(_CONCURRENCY), *more)
    running = station.run(*loop)
    assert running.process.stdin is not None
    running.process.stdin.write(b"\n")
    running.process.stdin.flush()
    return running
