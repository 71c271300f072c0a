"""
Crashes from outside: the real daemon under strace, killed, failed by the kernel, or cut off from power.
"""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import loop_disk
import tracing
from checker import check_at_any_time, requests_out
from crash_world import Plot, drop_all_kinds, make_world, vars_of
from outside_scene import ENDS, Outcome, Scene, configure, finish
from retouchd.disk import durable
from retouchd.spool import pictures

MUTANTS = {"files unsynced": "ext4", "folders unsynced": "btrfs"}
"""The plots in which the daemon is broken on purpose, and on which filesystem they play."""

_KILLED = -9
_WHOLE = Plot(drop=drop_all_kinds, n=2)


def kill(scene: Scene, plot: Plot) -> Outcome:
    """
    Kill the daemon after each change of its disk in turn.
    """
    outcome = Outcome()
    roots = (scene.tmp, plot.far) if plot.far else (scene.tmp,)
    for number in itertools.count(scene.stride, scene.stride):

        def survives(reached: int, _: str, last: int = number) -> bool:
            return reached < last

        with scene.world(str(number), plot) as (world, config):
            code, calls = tracing.run_in_steps(config, scene.log, roots, survives)
            if code != _KILLED:
                assert code in ENDS, f"it ended with {code}\n{scene.log.read_text()[-2000:]}"
                # The daemon's threads do not always take turns alike.
                outcome.points = max(len(calls), number - scene.stride)
                break
            with outcome.trial(f"killed after change {number}, {calls[-1]}"):
                check_at_any_time(world.folders, world.originals, is_exact=plot.far is None)
                finish(scene, world, config, requests_out(world.folders), [])
    return outcome


def cut_power(scene: Scene, kind: str, mutant: Callable[[], None] | None = None) -> Outcome:
    """
    Copy the disk after each change, then let each copy be found by the next start.

    With the daemon broken by a `mutant`, the first broken promise is enough; late ones break most.
    """
    outcome = Outcome()
    image, point = scene.tmp / "disk.img", scene.tmp / "disk"
    loop_disk.make(image, kind)
    cuts: list[tuple[Path, str, list[str]]] = []
    with loop_disk.mounted(image, kind, point):
        world = make_world(point / "world", _WHOLE, scene.url, scene.ledger)
        config = configure(world, scene.tmp / "disk.toml")
        loop_disk.sync(point)

        def copy(number: int, call: str) -> bool:
            if number % scene.stride == 0:
                place = scene.tmp / f"{number}.img"
                loop_disk.cut(image, place)
                cuts.append(
                    (place, f"{kind} cut off after change {number}, {call}", world.requests())
                )
            return True

        code, calls = tracing.run_in_steps(
            config, scene.log, (point,), copy, mutant or (lambda: None)
        )
        assert code in ENDS, f"it ended with {code}\n{scene.log.read_text()[-2000:]}"
    outcome.points = len(calls)
    for place, what, asked in reversed(cuts) if mutant else cuts:
        world.ledger.unlink(missing_ok=True)
        with loop_disk.mounted(place, kind, point), outcome.trial(what):
            # Only btrfs was measured to show a renamed file under both of its names.
            check_at_any_time(world.folders, world.originals, is_exact=kind != "btrfs")
            finish(scene, world, config, requests_out(world.folders), asked)
        place.unlink()
        if mutant and outcome.failures:
            break
    return outcome


FAULTS = {
    "fsync:error=EIO": 24,
    "fsync:error=ENOSPC": 24,
    "write,pwrite64:error=ENOSPC": 24,
    "write,pwrite64:error=EIO": 24,
    "rename:error=EIO": 12,
    "renameat2:error=EIO": 12,
    "renameat2:error=EXDEV": 12,
    "renameat2:error=EINVAL": 12,
    "renameat2:error=ENOSPC": 12,
    "renameat2:error=EDQUOT": 12,
    "unlink,unlinkat:error=EIO": 12,
    "unlink,unlinkat:error=EBUSY": 12,
    "rmdir:error=EBUSY": 6,
    "mkdir:error=ENOSPC": 8,
    "openat:error=EMFILE": 30,
    "openat:error=EIO": 30,
    "read,pread64:error=EIO": 30,
    "newfstatat:error=EIO": 80,
    "getdents64:error=EIO": 20,
}
"""What the kernel may say, and to how many of these calls, counted in each thread."""


def fail(scene: Scene) -> Outcome:
    """
    Let one call of each thread fail. A daemon that waits for better times is killed while it waits.
    """
    outcome = Outcome()
    points = [(fault, n) for fault, count in FAULTS.items() for n in range(1, count + 1)]
    outcome.points = len(points)
    for number, (fault, n) in enumerate(points, 1):
        if number % scene.stride:
            continue
        with scene.world(str(number), _WHOLE) as (world, config):
            torn = scene.torn_requests()
            _, failed = tracing.run_with_fault(config, scene.log, f"{fault}:when={n}")
            if not failed:
                outcome.points -= 1
                continue
            with outcome.trial(f"{fault}:when={n}, {failed}"):
                check_at_any_time(world.folders, world.originals, is_exact=True)
                free = scene.torn_requests() - torn
                finish(scene, world, config, requests_out(world.folders) + free, [])
    return outcome


def shut(scene: Scene) -> Outcome:
    """
    Let the disk not say what one file of a bundle is: nothing of that bundle may be sent without it.
    """
    outcome = Outcome()
    for name in ("cat.png", "cat.txt", "cat.toml", "cat.mask.png"):
        outcome.points += 1
        with (
            scene.world(name, _WHOLE) as (world, config),
            outcome.trial(f"{name} cannot be looked at"),
        ):
            path = world.folders.inbox / "pets" / name
            calls = "newfstatat,fstatat64,lstat,lstat64,statx"
            _, failed = tracing.run_with_fault(config, scene.log, f"{calls}:error=EIO", path)
            assert failed, "nothing failed"
            assert not world.requests(), "the rest of its bundle was sent"
            finish(scene, world, config, 0, [])
    return outcome


def skip_a_files_fsync() -> None:
    """
    Break the spool: pictures get their names before their bytes are durable.
    """

    def hasty(path: Path, blocks: Iterable[bytes]) -> None:
        path.write_bytes(b"".join(blocks))

    vars_of(pictures, add=hasty)


def skip_every_folders_fsync() -> None:
    """
    Break the disk: no name is made durable.
    """
    vars_of(durable, fsync_folder=lambda _: None)


def plots(far: Path) -> dict[str, Callable[[Scene], Outcome]]:
    """
    Return every plot by its name; `far` is a folder on another filesystem.
    """
    return {
        "kill": lambda scene: kill(scene, _WHOLE),
        "kill on the way": lambda scene: kill(scene, Plot(far=far)),
        "fail": fail,
        "shut": shut,
        "ext4": lambda scene: cut_power(scene, "ext4"),
        "xfs": lambda scene: cut_power(scene, "xfs"),
        "btrfs": lambda scene: cut_power(scene, "btrfs"),
        "files unsynced": lambda scene: cut_power(scene, "ext4", skip_a_files_fsync),
        "folders unsynced": lambda scene: cut_power(scene, "btrfs", skip_every_folders_fsync),
    }
