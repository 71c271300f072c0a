"""
A daemon with a listener, and what is posted to it.
"""

import io
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from PIL import Image

from process import Running, Station


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def listening(
    station: Station, command: str = "run", **sections: Mapping[str, Any]
) -> tuple[Running, str]:
    """
    Start a daemon with a listener, and with an endpoint of its own unless told otherwise; return its address.
    """
    port = free_port()
    web = {"listen": f"127.0.0.1:{port}", **sections.pop("web", {})}
    station.configure(web=web, logging={"level": "debug", "format": "json"}, **sections)
    return restarted(station, command), f"http://127.0.0.1:{port}"


def restarted(station: Station, command: str = "run") -> Running:
    running = station.start(command)
    running.until(lambda: running.events("web.listening", "daemon.failed"))
    if command == "run":
        running.until(lambda: running.events("daemon.ready"))
    return running


def picture(colour: str = "teal", size: tuple[int, int] = (48, 32), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def post(
    url: str,
    image: bytes,
    *,
    key: str = "",
    wait: float | None = 60,
    mask: bytes = b"",
    references: Sequence[bytes] = (),
    headers: Mapping[str, str] | None = None,
    **fields: str,
) -> httpx.Response:
    """
    Post a picture, as a booth's program does.
    """
    files = [("image", ("IMG 1.png", image, "image/png"))]
    if mask:
        files.append(("mask", ("m.png", mask, "image/png")))
    files += [("reference", (f"{n}.png", each, "image/png")) for n, each in enumerate(references)]
    more = {"Idempotency-Key": key} if key else {}
    if wait is not None:
        more["Prefer"] = f"wait={wait:.0f}"
    return httpx.post(
        f"{url}/edit", files=files, data=fields, headers={**more, **(headers or {})}, timeout=90
    )


def is_picture(data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as found:
        found.load()
        return True


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def names_of_posts(names: Sequence[str]) -> list[str]:
    return [re.sub(r"post-[0-9a-f]{16}", "POST", name) for name in names]
