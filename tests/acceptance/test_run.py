"""
`retouchd run` as a service runs it: photos come while it works, signals, kills, and starts after them.
"""

import signal
from collections import Counter

from PIL import Image

from checker import check_at_any_time, check_at_the_end, requests_out
from process import Running, Station


def whole_pictures(station: Station) -> list[str]:
    """
    Decode whatever lies in the outbox, and return what it is called.
    """
    names = station.tree("outbox")
    for name in names:
        with Image.open(station.folders.outbox / name) as picture:
            picture.load()
    return names


def in_work(station: Station) -> list[str]:
    return sorted(path.name for path in (station.folders.work / "jobs").iterdir())


def test_photos_dropped_while_it_runs(station: Station) -> None:
    """
    Prompt first, image first, Chinese, in a new sub-folder: each result appears, whole, where it belongs.
    """
    running = station.start("run").ready()

    station.drop("cat.png", "make it blue")
    station.drop("dog.jpg", "turn it grey", image_first=True)
    station.drop("花/猫.png", "改成黑白，加边框")
    running.until(lambda: len(whole_pictures(station)) == 3)
    running.until(lambda: len(running.events("job.done")) == 3)

    assert running.end(signal.SIGTERM) == 0
    assert station.tree("outbox") == ["cat.png", "dog.png", "花/猫.png"]
    assert station.tree("inbox") == station.tree("error") == []
    record = station.record("done/花/猫.job.json")
    assert (record["status"], record["folder"]) == ("done", "花")
    assert record["request"]["prompt"] == "改成黑白，加边框"
    assert (station.folders.done / "花/猫.txt").read_text("utf-8") == "改成黑白，加边框"


def test_sigterm_lets_a_request_in_flight_finish(station: Station) -> None:
    """
    It is paid for: its picture is published, nothing new is claimed, and the exit code is 0.
    """
    endpoint = station.endpoint("latency=1.5")
    station.configure(endpoint={"base_url": endpoint.url})
    station.drop("cat.png")
    running = station.start("run")
    running.until(lambda: endpoint.requests)

    running.tell(signal.SIGTERM)
    running.until(lambda: running.events("daemon.stopping"))
    station.drop("late.png")

    assert running.end() == 0
    assert station.tree("outbox") == ["cat.png"]
    assert station.tree("inbox") == ["late.png", "late.txt"]
    assert in_work(station) == []
    assert len(endpoint.requests) == 1


def test_a_second_signal_stops_at_once(station: Station) -> None:
    """
    Whoever does not want to wait need not; the next start asks for that picture at most once more.
    """
    endpoint = station.endpoint("latency=30:times=1")
    station.configure(endpoint={"base_url": endpoint.url})
    station.drop("cat.png")
    originals = station.originals()
    running = station.start("run")
    running.until(lambda: endpoint.requests)

    running.tell(signal.SIGTERM)
    running.until(lambda: running.events("daemon.stopping"))
    running.end(signal.SIGINT)

    assert "Traceback" not in running.err
    check_at_any_time(station.folders, originals, is_exact=True)
    finish(station, interrupted=1)
    check_at_the_end(station.folders, originals, endpoint.requests, asked_again=1)
    assert station.tree("outbox") == ["cat.png"]


def test_a_kill_in_flight_costs_at_most_what_was_in_flight(station: Station) -> None:
    """
    After kill -9 the next start finishes everything; only requests that were on their way are repeated.
    """
    endpoint = station.endpoint("latency=30:times=3")
    station.configure(endpoint={"base_url": endpoint.url, "concurrency": 3})
    names = [f"{animal}.png" for animal in ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")]
    for name in names:
        station.drop(name)
    originals = station.originals()
    running = station.start("run")
    running.until(lambda: len(endpoint.requests) == 3)

    running.kill()

    check_at_any_time(station.folders, originals, is_exact=True)
    in_flight = requests_out(station.folders)
    assert in_flight == 3
    finish(station, interrupted=3)
    check_at_the_end(station.folders, originals, endpoint.requests, asked_again=in_flight)
    assert station.tree("outbox") == names
    assert station.tree("error") == []
    assert max(Counter(endpoint.requests).values()) == 2


def finish(station: Station, *, interrupted: int) -> None:
    """
    Start again, have the interrupted jobs asked without delay, and stop once everything is done.
    """
    running = station.start("run")
    running.until(lambda: len(running.events("request.failed")) == interrupted)
    running.tell(signal.SIGHUP)
    running.until(lambda: is_at_rest(station, running))
    assert running.end(signal.SIGTERM) == 0


def is_at_rest(station: Station, running: Running) -> bool:
    return not station.tree("inbox") and not in_work(station) and bool(running.events("job.done"))


def test_sighup_makes_a_paused_daemon_ask_at_once(station: Station) -> None:
    """
    An empty account pauses it with nothing in error; after SIGHUP it goes on without its long wait.
    """
    endpoint = station.endpoint("quota:times=1")
    station.configure(endpoint={"base_url": endpoint.url})
    running = station.start("run").ready()
    station.drop("cat.png")
    running.until(lambda: running.events("job.returned"))
    running.until(lambda: station.tree("inbox") == ["cat.png", "cat.txt"])
    (paused,) = running.events("daemon.paused")
    assert paused["probe_in"] > 30

    running.tell(signal.SIGHUP)

    running.until(lambda: running.events("job.done"))
    assert len(running.events("daemon.resumed")) == 1
    assert running.end(signal.SIGTERM) == 0
    assert station.tree("error") == []
    assert len(endpoint.requests) == 2


def test_sighup_with_nothing_to_do_is_harmless(station: Station) -> None:
    """
    A reload of the service never ends it.
    """
    running = station.start("run").ready()

    running.tell(signal.SIGHUP)
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))

    assert running.end(signal.SIGINT) == 0


def test_it_rests_while_there_is_no_room(station: Station) -> None:
    """
    With more photos than it may take, it waits for the slow endpoint without working for it.
    """
    endpoint = station.endpoint("latency=2:times=1")
    station.configure(endpoint={"base_url": endpoint.url, "concurrency": 1})
    for name in ("ant.png", "bee.png"):
        station.drop(name)
    running = station.start("run")
    running.until(lambda: len(running.events("job.claimed")) == 2 and endpoint.requests)

    before = running.seconds_worked()
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))

    assert running.seconds_worked() - before < 0.6
    running.until(lambda: len(running.events("job.done")) == 3)
    assert running.end(signal.SIGTERM) == 0
