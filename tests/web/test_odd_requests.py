"""
Requests as no well-meaning program writes them: each gets an answer that says what is wrong, and drops nothing.
"""

import re
import signal
import socket

import httpx

from process import Station
from web_station import listening, picture, post


def asked(url: str, raw: bytes) -> bytes:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(raw)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_no_request_hides_within_another(station: Station) -> None:
    """
    With two lengths a proxy in front may see other requests than we do: the connection ends with the first.
    """
    running, url = listening(station)
    hidden = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    for lengths in (
        b"Content-Length: 5\r\n" + chunked,
        chunked + b"Content-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 46\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Content-Length: +5\r\n",
    ):
        for path in (b"/edit", b"/login"):
            raw = b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n0\r\n\r\n%s" % (
                path,
                lengths,
                hidden,
            )
            answer = asked(url, raw)
            assert answer.count(b"HTTP/1.1 ") == 1, (lengths, answer)
            assert re.match(rb"HTTP/1.1 (400|501) ", answer), (lengths, answer)
    assert running.end(signal.SIGTERM) == 0


def test_headers_that_come_twice_and_fields_that_mean_nothing(station: Station) -> None:
    """
    Two keys or a word that is no number are refused; several Prefer lines are one list, as RFC 7240 says.
    """
    endpoint = station.endpoint()
    running, url = listening(station, endpoint={"base_url": endpoint.url})
    files = {"image": ("a.png", picture())}
    keys = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    refused = {
        "key_twice": httpx.post(f"{url}/edit", files=files, data={"prompt": "x"}, headers=keys),
        "again is": post(url, picture(), prompt="x", again="perhaps"),
        "wait is": httpx.post(f"{url}/edit", files=files, data={"prompt": "x", "wait": "long"}),
        "16 folders": post(url, picture(), prompt="x", folder="/".join("abcdefghijklmnopq")),
        "x cannot be": post(url, picture(), prompt="x", folder="x" * 300),
    }

    for words, answer in refused.items():
        assert answer.status_code == 400, answer.text
        assert words in answer.text
    assert station.tree("inbox") == []
    wishes = [("Prefer", "respond-async"), ("Prefer", "wait=60")]
    waited = httpx.post(
        f"{url}/edit", files=files, data={"prompt": "x"}, headers=wishes, timeout=90
    )
    assert waited.status_code == 200
    assert running.end(signal.SIGTERM) == 0


def test_values_that_no_parser_likes(station: Station) -> None:
    """
    Numbers of thousands of digits, brackets without end: text as any other, never a fault of ours.
    """
    endpoint = station.endpoint()
    running, url = listening(station, endpoint={"base_url": endpoint.url})
    for number, value in enumerate(("9" * 5000, "[" * 100_000, "{a=" * 50_000, "7\nb = 1", "nan")):
        fields = {"prompt": f"x{number}", "extra.seed": value}
        answer = httpx.post(f"{url}/edit", files={"image": ("a.png", picture())}, data=fields)
        assert answer.status_code in {202, 400}, (value[:20], answer.text)
    assert not running.events("web.crashed", "intake.crashed", "job.crashed")
    assert running.end(signal.SIGTERM) == 0


def test_what_may_not_be_asked_so_says_how_it_may(station: Station) -> None:
    """
    405 names the methods (RFC 9110); nothing is answered to other sites' preflights.
    """
    running, url = listening(station)
    for path, methods in (("/edit", {"POST"}), ("/livez", {"GET", "HEAD"}), ("/logout", {"POST"})):
        answer = httpx.request("PUT", f"{url}{path}")
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == methods
    assert running.end(signal.SIGTERM) == 0
