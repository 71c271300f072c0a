"""
What a person does on the page: drop a picture, have one edited again otherwise, try again. All of it blocks.
"""

import contextlib
import os
import posixpath
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from retouchd.config import EditSection
from retouchd.config.settings import Settings
from retouchd.disk import moves, nofollow
from retouchd.disk.thread_pools import Folder, at
from retouchd.errors import Blocked
from retouchd.inbox.safe_drop import Piece, clear_leftovers, drop
from retouchd.job.filenames import Kind, parse, suffix_behind
from retouchd.job.naming import shorten
from retouchd.request.sidecar_tree import table
from retouchd.retry.error_folder import groups_in_folder
from retouchd.retry.put_back import put_back_group
from retouchd.spool.believed import is_below
from retouchd.spool.fingerprint import record_path
from retouchd.spool.finished_job import beside, raw_name
from retouchd.spool.record import BESIDE_PARAMETERS
from retouchd.web.page.jobs import Jobs, JobView
from retouchd.web.posting import Post, PostRefused, source_of
from retouchd.web.taking import lack_of_space, require_place

_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]+")
_LONGEST_STEM = 120
"""Bytes of a name that a browser sends: room is left for what is put behind it."""


class Refused(Exception):
    """
    What a person asked for cannot be done, in a sentence; `status` is that of HTTP.
    """

    def __init__(self, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.status = status


class Actions:
    """
    Acts as the commands `submit` and `retry` do. `dropped` hands to the run what lies in the inbox.
    """

    def __init__(
        self, settings: Callable[[], Settings], jobs: Jobs, dropped: Callable[..., None]
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._dropped = dropped

    def drop(self, post: Post) -> None:
        """
        Put a picture from a browser into the inbox, under its own name. Raises Refused.
        """
        settings = self._settings()
        if lack := lack_of_space(settings, post.image.size or 0):
            raise Refused(lack, 507)
        try:
            require_place(post, settings)
        except PostRefused as refused:
            raise Refused(str(refused).split("\n")[0], refused.status) from refused
        pieces = [Piece(suffix=".txt", source=post.prompt.encode())] if post.prompt else []
        pieces.append(Piece(suffix=f".{post.extension}", source=source_of(post.image)))
        self._put(post.folder, stem_for(post.image.filename or ""), pieces, again=False)

    def again(self, job: JobView, prompt: str) -> None:
        """
        Have a job's original edited once more, with another prompt and else as it was. Raises Refused.

        It is charged once more even where all is the same: somebody asks for just that.
        """
        if not prompt:
            raise Refused("Say what is to be done: the prompt is empty.", 400)
        if job.before is None or job.state == "work" or not job.record:
            raise Refused("The original and its record are not there any more.")
        if not job.is_plain:
            raise Refused("It had several edits: drop the photo again with the one that you want.")
        folder = raw_name(str(job.line.get("folder") or ""))
        stem, name = raw_name(str(job.line.get("name"))), raw_name(str(job.line.get("image")))
        with contextlib.ExitStack() as stack:
            pieces = [Piece(suffix=".txt", source=prompt.encode())]
            if mask := self._mask(job):
                pieces.append(Piece(suffix=".mask.png", source=self._source(stack, *mask)))
            if parameters := self._parameters(job, folder):
                pieces.append(Piece(suffix=".toml", source=parameters))
            root, path = job.before.root, job.before.path
            source = self._source(stack, job.before.folder, root, path)
            pieces.append(Piece(suffix=suffix_behind(name, stem), source=source))
            self._put(folder, stem, pieces, again=True)

    def retry(self, job: JobView) -> None:
        """
        Move a job's files from `error/` back into the inbox. Raises Refused.
        """
        if job.state != "error" or not job.record:
            raise Refused("It is not in error/ any more.")
        folders = self._settings().folders
        path = raw_name(record_path(job.line))
        folder, _, record = path.rpartition("/")
        try:
            with at(Folder.ERROR):
                groups = [
                    each for each in groups_in_folder(folders.error, folder) if record in each.names
                ]
                if not groups:
                    raise Refused("It is not in error/ any more.")
                names = put_back_group(groups[0], folders)
        except OSError as error:
            raise Refused(f"It cannot be moved back: {error.strerror}. Nothing is lost.") from error
        self._dropped(groups[0].folder, names)

    def _put(self, folder: str, stem: str, pieces: list[Piece], *, again: bool) -> None:
        inbox = self._settings().folders.inbox
        try:
            with at(Folder.INBOX), moves.made_folder(inbox, folder) as held:
                clear_leftovers(held)
                names = drop(held, stem, pieces, lambda: None)
        except (Blocked, OSError) as error:
            words = getattr(error, "strerror", None) or str(error)
            raise Refused(f"The inbox does not take the picture: {words}.", 507) from error
        self._dropped(folder, names, again=again)

    def _mask(self, job: JobView) -> tuple[Folder, Path, str] | None:
        name = (job.record.get("request") or {}).get("mask")
        assert job.before is not None, "looked at before"
        path = beside(raw_name(record_path(job.line)), job.line.get("name"), name)
        if name is None:
            return None
        if path is None or not is_below(path):
            raise Refused("Its mask is not there any more.")
        return job.before.folder, job.before.root, path

    def _parameters(self, job: JobView, folder: str) -> bytes:
        """
        Return the sidecar that asks for what was asked: what the picture's folder would not say by itself.
        """
        request: Mapping[str, Any] = job.record.get("request") or {}
        origin: Mapping[str, Any] = request.get("from") or {}
        own = {
            key: value
            for key, value in request.items()
            if (key == "model" or key not in BESIDE_PARAMETERS)
            and isinstance(value, str | int | float)
            and origin.get(key) != "config"
        }
        references = [raw_name(str(each)) for each in (request.get("images") or ())[1:]]
        head = b""
        if references and not str(origin.get("images", "")).rpartition("/")[2].startswith("_"):
            paths = [posixpath.relpath(each, folder or ".") for each in references]
            head = b"images = [" + b", ".join(map(_quoted, paths)) + b"]\n"
        known = {key: value for key, value in own.items() if key in EditSection.model_fields}
        extra = {key: value for key, value in own.items() if key not in known}
        return head + table(known, extra=extra) if own or head else b""

    def _source(self, stack: contextlib.ExitStack, folder: Folder, root: Path, path: str) -> Path:
        """
        Return a file to copy from that is held open, so that nobody swaps it for a link.
        """
        try:
            with at(folder):
                file = stack.enter_context(nofollow.opened(root, path))
        except OSError as error:
            raise Refused("The original is not there any more.") from error
        return Path(f"/proc/self/fd/{file.fileno()}")


def stem_for(name: str) -> str:
    """
    Return the stem for what a browser sends under a name: one that the inbox takes.
    """
    plain = _UNFIT.sub(" ", os.path.basename(name.replace("\\", "/"))).strip()  # noqa: PTH119 - a name
    named = parse(plain)
    stem = named.stem if named.kind is Kind.IMAGE else plain.rpartition(".")[0] or plain
    stem = shorten(stem.lstrip("._ "), _LONGEST_STEM).strip()
    return stem or f"photo-{secrets.token_hex(3)}"


def _quoted(text: str) -> bytes:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.encode()
