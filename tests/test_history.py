from pathlib import Path

from retouchd.adapters.history import History


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
    for torn in (b'{"id": "b", "na', b"\0" * 64, b"\xff\xfe", b"[1]", b"null"):
        with journal.open("ab") as file:
            file.write(torn)
        History(tmp_path).add({"id": "c" + torn.hex()})

    assert len(list(History(tmp_path).lines())) == 6
    assert journal.read_bytes()[-1:] == b"\n"
