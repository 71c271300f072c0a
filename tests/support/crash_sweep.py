"""
The sweep of a plot: a run dies at each of its steps, so do the runs that recover from that, and what each of
them leaves is found by the next one.

By real deaths, each in a process of its own, or by the film of a run that lives.
"""

import contextlib
import gc
import hashlib
import multiprocessing
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from checker import (
    check_at_any_time,
    check_nothing_changed,
    durable_names,
    files_in,
    open_requests,
    tree,
)
from crash_world import (
    Plot,
    World,
    away,
    check_end,
    counting_endpoint,
    drain,
    end_of,
    intrude,
    make_world,
    run,
    unpaid,
    vars_of,
    words,
)
from crashing import DIED, FailingDisk
from filming import FilmingDisk, Frame, clear, filmed, keep
from retouchd.disk.folders import Folders
from retouchd.disk.probes import PROBE
from retouchd.endpoint import client
from retouchd.endpoint.transport import tls_context
from retouchd.job.model import idempotency_key
from retouchd.pictures.end_markers import is_whole
from retouchd.spool.documents import is_torn

_JOB_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")

Deaths = tuple[int, ...]
"""At which step a run died, at which one the run that recovered from that, and so on."""


@dataclass(kw_only=True)
class Figures:
    """
    What a sweep came to: steps of one run; deaths tried as the first, second, … in a row; what broke.
    """

    steps: int = 0
    deaths: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


class Sweep:
    """
    Lets runs of one plot die, and the runs that recover from that, each in a world and a process of its own.

    What breaks is noted, and the sweep goes on.
    """

    def __init__(self, plot: Plot, tmp: Path, url: str, ledger: Path) -> None:
        self._plot = plot
        self._tmp = tmp
        self._url = url
        self._ledger = ledger
        self._moments: dict[str, int] = {}
        self._states: dict[tuple[str, ...], int] = {}
        self.figures = Figures()

    def sweep_firsts(self) -> None:
        """
        Let a run die at each of its steps, and the next one finish.
        """
        steps = self._sweep((), self._plot.stride, self._plot.first_step)
        self.figures.steps = steps[-1] + self._plot.stride - 1

    def sweep_seconds(self, stride: int, *, full: int) -> None:
        """
        Let the recoveries with most to do die at every so many of their steps.

        They are followed further, to a third and a fourth death. A `full` sweep also tries every so many
        steps of the recovery from each other state that a first death can leave.
        """
        chosen = set(self._moments.values())
        for first in sorted(chosen):
            # Late, as three deaths while one answer is judged end its job: that is meant.
            second = _late(self._sweep((first,), stride))
            third = _late(self._sweep((first, second), 3 * stride))
            self._sweep((first, second, third), 6 * stride)
        for first in sorted({*self._states.values()} - chosen) if full else ():
            self._sweep((first,), full)

    def _sweep(self, before: Deaths, stride: int, step: int = 1) -> list[int]:
        """
        Let a run die at every so many of its steps, after these deaths; return at which it did.
        """
        died = []
        while self._try(*before, step):
            died.append(step)
            self.figures.deaths[len(before) + 1] += 1
            step += stride
        return died

    def _try(self, *deaths: int) -> bool:
        """
        Let runs die one after the other; return whether the last one was alive long enough to do so.
        """
        root = self._tmp / "-".join(map(str, deaths))
        world = make_world(root, self._plot, self._url, self._ledger)
        is_dead = False
        with self._noting(deaths):
            out: set[str] = set()
            for number, step in enumerate(deaths):
                # What one power cut may bring back is none of the next one's business.
                shelf = root / f"lost-{number}"
                code = run(world, FailingDisk(die_at=step, **self._how(shelf)), self._plot.mutant)
                assert code in {0, DIED}, f"the run ended with {code}"
                is_dead = code == DIED
                if not is_dead:
                    break
                self._look(world)
                out |= open_requests(world.folders)
            if is_dead and len(deaths) == 1:
                self._remember(world.folders, deaths[0], _state(world.folders))
            self._recover(world, len(out))
        shutil.rmtree(root)
        shutil.rmtree(away(root, self._plot), ignore_errors=True)
        return is_dead

    @contextlib.contextmanager
    def _noting(self, deaths: Deaths) -> Iterator[None]:
        """
        Say after which deaths a promise broke.
        """
        try:
            yield
        except AssertionError as broken:
            self.figures.broken.append(f"deaths at {deaths}: {broken}")

    def _how(self, shelf: Path) -> dict[str, Any]:
        """
        Return how the disk of this plot behaves.
        """
        plot = self._plot
        return {
            "power_cut": plot.power_cut,
            "shelf": shelf,
            "is_plain": plot.is_plain,
            "counts": plot.counts,
        }

    def _look(self, world: World) -> None:
        """
        Look at what a death left; then somebody else may come by.
        """
        is_exact = not self._plot.power_cut and not self._plot.far
        check_at_any_time(world.folders, world.originals, is_exact=is_exact)
        if self._plot.has_intruder:
            intrude(world)

    def _remember(self, folders: Folders, first: int, state: tuple[str, ...]) -> None:
        """
        Note the first death that leaves a state, and the first that leaves much to do.
        """
        self._states.setdefault(state, first)
        if moment := _moment(folders):
            self._moments.setdefault(moment, first)

    def _recover(self, world: World, asked_again: int) -> None:
        """
        Let a run finish what is left, and one more that finds nothing to do.
        """
        if world.is_private:
            assert self._lives(world), "no restart waited"
            world = replace(world, is_private=False)
        assert self._lives(world), "no restart finished"
        check_end(world, asked_again)
        if self._is_new(_state(world.folders)):
            before = tree(world.folders)
            assert self._lives(world), "no restart finished"
            check_nothing_changed(before, tree(world.folders))

    def _is_new(self, _: tuple[str, ...]) -> bool:
        """
        Return whether it must be seen that one more run leaves this end as it is.
        """
        return True

    def _lives(self, world: World) -> bool:
        """
        Let a run come to its end; return whether it was the right one.
        """
        return run(world, FailingDisk(is_plain=self._plot.is_plain), self._plot.mutant) == 0


class FilmedSweep(Sweep):
    """
    The same by one run for all deaths: it is filmed (`filming.py`), and each frame is found by the next run.

    Many deaths leave the same: those around an fsync, if nothing is lost. What follows from a state is tried
    once, and in one process after the other by `survivor`. The first broken promise ends it.
    """

    def __init__(self, plot: Plot, tmp: Path, url: str, ledger: Path, survivor: "Survivor") -> None:
        super().__init__(plot, tmp, url, ledger)
        self._survivor = survivor
        self._world = make_world(tmp / "life", plot, url, ledger)
        self._shelf = tmp / "life/lost"
        ledgers = [ledger, unpaid(ledger), ledger.with_name(f"{ledger.name}.seen")]
        self._roots = [*dict.fromkeys([tmp / "life", away(tmp / "life", plot)]), *ledgers]
        # A job remembers by their numbers which files it is of.
        self._kept = keep(files_in(self._world.folders.inbox), tmp / "kept")
        self._left: dict[Deaths, tuple[Frame, set[str]]] = {}
        self._recovered: set[tuple[object, ...]] = set()
        self._ended: set[tuple[str, ...]] = set()

    def end(self) -> None:
        """
        Clear all away.
        """
        for root in self._roots:
            clear(root)

    def _sweep(self, before: Deaths, stride: int, step: int = 1) -> list[int]:
        world, out = self._found(before)
        tries_probes = self._plot.tries_probes and not before
        how = self._how(self._shelf) | {"spared": "" if tries_probes else PROBE}
        disk = FilmingDisk(self._roots, first=step, stride=stride, **how)
        with self._noting(before):
            film = filmed(partial(self._live, world, disk), disk)
            self._recover(world, len(out))
        known: Frame | None = None
        for frame in reversed(film) if self._plot.from_the_end else film:
            deaths = (*before, frame.step)
            self.figures.deaths[len(deaths)] += 1
            self._left[deaths] = frame, out
            if known is None or not frame.is_as(known):
                with self._noting(deaths):
                    self._resume(deaths)
            known = frame
        return [frame.step for frame in film]

    def _live(self, world: World, disk: FilmingDisk) -> None:
        code = end_of(world, disk, self._plot.mutant)
        assert code == 0, f"the run ended with {code}"

    def _found(self, deaths: Deaths) -> tuple[World, set[str]]:
        """
        Have there what deaths left; return it with the requests that were on their way at any of them.
        """
        if not deaths:
            return self._world, set()
        frame, out = self._left[deaths]
        frame.develop(self._roots, self._kept)
        clear(self._shelf)
        world = replace(self._world, strangers={})
        if self._plot.first is None:
            _send(world)
        self._look(world)
        return world, out | open_requests(world.folders)

    def _resume(self, deaths: Deaths) -> None:
        """
        Let a run find what deaths left, unless one has found the same before.
        """
        world, out = self._found(deaths)
        state = _state(world.folders)
        if len(deaths) == 1:
            self._remember(world.folders, deaths[0], state)
        if not self._is_known(world, state, len(deaths), len(out)):
            self._recover(world, len(out))

    @contextlib.contextmanager
    def _noting(self, deaths: Deaths) -> Iterator[None]:
        try:
            yield
        except AssertionError as broken:
            raise AssertionError(f"deaths at {deaths}: {broken}") from broken

    def _is_known(self, world: World, state: tuple[str, ...], *about: int) -> bool:
        """
        Return whether a run has recovered from what is left before.
        """
        asked = len(world.requests()), len(words(unpaid(world.ledger)))
        known = (*about, *asked, bool(world.strangers), *state)
        is_known = known in self._recovered
        self._recovered.add(known)
        return is_known

    def _is_new(self, end: tuple[str, ...]) -> bool:
        is_new = end not in self._ended
        self._ended.add(end)
        return is_new

    def _lives(self, world: World) -> bool:
        return self._survivor.run(world) == 0


class Survivor:
    """
    A process for runs that die of nothing, one after the other: a process of its own for each would take as
    long for the memory that it shares with this one as for its work.
    """

    def __init__(self, plot: Plot) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._child = os.fork()
        if not self._child:
            try:
                self._ours.close()
                plot.mutant()
                while True:
                    theirs.send(end_of(theirs.recv(), FailingDisk(is_plain=plot.is_plain)))
            finally:
                os._exit(1)
        theirs.close()

    def run(self, world: World) -> int:
        """
        Drain the inbox; return what a process for it alone would have ended with.
        """
        self._ours.send(world)
        try:
            return int(self._ours.recv())
        except EOFError:
            return DIED

    def end(self) -> None:
        """
        Let it die.
        """
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        self._ours.close()


def sweep(plot: Plot, tmp: Path, *, full: int = 0) -> Figures:
    """
    Let runs of a plot die at every step, and their recoveries.

    Raises AssertionError as soon as a promise is broken. A full sweep counts it and goes on: it tries
    every step of the recoveries with most to do, and every `full` step of the other ones, by real deaths.
    """
    ledger = tmp / "ledger"
    faults = [*plot.odd, *([f"first={plot.first}"] if plot.first else [])]
    vars_of(client, tls_context=cache(tls_context))  # All is plain HTTP: once is enough.
    with counting_endpoint(ledger, *faults) as url:
        warm = make_world(tmp / "warm", plot, url, ledger)
        drain(replace(warm, is_private=False))  # Imports once, not in every child.
        gc.freeze()  # Else each child copies whatever its collector touches.
        if full:
            trial = Sweep(plot, tmp, url, ledger)
            trial.sweep_firsts()
            trial.sweep_seconds(1, full=full)
            return trial.figures
        with contextlib.ExitStack() as stack:
            survivor = Survivor(plot)
            stack.callback(survivor.end)
            film = FilmedSweep(plot, tmp, url, ledger, survivor)
            stack.callback(film.end)
            film.sweep_firsts()
            if plot.recoveries:
                film.sweep_seconds(plot.recoveries, full=0)
            return film.figures


def _send(world: World) -> None:
    """
    Have the endpoint note what was on its way to it: whether a process dies then or a moment later, it is sent.
    """
    asked = set(words(world.ledger))
    for request in open_requests(world.folders):
        job, _, attempt = request.partition("/attempt-")
        key = idempotency_key(job, int(attempt.partition("-")[0]))
        note = world.folders.work / f"jobs/{request}.open"
        if key not in asked and note.exists() and not is_torn(note.read_bytes()):
            with world.ledger.open("a") as ledger:
                ledger.write(f"{key}\n")


def _late(steps: list[int]) -> int:
    return steps[max(0, len(steps) * 2 // 3 - 1)] if steps else 1


def _moment(folders: Folders) -> str:
    """
    Return the name of the moment at which a run died, where its recovery has most to do.
    """
    jobs = folders.work / "jobs"
    names = [durable_names(job) for job in jobs.glob("*")]
    if any("plan.json" in each for each in names):
        is_half_archived = any(folders.done.rglob("*.job.json")) and any(
            len(list(each.iterdir())) for each in jobs.glob("*/originals")
        )
        if is_half_archived:
            return "archiving"
        return "publishing" if any(jobs.glob("*/outputs/*")) else ""
    is_kept = any("attempt-1-1.response" in each for each in names)
    is_closed = any("attempt-1-1.json" in each for each in names)
    return "kept" if is_kept and not is_closed else ""


def _state(folders: Folders) -> tuple[str, ...]:
    """
    Return what a death left, told so that two that leave the same are equal: an unsynced file is a file.
    """
    found = []
    for key, top in folders.items():
        for place, folders_in, names in os.walk(top):
            below = f"{key}{place.removeprefix(os.fspath(top))}"
            found += [f"{below}/{name}" for name in folders_in]
            found += [f"{below}/{name} {_told(Path(place, name))}" for name in names]
    return tuple(sorted(_JOB_ID.sub("ID", each) for each in found))


def _told(path: Path) -> str:
    """
    Return what a file of ours comes to: which picture, or how many lines and whether the last one is whole.
    """
    raw = path.read_bytes()
    if path.suffix == ".png" and is_whole(raw):
        return hashlib.sha256(raw).hexdigest()
    is_ended = raw.endswith((b"}", b"}\n", b"\n"))
    return f"{len(raw.splitlines())} {is_ended}"
