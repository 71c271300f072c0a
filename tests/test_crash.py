"""
Crash at every mutation: a run dies at each change of the disk in turn, and is started again.

Once by a plain kill, once by a power cut that loses what was not synced, both also with results on
another filesystem. Then the product is broken on purpose: the same check must see it.
"""

import os
import sys
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from crash_world import Plot, sweep, vars_of
from retouchd.adapters import files
from retouchd.adapters.spool import Spool
from retouchd.rules import phase
from retouchd.rules.phase import Phase

FAR = Path("/dev/shm")


def in_lanes(plots: Sequence[Plot], tmp: Path) -> dict[str, str]:
    """
    Sweep several plots at once, each in a process of its own; return the outcome of each.

    An outcome is the number of steps, or the sentence of the promise that was broken.
    """
    lanes = {}
    for plot in plots:
        place = tmp / plot.name
        place.mkdir()
        lane = os.fork()
        if not lane:
            _one_lane(plot, place)
        lanes[plot.name] = lane
    for lane in lanes.values():
        os.waitpid(lane, 0)
    return {name: (tmp / name / "outcome").read_text() for name in lanes}


def _one_lane(plot: Plot, place: Path) -> None:
    try:
        outcome = str(sweep(plot, place))
    except AssertionError as broken:
        outcome = str(broken)
    except BaseException:  # noqa: BLE001 - the lane must never return into pytest
        outcome = traceback.format_exc()
    (place / "outcome").write_text(outcome)
    sys.stderr.flush()
    os._exit(0)


@pytest.fixture
def far(tmp_path: Path) -> Path:
    if not FAR.is_dir() or FAR.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip(f"{FAR} is no other filesystem")
    return FAR / f"retouchd-{tmp_path.name}-{os.getpid()}"


@pytest.mark.timeout(400)
def test_crash_at_every_mutation(tmp_path: Path) -> None:
    """
    Whatever the moment, nothing is lost, nothing is paid twice, and a restart finishes the work.
    """
    outcomes = in_lanes([Plot(name="kill"), Plot(name="cut", power_cut=True)], tmp_path)

    for name, outcome in outcomes.items():
        assert outcome.isdigit(), f"{name}: {outcome}"
        assert int(outcome) > 120, "the sweep covered a whole run"


@pytest.mark.timeout(400)
def test_crash_on_the_way_to_another_filesystem(tmp_path: Path, far: Path) -> None:
    """
    The same with outbox, done and error elsewhere, where a rename is a copy.
    """
    plots = [
        Plot(name="kill", far=far / "kill"),
        Plot(name="cut", far=far / "cut", power_cut=True),
    ]

    outcomes = in_lanes(plots, tmp_path)

    for name, outcome in outcomes.items():
        assert outcome.isdigit(), f"{name}: {outcome}"
        assert int(outcome) > 80, "the sweep covered a whole run"


def drop_kept_answers() -> None:
    """
    Break the spool: at a start, answers that nobody has judged yet are thrown away.
    """
    prepare = Spool.prepare

    def forgetful(self: Spool) -> None:
        prepare(self)
        for job_id in self.ids():
            folder = self.folder(job_id)
            for answer in folder.glob("*.response"):
                if not answer.with_suffix(".json").exists():
                    answer.unlink()

    vars_of(Spool, prepare=forgetful)


def skip_a_folders_fsync() -> None:
    """
    Break the disk: the folder that a file was renamed into is not synced.
    """
    vars_of(files, _fsync_both=lambda source, _: files.fsync_folder(source.parent))


def archive_before_publishing() -> None:
    """
    Break the order: the originals leave before the pictures are in the outbox.
    """
    right = phase._delivery

    def wrong(names: Collection[str], claimed: Collection[str]) -> Phase:
        return Phase.ARCHIVING if claimed else right(names, claimed)

    vars_of(phase, _delivery=wrong)


@pytest.mark.timeout(400)
def test_a_broken_product_is_found_out(tmp_path: Path) -> None:
    """
    Each mutant breaks one promise, and the sweep says which.
    """
    plots = [
        Plot(name="answers", mutant=drop_kept_answers),
        Plot(name="fsync", mutant=skip_a_folders_fsync, power_cut=True),
        Plot(name="order", mutant=archive_before_publishing),
    ]

    outcomes = in_lanes(plots, tmp_path)

    assert "asked too often" in outcomes["answers"]
    assert "is lost" in outcomes["fsync"]
    assert "left before it was published" in outcomes["order"]
