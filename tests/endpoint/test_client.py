"""
The endpoint's client against real sockets: what it sends, and how every exchange can end.
"""

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from edits_server import (
    KEY,
    OK,
    PICTURE,
    REQUEST,
    Exchange,
    Handler,
    answering,
    asked,
    certificate,
    endpoint,
    fetched,
    reset_after_head,
    serving,
    upload_of,
)
from retouchd import __version__
from retouchd.endpoint.addresses import is_public, target_of
from retouchd.endpoint.client import (
    EditsClient,
    FetchFailed,
    FetchPrivate,
    FetchRefused,
    NoAnswer,
    NotSent,
    Upload,
    UploadUnreadable,
)
from retouchd.errors import ConfigurationError

__all__ = ["certificate"]

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def serving_picture(*headers: str, body: bytes = PICTURE, status: str = "200 OK") -> Handler:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return answering("\r\n".join(lines).encode() + body)


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    path = tmp_path / "红 cat.png"
    path.write_bytes(PICTURE)
    return upload_of(path)


async def test_the_request_is_what_the_contract_says(upload: Upload) -> None:
    """
    Path, headers, fields and files arrive as promised; the length is declared and the connection not kept.
    """
    async with (
        serving(answering(OK)) as server,
        EditsClient(endpoint(server.base_url, headers={"X-Group": "g"})) as client,
    ):
        head, body = await asked(client, upload)

    request = server.seen[0]
    boundary = request.headers.pop("content-type").removeprefix("multipart/form-data; boundary=")
    assert (head.status, head.headers["content-type"], body) == (200, "application/json", b"{}")
    assert request.line == "POST /v1/images/edits HTTP/1.1"
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": f"Bearer {KEY}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"retouchd/{__version__}",
        "idempotency-key": "job-1",
        "x-group": "g",
        "connection": "close",
        "content-length": str(len(request.body)),
    }
    assert (
        request.body
        == (
            f'--{boundary}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n改成蓝色\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="image.png"\r\n'
            "Content-Type: image/png\r\n\r\n"
        ).encode()
        + PICTURE
        + f"\r\n--{boundary}--\r\n".encode()
    )


async def test_several_pictures_and_a_mask_go_in_one_request(upload: Upload) -> None:
    """
    Several pictures are `image[]`, in order, and the mask comes last.
    """
    async with serving(answering(OK)) as server, EditsClient(endpoint(server.base_url)) as client:
        await asked(client, upload, upload, mask=upload)

    body = server.seen[0].body
    names = [line for line in body.split(b"\r\n") if b"filename=" in line]
    assert names == [
        b'Content-Disposition: form-data; name="image[]"; filename="image-1.png"',
        b'Content-Disposition: form-data; name="image[]"; filename="image-2.png"',
        b'Content-Disposition: form-data; name="mask"; filename="mask.png"',
    ]


async def test_a_base_url_may_end_in_a_slash_and_carry_a_query(upload: Upload) -> None:
    """
    The path is joined once and a version in the query stays.
    """
    async with (
        serving(answering(OK)) as server,
        EditsClient(endpoint(f"{server.base_url}/?api-version=1")) as client,
    ):
        await asked(client, upload)

    assert server.seen[0].line == "POST /v1/images/edits?api-version=1 HTTP/1.1"


async def test_a_persons_header_replaces_ours(upload: Upload) -> None:
    """
    Another scheme of authorization can be set, whatever the case of its name.
    """
    headers = {"AUTHORIZATION": "Token t"}
    async with (
        serving(answering(OK)) as server,
        EditsClient(endpoint(server.base_url, headers=headers)) as client,
    ):
        await asked(client, upload)

    assert server.seen[0].headers["authorization"] == "Token t"


async def test_a_redirect_is_an_answer_and_is_not_followed(upload: Upload) -> None:
    """
    The key never goes where a redirect points.
    """
    async with serving(answering(OK)) as other:
        reply = f"HTTP/1.1 307 Moved\r\nLocation: {other.base_url}\r\nContent-Length: 0\r\n\r\n"
        async with (
            serving(answering(reply.encode())) as server,
            EditsClient(endpoint(server.base_url)) as client,
        ):
            head, _ = await asked(client, upload)

    assert (head.status, head.headers["location"]) == (307, other.base_url)
    assert not other.seen


async def test_a_refused_connection_sent_nothing(upload: Upload) -> None:
    """
    Where nobody listens, nothing was sent, and the sentence says so in plain words.
    """
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with EditsClient(endpoint(f"http://127.0.0.1:{port}/v1")) as client:
            with pytest.raises(
                NotSent, match=f"cannot connect to 127.0.0.1:{port}: Connection refused"
            ):
                await asked(client, upload)


async def test_an_unknown_host_sent_nothing(upload: Upload) -> None:
    """
    A name that does not resolve is a failed connection.
    """
    async with EditsClient(endpoint("http://no-such-host.invalid/v1")) as client:
        with pytest.raises(NotSent, match=r"cannot connect to no-such-host\.invalid: [A-Z]"):
            await asked(client, upload)


async def test_a_handshake_that_never_ends_sent_nothing(upload: Upload) -> None:
    """
    A server that does not speak TLS got no request.
    """
    async with serving(answering(OK)) as server:
        strange = endpoint(f"https://127.0.0.1:{server.port}/v1", connect_timeout_seconds=0.3)
        async with EditsClient(strange) as client:
            with pytest.raises(NotSent, match="cannot connect"):
                await asked(client, upload)


async def test_an_untrusted_certificate_gets_no_request(
    certificate: tuple[Path, ssl.SSLContext], upload: Upload
) -> None:
    """
    A certificate of nobody's is refused before anything is sent, and accepted when its file is named.
    """
    ca_file, context = certificate
    async with serving(answering(OK), ssl=context) as server:
        base_url = f"https://localhost:{server.port}/v1"
        async with EditsClient(endpoint(base_url)) as client:
            with pytest.raises(NotSent, match="certificate is not trusted"):
                await asked(client, upload)
        assert not server.seen
        async with EditsClient(endpoint(base_url, ca_file=ca_file)) as client:
            head, _ = await asked(client, upload)

    assert head.status == 200


async def test_a_deadline_before_the_connection_sent_nothing(upload: Upload) -> None:
    """
    A server whose queue is full never accepts; when time is up nothing has been sent.
    """
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        base_url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        async with EditsClient(endpoint(base_url, timeout_seconds=0.3)) as client:
            with pytest.raises(NotSent, match=r"no connection to .* within 0.3 s"):
                await asked(client, upload)


async def close_after_request(exchange: Exchange) -> None:
    await exchange.read_body()


async def answer_in_part(exchange: Exchange) -> None:
    await exchange.read_body()
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


async def answer_in_broken_chunks(exchange: Exchange) -> None:
    await exchange.read_body()
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{")


async def answer_in_riddles(exchange: Exchange) -> None:
    await exchange.read_body()
    await exchange.send(b"\x15\x03\x01 what?\r\n\r\n")


async def stall(exchange: Exchange) -> None:
    await exchange.read_body()
    await exchange.reader.read()


async def drip(exchange: Exchange) -> None:
    await exchange.read_body()
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await exchange.send(b" ")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "handler",
    [
        reset_after_head,
        close_after_request,
        answer_in_part,
        answer_in_broken_chunks,
        answer_in_riddles,
    ],
)
async def test_a_connection_cut_after_sending_is_no_answer(
    handler: Handler, upload: Upload
) -> None:
    """
    Whatever breaks once the request is on its way may have been charged.
    """
    async with serving(handler) as server, EditsClient(endpoint(server.base_url)) as client:
        with pytest.raises(NoAnswer):
            await asked(client, upload)


@pytest.mark.parametrize("handler", [stall, drip])
async def test_the_deadline_covers_the_whole_exchange(handler: Handler, upload: Upload) -> None:
    """
    Neither silence nor a byte now and then outlives the deadline.
    """
    async with (
        serving(handler) as server,
        EditsClient(endpoint(server.base_url, timeout_seconds=0.4)) as client,
    ):
        started = time.monotonic()
        with pytest.raises(NoAnswer, match=r"within 0\.4 s"):
            await asked(client, upload)

    assert time.monotonic() - started < 5


async def test_an_early_refusal_is_read(tmp_path: Path) -> None:
    """
    A server that refuses a large upload before its end, and goes on reading, is understood.
    """
    large = tmp_path / "large.png"
    large.write_bytes(bytes(3 << 20))

    async def refuse(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await exchange.read_body()

    async with serving(refuse) as server, EditsClient(endpoint(server.base_url)) as client:
        head, _ = await asked(client, upload_of(large))

    assert head.status == 413


async def test_an_endless_answer_is_cut(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An answer beyond the cap is no answer.
    """
    monkeypatch.setattr("retouchd.endpoint.client.ANSWER_LIMIT", 1 << 20)

    async def flood(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await exchange.send(bytes(65_536))

    async with serving(flood) as server, EditsClient(endpoint(server.base_url)) as client:
        with pytest.raises(NoAnswer, match="larger than 1 MiB"):
            await asked(client, upload)


@pytest.mark.parametrize("change", [-1, 0, +1])
async def test_a_file_that_changes_while_sent_is_not_sent(
    change: int, tmp_path: Path, upload: Upload
) -> None:
    """
    A file that is written to breaks the request off before its end, also where it stays as long as it was:
    nothing can be charged, and nothing is sent that nobody judged.
    """
    second = tmp_path / "second.png"
    second.write_bytes(bytes(2 << 20))
    os.utime(second, ns=(1, 1))
    growing = upload_of(second, mtime_ns=1)

    async def change_then_read(exchange: Exchange) -> None:
        second.write_bytes(bytes((2 << 20) + change))
        await exchange.read_body()
        await exchange.send(OK)

    (tmp_path / "first.png").write_bytes(bytes(16 << 20))
    first = upload_of(tmp_path / "first.png")
    async with (
        serving(change_then_read, limit=65_536) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        with pytest.raises(UploadUnreadable, match=r"second\.png changed while it was being sent"):
            await asked(client, first, growing)


async def test_a_file_that_is_gone_is_not_sent(tmp_path: Path) -> None:
    """
    A file of ours that cannot be read is told apart from a failing endpoint.
    """
    gone = Upload(path=tmp_path / "gone.png", content_type="image/png", size=7)
    async with serving(answering(OK)) as server, EditsClient(endpoint(server.base_url)) as client:
        with pytest.raises(UploadUnreadable, match=r"gone\.png cannot be read"):
            await asked(client, gone)
        assert server.seen == []

    assert not server.seen


async def test_what_the_caller_does_is_not_cut_off(upload: Upload) -> None:
    """
    Keeping an answer may outlast the deadline once the answer is there.
    """
    async with (
        serving(answering(OK)) as server,
        EditsClient(endpoint(server.base_url, timeout_seconds=0.3)) as client,
    ):
        late = asyncio.Event()
        asyncio.get_running_loop().call_later(0.4, late.set)
        async with client.ask(request=REQUEST, images=[upload], mask=None, key="k") as answer:
            body = b"".join([chunk async for chunk in answer.chunks()])
            await late.wait()

    assert body == b"{}"


async def test_an_answer_may_be_left_unread(upload: Upload) -> None:
    """
    Leaving before the end closes the connection.
    """
    closed = asyncio.Event()

    async def flood(exchange: Exchange) -> None:
        await exchange.read_body()
        try:
            await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await exchange.send(bytes(65_536))
        finally:
            closed.set()

    async with serving(flood) as server, EditsClient(endpoint(server.base_url)) as client:
        async with client.ask(request=REQUEST, images=[upload], mask=None, key="k") as answer:
            assert await anext(answer.chunks())
        async with asyncio.timeout(60):
            await closed.wait()


async def test_a_large_upload_neither_fills_memory_nor_stalls_the_loop(tmp_path: Path) -> None:
    """
    25 MB pass through in pieces, read on other threads than the loop's.
    """
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(25_000_000)
    received = 0

    async def count(exchange: Exchange) -> None:
        nonlocal received
        left = int(exchange.headers["content-length"])
        while left and (piece := await exchange.reader.read(65_536)):
            left -= len(piece)
            received += len(piece)
        await exchange.send(OK)

    gaps: list[float] = []

    async def heartbeat() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - before)

    async with (
        serving(count) as server,
        EditsClient(endpoint(server.base_url)) as client,
        asyncio.TaskGroup() as group,
    ):
        beating = group.create_task(heartbeat())
        tracemalloc.start()
        try:
            await asked(client, upload_of(large))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            beating.cancel()

    assert received > 25_000_000
    assert peak < 10_000_000
    assert max(gaps) < 0.25


async def test_files_are_never_read_on_the_loops_thread(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A slow mount delays its own request only.
    """
    threads: set[int] = set()
    read = os.preadv

    def watched(file: int, buffers: Sequence[memoryview], at: int) -> int:
        threads.add(threading.get_ident())
        return read(file, buffers, at)

    async with serving(answering(OK)) as server, EditsClient(endpoint(server.base_url)) as client:
        monkeypatch.setattr(os, "preadv", watched)
        await asked(client, upload)

    assert threads
    assert threading.get_ident() not in threads


async def test_a_cancelled_request_leaves_nothing_behind(upload: Upload) -> None:
    """
    A second signal may end a request at any moment: the connection closes, no task stays.
    """
    before = asyncio.all_tasks()
    async with serving(stall) as server, EditsClient(endpoint(server.base_url)) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await asked(client, upload)

    assert {task for task in asyncio.all_tasks() - before if "connected" not in repr(task)} == set()


async def test_many_requests_run_at_once(upload: Upload) -> None:
    """
    No pool holds a request back: what is started is sent.
    """
    together = asyncio.Barrier(24)

    async def meet(exchange: Exchange) -> None:
        await exchange.read_body()
        await together.wait()
        await exchange.send(OK)

    async with (
        serving(meet) as server,
        EditsClient(endpoint(server.base_url)) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(24):
            group.create_task(asked(client, upload))

    assert len(server.seen) == 24


async def test_models_are_listed_whole(upload: Upload) -> None:
    """
    The list of models comes with its head, also from a server that compresses unasked.
    """
    body = gzip.compress(b'{"data":[]}', mtime=0)
    reply = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    async with (
        serving(answering(reply.encode() + body)) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        head, listed = await client.models()

    assert (head.status, listed) == (200, b'{"data":[]}')
    assert server.seen[0].line == "GET /v1/models HTTP/1.1"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
async def test_chunks_come_unpacked_and_masked(upload: Upload, encoding: str) -> None:
    """
    What was compressed unasked arrives as it can be read, without the key that it quotes.
    """
    said = f'{{"error": "Incorrect API key provided: {KEY}"}}'.encode()
    body = PACKED[encoding](said)
    reply = (
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with (
        serving(answering(reply.encode() + body)) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        _, came = await asked(client, upload)

    assert came == said.replace(KEY.encode(), b"*" * len(KEY))


async def test_a_bomb_ends_where_too_much_came_of_it(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A few bytes that hold very many are no whole answer; as much as may come has come.
    """
    monkeypatch.setattr("retouchd.endpoint.client._UNPACKED", 1 << 20)
    body = brotli.compress(bytes(50_000_000))
    reply = f"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: {len(body)}\r\n\r\n"
    came = bytearray()

    async def all_of(chunks: AsyncIterator[bytes]) -> None:
        nonlocal came
        async for chunk in chunks:
            came += chunk

    async with (
        serving(answering(reply.encode() + body)) as server,
        EditsClient(endpoint(server.base_url)) as client,
        client.ask(request=REQUEST, images=[upload], mask=None, key="job-1") as answer,
    ):
        with pytest.raises(NoAnswer, match="unpacks to more than 1 MiB"):
            await all_of(answer.chunks())

    assert 0 < len(came) < 2 << 20


async def test_a_picture_is_fetched_from_the_endpoint_with_the_key() -> None:
    """
    A relative URL leads to the endpoint's own origin, which gets the key.
    """
    async with (
        serving(serving_picture("Content-Type: image/png")) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        picture = await fetched(client, "/v1/images/7/content?a=1")

    assert picture == PICTURE
    assert server.seen[0].line == "GET /v1/images/7/content?a=1 HTTP/1.1"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.seen[0].headers["accept"] == "image/*"


async def test_another_origin_gets_no_key() -> None:
    """
    A picture on another host, even another port, is fetched without any of the endpoint's headers.
    """
    async with serving(serving_picture("Content-Type: image/webp")) as other:
        options = {"allow_private_urls": True, "headers": {"X-Secret": "s"}}
        async with EditsClient(endpoint("http://127.0.0.1:9/v1", **options)) as client:
            picture = await fetched(client, f"http://127.0.0.1:{other.port}/a.webp")

    assert picture == PICTURE
    assert set(other.seen[0].headers) == {
        "accept",
        "accept-encoding",
        "connection",
        "host",
        "user-agent",
    }


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
)
async def test_a_private_address_is_not_fetched(host: str) -> None:
    """
    However it is written, an address of this machine is refused before a connection is made.
    """
    async with (
        serving(serving_picture("Content-Type: image/png")) as server,
        EditsClient(endpoint("https://relay.example/v1")) as client,
    ):
        with pytest.raises(FetchRefused, match="private address"):
            await fetched(client, f"http://{host}:{server.port}/a.png")

    assert not server.seen


async def test_the_checked_address_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A name that changes its mind after the check is not asked again; the server still sees the name.
    """
    answers: list[str] = []

    async def resolve(_loop: object, host: object, port: int, **_options: object) -> list[Any]:
        answers.append(str(host))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async with (
        serving(serving_picture("Content-Type: image/png")) as server,
        EditsClient(endpoint("https://relay.example/v1")) as client,
    ):
        loop = type(asyncio.get_running_loop())
        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        monkeypatch.setattr("retouchd.endpoint.addresses.is_public", lambda _address: True)
        picture = await fetched(client, f"http://cdn.example:{server.port}/a.png")

    assert picture == PICTURE
    assert answers.count("cdn.example") == 1
    assert server.seen[0].headers["host"] == f"cdn.example:{server.port}"


async def test_a_checked_address_must_still_prove_its_name(
    certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Connecting to an address changes nothing about TLS: the certificate must be the name's.
    """
    ca_file, context = certificate

    async def resolve(_loop: object, _host: object, port: int, **_options: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    handler = serving_picture("Content-Type: image/png")
    relay = endpoint("https://relay.example/v1", ca_file=ca_file)
    async with serving(handler, ssl=context) as server, EditsClient(relay) as client:
        monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
        monkeypatch.setattr("retouchd.endpoint.addresses.is_public", lambda _address: True)
        assert await fetched(client, f"https://cdn.example:{server.port}/a.png") == PICTURE
        with pytest.raises(FetchFailed, match="certificate is not trusted"):
            await fetched(client, f"https://other.example:{server.port}/a.png")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b::7f00:1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fe80::1%lo", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:93.184.216.34", False),
        ("2002:7f00:1::", False),
    ],
)
def test_public_addresses_are_told_from_private_ones(address: str, public: bool) -> None:  # noqa: FBT001
    """
    Private, shared, link-local, reserved and multicast addresses, and any in disguise, are not public.
    """
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://host/a.png",
        "javascript:alert(1)",
        "http://",
        "http:///a.png",
        "http://[::1",
        "http://host:port/a.png",
        "http://" + "a" * 70 + ".example/",
        "https://host/" + "a" * 9000,
    ],
)
async def test_a_url_that_is_no_web_address_is_refused(url: str) -> None:
    """
    Only http and https are fetched, and only what can be taken apart.
    """
    async with EditsClient(endpoint("https://relay.example/v1")) as client:
        with pytest.raises(FetchRefused):
            await fetched(client, url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/files/a.png", "https://relay.example/files/a.png"),
        ("files/a.png", "https://relay.example/v1/files/a.png"),
        ("//cdn.example/a.png", "https://cdn.example/a.png"),
        ("http://CDN.example:80/a b.png?s=%2F&t=/", "http://cdn.example/a%20b.png?s=%2F&t=/"),
        ("https://user:pw@cdn.example:8443", "https://cdn.example:8443/"),
        ("https://图.example/图.png#x", "https://xn--wcs.example/%E5%9B%BE.png"),
        ("http://evil.example\\@relay.example/", "http://relay.example/"),
    ],
)
def test_urls_are_rebuilt_from_their_parts(url: str, expected: str) -> None:
    """
    What is requested is what was checked, in plain ASCII.
    """
    assert target_of(url, "https://relay.example/v1").at() == expected


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Type: image/jpeg; charset=x"],
        ["Content-Type: application/octet-stream"],
        [],
        ["Content-Type: text/html"],
        ["Content-Type: application/json"],
    ],
)
async def test_what_a_url_holds_is_not_told_by_its_type(headers: list[str]) -> None:
    """
    Servers name pictures as they like: their bytes are judged, later.
    """
    async with (
        serving(serving_picture(*headers)) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        assert await fetched(client, "/a") == PICTURE


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("302 Found", FetchFailed),
        ("400 Bad", FetchRefused),
        ("410 Gone", FetchRefused),
        ("202 Accepted", FetchFailed),
        ("204 No Content", FetchFailed),
        ("401 Unauthorized", FetchFailed),
        ("403 Forbidden", FetchFailed),
        ("404 Not Found", FetchFailed),
        ("429 Too Many", FetchFailed),
        ("500 Oops", FetchFailed),
        ("503 Later", FetchFailed),
    ],
)
async def test_a_fetch_that_cannot_work_is_told_from_one_that_may(
    status: str, error: type[Exception]
) -> None:
    """
    What is gone or never was a request is final; everything else may be there in a while.
    """
    handler = serving_picture("Content-Type: image/png", body=b"", status=status)
    async with serving(handler) as server, EditsClient(endpoint(server.base_url)) as client:
        with pytest.raises(error, match=status[:3]):
            await fetched(client, "/a")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["same host", "other host"])
async def test_a_redirect_is_followed_without_the_key(status: int, *, is_elsewhere: bool) -> None:
    """
    Relative or absolute, to another host or back to the endpoint: nobody gets the key who did not have it.
    """
    picture = serving_picture("Content-Type: image/png")
    async with serving(picture) as other:

        async def handler(exchange: Exchange) -> None:
            if "/a" not in exchange.line:
                await picture(exchange)
                return
            there = f"http://127.0.0.1:{other.port}/b?c=%20d" if is_elsewhere else "../b?c=%20d"
            head = f"HTTP/1.1 {status} There\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
            await exchange.send(head.encode())

        async with serving(handler) as first:
            allowed = endpoint(first.base_url, allow_private_urls=True)
            async with EditsClient(allowed) as client:
                assert await fetched(client, "/v1/a") == PICTURE
        last = other.seen[-1] if is_elsewhere else first.seen[-1]
    assert last.line.split()[1] == "/b?c=%20d"
    assert "authorization" in first.seen[0].headers
    assert "authorization" not in last.headers


async def test_each_step_of_a_redirect_is_looked_at() -> None:
    """
    A public url may lead into the house; and one that leads to itself is not followed for ever.
    """
    picture = serving_picture("Content-Type: image/png")
    async with serving(picture) as other:
        house = f"HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:{other.port}/b\r\n\r\n"
        async with (
            serving(answering(house.encode())) as server,
            EditsClient(endpoint(server.base_url)) as client,
        ):
            with pytest.raises(FetchPrivate, match="private address"):
                await fetched(client, "/a")
        assert not other.seen
    circle = b"HTTP/1.1 302 There\r\nLocation: /a\r\n\r\n"
    async with (
        serving(answering(circle)) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        with pytest.raises(FetchFailed, match="redirected 10 times"):
            await fetched(client, "/a")
        assert len(server.seen) == 10


async def test_a_picture_that_breaks_off_may_be_fetched_again() -> None:
    """
    A picture cut short, or whose server is gone, failed for now.
    """
    cut = answering(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 99\r\n\r\nx")
    async with serving(cut) as server, EditsClient(endpoint(server.base_url)) as client:
        with pytest.raises(FetchFailed, match="broke off"):
            await fetched(client, "/a")
    async with EditsClient(endpoint(server.base_url)) as client:
        with pytest.raises(FetchFailed, match="cannot connect"):
            await fetched(client, "/a")


async def test_a_picture_beyond_the_cap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A picture larger than the cap is given up while it streams.
    """
    monkeypatch.setattr("retouchd.endpoint.transfers.PICTURE_LIMIT", 1 << 20)
    body = bytes((1 << 20) + 1)
    async with (
        serving(serving_picture("Content-Type: image/png", body=body)) as server,
        EditsClient(endpoint(server.base_url)) as client,
    ):
        with pytest.raises(FetchRefused, match="larger than 1 MiB"):
            await fetched(client, "/a")


async def test_requests_go_through_the_environments_proxy(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    HTTP_PROXY is honoured, NO_PROXY too, and this machine is always reached directly.
    """
    async with serving(answering(OK)) as proxy, serving(answering(OK)) as server:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "direct.invalid")
        async with EditsClient(endpoint("http://relay.invalid/v1")) as client:
            await asked(client, upload)
        async with EditsClient(endpoint(server.base_url)) as client:
            await asked(client, upload)
        async with EditsClient(endpoint("http://direct.invalid/v1")) as client:
            with pytest.raises(NotSent):
                await asked(client, upload)

    assert [exchange.line for exchange in proxy.seen] == [
        "POST http://relay.invalid/v1/images/edits HTTP/1.1"
    ]
    assert len(server.seen) == 1


async def test_a_proxy_of_another_kind_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A SOCKS proxy is refused at start, by the variable's name and without its password.
    """
    monkeypatch.setenv("all_proxy", "socks5://u:secret@127.0.0.1:1080")

    with pytest.raises(ConfigurationError, match=r"ALL_PROXY .* socks5 proxy") as caught:
        async with EditsClient(endpoint("https://relay.example/v1")):
            pass

    assert "secret" not in str(caught.value)


async def test_an_unusable_authority_is_reported(tmp_path: Path) -> None:
    """
    A file that is no certificate is refused at start, by its name.
    """
    file = tmp_path / "ca.pem"
    file.write_text("nothing")

    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        async with EditsClient(endpoint("https://relay.example/v1", ca_file=file)):
            pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "relay.example/v1"}, "base_url"),
        ({"base_url": "ftp://relay.example"}, "base_url"),
        ({"api_key": "sk-CANARY\n"}, "api_key"),
        ({"api_key": "sk-CANARY密"}, "api_key"),
        ({"api_key": ""}, "api_key"),
        ({"headers": {"Content-Type": "application/json"}}, "Content-Type is set by retouchd"),
        ({"headers": {"X Y": "z"}}, "'X Y'"),
        ({"headers": {"X-Y": "a\r\nB: c"}}, "'X-Y'"),
    ],
)
def test_what_could_not_be_sent_is_reported_at_start(changes: dict[str, Any], words: str) -> None:
    """
    An address, key or header that would fail at the first request fails at start, and no key is quoted.
    """
    values = {"base_url": "https://relay.example/v1"} | changes

    with pytest.raises(ConfigurationError, match=words) as caught:
        EditsClient(endpoint(**values))

    assert "CANARY" not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    """
    Neither the key nor a header's value is in the endpoint's representation.
    """
    shown = repr(endpoint("https://relay.example/v1", headers={"api-key": KEY}))

    assert KEY not in shown
