"""
The exchange alone, without a disk: what our client takes for a request and its answer, beside httpx.

Both (`exchange_client.py`) send the picture from its file and drop the answer once it has come whole. httpx
keeps its connections; ours opens one for each request.
"""

import os
from collections.abc import Iterator

from benchmarks.figures import Figure, Skipped
from benchmarks.scale import Scale
from benchmarks.scene import Scene, Served, script

_OURS, _HTTPX = "ours", "httpx"


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
                        asked = (client, url, str(certificate or ""), os.fspath(picture))
                        command = (*script("exchange_client"), *asked, str(requests))
                        said = scene.told(*command, environment=environment)
                        found.setdefault((way, client), []).append(float(said))
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
