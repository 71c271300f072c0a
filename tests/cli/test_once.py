"""
`retouchd once`: what is in the inbox is worked off, what waits is listed, and the exit code tells the rest.
"""

import datetime as dt
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from process import RETOUCHD, Running, Station
from retouchd.cli.once import Outcome, lines_of
from retouchd.disk.folders import Folders
from retouchd.inbox.waiting import Waiting
from retouchd.service.daemon import Ending

FOLDERS = ("inbox", "outbox", "review", "done", "error", "work")


def test_it_drains_the_inbox_and_lists_what_waits(station: Station) -> None:
    """
    Done is counted; an image without a prompt and a prompt without an image are listed with the reason.
    """
    station.drop("cat.png")
    station.drop("shoes/red.png", prompt=None)
    (station.folders.inbox / "lost.txt").write_text("make it blue")
    (station.folders.inbox / "notes.doc").write_text("mine")

    code, running = station.call("once")

    assert code == 0
    assert "1 done, 0 in error." in running.out
    assert station.tree("outbox") == ["cat.png"]
    assert station.tree("inbox") == ["lost.txt", "notes.doc", "shoes/red.png"]
    lines = running.out.splitlines()
    assert "2 files wait in the inbox, 1 photo among them; 1 other file is not taken." in lines
    waits = [line for line in lines if line.startswith("waits: ")]
    for name, reason in (("shoes/red.png", "prompt"), ("lost.txt", "image")):
        assert any(f" {name}: " in line and reason in line for line in waits), name
    assert len(waits) == 2
    assert [line.split(": ")[1] for line in lines if line.startswith("not taken")] == ["notes.doc"]
    assert any("written into the text file" in line for line in lines)


def test_it_ends_with_1_where_something_went_wrong(station: Station) -> None:
    """
    One job in error among others that are done: both are counted, and the folder with the reason is named.
    """
    station.drop("cat.png")
    station.drop("bad.png", prompt="  \n")

    code, running = station.call("once")

    assert code == 1
    assert "1 done, 1 in error." in running.out
    assert str(station.folders.error) in running.out
    assert "in error: bad.png" in running.out.splitlines()
    assert station.tree("error") == ["bad.error.txt", "bad.job.json", "bad.png", "bad.txt"]


def test_a_log_that_cannot_be_written_stops_nothing(station: Station) -> None:
    """
    Standard error goes to a file on a full disk: what was paid for is published all the same.
    """
    station.drop("cat.png")
    command = [RETOUCHD, "once", "--config", str(station.config)]

    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            command, env=station.environment, stdout=subprocess.PIPE, stderr=full, check=False
        )

    assert station.tree("outbox") == ["cat.png"]
    assert b"1 done, 0 in error." in ended.stdout
    assert ended.returncode == 0


def test_an_empty_inbox_is_soon_drained(station: Station) -> None:
    """
    Nothing to do is no fault; whoever reads its output as a program finds no codes of a terminal in it.
    """
    code, running = station.call("once")

    assert code == 0
    assert running.out == "0 done, 0 in error.\nNothing waits in the inbox.\n"
    assert "\x1b" not in running.out + running.err
    assert "\r" not in running.err


def test_a_wrong_key_leaves_everything_in_the_inbox(station: Station) -> None:
    """
    75; the summary says that the key was refused, and no file is in error or in work.
    """
    endpoint = station.run(RETOUCHD, "sandbox", "--port", "0", "--key", "sk-right")
    endpoint.until(lambda: "The key is" in endpoint.out)
    url = re.search(r"http://\S+/v1", endpoint.out)
    assert url is not None
    station.configure(endpoint={"base_url": url[0], "api_key": "sk-wrong", "concurrency": 1})
    for name in ("cat.png", "dog.png", "eel.png"):
        station.drop(name)
    before = station.originals()

    code, running = station.call("once")

    assert code == 75
    assert station.originals() == before
    assert station.tree("error") == station.tree("outbox") == []
    assert list((station.folders.work / "jobs").iterdir()) == []
    assert "API key" in running.out
    assert str(station.folders.inbox) in running.out


@pytest.mark.parametrize("count", [1, 7])
def test_nothing_listening_leaves_everything_in_the_inbox(station: Station, count: int) -> None:
    """
    75 after a few tries, for one photo as for many; no file is in error or in work.
    """
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        station.configure(endpoint={"base_url": f"http://127.0.0.1:{port}/v1"})
        for number in range(count):
            station.drop(f"{number}.png")
        before = station.originals()

        code, running = station.call("once")

    assert code == 75
    assert station.originals() == before
    assert station.tree("error") == station.tree("outbox") == []
    assert list((station.folders.work / "jobs").iterdir()) == []
    assert "Stopped: " in running.out


def told(running: Running) -> dict[str, Any]:
    """
    Return what the log says that a run came to.
    """
    (event,) = running.events("once.ended")
    return event


def test_a_spent_budget_tells_of_all_that_was_not_sent(station: Station) -> None:
    """
    Those given back at the end wait like those that were never taken; programs read the same numbers.
    """
    station.configure(budget={"images_per_day": 2}, endpoint={"concurrency": 1})
    for number in range(5):
        station.drop(f"{number}.png")

    code, running = station.call("once")

    assert code == 75
    lines = running.out.splitlines()
    assert lines[0] == "2 done, 0 in error."
    assert "Stopped: Today's budget.images_per_day = 2 is used up" in lines[1]
    assert "tomorrow" in lines[2]
    assert lines[3] == "6 files wait in the inbox, 3 photos among them."
    assert {line.split(": ")[1] for line in lines[4:]} == set(station.tree("inbox"))
    event = told(running)
    assert (event["ending"], event["exit_code"]) == ("unavailable", 75)
    assert event["waiting"] == {"ready": 6}
    assert (event["done"], event["waiting_pictures"], event["in_work"]) == (2, 3, 0)


def test_many_of_one_kind_are_counted(station: Station) -> None:
    """
    The first are named, the rest is a number: nobody reads a thousand lines.
    """
    for number in range(40):
        station.drop(f"{number:02}.png", prompt=None)

    code, running = station.call("once")

    assert code == 0
    lines = running.out.splitlines()
    assert lines[1] == "40 files wait in the inbox, 40 photos among them."
    assert len([line for line in lines if line.startswith("waits: ")]) == 11
    assert any(line.startswith("waits: 30 more: waits for its prompt") for line in lines)
    assert told(running)["waiting"] == {"waits for its prompt": 40}


def test_a_stop_is_not_told_as_the_end(station: Station) -> None:
    """
    130 and what is left, while there is any.
    """
    endpoint = station.endpoint("latency=1")
    station.configure(endpoint={"base_url": endpoint.url, "concurrency": 1})
    for number in range(5):
        station.drop(f"{number}.png")
    running = station.start("once")
    running.until(lambda: running.events("job.done"))

    code = running.end(signal.SIGINT)

    assert code == 130
    done = len(station.tree("outbox"))
    assert f"{done} done, 0 in error." in running.out
    assert "Stopped before all was done" in running.out
    event = told(running)
    assert event["waiting_pictures"] + event["in_work"] == 5 - done
    assert told(running)["ending"] == "stopped"


def test_a_file_in_the_place_of_the_outbox_is_told(station: Station) -> None:
    """
    Nothing is claimed, and nothing is said to be done.
    """
    station.drop("cat.png")
    station.folders.outbox.rmdir()
    station.folders.outbox.write_text("a file in the way")

    code, running = station.call("once")

    assert code == 78
    assert "folders.outbox" in running.err
    assert station.tree("inbox") == ["cat.png", "cat.txt"]


def test_what_lies_in_error_from_before_is_told(station: Station) -> None:
    """
    Each run counts its own; what nobody has looked after yet is no secret.
    """
    station.drop("bad.png", prompt=" ")
    assert station.call("once")[0] == 1

    code, running = station.call("once")

    assert code == 0
    assert "0 done, 0 in error." in running.out
    assert "1 photo of earlier runs lies in" in running.out
    assert "`retouchd retry`" in running.out


def test_a_file_that_is_open_is_named_with_its_program(station: Station) -> None:
    """
    It ends all the same, and does not say that all is done.
    """
    station.drop("cat.png")
    with (station.folders.inbox / "cat.png").open("ab"):
        code, running = station.call("once")

    assert code == 0
    assert "2 files wait in the inbox, 1 photo among them." in running.out
    assert "waits: cat.png: still open in " in running.out


def test_a_terminal_shows_a_progress_bar(station: Station) -> None:
    """
    On a terminal a person sees a bar and how many are finished, instead of log lines.
    """
    endpoint = station.endpoint("latency=0.5")
    station.configure(endpoint={"base_url": endpoint.url})
    station.drop("cat.png")

    code, shown = station.on_terminal("once")

    assert code == 0
    assert "━" in shown
    assert "1 in work" in shown
    assert "1 done, 0 in error." in shown
    assert "job.done" not in shown
    assert "InotifyEmitter" not in shown


def test_an_inbox_that_goes_away_is_no_drained_inbox(station: Station) -> None:
    """
    What was sent is finished, then it ends with 78 and says that the inbox is not there.
    """
    endpoint = station.endpoint("latency=1.5")
    station.configure(endpoint={"base_url": endpoint.url})
    station.drop("cat.png")
    running = station.start("once")
    running.until(lambda: endpoint.requests)

    station.folders.inbox.rename(station.root / "unmounted")

    assert running.end() == 78
    assert "is not there" in running.out
    assert station.tree("outbox") == ["cat.png"]
    assert not station.folders.inbox.exists()


def test_what_is_done_already_is_listed_and_does_not_fail(station: Station) -> None:
    """
    A copy of a finished job is named with its result, by a dry run, by once and by status; all end well.
    """
    station.drop("cat.png")
    assert station.call("once")[0] == 0
    for name in ("cat.png", "cat.txt"):
        (station.folders.inbox / name).write_bytes((station.folders.done / name).read_bytes())
    for name in ("other.png", "twin.png"):
        Image.new("RGB", (48, 32), "#123456").save(station.folders.inbox / name, "PNG")
        (station.folders.inbox / name).with_suffix(".txt").write_text("make it grey")

    rehearsed, dry = station.call("once", "--dry-run")
    ended, running = station.call("once")

    assert (rehearsed, ended) == (0, 0)
    assert "waits: cat.png: the same picture" in dry.out
    assert "outbox/cat.png" in dry.out
    assert (
        "waits: twin.png: the same picture with the same request comes first: other.png" in dry.out
    )
    assert "1 would be sent" in dry.out
    assert "1 done, 0 in error." in running.out
    waits = [line for line in running.out.splitlines() if line.startswith("waits: ")]
    assert [line.split()[1] for line in waits] == ["cat.png:", "cat.txt:", "twin.png:", "twin.txt:"]
    assert "outbox/cat.png" in waits[0]
    assert "outbox/other.png" in waits[2]
    assert waits[1::2] == ["waits: cat.txt: as cat.png does", "waits: twin.txt: as twin.png does"]


@pytest.mark.parametrize("metadata", ["strip", "keep", "kept"])
def test_a_dry_run_says_where_metadata_would_be_sent_along(station: Station, metadata: str) -> None:
    """
    What leaves the machine besides pixels is said before it does, and a misspelt word is a fault.
    """
    station.configure(images={"metadata": metadata})
    station.drop("cat.png")

    code, dry = station.call("once", "--dry-run")

    assert ("place, names, serial numbers" in dry.out) == (metadata == "keep")
    assert code == (78 if metadata == "kept" else 0)
    assert ("images.metadata" in dry.err) == (metadata == "kept")


def test_what_is_left_in_work_is_told_with_what_to_do(tmp_path: Path) -> None:
    """
    Nothing waits in the inbox then: it is run again where that which is in the way is gone.
    """
    folders = Folders(**{name: tmp_path / name for name in FOLDERS})
    outcome = Outcome(
        ending=Ending.UNAVAILABLE,
        done=2,
        failed=0,
        went_wrong=[],
        trouble="outbox/shoes is in the way.",
        cause="",
        waiting=Waiting(pid=1, at=dt.datetime.now(dt.UTC), kinds={}, pictures=0, files=()),
        in_work=[{"id": "1", "folder": "shoes", "name": "red.png", "reason": "in the way"}],
        in_error=0,
    )

    assert outcome.exit_code == 75
    assert list(lines_of(outcome, folders)) == [
        "2 done, 0 in error.",
        "Stopped: outbox/shoes is in the way.",
        "Run it again once that is corrected.",
        "Nothing waits in the inbox.",
        "1 photo in work, with which the next run goes on:",
        "in work: shoes/red.png: in the way",
    ]
