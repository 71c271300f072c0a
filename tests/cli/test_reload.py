"""
A changed configuration comes into force at SIGHUP, in a daemon that goes on with what it does.
"""

import contextlib
import os
import signal
import socket
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary import CANARY
from engine_world import photo
from hanging_disk import HangingDisk
from process import RETOUCHD, Endpoint, Running, Station
from retouchd.cli.reload import AT_START, LIVE, news
from retouchd.config import SANDBOX, Config
from retouchd.endpoint.api_key import KeySource

Sections = Mapping[str, Mapping[str, Any]]


def reload(running: Running, *, outcome: str = "configuration.reloaded") -> dict[str, Any]:
    """
    Ask for a reload and wait for what comes of it; return its line.
    """
    before = len(running.events(outcome))
    running.tell(signal.SIGHUP)
    running.until(lambda: len(running.events(outcome)) > before)
    return running.events(outcome)[-1]


def test_every_table_is_one_or_the_other() -> None:
    """
    A new table must be said to change at once, or to need a restart.
    """
    assert LIVE.isdisjoint(AT_START)
    assert set(Config.model_fields) == LIVE | AT_START


def config(**tables: Any) -> Config:
    return Config.model_validate(tables)


@pytest.mark.parametrize(
    ("old", "new", "changed", "late"),
    [
        ({}, {}, [], []),
        ({}, {"edit": {"prompt": "blue"}}, ["edit.prompt"], []),
        ({}, {"limits": {"x*": {"n": 1}}}, ["limits"], []),
        ({}, {"endpoint": {"api_key": "sk-2"}}, ["endpoint.api_key"], []),
        ({}, {"intake": {"settle_seconds": 9}}, [], ["intake.settle_seconds"]),
        ({}, {"folders": {"root": "/a"}, "images": {"fit": False}}, ["images.fit"], ["folders.root"]),
        ({}, {"endpoint": {"base_url": "http://a/v1"}}, ["endpoint.base_url"], []),
        ({}, {"endpoint": {"base_url": SANDBOX}}, [], ["endpoint.base_url"]),
        ({"endpoint": {"base_url": SANDBOX}}, {}, [], ["endpoint.base_url"]),
        (
            {"endpoint": {"base_url": SANDBOX}},
            {"endpoint": {"base_url": SANDBOX, "style": "xai"}},
            [],
            ["endpoint.style"],
        ),
        (
            {"endpoint": {"base_url": "http://a/v1", "api_key": "sk-a"}},
            {"endpoint": {"base_url": SANDBOX, "api_key": "sk-b", "auth": "x-b", "concurrency": 9}},
            ["endpoint.concurrency"],
            ["endpoint.base_url", "endpoint.api_key", "endpoint.auth"],
        ),
    ],
)  # fmt: skip
def test_what_changes_and_what_needs_a_restart(
    old: dict[str, Any], new: dict[str, Any], changed: list[str], late: list[str]
) -> None:
    """
    By its key, in the order of the configuration.
    """
    found = news(config(**old), config(**new))

    assert (list(found.changed), list(found.late)) == (changed, late)


def test_a_key_stays_with_its_address() -> None:
    """
    Where the address can only change at a restart, the key written beside the new one is not sent to the old.
    """
    there = config(endpoint={"base_url": "http://a/v1", "headers": {"X-Key": "a"}})
    source = KeySource(place="a's file")
    old = there.model_copy(update={"endpoint": there.endpoint.with_key("sk-a", source)})
    new = config(endpoint={"base_url": SANDBOX, "api_key": "sk-b", "headers": {"X-Key": "b"}})

    found = news(old, new).config.endpoint

    assert found.api_key == old.endpoint.api_key
    assert found.key_source == source
    assert found.headers == {"X-Key": "a"}


_TABLES = st.fixed_dictionaries(
    {
        "endpoint": st.fixed_dictionaries(
            {
                "base_url": st.sampled_from([SANDBOX, "http://a/v1", "http://b/v1"]),
                "concurrency": st.integers(1, 3),
            }
        ),
        "intake": st.fixed_dictionaries({"settle_seconds": st.integers(0, 2)}),
        "edit": st.fixed_dictionaries({"n": st.integers(1, 3)}),
    }
)


@given(old=_TABLES, new=_TABLES)
def test_a_reload_is_told_once_and_undone_by_the_old_file(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    """
    What is in force holds no key that needs a restart; the same file again changes nothing more.
    """
    one, other = config(**old), config(**new)

    found = news(one, other)

    assert found.config.intake == one.intake
    assert news(found.config, other).changed == ()
    assert news(found.config, other).late == found.late
    assert news(found.config, one).config == one


def test_a_prompt_for_all_that_waits(station: Station) -> None:
    """
    Pictures that wait for a prompt get the new one, those that come later too.
    """
    endpoint = station.endpoint()
    base = {"base_url": endpoint.url}
    station.configure(endpoint=base)
    running = station.start("run").ready()
    station.drop("cat.png", None)

    station.configure(endpoint=base, edit={"prompt": "make it blue", "model": "gpt-image-1.5"})
    line = reload(running)
    running.until(lambda: running.events("job.done"))

    assert line["changed"] == ["edit.model", "edit.prompt"]
    assert [each["prompt"] for each in endpoint.seen] == ["make it blue"]
    request = station.record("done/cat.job.json")["request"]
    assert request["model"] == "gpt-image-1.5"
    assert running.end(signal.SIGTERM) == 0


def test_another_key_and_address_end_a_pause_at_once(station: Station) -> None:
    """
    The account of the old ones is at fault; nothing is restarted, and neither key is said.
    """
    broken, sound = station.endpoint("key"), station.endpoint()
    station.configure(endpoint={"base_url": broken.url})
    running = station.start("run").ready()
    station.drop("cat.png")
    running.until(lambda: running.events("job.returned"))

    station.configure(endpoint={"base_url": sound.url, "api_key": f"{CANARY}-2"})
    line = reload(running)
    running.until(lambda: running.events("job.done"))

    assert line["changed"] == ["endpoint.base_url", "endpoint.api_key"]
    assert (len(broken.requests), len(sound.requests)) == (1, 1)
    assert len(running.events("daemon.resumed")) == 1
    assert running.end(signal.SIGTERM) == 0


def test_another_style_while_a_request_is_opened(station: Station, tmp_path: Path) -> None:
    """
    The disk is slow to note that a request with a mask is about to be sent, and meanwhile the endpoint becomes
    one that takes no masks: the picture is not asked for without its mask, and ends with that reason.
    """
    disk = HangingDisk(tmp_path)
    endpoint = station.endpoint("rate:retry_after=1:times=1")
    base = {"base_url": endpoint.url}
    station.configure(endpoint=base)
    (station.folders.inbox / "cat.mask.png").write_bytes(photo(mode="RGBA"))
    station.drop("cat.png")
    config = ("run", "--config", os.fspath(station.config))
    running = station.run(RETOUCHD, *config, environment=disk.environment).ready()
    running.until(lambda: running.events("request.failed"))
    (job,) = (station.folders.work / "jobs").iterdir()
    disk.hang(job / "attempt-1-2.open")
    running.until(lambda: disk.is_met)

    station.configure(endpoint={**base, "style": "xai"})
    reload(running)
    disk.let_go()
    running.until(lambda: running.events("job.failed"))

    record = station.record("error/cat.job.json")
    assert record["error"]["code"] == "parameter_invalid"
    assert [each["code"] for each in record["attempts"]] == ["rate_limit_exceeded", "outdated"]
    assert len(endpoint.requests) == 1
    assert running.end(signal.SIGTERM) == 0


def test_more_at_once(station: Station) -> None:
    """
    A wider gate lets those through that wait for a place; what is out meanwhile goes on.
    """
    endpoint = station.endpoint("latency=4")
    station.configure(endpoint={"base_url": endpoint.url, "concurrency": 1})
    for name in ("ant.png", "bee.png", "cat.png", "dog.png"):
        station.drop(name)
    running = station.start("run").ready()
    running.until(lambda: len(endpoint.requests) == 1)

    station.configure(endpoint={"base_url": endpoint.url, "concurrency": 4})
    reload(running)
    running.until(lambda: len(endpoint.requests) == 4)

    assert not running.events("job.done"), "all four are out at once"
    running.until(lambda: len(running.events("job.done")) == 4)
    assert running.end(signal.SIGTERM) == 0
    assert Counter(endpoint.requests).most_common(1)[0][1] == 1


def test_a_larger_budget_and_another_price(station: Station) -> None:
    """
    A day that was used up goes on, and the record counts by the new price.
    """
    endpoint = station.endpoint()
    base = {"base_url": endpoint.url}
    station.configure(endpoint=base, budget={"images_per_day": 1})
    running = station.start("run").ready()
    for name in ("ant.png", "bee.png"):
        station.drop(name)
    # The pause may come first: the budget is used up as soon as a request is opened.
    running.until(lambda: running.events("daemon.paused") and running.events("job.done"))
    assert len(endpoint.requests) == 1

    price = {'"gpt-image-2"': {"per_call": 0.25}}
    station.configure(endpoint=base, budget={"images_per_day": 9}, pricing=price)
    reload(running)
    running.until(lambda: len(running.events("job.done")) == 2)

    assert running.events("job.done")[-1]["cost_usd"] == 0.25
    assert running.end(signal.SIGTERM) == 0


def test_the_log_says_less_from_now_on(station: Station) -> None:
    """
    Its level is changed too.
    """
    running = station.start("run").ready()

    # What needs a restart is told by a warning, behind the rest.
    station.configure(logging={"level": "warning"}, intake={"rescan_seconds": 30})
    reload(running, outcome="configuration.late")
    station.drop("cat.png")
    running.until(lambda: station.tree("outbox"))

    assert running.end(signal.SIGTERM) == 0
    assert not running.events("job.done")


def test_a_bad_file_changes_nothing_and_is_told(station: Station) -> None:
    """
    Every fault is in the log, and `status` says so until the file is mended.
    """
    endpoint = station.endpoint()
    base = {"base_url": endpoint.url}
    station.configure(endpoint=base)
    running = station.start("run").ready()

    station.configure(
        endpoint={**base, "concurency": 2}, edit={"prompt": "make it pink", "n": "many"}
    )
    line = reload(running, outcome="configuration.refused")
    station.drop("cat.png", None)
    station.drop("dog.png")
    running.until(lambda: running.events("job.done"))

    assert len(line["problems"]) == 2
    assert "did you mean endpoint.concurrency?" in line["problems"][0]
    assert station.tree("inbox") == ["cat.png"], "the prompt of the bad file is not in force"
    running.until(lambda: "could not be used; the old one stays in force" in said(station))
    station.configure(endpoint=base)
    reload(running, outcome="configuration.unchanged")
    running.until(lambda: "could not be used" not in said(station))
    assert running.end(signal.SIGTERM) == 0


def said(station: Station) -> str:
    # The file on disk may be at fault: a copy of the folders' names is enough to ask.
    place = station.root / "asking.toml"
    place.write_text('[folders]\nroot = "."\n', "utf-8")
    _, running = station.bare("status", "--config", os.fspath(place))
    return " ".join(running.out.split())


@pytest.mark.parametrize(
    ("text", "word"), [("[edit\n", "TOML"), (None, "is not there")], ids=["no TOML", "no file"]
)
def test_a_file_that_cannot_be_read_changes_nothing(
    station: Station, text: str | None, word: str
) -> None:
    """
    Half written or gone for a moment: the daemon goes on.
    """
    running = station.start("run").ready()
    if text is None:
        station.config.unlink()
    else:
        station.config.write_text(text, "utf-8")

    line = reload(running, outcome="configuration.refused")
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))

    assert word in line["problems"][0]
    assert running.end(signal.SIGTERM) == 0


def test_an_endpoint_that_cannot_be_reached_so_changes_nothing(station: Station) -> None:
    """
    What only the client finds wrong with an address, a header or an authority refuses the reload too.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url})
    running = station.start("run").ready()

    station.configure(
        endpoint={"base_url": endpoint.url, "ca_file": "gone.pem"}, edit={"prompt": "pink"}
    )
    line = reload(running, outcome="configuration.refused")
    station.drop("cat.png", None)
    station.drop("dog.png")
    running.until(lambda: running.events("job.done"))

    assert "gone.pem" in line["problems"][0]
    assert station.tree("inbox") == ["cat.png"]
    assert running.end(signal.SIGTERM) == 0


def test_what_needs_a_restart_is_named(station: Station) -> None:
    """
    The rest of the file is in force all the same.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url})
    running = station.start("run").ready()

    station.configure(
        folders={"outbox": "elsewhere"},
        endpoint={"base_url": endpoint.url, "concurrency": 2},
        intake={"orphan_seconds": 7},
    )
    line = reload(running, outcome="configuration.late")
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))

    assert line["keys"] == ["folders.outbox", "intake.orphan_seconds"]
    assert running.events("configuration.reloaded")[-1]["changed"] == ["endpoint.concurrency"]
    assert station.tree("outbox") == ["cat.png"]
    running.until(
        lambda: "A restart is needed for what was changed: folders.outbox" in said(station)
    )
    assert running.end(signal.SIGTERM) == 0


def test_the_manager_hears_when_it_begins_and_ends(station: Station) -> None:
    """
    The reload protocol of systemd 253, also where the file is refused: else it would wait for ever.
    """
    place = station.root / "notify"
    said: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(os.fspath(place))
        manager.setblocking(False)

        def has_heard(*wanted: str) -> bool:
            with contextlib.suppress(BlockingIOError):
                while True:
                    said.extend(manager.recv(4096).decode().split("\n"))
            return [line for line in said if line in {"READY=1", "RELOADING=1"}] == list(wanted)

        running = station.start("run", NOTIFY_SOCKET=os.fspath(place)).ready()
        running.until(lambda: has_heard("READY=1"))
        reload(running, outcome="configuration.unchanged")
        running.until(lambda: has_heard("READY=1", "RELOADING=1", "READY=1"))
        station.config.write_text("[", "utf-8")
        reload(running, outcome="configuration.refused")
        running.until(lambda: has_heard("READY=1", *["RELOADING=1", "READY=1"] * 2))
        assert running.end(signal.SIGTERM) == 0

    after = said[said.index("RELOADING=1") + 1]
    assert after.startswith("MONOTONIC_USEC=")


def has_done(running: Running, jobs: int) -> bool:
    return len(running.events("job.done")) >= jobs


def test_reloads_under_load_lose_nothing_and_buy_nothing_twice(station: Station) -> None:
    """
    Thirty jobs, and a configuration that changes again and again between two endpoints.
    """
    one, other = station.endpoint("latency=0.3"), station.endpoint("latency=0.3")
    names = [f"job{number:02}.png" for number in range(30)]
    station.configure(endpoint={"base_url": one.url, "concurrency": 2})
    for name in names:
        station.drop(name)
    running = station.start("run").ready()

    choices: list[tuple[Endpoint, int]] = [(other, 4), (one, 1), (other, 3), (one, 8)]
    for turn, (endpoint, width) in enumerate(choices * 2):
        running.until(partial(has_done, running, 2 * turn))
        station.configure(endpoint={"base_url": endpoint.url, "concurrency": width})
        for _ in range(3):
            running.tell(signal.SIGHUP)
    running.until(lambda: len(running.events("job.done")) == 30)

    assert running.end(signal.SIGTERM) == 0
    assert station.tree("outbox") == names
    asked = Counter([*one.requests, *other.requests])
    assert len(asked) == asked.total() == 30
    assert one.requests
    assert other.requests


def test_a_reload_while_it_stops_is_too_late(station: Station) -> None:
    """
    It neither holds the stop up nor ends it before its time.
    """
    endpoint = station.endpoint("latency=2")
    station.configure(endpoint={"base_url": endpoint.url})
    running = station.start("run").ready()
    station.drop("cat.png")
    running.until(lambda: endpoint.requests)

    running.tell(signal.SIGTERM)
    running.until(lambda: running.events("daemon.stopping"))
    running.tell(signal.SIGHUP)

    assert running.end() == 0
    assert station.tree("outbox") == ["cat.png"]
    assert not running.events("configuration.unchanged")


def test_a_kill_after_a_reload_starts_with_the_new_file(station: Station) -> None:
    """
    What was in force is in the file: nothing else needs to be remembered.
    """
    endpoint = station.endpoint("latency=3:times=1")
    station.configure(endpoint={"base_url": endpoint.url})
    running = station.start("run").ready()
    station.drop("cat.png")
    running.until(lambda: endpoint.requests)
    station.configure(endpoint={"base_url": endpoint.url}, edit={"prompt": "make it pink"})
    reload(running)
    station.drop("dog.png", None)

    running.kill()
    again = station.start("run").ready()
    again.until(lambda: len(again.events("job.done")) == 2)

    assert again.end(signal.SIGTERM) == 0
    assert station.record("done/dog.job.json")["request"]["prompt"] == "make it pink"
    assert Counter(endpoint.requests).most_common(1)[0][1] == 2, "one was out when it died"
