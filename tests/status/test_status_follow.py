"""
`retouchd status` in detail: how old, how patient, and what is new while it is followed.
"""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from early_server import read_all_then_close, serving_early
from process import AS_NOBODY, RETOUCHD, Running, Station, open_station, opened


def document(station: Station) -> dict[str, Any]:
    """
    Return what `status --json` says.
    """
    return station.status()[1]


def table(station: Station) -> str:
    """
    Return what `status` says to people, without line breaks.
    """
    _, running = station.call("status", COLUMNS="200")
    return " ".join(running.out.split())


def test_each_file_says_how_it_stands(station: Station) -> None:
    """
    What changes says since when, what waits says until when, and unfinished copies are seen too.
    """
    station.configure(intake={"settle_seconds": 60, "orphan_seconds": 900})
    station.drop("new.png")
    station.drop("lone.png", None)
    past = time.time() - 300
    os.utime(station.folders.inbox / "lone.png", (past, past))
    (station.folders.inbox / "coat.jpg.part").touch()
    (station.folders.inbox / ".DS_Store").touch()

    files = {each["name"]: each for each in document(station)["waiting"]}

    assert files.keys() == {"new.png", "new.txt", "lone.png", "coat.jpg.part"}
    assert files["new.png"]["reason"] == "still changing"
    assert files["new.png"]["changed_at"].endswith("Z")
    assert files["coat.jpg.part"]["reason"].startswith("not taken: unfinished download")
    said = table(station)
    assert re.search(r"new\.png(, new\.txt)? \(changed \d+ s ago\)", said)

    station.configure(intake={"settle_seconds": 0, "orphan_seconds": 900})
    files = {each["name"]: each for each in document(station)["waiting"]}
    assert files["lone.png"]["until"].endswith("Z")
    assert re.search(r"lone\.png \(to error in 1[45] min\)", table(station))


def test_in_a_pause_what_is_ready_says_which(station: Station) -> None:
    """
    Nobody has to guess that a picture waits for the account.
    """
    station.configure(endpoint={"base_url": station.endpoint("quota").url})
    running = station.start("run").ready()
    station.drop("cat.png")
    running.until(lambda: running.events("job.returned"))

    running.until(
        lambda: (
            "2 files: paused: the key or the account is turned away cat.png, cat.txt"
            in table(station)
        )
    )

    body = document(station)
    assert {each["reason"] for each in body["waiting"]} == {
        "paused: the key or the account is turned away"
    }
    assert body["ready"] == 2
    assert running.end(signal.SIGTERM) == 0


def test_a_request_says_since_when_it_is_out(station: Station) -> None:
    """
    The older it is, the sooner a person looks.
    """
    endpoint = station.endpoint("latency=30")
    station.configure(endpoint={"base_url": endpoint.url})
    running = station.start("run").ready()
    station.drop("cat.png")
    running.until(lambda: endpoint.requests)

    (job,) = document(station)["in_flight"]

    assert job["sent_at"].endswith("Z")
    assert re.search(r"cat\.png: sent \d+ s ago, no answer yet", table(station))


def test_a_picture_that_is_waited_for_is_no_missing_answer(station: Station) -> None:
    """
    It was answered and paid for; what is missing lies behind a url.
    """
    body = b'{"data": [{"url": "/soon.png"}]}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with serving_early(answer, read_all_then_close) as server:
        station.configure(endpoint={"base_url": server.base_url})
        running = station.start("run").ready()
        station.drop("cat.png")
        running.until(lambda: running.events("job.waiting"))

        said = "cat.png: its picture is paid for but cannot be fetched yet: the picture's"
        running.until(lambda: said in table(station))
        assert "no answer yet" not in table(station)
        assert running.end(signal.SIGTERM) == 0


def test_a_program_that_follows_hears_what_is_new(station: Station) -> None:
    """
    Once in the beginning and then on change only; an interrupt ends it with the last state.
    """
    daemon = station.start("run").ready()
    following = station.start("status", "--follow")
    following.until(lambda: "today" in following.out)
    time_passes = document(station)["at"]
    following.until(lambda: document(station)["at"] > time_passes)

    station.drop("cat.png")
    daemon.until(lambda: daemon.events("job.done"))
    following.until(lambda: "1 done, 0 failed" in following.out)

    assert following.end(signal.SIGINT) == 0
    assert following.out.count("0 done, 0 failed") <= 3, "it is told on change alone"
    assert daemon.end(signal.SIGTERM) == 0


def test_a_terminal_is_redrawn(station: Station) -> None:
    """
    In place, as it changes, and left as it was found.
    """
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [RETOUCHD, "status", "--follow", "--config", os.fspath(station.config)]
    environment = {**station.environment, "TERM": "xterm"}
    with opened(
        command,
        cwd=station.root,
        environment=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as following:
        os.close(terminal)
        said = ""

        def read_until(word: str) -> None:
            nonlocal said
            while word not in said:
                said += os.read(master, 4096).decode("utf-8", "replace")

        read_until("not running")
        station.drop("dog.png", None)
        read_until("dog.png")
        following.send_signal(signal.SIGINT)
        read_until("\x1b[?1049l")
        assert following.wait(20) == 3
    os.close(master)


def test_it_writes_nothing_and_asks_nobody(station: Station) -> None:
    """
    By its system calls: no file is opened for writing, and no connection is made.
    """
    strace = "/usr/bin/strace"
    if not os.path.exists(strace):
        pytest.skip("strace is not installed")
    daemon = station.start("run").ready()
    station.drop("cat.png")
    daemon.until(lambda: daemon.events("job.done"))
    calls = "trace=openat,open,creat,mkdir,rename,renameat,renameat2,unlink,unlinkat,connect,link"

    looking = station.run(
        strace, "-f", "-e", calls, "-o", "calls", RETOUCHD, "status", "--config", "config.toml"
    )

    assert looking.end() == 0
    lines = (station.root / "calls").read_text("utf-8", "replace").splitlines()
    assert len(lines) > 100
    changed = [
        line for line in lines if re.search(r"O_WRONLY|O_RDWR|O_CREAT|(mk|ren|unl)\w+\(", line)
    ]
    ours = [line for line in changed if os.fspath(station.root) in line]
    assert not ours
    assert not [line for line in lines if "connect(" in line and "AF_INET" in line]
    assert daemon.end(signal.SIGTERM) == 0


@pytest.fixture
def visible_station() -> Iterator[Station]:
    """
    A station that others may reach: each start of pytest shuts the folder that the usual ones lie in.
    """
    with tempfile.TemporaryDirectory() as place, open_station(Path(place)) as station:
        yield station


def test_someone_without_leave_is_told_so(visible_station: Station) -> None:
    """
    The folder that may not be looked into is named, by the same sentence to people and to programs; where only
    the inbox is shut, the rest is told.
    """
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    station = visible_station
    station.drop("cat.png")
    for path in [station.root.parent, station.root, *station.root.iterdir()]:
        path.chmod(0o755)

    def ask(*arguments: str) -> tuple[int, Running]:
        asking = station.run(
            *AS_NOBODY,
            "status",
            *arguments,
            "--config",
            os.fspath(station.config),
            environment={**station.environment, "COLUMNS": "200"},
        )
        return asking.end(), asking

    station.folders.inbox.chmod(0o700)
    code, asking = ask()
    assert (code, asking.err) == (3, "")
    assert "What waits for it in the inbox cannot be read now, or not by this user." in asking.out
    assert "this folder cannot be read: Permission denied" in asking.out

    station.folders.work.chmod(0o700)
    sentence = f"folders.work: {station.folders.work} may not be looked into by this user: "
    code, asking = ask()
    assert (code, asking.out) == (78, "")
    assert asking.err.startswith(
        f"retouchd: {sentence}Permission denied. Ask as root, or as the user"
    )
    code, asking = ask("--json")
    body = json.loads(asking.out)
    assert (code, body["state"]) == (78, "unknown")
    assert body["attention"][0].startswith(sentence)

    station.config.chmod(0o600)
    code, asking = ask("--json")
    body = json.loads(asking.out)
    assert (code, body["state"]) == (78, "unknown")
    assert f"{station.config} cannot be read" in body["attention"][0]
