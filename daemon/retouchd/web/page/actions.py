"""
What a person does on the page: drop a picture, have one edited again otherwise, try again. All of it blocks.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from starlette.datastructures import UploadFile

from retouchd.config.settings import Settings
from retouchd.disk import durable, file_stat, moves
from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders
from retouchd.disk.nofollow import Entry
from retouchd.errors import Blocked
from retouchd.inbox.safe_drop import Piece, clear_leftovers, drop
from retouchd.job.filenames import Kind, parse, suffix_behind
from retouchd.job.naming import path_below, shorten
from retouchd.retry.error_folder import groups_in_folder
from retouchd.retry.put_back import put_back_group
from retouchd.spool import review
from retouchd.spool.believed import is_below
from retouchd.spool.fingerprint import record_path
from retouchd.spool.finished_job import beside, raw_name
from retouchd.web.page.again import sidecar_for
from retouchd.web.page.jobs import Jobs, JobView, PictureFile
from retouchd.web.posting import Post, PostRefused, source_of
from retouchd.web.taking import lack_of_space, require_place

_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]+")
_REFERENCES = "_references"
"""The folder beside pictures in which references lie: nothing in it is edited, and one serves many pictures."""
_LONGEST_STEM = 120
"""Bytes of a name that a browser sends: room is left for what is put behind it."""


class Refused(Exception):
    """
    What a person asked for cannot be done, in a sentence; `status` is that of HTTP, `code` one of a post's.
    """

    def __init__(self, message: str, status: int = 409, code: str = "refused") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


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
            raise Refused(lack, 507, "no_space")
        try:
            require_place(post, settings)
        except PostRefused as refused:
            raise refused_post(refused) from refused
        pieces = [Piece(suffix=".txt", source=post.prompt.encode())] if post.prompt else []
        if post.mask is not None:
            pieces.append(Piece(suffix=".mask.png", source=source_of(post.mask)))
        if post.references:
            names = json.dumps([self._reference(post, *each) for each in post.references])
            pieces.append(Piece(suffix=".toml", source=f"images = {names}\n".encode()))
        pieces.append(Piece(suffix=f".{post.extension}", source=source_of(post.image)))
        self._put(post.folder, stem_for(post.image.filename or ""), pieces, again=False)

    def _reference(self, post: Post, upload: UploadFile, extension: str) -> str:
        """
        Put a reference beside the pictures of its folder, each once; return its path there. Raises Refused.
        """
        upload.file.seek(0)
        digest = hashlib.file_digest(upload.file, "sha256").hexdigest()  # type: ignore[arg-type]
        name = f"{digest[:16]}.{extension}"
        inbox = self._settings().folders.inbox
        try:
            with (
                at(Folder.INBOX),
                moves.made_folder(inbox, path_below(post.folder, _REFERENCES)) as held,
                contextlib.suppress(FileExistsError),
            ):
                if not file_stat.is_taken(held / name):
                    put_upload(
                        source_of(upload), held / f".{name}.{secrets.token_hex(4)}", held / name
                    )
        except OSError as error:
            raise Refused(
                f"The inbox does not take the picture: {error.strerror}.", 507, "no_space"
            ) from error
        return f"{_REFERENCES}/{name}"

    def again(self, job: JobView, prompts: Mapping[int, str], *, instead: str = "") -> None:
        """
        Have a job's original edited once more: those of its edits that have a prompt, by their numbers, and
        else as it was. A result with the number `instead` waits for that, and is rejected once it is in the
        inbox. Raises Refused.

        It is charged once more even where all is the same: somebody asks for just that.
        """
        if instead:
            self._waiting(job, instead)
        asked = {number: prompt for number, prompt in prompts.items() if prompt}
        if not asked:
            raise Refused("Say what is to be done: the prompt is empty.", 400)
        if job.before is None or job.state == "work" or not job.record:
            raise Refused("The original and its record are not there any more.")
        folder = raw_name(str(job.line.get("folder") or ""))
        stem, name = raw_name(str(job.line.get("name"))), raw_name(str(job.line.get("image")))
        with contextlib.ExitStack() as stack:
            pieces = []
            if mask := self._mask(job):
                pieces.append(Piece(suffix=".mask.png", source=self._source(stack, mask)))
            pieces.append(Piece(suffix=".toml", source=sidecar_for(job, asked, folder)))
            source = self._source(stack, job.before)
            pieces.append(Piece(suffix=suffix_behind(name, stem), source=source))
            self._put(folder, stem, pieces, again=True)
        if not instead:
            return
        try:
            self.reject(job, instead)
        except Refused:
            pass  # Somebody decided otherwise meanwhile: what was asked for is in the inbox all the same.
        except OSError as error:
            told = f"It is in the inbox; the result stays in review/: {error.strerror}."
            raise Refused(told, 507) from error

    def approve(self, job: JobView, which: str) -> None:
        """
        Move a result that waits for that to the outbox. Raises Refused, OSError.
        """
        self._decide(job, which, lambda folders, path: review.approve(folders, path, job.id))

    def reject(self, job: JobView, which: str) -> None:
        """
        Delete a result that waits to be approved. Raises Refused, OSError.
        """
        self._decide(job, which, review.reject)

    def _decide(self, job: JobView, which: str, decide: Callable[[Folders, str], object]) -> None:
        path = self._waiting(job, which).path
        try:
            decide(self._settings().folders, path)
        except FileNotFoundError as error:
            raise _decided() from error

    def _waiting(self, job: JobView, which: str) -> PictureFile:
        picture = job.picture(which)
        if picture is None or not self._jobs.is_waiting(picture):
            raise _decided()
        return picture

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
            raise Refused(
                f"The inbox does not take the picture: {words}.", 507, "no_space"
            ) from error
        self._dropped(folder, names, again=again)

    def _mask(self, job: JobView) -> PictureFile | None:
        name = (job.record.get("request") or {}).get("mask")
        assert job.before is not None, "looked at before"
        path = beside(raw_name(record_path(job.line)), job.line.get("name"), name)
        if name is None:
            return None
        if path is None or not is_below(path):
            raise Refused("Its mask is not there any more.")
        return replace(job.before, path=path)

    def _source(self, stack: contextlib.ExitStack, picture: PictureFile) -> Path:
        """
        Return a file to copy from that is held open, so that nobody swaps it for a link.
        """
        try:
            file = stack.enter_context(self._jobs.opened(picture))
        except OSError as error:
            raise Refused("The original is not there any more.") from error
        return Path(f"/proc/self/fd/{file.fileno()}")


def _decided() -> Refused:
    return Refused("It does not wait for anybody in review/ any more.")


def refused_post(refused: PostRefused) -> Refused:
    """
    Return the refusal of a post as a person is told of it: its first fault.
    """
    return Refused(str(refused).split("\n")[0], refused.status, refused.code)


def put_upload(source: Path | bytes, temporary: Entry, target: Entry) -> None:
    """
    Put what was uploaded under a name that is free, whole and durable. Raises FileExistsError, OSError.
    """
    if isinstance(source, bytes):
        moves.put_new(temporary, source, is_shared=True)
    else:
        moves.copy_new(source, temporary)
    try:
        moves.rename_new(temporary, target)
    except OSError:
        durable.remove(temporary)
        raise


def stem_for(name: str) -> str:
    """
    Return the stem for what a browser sends under a name: one that the inbox takes.
    """
    plain = _UNFIT.sub(" ", os.path.basename(name.replace("\\", "/"))).strip()  # noqa: PTH119 - a name
    named = parse(plain)
    stem = named.stem if named.kind is Kind.IMAGE else plain.rpartition(".")[0] or plain
    stem = shorten(stem.lstrip("._ "), _LONGEST_STEM).strip()
    return stem or f"photo-{secrets.token_hex(3)}"
