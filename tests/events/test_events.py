"""
Typed events: what the table of the log's events says of them, and that who listens harms nobody.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import structlog

from documents import section
from engine_world import open_world
from retouchd import events
from retouchd.events import (
    Event,
    Level,
    ListenerCrashed,
    emit,
    hooks,
    inbox,
    jobs,
    listen,
    messages,
    run,
    web,
)
from retouchd.events.jobs import JobDone, RequestSent
from retouchd.events.run import DaemonReady, DaemonUnstuck
from retouchd.logs import logger
from retouchd.service.daemon import Ending

CLASSES: list[type[Event]] = [
    each
    for module in (events, hooks, inbox, jobs, messages, run, web)
    for each in vars(module).values()
    if isinstance(each, type) and "event" in vars(each) and each.__module__ == module.__name__
]
ROWS = re.findall(
    r"^\| `([a-z_.]+)` \| (\w+) \| (.*?) ?\|",
    section("docs/records.md", "Events of the log"),
    re.MULTILINE,
)
READY = DaemonReady(inbox="/photos")


@pytest.fixture
def heard() -> Iterator[list[Event]]:
    found: list[Event] = []
    unlisten = listen(found.append)
    yield found
    unlisten()


@pytest.fixture
def written(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    def read() -> str:
        logger.flush()
        return capfd.readouterr().err

    logger.configure(style="json", level="debug")
    yield read
    listen(logger.write)()
    structlog.reset_defaults()


# The table.


def test_the_table_has_every_event_once() -> None:
    """
    No class is left out, no row tells of what is not there, no name is taken twice.
    """
    names = [each.event for each in CLASSES]

    assert sorted(names) == sorted(name for name, *_ in ROWS)
    assert len(set(names)) == len(names) > 50


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.event)
def test_the_table_has_each_key(kind: type[Event]) -> None:
    """
    An event's row has its level and its keys in the order in which they stand in the line.
    """
    ((level, keys),) = [rest for name, *rest in ROWS if name == kind.event]
    told = [each for each in fields(kind) if each.name != "level"]
    told.sort(key=lambda each: each.name == "exception")

    assert re.findall(r"`(\w+)`", keys) == [each.name for each in told]
    assert level == next(each.default for each in fields(kind) if each.name == "level")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda each: each.event)
def test_a_line_has_what_the_event_has(kind: type[Event], written: Callable[[], str]) -> None:
    """
    The line's keys are the event's in their order, without those that were left at their default.
    """
    given: dict[str, Any] = {
        each.name: ValueError("odd") if each.name == "exception" else "x"
        for each in fields(kind)
        if each.default is MISSING
    }

    emit(kind(**given))

    body = json.loads(written())
    level = next(each.default for each in fields(kind) if each.name == "level")
    assert (body["event"], body["level"]) == (kind.event, level)
    assert list(body)[3:] == sorted(given, key=lambda each: each == "exception")
    assert "ValueError: odd" in body.get("exception", "ValueError: odd")


# Listeners.


def test_every_listener_hears_until_it_has_enough(heard: list[Event]) -> None:
    """
    From any thread, once however often it is registered, and no more after that.
    """
    others: list[Event] = []
    unlisten = listen(others.append)
    listen(others.append)

    emit(READY)
    thread = threading.Thread(target=emit, args=(DaemonUnstuck(),))
    thread.start()
    thread.join()
    unlisten()
    emit(READY)

    assert others == [READY, DaemonUnstuck()]
    assert heard == [READY, DaemonUnstuck(), READY]


def test_a_listener_that_fails_is_told_of_once(heard: list[Event]) -> None:
    """
    It neither reaches the emitter nor keeps the others from hearing; it goes on being called.
    """
    calls: list[Event] = []

    def fail(event: Event) -> None:
        calls.append(event)
        raise OSError("no page listens")

    unlisten = listen(fail)
    emit(READY)
    emit(DaemonUnstuck())
    unlisten()

    ready, crash, unstuck = heard
    assert (ready, unstuck) == (READY, DaemonUnstuck())
    assert isinstance(crash, ListenerCrashed)
    assert crash.level is Level.ERROR
    assert "fail" in crash.listener
    assert str(crash.exception) == "no page listens"
    assert calls == [READY, crash, DaemonUnstuck()]


async def test_a_listener_that_fails_stops_no_job(tmp_path: Path, heard: list[Event]) -> None:
    """
    A job is sent, paid for and published, and the log has all of it, while somebody fails at each event.
    """

    def fail(event: Event) -> None:
        raise RuntimeError(event.event)

    unlisten = listen(fail)
    async with open_world(tmp_path) as world:
        world.drop("cat.png", "make it blue")

        assert await world.once() is Ending.DRAINED

        assert world.tree("outbox") == ["cat.png"]
        assert [line["job"] for line in world.events("job.done")]
        assert len(world.events("listener.crashed")) == 1
    unlisten()

    assert [type(each) for each in heard].count(ListenerCrashed) == 1
    (sent,) = (each for each in heard if isinstance(each, RequestSent))
    (done,) = (each for each in heard if isinstance(each, JobDone))
    assert (sent.job, sent.folder, sent.name) == (done.job, "", "cat.png")
