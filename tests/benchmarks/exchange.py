"""
The exchange alone, without a disk: what our client takes for a request and its answer, beside httpx.

    python -m benchmarks.exchange CLIENT URL CERTIFICATE PICTURE REQUESTS

Prints the milliseconds of CPU for each request. Both send the picture from its file and drop the answer once
it has come whole. httpx keeps its connections; ours opens one for each request.
"""

import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import httpx

from benchmarks.figures import Figure, Skipped
from benchmarks.scale import Scale
from benchmarks.scene import Scene, Served
from benchmarks.stock import PROMPT
from retouchd.endpoint.client import EditsClient, Endpoint, Upload
from retouchd.job.model import Request

_CONCURRENCY = 8
_OURS, _HTTPX = "ours", "httpx"
_KEY = "sk-" + 48 * "k"
"""As long as keys are: it is looked for in each answer."""


def exchanges(scene: Scene, scale: Scale) -> Iterator[Figure | Skipped]:
    """
    Yield the CPU of a request: plain, over TLS, and over TLS through a proxy.
    """
    certificate = scene.certificate()
    cases = (
        ("50 KB/100 KB", scale.small, 10 * scale.jobs),
        ("2 MB/2 MB", scale.middle, 4 * scale.jobs),
        ("20 MB/2 MB", scale.large, scale.jobs),
    )
    for name, sizes, requests in cases[: scale.cases]:
        (picture,) = scene.stock.pictures(sizes[0], 1)
        with scene.endpoint(sizes[1], certificate=certificate) as endpoint:
            ways = _ways(endpoint)
            found: dict[tuple[str, str], list[float]] = {}
            for _ in range(scale.rounds):
                for way, (url, environment) in ways.items():
                    for client in (_OURS, _HTTPX):
                        command = (client, url, str(certificate or ""), os.fspath(picture))
                        cost = _cost((*command, str(requests)), environment)
                        found.setdefault((way, client), []).append(cost)
        for way in ways:
            ours, theirs = found[way, _OURS], found[way, _HTTPX]
            what = f"exchange of {name} {way}"
            yield Figure(row="exchange", what=f"{what}, CPU", values=tuple(ours), unit="ms")
            ratios = tuple(a / b for a, b in zip(ours, theirs, strict=True))
            yield Figure(row="exchange", what=f"{what} / httpx' own", values=ratios, unit="×")
    if certificate is None:
        yield Skipped(row="exchange", what="TLS", reason="openssl not installed")


def _ways(endpoint: Served) -> dict[str, tuple[str, dict[str, str]]]:
    if endpoint.certificate is None:
        return {"plain": (endpoint.url, {})}
    # Loopback is never reached through a proxy, so the server needs another name: the proxy finds it.
    proxy = endpoint.url.removesuffix("/v1")
    behind = endpoint.secure_url.replace("localhost", "edits.example")
    return {
        "plain": (endpoint.url, {}),
        "over TLS": (endpoint.secure_url, {}),
        "over TLS through a proxy": (behind, {"HTTPS_PROXY": proxy, "https_proxy": proxy}),
    }


def _cost(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    command = (sys.executable, "-m", "benchmarks.exchange", *arguments)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return float(subprocess.run(command, check=True, env=environment, capture_output=True).stdout)


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
    request = Request(model="gpt-image-2", prompt=PROMPT)

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
            data={"model": "gpt-image-2", "prompt": PROMPT},
            files={"image": ("image.jpg", picture.read_bytes(), "image/jpeg")},
        )
        response.raise_for_status()

    context = ssl.create_default_context(cafile=certificate or None)
    async with httpx.AsyncClient(timeout=None, verify=context) as client:
        yield one


async def main(name: str, url: str, certificate: str, picture: str, requests: str) -> None:
    begin = {_OURS: _our_client, _HTTPX: _httpx}[name]
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
