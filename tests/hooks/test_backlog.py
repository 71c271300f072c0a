"""
The queue of hooks: when what fails is tried again, when it is given up, and what a start finds.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.events import Event, listen
from retouchd.events.hooks import HookFailed, HookGivenUp, HookUnwritten
from retouchd.hooks.backlog import Backlog
from retouchd.hooks.queue import EventFiles, QueuedEvent, Told
from retouchd.hooks.rules import About, HookRules, Way, filled, pause_before

ID = "20261130-101500-0badcafe"
RULES = HookRules(commands={About.DONE: ["print"]}, url="http://shop/", notify=["ntfy://x"])
START = dt.datetime(2026, 11, 30, 10, 15, tzinfo=dt.UTC)


class HandClock:
    """
    A clock that stands until it is moved.
    """

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    found: list[Event] = []
    unlisten = listen(found.append)
    yield found
    unlisten()


def opened(work: Path, clock: HandClock, *in_work: str, rules: HookRules = RULES) -> Backlog:
    backlog = Backlog(EventFiles(work), rules, clock)
    backlog.load(in_work)
    return backlog


def began(backlog: Backlog, way: Way = Way.COMMAND) -> QueuedEvent:
    first = backlog.first_due(way)
    assert first is not None
    event = backlog.begin(first)
    assert event is not None
    return event


def test_each_way_has_a_file_of_its_own(tmp_path: Path, clock: HandClock) -> None:
    """
    What is done is told by command and post, what failed by post and notification, as configured.
    """
    backlog = opened(tmp_path, clock)
    backlog.put(ID, About.DONE, {"outputs": ["/out/\udcff.png"]})
    backlog.put(ID.replace("1015", "1016"), About.ERROR, {})

    names = sorted(path.name for path in (tmp_path / "events").iterdir())
    ways = [name.rpartition("-")[2] for name in names]
    assert ways == ["command.json", "url.json", "notify.json", "url.json"]
    again = opened(tmp_path, clock).first_due(Way.COMMAND)
    assert again is not None
    assert again.body == {"outputs": ["/out/\udcff.png"]}


def test_what_fails_is_tried_for_a_day_and_then_named(
    tmp_path: Path, clock: HandClock, heard: list[Event]
) -> None:
    """
    After ten seconds, twice as long each time, up to an hour; then only a reload tries again; restarts do not.
    """
    backlog = opened(tmp_path, clock)
    backlog.put(ID, About.DONE, {})
    pauses = []
    while not any(isinstance(each, HookGivenUp) for each in heard):
        event = began(backlog)
        backlog.fail(event, f"no printer at {clock.passed:.0f}")
        backlog = opened(tmp_path, clock)
        assert backlog.first_due(Way.COMMAND) is None
        wait = backlog.seconds_to_next(Way.COMMAND)
        if wait is None:
            break
        pauses.append(wait)
        clock.passed += wait

    assert pauses[:10] == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]
    assert dt.timedelta(days=1) <= dt.timedelta(seconds=clock.passed) < dt.timedelta(days=1.05)
    assert [type(each) for each in heard] == [HookFailed] * len(pauses) + [HookGivenUp]
    known = EventFiles(tmp_path).backlog()
    assert known is not None
    (given_up,) = known.given_up
    assert known.lost == 1
    assert given_up.fault.startswith("no printer at")

    backlog.try_again()

    assert began(backlog).runs == len(pauses) + 2


def test_of_many_that_fail_all_are_counted_and_the_newest_named(tmp_path: Path) -> None:
    """
    However long the list of those that somebody did not take, `status` reads no more than it tells.
    """
    files, now = EventFiles(tmp_path), dt.datetime.now(dt.UTC)
    files.prepare()
    events = [
        QueuedEvent(
            id=f"20261130-101500-{number:08d}",
            way=Way.URL,
            about=About.DONE,
            at=now,
            body={},
            failed_at=now,
            is_given_up=number % 2 == 0,
        )
        for number in range(240)
    ]
    for event in events:
        files.put(event)

    known = files.backlog()

    assert known is not None
    assert (known.waiting, known.lost) == (120, 120)
    assert known.failing == tuple(events[1::2][-100:])
    assert known.given_up == tuple(events[::2][-100:])


def test_the_end_of_a_job_is_told_once_it_is_over(tmp_path: Path, clock: HandClock) -> None:
    """
    Not while it is in work, after a restart neither; a second end after a crash counts on.
    """
    backlog = opened(tmp_path, clock)
    backlog.put(ID, About.DONE, {}, is_held=True)
    assert backlog.first_due(Way.COMMAND) is None

    restarted = opened(tmp_path, clock, ID)
    assert restarted.first_due(Way.COMMAND) is None
    restarted.put(ID, About.DONE, {}, is_held=True)
    restarted.release(ID)
    assert began(restarted).runs == 1

    assert began(opened(tmp_path, clock)).runs == 2


def test_a_job_that_ends_while_the_queue_is_read_is_not_held_for_ever(
    tmp_path: Path, clock: HandClock
) -> None:
    """
    It was in work when that was looked up, and over when it was read.
    """
    opened(tmp_path, clock).put(ID, About.DONE, {})
    backlog = Backlog(EventFiles(tmp_path), RULES, clock)

    backlog.release(ID)
    backlog.load({ID})

    assert backlog.first_due(Way.COMMAND) is not None


def test_what_a_person_removes_is_not_told(tmp_path: Path, clock: HandClock) -> None:
    """
    And what nobody wants any more is removed at a start; strange files are left alone.
    """
    backlog = opened(tmp_path, clock)
    backlog.put(ID, About.DONE, {})
    backlog.fail(began(backlog), "no")
    (tmp_path / f"events/{ID}-command.json").unlink()
    (tmp_path / f"events/{ID}-notify.json").write_text("{")
    clock.passed = 60

    first = backlog.first_due(Way.COMMAND)
    assert first is not None
    assert backlog.begin(first) is None
    assert backlog.first_due(Way.COMMAND) is None
    opened(tmp_path, clock, rules=HookRules())
    assert [path.name for path in (tmp_path / "events").iterdir()] == [f"{ID}-notify.json"]


def test_a_disk_that_takes_nothing_holds_nobody_up(
    tmp_path: Path, clock: HandClock, heard: list[Event]
) -> None:
    """
    It is told from memory, and the log says so.
    """
    (tmp_path / "events").write_text("somebody's file")
    backlog = opened(tmp_path, clock)

    backlog.put(ID, About.DONE, {})

    assert began(backlog).runs == 1
    assert {type(each) for each in heard} == {HookUnwritten}


def test_what_could_not_be_written_down_is_tried_again_all_the_same(
    tmp_path: Path, clock: HandClock
) -> None:
    """
    That its file is not there says nothing of a person then.
    """
    (tmp_path / "events").write_text("somebody's file")
    backlog = opened(tmp_path, clock)
    backlog.put(ID, About.DONE, {})
    backlog.fail(began(backlog), "no")
    clock.passed = 60

    assert began(backlog).runs == 2

    (tmp_path / "events").unlink()
    backlog.fail(began(backlog), "no")
    (tmp_path / f"events/{ID}-command.json").unlink()
    clock.passed = 600
    first = backlog.first_due(Way.COMMAND)
    assert first is not None
    assert backlog.begin(first) is None


@pytest.mark.parametrize("hours", [-2, -24 * 365 * 30])
def test_a_clock_that_is_put_back_delays_nobody(
    tmp_path: Path, clock: HandClock, hours: int
) -> None:
    """
    What was to be tried again later is tried at once, and its day begins anew.
    """
    backlog = opened(tmp_path, clock)
    backlog.put(ID, About.DONE, {})
    backlog.fail(began(backlog), "no")
    assert backlog.first_due(Way.COMMAND) is None

    clock.passed = hours * 3600.0

    assert backlog.seconds_to_next(Way.COMMAND) == 0
    event = began(backlog)
    backlog.fail(event, "no")
    assert backlog.seconds_to_next(Way.COMMAND) == 20


def test_what_was_told_already_outlives_a_restart(tmp_path: Path, clock: HandClock) -> None:
    backlog = opened(tmp_path, clock)
    backlog.note_told(Told(paused="account", summary="2026-11-30"))

    assert Backlog(EventFiles(tmp_path), RULES, clock).load(()) == Told(
        paused="account", summary="2026-11-30"
    )


WORDS = st.lists(
    st.sampled_from(["{output}", "{original}", "{record}", "{", "}", "a", "$(x)", " "])
)


@given(words=st.lists(WORDS.map("".join)), paths=st.lists(st.text(), min_size=3, max_size=3))
def test_only_the_places_of_a_command_are_filled(words: list[str], paths: list[str]) -> None:
    """
    Word by word, each place once, and a path that looks like a place is left as it is.
    """
    output, original, record = paths
    values: dict[str, Any] = {"output": output, "original": original, "record": record}

    found = filled(words, **values)

    assert len(found) == len(words)
    for word, made in zip(words, found, strict=True):
        parts = [word]
        for name in values:
            place = f"{{{name}}}"
            parts = [p for part in parts for p in _split(part, place)]
        assert made == "".join(
            values.get(part.strip("{}"), part) if part in _PLACES else part for part in parts
        )


_PLACES = {"{output}", "{original}", "{record}"}


def _split(text: str, place: str) -> list[str]:
    if text in _PLACES:
        return [text]
    first, *others = text.split(place)
    return [first, *(each for other in others for each in (place, other))]


@given(st.integers(1, 10_000))
def test_pauses_grow_and_end_at_an_hour(run: int) -> None:
    assert 10 <= pause_before(run) <= pause_before(run + 1) <= 3600
