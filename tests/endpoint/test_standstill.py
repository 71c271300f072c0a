"""
A process that stood still past a deadline takes what came meanwhile before it believes the deadline
(issue 14, A3).
"""

import asyncio
import signal
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from early_server import MB, Visit, serving_early
from edits_server import REQUEST, asked, certificate, endpoint, fetched, upload_of
from hostile_world import villain
from process import Running, Station
from retouchd.endpoint.client import EditsClient, NoAnswer

pytestmark = pytest.mark.slow(55)

__all__ = ["certificate"]

LARGE = bytes(8 * MB)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(LARGE), LARGE)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(bytes(10_000))
    return path


def stand_still(running: Running, until: Callable[[], bool], seconds: float) -> None:
    """
    Stop a daemon until something has happened, and for so long at least.
    """
    running.tell(signal.SIGSTOP)
    end = time.monotonic() + seconds
    running.until(until)
    while time.monotonic() < end:
        time.sleep(0.05)
    running.tell(signal.SIGCONT)


def test_a_stopped_daemon_asks_for_nothing_twice(station: Station) -> None:
    """
    Four answers in four sockets, and a deadline that passed long ago: four requests.
    """
    asked = station.endpoint("latency=1")
    station.configure(endpoint={"base_url": asked.url, "timeout_seconds": 3, "concurrency": 4})
    running = station.start("run").ready()
    for number in range(4):
        station.drop(f"{number}.png")
    running.until(lambda: len(asked.requests) == 4)

    stand_still(running, lambda: len(asked.seen) == 4, seconds=4.5)

    running.until(lambda: len(running.events("job.done")) == 4)
    assert len(asked.requests) == 4
    assert running.events("request.failed") == []


def test_what_no_socket_holds_comes_after_the_standstill(station: Station) -> None:
    """
    Of 43 MB only a beginning had come: the rest may follow, though the deadline has passed.
    """
    hostile = villain(station)
    station.configure(endpoint={"base_url": hostile.url, "timeout_seconds": 3})
    running = station.start("run").ready()
    station.drop("cat.png", "large")
    running.until(lambda: len(hostile.visits(0)) == 1)

    stand_still(running, lambda: True, seconds=4)

    running.until(lambda: running.events("job.done"))
    assert len(hostile.visits(0)) == 1


def whole(visit: Visit) -> None:
    visit.read_all()
    visit.send()


def in_two(visit: Visit) -> None:
    """
    The head at once, the rest when the client stands still.
    """
    visit.read_all()
    visit.sock.sendall(visit.answer[:200])
    time.sleep(0.5)
    visit.sock.sendall(visit.answer[200:])


def never(visit: Visit) -> None:
    visit.read(1 << 30)


async def held_up(requests: Callable[[], int], seconds: float) -> None:
    """
    Hold the event loop up once the server has the request.
    """
    while not requests():  # noqa: ASYNC110 - the server is another thread's
        await asyncio.sleep(0.01)
    time.sleep(seconds)  # noqa: ASYNC251 - just this is what is tried


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("manner", [whole, in_two])
async def test_a_loop_that_was_held_up_hears_the_answer(
    manner: Callable[[Visit], None],
    photo: Path,
    certificate: tuple[Path, ssl.SSLContext],
    *,
    is_tls: bool,
) -> None:
    """
    The timer is due before anything was read; 8 MB do not fit into a socket.
    """
    ca_file, context = certificate
    with serving_early(ANSWER, manner, context=context if is_tls else None) as server:
        reached = endpoint(server.base_url, ca_file=ca_file, timeout_seconds=3)
        async with EditsClient(reached) as client, asyncio.TaskGroup() as group:
            asking = group.create_task(asked(client, upload_of(photo)))
            await held_up(lambda: server.requests, 4)
            head, body = await asking

    assert (head.status, body) == (200, LARGE)


async def test_a_fetch_hears_the_picture_after_a_standstill() -> None:
    """
    The same holds for a result that lies elsewhere.
    """
    with serving_early(ANSWER, whole) as server:
        reached = endpoint(server.base_url, timeout_seconds=3)
        async with EditsClient(reached) as client, asyncio.TaskGroup() as group:
            fetching = group.create_task(fetched(client, "/a.png"))
            await held_up(lambda: server.requests, 4)
            assert await fetching == LARGE


async def test_a_standstill_is_seen_between_what_came_and_whom_it_goes_to() -> None:
    """
    Bytes were taken from the socket, and handed on only when the deadline had passed: the rest may follow.
    """
    is_begun, is_there, is_held_up = (threading.Event() for _ in range(3))

    def in_parts(visit: Visit) -> None:
        visit.sock.sendall(visit.answer[:200])
        is_begun.wait(60)
        visit.sock.sendall(visit.answer[200:400])
        is_there.set()
        is_held_up.wait(60)
        time.sleep(0.5)
        visit.sock.sendall(visit.answer[400:])

    def hold_up() -> None:
        time.sleep(4)
        is_held_up.set()

    with serving_early(ANSWER, in_parts) as server:
        reached = endpoint(server.base_url, timeout_seconds=3)
        async with EditsClient(reached) as client, client.fetch("/a.png") as answer:
            chunks = answer.chunks()
            got = await anext(chunks)
            is_begun.set()
            await asyncio.to_thread(is_there.wait, 60)
            asyncio.get_running_loop().call_soon(hold_up)
            async for chunk in chunks:
                got += chunk

    assert got == LARGE


async def test_a_handshake_outlives_a_standstill(
    photo: Path, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    """
    Time to connect that passed while we stood still was not the server's.
    """
    ca_file, context = certificate
    with serving_early(ANSWER, whole, context=context) as server:
        reached = endpoint(server.base_url, ca_file=ca_file, connect_timeout_seconds=0.4)
        async with EditsClient(reached) as client, asyncio.TaskGroup() as group:
            asking = group.create_task(asked(client, upload_of(photo)))
            await held_up(lambda: server.accepted, 1)
            head, _ = await asking

    assert head.status == 200


async def test_silence_after_a_standstill_ends_too(photo: Path) -> None:
    """
    What is given back is what was left, and a little; then the deadline counts.
    """
    with serving_early(b"", never) as server:
        reached = endpoint(server.base_url, timeout_seconds=3)
        async with EditsClient(reached) as client:
            asking = asyncio.create_task(asked(client, upload_of(photo)))
            await held_up(lambda: server.requests, 4)
            started = time.monotonic()
            with pytest.raises(NoAnswer, match="within 3 s"):
                await asking

    assert time.monotonic() - started < 10


async def test_lines_without_end_that_hold_nothing_end_too(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    They come as fast as they are read: there is never a moment at which nothing is there.
    """

    def flood(visit: Visit) -> None:
        visit.read_all()
        visit.send()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            visit.sock.sendall(b"\r\n" * MB)

    loop = asyncio.get_running_loop()
    usual = loop.time
    monkeypatch.setattr(loop, "time", lambda: 4 * usual())
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving_early(head, flood) as server:
        async with EditsClient(endpoint(server.base_url, timeout_seconds=2)) as client:
            with pytest.raises(NoAnswer, match="within 2 s"):
                await asked(client, upload_of(photo))


async def test_the_callers_time_is_not_the_servers(photo: Path) -> None:
    """
    A disk that takes its time for an answer's beginning does not cost its end.
    """
    with serving_early(ANSWER, whole) as server:
        async with EditsClient(endpoint(server.base_url, timeout_seconds=2)) as client:
            got = 0
            images = [upload_of(photo)]
            async with client.ask(request=REQUEST, images=images, mask=None, key="k") as answer:
                async for chunk in answer.chunks():
                    if not got:
                        await asyncio.sleep(2.5)
                    got += len(chunk)

    assert got == len(LARGE)
