"""
The pictures of the page: scaled down, and as they lie on the disk.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from retouchd.errors import FolderUnresponsive
from retouchd.job.filetypes import SNIFF_BYTES, sniff
from retouchd.pictures.decoding import ImageFault
from retouchd.spool.record import JOB_ID
from retouchd.tasks import in_own_thread
from retouchd.web.guard import fault
from retouchd.web.page.jobs import Jobs, PictureFile, is_picture_name
from retouchd.web.page.looks import Looks
from retouchd.web.page.rendering import KEPT
from retouchd.web.page.thumbnails import SIZES, Thumbnails

_BLOCK = 1 << 18
_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
}


class Pictures:
    """
    Serves pictures of jobs.
    """

    def __init__(self, jobs: Jobs, looks: Looks, thumbnails: Thumbnails) -> None:
        self._jobs = jobs
        self._looks = looks
        self._thumbnails = thumbnails

    async def thumbnail(self, request: Request) -> Response:
        """
        Return a picture scaled down.
        """
        job_id, which = request.path_params["job"], request.path_params["which"]
        size = request.path_params["size"]
        if size not in SIZES or not JOB_ID.fullmatch(job_id) or not is_picture_name(which):
            return fault(404, "not_found", "There is no such picture.")
        find = self._finder(job_id, which)
        try:
            data = await self._thumbnails.get(job_id, which, size, find)
        except ImageFault as problem:
            return fault(415, "not_shown", str(problem))
        except FolderUnresponsive as error:
            return fault(503, "unresponsive", str(error))
        except OSError:
            data = None
        if data is None:
            return fault(404, "gone", "That picture is not there any more.")
        return Response(data, 200, KEPT, "image/webp")

    async def file(self, request: Request) -> Response:
        """
        Return a picture as it lies on the disk, to be looked at or kept.
        """
        job_id, which = request.path_params["job"], request.path_params["which"]
        find = self._finder(job_id, which)
        stack = contextlib.ExitStack()
        try:
            picture = await self._looks.look(find)
            if picture is None:
                return fault(404, "not_found", "There is no such picture.")

            def opened() -> tuple[BinaryIO, bytes, int]:
                file = stack.enter_context(self._jobs.opened(picture))
                head, size = file.read(SNIFF_BYTES), file.seek(0, 2)
                file.seek(0)
                return file, head, size

            needed = [folder for folder, _ in picture.places]
            file, head, size = await self._looks.look(opened, *needed)
        except FolderUnresponsive as error:
            return fault(503, "unresponsive", str(error))
        except OSError:
            stack.close()
            return fault(404, "gone", "That picture is not there any more.")

        async def blocks() -> AsyncIterator[bytes]:
            try:
                while block := await in_own_thread(lambda: file.read(_BLOCK)):
                    yield block
            finally:
                stack.close()

        media = _TYPES.get(sniff(head) or "")
        is_kept = media is None or "keep" in request.query_params
        way = "attachment" if is_kept else "inline"
        headers = {
            "content-length": str(size),
            "content-disposition": f"{way}; filename*=UTF-8''{quote(picture.name, safe='')}",
        }
        media = media or "application/octet-stream"
        return StreamingResponse(
            blocks(), 200, headers, media, background=BackgroundTask(stack.close)
        )

    def _finder(self, job_id: str, which: str) -> Callable[[], PictureFile | None]:
        def find() -> PictureFile | None:
            job = self._jobs.find(job_id)
            return job.picture(which) if job is not None else None

        return find
