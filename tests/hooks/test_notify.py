"""
Notifications through the real Apprise to services on this machine: batched, each told once; a day's summary.
"""

import datetime as dt
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from process import Station, open_station
from receiver import receiver
from retouchd.hooks import notify
from retouchd.hooks.queue import QueuedEvent
from retouchd.hooks.rules import About, Way
from retouchd.hooks.summary import day_after, first_day, summary_of
from retouchd.money.budget import midnight
from retouchd.spool.history import History


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as station:
        yield station


def service(url: str) -> str:
    """
    Return how Apprise writes an address that takes JSON.
    """
    return url.replace("http://", "json://")


def failed(number: int, image: str = "cat.png") -> QueuedEvent:
    record = {"image": image, "folder": "pets", "error": {"message": "It is no picture."}}
    return QueuedEvent(
        id=f"20261130-101500-{number:08d}",
        way=Way.NOTIFY,
        about=About.ERROR,
        at=dt.datetime.now(dt.UTC),
        body={"record": record},
    )


def test_what_failed_comes_in_one_message_to_each_service_once(station: Station) -> None:
    """
    Also where one of two did not take it: the other one does not hear it again.
    """
    with receiver() as well, receiver(503) as ill:
        station.configure(
            notify={"urls": [service(well.url), service(ill.url)]},
            logging={"level": "debug", "format": "json"},
        )
        for name in ("ant.png", "bee.png", "cat.png"):
            station.drop(name, "  ")
        code, first = station.call("once")
        again = station.start("run").ready()
        again.tell(signal.SIGHUP)
        again.until(lambda: len(again.events("hook.done")) == 3)
        assert again.end(signal.SIGTERM) == 0

    assert code == 1
    assert [each["run"] for each in first.events("hook.failed")] == [1, 1, 1]
    (told,) = (json.loads(body) for _, body in well.posts)
    assert told["title"] == "3 pictures in error/"
    assert sorted(line.partition(":")[0] for line in told["message"].split("\n")) == [
        "ant.png",
        "bee.png",
        "cat.png",
    ]
    heard_late = json.loads(ill.posts[-1][1])["message"]
    assert sorted(heard_late.split("\n")) == sorted(told["message"].split("\n"))
    assert not list((station.folders.work / "events").glob("*-notify.json"))


def test_a_service_that_is_unknown_is_refused_at_start(station: Station) -> None:
    """
    By its number: an address may hold a password.
    """
    station.configure(notify={"urls": ["json://localhost/", "nowhere://user:hunter22@x"]})

    code, running = station.call("run")

    assert code == 78
    assert "notify.urls: Apprise does not know what number 2 is." in running.err
    assert "hunter22" not in running.err


def test_many_failures_are_counted_and_names_are_harmless() -> None:
    """
    Ten are named; a name cannot begin a line of its own.
    """
    title, body = notify.text_of(About.ERROR, [failed(n, f"a\n{n}.png") for n in range(12)])

    lines = body.split("\n")
    assert title == "12 pictures in error/"
    assert len(lines) == 11
    assert lines[0] == "pets/a\\n0.png: It is no picture."
    assert lines[-1] == "and 2 more"


def line(day: dt.date, hour: int, **values: Any) -> dict[str, Any]:
    at = midnight(day) + dt.timedelta(hours=hour)
    return {"id": f"{day}{hour}", "finished_at": at.isoformat(), "status": "done", **values}


def test_a_day_is_summed_up_once_it_is_over(tmp_path: Path) -> None:
    """
    From midnight to midnight; a day on which nothing ended is not told of.
    """
    day = dt.date(2026, 11, 29)
    (tmp_path / "work").mkdir()
    history = History(tmp_path / "work")
    history.add_all(
        [
            line(day - dt.timedelta(days=1), 23, cost_usd=5.0),
            line(day, 0, cost_usd=0.25),
            line(day, 12, status="error", code="refused", in_doubt_usd=0.5),
            line(day, 23, cost_usd=None),
            line(day + dt.timedelta(days=1), 0, cost_usd=7.0),
        ]
    )

    body = summary_of(history, day)

    assert body == {
        "day": "2026-11-29",
        "done": 2,
        "failed": 1,
        "codes": {"refused": 1},
        "cost_usd": 0.25,
        "in_doubt_usd": 0.5,
    }
    event = QueuedEvent(
        id="x", way=Way.NOTIFY, about=About.SUMMARY, at=dt.datetime.now(dt.UTC), body=body
    )
    assert notify.text_of(About.SUMMARY, [event]) == (
        "retouchd on 2026-11-29: 2 done, 1 failed",
        "$0.25 spent, at most $0.50 more perhaps charged.\n1 × refused",
    )
    assert summary_of(history, day - dt.timedelta(days=5)) is None


def test_each_day_is_told_of_once() -> None:
    noon = midnight(dt.date(2026, 11, 30)) + dt.timedelta(hours=12)

    assert day_after("2026-11-29", noon) == dt.date(2026, 11, 29)
    assert day_after("2026-11-30", noon) is None
    assert day_after("", noon) is None


def test_a_clock_that_was_wrong_neither_floods_nor_silences() -> None:
    """
    After a start in 1970 the last month is looked at; after one in 2099 today is the next day to be told of.
    """
    noon = midnight(dt.date(2026, 11, 30)) + dt.timedelta(hours=12)

    assert day_after("1970-01-01", noon) == dt.date(2026, 10, 30)
    assert first_day("2099-01-01", noon) == first_day("", noon) == "2026-11-30"
    assert first_day("2026-11-29", noon) == "2026-11-29"


def test_yesterday_is_told_of_by_the_next_start(station: Station) -> None:
    """
    Where retouchd did not run at midnight; and not by the one after that.
    """
    yesterday = dt.datetime.now().astimezone().date() - dt.timedelta(days=1)
    events = station.folders.work / "events"
    events.mkdir()
    (events / "told.json").write_text(json.dumps({"paused": "", "summary": str(yesterday)}))
    History(station.folders.work).add(line(yesterday, 9, cost_usd=1.0))
    with receiver() as told:
        station.configure(notify={"urls": [service(told.url)]})
        for _ in range(2):
            running = station.start("run").ready()
            running.until(lambda: told.posts)
            assert running.end(signal.SIGTERM) == 0

    (body,) = (json.loads(raw) for _, raw in told.posts)
    assert body["title"] == f"retouchd on {yesterday}: 1 done, 0 failed"
