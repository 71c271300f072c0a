import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builders import NOW
from retouchd.spool.history import History


def test_a_history_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """
    The first start has nothing to tell.
    """
    assert list(History(tmp_path).lines()) == []


def test_lines_come_back_in_their_order(tmp_path: Path) -> None:
    """
    Oldest first, with text of any language.
    """
    lines = [{"id": "a", "name": "猫\nsecond line"}, {"id": "b", "name": "dog"}]
    for line in lines:
        History(tmp_path).add(line)

    assert lines == list(History(tmp_path).lines())


def test_each_job_is_counted_once(tmp_path: Path) -> None:
    """
    A crash between the line and the end of the job writes the line twice.
    """
    for job, name in (("a", "cat"), ("b", "dog"), ("a", "cat")):
        History(tmp_path).add({"id": job, "name": name})

    assert [line["id"] for line in History(tmp_path).lines()] == ["a", "b"]


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    """
    What a power cut left of a line is skipped, and the next line stands alone.
    """
    journal = tmp_path / "history.jsonl"
    History(tmp_path).add({"id": "a"})
    for torn in (
        b'{"id": "b", "na',
        b"\0" * 64,
        b"\xff\xfe",
        b"[1]",
        b"null",
        b"[" * 100_000,
        b'{"id": []}',
        b'{"id": {}}',
    ):
        with journal.open("ab") as file:
            file.write(torn)
        History(tmp_path).add({"id": "c" + torn.hex()})

    assert len(list(History(tmp_path).lines())) == 9
    assert len(list(History(tmp_path).newest())) == 9
    assert journal.read_bytes()[-1:] == b"\n"


def test_lines_since_a_moment_are_found_out_of_order_too(tmp_path: Path) -> None:
    """
    A job that was held up at its end stands after younger ones; one without a time is not left out.
    """
    history = History(tmp_path)
    ended = {"old": -9, "late": 1, "held up": -1, "later": 2, "held up too": -2}
    for job, hours in ended.items():
        at = NOW + dt.timedelta(hours=hours)
        history.add({"id": job, "finished_at": at.isoformat()})
    history.add({"id": "no time"})
    history.add({"id": "no zone", "finished_at": "2020-01-01T00:00:00"})

    found = [line["id"] for line in history.since(NOW)]

    assert found == ["no zone", "no time", "later", "late"]


def test_lines_since_a_moment_are_looked_for_no_further_than_needed(tmp_path: Path) -> None:
    """
    A long history of other days is not read.
    """
    history = History(tmp_path)
    (tmp_path / "history.jsonl").write_bytes(b"\0" * 64 + b"\n")
    for number in range(2000):
        at = NOW + dt.timedelta(seconds=number - 1990)
        history.add({"id": number, "finished_at": at.isoformat()})
    read = []

    class Watched(History):
        def newest(self) -> Iterator[dict[str, Any]]:
            for line in super().newest():
                read.append(line)
                yield line

    assert len(list(Watched(tmp_path).since(NOW))) == 10
    assert len(read) < 300
