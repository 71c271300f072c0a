"""
Only what has a turn waits for it: asked from outside, of every file whose reason is another one.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine_world import photo
from process import Station, open_station


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as made:
        yield made


def told(station: Station) -> tuple[dict[str, str], int]:
    _, asked = station.call("status", "--json")
    body = json.loads(asked.out)
    reasons = {
        "/".join(filter(None, (f["folder"], f["name"]))): f["reason"] for f in body["waiting"]
    }
    return reasons, body["ready"]


def test_each_file_of_a_bundle_says_why_it_is_not_taken(station: Station) -> None:
    """
    Held by its folder's file, still open in another program, unfinished: the prompt says it like its picture;
    and without a daemon nothing has a turn.
    """
    endpoint = station.endpoint()
    station.configure(
        endpoint={"base_url": endpoint.url},
        intake={"settle_seconds": 0.05, "incomplete_seconds": 0.1, "rescan_seconds": 1},
    )
    inbox = station.folders.inbox
    for folder in ("held", "open"):
        (inbox / folder).mkdir()
    (inbox / "held/_edit.toml").write_text("promt = 1")
    for name in ("held/cat", "open/dog"):
        (inbox / f"{name}.txt").write_text("make it blue")
    with (inbox / "open/dog.png").open("wb") as open_still:
        open_still.write(photo(seed=2))
        open_still.flush()
        (inbox / "held/cat.png").write_bytes(photo(seed=1))
        reasons, ready = told(station)
        assert reasons["open/dog.png"] == reasons["open/dog.txt"] == "waits until retouchd runs"
        assert ready

        running = station.start("run").ready()
        running.until(
            lambda: (
                "still open in" in told(station)[0].get("open/dog.png", "")
                and "promt" in told(station)[0].get("held/cat.png", "")
            )
        )
        reasons, ready = told(station)
        assert reasons["open/dog.txt"] == reasons["open/dog.png"]
        assert reasons["held/cat.txt"] == reasons["held/cat.png"]
        assert ready == 0
        assert not station.tree("error")
    running.until(lambda: station.tree("outbox") == ["open/dog.png"])
