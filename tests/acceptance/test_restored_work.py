"""
An older copy of the work folder is put back, with jobs in it that have been done since.
"""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from process import Station, open_station

PICTURES = ("asked.png", "claimed.png")


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as opened:
        yield opened


def all_of_it(copy: Path, work: Path) -> None:
    shutil.rmtree(work)
    copy.rename(work)


def jobs_alone(copy: Path, work: Path) -> None:
    shutil.rmtree(work / "jobs")
    (copy / "jobs").rename(work / "jobs")


@pytest.mark.parametrize("put_back", [all_of_it, jobs_alone])
def test_what_was_done_since_is_not_bought_again(
    station: Station, put_back: Callable[[Path, Path], None]
) -> None:
    """
    Whether `done/` or the history tells of it: the pictures lie in the inbox again, and it is said why.
    """
    endpoint = station.endpoint("latency=1")
    station.configure(endpoint={"base_url": endpoint.url})
    work, copy = station.folders.work, station.root / "copy"
    for name in PICTURES:
        station.drop(name)
    daemon = station.start("run")
    daemon.until(lambda: len(endpoint.requests) == len(PICTURES))
    shutil.copytree(work, copy)
    for job in (copy / "jobs").iterdir():
        if (job / "originals/claimed.png").exists():
            (job / "attempt-1-1.open").unlink()
    daemon.until(lambda: len(daemon.events("job.done")) == len(PICTURES))
    assert daemon.end(signal.SIGTERM) == 0
    done, outbox = station.tree("done"), station.tree("outbox")

    put_back(copy, work)

    daemon = station.start("run")
    daemon.until(lambda: len(daemon.events("file.held")) == len(PICTURES))
    for line in daemon.events("file.held"):
        assert "the same picture with the same request was edited" in line["reason"]
    assert daemon.end(signal.SIGTERM) == 0
    assert len(endpoint.requests) == len(PICTURES)
    assert station.tree("inbox") == ["asked.png", "asked.txt", "claimed.png", "claimed.txt"]
    assert (station.tree("done"), station.tree("outbox")) == (done, outbox)
    assert not list((work / "jobs").iterdir())


def test_a_job_left_in_work_waits_while_done_cannot_be_read(station: Station) -> None:
    """
    `once` ends, names what cannot be read, and asks for nothing; afterwards the job is done as any other.
    """
    endpoint = station.endpoint("latency=60:times=1")
    station.configure(endpoint={"base_url": endpoint.url})
    station.drop("cat.png")
    daemon = station.start("run")
    daemon.until(lambda: endpoint.requests)
    daemon.kill()
    odd = station.folders.work / "recovered.jsonl"
    odd.mkdir()

    code, once = station.call("once")

    assert code == 75
    assert "recovered.jsonl cannot be read" in once.out + once.err
    assert len(endpoint.requests) == 1
    odd.rmdir()
    assert station.call("once")[0] == 0
    assert len(endpoint.requests) == 2
    assert station.tree("outbox") == ["cat.png"]
