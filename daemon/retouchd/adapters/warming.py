"""
The first request before there is one: what the client's libraries only load once something is sent.
"""

import asyncio
import contextlib
import functools
import secrets
import ssl

import httpx

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_SECONDS = 5.0


@functools.cache
def warm() -> None:
    """
    Exchange a request with ourselves, so that no real one has to wait for modules. Blocking.

    Loading them takes longer than anything may take on the loop: here it is a loop of its own. Once loaded
    they are there for good.
    """
    # Without it the first real one is slower, no more.
    with contextlib.suppress(OSError, httpx.HTTPError):
        asyncio.run(_exchange())


async def _exchange() -> None:
    # The leading zero keeps the name out of every folder; nobody can guess the rest of it.
    name = f"\0retouchd-{secrets.token_hex(8)}"
    server = await asyncio.start_unix_server(_answer, name)
    async with server, asyncio.timeout(_SECONDS):
        transport = httpx.AsyncHTTPTransport(
            uds=name, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False
        )
        async with contextlib.aclosing(transport):
            request = httpx.Request("GET", "http://localhost/", headers={"connection": "close"})
            response = await transport.handle_async_request(request)
            async with contextlib.aclosing(response):
                await response.aread()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_ANSWER)
    writer.close()
    await writer.wait_closed()
