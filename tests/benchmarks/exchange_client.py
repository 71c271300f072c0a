"""
A client in a process of its own: what a request and its answer take of the processor.

    python exchange_client.py CLIENT URL CERTIFICATE PICTURE REQUESTS

Prints the milliseconds of CPU for each request.
"""

import asyncio
import contextlib
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import httpx

from retouchd.endpoint.client import EditsClient, Endpoint, Upload
from retouchd.job.model import Request

_CONCURRENCY = 8
_PROMPT = "Remove the background and make the sky a little brighter."
_KEY = "sk-" + 48 * "k"
"""As long as keys are: it is looked for in each answer."""

Each: TypeAlias = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def _our_client(url: str, certificate: str, picture: Path) -> AsyncIterator[Each]:
    endpoint = Endpoint(
        base_url=url,
        api_key=_KEY,
        timeout_seconds=600,
        connect_timeout_seconds=10,
        ca_file=Path(certificate) if certificate else None,
    )
    upload = Upload(path=picture, content_type="image/jpeg", size=picture.stat().st_size)
    request = Request(model="gpt-image-2", prompt=_PROMPT)

    async def one() -> None:
        async with client.ask(request=request, images=[upload], mask=None, key="key") as answer:
            async for _ in answer.chunks():
                pass
            assert answer.head.status == 200

    async with EditsClient(endpoint) as client:
        yield one


@contextlib.asynccontextmanager
async def _httpx(url: str, certificate: str, picture: Path) -> AsyncIterator[Each]:
    async def one() -> None:
        response = await client.post(
            f"{url}/images/edits",
            data={"model": "gpt-image-2", "prompt": _PROMPT},
            files={"image": ("image.jpg", picture.read_bytes(), "image/jpeg")},
        )
        response.raise_for_status()

    context = ssl.create_default_context(cafile=certificate or None)
    async with httpx.AsyncClient(timeout=None, verify=context) as client:
        yield one


async def main(name: str, url: str, certificate: str, picture: str, requests: str) -> None:
    begin = {"ours": _our_client, "httpx": _httpx}[name]
    numbers = iter(range(int(requests)))
    async with begin(url, certificate, Path(picture)) as one:

        async def work() -> None:
            for _ in numbers:
                await one()

        began = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_CONCURRENCY):
                tasks.create_task(work())
        took = time.process_time() - began
    sys.stdout.write(f"{1000 * took / int(requests)}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
