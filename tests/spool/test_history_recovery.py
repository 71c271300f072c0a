"""
Records in `done/` that the history lacks: read once, whatever else lies there, and before anything is bought.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import Place
from process import Station, open_station
from retouchd.disk import durable
from retouchd.spool.fingerprint import Digest, Fingerprint
from retouchd.spool.finished_index import ReplacedError
from retouchd.spool.hash_index import HashIndex
from retouchd.spool.history import RECOVERED, History
from retouchd.spool.history_recovery import Recovery

SHA = "5" * 64
OWN = Fingerprint(size=9, sha256="7" * 64)


def record(place: Place, **changes: Any) -> dict[str, Any]:
    body = {
        "version": 1,
        "id": "20261129-120000-0000000a",
        "status": "done",
        "name": "cat",
        "image": "cat.png",
        "folder": "",
        "finished_at": "2026-11-29T12:00:00.000Z",
        "request": {"model": "m", "prompt": "p", "images": ["cat.png"], "mask": None},
        "attempts": [],
        "outputs": ["cat.png"],
        "fingerprint": {"size": OWN.size, "sha256": OWN.sha256},
        "results": [{"path": "cat.png", "bytes": 4, "sha256": SHA}],
        "outbox": str(place.folders.outbox),
    }
    return body | changes


def learnt(place: Place) -> Recovery:
    history = History(place.folders.work)
    recovery = Recovery(folders=place.folders, history=history, spool=place.spool)
    recovery.learn()
    return recovery


def knows(place: Place) -> tuple[bool, bool]:
    """
    Tell whether the job is known, and whether its result is.
    """
    finished = learnt(place).finished
    assert finished is not None
    is_known = finished.result(Digest(size=4, sha256=SHA)) is not None
    return finished.done(OWN) is not None, is_known


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.under(tmp_path)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as opened:
        yield opened


def put(place: Place, content: bytes | dict[str, Any], name: str = "cat.job.json") -> Path:
    path = place.folders.done / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_a_record_is_read_once(place: Place) -> None:
    """
    What it says is noted in the work folder: afterwards it may be tidied away.
    """
    path = put(place, record(place), "shoes/red/cat.job.json")
    assert knows(place) == (True, True)
    noted = (place.folders.work / RECOVERED).read_bytes()
    assert knows(place) == (True, True)
    assert (place.folders.work / RECOVERED).read_bytes() == noted

    path.unlink()

    assert knows(place) == (True, True)


@pytest.mark.parametrize("content", [b"[1]", {"fingerprint": None, "image": "cat.png"}], ids=repr)
def test_what_tells_no_fingerprint_is_noted_once(place: Place, content: Any) -> None:
    """
    Its time of change is one of today: no start reads it again, and the journal does not grow.
    """
    (place.folders.done / "cat.png").write_bytes(b"original")
    put(place, content if isinstance(content, bytes) else record(place, **content))
    learnt(place)
    noted = (place.folders.work / RECOVERED).read_bytes()

    learnt(place)

    assert (place.folders.work / RECOVERED).read_bytes() == noted


def test_a_record_that_another_job_took_the_name_of_is_read(place: Place) -> None:
    """
    An old work folder that was put back knows an older job under that name.
    """
    line = {
        "id": "20261101-120000-0000000b",
        "status": "done",
        "folder": "",
        "record": "cat.job.json",
    }
    old = {"size": 1, "sha256": "1" * 64}
    History(place.folders.work).add(
        {**line, "finished_at": "2026-11-01T12:00:00.000Z", "fingerprint": old, "results": []}
    )
    put(place, record(place))

    assert knows(place) == (True, True)


def test_what_the_history_tells_is_not_read(place: Place) -> None:
    """
    Nothing is noted a second time, also of a job that is about to leave the work folder.
    """
    put(place, record(place))
    at_work = place.folders.work / "jobs" / record(place)["id"]
    at_work.mkdir()
    (at_work / "plan.json").touch()
    learnt(place)
    assert not (place.folders.work / RECOVERED).exists()
    shutil.rmtree(at_work)
    kept = ("id", "status", "finished_at", "fingerprint", "results")
    line = {key: record(place)[key] for key in kept}
    History(place.folders.work).add({**line, "folder": "", "record": "cat.job.json"})

    assert knows(place) == (True, True)

    assert not (place.folders.work / RECOVERED).exists()


def test_a_job_is_known_whose_history_was_removed_before_it_left(place: Place) -> None:
    """
    Its line is gone, and it writes no other one.
    """
    put(place, record(place))
    at_work = place.folders.work / "jobs" / record(place)["id"]
    at_work.mkdir()
    (at_work / "plan.json").touch()
    recovery = learnt(place)
    recovery.replaced()
    recovery.learn()
    shutil.rmtree(at_work)

    assert recovery.finished is not None
    assert recovery.finished.done(OWN) is not None


@pytest.mark.parametrize("why", [Recovery.again, Recovery.replaced])
def test_a_job_of_an_earlier_version_is_read_once_its_original_is_there(
    place: Place, why: Callable[[Recovery], None]
) -> None:
    """
    Its record has no fingerprint, and stands in `done/` before the photo does: looked up in between, whether
    as another job said too little or as the history was replaced, it was noted as one without any.
    """
    earlier = record(place)
    del earlier["fingerprint"]
    put(place, earlier)
    at_work = place.folders.work / "jobs" / earlier["id"]
    at_work.mkdir()
    (at_work / "plan.json").touch()
    recovery = learnt(place)
    why(recovery)
    recovery.learn()
    shutil.rmtree(at_work)
    put(place, b"x" * OWN.size, "cat.png")

    why(recovery)
    recovery.learn()

    told = (place.folders.work / RECOVERED).read_bytes()
    assert json.loads(told)["bare"]["original"] == OWN.size


def test_a_history_removed_while_a_line_is_added_was_replaced(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    That is noticed by what it should be long by then.
    """
    history = History(place.folders.work)
    recovery = Recovery(folders=place.folders, history=history, spool=place.spool)
    recovery.learn()
    append = durable.append

    def append_and_lose(path: Path, line: bytes) -> None:
        append(path, line)
        path.unlink()

    monkeypatch.setattr(durable, "append", append_and_lose)
    history.add({"id": "20261101-120000-0000000b"})

    assert recovery.finished is not None
    with pytest.raises(ReplacedError):
        recovery.finished.catch_up()


def test_a_failure_that_the_history_tells_is_not_noted(place: Place) -> None:
    """
    Its record is younger than the end that the history tells, as each is that is written last.
    """
    body = record(place, status="error", outputs=[], results=[])
    path = place.folders.error / "cat.job.json"
    path.write_bytes(json.dumps(body).encode())
    kept = ("id", "status", "finished_at")
    line = {key: body[key] for key in kept}
    History(place.folders.work).add({**line, "folder": "", "record": "cat.job.json"})

    learnt(place)

    assert not (place.folders.work / RECOVERED).exists()


@pytest.mark.parametrize("odd", [7, "../../etc/passwd", "/etc/passwd", "a\0b", ["cat.png"], ""])
def test_an_output_in_the_history_that_makes_no_sense_is_none(place: Place, odd: Any) -> None:
    """
    A line of an earlier version tells no hashes, so its results are looked for: none of it ends the daemon.
    """
    (place.folders.outbox / "cat.png").write_bytes(b"blue")
    line = {key: record(place)[key] for key in ("id", "status", "finished_at", "fingerprint")}
    places = {"folder": "", "record": "cat.job.json", "outputs": [odd, "cat.png"]}
    History(place.folders.work).add({**line, **places})

    finished = learnt(place).finished

    assert finished is not None
    assert finished.may_be_result(4)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": None},
        {"status": "error"},
        {"id": "../../etc"},
        {"id": 7},
        {"request": "p"},
        {"outputs": ["../../etc/passwd"]},
        {"outputs": "cat.png"},
        {"outputs": [["cat.png"]]},
        {"fingerprint": {"size": "9", "sha256": "7" * 64}, "image": "../../../etc/passwd"},
        {"fingerprint": {"size": -9, "sha256": "7" * 64}, "image": "cat/../../x"},
        {"fingerprint": {"size": 1 << 70, "sha256": "7" * 64}, "image": None},
        {"fingerprint": ["9"], "name": "", "image": "\0"},
        {"fingerprint": None, "image": "cat\ud83d.png"},
    ],
)
def test_what_is_no_record_of_ours_tells_nothing(place: Place, changes: dict[str, Any]) -> None:
    """
    Of another version, of a job that failed, or put together by somebody.
    """
    put(place, record(place, **changes))

    assert not knows(place)[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"version": ' + b"9" * 5000 + b"}",
        b" " * (5 << 20),
        b'{"id": null, "seen": [1, 2]}',
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_what_is_no_record_at_all_is_gone_by(place: Place, raw: bytes) -> None:
    """
    Torn, nested without end, larger than any record; the next one is read all the same.
    """
    put(place, raw, "a.job.json")
    put(place, record(place))

    assert knows(place) == (True, True)


def test_links_pipes_and_folders_are_not_followed(place: Place, tmp_path: Path) -> None:
    """
    Nothing outside of `done/` is read, and nothing waits for a writer.
    """
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "cat.job.json").write_text(json.dumps(record(place)))
    done = place.folders.done
    (done / "link.job.json").symlink_to(outside / "cat.job.json")
    (done / "folder").symlink_to(outside)
    (done / "a.job.json").mkdir()
    os.mkfifo(done / "pipe.job.json")

    assert knows(place) == (False, False)


@pytest.mark.parametrize(
    "results",
    [
        [{"path": "cat.png", "bytes": 4, "sha256": "x"}],
        [{"path": "../cat.png", "bytes": 4, "sha256": SHA}],
        [{"path": "cat.png", "bytes": "4", "sha256": SHA}],
        [{"bytes": 4, "sha256": SHA}],
        {"path": "cat.png", "bytes": 4, "sha256": SHA},
        ["cat.png"],
    ],
)
def test_results_that_make_no_sense_are_none(place: Place, results: Any) -> None:
    """
    The job itself is known all the same.
    """
    put(place, record(place, results=results))

    assert knows(place) == (True, False)


def test_results_of_another_daemon_are_none_of_ours(place: Place) -> None:
    """
    What was asked for is known of all that share `done/`.
    """
    put(place, record(place, outbox="/elsewhere/outbox"))

    assert knows(place) == (True, False)


def _removed(done: Path) -> Callable[[], object]:
    aside = done.with_name("aside")
    done.rename(aside)
    return lambda: aside.rename(done)


def test_nothing_is_bought_while_done_cannot_be_read(station: Station) -> None:
    """
    `status` says so and what to do; once it can be read, all goes on by itself.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url})
    running = station.start("run").ready()
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))
    put_back = _removed(station.folders.done)
    (station.folders.work / "history.jsonl").unlink()
    station.drop("cat.png")
    station.drop("new.png")

    running.until(lambda: running.events("history.unread"))

    def status() -> str:
        return station.call("status")[1].out

    running.until(lambda: "so it cannot be told what was edited before" in status())
    assert len(endpoint.requests) == 1
    put_back()
    running.until(lambda: station.tree("outbox") == ["cat.png", "new.png"])
    running.until(lambda: running.events("file.held"))
    assert len(endpoint.requests) == 2


def test_positions_are_found_by_their_keys() -> None:
    """
    In whatever order they came, with equal keys and many of them.
    """
    index = HashIndex()
    for number in range(3000):
        index.add(number * 7919 % 1500, number)

    for key in range(1500):
        assert sorted(index.find(key)) == sorted(n for n in range(3000) if n * 7919 % 1500 == key)
    assert 1500 not in index
