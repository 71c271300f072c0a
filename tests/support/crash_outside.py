"""
Plays crashes from outside, each plot in a process of its own.

    python crash_outside.py [NAME STRIDE NEAR FAR]

Tries one plot at every so many of its points and prints the outcome as JSON; without arguments, every
plot at every point.
"""

import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import loop_disk
import tracing
from crash_world import Plot, counting_endpoint
from outside_plots import MUTANTS, plots
from outside_scene import Outcome, Scene
from process import opened

MEMORY = Path("/dev/shm")
_OWN_MOUNTS = 0x20000  # CLONE_NEWNS
_ALL_PRIVATE = 0x44000  # MS_REC and MS_PRIVATE


def play(name: str, stride: int, near: Path, far: Path) -> Outcome:
    """
    Try one plot in two folders, the second of which should lie on another filesystem.
    """
    began = time.monotonic()
    outcome = Outcome(obstacle=_obstacle(name, near, far))
    ledger = near / "ledger"
    with counting_endpoint(ledger) as url:
        scene = Scene(tmp=near, url=url, ledger=ledger, stride=stride)
        if not outcome.obstacle:
            with scene.world("warm", Plot()) as (_, config):
                tracing.import_the_daemon(config, scene.log)
            gc.freeze()  # Else each child copies whatever its collector touches.
            outcome = plots(far)[name](scene)
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def _obstacle(name: str, near: Path, far: Path) -> str:
    if name == "kill on the way" and near.stat().st_dev == far.stat().st_dev:
        return f"{near} and {far} are on one filesystem"
    kind = MUTANTS.get(name, name)
    return tracing.obstacle() or (loop_disk.obstacle(kind, near) if kind in loop_disk.KINDS else "")


@contextlib.contextmanager
def playing(strides: Mapping[str, int]) -> Iterator[Callable[[], dict[str, Outcome]]]:
    """
    Start plots at once, each with its stride; yield what waits for them and returns their outcomes.

    Each is a process that sees mounts of its own: they are gone with it, however it ends.
    """
    with contextlib.ExitStack() as stack:
        lanes = {}
        for name, stride in strides.items():
            places = [
                stack.enter_context(tempfile.TemporaryDirectory(prefix="retouchd-", dir=place))
                for place in (MEMORY if MEMORY.is_dir() else None, None)
            ]
            command = [sys.executable, __file__, name, str(stride), *places]
            lane = opened(command, cwd=Path(places[0]), stdout=subprocess.PIPE)
            lanes[name] = stack.enter_context(lane)
            stack.callback(lane.kill)
        yield lambda: {name: _outcome(lane) for name, lane in lanes.items()}


def _outcome(lane: subprocess.Popen[bytes]) -> Outcome:
    said, _ = lane.communicate()
    assert lane.returncode == 0, f"the plot itself failed: {said!r}"
    return Outcome(**json.loads(said))


def _have_own_mounts() -> None:
    """
    See mounts that nobody else sees, and show nobody ours.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_OWN_MOUNTS) or libc.mount(None, b"/", None, _ALL_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mounts of our own")


def _told(outcome: Outcome) -> str:
    if outcome.obstacle:
        return f"skipped, {outcome.obstacle}"
    found = f"{outcome.tried} of {outcome.points} points, {len(outcome.failures)} failures"
    return f"{found}, {outcome.seconds} s"


def main() -> int:
    """
    Try every plot at every point; return 1 where one broke a promise, or a mutant did not.
    """
    is_bad = False
    with playing(dict.fromkeys(plots(Path()), 1)) as outcomes:
        for name, outcome in outcomes().items():
            sys.stdout.write("\n  ".join([f"{name}: {_told(outcome)}", *outcome.failures]) + "\n")
            is_due = name in MUTANTS and not outcome.obstacle
            is_bad |= bool(outcome.failures) is not is_due
    return int(is_bad)


if __name__ == "__main__":
    if sys.argv[1:]:
        if os.geteuid() == 0:
            _have_own_mounts()
        name, stride, near, far = sys.argv[1:]
        sys.stdout.write(json.dumps(asdict(play(name, int(stride), Path(near), Path(far)))))
    else:
        sys.exit(main())
