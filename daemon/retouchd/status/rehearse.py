"""
A run played through without doing anything: what would be sent, in order, and how far today's budget lasts.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from retouchd.clock import Clock
from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder, at, step
from retouchd.errors import Problem
from retouchd.inbox.waiting import READY, WaitingFile, kind_of
from retouchd.job.model import Edit, Job, Role
from retouchd.job.naming import escaped, path_below, shown
from retouchd.money.budget import Charge, ChargeState, Spend, day_of, lack
from retouchd.money.pricing import estimate, pictures_asked
from retouchd.pictures import inspect
from retouchd.pictures.decoding import ImageFault
from retouchd.pictures.finishing.geometry import Canvas
from retouchd.pictures.finishing.plan import expected_format
from retouchd.pictures.fit_plan import asked_shape, expected, image_fit, mask_fit, with_way_out
from retouchd.request.limits import Limits, Picture
from retouchd.request.output import Output
from retouchd.request.validate import check_image, check_mask
from retouchd.spool.history import History
from retouchd.spool.phase import edit_of
from retouchd.spool.plan import plan_outputs
from retouchd.spool.spool import Spool
from retouchd.status.inbox_snapshot import Held, InboxSnapshot
from retouchd.status.rehearsal import (
    Failing,
    Planned,
    Rehearsal,
    Sent,
    image_sent,
    mask_sent,
    results_expected,
)
from retouchd.throttle.ledger import day_on_disk

_LONGEST_WAIT_SECONDS = 5.0


class Rehearser:
    """
    Plays a run through. Blocking; nothing is written, and nobody is asked over a network.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._names: set[str] = set()
        self._glanced: tuple[str, Picture] | None = None

    def rehearse(self) -> Rehearsal:
        """
        Return what a run would do now; what settles within some seconds is waited for, as a run would.
        """
        with at(Folder.INBOX):
            seconds = self._seconds_to_settle()
        if 0 < seconds <= _LONGEST_WAIT_SECONDS:
            time.sleep(seconds)
        with at(Folder.INBOX):
            planned, failing, waiting = self._look()
        history = History(self._settings.folders.work)
        spool = Spool(work=self._settings.folders.work, inbox=self._settings.folders.inbox)
        spend, _ = day_on_disk(day_of(self._clock.now()), history, spool)
        planned, reason = self._afforded(planned, spend)
        return Rehearsal(
            planned=planned,
            failing=failing,
            waiting=waiting,
            in_work=len(list(spool.ids())),
            allowance=self._settings.allowance,
            spend=spend,
            lack=reason,
        )

    def examples(self, most: int) -> Iterator[Planned]:
        """
        Yield the first picture that would be sent of each folder, of at most so many folders.
        """
        told: set[str] = set()
        for candidate, found in InboxSnapshot(self._settings, self._clock).claimable():
            step()
            if isinstance(found, Held) or candidate.folder in told:
                continue
            try:
                jobs = self._planned(found)
            except OSError:
                continue  # It waits, as a dry run says.
            if isinstance(jobs[0], Planned):
                told.add(candidate.folder)
                yield jobs[0]
            if len(told) == most:
                return

    def _seconds_to_settle(self) -> float:
        """
        Return for how long something in the inbox still changes, as far as that is known.
        """
        snapshot = InboxSnapshot(self._settings, self._clock)
        changes = [each.changed_at for each in snapshot.idle() if each.changed_at is not None]
        settle_seconds = self._settings.patience.settle_seconds
        return max((at + settle_seconds - snapshot.now for at in changes), default=0.0)

    def _look(self) -> tuple[list[Planned], list[Failing], list[WaitingFile]]:
        """
        Return what of the inbox would be sent, what would fail, and what waits.
        """
        planned: list[Planned] = []
        failing: list[Failing] = []
        waiting: list[WaitingFile] = []
        snapshot = InboxSnapshot(self._settings, self._clock)
        for candidate, found in snapshot.claimable():
            step()
            first = candidate.bundle.files[0].name
            if isinstance(found, Held):
                waiting.append(_waiting(candidate.folder, first, found.reason))
                continue
            try:
                jobs = self._planned(found)
            except OSError as error:
                reason = f"it cannot be read: {error.strerror or error}"
                waiting.append(_waiting(candidate.folder, first, reason))
                continue
            planned += [each for each in jobs if isinstance(each, Planned)]
            failing += [each for each in jobs if isinstance(each, Failing)]
        waiting += [_waiting(*each[:3]) for each in snapshot.idle() if each.reason != READY]
        waiting += [_waiting(folder, "", fault) for folder, fault in snapshot.faults.items()]
        return planned, failing, waiting

    def _afforded(self, planned: list[Planned], spend: Spend) -> tuple[list[Planned], str]:
        """
        Return the jobs with those marked for which today's budget does not last, and why it does not.

        What does not fit stops what comes after it, as a pause does.
        """
        reason = ""
        now, told = self._clock.now(), []
        for each in planned:
            pictures = pictures_asked(each.job.request)
            reason = reason or lack(spend, self._settings.allowance, each.usd, pictures) or ""
            if not reason:
                charge = Charge(
                    sent_at=now, usd=each.usd, pictures=pictures, state=ChargeState.DONE
                )
                spend = spend.plus(charge)
            told.append(replace(each, is_today=not reason))
        return told, reason

    def _planned(self, job: Job) -> list[Planned | Failing]:
        """
        Return each edit that would be asked for, or the job once where none could be.
        """
        results = {} if job.problems else self._results(job)
        asked = [number for number in range(1, len(job.edits) + 1) if number not in job.had]
        each = [self._edit(job.with_edit(n), results.get(n, ())) for n in asked]
        failing = dict.fromkeys(one.problems for one in each if isinstance(one, Failing))
        if failing and all(isinstance(one, Failing) for one in each):
            return [Failing(job=job, problems=problems) for problems in failing]
        return each

    def _edit(self, job: Job, results: Sequence[str]) -> Planned | Failing:
        problems = list(job.problems)
        limits = self._settings.limits(job.request.model)
        image = mask = None
        references: list[Sent] = []
        if not problems:
            try:
                path = self._path(job, Role.IMAGE)
                size, canvas = self._shape(job, path, limits)
                job = job.sized(size)
                image = self._image(path, limits, problems, canvas)
                mask = self._mask(job, image, limits, problems)
                references = [self._image(each.path, limits, problems) for each in job.references]
            except ImageFault as fault:
                problems.append(fault.problem)
        if problems or image is None:
            return Failing(job=job, problems=tuple(problems))
        return Planned(
            job=job,
            image=image,
            mask=mask,
            references=tuple(references),
            results=tuple(results),
            usd=estimate(self._settings.prices(job.request.model), job),
        )

    def _shape(self, job: Job, path: str, limits: Limits) -> tuple[str, Canvas | None]:
        output = Output.from_json(job.edits[0].output)
        upright = self._glance(path).upright
        pads = self._settings.pads and self._settings.fit
        return asked_shape(job.request, output, upright, limits, pads=pads)

    def _image(
        self, path: str, limits: Limits, problems: list[Problem], canvas: Canvas | None = None
    ) -> Sent:
        found, name = self._glance(path), _shown_name(path)
        fits, metadata = self._settings.fit, self._settings.metadata
        fitted = check_image(name, expected(found, image_fit(found, limits, canvas)), limits)
        problems += fitted if fits else _with_way_out(check_image(name, found, limits), fitted)
        return image_sent(path, found, limits, metadata, fits=fits, canvas=canvas)

    def _mask(self, job: Job, image: Sent, limits: Limits, problems: list[Problem]) -> Sent | None:
        if job.member(Role.MASK) is None:
            return None
        path = self._path(job, Role.MASK)
        found, names = self._glance(path), (_shown_name(path), _shown_name(image.path))
        beside = expected(image.found, image_fit(image.found, limits, image.canvas))
        made = expected(found, mask_fit(found, image.found, beside.upright, limits, image.canvas))
        fitted = check_mask(names[0], made, names[1], beside, limits)
        as_it_is = check_mask(names[0], found, names[1], image.found, limits)
        fits, metadata = self._settings.fit, self._settings.metadata
        problems += fitted if fits else _with_way_out(as_it_is, fitted)
        return mask_sent(path, found, image, limits, metadata, fits=fits)

    def _glance(self, path: str) -> Picture:
        if self._glanced is not None and self._glanced[0] == path:
            return self._glanced[1]
        place = self._settings.folders.inbox / path
        # Where an end is missing, only the pixels tell whether all of them are there.
        look = inspect.glance if inspect.whole(place) else inspect.look
        found = look(place, name=_shown_name(path), max_megapixels=self._settings.max_megapixels)
        self._glanced = path, found
        return found

    def _path(self, job: Job, role: Role) -> str:
        member = job.member(role)
        assert member is not None, "a job without problems has an image"
        return path_below(job.folder, member.inbox_name)

    def _results(self, job: Job) -> dict[int, list[str]]:
        """
        Return by edit the names that its results get, if nothing else is put there before.
        """

        def usual(model: str) -> str:
            return self._settings.limits(model).interface.answers

        def finished(edit: Edit, came: str) -> str:
            output = Output.from_json(edit.output)
            if output.format == "received":
                return came
            try:
                found = self._glance(self._path(job, Role.IMAGE))
            except ImageFault:
                return came  # It fails, as is told of the edit.
            return expected_format(output, found.format, came, has_alpha=found.has_alpha)

        expected = results_expected(job, usual, finished)
        folders = self._settings.folders

        def is_taken(name: str) -> bool:
            path = path_below(job.folder, name)
            return (
                path in self._names
                or _is_there(folders.outbox / path, Folder.OUTBOX)
                or (job.is_reviewed and _is_there(folders.review / path, Folder.REVIEW))
            )

        found: dict[int, list[str]] = {}
        for item in plan_outputs(job, expected, is_taken):
            path = path_below(job.folder, item.target)
            self._names.add(path)
            found.setdefault(edit_of(item.source), []).append(path)
        return found


def _with_way_out(as_it_is: list[Problem], fitted: list[Problem]) -> list[Problem]:
    return [each if each in fitted else with_way_out(each) for each in as_it_is]


def _is_there(path: Path, folder: Folder) -> bool:
    try:
        with at(folder):
            return os.path.lexists(path)
    except OSError:
        return False


def _shown_name(path: str) -> str:
    return shown(path.rpartition("/")[2])


def _waiting(folder: str, name: str, reason: str) -> WaitingFile:
    return WaitingFile(
        folder=escaped(folder),
        name=escaped(name),
        reason=escaped(reason),
        kind=kind_of(reason, (name,)),
    )
