"""
What the version before left is taken over: every job ends, nothing is bought twice, and the same archive
dropped again buys nothing.
"""

import json
import os
import shutil
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from process import Endpoint, Running, Station, open_station, opened

pytestmark = pytest.mark.slow(70)

FOLDERS = ("inbox", "outbox", "done", "error", "work")
HERE = Path(__file__).with_name("left_behind")

_ID = len("20251129-120000-0a1b2c3d")

ASKED_AGAIN = {"answered.png"}
"""Whose request was out when the daemon died: the only one that may be asked for twice."""
ASKED_FIRST = {"asking.png", "claimed.png", "claiming.png", "unclaimed.png", "fresh.png"}
"""Which nobody had asked for yet."""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    if request.param != "today":
        return HERE / f"{request.param}.tar.gz"
    made = tmp_path_factory.mktemp("left") / "today.tar.gz"
    command = [sys.executable, os.fspath(HERE / "make.py"), os.fspath(made)]
    assert opened(command, cwd=HERE).wait() == 0
    return made


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as opened:
        yield opened


def unpacked(station: Station, archive: Path) -> Endpoint:
    """
    Put what was left into a station, as it would be found in place; return its endpoint.
    """
    with tarfile.open(archive) as tar:
        tar.extractall(station.root, filter="tar")
    for document in station.root.glob("work/jobs/*/job.json"):
        try:
            job = json.loads(document.read_bytes())
        except ValueError:
            continue  # Taken while it was written: it counts as not there.
        for member in job["members"]:
            name = member["name"]
            own = document.parent / "originals" / name
            place = own if own.exists() else station.folders.inbox / job["folder"] / name
            if place.exists():
                found = place.stat()
                member["snapshot"] |= {"inode": found.st_ino, "device": found.st_dev}
        document.write_text(json.dumps(job))
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url})
    return endpoint


def drain(station: Station) -> Running:
    """
    Drain the inbox.
    """
    code, running = station.call("once")
    assert code in {0, 1}, running.err
    return running


def held(running: Running) -> dict[str, str]:
    """
    Return why which picture was not taken.
    """
    return {each["name"]: each["reason"] for each in running.events("file.held")}


def drop_again(station: Station) -> list[str]:
    """
    Drop the same archive again; return the pictures in it.
    """
    dropped = station.root / "dropped"
    shutil.copytree(dropped, station.folders.inbox, dirs_exist_ok=True)
    found = [
        path for path in dropped.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".webp"}
    ]
    return [
        path.name
        for path in found
        if "_refs" not in path.parts and not path.name.endswith(".mask.png")
    ]


def names_by_job(station: Station) -> dict[str, str]:
    records = [
        *station.folders.done.rglob("*.job.json"),
        *station.folders.error.rglob("*.job.json"),
    ]
    read = [json.loads(path.read_bytes()) for path in records]
    return {each["id"]: each["image"] for each in read}


def keep(station: Station) -> None:
    """
    Leave the history as it is.
    """


def lose_history(station: Station) -> None:
    (station.folders.work / "history.jsonl").unlink()


def lose_newest_half(station: Station) -> None:
    history = station.folders.work / "history.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join(lines[: len(lines) // 2]))


def lose_work(station: Station) -> None:
    shutil.rmtree(station.folders.work)
    station.folders.work.mkdir()


def tidy_done(station: Station) -> None:
    """
    Move everything out of `done/`, as people do: then the history still knows.
    """
    station.folders.done.rename(station.root / "tidied")
    station.folders.done.mkdir()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("archive", ["0.1.0", "first-format", "today"], indirect=True)
def test_every_job_is_taken_over(station: Station, archive: Path) -> None:
    """
    Each ends as if nothing had happened; only a request that was out is asked for once more.
    """
    endpoint = unpacked(station, archive)
    before = (station.root / "requests").read_text().split()

    drained = drain(station)

    assert not list(station.folders.work.glob("jobs/*"))
    images = names_by_job(station)
    assert {images[each] for each in endpoint.requests} == ASKED_AGAIN | ASKED_FIRST
    twice = [each for each, times in Counter([*before, *endpoint.requests]).items() if times > 1]
    assert {images[each] for each in twice} == ASKED_AGAIN
    assert "the same picture with the same request" in held(drained)["known.png"]
    assert "alone.png: waits for its prompt" in drained.out
    assert station.tree("error") == [
        f"refused.{each}" for each in ("error.txt", "job.json", "png", "txt")
    ]
    for record in station.folders.done.rglob("*.job.json"):
        for output in json.loads(record.read_bytes())["outputs"]:
            assert (station.folders.outbox / os.fsdecode(_raw(output))).is_file()


WRITTEN_ANEW = {
    *("whole", "all-done", "half-finished", "finished"),
    *("planned", "half-published", "recorded", "archiving", "untold"),
}
"""Whose last edit's result is another than was received."""
DOUBTED = ("doubted.png", 1)
"""The only edit that may have been paid for in vain; of those that were noted nothing had been sent."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("archive", ["several-edits"], indirect=True)
def test_every_edit_is_taken_over_and_none_is_bought_again(station: Station, archive: Path) -> None:
    """
    All results of a job are published, written anew where that was asked for, its companion goes along, and
    somebody is told of it; the same dropped again buys nothing, though the history is lost.
    """
    endpoint = unpacked(station, archive)
    station.configure(
        endpoint={"base_url": endpoint.url},
        hooks={"done": ["sh", "-c", 'echo "$1" >> told', "-", "{output}"]},
    )
    before = (station.root / "requests").read_text().split()

    drain(station)

    assert not list(station.folders.work.glob("jobs/*"))
    assert station.tree("error") == []
    images = names_by_job(station)
    asked = Counter([*before, *endpoint.requests])
    again = {(images[key[:_ID]], int(key[_ID + 1 :] or 1)) for key in asked if asked[key] > 1}
    assert again == {DOUBTED}
    assert max(asked.values()) == 2
    assert {*images.values()} == {
        f"{path.name}.png" for path in (station.root / "dropped").iterdir()
    }
    told = (station.root / "told").read_text()
    for image in images.values():
        stem = image.removesuffix(".png")
        ends = ["studio-1.png", "studio-2.png", "warm.png"]
        cold = "cold.webp" if stem in WRITTEN_ANEW else "cold.png"
        names = sorted(f"{stem}/{stem}-{end}" for end in (*ends, cold))
        assert [each for each in station.tree("outbox") if each.startswith(f"{stem}/")] == names
        assert (station.folders.done / stem / f"{stem}.xmp").exists()
        assert stem == "whole" or f"{stem}-" in told

    lose_history(station)
    pictures = drop_again(station)
    drained = drain(station)

    assert Counter([*before, *endpoint.requests]) == asked
    assert held(drained).keys() == {*pictures}


@pytest.mark.parametrize("archive", ["0.1.0"], indirect=True)
@pytest.mark.parametrize("loss", [keep, lose_history, lose_newest_half, lose_work, tidy_done])
def test_the_same_archive_dropped_again_buys_nothing(
    station: Station, archive: Path, loss: Callable[[Station], None]
) -> None:
    """
    Whatever became of the history, or of `done/`, as long as one of them is there.
    """
    endpoint = unpacked(station, archive)
    drain(station)
    asked = endpoint.requests
    loss(station)
    pictures = drop_again(station)

    drained = drain(station)

    assert endpoint.requests == asked
    for name in pictures:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        assert "the same picture with the same request" in held(drained)[shown]


@pytest.mark.parametrize("archive", ["0.1.0"], indirect=True)
def test_a_history_lost_before_it_is_taken_over(station: Station, archive: Path) -> None:
    """
    The records of the version before say enough, though they know no fingerprints.
    """
    endpoint = unpacked(station, archive)
    lose_history(station)
    pictures = drop_again(station)

    drained = drain(station)

    images = names_by_job(station)
    assert {images[each] for each in endpoint.requests} == ASKED_AGAIN | ASKED_FIRST
    told = [each["reason"] for each in drained.events("file.held")]
    same = [each for each in told if "same picture with the same request" in each]
    assert len(same) >= len(pictures)


@pytest.mark.parametrize("archive", ["0.1.0"], indirect=True)
@pytest.mark.parametrize("loss", [keep, lose_history])
def test_results_of_the_version_before_are_known(
    station: Station, archive: Path, loss: Callable[[Station], None]
) -> None:
    """
    An outbox synced into the inbox buys nothing, though only the outbox itself can tell what its results are.
    """
    endpoint = unpacked(station, archive)
    loss(station)
    drain(station)
    asked, results = endpoint.requests, station.tree("outbox")
    shutil.copytree(station.folders.outbox, station.folders.inbox / "synced")
    (station.folders.inbox / "synced/_prompt.txt").write_text("make it blue")

    drained = drain(station)

    assert endpoint.requests == asked
    (ended,) = drained.events("once.ended")
    assert ended["waiting"]["result of an earlier edit"] == len(results)


def _raw(escaped: str) -> bytes:
    return (
        escaped.encode("latin-1").decode("unicode_escape").encode("latin-1")
        if ("\\x" in escaped)
        else escaped.encode()
    )
