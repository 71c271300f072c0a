"""
The pictures of a kept answer: decoded, proven, and sealed as `outputs/`.
"""

import binascii
import filecmp
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from retouchd.answer import stored_answer
from retouchd.answer.body import Found, Inline, Link, Whole
from retouchd.answer.received import Received
from retouchd.answer.stored_answer import KeptAnswer
from retouchd.endpoint.client import FetchRefused
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.spool.phase import ORIGINALS, OUTPUTS, REFERENCES, UPLOAD
from retouchd.spool.spool import Spool

Fetched: TypeAlias = BinaryIO | FetchRefused
"""What was behind a url, or why there is nothing."""

_SENT = (ORIGINALS, REFERENCES, UPLOAD)


class Results:
    """
    Decodes pictures. All of it blocks, and may be repeated after a crash at any point of it.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def seal(
        self,
        job_id: str,
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
        sent = list(self._sent(job_id)) if is_proof_needed else []
        taken: list[tuple[int, Path]] = []
        faults = []
        self._spool.begin_outputs(job_id)
        for number, each in enumerate(found, 1):
            path = self._spool.output(job_id, number)
            try:
                extension = self._store(path, _blocks(answer, each.picture, fetched), sent)
            except (FetchRefused, ImageFault, binascii.Error) as fault:
                self._spool.drop_output(path)
                faults.append(f"picture {number}: {fault}")
                continue
            if _is_among(path, [other for group, other in taken if group != each.group]):
                self._spool.drop_output(path)  # The same one, said twice.
                continue
            self._spool.name_output(path, extension)
            taken.append((each.group, path.with_name(f"{path.name}.{extension}")))
        if taken:
            self._spool.seal_outputs(job_id)
        return len(taken), faults

    def received(self, job_id: str) -> list[Received]:
        """
        Return what the sealed pictures of a job are, in the order received.
        """
        found = sorted((self._spool.folder(job_id) / OUTPUTS).iterdir(), key=lambda each: each.name)
        return [
            Received(extension=each.suffix.removeprefix("."), edges=inspect.edges_of(each))
            for each in found
        ]

    def _store(self, path: Path, blocks: Iterable[bytes], sent: Sequence[Path]) -> str:
        self._spool.add_output(path, blocks)
        extension = inspect.check_output(path)
        if _is_among(path, sent) or _shows_one_of(path, sent):
            raise FetchRefused("it is the picture that was sent")
        return extension

    def _sent(self, job_id: str) -> Iterator[Path]:
        for name in _SENT:
            folder = self._spool.folder(job_id) / name
            if folder.is_dir():
                yield from folder.iterdir()


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
