"""
One job at a time: how soon its request leaves. And starts: how soon the program is there.
"""

import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, percentile
from benchmarks.scale import Scale
from benchmarks.scene import Scene, start_daemon, until
from benchmarks.stock import drop
from process import RETOUCHD

_SETTLE_SECONDS = 0.2


def settled_to_first_byte(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield how long after it has settled a job's first byte reaches the endpoint, otherwise idle.
    """
    waits = _waits(scene, scale, _SETTLE_SECONDS)
    row, what = "first-byte", "settled → first byte on the wire"
    yield Figure(
        row=row, what=f"{what}, p50", values=(percentile(waits, 0.5),), unit="ms", at_most=6
    )
    yield Figure(
        row=row, what=f"{what}, p99", values=(percentile(waits, 0.99),), unit="ms", at_most=25
    )


def dropped_to_request(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield how long after it was dropped a job's request reaches the endpoint, with nothing to settle.
    """
    waits = _waits(scene, scale, 0.0)
    yield Figure(
        row="drop",
        what="drop → request with settle_seconds = 0, p50",
        values=(percentile(waits, 0.5),),
        unit="ms",
        at_most=15,
        note=f"p99 {percentile(waits, 0.99):.0f} ms",
    )


def _waits(scene: Scene, scale: Scale, settle_seconds: float) -> list[float]:
    """
    Return for each of some jobs, dropped one after the other, the milliseconds beyond the settling.
    """
    waits = []
    pictures = scene.stock.pictures(scale.small[0], scale.samples)
    with (
        scene.endpoint(scale.small[1]) as endpoint,
        scene.station(
            endpoint={"base_url": endpoint.url}, intake={"settle_seconds": settle_seconds}
        ) as station,
    ):
        start_daemon(station)
        for picture in pictures:
            endpoint.forget()
            (at,) = drop([picture], station.folders.inbox)
            record = station.folders.done / f"{picture.stem}.job.json"
            until(record.exists, f"{picture.name} is done")
            until(lambda: not list(station.folders.inbox.iterdir()), "the inbox is empty")
            ((first, _, _),) = endpoint.times()
            waits.append(1000 * (first - at - settle_seconds))
    return waits


def starts(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield how long `--help` and a start take, beside bare Python and an import.
    """
    bare, imported = (sys.executable, "-c", "pass"), (sys.executable, "-c", "import httpx")
    times: dict[str, list[float]] = {"bare": [], "help": [], "import": [], "ready": []}
    with scene.endpoint(scale.small[1]) as endpoint:
        for _ in range(scale.starts):
            times["bare"].append(_seconds(bare))
            times["help"].append(_seconds((RETOUCHD, "--help")))
            times["import"].append(_seconds(imported))
            with scene.station(endpoint={"base_url": endpoint.url}) as station:
                daemon = start_daemon(station)
                times["ready"].append(daemon.ready_at - daemon.began_at)
    row = "start"
    for what, one, other, goal in (
        ("retouchd --help / python -c pass", "help", "bare", 5),
        ("run → READY / python -c 'import httpx'", "ready", "import", 4),
    ):
        milliseconds = tuple(1000 * each for each in times[one])
        yield Figure(row=row, what=what.partition(" / ")[0], values=milliseconds, unit="ms")
        yield Figure(
            row=row,
            what=what,
            values=tuple(a / b for a, b in zip(times[one], times[other], strict=True)),
            unit="×",
            at_most=goal,
        )


def _seconds(command: tuple[str, ...]) -> float:
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began
