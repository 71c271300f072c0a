"""
Many requests at once: what each costs, how near the ideal rate comes, memory, stalls and flushes.
"""

from collections.abc import Iterator
from typing import Any

from benchmarks.figures import Figure, Skipped
from benchmarks.machine import megabytes, seconds_worked
from benchmarks.scale import Scale
from benchmarks.scene import Daemon, Scene, Served, count_in, start_daemon, until
from benchmarks.slow_disk import AS_IT_IS, Flush
from benchmarks.stock import drop
from process import Station


def cpu_by_flight(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield the CPU per job with few and with many in flight, at one and the same rate.
    """
    few, many = scale.in_flight
    costs: dict[int, list[float]] = {few: [], many: []}
    for _ in range(scale.rounds):
        for count, found in costs.items():
            seconds = scale.latency_seconds / 4 * count / many
            found.append(_cpu_ms(scene, scale.small, count, scale.waves * many, seconds))
    row, unit = "flight-cpu", "ms"
    for count, found in costs.items():
        yield Figure(
            row=row, what=f"CPU per job, {count} in flight", values=tuple(found), unit=unit
        )
    yield Figure(
        row=row,
        what=f"CPU per job, {many} in flight / {few}",
        values=tuple(b / a for a, b in zip(costs[few], costs[many], strict=True)),
        unit="×",
        at_most=1.2,
    )


def _cpu_ms(
    scene: Scene, sizes: tuple[int, int], concurrency: int, jobs: int, seconds: float
) -> float:
    with (
        scene.endpoint(sizes[1], seconds) as endpoint,
        _station(scene, endpoint, concurrency) as at,
    ):
        daemon = start_daemon(at)
        before = seconds_worked([daemon.pid])
        _work_off(scene, at, sizes[0], jobs)
        return 1000 * (seconds_worked([daemon.pid]) - before) / jobs


def rate_of_ideal(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield the rate of what the endpoint's latency allows: in the steady state, and from the first wave on.

    All of the first wave is answered at once, which nothing later is: its requests left at once.
    """
    many = scale.in_flight[1]
    ideal = many / scale.latency_seconds
    steady, early = [], []
    for _ in range(min(2, scale.rounds)):
        with (
            scene.endpoint(scale.middle[1], scale.latency_seconds) as endpoint,
            _station(scene, endpoint, many) as station,
        ):
            start_daemon(station)
            _work_off(scene, station, scale.middle[0], (scale.waves + 2) * many)
            came = sorted(first for first, _, _ in endpoint.times())
            steady.append(_rate(came, 2 * many) / ideal)
            early.append(_rate(came[: scale.waves * many], many) / ideal)
    what = f"at {scale.latency_seconds:g} s latency, {many} in flight, of the ideal"
    yield Figure(
        row="flight-rate",
        what=f"rate {what}",
        values=tuple(steady),
        at_least=0.9,
        note=f"ideal {ideal:g} jobs/s",
    )
    yield Figure(
        row="flight-rate",
        what=f"the same of the first {scale.waves} waves",
        values=tuple(early),
    )


def _rate(came: list[float], start: int) -> float:
    """
    Return how many requests a second came after the first so many.
    """
    return (len(came) - start) / (came[-1] - came[start - 1])


def memory(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield the peak memory with many large uploads at once, whose answers arrive together.
    """
    peaks = []
    for _ in range(min(2, scale.rounds)):
        with (
            scene.endpoint(scale.heavy[1], scale.latency_seconds) as endpoint,
            _station(scene, endpoint, scale.at_once) as station,
        ):
            daemon = start_daemon(station)
            _work_off(scene, station, scale.heavy[0], scale.at_once)
            peaks.append(megabytes(daemon.pid, "VmHWM"))
    yield Figure(
        row="memory",
        what=f"peak RSS, {scale.at_once} requests of 20 MB in, 4 MB out at once",
        values=tuple(peaks),
        unit="MB",
        at_most=250,
    )


def stalls(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield the longest stall of the event loop in each of the contests and with many large uploads, with what
    did it.
    """
    cases = (
        ("2 MB/2 MB, 8 at once", scale.middle, 8, scale.jobs, 50.0),
        ("50 KB/100 KB, 8 at once", scale.small, 8, 6 * scale.jobs, 50.0),
        ("20 MB/2 MB, 8 at once", scale.large, 8, scale.jobs // 2, 50.0),
        ("2 MB/2 MB, 32 at once", scale.middle, 32, 2 * scale.jobs, 100.0),
        (f"20 MB/4 MB, {scale.at_once} at once", scale.heavy, scale.at_once, scale.at_once, 100.0),
    )
    for what, sizes, concurrency, jobs, goal in cases[: scale.cases]:
        seen = [_seen_inside(scene, sizes, concurrency, jobs) for _ in range(min(3, scale.rounds))]
        longest = max((each for one in seen for each in one["callbacks_ms"]), default=None)
        yield Figure(
            row="stalls",
            what=f"longest stall of the loop, {what}",
            values=tuple(one["stalls_ms"][0][0] for one in seen),
            unit="ms",
            at_most=goal,
            note=f"longest callback {longest[0]:.0f} ms, {longest[1]:.0f} of CPU: {longest[2]}"
            if longest
            else "",
        )


def syncs(scene: Scene, scale: Scale) -> Iterator[Figure | Skipped]:
    """
    Yield how often the disk is asked to flush for a job: as quick as it is, and where each flush takes long
    enough for others to come along.
    """
    for flush, disk in ((AS_IT_IS, ""), (Flush(milliseconds=10), ", +10 ms a flush")):
        if flush.missing:
            yield Skipped(row="syncs", what=disk, reason=flush.missing)
            continue
        for concurrency, goal in ((8, 10), (32, 6)):
            jobs = 6 * concurrency if scale.jobs > concurrency else scale.jobs
            seen = [
                _seen_inside(scene, scale.small, concurrency, jobs, flush)["syncs"]
                for _ in range(min(3, scale.rounds))
            ]
            yield Figure(
                row="syncs",
                what=f"flushes per job, {concurrency} at once{disk}",
                values=tuple(sum(one.values()) / jobs for one in seen),
                at_most=goal,
                note=", ".join(f"{kind}s {seen[0][kind] / jobs:.1f}" for kind in sorted(seen[0])),
            )


def _seen_inside(
    scene: Scene,
    sizes: tuple[int, int],
    concurrency: int,
    jobs: int,
    flush: Flush = AS_IT_IS,
) -> dict[str, Any]:
    with scene.endpoint(sizes[1]) as endpoint, _station(scene, endpoint, concurrency) as station:
        station.environment |= flush.environment
        daemon: Daemon = start_daemon(station, inside=True)
        _work_off(scene, station, sizes[0], jobs)
        return daemon.seen_inside()


def _station(scene: Scene, endpoint: Served, concurrency: int) -> Any:
    return scene.station(
        endpoint={"base_url": endpoint.url, "concurrency": concurrency},
        intake={"settle_seconds": 0.5},
    )


def _work_off(scene: Scene, station: Station, size: int, jobs: int) -> None:
    for _ in drop(scene.stock.pictures(size, jobs), station.folders.inbox):
        pass
    until(lambda: count_in(station.folders.done, ".jpg") >= jobs, f"{jobs} jobs done")
