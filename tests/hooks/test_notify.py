"""
Notifications through the real Apprise to services on this machine: batched, each told once; a day's summary.
"""

import datetime as dt
import itertools
import json
import signal
import socketserver
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar

import pytest

from process import Station
from receiver import receiver
from retouchd.hooks import notify
from retouchd.hooks.queue import QueuedEvent
from retouchd.hooks.rules import About, Way
from retouchd.hooks.summary import day_after, first_day, summary_of
from retouchd.money.budget import midnight
from retouchd.spool.history import History


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


class Postbox(socketserver.StreamRequestHandler):
    """
    As much of SMTP as a mail needs.
    """

    mails: ClassVar[list[EmailMessage]] = []

    def handle(self) -> None:
        lines = iter(self.rfile)
        self._say("220 postbox")
        for line in lines:
            if line.upper().startswith(b"DATA"):
                self._say("354 go on")
                raw = b"".join(itertools.takewhile(lambda each: each != b".\r\n", lines))
                self.mails.append(message_from_bytes(raw, policy=policy.default))
            self._say("250 fine")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Of Apprise's own imports.
def test_a_mail_has_its_lines_and_its_signs() -> None:
    """
    A name is no HTML there, and each picture has a line of its own.
    """
    title, body = notify.text_of(About.ERROR, [failed(1, "<b>a</b>.png"), failed(2, "b.png")])
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Postbox) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        notify.send(f"mailto://127.0.0.1:{port}?from=a@shop.example&to=b@shop.example", title, body)
        server.shutdown()

    (mail,) = Postbox.mails
    assert mail["subject"] == "2 pictures in error/"
    assert [part.get_content_type() for part in mail.walk()] == ["text/plain"]
    assert mail.get_content().splitlines()[:2] == [
        "pets/<b>a</b>.png: It is no picture.",
        "pets/b.png: It is no picture.",
    ]


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


def test_days_that_are_told_of_together_are_told_apart() -> None:
    """
    After a run that was off over a weekend: one message, with a line for each day.
    """
    bodies = [
        {"day": "2026-11-27", "done": 1200, "failed": 1, "codes": {"refused": 1}, "cost_usd": 48.0},
        {"day": "2026-11-29", "done": 2, "failed": 0, "codes": {}, "cost_usd": 0.25},
    ]
    events = [
        QueuedEvent(
            id=f"{number}",
            way=Way.NOTIFY,
            about=About.SUMMARY,
            at=dt.datetime.now(dt.UTC),
            body={"in_doubt_usd": 0.0, **body},
        )
        for number, body in enumerate(bodies)
    ]

    assert notify.text_of(About.SUMMARY, events) == (
        "retouchd from 2026-11-27 to 2026-11-29: 1,202 done, 1 failed",
        (
            "2026-11-27: 1,200 done, 1 failed\n$48.00 spent.\n1 × refused\n\n"
            "2026-11-29: 2 done, 0 failed\n$0.25 spent."
        ),
    )


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_a_day_on_which_clocks_change_is_summed_up_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, day: str, hours: int
) -> None:
    """
    What ended in its first and last minute is of it, however long it is; and it is told of the day after.
    """
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        date = dt.date.fromisoformat(day)
        begin, minute = midnight(date), dt.timedelta(minutes=1)
        end = begin + dt.timedelta(hours=hours)
        (tmp_path / "work").mkdir()
        history = History(tmp_path / "work")
        for moment in (begin - minute, begin, end - minute, end):
            history.add({"id": str(moment), "finished_at": moment.isoformat(), "status": "done"})

        found = summary_of(history, date)

        assert found is not None
        assert found["done"] == 2
        assert day_after(day, end - minute) is None
        assert day_after(day, end) == date
    finally:
        monkeypatch.undo()
        time.tzset()


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
    With the day before it, where retouchd was off for three days; and not by the one after that.
    """
    yesterday = dt.datetime.now().astimezone().date() - dt.timedelta(days=1)
    first = yesterday - dt.timedelta(days=2)
    events = station.folders.work / "events"
    events.mkdir()
    (events / "told.json").write_text(json.dumps({"paused": "", "summary": str(first)}))
    for day in (first, yesterday):
        History(station.folders.work).add(line(day, 9, cost_usd=1.0))
    with receiver() as told:
        station.configure(notify={"urls": [service(told.url)]})
        for _ in range(2):
            running = station.start("run").ready()
            running.until(lambda: told.posts)
            assert running.end(signal.SIGTERM) == 0

    (body,) = (json.loads(raw) for _, raw in told.posts)
    assert body["title"] == f"retouchd from {first} to {yesterday}: 2 done, 0 failed"
