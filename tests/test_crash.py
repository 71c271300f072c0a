"""
Crash at every mutation: a run dies at each change of the disk in turn, and is started again.

Once by a plain kill, once by a power cut that loses what was not synced, both also with results on
another filesystem. Then the product is broken on purpose: the same check must see it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FAR = Path("/dev/shm")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Path]:
    place = FAR / f"retouchd-{os.getpid()}"
    yield place
    shutil.rmtree(place, ignore_errors=True)


def outcomes(names: list[str], tmp: Path, far: Path) -> list[str]:
    """
    Sweep several plots at once; return of each the number of steps, or the promise that was broken.
    """
    script = Path(__file__).with_name("crash_plots.py")
    lanes = []
    for name in names:
        (tmp / name).mkdir()
        command = [sys.executable, *map(str, (script, name, tmp / name, far / name))]
        lanes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    return [lane.communicate()[0] for lane in lanes]


@pytest.mark.timeout(400)
def test_crash_at_every_mutation(tmp_path: Path, far: Path) -> None:
    """
    Whatever the moment, nothing is lost, nothing is paid twice, and a restart finishes the work.
    """
    for outcome in outcomes(["kill", "power cut"], tmp_path, far):
        assert outcome.isdigit(), outcome
        assert int(outcome) > 120, "the sweep covered a whole run"


@pytest.mark.timeout(400)
def test_crash_on_the_way_to_another_filesystem(tmp_path: Path, far: Path) -> None:
    """
    The same with outbox, done and error elsewhere, where a rename is a copy.
    """
    if not FAR.is_dir() or FAR.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip(f"{FAR} is no other filesystem")

    for outcome in outcomes(["kill on the way", "power cut on the way"], tmp_path, far):
        assert outcome.isdigit(), outcome
        assert int(outcome) > 80, "the sweep covered a whole run"


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        ("answers dropped", "asked too often"),
        ("fsync skipped", "is lost"),
        ("order changed", "left before it was published"),
    ],
)
def test_a_broken_product_is_found_out(
    tmp_path: Path, far: Path, mutant: str, promise: str
) -> None:
    """
    Each mutant breaks one promise, and the sweep says which.
    """
    (outcome,) = outcomes([mutant], tmp_path, far)

    assert promise in outcome
