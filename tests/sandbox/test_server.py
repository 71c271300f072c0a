import asyncio
import io
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import httpx
import openai
import pytest
from PIL import Image

from retouchd.errors import RetouchdError
from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.server import run, serve


def encoded(size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize(size).save(buffer, "PNG")
    return buffer.getvalue()


async def edit(client: httpx.AsyncClient, content: bytes = b"") -> httpx.Response:
    return await client.post(
        "/images/edits",
        data={"model": "gpt-image-2", "prompt": "蓝色"},
        files={"image": ("image.png", content or encoded(), "image/png")},
    )


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - a log line has no event
            await asyncio.sleep(0.01)


async def test_dozens_of_requests_are_open_at_once() -> None:
    """
    Two dozen requests are answered while two dozen others are kept waiting.
    """
    app = build_app(Rules(faults=(Fault(kind=FaultKind.STALL, times=24),)))

    async with (
        serve(app) as url,
        httpx.AsyncClient(verify=False, base_url=url, timeout=30) as client,
    ):
        stalled = [asyncio.ensure_future(edit(client)) for _ in range(24)]
        await until(lambda: sum(seen.charged for seen in app.state.log) == 24)
        answers = await asyncio.gather(*(edit(client) for _ in range(24)))
        are_waiting = not any(waiting.done() for waiting in stalled)
        for waiting in stalled:
            waiting.cancel()
        await asyncio.gather(*stalled, return_exceptions=True)

    assert are_waiting
    assert [answer.status_code for answer in answers] == [200] * 24
    assert len(app.state.log) == 48


async def test_the_loop_stays_free_while_pictures_are_painted() -> None:
    """
    A small request is answered while a large picture is still being painted.
    """
    app = build_app()

    async with (
        serve(app) as url,
        httpx.AsyncClient(verify=False, base_url=url, timeout=60) as client,
    ):
        large = asyncio.ensure_future(edit(client, encoded((3600, 2300))))
        await until(lambda: bool(app.state.log and app.state.log[0].files))
        await client.get("/models")
        is_painting = not app.state.log[0].charged
        answer = await large

    assert is_painting
    assert answer.status_code == 200


async def test_the_official_blocking_client_is_served() -> None:
    """
    A client that blocks its thread gets its edit from a server on another thread's loop.
    """
    async with serve(build_app()) as url:

        def ask() -> int:
            with openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
                image = ("image.png", encoded(), "image/png")
                answer = client.images.edit(model="gpt-image-2", image=image, prompt="blue", n=4)
            return len(answer.data or [])

        assert await asyncio.to_thread(ask) == 4


@pytest.mark.parametrize("kind", [FaultKind.STALL, FaultKind.LATENCY])
async def test_the_end_does_not_wait_for_open_requests(kind: FaultKind) -> None:
    """
    When the context ends, requests still open are cut at once.
    """
    app = build_app(Rules(faults=(Fault(kind=kind, seconds=600),)))

    async with httpx.AsyncClient(verify=False, timeout=60) as client:
        async with serve(app) as url:
            client.base_url = httpx.URL(url)
            waiting = [asyncio.ensure_future(edit(client)) for _ in range(5)]
            await until(lambda: sum(seen.charged for seen in app.state.log) == 5)
            stopping = time.monotonic()
        seconds = time.monotonic() - stopping
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

    assert seconds < 2
    assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes)


async def test_the_address_is_free_again_afterwards() -> None:
    """
    A port can be served again at once after the context has ended.
    """
    async with serve(build_app()) as url, httpx.AsyncClient(verify=False, base_url=url) as client:
        port = client.base_url.port or 0
        await edit(client)

    async with (
        serve(build_app(), port=port) as again,
        httpx.AsyncClient(verify=False, base_url=again) as client,
    ):
        assert (await edit(client)).status_code == 200


async def test_an_error_inside_the_context_comes_out_as_it_is() -> None:
    """
    What is raised while serving ends the serving and is not wrapped in anything.
    """
    with pytest.raises(ZeroDivisionError):
        async with serve(build_app()):
            raise ZeroDivisionError


async def test_a_taken_port_is_named() -> None:
    """
    A port another program holds ends in an error that names it and says what to do.
    """
    async with serve(build_app()) as url:
        port = httpx.URL(url).port or 0

        with pytest.raises(RetouchdError, match=f"Port {port} on 127.0.0.1 is already taken"):
            async with serve(build_app(), port=port):
                pass


def test_running_on_a_taken_port_is_an_error_too() -> None:
    """
    The blocking form raises the same error instead of ending the process.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(RetouchdError, match=str(port)):
            run(build_app(), host="127.0.0.1", port=port)


async def test_an_address_of_another_machine_is_refused() -> None:
    """
    An address that is not this machine's ends in an error that names it.
    """
    with pytest.raises(RetouchdError, match=r"192\.0\.2\.1"):
        async with serve(build_app(), host="192.0.2.1"):
            pass


async def test_signals_stay_as_they_were() -> None:
    """
    Serving inside a program does not take its signals.
    """
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    async with serve(build_app()):
        assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


async def test_no_fault_makes_a_noise(caplog: pytest.LogCaptureFixture) -> None:
    """
    Cut connections and clients that leave are what was asked for: nothing is logged.
    """
    kinds = (FaultKind.DROP, FaultKind.DROP_READ, FaultKind.TRUNCATE, FaultKind.STALL)
    app = build_app(Rules(faults=tuple(Fault(kind=kind, times=1) for kind in kinds)))

    with caplog.at_level(logging.INFO, logger="uvicorn"):
        async with serve(app) as url:
            host, port = httpx.URL(url).host, httpx.URL(url).port
            for _ in kinds:
                async with httpx.AsyncClient(verify=False, base_url=url, timeout=0.5) as client:
                    with pytest.raises(httpx.TransportError):
                        await edit(client)
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b"POST /v1/images/edits HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"no HTTP at all\r\n\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()

    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_blocking_form_quietly(number: signal.Signals) -> None:
    """
    The blocking form tells its address, and one signal ends it with exit code 0 and no output.
    """
    program = (
        "from retouchd.sandbox.app import build_app\n"
        "from retouchd.sandbox.server import run\n"
        "run(build_app(), host='127.0.0.1', port=0, ready=lambda url: print(url, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        models = httpx.get(f"{url}/models").status_code

        os.kill(process.pid, number)
        out, err = process.communicate(timeout=20)

    assert models == 200
    assert (out, err, process.returncode) == ("", "", 0)
