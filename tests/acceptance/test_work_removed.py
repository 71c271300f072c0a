"""
The work folder is moved, covered, replaced or removed under a running daemon with requests out.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from process import Endpoint, Running, Station

pytestmark = pytest.mark.slow(90)

JOBS = 4


@pytest.fixture
def endpoint(station: Station) -> Endpoint:
    endpoint = station.endpoint("latency=5")
    station.configure(endpoint={"base_url": endpoint.url, "concurrency": JOBS})
    return endpoint


def with_requests_out(station: Station, endpoint: Endpoint) -> Running:
    """
    Start a daemon and wait until it has asked for each of the pictures.
    """
    for number in range(JOBS):
        station.drop(f"{number}.png")
    daemon = station.start("run")
    daemon.until(lambda: len(endpoint.requests) == JOBS)
    return daemon


def moved(work: Path) -> Path:
    aside = work.with_name("aside")
    work.rename(aside)
    return aside


def replaced_by_an_empty_one(work: Path) -> Path:
    aside = moved(work)
    work.mkdir()
    return aside


def replaced_by_a_copy(work: Path) -> Path:
    shutil.copytree(work, work.with_name("copy"))
    aside = moved(work)
    work.with_name("copy").rename(work)
    return aside


def replaced_by_a_link(work: Path) -> Path:
    aside = moved(work)
    other = work.with_name("other")
    other.mkdir()
    work.symlink_to(other)
    return aside


def replaced_by_a_file(work: Path) -> Path:
    aside = moved(work)
    work.write_bytes(b"")
    return aside


MOVES: list[Callable[[Path], Path]] = [
    moved,
    replaced_by_an_empty_one,
    replaced_by_a_copy,
    replaced_by_a_link,
    replaced_by_a_file,
]


@pytest.mark.parametrize("move", MOVES)
def test_what_is_under_way_is_finished_where_the_work_folder_is_by_now(
    station: Station, endpoint: Endpoint, move: Callable[[Path], Path]
) -> None:
    """
    It is said where that is; nothing is claimed meanwhile, and a stop ends the daemon.
    """
    daemon = with_requests_out(station, endpoint)

    aside = move(station.folders.work)

    daemon.until(lambda: daemon.events("work.misplaced"))
    (line,) = daemon.events("work.misplaced")
    assert os.fspath(aside) in line["reason"]
    daemon.until(lambda: len(station.tree("outbox")) == JOBS)
    daemon.until(lambda: len(station.tree("done")) == 3 * JOBS)
    station.drop("late.png")
    daemon.until(lambda: daemon.events("daemon.paused"))
    assert len(daemon.events("job.claimed")) == JOBS
    assert daemon.end(signal.SIGTERM) == 0
    assert len(endpoint.requests) == JOBS
    assert station.tree("inbox") == ["late.png", "late.txt"]


def test_a_work_folder_that_is_put_back_is_taken_up_again(
    station: Station, endpoint: Endpoint
) -> None:
    """
    By itself, and what waited is done.
    """
    daemon = with_requests_out(station, endpoint)
    aside = moved(station.folders.work)
    daemon.until(lambda: daemon.events("work.misplaced"))
    station.drop("late.png")

    aside.rename(station.folders.work)

    daemon.until(lambda: daemon.events("work.restored"))
    daemon.until(lambda: len(daemon.events("job.done")) == JOBS + 1)
    assert daemon.end(signal.SIGTERM) == 0
    assert list((station.folders.work / "jobs").iterdir()) == []
    assert len(endpoint.requests) == JOBS + 1


def removed(work: Path) -> None:
    shutil.rmtree(work)


def removed_and_made_again(work: Path) -> None:
    shutil.rmtree(work)
    work.mkdir()


@pytest.mark.parametrize("remove", [removed, removed_and_made_again])
def test_a_work_folder_that_is_gone_keeps_no_slot_and_holds_up_no_stop(
    station: Station, endpoint: Endpoint, remove: Callable[[Path], None]
) -> None:
    """
    What was lost with it is said, job by job.
    """
    daemon = with_requests_out(station, endpoint)

    remove(station.folders.work)

    daemon.until(lambda: daemon.events("work.misplaced"))
    (line,) = daemon.events("work.misplaced")
    assert "was removed" in line["reason"]
    assert len(line["jobs"]) == JOBS
    daemon.until(lambda: len(daemon.events("answer.lost")) == JOBS)
    station.drop("late.png")
    assert daemon.end(signal.SIGTERM) == 0
    assert station.tree("inbox") == ["late.png", "late.txt"]


def test_jobs_that_are_removed_from_work_keep_no_slot(station: Station, endpoint: Endpoint) -> None:
    """
    The work folder itself is in its place: what is dropped next is done.
    """
    daemon = with_requests_out(station, endpoint)

    shutil.rmtree(station.folders.work / "jobs")
    shutil.rmtree(station.folders.work / "trash")

    daemon.until(lambda: len(daemon.events("answer.lost")) == JOBS)
    station.drop("late.png")
    daemon.until(lambda: daemon.events("job.done"))
    assert daemon.end(signal.SIGTERM) == 0


def test_a_history_that_is_removed_is_begun_anew(station: Station, endpoint: Endpoint) -> None:
    """
    What is done from then on is written down.
    """
    daemon = with_requests_out(station, endpoint)
    history = station.folders.work / "history.jsonl"
    history.unlink(missing_ok=True)
    daemon.until(lambda: len(daemon.events("job.done")) == JOBS)
    history.unlink()

    station.drop("late.png")
    daemon.until(lambda: len(daemon.events("job.done")) == JOBS + 1)

    (line,) = map(json.loads, history.read_text("utf-8").splitlines())
    assert line["image"] == "late.png"
    assert daemon.end(signal.SIGTERM) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_work_folder_whose_disk_is_unmounted_lazily_is_still_worked_in(
    station: Station, endpoint: Endpoint
) -> None:
    """
    The descriptor that is held is enough to finish what is under way.
    """
    folders = station.folders
    disk = station.root / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512m", "retouchd-test", os.fspath(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (disk / "inbox").mkdir()
        (disk / "work").mkdir()
        places = {"root": ".", "inbox": "disk/inbox", "work": "disk/work"}
        station.configure(folders=places, endpoint={"base_url": endpoint.url, "concurrency": JOBS})
        for number in range(JOBS):
            station.drop(f"{number}.png")
        for path in list(folders.inbox.iterdir()):
            shutil.move(path, disk / "inbox" / path.name)
        daemon = station.start("run")
        daemon.until(lambda: len(endpoint.requests) == JOBS)

        subprocess.run(["umount", "-l", os.fspath(disk)], check=True)

        daemon.until(lambda: daemon.events("work.misplaced"))
        assert "not mounted any more" in daemon.events("work.misplaced")[0]["reason"]
        daemon.until(lambda: len(station.tree("done")) == 3 * JOBS)
        assert daemon.end(signal.SIGTERM) == 0
        assert len(endpoint.requests) == JOBS
    finally:
        subprocess.run(["umount", "-l", os.fspath(disk)], check=False, capture_output=True)
