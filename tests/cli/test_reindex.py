"""
`retouchd reindex`: a history that was lost or damaged, made anew from the records.
"""

import json
import shutil
from typing import Any

from process import Station

HISTORY = "history.jsonl"


def worked(station: Station) -> list[dict[str, Any]]:
    """
    Let a picture be done twice, another one once with two results, and one be refused; return the history.
    """
    station.drop("shoes/猫.png", prompt="make it blue")
    station.drop("bad.png", prompt=" \n")
    station.call("once")
    station.drop("dog.png", prompt="make it grey")
    (station.folders.inbox / "dog.toml").write_text("n = 2\n")
    station.call("once")
    station.drop("shoes/猫.png", prompt="make it grey")
    code, running = station.call("once")
    assert code in {0, 1}, running.err
    return lines(station)


def lines(station: Station) -> list[dict[str, Any]]:
    text = (station.folders.work / HISTORY).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_lost_history_is_made_anew(station: Station) -> None:
    """
    Line by line as it was: the same sums, the same hashes, the same order.
    """
    before = worked(station)
    (station.folders.work / HISTORY).unlink()

    code, running = station.call("reindex")

    assert code == 0, running.err
    assert "0 jobs were in it, 4 were added" in running.out
    by_end = sorted(before, key=lambda line: str(line["finished_at"]))
    assert lines(station) == by_end


def test_a_damaged_history_keeps_what_it_has(station: Station) -> None:
    """
    Lines that cannot be read are made anew, and the file as it was is put aside; another time changes nothing.
    """
    before = worked(station)
    path = station.folders.work / HISTORY
    raw = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([raw[0], raw[1][: len(raw[1]) // 2] + b"\n", b"\0" * 50 + b"\n", *raw[2:]])
    path.write_bytes(damaged)

    code, running = station.call("reindex")
    again, _ = station.call("reindex")

    assert (code, again) == (0, 0), running.err
    assert "3 jobs were in it, 1 were added" in running.out
    assert (station.folders.work / "history.damaged-1.jsonl").read_bytes() == damaged
    assert {line["id"]: line for line in lines(station)} == {line["id"]: line for line in before}
    assert len(list(station.folders.work.glob("history.damaged-*"))) == 1


def test_nothing_is_bought_again_after_it(station: Station) -> None:
    """
    What was edited before is known by the rebuilt history alone.
    """
    worked(station)
    (station.folders.work / HISTORY).unlink()
    station.call("reindex")
    station.folders.done.rename(station.root / "tidied")
    station.folders.done.mkdir()
    (station.folders.inbox / "again.txt").write_text("make it grey")
    shutil.copy(station.root / "tidied/dog.png", station.folders.inbox / "again.png")
    (station.folders.inbox / "again.toml").write_text("n = 2\n")

    code, running = station.call("once")

    assert code in {0, 1}
    held = {each["name"]: each["reason"] for each in running.events("file.held")}
    assert "the same picture with the same request" in held["again.png"]


def test_what_is_no_record_of_ours_is_left_out(station: Station) -> None:
    """
    Somebody's own files are passed over, a record that says too little is named.
    """
    worked(station)
    (station.folders.work / HISTORY).unlink()
    (station.folders.done / "mine.job.json").write_text('{"id": 5}')
    broken = json.loads((station.folders.done / "dog.job.json").read_bytes())
    del broken["finished_at"]
    (station.folders.done / "dog.job.json").write_text(json.dumps(broken))

    code, running = station.call("reindex")

    assert code == 0
    assert "3 were added" in running.out
    assert "dog.job.json cannot be read or says too little" in running.out


def test_beside_a_running_daemon_nothing_is_touched(station: Station) -> None:
    """
    It knows the history as it was: it is to be stopped first.
    """
    station.start("run").ready()

    code, refused = station.call("reindex")

    assert code == 73
    assert "Stop it first" in refused.err
