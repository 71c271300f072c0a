"""
The log on a terminal: sentences in the order of what happens, with the local time.
"""

import contextlib
import fcntl
import os
import pty
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents import section
from process import RETOUCHD, Running, open_station
from retouchd.logs.event_lines import _WORDS, sentence

PLAIN = st.none() | st.integers() | st.text() | st.lists(st.text())


@given(
    st.sampled_from(sorted(_WORDS)),
    st.dictionaries(st.sampled_from(["folder", "name", "job", "reason"]), PLAIN),
)
def test_no_event_is_too_odd_to_be_told(event: str, values: dict[str, Any]) -> None:
    """
    Whatever it holds or lacks, it is a sentence or shown as it is logged.
    """
    assert isinstance(sentence(event, values), str | None)


def test_only_known_events_have_words() -> None:
    """
    A sentence for an event that nobody logs is none.
    """
    assert set(_WORDS) <= set(
        re.findall(r"`([a-z]+\.[a-z]+)`", section("docs/records.md", "Events of the log"))
    )


@pytest.mark.parametrize(
    ("others", "files", "text"),
    [
        ([], 1, "shoes/a.png waits for its prompt, a.txt."),
        (["b.png"], 2, "shoes/a.png waits for its prompt, a.txt. Likewise b.png."),
        (
            ["b.png", "c.png"],
            1234,
            "shoes/a.png waits for its prompt, a.txt. Likewise b.png, c.png and 1,231 more.",
        ),
    ],
)
def test_what_waits_for_somebody_is_told_in_words(others: list[str], files: int, text: str) -> None:
    """
    The first with its reason, some by name, the rest as a number.
    """
    reason = "waits for its prompt, a.txt"
    values = {"folder": "shoes", "name": "a.png", "reason": reason}

    assert sentence("file.waiting", {**values, "files": files, "others": others}) == text
    empty = {**values, "reason": "a.png is empty: it has not arrived yet", "others": [], "files": 1}
    assert sentence("file.waiting", empty) == "shoes/a.png is empty: it has not arrived yet."


def read(terminal: int, said: bytearray) -> str:
    with contextlib.suppress(BlockingIOError, OSError):
        while block := os.read(terminal, 65536):
            said += block
    return said.decode()


def test_a_person_reads_what_happens(tmp_path: Path) -> None:
    """
    Ready, sent, done with its cost and where it is, gone to error and why, stopped: no keys, no codes.
    """
    with open_station(tmp_path) as station:
        ours, theirs = pty.openpty()
        fcntl.fcntl(ours, fcntl.F_SETFL, os.O_NONBLOCK)
        command = [RETOUCHD, "run", "--config", os.fspath(station.config)]
        running = Running(
            command,
            cwd=station.root,
            environment=station.environment,
            place=tmp_path / "run",
            stderr=theirs,
        )
        said = bytearray()
        try:
            running.until(
                lambda: (
                    f"Ready. Drop photos and prompts into {station.folders.inbox}"
                    in read(ours, said)
                )
            )
            station.drop("cat.png")
            running.until(lambda: "cat.png → outbox/cat.png" in read(ours, said))
            station.drop("dog.png", prompt=" ")
            running.until(
                lambda: "dog.png went to error/: dog.txt holds no text." in read(ours, said)
            )
            assert running.end(signal.SIGTERM) == 0
        finally:
            running.kill()
        text = read(ours, said)
        assert "cat.png: sent" in text
        assert "Stopped. 1 done, 1 in error/." in text
        for line in text.splitlines():
            assert re.match(r"(\x1b\[\d+m)?\d\d:\d\d:\d\d [A-Z+-]\w*  ", line), line
        os.close(ours)
        os.close(theirs)
