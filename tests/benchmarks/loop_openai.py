"""
The yardstick (b): the official client and watchfiles, as somebody would put them together in an afternoon.

    python loop_openai.py ROOT URL CONCURRENCY

Nothing is checked, synced, noted or repeated beyond what the client does by itself.
"""

import asyncio
import base64
import shutil
import sys
from pathlib import Path

from openai import AsyncOpenAI
from watchfiles import Change, awatch


async def edit(client: AsyncOpenAI, places: asyncio.Semaphore, path: Path) -> None:
    root, prompt = path.parent.parent, path.with_suffix(".txt")
    async with places:
        with path.open("rb") as image:
            result = await client.images.edit(
                model="gpt-image-2", image=image, prompt=prompt.read_text()
            )
        assert result.data, "an answer without a picture"
        picture = base64.b64decode(result.data[0].b64_json or "")
        (root / "outbox" / f"{path.stem}.png").write_bytes(picture)
        for each in (prompt, path):
            shutil.move(each, root / "done" / each.name)


async def watch(root: Path, url: str, concurrency: int) -> None:
    places = asyncio.Semaphore(concurrency)
    async with AsyncOpenAI(base_url=url, api_key="none") as client, asyncio.TaskGroup() as tasks:
        # With a timeout the first turn comes once it watches, whatever happens: then pictures may be dropped.
        async for changes in awatch(root / "inbox", rust_timeout=500, yield_on_timeout=True):
            sys.stdout.write("watching\n")
            sys.stdout.flush()
            for change, name in changes:
                if change is Change.added and name.endswith(".jpg"):
                    tasks.create_task(edit(client, places, Path(name)))


if __name__ == "__main__":
    asyncio.run(watch(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
