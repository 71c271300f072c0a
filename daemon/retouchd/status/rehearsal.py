"""
What a run would do with what lies in the inbox: which pictures are sent as what, for how much, and where to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from retouchd.errors import Problem
from retouchd.inbox.waiting import WaitingFile
from retouchd.job.filetypes import EXTENSIONS
from retouchd.job.model import Edit, Job, Role, scalar_text
from retouchd.job.naming import path_below
from retouchd.job.stripped import Removed
from retouchd.money.budget import Allowance, Spend
from retouchd.money.pricing import pictures_asked
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.fit_plan import Change, Fit, expected, image_fit, mask_fit
from retouchd.pictures.metadata import Metadata
from retouchd.request.limits import Limits, Picture
from retouchd.spool.phase import OUTPUTS


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
    canvas: Canvas | None = None
    removed: tuple[Removed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """
    An edit that would be sent, as a job with that alone: its pictures, its results below `place`, its cost
    at most (None where no price is known), and whether today's budget lasts for it.
    """

    job: Job
    image: Sent
    mask: Sent | None
    references: tuple[Sent, ...]
    results: tuple[str, ...]
    usd: float | None
    is_today: bool = True

    @property
    def place(self) -> str:
        """
        Return where its results go: `outbox` or `review`.
        """
        return "review" if self.job.is_reviewed else "outbox"


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
    path: str,
    found: Picture,
    limits: Limits,
    metadata: Metadata,
    *,
    fits: bool,
    canvas: Canvas | None = None,
) -> Sent:
    """
    Return what a picture is sent as, as far as its header tells; `canvas` is what is put around it.
    """
    fit = image_fit(found, limits, canvas) if fits else None
    return _sent(path, found, fit, metadata)


def mask_sent(
    path: str, found: Picture, image: Sent, limits: Limits, metadata: Metadata, *, fits: bool
) -> Sent:
    """
    Return what a mask is sent as beside its picture.
    """
    size = image.sent.upright
    fit = mask_fit(found, image.found, size, limits, image.canvas) if fits else None
    return _sent(path, found, fit, metadata)


def _sent(path: str, found: Picture, fit: Fit | None, metadata: Metadata) -> Sent:
    return Sent(
        path=path,
        found=found,
        sent=expected(found, fit),
        changes=fit.changes if fit else (),
        canvas=fit.canvas if fit else None,
        removed=found.metadata if metadata is Metadata.STRIP else (),
    )


def results_expected(
    job: Job, usual: Callable[[str], str], finished: Callable[[Edit, str], str]
) -> list[str]:
    """
    Return the results of a job as they would stand in its directory, if they come as they are asked for;
    `usual` says for each model their format where none is asked for, `finished` into which format an edit's
    result is made then.
    """
    found = []
    for number, edit in enumerate(job.edits, 1):
        if edit.had is None:
            request = edit.request
            came = scalar_text(request.parameters.get("output_format", usual(request.model)))
            kind = finished(edit, came)
            count = range(1, pictures_asked(request) + 1)
            found += [f"{OUTPUTS}/{number}-{k}.{EXTENSIONS.get(kind, kind)}" for k in count]
    return found


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
