"""
Finishes the results of jobs that are over anew, by changed settings: from what came for them, so nobody is
asked and nothing is paid.

What is made stands in the outbox under a hidden name first. Then the record tells of it, then it gets its name:
cut short at any moment, the next call for the job ends it, and nothing is made twice.
"""

import datetime as dt
import fcntl
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retouchd.clock import Clock
from retouchd.config.settings import Settings
from retouchd.disk import durable, file_stat, moves, nofollow
from retouchd.disk.nofollow import Entry, OpenFolder
from retouchd.disk.thread_pools import Folder
from retouchd.job.model import Role
from retouchd.job.naming import escaped, path_below, shown
from retouchd.job.text import iso
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing.apart import finished_apart
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.finishing.task import Finishing, FinishingError
from retouchd.pipeline.finish import check_memory
from retouchd.request.output import Output, own_keys
from retouchd.spool import refinishing
from retouchd.spool.finished_index import digest_of, found_digest
from retouchd.spool.finished_job import beside, raw_name
from retouchd.spool.history import History, RecordFile, is_taken, record_in
from retouchd.spool.phase import FINISHED
from retouchd.spool.plan import plan_outputs
from retouchd.spool.record import document, own_record
from retouchd.spool.refinishing import Came, UnreadableRecordError
from retouchd.spool.reindex import line_of_record


class RefinishError(Exception):
    """
    The results of a job cannot be finished anew; says why, and what to do, in words.
    """


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """
    One job that is over: its record, the folder of that, which is held, and its folder in the outbox.
    """

    body: dict[str, Any]
    file: RecordFile
    root: Path
    here: OpenFolder
    outbox: OpenFolder

    def hidden(self, key: str) -> Entry:
        return self.outbox / f"{self.prefix}{key}"

    @property
    def prefix(self) -> str:
        return f".retouchd-{self.body['id']}-finish-"


class Refinisher:
    """
    Finishes results anew. All of it blocks; beside a daemon or without one.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._folders = settings.folders
        self._history = History(settings.folders.work)
        self._clock = clock

    def finish(
        self, root: Path, file: RecordFile, asked: Mapping[str, Any]
    ) -> Iterator[Refinished]:
        """
        Finish all results of the job with a record in `root`, by the configuration and what is `asked`, the
        keys of `output`; yield each once it has its place.

        Raises RefinishError, and OSError where a folder cannot be used.
        """
        with (
            nofollow.opened_folder(root, file.folder) as here,
            moves.made_folder(self._folders.outbox, file.folder) as outbox,
        ):
            fcntl.flock(here.fd, fcntl.LOCK_EX)  # Two of us would both take one free name.
            body = record_in(root, file.path)
            if body is None or own_record(document(body)) is None:
                raise RefinishError("its record is gone or damaged")
            job = _Job(body=body, file=file, root=root, here=here, outbox=outbox)
            try:
                yield from self._finish(self._ended(job), asked)
            except UnreadableRecordError as error:
                raise RefinishError(
                    "its record says too little: an earlier version wrote it"
                ) from error

    def _finish(self, job: _Job, asked: Mapping[str, Any]) -> Iterator[Refinished]:
        configured = own_keys(self._settings.edit.output)
        made: dict[str, dict[str, Any]] = {}
        sources: dict[str, str] = {}
        settings: dict[int, Mapping[str, Any]] = {}
        for each in refinishing.came(job.body):
            output = refinishing.now(job.body, each.edit, configured, asked)
            settings[each.edit] = output.to_json() | {"day": self._today()}
            key = refinishing.key_of(each, output)
            if there := self._there(job, partial(_has_key, key)):
                yield Refinished(place=there[0], path=there[1], was_there=True)
                continue
            data, report = self._made(job, each, output)
            told = _told(each, output, key, data, report) | {"finished_at": self._now()}
            same = partial(_is_same, told)
            if there := self._there(job, same):
                place, path = there
                yield Refinished(place=place, path=path, was_there=True, warnings=_warnings(told))
                continue
            hidden = job.hidden(key)
            moves.put_new(hidden, data, is_shared=True)
            extension = inspect.check_finished(hidden.path)
            made[key] = told
            sources[f"{FINISHED}/{each.edit}-{each.number}.{extension}"] = key
        if not made and not settings:
            raise RefinishError("nothing came for it that could be finished")
        if made:
            yield from self._publish(job, made, sources, settings)

    def _publish(
        self,
        job: _Job,
        made: Mapping[str, dict[str, Any]],
        sources: Mapping[str, str],
        settings: Mapping[int, Mapping[str, Any]],
    ) -> Iterator[Refinished]:
        """
        Give what was made its names, all of them beside what is there.
        """
        items = plan_outputs(
            refinishing.job_of(job.body, settings), list(sources), partial(self._is_taken, job)
        )
        body = job.body
        for item in items:
            path = escaped(path_below(job.file.folder, item.target))
            body = refinishing.with_result(body, made[sources[item.source]] | {"path": path})
        job = self._write(job, body)
        for item in items:
            key = sources[item.source]
            path = self._named(job, key)
            yield Refinished(
                place=_place_of(made[key]),
                path=path,
                was_there=False,
                warnings=_warnings(made[key]),
            )

    def _named(self, job: _Job, key: str) -> str:
        """
        Give a result the name that its record tells; another one where somebody took that meanwhile.
        """
        told = next(each for each in job.body["results"] if each.get("key") == key)
        path = raw_name(told["path"])
        try:
            self._place(job, told, path.rpartition("/")[2])
        except FileExistsError:
            source = f"{FINISHED}/{told['edit']}-{told['number']}.{path.rpartition('.')[2]}"
            (item,) = plan_outputs(
                refinishing.job_of(job.body, {}), [source], partial(self._is_taken, job)
            )
            path = path_below(job.file.folder, item.target)
            body = refinishing.with_result(job.body, told | {"path": escaped(path)})
            return self._named(self._write(job, body), key)
        return path

    def _place(self, job: _Job, told: Mapping[str, Any], name: str) -> None:
        """
        Put a result where it belongs; cut short, the next run finds it there. Raises FileExistsError.
        """
        hidden = job.hidden(told["key"])
        if _place_of(told) is Folder.OUTBOX:
            moves.rename_new(hidden, job.outbox / name)
            return
        with moves.made_folder(self._folders.review, job.file.folder) as review:
            with durable.synced(review, job.outbox):
                if not moves.moved(hidden, review / name):
                    moves.copy(hidden, review / hidden.name)
                    moves.rename_new(review / hidden.name, review / name)
            durable.remove(hidden)

    def _ended(self, job: _Job) -> _Job:
        """
        End what was cut short: what the record tells of gets its name, anything else that is hidden goes.
        """
        results = [each for each in job.body.get("results", ()) if "key" in each]
        for told in results:
            hidden = job.hidden(told["key"])
            if not file_stat.is_taken(hidden):
                continue
            found = digest_of(self._folders.outbox, path_below(job.file.folder, hidden.name))
            if (found.size, found.sha256) == (told["bytes"], told["sha256"]):
                if self._there(job, partial(_is_same, told)):
                    durable.remove(hidden)
                else:
                    self._add_line(job)
                    self._named(job, told["key"])
        for name in nofollow.names_in(job.outbox):
            if name.startswith(job.prefix):
                durable.remove(job.outbox / name)
        body = record_in(job.root, job.file.path)
        return replace(job, body=body or job.body)

    def _there(
        self, job: _Job, is_meant: Callable[[Mapping[str, Any]], bool]
    ) -> tuple[Folder, str] | None:
        """
        Return where a result lies that the record tells of, unchanged: its folder, and its path there.
        """
        for told in job.body.get("results", ()):
            path = raw_name(str(told.get("path")))
            if is_meant(told):
                for place, root in self._folders.results().items():
                    found = found_digest(root, path)
                    if found and (found.size, found.sha256) == (told["bytes"], told["sha256"]):
                        return place, path
        return None

    def _made(self, job: _Job, each: Came, output: Output) -> tuple[bytes, Mapping[str, Any]]:
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
        except (FinishingError, ImageFault) as fault:
            raise RefinishError(str(fault)) from fault
        return (source.read_bytes() if made.data is None else made.data), made.report

    def _source(self, job: _Job, each: Came) -> Path:
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
        names = " or ".join(shown(f"{root.name}/{path}") for root, path in places)
        raise RefinishError(
            f"what came for it is not there any more: {names or 'its .received file'} is gone or was changed. "
            "Put it back; this command never asks for it anew"
        )

    def _original(self, job: _Job, role: Role) -> Path | None:
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

    def _write(self, job: _Job, body: dict[str, Any]) -> _Job:
        """
        Let record and history tell of more results, before these have their names.
        """
        record, new = job.here / job.file.name, job.here / f"{job.prefix}record"
        durable.remove(new)
        moves.put_new(new, document(body), is_shared=True)
        if not file_stat.is_taken(record):
            durable.remove(new)
            raise RefinishError("its record was taken away meanwhile")
        durable.move(new, record)
        job = replace(job, body=body)
        self._add_line(job)
        return job

    def _add_line(self, job: _Job) -> None:
        line = line_of_record(job.body, job.file, str(self._folders.outbox))
        if line is not None:
            self._history.add(line)

    def _is_taken(self, job: _Job, name: str) -> bool:
        path = path_below(job.file.folder, name)
        return is_taken(self._folders.outbox, path) or is_taken(self._folders.review, path)

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


def _place_of(told: Mapping[str, Any]) -> Folder:
    return Folder.REVIEW if told["output"].get("review") else Folder.OUTBOX


def _has_key(key: str, told: Mapping[str, Any]) -> bool:
    return bool(told.get("key") == key)


def _is_same(told: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (told["bytes"], told["sha256"]) == (other.get("bytes"), other.get("sha256"))


def _warnings(told: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(told.get("warnings", ()))
