"""
Answers that are badly framed or break off: every byte that came reaches the caller (issue 14, A2).
"""

import asyncio
import contextlib
import fcntl
import ssl
import termios
import time
from pathlib import Path

import pytest

from early_server import MB, Manner, Visit, serving_early
from edits_server import REQUEST, certificate, endpoint, upload_of
from retouchd.endpoint.client import EditsClient, Head, NoAnswer

__all__ = ["certificate"]

LARGE = b'{"data": "%s"}' % (b"A" * MB)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(LARGE), LARGE)


def told(length: int) -> bytes:
    return OK + b"Content-Length: %d\r\n\r\n" % length + LARGE


def closing(visit: Visit) -> None:
    """
    Read the request, answer, close.
    """
    visit.read_all()
    visit.send()
    visit.sock.close()


def resetting(visit: Visit) -> None:
    """
    Read the request, answer, reset once the client has had the time to read what came.
    """
    visit.read_all()
    visit.send()
    wait_until_read(visit)
    visit.reset()


def staying(visit: Visit) -> None:
    """
    Read the request, answer, and leave the connection open, whatever was asked.
    """
    visit.read_all()
    visit.send()
    visit.read(1)


def in_parts(visit: Visit) -> None:
    """
    The last bytes come a moment after the others.
    """
    visit.read_all()
    visit.sock.sendall(visit.answer[:-10])
    time.sleep(0.1)
    visit.sock.sendall(visit.answer[-10:])
    visit.sock.close()


def wait_until_read(visit: Visit) -> None:
    end = time.monotonic() + 20
    while fcntl.ioctl(visit.sock, termios.TIOCOUTQ, bytes(4)) != bytes(4):
        assert time.monotonic() < end
        time.sleep(0.01)


async def everything(client: EditsClient, photo: Path) -> tuple[Head, bytes, bool]:
    """
    Return the head, all bytes of the body, and whether it was whole.
    """
    got = bytearray()
    images = [upload_of(photo)]
    async with client.ask(request=REQUEST, images=images, mask=None, key="k") as answer:
        with contextlib.suppress(NoAnswer):
            async for chunk in answer.chunks():
                got += chunk
            return answer.head, bytes(got), True
    return answer.head, bytes(got), False


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(bytes(60_000))
    return path


WHOLE, BROKEN = True, False


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("answer", "manner", "is_whole"),
    [
        (told(len(LARGE)), closing, WHOLE),
        (told(len(LARGE)), staying, WHOLE),
        (told(len(LARGE)), resetting, WHOLE),
        (told(len(LARGE) + 1), closing, BROKEN),
        (told(len(LARGE) + 1), resetting, BROKEN),
        (told(len(LARGE) - 9), closing, WHOLE),
        (told(len(LARGE) - 10), in_parts, WHOLE),
        (told(len(LARGE) - 9), staying, WHOLE),
        (told(5), closing, WHOLE),
        (told(5), resetting, WHOLE),
        (told(0), closing, WHOLE),
        (OK + b"\r\n" + LARGE, closing, WHOLE),
        (OK + b"\r\n" + LARGE, resetting, BROKEN),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK, closing, BROKEN),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK, resetting, BROKEN),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK + b"0\r\n", resetting, WHOLE),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n", staying, WHOLE),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + LARGE, closing, WHOLE),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + LARGE, closing, WHOLE),
        (b"\r\nHTTP/1.1 200\nBroken line\n\n" + LARGE, closing, WHOLE),
    ],
)
async def test_every_byte_reaches_the_caller(
    answer: bytes,
    manner: Manner,
    photo: Path,
    certificate: tuple[Path, ssl.SSLContext],
    *,
    is_whole: bool,
    is_tls: bool,
) -> None:
    """
    However the body was framed and however the connection ended; what is missing is told afterwards.
    """
    ca_file, context = certificate
    with serving_early(answer, manner, context=context if is_tls else None) as server:
        async with EditsClient(endpoint(server.base_url, ca_file=ca_file)) as client:
            head, body, whole = await everything(client, photo)

    assert head.status == 200
    assert body == LARGE
    # TLS tells a connection that was reset apart from one that ended, but not always.
    assert whole == is_whole or (is_tls and manner is resetting)


async def test_a_torn_head_is_a_status(photo: Path) -> None:
    """
    A status line that came whole was said, and nothing is known of the body.
    """
    with serving_early(b"HTTP/1.1 401 Unauthorized\r\nContent-Le", closing) as server:
        async with EditsClient(endpoint(server.base_url)) as client:
            head, body, whole = await everything(client, photo)

    assert (head.status, body, whole) == (401, b"", False)


async def test_a_server_that_never_closes_holds_nobody_up(photo: Path) -> None:
    """
    A moment is waited for what may lie beyond the length told, not for the deadline.
    """
    with serving_early(told(len(LARGE)), staying) as server:
        async with EditsClient(endpoint(server.base_url)) as client:
            async with asyncio.timeout(60):
                assert await everything(client, photo)
