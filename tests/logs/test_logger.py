"""
The log as programs read it: one line for each change of state, nothing that breaks one, no secret in any.
"""

import json
import os
import re
import signal
import socket
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from process import Running, Station
from retouchd.events import Event, emit, listen
from retouchd.events.inbox import FileLeft
from retouchd.events.jobs import JobCrashed
from retouchd.logs import logger

CANARY = "sk-CANARY-1234567890"
LONG = "make it blue " * 400
ABOUT = ["timestamp", "level", "event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd(Event):
    event: ClassVar[str] = "file.odd"
    name: str = ""
    files: Sequence[str] = ()
    prompt: str = ""


def raw_lines(text: str) -> list[str]:
    assert text.endswith("\n")
    return text[:-1].split("\n")


def told(capfd: pytest.CaptureFixture[str]) -> list[str]:
    logger.flush()
    return raw_lines(capfd.readouterr().err)


def control_signs(line: str) -> list[str]:
    return [sign for sign in line if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}]


# Lines.


def test_every_line_is_json(station: Station) -> None:
    """
    Outside a terminal every line of a whole run is an object that begins with timestamp, level and event.
    """
    station.drop("cat.png")
    station.drop("bad.png", prompt=" \n")

    _, running = station.call("once")

    for line in raw_lines(running.err):
        body = json.loads(line)
        assert list(body)[:3] == ABOUT
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body["timestamp"])
        assert body["level"] in ("debug", "info", "warning", "error")


def test_each_change_of_state_is_one_event(station: Station) -> None:
    """
    From start to stop: claimed, sent, refused by the account, paused, returned; woken, resumed, done, failed.
    """
    endpoint = station.endpoint("overloaded:times=1", "quota:times=1")
    station.configure(endpoint={"base_url": endpoint.url, "api_key": CANARY})
    station.drop("shoes/cat.png")
    station.drop("shoes/dog.png")
    running = station.start("run").ready()
    running.until(lambda: running.events("job.returned"))
    running.tell(signal.SIGHUP)
    running.until(lambda: len(running.events("job.done")) == 2)
    station.drop("bad.png", prompt=" \n")
    running.until(lambda: running.events("job.failed"))
    assert running.end(signal.SIGTERM) == 0

    started, mode, *middle, stopping, stopped = running.events()
    assert [each["event"] for each in (started, mode)] == ["daemon.started", "watch.mode"]
    assert [each["event"] for each in (stopping, stopped)] == ["daemon.stopping", "daemon.stopped"]
    assert started["endpoint"]["base_url"] == endpoint.url
    assert started["endpoint"]["api_key"].strip("*") == ""
    for line in middle:
        assert (
            line["event"].startswith(("configuration.", "daemon.", "pool.", "pool."))
            or {"job", "folder", "name"} <= line.keys()
        )
    check_events(running)


def check_events(running: Running) -> None:
    assert {each["folder"] for each in running.events("job.claimed")} == {"", "shoes"}
    failures = running.events("request.failed")
    assert {each["verdict"] for each in failures} == {"transient", "account"}
    for each in failures:
        assert {"code", "retry_in"} <= each.keys()
    (paused,) = running.events("daemon.paused")
    assert paused["level"] == "warning"
    assert "quota" in paused["reason"]
    assert len(running.events("daemon.resumed")) == 1
    for done in running.events("job.done"):
        assert {"seconds", "attempts", "usage", "cost_usd", "outputs"} <= done.keys()
        assert done["outputs"] == [f"shoes/{Path(done['name']).stem}.png"]
    (failed,) = running.events("job.failed")
    assert (failed["code"], failed["name"]) == ("prompt_empty", "bad.png")
    assert "bad.txt" in failed["message"]


def test_the_journal_gets_priorities(station: Station) -> None:
    """
    Under journald each line begins with its priority: 6 for what is as it should be, 4 for a warning.
    """
    station.drop("cat.png")
    station.drop("bad.png", prompt=" \n")

    running = station.start("once", is_journal=True)

    assert running.end() == 1
    for line in raw_lines(running.err):
        found = re.fullmatch(r"<([0-7])>(\{.*\})", line)
        assert found, line
        assert {"info": "6", "warning": "4"}[json.loads(found[2])["level"]] == found[1]


def test_without_the_journal_there_are_no_priorities(station: Station) -> None:
    """
    A file that takes the log gets plain JSON.
    """
    station.configure(intake={"ignore": ["*.bak"]})

    _, running = station.call("once")

    assert "<6>" not in running.err


def test_the_level_is_obeyed(station: Station) -> None:
    """
    At "error" a run in which nothing fails unforeseen says nothing.
    """
    station.configure(logging={"level": "error"})
    station.drop("cat.png")

    code, running = station.call("once")

    assert code == 0
    assert running.err == ""


# Names.

NASTY = b"a\nb\x1b[31mc\x7f\xc2\x85\xe2\x80\xa8\xe9.png"


def test_no_name_breaks_a_line(station: Station) -> None:
    """
    A newline, an escape, a separator of lines, a byte that is no UTF-8: each line stays one, and is readable.
    """
    station.drop(os.fsdecode(NASTY), "make it blue")
    station.drop(os.fsdecode(b"bad" + NASTY), " \n")
    station.drop(os.fsdecode(b"lone" + NASTY), None)
    (station.folders.inbox / os.fsdecode(b"link" + NASTY)).symlink_to("/nowhere")

    code, running = station.call("once")

    assert code == 1
    lines = [line for line in raw_lines(running.err) if line.startswith("{")]
    events = [json.loads(line)["event"] for line in lines]
    assert {"job.claimed", "job.done", "job.failed"} <= set(events)
    for line in lines:
        assert control_signs(line) == []
        assert "".join(texts_in(json.loads(line))).encode("utf-8")
    for line in raw_lines(running.out):
        assert control_signs(line) == []
        assert line.startswith(
            (
                "1 done",
                "Each file",
                "2 files wait",
                "1 file waits",
                "waits: ",
                "What is to be done",
                "not taken: ",
                "in error: ",
            )
        )
    (reason,) = station.folders.error.glob("*.error.txt")
    assert all(control_signs(line) == [] for line in reason.read_text("utf-8").split("\n"))


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield key
                yield from texts_in(each)
        case list():
            for each in value:
                yield from texts_in(each)


def test_a_terminal_is_not_led_astray(capfd: pytest.CaptureFixture[str]) -> None:
    """
    For people too a line is one line, and no name can move the cursor or colour what follows.
    """
    logger.configure(style="console")

    emit(FileLeft(folder="", name=os.fsdecode(NASTY), reason=os.fsdecode(NASTY)))
    emit(Odd(name=os.fsdecode(NASTY), files=[os.fsdecode(NASTY)]))

    said, rest = told(capfd)
    assert control_signs(said + rest) == []
    assert "is not taken" in said
    assert "file.odd" in rest


# Secrets.


def everything_said(station: Station, *runs: Running) -> str:
    """
    Return all that was left in the folders and written to the terminal, but not the configuration itself.
    """
    parts = [
        path.read_bytes().decode("utf-8", "replace")
        for path in station.root.rglob("*")
        if path.is_file() and path != station.config and path.suffix != ".png"
    ]
    return "\n".join([*parts, *(run.out + run.err for run in runs)])


SOURCES: dict[str, dict[str, Any]] = {
    "file": {"api_key": CANARY},
    "header": {"api_key": "sk-other", "headers": {"X-Relay-Key": CANARY}},
}


@pytest.mark.parametrize("source", [*SOURCES, "environment", "credential"])
def test_the_key_is_said_nowhere(station: Station, source: str) -> None:
    """
    Whichever way the key came, and though a relay quotes it back, nobody reads it anywhere.
    """
    quoted = f"message=this key is no good - {CANARY}"
    endpoint = station.endpoint(f"400:times=1:{quoted}", f"503:times=1:{quoted}")
    keys = {"base_url": endpoint.url, "concurrency": 1, **SOURCES.get(source, {})}
    station.configure(endpoint=keys, logging={"level": "debug"})
    environment = {}
    if source == "environment":
        environment["RETOUCHD_ENDPOINT__API_KEY"] = CANARY
    if source == "credential":
        (station.home / "api_key").write_text(CANARY)
        environment["CREDENTIALS_DIRECTORY"] = os.fspath(station.home)
    for name in ("cat.png", "dog.png"):
        station.drop(name)

    code, running = station.call("once", **environment)

    assert code == 1
    assert station.tree("outbox") != []
    assert station.tree("error") != []
    said = everything_said(station, running)
    assert "this key is no good" in said
    assert "CANARY" not in said


def test_a_refused_key_is_said_nowhere(station: Station) -> None:
    """
    A relay that refuses the key and quotes it: neither the log nor the summary nor `check` repeats it.
    """
    endpoint = station.endpoint(f"401:message=Incorrect API key provided - {CANARY}")
    station.configure(endpoint={"base_url": endpoint.url, "api_key": CANARY})
    station.drop("cat.png")

    once = station.call("once")
    check = station.call("check")

    assert (once[0], check[0]) == (75, 0)
    assert "Incorrect API key" in once[1].out
    assert "CANARY" not in everything_said(station, once[1], check[1])


def test_a_password_in_the_address_is_said_nowhere(station: Station) -> None:
    """
    Some relays take their secret as part of the address; it is one all the same.
    """
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        url = f"http://me:{CANARY}@127.0.0.1:{port}/v1"
        station.configure(endpoint={"base_url": url})

        runs = [station.call(command)[1] for command in ("once", "check")]

    assert "CANARY" not in everything_said(station, *runs)


def test_a_long_prompt_is_cut_in_the_log(station: Station) -> None:
    """
    Neither a prompt that came with a photo nor the configuration's own is logged beyond 200 characters.
    """
    station.configure(edit={"prompt": LONG})
    station.drop("cat.png", prompt=None)
    station.drop("dog.png", prompt=LONG)

    code, running = station.call("once")

    assert code == 0
    assert station.record("done/dog.job.json")["request"]["prompt"] == LONG.strip()
    assert LONG[:220] not in running.err


def test_a_prompt_is_cut_at_200_characters(capfd: pytest.CaptureFixture[str]) -> None:
    """
    What is cut says so by its last sign; what fits stays whole.
    """
    logger.configure(style="json")

    emit(Odd(prompt=LONG))
    emit(Odd(prompt="x" * 200))

    cut, whole = (json.loads(line)["prompt"] for line in told(capfd))
    assert cut == LONG[:199] + "…"
    assert whole == "x" * 200


def test_a_traceback_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """
    What nobody foresaw is told whole, but in one line of JSON.
    """
    logger.configure(style="json")

    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        emit(JobCrashed(job="j1", exception=error))

    (line,) = told(capfd)
    body = json.loads(line)
    assert body["level"] == "error"
    assert "ZeroDivisionError" in body["exception"]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """
    Leave the log of the test process as it was found.
    """
    import structlog

    yield
    listen(logger.write)()
    structlog.reset_defaults()
