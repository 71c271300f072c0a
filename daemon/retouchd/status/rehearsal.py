"""
What a run would do with what lies in the inbox: which pictures are sent as what, for how much, and where to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from retouchd.errors import Problem
from retouchd.inbox.waiting import WaitingFile
from retouchd.job.filetypes import EXTENSIONS
from retouchd.job.model import Job, Removed, Role, scalar_text
from retouchd.job.naming import output_suffixes, path_below
from retouchd.money.budget import Allowance, Spend
from retouchd.money.pricing import pictures_asked
from retouchd.pictures.fit_plan import Change, Fit, expected, image_fit, mask_fit
from retouchd.pictures.metadata import Metadata
from retouchd.request.limits import Limits, Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """
    A picture that would be sent, by its path below the inbox: as it lies there, as it would be sent, what is
    changed for that, and which metadata that is known of stays here.
    """

    path: str
    found: Picture
    sent: Picture
    changes: tuple[Change, ...] = ()
    removed: tuple[Removed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """
    A job that would be sent: its pictures, the names of its results below the outbox, what it may cost at most
    (None where no price is known), and whether today's budget lasts for it.
    """

    job: Job
    image: Sent
    mask: Sent | None
    references: tuple[Sent, ...]
    results: tuple[str, ...]
    usd: float | None
    is_today: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """
    A job that would go to `error/`, and why.
    """

    job: Job
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """
    All that a run would do, in its order, and what would stay where it lies.

    `lack` says why the budget ends before the last picture, empty where it lasts; `in_work` are the jobs that
    come first.
    """

    planned: Sequence[Planned]
    failing: Sequence[Failing]
    waiting: Sequence[WaitingFile]
    in_work: int
    allowance: Allowance
    spend: Spend = field(default_factory=Spend)
    lack: str = ""


def image_sent(
    path: str, found: Picture, limits: Limits, metadata: Metadata, *, fits: bool
) -> Sent:
    """
    Return what a picture is sent as, as far as its header tells.
    """
    fit = image_fit(found, limits) if fits else None
    return _sent(path, found, fit, metadata)


def mask_sent(
    path: str, found: Picture, image: Sent, limits: Limits, metadata: Metadata, *, fits: bool
) -> Sent:
    """
    Return what a mask is sent as beside its picture.
    """
    fit = mask_fit(found, image.found, image.sent.upright, limits) if fits else None
    return _sent(path, found, fit, metadata)


def _sent(path: str, found: Picture, fit: Fit | None, metadata: Metadata) -> Sent:
    return Sent(
        path=path,
        found=found,
        sent=expected(found, fit),
        changes=fit.changes if fit else (),
        removed=found.metadata if metadata is Metadata.STRIP else (),
    )


def result_suffixes(job: Job, usual: str = "png") -> list[str]:
    """
    Return what follows the stem in the names of a job's results, if they come as they are asked for; `usual`
    is their format where none is.
    """
    kind = scalar_text(job.request.parameters.get("output_format", usual))
    return output_suffixes([EXTENSIONS.get(kind, kind)] * pictures_asked(job.request))


def sources(job: Job) -> Mapping[str, str]:
    """
    Return for each key of a request which file it came from, `config` for the configuration.
    """
    keys = ("prompt", "model", *job.request.parameters)
    return {key: job.request.origin[key] for key in keys if key in job.request.origin}


def picture_path(job: Job) -> str:
    """
    Return the path of a job's picture below the inbox.
    """
    image = job.member(Role.IMAGE) or job.members[0]
    return path_below(job.folder, image.name)
