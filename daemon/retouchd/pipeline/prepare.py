"""
Prepares a job before money is spent: finds everything wrong with it, and returns what is to be uploaded.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from retouchd.config.settings import Current
from retouchd.disk import file_stat
from retouchd.disk.calls import Folder
from retouchd.disk.threads import Steps
from retouchd.endpoint.client import Upload
from retouchd.endpoint.styles import OPENAI, Style
from retouchd.errors import Blocked, JobCode, Problem
from retouchd.inbox.references import ReferenceCopier
from retouchd.job.model import Job, Member, Role
from retouchd.job.naming import shown
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.fit_plan import asked_shape
from retouchd.pictures.metadata import Metadata, in_order
from retouchd.pipeline.fit_pictures import Examined, Fitter, SourcePicture
from retouchd.request.limits import Limits
from retouchd.request.output import Output
from retouchd.request.validate import interface_problems, mask_advice
from retouchd.spool.job_state import EditState, JobState, job_of
from retouchd.spool.phase import ORIGINALS
from retouchd.spool.spool import Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    A job that may be sent: its files, each with the type that its bytes have, by the setting for metadata and
    for an endpoint of this style.
    """

    images: tuple[Upload, ...]
    mask: Upload | None
    metadata: Metadata = Metadata.STRIP
    size: str = ""
    canvas: tuple[int, ...] | None = None
    """The size that "match" comes to, and what of the upload is the picture, as in `Opened`."""
    style: Style = OPENAI

    @property
    def removed(self) -> tuple[str, ...]:
        """
        Return which kinds of metadata the files held that are not sent, each once.
        """
        files = self.images if self.mask is None else (*self.images, self.mask)
        return in_order(kind for each in files for kind in each.removed)


class NotReadyError(Exception):
    """
    Nothing was asked for yet, and the job is not what was seen in the inbox, or cannot be read: it goes back.
    """


class Preparer:
    """
    Looks at claimed files and makes them fit. Blocking: it decodes whole pictures.
    """

    def __init__(
        self, *, spool: Spool, reference_copier: ReferenceCopier, current: Current
    ) -> None:
        self._spool = spool
        self._reference_copier = reference_copier
        self._current = current
        self._fitter = Fitter(spool=spool, current=current)

    def gather(self, job_state: JobState) -> Steps[None]:
        """
        Copy the references that are still to be copied out of the inbox. Raises as `ready` does.
        """
        yield Folder.INBOX
        job = job_of(job_state)
        if not job.problems and (obstacle := self._reference_copier.gather(job)):
            raise Blocked(obstacle) if job_state.is_asked else NotReadyError(obstacle)

    def ready(self, edit_state: EditState) -> Prepared | list[Problem]:
        """
        Compare with what was seen, then prepare; all that is needed is in the work folder by now.

        Raises NotReadyError for a job that nothing was asked for yet; for others Blocked, or OSError where
        a file cannot be read.
        """
        job, is_fresh = edit_state.job, not edit_state.whole.is_asked
        if uncarried := self._uncarried(job):
            if is_fresh:
                raise NotReadyError(uncarried[0].message)  # The endpoint was another one then.
            return uncarried
        if is_fresh:
            self._compare(job)
        try:
            prepared = self.prepare(job, edit_state.first_alike)
        except OSError as error:
            if not is_fresh:
                raise
            raise NotReadyError(f"it cannot be read: {error.strerror or error}") from error
        if is_fresh:
            # Again, as somebody may have gone on writing: what was judged is not what lies there now.
            self._compare(job)
        return prepared

    def _uncarried(self, job: Job) -> list[Problem]:
        """
        Return what of a job the endpoint that is asked now cannot even be asked.
        """
        if job.problems:
            return []
        return interface_problems(
            self._current.limits(job.request.model).interface,
            job.request.parameters,
            1 + len(job.references),
            has_mask=job.member(Role.MASK) is not None,
        )

    def still_holds(self, prepared: Prepared) -> bool:
        """
        Say whether what was prepared may still be sent as it is: metadata may have to stay here by now, or
        the endpoint may be asked in another way.
        """
        settings = self._current.settings
        return prepared.metadata is settings.metadata and prepared.style is settings.endpoint.style

    def _compare(self, job: Job) -> None:
        for member in job.members:
            if not member.snapshot.shows(file_stat.snapshot(self._original(job, member))):
                raise NotReadyError(f"{shown(member.name)} was changed while it was taken")

    def prepare(self, job: Job, edit: int = 1) -> Prepared | list[Problem]:
        """
        Return what is to be uploaded, or every problem of the job at once. What is fitted for an `edit` to
        another model than the first one's has files of its own.

        Nothing is fitted before everything that can be known without it was found in order.
        """
        settings = self._current.settings
        metadata, style = settings.metadata, settings.endpoint.style
        limits = self._current.limits(job.request.model)
        problems = list(job.problems)
        front = "" if edit == 1 else f"{edit}-"
        image, mask = self._examined(job, front, limits, problems)
        references = self._references(job, front, limits, problems)
        if problems:
            return problems
        assert image is not None, "a job without an image has a problem"
        found = self._fitted(image, references, mask)
        if not isinstance(found, Prepared):
            return found
        size, _ = self._asked_shape(job, image)
        kept = tuple(image.canvas.to_json()) if image.canvas else None
        return replace(found, metadata=metadata, style=style, size=size, canvas=kept)

    def _asked_shape(self, job: Job, image: Examined) -> tuple[str, Canvas | None]:
        settings, output = self._current.settings, Output.from_json(job.edits[0].output)
        pads = settings.pads and settings.fit
        return asked_shape(job.request, output, image.picture.upright, image.limits, pads=pads)

    def _examined(
        self, job: Job, front: str, limits: Limits, problems: list[Problem]
    ) -> tuple[Examined | None, Examined | None]:
        images, masks = (self._sources(job, front, role) for role in (Role.IMAGE, Role.MASK))
        image = mask = None
        if len(images) > 1 or len(masks) > 1:
            return None, None  # The job says itself that they are too many.
        for source in images:
            try:
                image = self._fitter.examine(source, limits)
            except ImageFault as fault:
                problems.append(fault.problem)
            else:
                image = replace(image, canvas=self._asked_shape(job, image)[1])
                problems += self._fitter.image_problems(image)
        for source in masks:
            try:
                mask = self._fitter.examine(source, limits)
            except ImageFault as fault:
                problems.append(_of_mask(fault, source))
            else:
                problems += self._fitter.mask_problems(mask, image) if image else []
        return image, mask

    def reference_problems(self, path: Path, name: str, model: str) -> list[Problem]:
        """
        Return what is wrong with a picture as a reference; `name` is its path below the inbox.
        """
        try:
            found = self._fitter.problems(path, name, self._current.limits(model))
        except ImageFault as fault:
            found = [fault.problem]
        return _of_reference(found)

    def _references(
        self, job: Job, front: str, limits: Limits, problems: list[Problem]
    ) -> list[Examined]:
        found = []
        for number, reference in enumerate(job.references if not problems else (), 1):
            path = self._spool.reference(job.id, number)
            label = f"{front}reference-{number}"
            source = SourcePicture(job=job, path=path, name=reference.path, label=label)
            try:
                found.append(self._fitter.examine(source, limits))
            except ImageFault as fault:
                problems += _of_reference([fault.problem])
            else:
                problems += _of_reference(self._fitter.image_problems(found[-1]))
        return found

    def _fitted(
        self, image: Examined, references: list[Examined], mask: Examined | None
    ) -> Prepared | list[Problem]:
        try:
            sent = self._fitter.fitted_image(image)
        except ImageFault as fault:
            return [fault.problem]
        try:
            others = [self._fitter.fitted_image(each).upload for each in references]
        except ImageFault as fault:
            return _of_reference([fault.problem])
        images = (sent.upload, *others)
        if mask is None:
            return Prepared(images=images, mask=None)
        try:
            beside = self._fitter.fitted_mask(mask, image, sent)
        except ImageFault as fault:
            return [_of_mask(fault, mask.source)]
        return Prepared(images=images, mask=beside.upload)

    def _sources(self, job: Job, front: str, role: Role) -> list[SourcePicture]:
        return [
            SourcePicture(
                job=job,
                path=self._original(job, member),
                name=member.name,
                label=front + role.value,
            )
            for member in job.members
            if member.role is role and member.snapshot.size
        ]

    def _original(self, job: Job, member: Member) -> Path:
        return self._spool.folder(job.id) / ORIGINALS / member.name


def _of_mask(fault: ImageFault, mask: SourcePicture) -> Problem:
    problem = replace(fault.problem, code=JobCode.MASK_INVALID)
    if fault.problem.code is not JobCode.IMAGE_UNSUPPORTED:
        return problem
    return replace(problem, hint=mask_advice(shown(mask.name)))


def _of_reference(problems: list[Problem]) -> list[Problem]:
    return [
        replace(each, code=JobCode.REFERENCE_INVALID, message=f"The reference {each.message}")
        for each in problems
    ]
