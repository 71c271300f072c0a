"""
Thumbnails in `work/thumbnails/`: made once, when somebody looks, and never more than so many bytes of them.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from retouchd.disk import durable
from retouchd.disk.calls import Folder
from retouchd.pictures.thumbnail import thumbnail
from retouchd.web.page.jobs import Jobs, PictureFile
from retouchd.web.page.looks import Looks

Find: TypeAlias = Callable[[], PictureFile | None]

SIZES = (480, 2048)
"""The longest edges, in pixels, of a tile in a list and of a picture that is looked at."""
MOST_BYTES = 512 << 20
_MOST_MEGAPIXELS = 100
_AT_ONCE = 2
"""Decoding a large photo takes a core and hundreds of MB: jobs come first."""
_TRIES, _TRY_SECONDS = 3, 0.15
"""A job that is just ending has its files on the way from one folder to another."""
_LOOK_EVERY = 100
"""How many are made between two looks at how many bytes there are."""


class Thumbnails:
    """
    The thumbnails of one work folder; of a job's picture there is one in each of `SIZES`.
    """

    def __init__(self, work: Path, jobs: Jobs, looks: Looks, most_bytes: int = MOST_BYTES) -> None:
        self._folder = work / "thumbnails"
        self._jobs = jobs
        self._looks = looks
        self._most_bytes = most_bytes
        self._making = {folder: asyncio.Semaphore(_AT_ONCE) for folder in Folder}
        self._made = 0

    async def get(
        self, job_id: str, which: str, size: int, find: Callable[[], PictureFile | None]
    ) -> bytes | None:
        """
        Return a thumbnail as WebP, None where there is no such picture any more.

        Raises OSError where it cannot be read, ImageFault where it cannot be shown, FolderUnresponsive where
        its folder does not answer.
        """
        path = self._folder / f"{job_id}-{which}-{size}.webp"
        kept = await self._looks.look(lambda: _content(path))
        if kept is not None:
            return kept
        picture = await self._looks.look(find)
        needed = [folder for folder, _ in picture.places] if picture else []
        making = self._making[needed[0] if needed else Folder.WORK]
        async with making:
            # Somebody else may have waited for the same.
            return await self._looks.look(
                lambda: _content(path) or self._make(path, size, find), *needed
            )

    def _make(self, path: Path, size: int, find: Find) -> bytes | None:
        for _ in range(_TRIES):
            picture = find()
            if picture is None:
                return None
            with contextlib.suppress(FileNotFoundError), self._jobs.opened(picture) as file:
                data = thumbnail(file, picture.name, longest=size, max_megapixels=_MOST_MEGAPIXELS)
                break
            time.sleep(_TRY_SECONDS)
        else:
            return None
        with contextlib.suppress(OSError):  # A full disk: it is made again for the next one.
            self._keep(path, data)
        return data

    def _keep(self, path: Path, data: bytes) -> None:
        durable.make_folder(self._folder)
        if self._made % _LOOK_EVERY == 0:
            self._clear()
        self._made += 1
        durable.post(path, data)

    def _clear(self) -> None:
        """
        Remove the oldest, where there are too many, until a fifth of the room is free.
        """
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                about = entry.stat(follow_symlinks=False)
                found.append((about.st_mtime_ns, about.st_size, entry.name))
        total = sum(size for _, size, _ in found)
        if total <= self._most_bytes:
            return
        for _, size, name in sorted(found):
            durable.remove(self._folder / name)
            total -= size
            if total <= self._most_bytes * 4 // 5:
                return


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
