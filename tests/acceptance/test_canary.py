"""
The canary: whatever goes wrong, and whichever way the key came, it is said nowhere.

Besides, every test with a station, a world or a crash world runs with such a key, and ends with a search.
"""

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from canary import CANARY, assert_unsaid
from hostile_endpoint import PACKED, SPELT
from hostile_world import Villain, villain
from process import Running, Station, open_station

PLAIN = "relay-CANARY+token/of=no:known.kind"
"""A key that nothing but its own text gives away."""

SOURCES = ["file", "header", "environment", "credential", "well-known"]
FAULTS = ["quotes_400", "quotes_200", "quotes_500", "quotes_split", "quotes_packed"]


class Watched:
    """
    A station, the hostile endpoint it asks, and the key it asks with.
    """

    def __init__(self, tmp: Path, station: Station, source: str, key: str) -> None:
        self.station = station
        self.villain: Villain = villain(station)
        self.key = key
        endpoint: dict[str, object] = {
            "base_url": self.villain.url,
            "max_in_doubt": 0,
            "concurrency": 1,
        }
        self.environment: dict[str, str] = {}
        secret = tmp / "credentials"
        secret.mkdir()
        match source:
            case "file":
                endpoint["api_key"] = key
            case "header":
                endpoint["headers"] = {"X-Relay-Key": key, "Authorization": f"Bearer {key}"}
            case "environment":
                self.environment["RETOUCHD_ENDPOINT__API_KEY"] = key
            case "credential":
                (secret / "api_key").write_text(f"{key}\n")
                self.environment["CREDENTIALS_DIRECTORY"] = os.fspath(secret)
            case "well-known":
                self.environment["OPENAI_API_KEY"] = key
                self.environment["OPENAI_BASE_URL"] = self.villain.url
        station.configure(
            endpoint=endpoint, intake={"settle_seconds": 0}, logging={"level": "debug"}
        )
        if source not in ("file", "header"):
            text = station.config.read_text()
            station.config.write_text(re.sub(r"(?m)^api_key = .*\n", "", text))
        station.holding_the_key.append(secret / "api_key")
        self._tmp = tmp

    def start(self, *arguments: str, by_exec: bool = False) -> Running:
        return self.station.start(*arguments, is_journal=False, by_exec=by_exec, **self.environment)

    def call(self, *arguments: str) -> tuple[int, Running]:
        return self.station.call(*arguments, **self.environment)

    def assert_unsaid(self, *texts: str) -> None:
        assert_unsaid(self._tmp, *texts, key=self.key, but=self.station.holding_the_key)


@pytest.mark.parametrize(
    ("source", "key"), [("file", CANARY), *((each, PLAIN) for each in SOURCES)]
)
def test_a_key_that_is_quoted_back_is_said_nowhere(tmp_path: Path, source: str, key: str) -> None:
    """
    In headers, in bodies, in pages, packed or cut in pieces; in what is kept beside the originals too.
    """
    with open_station(tmp_path) as station:
        watched = Watched(tmp_path, station, source, key)
        for fault in FAULTS:
            station.drop(f"{fault}.png", fault)
            station.drop(f"good-{fault}.png", "good")
        daemon = watched.start("run", by_exec=True).ready()
        daemon.until(lambda: len(station.tree("error")) > 4 * len(FAULTS))
        daemon.until(lambda: daemon.events("job.done"))
        pid = daemon.process.pid
        status = watched.call("status", "--json")[1]
        check = watched.call("check")[1]
        command = Path(f"/proc/{pid}/cmdline").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        assert daemon.end(signal.SIGTERM) == 0

        assert all(visit["has_key"] for visit in watched.villain.visits(0))
        assert len([name for name in station.tree("error") if name.endswith(".response")]) == 3
        assert children == ""
        json.loads(status.out)
        watched.assert_unsaid(command, status.out, check.out, daemon.err)


@pytest.mark.parametrize("key", [CANARY, PLAIN])
@pytest.mark.parametrize(("verb", "ways"), [("spells", SPELT), ("packs", PACKED)])
def test_a_key_that_is_spelt_otherwise_is_said_nowhere(
    tmp_path: Path, key: str, verb: str, ways: Collection[str]
) -> None:
    """
    Escaped as JSON, URLs and HTML are, in base64, or compressed: in messages, codes, usage, ids and kept
    answers.
    """
    with open_station(tmp_path) as station:
        watched = Watched(tmp_path, station, "file", key)
        acts = [f"{verb}_{name}_{kind}" for name in ways for kind in ("400", "200", "kept")]
        for act in acts:
            station.drop(f"{act}.png", act)
            station.drop(f"good-{act}.png", "good")
        daemon = watched.start("run").ready()
        daemon.until(lambda: len(daemon.events("job.done", "job.failed")) == 2 * len(acts))
        status = watched.call("status", "--json")[1]
        assert daemon.end(signal.SIGTERM) == 0

        done = [name for name in station.tree("done") if name.startswith(verb)]
        kept = [name for name in station.tree("error") if name.endswith(".response")]
        assert len([name for name in done if name.endswith(".png")]) == len(ways)
        assert len(kept) == len(ways)
        watched.assert_unsaid(status.out, daemon.err)


@pytest.mark.parametrize("act", ["quotes_401", "quotes_302"])
def test_a_key_that_is_refused_is_said_nowhere(tmp_path: Path, act: str) -> None:
    """
    The pause tells why, to people and to programs, and does not tell the key.
    """
    with open_station(tmp_path) as station:
        watched = Watched(tmp_path, station, "file", PLAIN)
        station.drop("cat.png", act)
        daemon = watched.start("run").ready()
        daemon.until(lambda: daemon.events("daemon.paused"))
        status = watched.call("status")[1].out
        daemon.end(signal.SIGTERM)
        code, once = watched.call("once")

        assert code == 75
        watched.assert_unsaid(status, once.out)


@pytest.mark.parametrize("act", ["good", "stall"])
def test_a_daemon_that_is_aborted_leaves_no_core(tmp_path: Path, act: str) -> None:
    """
    A watchdog's SIGABRT: a core would hold the key and the photos.
    """
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with open_station(tmp_path) as station:
            watched = Watched(tmp_path, station, "environment", PLAIN)
            station.drop("cat.png", act)
            daemon = watched.start("run", by_exec=True).ready()
            daemon.until(lambda: daemon.events("request.sent"))
            limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
            assert re.search(r"Max core file size\s+0 ", limits)
            assert daemon.end(signal.SIGABRT) == -signal.SIGABRT
            assert list(station.root.glob("core*")) == []
            watched.assert_unsaid()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


_CRASH = """
import sys
from retouchd.endpoint import transport
def broken(*_, **__):
    raise RuntimeError("nobody foresaw this")
transport.Http11Transport = broken
from retouchd.cli.main import app
app()
"""


def test_a_traceback_tells_no_key(tmp_path: Path) -> None:
    """
    A fault nobody foresaw, with the request and its headers at hand, is logged without them.
    """
    with open_station(tmp_path) as station:
        watched = Watched(tmp_path, station, "environment", PLAIN)
        station.drop("cat.png", "good")
        command = (sys.executable, "-c", _CRASH, "run", "--config", os.fspath(station.config))
        daemon = station.run(*command, environment=watched.environment)
        daemon.until(lambda: "nobody foresaw this" in daemon.err)
        daemon.end(signal.SIGTERM)

        assert "Traceback" in daemon.err
        watched.assert_unsaid(daemon.err)


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """
    Across the blocks it reads by, in names, and in texts.
    """
    (tmp_path / "x").write_bytes(b"a" * ((1 << 20) - 5) + CANARY.encode())
    with pytest.raises(AssertionError, match="holds the key"):
        assert_unsaid(tmp_path)
    assert_unsaid(tmp_path, but=[tmp_path / "x"])
    (tmp_path / CANARY).mkdir()
    with pytest.raises(AssertionError, match="is called by the key"):
        assert_unsaid(tmp_path, but=[tmp_path / "x"])
    with pytest.raises(AssertionError, match="was said"):
        assert_unsaid(tmp_path / CANARY, f"… {CANARY} …")


@pytest.mark.parametrize("way", PACKED)
def test_the_search_finds_what_is_compressed(tmp_path: Path, way: str) -> None:
    """
    As a file, and behind the head line of a kept answer.
    """
    packed = PACKED[way](b'{"key": "' + CANARY.encode() + b'"}')
    (tmp_path / "cat.response").write_bytes(b'{"status": 200}\n' + packed)
    with pytest.raises(AssertionError, match="holds the key"):
        assert_unsaid(tmp_path)
