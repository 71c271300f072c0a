"""
Finishes a job: results are written anew where the settings of their edit ask for it, as `finished/`.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retouchd.config.settings import Current
from retouchd.disk.threads import in_work
from retouchd.job.model import Job, Role, Verdict
from retouchd.job.naming import shown
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing import memory
from retouchd.pictures.finishing.apart import finished_apart
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.finishing.task import Finishing, FinishingError
from retouchd.request.output import Output
from retouchd.spool import finished_results, pictures
from retouchd.spool.finished_results import FinishedResults
from retouchd.spool.job_state import EditState, JobState
from retouchd.spool.phase import ORIGINALS, RESULTS
from retouchd.spool.spool import Spool

_MB = 2**20


class Finisher:
    """
    Writes results anew. What comes of it follows from answer, original and frozen settings alone, so it may be
    repeated after a crash at any point of it.
    """

    def __init__(self, *, spool: Spool, current: Current) -> None:
        self._spool = spool
        self._current = current

    def is_asked(self, job: Job) -> bool:
        """
        Return whether any edit asks for results other than as received.
        """
        return any(Output.from_json(edit.output).is_anything for edit in job.edits)

    async def finish(self, job_state: JobState) -> JobState:
        """
        Let all results that are asked for appear in `finished/`, with what became of each; return where the job
        stands then.

        What cannot be finished is published as it was received, with a warning; but where a picture was to be
        protected, nothing else than that may be published.
        """
        if RESULTS in job_state.files:
            return job_state
        await in_work(pictures.begin, self._place(job_state))
        reports: dict[str, Mapping[str, Any]] = {}
        failed: dict[int, str] = {}
        warnings: list[str] = []
        for edit_state in job_state.edits:
            output = Output.from_json(edit_state.job.edits[0].output)
            for name in edit_state.outputs if output.is_anything else ():
                try:
                    report = await self._finished(edit_state, output, name)
                except FinishingError as fault:
                    if output.protect:
                        failed[edit_state.edit] = str(fault)
                        break
                    warnings.append(f"It is published as it was received: {fault}")
                else:
                    reports[Path(name).stem] = report
                    warnings += report["warnings"]
        results = FinishedResults(
            reports=reports, failed=failed, warnings=tuple(dict.fromkeys(warnings))
        )
        return await in_work(self._seal, job_state, results)

    async def give_up(self, job_state: JobState, why: str) -> JobState:
        """
        Let nothing be written anew, as that brings processes down.
        """
        if RESULTS in job_state.files:
            return job_state
        await in_work(pictures.begin, self._place(job_state))
        failed, warnings = {}, []
        for edit_state in job_state.edits:
            output = Output.from_json(edit_state.job.edits[0].output)
            if not edit_state.outputs or not output.is_anything:
                continue
            if output.protect:
                failed[edit_state.edit] = why
            else:
                warnings = [f"It is published as it was received: {why}"]
        results = FinishedResults(failed=failed, warnings=tuple(warnings))
        return await in_work(self._seal, job_state, results)

    def _place(self, job_state: JobState) -> Path:
        return self._spool.folder(job_state.id) / pictures.UNFINISHED

    def _seal(self, job_state: JobState, results: FinishedResults) -> JobState:
        folder = self._spool.folder(job_state.id)
        pictures.add(self._place(job_state) / Path(RESULTS).name, [finished_results.dump(results)])
        pictures.seal_finished(folder)
        return self._spool.load(job_state.id)

    async def _finished(
        self, edit_state: EditState, output: Output, name: str
    ) -> Mapping[str, Any]:
        """
        Write one result anew, if it has to be, and return what the record tells of it.
        """
        task = self._task(edit_state, output, name)
        await in_work(check_memory, task)
        made = await asyncio.to_thread(finished_apart, task)
        if made.data is not None:
            await in_work(_keep, self._place(edit_state.whole) / Path(name).stem, made.data)
        return made.report

    def _task(self, edit_state: EditState, output: Output, name: str) -> Finishing:
        job, folder = edit_state.job, self._spool.folder(edit_state.id)
        image, mask = job.member(Role.IMAGE), job.member(Role.MASK)
        assert image is not None, "a job that was asked for has an image"
        settings = self._current.settings
        return Finishing(
            received=folder / name,
            original=folder / ORIGINALS / image.name,
            mask=folder / ORIGINALS / mask.name if mask else None,
            output=output,
            canvas=_canvas(edit_state),
            name=shown(image.name),
            system=urlsplit(settings.endpoint.base_url).hostname or "retouchd sandbox",
            model=job.request.model,
            prompt=job.request.prompt,
            max_megapixels=settings.output_megapixels,
        )


def _canvas(edit_state: EditState) -> Canvas | None:
    """
    Return what of the upload that was answered was the picture.
    """
    sent = next((a.canvas for a in edit_state.attempts if a.verdict is Verdict.DONE), None)
    return Canvas.from_json(sent)


def _keep(path: Path, data: bytes) -> None:
    pictures.add(path, [data])
    pictures.give_name(path, inspect.check_finished(path))


def check_memory(task: Finishing) -> None:
    """
    Raise FinishingError where there is less memory than a finishing needs: the system would end somebody for
    it.
    """
    free = memory.available()
    try:
        source = inspect.glance(task.original, name=task.name, max_megapixels=float("inf"))
    except ImageFault as fault:
        raise FinishingError(str(fault)) from fault
    edges = inspect.edges_of(task.received) or (0, 0)
    need = memory.need(
        task.output,
        pixels=max(source.width * source.height, edges[0] * edges[1]),
        received=edges[0] * edges[1],
        file_bytes=source.size_bytes,
        is_turned=source.orientation != 1,
        has_mask=task.mask is not None,
    )
    if free is not None and need > free:
        msg = f"It needs about {need // _MB:,} MB of memory, and {free // _MB:,} MB are free."
        raise FinishingError(msg)
