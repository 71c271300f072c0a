"""
The result pictures of a kept answer: downloaded where they lie behind urls, decoded, proven, sealed as
`outputs/`.

A url is asked for as long as a picture may be there, at growing intervals.
"""

import binascii
import contextlib
import datetime as dt
import filecmp
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from retouchd.answer import stored_answer
from retouchd.answer.body import Found, Inline, Link, Whole
from retouchd.answer.received import Received
from retouchd.answer.retry_after import expires_at, seconds_to_retry
from retouchd.answer.stored_answer import KeptAnswer, Spilled
from retouchd.clock import Clock
from retouchd.disk.threads import in_work
from retouchd.endpoint.client import ANSWER_LIMIT, EditsClient, FetchFailed, FetchRefused
from retouchd.job.filetypes import SNIFF_BYTES, called, sniff
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.end_markers import is_whole
from retouchd.pictures.pillow_gaps import FileSource
from retouchd.spool import pictures
from retouchd.spool.job_state import EditState
from retouchd.spool.phase import ORIGINALS, OUTPUTS, REFERENCES, UPLOAD, pictures_in, unsealed
from retouchd.spool.spool import Spool

Fetched: TypeAlias = BinaryIO | FetchRefused
"""What was behind a url, or why there is nothing."""

_SENT = (ORIGINALS, REFERENCES, UPLOAD)


class Results:
    """
    Decodes and seals result pictures. All of it blocks, and may be repeated after a crash at any point of it.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def seal(
        self,
        edit_state: EditState,
        answer: KeptAnswer,
        found: Sequence[Found],
        fetched: Mapping[Link, Fetched],
        *,
        is_proof_needed: bool,
    ) -> tuple[int, list[str]]:
        """
        Seal every picture that can be decoded; return how many, and what is wrong with the others.

        With `is_proof_needed` what was sent is not taken for a result, whatever metadata it has by now.
        """
        sent = list(self._sent(edit_state.id)) if is_proof_needed else []
        taken: list[tuple[int, Path]] = []
        faults = []
        folder = self._spool.folder(edit_state.id)
        place = folder / unsealed(edit_state.edit)
        pictures.begin(place)
        for number, each in enumerate(found, 1):
            path = pictures.unnamed(place, edit_state.edit, number)
            try:
                extension = self._store(path, _blocks(answer, each.picture, fetched), sent)
            except (FetchRefused, ImageFault, binascii.Error) as fault:
                pictures.drop(path)
                faults.append(f"picture {number}: {fault}")
                continue
            if _is_among(path, [other for group, other in taken if group != each.group]):
                pictures.drop(path)  # The same one, said twice.
                continue
            taken.append((each.group, pictures.give_name(path, extension)))
        if taken:
            pictures.seal_received(folder, edit_state.edit)
        return len(taken), faults

    def go_on_sealing(self, edit_state: EditState) -> None:
        """
        Let those pictures appear that are still to come after a crash, or a fault of the disk.
        """
        pictures.seal_received(self._spool.folder(edit_state.id), edit_state.edit)

    def received(self, edit_state: EditState) -> list[Received]:
        """
        Return what the sealed pictures of an edit are, in the order received.
        """
        outputs = self._spool.folder(edit_state.id) / OUTPUTS
        names = [f"{OUTPUTS}/{each.name}" for each in outputs.iterdir()]
        found = [outputs.parent / each for each in pictures_in(names, OUTPUTS, edit_state.edit)]
        return [
            Received(extension=each.suffix.removeprefix("."), edges=partial(inspect.edges_of, each))
            for each in found
        ]

    def _store(self, path: Path, blocks: Iterable[bytes], sent: Sequence[Path]) -> str:
        pictures.add(path, blocks)
        extension = inspect.check_output(path)
        if _is_among(path, sent) or _shows_one_of(path, sent):
            raise FetchRefused("it is the picture that was sent")
        return extension

    def _sent(self, job_id: str) -> Iterator[Path]:
        for name in _SENT:
            folder = self._spool.folder(job_id) / name
            if folder.is_dir():
                # One that is still being written is another edit's.
                yield from (each for each in folder.iterdir() if each.suffix != ".tmp")


def _is_among(path: Path, others: Iterable[Path]) -> bool:
    """
    Tell whether a file's bytes are those of another one; sizes are compared first.
    """
    size = path.stat().st_size
    return any(
        size == other.stat().st_size and filecmp.cmp(path, other, shallow=False) for other in others
    )


def _shows_one_of(path: Path, others: Sequence[Path]) -> bool:
    """
    Tell whether a file has the coded pixels of another one: metadata is cut while a picture is sent.
    """
    own = inspect.digest_without_metadata(path) if others else None
    return own is not None and any(inspect.digest_without_metadata(each) == own for each in others)


def _blocks(
    answer: KeptAnswer, picture: Inline | Link | Whole, fetched: Mapping[Link, Fetched]
) -> Iterable[bytes]:
    match picture:
        case Inline(data=data):
            return answer.picture(data)
        case Whole(beginning=beginning):
            return answer.whole(beginning)
        case Link():
            there = fetched[picture]
            if isinstance(there, FetchRefused):
                raise there
            return stored_answer.blocks_of(there, 0)


class FetchLater(Exception):
    """
    A paid picture lies behind a url that gives none yet; it is fetched again, never bought again.

    `seconds` is when, None where only a person can change it.
    """

    def __init__(self, reason: str, seconds: float | None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class WithheldError(FetchLater):
    """
    A paid picture lies at an address where the configuration does not let us go.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"its picture is paid for but not fetched: {reason}", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FetchBackoff:
    """
    Until when a job's urls are left alone, of the monotonic clock, and why.
    """

    until: float
    reason: str


class Downloads:
    """
    Downloads the results that answers name by url. When a url is asked again follows from the answer's age
    alone, so that a restart changes nothing.
    """

    def __init__(self, *, spool: Spool, client: EditsClient, clock: Clock) -> None:
        self._spool = spool
        self._client = client
        self._clock = clock
        self._backoffs: dict[str, _FetchBackoff] = {}

    def check_due(self, edit_state: EditState) -> None:
        """
        Raise FetchLater while it is too early to fetch an edit's pictures again.
        """
        backoff = self._backoffs.get(edit_state.key)
        if backoff is not None and (left := backoff.until - self._clock.monotonic()) > 0:
            raise FetchLater(backoff.reason, left)

    async def fetch(
        self,
        edit_state: EditState,
        links: Iterable[Link],
        answered_at: dt.datetime,
        files: contextlib.ExitStack,
        *,
        is_awaited: bool,
    ) -> dict[Link, Fetched]:
        """
        Return what lies behind each url; its files live as long as `files`.

        Raises FetchLater while one of them may still come; without `is_awaited` nobody waits for it.
        """
        self._backoffs.pop(edit_state.key, None)
        fetched: dict[Link, Fetched] = {}
        for link in links:
            try:
                fetched[link] = await self._fetched(edit_state.id, link, files)
            except FetchRefused as refusal:
                fetched[link] = refusal
            except FetchFailed as failure:
                now = self._clock.now()
                if not is_awaited or now >= expires_at(link.url, answered_at):
                    fetched[link] = FetchRefused(str(failure))
                    continue
                wait = seconds_to_retry((now - answered_at).total_seconds())
                until = self._clock.monotonic() + wait
                reason = f"its picture is paid for but cannot be fetched yet: {failure}"
                self._backoffs[edit_state.key] = _FetchBackoff(until=until, reason=reason)
                raise FetchLater(reason, wait) from failure
        return fetched

    async def _fetched(self, job_id: str, link: Link, files: contextlib.ExitStack) -> Fetched:
        folder = self._spool.folder(job_id)
        async with self._client.fetch(link.url) as answer:
            spilled = await stored_answer.spilled(answer, folder, limit=ANSWER_LIMIT)
        file = files.enter_context(spilled.file)
        await in_work(_check, spilled)
        return file


def _check(spilled: Spilled) -> None:
    """
    Raise FetchFailed unless a file begins as a picture does, and ends as one if its answer broke off.
    """
    content = FileSource(spilled.file.fileno())
    kind = sniff(content[:SNIFF_BYTES])
    if kind is None or kind in {"html", "svg"}:
        found = called(kind) if kind else "something else" if len(content) else "nothing"
        raise FetchFailed(f"the picture's URL holds no picture but {found}")
    if spilled.broken is not None and not is_whole(content):
        raise spilled.broken
