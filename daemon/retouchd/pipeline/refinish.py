"""
Finishes the results of jobs that are over anew, by changed settings: from what came for them, so nobody is
asked and nothing is paid.

Cut short at any moment, the next call, or the next start of the daemon, ends it, and nothing is made twice.
"""

import datetime as dt
import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retouchd.clock import Clock
from retouchd.config.settings import Settings
from retouchd.disk import moves
from retouchd.disk.calls import Folder
from retouchd.errors import ProgramReplaced
from retouchd.job.model import Job, Role
from retouchd.job.naming import escaped, path_below, shown
from retouchd.job.text import iso
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing.apart import finished_apart
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.finishing.task import Finishing, FinishingError
from retouchd.pipeline.finish import check_memory
from retouchd.pipeline.job_in_hand import JobInHand, JobsInHand, RefinishError, is_same, place_of
from retouchd.request.output import Output, own_keys
from retouchd.spool import refinishing
from retouchd.spool.finished_index import found_digest
from retouchd.spool.finished_job import beside
from retouchd.spool.history import RecordFile
from retouchd.spool.phase import FINISHED
from retouchd.spool.plan import plan_outputs
from retouchd.spool.refinishing import Came, UnreadableRecordError

_ANY = "png"
"""What a result that is not made counts as: a name has its number whatever that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinished:
    """
    A result as it was asked for: its path below `outbox` or `review`, which is its `place`, whether it had been
    there already, and in sentences what is other than asked for.
    """

    place: Folder
    path: str
    was_there: bool
    warnings: tuple[str, ...] = ()


class Refinisher:
    """
    Finishes results anew. All of it blocks; beside a daemon or without one.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._folders = settings.folders
        self._jobs = JobsInHand(settings.folders)
        self._clock = clock

    def finish(
        self, root: Path, file: RecordFile, asked: Mapping[str, Any]
    ) -> Iterator[Refinished]:
        """
        Finish all results of the job with a record in `root`, by the configuration and what is `asked`, the
        keys of `output`; yield each once it has its place.

        Raises RefinishError, and OSError where a folder cannot be used.
        """
        with self._jobs.taken(root, file) as job:
            try:
                faults = yield from self._finish(job, asked)
            except UnreadableRecordError as error:
                raise RefinishError(
                    "its record says too little: an earlier version wrote it"
                ) from error
        if faults:
            raise RefinishError(". ".join(dict.fromkeys(faults)))

    def end_left(self) -> Iterator[str]:
        """
        End what a killed call left half done, and nobody is at; yield the paths of results that got their names
        by it, below the folder that they begin with. Raises OSError.
        """
        return self._jobs.end_left()

    def _finish(
        self, job: JobInHand, asked: Mapping[str, Any]
    ) -> Generator[Refinished, None, list[str]]:
        """
        Yield results; return why others could not be finished, which stops none of these.
        """
        configured = own_keys(self._settings.edit.output)
        made: dict[str, dict[str, Any]] = {}
        sources: dict[str, str] = {}
        count: list[str] = []
        settings: dict[int, Mapping[str, Any]] = {}
        faults: list[str] = []
        for each in refinishing.came(job.body):
            output = refinishing.now(job.body, each.edit, configured, asked)
            settings[each.edit] = output.to_json() | {"day": self._today()}
            key = refinishing.key_of(each, output)
            count.append(f"{FINISHED}/{each.edit}-{each.number}.{_ANY}")
            if there := job.there(partial(_has_key, key)):
                yield Refinished(place=there[0], path=there[1], was_there=True)
                continue
            try:
                data, report = self._made(job, each, output)
            except RefinishError as fault:
                faults.append(str(fault))
                continue
            told = _told(each, output, key, data, report) | {"finished_at": self._now()}
            if there := job.there(partial(is_same, told)):
                place, path = there
                yield Refinished(place=place, path=path, was_there=True, warnings=_warnings(told))
                continue
            hidden = job.hidden(key)
            moves.put_new(hidden, data, is_shared=True)
            extension = inspect.check_finished(hidden.path)
            made[key] = told
            count[-1] = f"{FINISHED}/{each.edit}-{each.number}.{extension}"
            sources[count[-1]] = key
        if not settings:
            raise RefinishError("nothing came for it that could be finished")
        if made:
            yield from self._publish(
                job, made, sources, refinishing.job_of(job.body, settings), count
            )
        return faults

    def _publish(
        self,
        job: JobInHand,
        made: Mapping[str, dict[str, Any]],
        sources: Mapping[str, str],
        meant: Job,
        count: Sequence[str],
    ) -> Iterator[Refinished]:
        """
        Give what was made its names, all of them beside what is there.
        """
        items = plan_outputs(meant, count, job.is_taken, sources.keys())
        body = job.body
        for item in items:
            path = escaped(path_below(job.file.folder, item.target))
            body = refinishing.with_result(body, made[sources[item.source]] | {"path": path})
        job.write(body)
        for item in items:
            told = made[sources[item.source]]
            yield Refinished(
                place=place_of(told),
                path=job.named(told["key"]),
                was_there=False,
                warnings=_warnings(told),
            )

    def _made(self, job: JobInHand, each: Came, output: Output) -> tuple[bytes, Mapping[str, Any]]:
        source = self._source(job, each)
        if not output.is_anything:
            return source.read_bytes(), {}
        told = job.body["edits"][each.edit - 1]
        image, mask = self._original(job, Role.IMAGE), self._original(job, Role.MASK)
        assert image is not None, "what something came for has an image"
        task = Finishing(
            received=source,
            original=image,
            mask=mask,
            output=output,
            canvas=Canvas.from_json(refinishing.canvas_of(job.body, each.edit)),
            name=shown(image.name),
            system=urlsplit(self._settings.endpoint.base_url).hostname or "retouchd sandbox",
            model=told["request"]["model"],
            prompt=told["request"].get("prompt"),
            max_megapixels=self._settings.output_megapixels,
        )
        try:
            check_memory(task)
            made = finished_apart(task)
        except (FinishingError, ImageFault, ProgramReplaced) as fault:
            raise RefinishError(str(fault)) from fault
        return (source.read_bytes() if made.data is None else made.data), made.report

    def _source(self, job: JobInHand, each: Came) -> Path:
        """
        Return where what came lies still: the hash decides.
        """
        folder = job.file.folder
        places = [(job.root, path_below(folder, name)) for name in each.received]
        places += [(self._folders.error, each.error)] if each.error else []
        if each.outbox:
            places += [(root, each.outbox) for root in (self._folders.outbox, self._folders.review)]
        for root, path in places:
            found = found_digest(root, path)
            if found and found.sha256 == each.sha256:
                return root / path
        told = (shown(f"{root.name}/{path}") for root, path in dict.fromkeys(places))
        names = " or ".join(told)
        raise RefinishError(
            f"what came for it is not there any more: {names or 'its .received file'} is gone or was changed. "
            "Put it back; this command never asks for it anew"
        )

    def _original(self, job: JobInHand, role: Role) -> Path | None:
        name = job.body["image"] if role is Role.IMAGE else job.body["request"].get("mask")
        if name is None and role is Role.MASK:
            return None
        path = beside(job.file.path, job.body["name"], name)
        found = found_digest(job.root, path) if path else None
        if path is None or found is None:
            raise RefinishError(
                f"{shown(str(name))} is not beside its record any more: put it back"
            )
        known = job.body.get("original", {}).get("sha256")
        if role is Role.IMAGE and known and found.sha256 != known:
            raise RefinishError(
                f"{shown(path)} was changed since it was edited: put the photo back as it was"
            )
        return job.root / path

    def _today(self) -> str:
        return f"{self._clock.now().astimezone():%Y-%m-%d}"

    def _now(self) -> str:
        return iso(self._clock.now().astimezone(dt.UTC), "milliseconds")


def _told(
    each: Came, output: Output, key: str, data: bytes, report: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Return what the record tells of a result that was finished later.
    """
    return {
        "path": "",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        **report,
        "edit": each.edit,
        "number": each.number,
        "key": key,
        "output": output.to_json(),
    }


def _has_key(key: str, told: Mapping[str, Any]) -> bool:
    return bool(told.get("key") == key)


def _warnings(told: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(told.get("warnings", ()))
