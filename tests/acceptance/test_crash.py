"""
Crash at every mutation: a run dies at each change of the disk in turn, and is started again.

By a plain kill, and by a power cut that loses what was not synced; also with results on another
filesystem, and with the recoveries dying too. Then the product is broken on purpose: the same check must
see it. Of the first two lives one dies at each change, the rest die at some; `make sweep` tries each, and
every second death. Here one run is filmed for all its deaths (`filming.py`), there a run dies each of them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crash_plots import MEMORY, MUTANTS, plots
from process import opened

pytestmark = pytest.mark.slow(130)


@pytest.fixture
def near(tmp_path: Path) -> Iterator[Path]:
    """
    A place where nothing waits for a disk: what a crash loses is up to the shim, not to the disk.
    """
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        yield tmp_path / "near"
        return
    place = MEMORY / f"retouchd-{os.getpid()}"
    yield place
    shutil.rmtree(place, ignore_errors=True)


def outcomes(names: list[str], near: Path, far: Path) -> dict[str, dict[str, Any]]:
    """
    Sweep several plots in two lanes; return what came of each.
    """
    script = Path(__file__).parents[1] / "support/crash_plots.py"
    near.mkdir(exist_ok=True)
    lanes = []
    for lane in (names[::2], names[1::2]):
        command = [sys.executable, *map(str, (script, near, far)), "0", *lane]
        lanes.append(opened(command, cwd=near, stdout=subprocess.PIPE))
    found: dict[str, dict[str, Any]] = {}
    for process in lanes:
        said, _ = process.communicate()
        assert process.returncode == 0, f"a lane itself ended with {process.returncode}"
        found |= json.loads(said)
    return found


@pytest.mark.timeout(900)
def test_crash_at_every_mutation(tmp_path: Path, near: Path) -> None:
    """
    Whatever the moment, nothing is lost, nothing is paid twice, and a restart finishes the work.
    """
    for outcome in outcomes(["kill", "power cut"], near, tmp_path).values():
        assert not outcome["broken"]
        assert outcome["steps"] > 120, "the sweep covered a whole run"
        assert outcome["deaths"]["2"] > 30, "recoveries died too"


@pytest.mark.timeout(900)
def test_crash_on_the_way_to_another_filesystem(tmp_path: Path, near: Path) -> None:
    """
    The same with outbox, done and error elsewhere, where a rename is a copy.
    """
    if near.is_relative_to(tmp_path):
        pytest.skip(f"{MEMORY} is no other filesystem")

    names = ["kill on the way", "power cut on the way"]
    for outcome in outcomes(names, near, tmp_path).values():
        assert not outcome["broken"]
        assert outcome["steps"] > 80, "the sweep covered a whole run"
        assert outcome["deaths"]["2"] > 15, "recoveries died too"


@pytest.mark.timeout(900)
def test_crash_where_no_rename_refuses_a_taken_name(tmp_path: Path, near: Path) -> None:
    """
    The same where files can be neither linked nor renamed without overwriting: no empty file stays behind.
    """
    names = [name for name in plots(tmp_path) if name.endswith("plain disk")]
    if near.is_relative_to(tmp_path):
        names.remove("kill on the way to a plain disk")
    for name, outcome in outcomes(names, near, tmp_path).items():
        assert not outcome["broken"], name
        assert outcome["steps"] > 60, "the sweep covered a whole run"


@pytest.mark.timeout(900)
def test_crash_in_other_lives(tmp_path: Path, near: Path) -> None:
    """
    A job given back, asked twice, dragged back out of error, robbed of its name, or beside another one.
    """
    names = ["account at fault", "in doubt", "dragged back", "name taken"]
    names += ["two at once", "two at once by power cut"]
    for name, outcome in outcomes(names, near, tmp_path).items():
        assert not outcome["broken"], name
        assert outcome["steps"] > 60, "the sweep covered a whole run"


@pytest.mark.timeout(900)
def test_crash_between_several_edits_and_while_results_are_finished(
    tmp_path: Path, near: Path
) -> None:
    """
    No edit is asked for again that was paid for; what is written anew appears whole, what was received stays.
    """
    names = [name for name in plots(tmp_path) if name.startswith(("three edits", "written anew"))]
    for name, outcome in outcomes(names, near, tmp_path).items():
        assert not outcome["broken"], name
        assert outcome["steps"] > 60, "the sweep covered a whole run"


@pytest.mark.timeout(900)
def test_crash_with_odd_answers(tmp_path: Path, near: Path) -> None:
    """
    Broken off behind whole pictures, compressed, with urls to be fetched, with one that may not be yet.
    """
    names = [name for name, plot in plots(tmp_path).items() if plot.odd and name not in MUTANTS]
    for name, outcome in outcomes(names, near, tmp_path).items():
        assert not outcome["broken"], name
        assert outcome["steps"] > 25, "the sweep covered a whole run"


@pytest.mark.timeout(900)
def test_crash_while_others_are_told(tmp_path: Path, near: Path) -> None:
    """
    The end of each job is told of at least once, and a second time only as a second run.
    """
    names = ["hooks", "hooks by power cut", "hooks before the end, by power cut"]
    for name, outcome in outcomes(names, near, tmp_path).items():
        assert not outcome["broken"], name
        assert outcome["steps"] > 15, "the sweep covered a whole run"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", [0, 1])
def test_a_broken_product_is_found_out(tmp_path: Path, near: Path, share: int) -> None:
    """
    Each mutant breaks one promise, and the sweep says which.
    """
    names = sorted(MUTANTS)[share::2]
    if near.is_relative_to(tmp_path):
        names = [name for name in names if name not in {"copy unsynced", "source unstaged"}]

    for name, outcome in outcomes(names, near, tmp_path).items():
        (broken,) = outcome["broken"] or ["nothing was found"]
        assert re.search(MUTANTS[name], broken), name
