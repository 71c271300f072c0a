"""
Word to the service manager, as the manager hears it.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from process import DEADLINE_SECONDS, Station
from retouchd.service.watchdog import notify, watchdog_seconds


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """
    Listen as the service manager does.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(DEADLINE_SECONDS)
        yield listening


def hear(manager: socket.socket) -> list[str]:
    """
    Return the assignments of the next datagram.
    """
    return manager.recv(4096).decode().split("\n")


def hear_the_rest(manager: socket.socket) -> list[str]:
    """
    Return all assignments that have arrived by now.
    """
    manager.setblocking(False)
    rest = []
    with contextlib.suppress(BlockingIOError):
        while True:
            rest += hear(manager)
    return rest


@pytest.mark.parametrize("is_abstract", [False, True])
def test_assignments_arrive(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_abstract: bool
) -> None:
    """
    One datagram with a line for each, whether the socket has a place on disk or only a name.
    """
    name = f"retouchd-{os.getpid()}"
    manager.bind(f"\0{name}" if is_abstract else os.fspath(tmp_path / name))
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if is_abstract else os.fspath(tmp_path / name))

    notify("READY=1", "STATUS=3 in work; 改成黑白")

    assert manager.recv(4096).decode() == "READY=1\nSTATUS=3 in work; 改成黑白"


def test_a_manager_that_does_not_listen_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Without a manager, or with one that is gone, nothing happens.
    """
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    for gone in ("", os.fspath(tmp_path / "gone"), "@retouchd-gone", "nonsense"):
        monkeypatch.setenv("NOTIFY_SOCKET", gone)
        notify("READY=1")


def test_a_manager_that_does_not_read_holds_nobody_up(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    When its queue is full, a word is lost rather than waited for: the loop must not stand still.
    """
    place = os.fspath(tmp_path / "notify")
    manager.bind(place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"X=1", place)
    monkeypatch.setenv("NOTIFY_SOCKET", place)

    speaking = threading.Thread(target=notify, args=("STATUS=still here",))
    speaking.start()
    speaking.join(2)

    is_held_up = speaking.is_alive()
    hear_the_rest(manager)
    speaking.join()
    assert not is_held_up


def test_the_life_of_a_service(station: Station, manager: socket.socket) -> None:
    """
    More time to start in, READY after the first scan, STATUS as it works, STOPPING with more time while a
    paid request is out.
    """
    endpoint = station.endpoint("latency=1.5")
    station.configure(endpoint={"base_url": endpoint.url})
    station.drop("cat.png")
    place = station.root / "notify"
    manager.bind(os.fspath(place))
    running = station.start("run", NOTIFY_SOCKET=os.fspath(place))
    said = hear(manager)
    while "1 in work" not in said[-1]:
        said += hear(manager)
    running.until(lambda: endpoint.requests)

    assert running.end(signal.SIGTERM) == 0

    said += hear_the_rest(manager)
    before = said[: said.index("READY=1")]
    told = {line.partition("=")[0] for line in before}
    assert told - {"WATCHDOG"} == {"EXTEND_TIMEOUT_USEC", "STATUS"}
    assert any(line.startswith("STATUS=starting") for line in before)
    assert said.count("READY=1") == said.count("STOPPING=1") == 1
    after = said[said.index("STOPPING=1") :]
    extended = [int(line.partition("=")[2]) for line in after if line.startswith("EXTEND_TIMEOUT")]
    assert extended
    assert min(extended) >= 5_000_000
    assert any(line.startswith("STATUS=stopping") for line in after)
    assert station.tree("outbox") == ["cat.png"]


def test_the_watchdog_is_fed(station: Station, manager: socket.socket) -> None:
    """
    Twice in the time it allows, of this process only.
    """
    place = station.root / "notify"
    manager.bind(os.fspath(place))
    running = station.start("run", NOTIFY_SOCKET=os.fspath(place), WATCHDOG_USEC="200000")

    said = hear(manager)
    while said.count("WATCHDOG=1") < 5:
        said += hear(manager)

    assert running.end(signal.SIGTERM) == 0


def test_the_watchdog_of_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A shell around the daemon may have been meant; nonsense and zero mean no watchdog.
    """
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert watchdog_seconds() == 3
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_seconds() == 3
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_seconds() is None
    monkeypatch.delenv("WATCHDOG_PID")
    for nothing in ("", "0", "soon"):
        monkeypatch.setenv("WATCHDOG_USEC", nothing)
        assert watchdog_seconds() is None
