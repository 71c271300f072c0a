"""
Inboxes with very many files: backlogs, files that came while nobody looked, and doing nothing.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.machine import megabytes, seconds_run, seconds_worked, wake_ups
from benchmarks.scale import Scale
from benchmarks.scene import Daemon, Scene, count_in, start_daemon, until
from benchmarks.stock import PROMPT, dot
from process import Station


def backlogs(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield how soon work begins with a small and a large backlog, what a job costs then, and the memory.
    """
    goals = dict(zip(scale.backlogs, (0.3, 2.0), strict=True))
    costs: dict[int, list[float]] = {count: [] for count in goals}
    for count, goal in goals.items():
        with scene.endpoint(scale.small[1]) as endpoint:
            firsts, starts, peak = [], [], 0.0
            with scene.station(
                endpoint={"base_url": endpoint.url, "concurrency": 8},
                intake={"settle_seconds": 0},
            ) as station:
                for _ in range(min(3, scale.rounds)):
                    _fill(station, count)
                    endpoint.forget()
                    daemon = start_daemon(station)
                    until(endpoint.times, "the first request")
                    first = min(times[0] for times in endpoint.times())
                    firsts.append(first - daemon.ready_at)
                    starts.append(first - daemon.began_at)
                    costs[count].append(_cpu_of_jobs(station, daemon, 4 * scale.samples // 2))
                    peak = max(peak, megabytes(daemon.pid, "VmHWM"))
                    daemon.end()
                    # What was claimed and not sent would be asked before anything in the inbox is known.
                    for left in (station.folders.work / "jobs").iterdir():
                        shutil.rmtree(left)
            yield Figure(
                row="backlog",
                what=f"backlog of {count:,}: READY → first request",
                values=tuple(firsts),
                unit="s",
                at_most=goal,
            )
            yield Figure(
                row="backlog",
                what=f"backlog of {count:,}: start → first request",
                values=tuple(starts),
                unit="s",
            )
            yield Figure(
                row="backlog",
                what=f"peak RSS with {count:,} pairs waiting",
                values=(peak,),
                unit="MB",
                at_most=150,
            )
    few, many = scale.backlogs
    yield _stall(scene, scale, many)
    for count, found in costs.items():
        what = f"CPU per job with {count:,} waiting"
        yield Figure(row="backlog", what=what, values=tuple(found), unit="ms")
    yield Figure(
        row="backlog",
        what=f"CPU per job with {many:,} waiting / {few:,}",
        values=tuple(b / a for a, b in zip(costs[few], costs[many], strict=True)),
        unit="×",
        at_most=1.1,
    )


def _stall(scene: Scene, scale: Scale, count: int) -> Figure:
    """
    Return the longest stall of the event loop from the start until all of a backlog is known.
    """
    with (
        scene.endpoint(scale.small[1], 1) as endpoint,
        scene.station(
            endpoint={"base_url": endpoint.url, "concurrency": 1}, intake={"settle_seconds": 0}
        ) as station,
    ):
        _fill(station, count)
        daemon, done = start_daemon(station, inside=True), station.folders.done
        until(lambda: _known(station) + count_in(done, ".png") >= count, f"{count} pairs known")
        seen = daemon.seen_inside()
    longest = max(seen["callbacks_ms"], default=(0.0, 0.0, "none of note"))
    return Figure(
        row="backlog",
        what=f"longest stall of the loop, backlog of {count:,}",
        values=(seen["stalls_ms"][0][0],),
        unit="ms",
        at_most=100,
        note=f"longest callback {longest[0]:.0f} ms, {longest[1]:.0f} of CPU: {longest[2]}",
    )


def _cpu_of_jobs(station: Station, daemon: Daemon, jobs: int) -> float:
    """
    Return the milliseconds of the processor that a job takes, once the first ones are done.
    """
    done = station.folders.done
    jobs = min(jobs, count_in(station.folders.inbox, ".png") // 2)
    before = count_in(done, ".png")
    until(lambda: count_in(done, ".png") > before, "the first job")
    begun, worked = count_in(done, ".png"), seconds_worked([daemon.pid])
    until(lambda: count_in(done, ".png") >= begun + jobs, f"{jobs} jobs")
    return 1000 * (seconds_worked([daemon.pid]) - worked) / (count_in(done, ".png") - begun)


def stopped(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield how soon files are known that were written while the daemon was stopped, and how many are lost.
    """
    known, lost, pairs = [], [], scale.missed // 2
    for _ in range(min(3, scale.rounds)):
        with (
            # Nothing is answered: what was claimed stays in work, all else is counted as ready.
            scene.endpoint(scale.small[1], 3600) as endpoint,
            scene.station(
                endpoint={"base_url": endpoint.url, "concurrency": 1},
                intake={"settle_seconds": 0},
            ) as station,
        ):
            daemon = start_daemon(station)
            daemon.tell(signal.SIGSTOP)
            _fill(station, pairs)
            daemon.tell(signal.SIGCONT)
            began = time.monotonic()
            end = until(lambda: _known(station) >= pairs, f"{pairs} pairs known")
            known.append(end - began)
            lost.append(pairs - _known(station))
    what = f"{scale.missed:,} files written while stopped"
    yield Figure(
        row="stopped", what=f"{what}: all known after", values=tuple(known), unit="s", at_most=3
    )
    yield Figure(row="stopped", what=f"{what}: lost", values=tuple(lost), unit="files", at_most=0)


def _known(station: Station) -> int:
    """
    Return how many families the daemon says that it knows of, in its notice of at most a second ago.
    """
    try:
        told: dict[str, Any] = json.loads((station.folders.work / "status.json").read_bytes())
    except FileNotFoundError:
        return 0
    return int(told["ready"]) + count_in(station.folders.work / "jobs", "")


def idle(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield what a daemon takes that has nothing to do: with nothing in the inbox, or nothing but images.
    """
    many = scale.backlogs[1]
    for what, count, seconds, limit in (
        ("an empty inbox", 0, scale.idle_seconds, 0.1),
        (f"{many:,} waiting for prompts", many, scale.rescan_seconds, 0.5),
    ):
        with (
            scene.endpoint(scale.small[1]) as endpoint,
            scene.station(endpoint={"base_url": endpoint.url}) as station,
        ):
            _fill(station, count, prompt=None)
            daemon = start_daemon(station)
            share, wakes = _at_rest(daemon, scale, seconds)
            unit = "% of a core"
            yield Figure(
                row="idle", what=f"CPU with {what}", values=(share,), unit=unit, at_most=limit
            )
            yield Figure(
                row="idle",
                what=f"wake-ups with {what}",
                values=(wakes,),
                unit="a second",
                at_most=2,
            )
            yield Figure(
                row="idle",
                what=f"RSS with {what}",
                values=(megabytes(daemon.pid, "VmRSS"),),
                unit="MB",
                at_most=None if count else 75,
            )
    with scene.station() as station:
        daemon = start_daemon(station)
        _await_rest(daemon, scale.rest_seconds)
        yield Figure(
            row="idle",
            what="RSS with an empty inbox, the embedded endpoint in it",
            values=(megabytes(daemon.pid, "VmRSS"),),
            unit="MB",
        )


def polling(scene: Scene, scale: Scale) -> Iterator[Figure]:
    """
    Yield what it costs to look at a full inbox every second.
    """
    many = scale.backlogs[1]
    with scene.station(intake={"observer": "polling", "poll_seconds": 1}) as station:
        _fill(station, many, prompt=None)
        daemon = start_daemon(station)
        share, _ = _at_rest(daemon, scale, scale.idle_seconds)
        yield Figure(
            row="polling",
            what=f"polling over {many:,} files every second",
            values=(share,),
            unit="% of a core",
            at_most=2,
        )


def _at_rest(daemon: Daemon, scale: Scale, seconds: float) -> tuple[float, float]:
    """
    Return the share of a core in percent, and the wake-ups a second, once all is settled.
    """
    _await_rest(daemon, scale.rest_seconds)
    worked, woken, began = seconds_run(daemon.pid), wake_ups(daemon.pid), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    return (
        100 * (seconds_run(daemon.pid) - worked) / took,
        (wake_ups(daemon.pid) - woken) / took,
    )


def _await_rest(daemon: Daemon, seconds: float) -> None:
    """
    Wait until a daemon has all but stopped working for so long: until then it decides about what it has found.
    """

    def is_at_rest() -> bool:
        worked = seconds_run(daemon.pid)
        time.sleep(seconds)
        return seconds_run(daemon.pid) - worked < seconds / 20

    until(is_at_rest, "the daemon is at rest")


def _fill(station: Station, count: int, *, prompt: str | None = PROMPT) -> None:
    """
    Put into the inbox what is missing of so many small pictures with prompts, none of them ever there before.
    """
    inbox, done = station.folders.inbox, station.folders.done
    missing = count - count_in(inbox, ".png")
    names = [
        name for folder in (inbox, done) for name in os.listdir(folder) if name.endswith(".png")
    ]
    first = 1 + int(Path(max(names, default="0")).stem)
    for number in range(first, first + missing):
        if prompt is not None:
            (inbox / f"{number:07}.txt").write_text(prompt)
        (inbox / f"{number:07}.png").write_bytes(dot(number))
