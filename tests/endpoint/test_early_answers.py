"""
Answers that come before an upload has ended are heard, however the server closes (issue 14, A1).
"""

import asyncio
import base64
import json
import ssl
from pathlib import Path

import pytest

from early_server import (
    MANNERS,
    MB,
    Manner,
    Visit,
    close_at_once,
    drain,
    error,
    half_close_and_stay,
    serving_early,
    stay_open_unread,
)
from edits_server import (
    OK,
    Exchange,
    asked,
    certificate,
    endpoint,
    reset_after_head,
    serving,
    upload_of,
)
from retouchd.endpoint.client import EditsClient, NoAnswer, NotSent

__all__ = ["certificate"]

SPENT = error("401 Unauthorized", "invalid_api_key")
PICTURE = json.dumps({"data": [{"b64_json": base64.b64encode(bytes(300_000)).decode()}]}).encode()


@pytest.fixture(params=[3, 20], ids=["3 MB", "20 MB"])
def photo(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return photo_of(tmp_path, request.param * MB)


def photo_of(folder: Path, size: int) -> Path:
    path = folder / "photo.png"
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("manner", MANNERS, ids=lambda manner: manner.__name__)
async def test_an_early_answer_is_heard(
    manner: Manner, photo: Path, certificate: tuple[Path, ssl.SSLContext], *, is_tls: bool
) -> None:
    """
    Head and body, five times out of five.
    """
    ca_file, context = certificate
    with serving_early(SPENT, manner, context=context if is_tls else None) as server:
        async with EditsClient(endpoint(server.base_url, ca_file=ca_file)) as client:
            for _ in range(5):
                head, body = await asked(client, upload_of(photo))
                assert (head.status, body) == (401, SPENT.partition(b"\r\n\r\n")[2])


async def test_an_answer_before_the_request_is_heard(photo: Path) -> None:
    """
    A full server answers on accepting, and has read nothing at all.
    """
    full = error("429 Too Many Requests", "rate_limit_exceeded", "Retry-After: 7")
    with serving_early(full, close_at_once, before_head=True) as server:
        async with EditsClient(endpoint(server.base_url)) as client:
            head, _ = await asked(client, upload_of(photo))

    assert (head.status, head.headers["retry-after"]) == (429, "7")


WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(PICTURE), PICTURE)
IN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
    len(PICTURE),
    PICTURE,
)


@pytest.mark.parametrize("manner", [half_close_and_stay, stay_open_unread, drain])
@pytest.mark.parametrize("answer", [WITH_LENGTH, IN_CHUNKS], ids=["length", "chunks"])
async def test_an_early_picture_is_an_answer(answer: bytes, manner: Manner, photo: Path) -> None:
    """
    A picture that comes before the upload's end arrives whole.
    """
    with serving_early(answer, manner) as server:
        async with EditsClient(endpoint(server.base_url)) as client:
            assert (await asked(client, upload_of(photo)))[1] == PICTURE


async def test_a_head_at_once_does_not_end_the_upload(photo: Path) -> None:
    """
    A server may answer 200 at once, fill the wait with spaces, and still want the whole upload.
    """

    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n  ")
        left = int(exchange.headers["content-length"])
        while left and (piece := await exchange.reader.read(65_536)):
            left -= len(piece)
        await exchange.send(PICTURE if not left else b"cut off")

    async with serving(answer) as server, EditsClient(endpoint(server.base_url)) as client:
        assert (await asked(client, upload_of(photo)))[1] == b"  " + PICTURE


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 413 Too Large\r\n\r\n<html>",
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 100\r\n\r\n<html>",
        b"HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<html>\r\n",
    ],
)
async def test_an_early_refusal_is_one_without_its_end(
    head: bytes, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing more comes and nobody closes: the status was said, and nobody waits for the deadline.
    """
    monkeypatch.setattr("retouchd.endpoint.http11._REFUSED", 0.2)

    async def answer(exchange: Exchange) -> None:
        await exchange.send(head)
        await asyncio.Event().wait()

    async with (
        serving(answer, limit=1024) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        heard, body = await asked(client, upload_of(photo))

    assert (heard.status, body) == (413, b"<html>")


async def test_the_rest_of_an_upload_is_no_request(photo: Path) -> None:
    """
    A server that takes the rest of the upload for the next request, and answers that too, is heard once.
    """

    def manner(visit: Visit) -> None:
        visit.sock.sendall(SPENT + error("400 Bad Request", "bad"))
        visit.sock.close()

    with serving_early(SPENT, manner) as server:
        async with EditsClient(endpoint(server.base_url)) as client:
            head, body = await asked(client, upload_of(photo))

    assert (head.status, body) == (401, SPENT.partition(b"\r\n\r\n")[2])


def say_nothing(visit: Visit) -> None:
    visit.read(MB)
    visit.reset()


async def stop_reading(exchange: Exchange) -> None:
    await exchange.reader.read(1)
    await asyncio.Event().wait()


async def test_a_request_cut_off_in_its_midst_was_not_sent(tmp_path: Path) -> None:
    """
    Without its last bytes, which the kernel never got, it is no request to anybody.
    """
    photo = upload_of(photo_of(tmp_path, 20 * MB))
    with serving_early(b"", say_nothing) as server:
        async with EditsClient(endpoint(server.base_url)) as client:
            with pytest.raises(NotSent, match="did not take the whole request: Connection reset"):
                await asked(client, photo)
    async with (
        serving(stop_reading, limit=1024) as stuck,
        EditsClient(endpoint(stuck.base_url, timeout_seconds=0.4)) as client,
    ):
        with pytest.raises(NotSent, match="did not take the whole request"):
            await asked(client, photo)


async def test_a_request_cut_off_behind_its_end_may_have_been_received(tmp_path: Path) -> None:
    """
    Once the last bytes were handed over nobody knows, however small the part the server had read.
    """
    photo = upload_of(photo_of(tmp_path, 50_000))
    async with (
        serving(reset_after_head, limit=1024) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        with pytest.raises(NoAnswer):
            await asked(client, photo)


async def test_interim_answers_are_passed_over(photo: Path) -> None:
    """
    100, 102 and 103 are no answers, before, amid and after the upload.
    """

    async def answer(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: 1\r\n\r\n")
        await exchange.reader.read(1000)
        await exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)

    async with serving(answer) as server, EditsClient(endpoint(server.base_url)) as client:
        head, body = await asked(client, upload_of(photo))

    assert (head.status, dict(head.headers).get("link"), body) == (200, None, b"{}")
