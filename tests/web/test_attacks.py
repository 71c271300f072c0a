"""
The listener under attack while photos are edited: slow clients, floods, huge uploads, odd paths.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from documents import section
from process import Running, Station
from web_station import free_port, listening, picture, post

pytestmark = pytest.mark.slow(20)

JOBS = 12


def connected(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def asked(url: str, raw: bytes) -> bytes:
    """
    Send raw bytes, and return all that is answered until the other side closes.
    """
    with connected(url) as client:
        client.sendall(raw)
        return b"".join(iter(lambda: client.recv(65536), b""))


def edited(station: Station, running: Running, names: str) -> float:
    """
    Return how long a batch of photos takes.
    """
    done = len(running.events("job.done"))
    for number in range(JOBS):
        station.drop(f"{names}{number:02}.png")
    began = time.monotonic()
    running.until(lambda: len(running.events("job.done")) == done + JOBS)
    return time.monotonic() - began


@contextlib.contextmanager
def under_attack(*attacks: Callable[[], object]) -> Iterator[None]:
    """
    Attack again and again meanwhile.
    """
    over = threading.Event()

    def attack(once: Callable[[], object]) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError, httpx.HTTPError):
                once()

    threads = [threading.Thread(target=attack, args=(each,), daemon=True) for each in attacks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(60)


@pytest.mark.timeout(300)
def test_photos_do_not_hear_of_an_attack(station: Station) -> None:
    """
    Their rate is what it was, each is paid for once, and afterwards the listener answers as before.
    """
    endpoint = station.endpoint("latency=0.3")
    running, url = listening(
        station, endpoint={"base_url": endpoint.url, "concurrency": 2}, web={"max_upload_mb": 1}
    )
    calm = edited(station, running, "calm")
    held: list[socket.socket] = []

    def slow_heads() -> None:
        if len(held) < 300:
            client = connected(url)
            client.sendall(b"POST /edit HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
            held.append(client)
        time.sleep(0.01)

    def huge_upload() -> None:
        body = (b"x" * 65536 for _ in range(64))
        kind = {"content-type": "multipart/form-data; boundary=b"}
        httpx.post(f"{url}/edit", content=body, headers=kind, timeout=30)

    def unread() -> None:
        client = connected(url)
        client.sendall(b"GET /api/status.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200)
        held.append(client)
        time.sleep(0.2)

    with under_attack(
        slow_heads,
        huge_upload,
        unread,
        lambda: httpx.get(f"{url}/metrics", timeout=10),
        lambda: httpx.get(f"{url}/edit/post-0123456789abcdef", timeout=10),
        lambda: asked(url, b"\x16\x03\x01 no http at all\r\n\r\n"),
        lambda: post(url, b"no picture", wait=None, prompt="x"),
    ):
        attacked = edited(station, running, "hot")
    for client in held:
        client.close()

    assert attacked < 2 * calm + 5, (attacked, calm)
    assert len(endpoint.requests) == len(station.tree("outbox")) == 2 * JOBS
    assert not running.events("daemon.stuck", "daemon.paused", "intake.crashed", "job.crashed")
    running.until(lambda: httpx.get(f"{url}/livez", timeout=60).status_code == 200)
    assert post(url, picture(), prompt="blue").status_code == 200
    assert [path for path in station.folders.inbox.rglob("*") if path.is_file()] == []
    assert running.end(signal.SIGTERM) == 0


def test_a_head_that_does_not_come_is_not_waited_for(station: Station) -> None:
    """
    Nor are more connections kept than there are to be; who comes then is turned away.
    """
    running, url = listening(station)
    slow = connected(url)
    slow.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    began = time.monotonic()

    assert slow.recv(100) == b""
    assert 5 < time.monotonic() - began < 30
    slow.close()
    with contextlib.ExitStack() as stack:
        for _ in range(256):
            stack.enter_context(connected(url))
        late = stack.enter_context(connected(url))
        late.settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            assert late.recv(100) == b""
    running.until(lambda: httpx.get(f"{url}/livez").status_code == 200)
    assert running.end(signal.SIGTERM) == 0


TRAVERSALS = [
    *(
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/edit/../../done/a.job.json",
    ),
    *(
        "/edit/..%2f..%2fdone",
        "/edit/post-0123456789abcdef/..",
        "/edit/%00",
        "/static/../config.toml",
    ),
    *(
        "/edit/post-0123456789abcdef%2f..%2f..%2fconfig.toml",
        "/api/../../config.toml",
        "/outbox/cat.png",
    ),
]


def test_nothing_outside_is_served_and_nobody_is_echoed(station: Station) -> None:
    """
    Whatever the path; odd requests get an answer or an end, and another Host nothing at all.
    """
    running, url = listening(station)
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))
    key = station.config.read_bytes()

    for path in TRAVERSALS:
        raw = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        answer = asked(url, raw)
        assert re.match(rb"HTTP/1.1 (404|400) ", answer), (path, answer[:80])
        assert b"root:" not in answer
        assert key[:40] not in answer
    for raw in (
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"OPTIONS /edit HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    ):
        assert re.match(rb"HTTP/1.1 4(21|00) ", asked(url, raw)), raw
    foreign = {"origin": "http://evil.example"}
    assert httpx.post(f"{url}/edit", headers=foreign, content=b"x").status_code == 403
    cors = httpx.options(
        f"{url}/edit", headers={**foreign, "access-control-request-method": "POST"}
    )
    assert "access-control-allow-origin" not in cors.headers
    script = "<script>alert(1)</script>"
    for told in (
        httpx.get(f"{url}/edit/{script}"),
        httpx.post(f"{url}/edit", files={script: ("a.png", picture())}),
        post(url, b"GIF89a", prompt="x", folder=f"../{script}"),
        httpx.post(f"{url}/edit", files={"image": ("a.png", picture())}, data={script: "x"}),
    ):
        assert told.headers["content-type"] == "application/json"
        assert told.headers["x-content-type-options"] == "nosniff"
    assert station.tree("inbox") == []
    assert running.end(signal.SIGTERM) == 0


def test_a_large_picture_goes_through_a_file_and_not_through_memory(station: Station) -> None:
    """
    Twenty megabytes of it, chunked; the daemon grows by a fraction of that.
    """
    endpoint = station.endpoint()
    running, url = listening(station, endpoint={"base_url": endpoint.url})
    noise = station.home / "noise.png"
    with noise.open("wb") as file:
        file.write(picture(size=(64, 64)) + b"\0" * 20_000_000)
    resident = _resident(running)

    answer = post(url, noise.read_bytes(), prompt="blue", wait=60)

    assert answer.status_code == 200, answer.text
    assert _resident(running) - resident < 60_000_000
    assert running.end(signal.SIGTERM) == 0


def _resident(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def test_a_port_is_never_taken_twice(station: Station) -> None:
    """
    Another run on other folders does not get the port of the first.
    """
    port = free_port()
    running, _ = listening(station, web={"listen": f"127.0.0.1:{port}"})
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            probe.bind(("127.0.0.1", port))
    assert running.end(signal.SIGTERM) == 0


def test_a_proxy_in_front_puts_it_below_a_path(station: Station) -> None:
    """
    The nginx of docs/programs.md: a picture goes in and comes out there, and a cookie is for that path.
    """
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    token, port, place = "0123456789abcdef-act", free_port(), station.home / "nginx"
    running, url = listening(
        station,
        web={"token": token, "root_path": "/retouch", "trusted_proxies": ["127.0.0.1"]},
    )
    told = section("docs/programs.md", "Who may ask").partition("```nginx\n")[2].partition("```")[0]
    location = told.replace("http://127.0.0.1:8484", url)
    assert location.count(url) == 1
    place.mkdir()
    (place / "nginx.conf").write_text(
        f"""
daemon off; pid {place}/pid; error_log stderr; worker_processes 1; user root;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {place}/a; proxy_temp_path {place}/b;
    fastcgi_temp_path {place}/c; uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;
    server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""
    )
    front = station.run(nginx, "-p", os.fspath(place), "-c", os.fspath(place / "nginx.conf"))
    front.until(lambda: accepts(port))
    public, bearer = f"http://127.0.0.1:{port}/retouch", {"authorization": f"Bearer {token}"}

    answer = post(public, picture(), prompt="blue", headers=bearer)

    assert answer.status_code == 200, answer.text
    address = answer.headers["content-location"]
    assert address.startswith("/retouch/edit/post-")
    again = httpx.get(f"http://127.0.0.1:{port}{address}", headers=bearer)
    assert again.content == answer.content
    login = httpx.post(
        f"{public}/login", data={"token": token}, headers={"origin": f"http://127.0.0.1:{port}"}
    )
    assert login.status_code == 303, login.text
    assert "Path=/retouch" in login.headers["set-cookie"]
    foreign = {"origin": "http://evil.example"}
    assert httpx.post(f"{public}/login", data={"token": token}, headers=foreign).status_code == 403
    assert httpx.get(f"{public}/livez").json()["alive"] is True
    with httpx.stream("GET", f"{public}/events", headers=bearer, timeout=30) as stream:
        assert any(line.startswith("data:") for line in stream.iter_lines()), "kept back on the way"
    assert running.end(signal.SIGTERM) == 0
