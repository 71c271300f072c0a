"""
Everything that can be found wrong with a job before money is spent, and what is to be uploaded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from retouchd.adapters import files, images
from retouchd.adapters.edits import Upload
from retouchd.adapters.spool import Spool
from retouchd.errors import JobCode, Problem
from retouchd.rules import checks
from retouchd.rules.job import Job, Member, Role
from retouchd.rules.limits import Limits, Picture
from retouchd.rules.naming import shown
from retouchd.rules.phase import ORIGINALS


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    A job that may be sent: its files, each with the type that its bytes have.
    """

    images: tuple[Upload, ...]
    mask: Upload | None


class Preparer:
    """
    Looks at claimed files. Blocking: it decodes whole pictures.
    """

    def __init__(
        self, *, spool: Spool, limits: Callable[[str], Limits], max_megapixels: float
    ) -> None:
        self._spool = spool
        self._limits = limits
        self._max_megapixels = max_megapixels

    def changed(self, job: Job) -> str | None:
        """
        Return the first member that is not the file once seen in the inbox, None if all are.
        """
        for member in job.members:
            if files.snapshot(self._original(job, member)) != member.snapshot:
                return member.name
        return None

    def prepare(self, job: Job) -> Prepared | list[Problem]:
        """
        Return what is to be uploaded, or every problem of the job at once.
        """
        limits = self._limits(job.request.model)
        problems = list(job.problems)
        pictures: list[tuple[Member, Picture]] = []
        masks: list[tuple[Member, Picture]] = []
        if not any(
            len(group) > 1 for group in (_members(job, Role.IMAGE), _members(job, Role.MASK))
        ):
            pictures = self._look(job, Role.IMAGE, limits.max_image_bytes, problems)
            masks = self._look(job, Role.MASK, limits.max_mask_bytes, problems)
        for member, picture in pictures:
            problems += checks.check_image(shown(member.name), picture, limits)
        for (mask, seen), (image, picture) in zip(masks, pictures, strict=False):
            problems += checks.check_mask(
                shown(mask.name), seen, shown(image.name), picture, limits
            )
        request = job.request
        if request.prompt is not None:
            problems += checks.check_request(
                request.model, request.prompt, request.parameters, limits
            )
        references = list(self._references(job, limits, problems))
        if problems:
            return problems
        return Prepared(
            images=(*(self._upload(job, *pair) for pair in pictures), *references),
            mask=next((self._upload(job, *pair) for pair in masks), None),
        )

    def _look(
        self, job: Job, role: Role, max_bytes: int | None, problems: list[Problem]
    ) -> list[tuple[Member, Picture]]:
        seen = []
        for member in _members(job, role):
            try:
                picture = images.look(
                    self._original(job, member),
                    name=shown(member.name),
                    max_bytes=max_bytes,
                    max_megapixels=self._max_megapixels,
                )
            except images.ImageFault as fault:
                is_mask = role is Role.MASK
                code = JobCode.MASK_INVALID if is_mask else fault.problem.code
                problems.append(replace(fault.problem, code=code))
            else:
                seen.append((member, picture))
        return seen

    def reference_problems(self, path: Path, name: str, model: str) -> list[Problem]:
        """
        Return what is wrong with a picture as a reference; `name` is its path below the inbox.
        """
        found = self._examine(path, name, self._limits(model))
        return found if isinstance(found, list) else []

    def _references(self, job: Job, limits: Limits, problems: list[Problem]) -> Iterator[Upload]:
        for number, reference in enumerate(job.references if not problems else (), 1):
            path = self._spool.reference(job.id, number)
            found = self._examine(path, reference.path, limits)
            if isinstance(found, list):
                problems += found
            else:
                yield Upload(path=path, content_type=f"image/{found.format}")

    def _examine(self, path: Path, name: str, limits: Limits) -> Picture | list[Problem]:
        try:
            picture = images.look(
                path,
                name=shown(name),
                max_bytes=limits.max_image_bytes,
                max_megapixels=self._max_megapixels,
            )
        except images.ImageFault as fault:
            return [replace(fault.problem, code=JobCode.REFERENCE_INVALID)]
        faults = checks.check_image(shown(name), picture, limits)
        return [replace(each, code=JobCode.REFERENCE_INVALID) for each in faults] or picture

    def _upload(self, job: Job, member: Member, picture: Picture) -> Upload:
        return Upload(path=self._original(job, member), content_type=f"image/{picture.format}")

    def _original(self, job: Job, member: Member) -> Path:
        return self._spool.folder(job.id) / ORIGINALS / member.name


def _members(job: Job, role: Role) -> list[Member]:
    return [member for member in job.members if member.role is role]
