"""
The yardstick (a): a bare asyncio loop around httpx that does the least a correct pipeline must.

    python loop_httpx.py ROOT URL CONCURRENCY [two]

Reads what lies in ROOT/inbox once a line comes on its standard input. Each picture is looked at before it is
sent and before it is published, as closely and as quickly as ours; each request is noted durably before it
leaves, each answer is durable before it is read; every write and rename is followed by the fsyncs that make
it last. No claim, no settling, no retry, no status, no history, no two daemons.

With `two` it syncs twice a job, the result and the outbox, and looks at nothing: what no paid answer should
be trusted to, as a measure of the network's and the interpreter's share.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx
import pybase64
from pydantic_core import from_json

from retouchd.pictures import inspect


class Pipeline:
    """
    The straight way of a job through the folders of a root.
    """

    def __init__(self, root: Path, url: str) -> None:
        self._inbox, self._work = root / "inbox", root / "work"
        self._outbox, self._done = root / "outbox", root / "done"
        self._url = f"{url}/images/edits"

    async def run(self, concurrency: int) -> None:
        """
        Edit everything that lies in the inbox, so many at once.
        """
        names = iter(sorted(each.stem for each in self._inbox.glob("*.jpg")))
        limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        async with httpx.AsyncClient(timeout=None, limits=limits) as client:

            async def work() -> None:
                for name in names:
                    await self._edit(client, name)

            async with asyncio.TaskGroup() as tasks:
                for _ in range(concurrency):
                    tasks.create_task(work())

    async def _edit(self, client: httpx.AsyncClient, name: str) -> None:
        image, prompt = await asyncio.to_thread(self._begin, name)
        response = await client.post(
            self._url,
            data={"model": "gpt-image-2", "prompt": prompt},
            files={"image": (f"{name}.jpg", image, "image/jpeg")},
        )
        response.raise_for_status()
        await asyncio.to_thread(self._finish, name, response.content)

    def _begin(self, name: str) -> tuple[bytes, str]:
        path = self._inbox / f"{name}.jpg"
        inspect.look(path, name=path.name, max_megapixels=100)
        image, prompt = path.read_bytes(), path.with_suffix(".txt").read_text()
        _write(self._work / f"{name}.open", b"{}")
        return image, prompt

    def _finish(self, name: str, body: bytes) -> None:
        _write(self._work / f"{name}.response", body)
        answer = from_json(body)
        picture = pybase64.b64decode(answer["data"][0]["b64_json"], validate=True)
        temporary = self._work / f"{name}.png"
        _write_bytes(temporary, picture)
        inspect.check_output(temporary)
        temporary.rename(self._outbox / f"{name}.png")
        _sync(self._outbox, self._work)
        record = {"status": "done", "name": name, "usage": answer["usage"]}
        _write_bytes(self._done / f"{name}.job.json", json.dumps(record).encode())
        for member in (f"{name}.txt", f"{name}.jpg"):
            (self._inbox / member).rename(self._done / member)
        _sync(self._done, self._inbox)
        for left in ("open", "response"):
            (self._work / f"{name}.{left}").unlink()


class TwoSyncs(Pipeline):
    """
    The same with two syncs a job.
    """

    def _begin(self, name: str) -> tuple[bytes, str]:
        path = self._inbox / f"{name}.jpg"
        return path.read_bytes(), path.with_suffix(".txt").read_text()

    def _finish(self, name: str, body: bytes) -> None:
        answer = from_json(body)
        picture = pybase64.b64decode(answer["data"][0]["b64_json"], validate=True)
        temporary = self._work / f"{name}.png"
        _write_bytes(temporary, picture)
        temporary.rename(self._outbox / f"{name}.png")
        _sync(self._outbox)
        for member in (f"{name}.txt", f"{name}.jpg"):
            (self._inbox / member).rename(self._done / member)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    _write_bytes(temporary, data)
    temporary.rename(path)
    _sync(path.parent)


def _write_bytes(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


def _sync(*folders: Path) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(descriptor)
        os.close(descriptor)


def main(root: str, url: str, concurrency: str, syncs: str = "") -> None:
    pipeline = (TwoSyncs if syncs == "two" else Pipeline)(Path(root), url)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    asyncio.run(pipeline.run(int(concurrency)))
    sys.stdin.read()  # Until it was measured.


if __name__ == "__main__":
    main(*sys.argv[1:])
