"""
Makes a job of a bundle: everything that holds for it is resolved and frozen.

A fault of the bundle's own files makes a job that ends in `error/`. A fault of a folder file or of the
configuration never moves a file: the bundle is held where it lies, with the reason.
"""

import datetime as dt
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from retouchd.disk import nofollow
from retouchd.disk.signature import Observation
from retouchd.errors import Problem
from retouchd.inbox.candidates import Candidate
from retouchd.inbox.edit_request import (
    edit_of,
    further_faults,
    is_same_request,
    own_faults,
    request_of,
    twin_faults,
)
from retouchd.inbox.held import HeldError
from retouchd.inbox.precedence import (
    EditPart,
    FolderFile,
    Layer,
    Task,
    compose,
    folder_faults,
    needed,
    place_of,
)
from retouchd.inbox.prompt_fields import PromptFields
from retouchd.inbox.readiness import Ready, own_task, references_of
from retouchd.inbox.references import ReferenceChecks
from retouchd.inbox.scanner import InboxScanner
from retouchd.inbox.sidecar_reader import Prompt, SidecarReader
from retouchd.job.filenames import Kind, Named
from retouchd.job.model import Edit, Job, Member, Reference, Role, scalar_text
from retouchd.job.naming import path_below, shown
from retouchd.money.budget import Allowance, beyond, unpriced
from retouchd.money.pricing import estimate, pictures_asked
from retouchd.pictures.decoding import ImageFault
from retouchd.request.limits import Limits
from retouchd.request.models import Prices
from retouchd.spool.ends import told_problems
from retouchd.spool.record import is_own_reason, own_record

_ROLES = {
    Kind.PROMPT: Role.PROMPT,
    Kind.EDIT: Role.EDIT,
    Kind.MASK: Role.MASK,
    Kind.RECORD: Role.LEFTOVER,
    Kind.REASON: Role.LEFTOVER,
}
_MAX_RECORD_BYTES = 1 << 22


class Terms(Protocol):
    """
    What the configuration says of every job at this moment.
    """

    def edit_layer(self) -> Layer:
        """
        Return what it says of every edit.
        """

    def edit_task(self) -> Task:
        """
        Return what it says is to be done where no file does.
        """

    def limits(self, model: str) -> Limits:
        """
        Return what a model takes.
        """

    def prices(self, model: str) -> Prices:
        """
        Return what a model costs.
        """

    def allowance(self) -> Allowance:
        """
        Return what a day may cost.
        """


class JobFreezer:
    """
    Makes the immutable job of a bundle. Blocking: it reads the plain prompts.
    """

    def __init__(
        self,
        *,
        inbox: InboxScanner,
        reader: SidecarReader,
        reference_checks: ReferenceChecks,
        current: Terms,
    ) -> None:
        self._inbox = inbox
        self._reference_checks = reference_checks
        self._reader = reader
        self._current = current

    def freeze(self, candidate: Candidate, now: dt.datetime) -> Job:
        """
        Return the job of a ready candidate.

        Raises HeldError where a folder file or the configuration is at fault, OSError for a sidecar that
        cannot be read.
        """
        assert isinstance(candidate.state, Ready), "only a ready bundle becomes a job"
        problems = list(candidate.state.problems)
        prompts = {} if problems else self._prompts(candidate)
        problems += [each.problem for each in prompts.values() if each.problem]
        edits = [Edit(request=request_of(compose([self._current.edit_layer()])))]
        ends: list[list[Problem]] = []
        if not problems:
            try:
                edits, ends = self._edits(candidate, prompts, now)
            except ImageFault as fault:
                problems.append(fault.problem)
        elif (own := candidate.surroundings.own) and own.values:
            path = _path(candidate, candidate.bundle.edits[0].name)
            wishes = compose([Layer(origin=path, values=own.values), self._current.edit_layer()])
            problems += further_faults(wishes, path, self._current.limits)
        is_sound = not problems and not any(ends)
        models = dict.fromkeys(each.request.model for each in edits)
        references = tuple(self._references(candidate, models)) if is_sound else _named(candidate)
        leftovers, previous = self._leftovers(candidate)
        companions = list(self._companions(candidate))
        bundle = candidate.bundle
        files = [*bundle.images, *bundle.prompts, *bundle.edits, *bundle.masks, *leftovers]
        job = Job(
            id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            folder=candidate.folder,
            stem=bundle.stem,
            members=(*(_member(named, candidate, prompts) for named in files), *companions),
            edits=tuple(edits),
            claimed_at=now,
            references=references,
            previous=previous,
            problems=tuple(problems),
        )
        if any(ends):
            return replace(job, problems=told_problems(job, ends))
        if not problems:
            self._afford(job)
        return job

    def _afford(self, job: Job) -> None:
        """
        Raise HeldError for a job with an edit that no day's budget could pay for, or whose price is not known.
        """
        allowance = self._current.allowance()
        for number, edit in enumerate(job.edits, 1):
            model = edit.request.model
            usd = estimate(self._current.prices(model), job.with_edit(number))
            if usd is None and allowance.usd_per_day:
                raise HeldError(unpriced(model))
            if reason := beyond(allowance, usd, pictures_asked(edit.request)):
                raise HeldError(f"{edit.name}: {reason}" if edit.name else reason)

    def _edits(
        self, candidate: Candidate, prompts: Mapping[str, Prompt], now: dt.datetime
    ) -> tuple[list[Edit], list[list[Problem]]]:
        """
        Return the edits that a bundle asks for, and for each what is wrong with it.

        Raises HeldError for what is wrong with what others say of it, ImageFault where its size is asked for
        and cannot be told.
        """
        layers, task = self._layers(candidate, prompts)
        if task.lacking and task.edits:
            raise HeldError(_without_prompt(task))
        variables = compose(
            Layer(origin=each.origin, values=each.variables) for each in layers
        ).values
        fields = PromptFields(candidate, variables, self._reader)
        own = {_path(candidate, named.name) for named in candidate.bundle.files}
        edits, ends = list[Edit](), list[list[Problem]]()
        for part in task.edits or (EditPart(name=""),):
            first = Layer(origin=task.origin, values=part.values)
            wishes = fields.filled(
                compose([first, *layers]), [each for each in layers if each.is_own]
            )
            edit = edit_of(wishes, candidate.bundle, now, part.name)
            if "upload" in variables and "name" in edit.output:
                # Under which name its sender knows it: see `web.posting`.
                upload = scalar_text(variables["upload"])
                edit = replace(edit, output={**edit.output, "upload": upload})
            faults = list(
                own_faults(wishes, part.name, candidate.bundle, own, self._current.limits)
            )
            if twin := next((each for each in edits if is_same_request(each, edit)), None):
                faults += twin_faults(edit, twin, task.origin, own)
            edits.append(edit)
            ends.append(faults)
        return edits, ends

    def _prompts(self, candidate: Candidate) -> dict[str, Prompt]:
        """
        Return the plain prompts of the bundle by their names.
        """
        return {
            named.name: self._reader.prompt(candidate.folder, named.name)
            for named in candidate.bundle.prompts
        }

    def _layers(
        self, candidate: Candidate, prompts: Mapping[str, Prompt]
    ) -> tuple[list[Layer], Task]:
        """
        Return what holds for a bundle, the nearest first, and what is to be done.
        """
        own = candidate.surroundings.own
        layers = [
            Layer(origin=_path(candidate, name), values={"prompt": prompt.text}, is_own=True)
            for name, prompt in prompts.items()
        ]
        task = own_task(candidate.bundle, own)
        for named in candidate.bundle.edits:
            assert own is not None, "only a bundle whose sidecar was read is ready"
            path = _path(candidate, named.name)
            task = replace(task, origin=path)
            layers.append(
                Layer(
                    origin=path,
                    values=own.values,
                    images=own.images,
                    variables=own.variables,
                    is_own=True,
                )
            )
        relevant, task = needed(candidate.surroundings.sources, task)
        for fault in folder_faults(relevant):
            raise HeldError(fault)
        layers += map(self._folder_layer, relevant)
        layers.append(self._current.edit_layer())
        task = task.over(self._current.edit_task())
        if caption := candidate.surroundings.caption:
            path = _path(candidate, candidate.bundle.images[0].name)
            layers.append(Layer(origin=path, values={"prompt": caption}, is_own=True))
            task = task.over(Task(has_prompt=True))
        return layers, task

    def _folder_layer(self, source: FolderFile) -> Layer:
        if source.content is not None:
            return Layer(
                origin=source.path,
                values=source.content.values,
                images=source.content.images,
                variables=source.content.variables,
            )
        prompt = self._reader.prompt(source.folder, source.name)
        if prompt.problem is not None:
            raise HeldError(f"{prompt.problem.message} Correct {shown(source.path)}.")
        return Layer(origin=source.path, values={"prompt": prompt.text})

    def _references(self, candidate: Candidate, models: Iterable[str]) -> Iterator[Reference]:
        """
        Yield the references of a bundle; raises HeldError for one that a folder file names and that cannot
        be sent.
        """
        surroundings = candidate.surroundings
        paths, source = references_of(surroundings.own, surroundings.sources)
        for path in paths:
            observation = surroundings.references[path]
            if isinstance(observation, str):
                where = shown(source.path) if source else "its sidecar"
                raise HeldError(
                    f"{where} names {shown(path)} as a reference image, but that {observation}."
                )
            snapshot = observation.signature.snapshot
            for model in models:
                if source is None:
                    break
                for problem in self._reference_checks.problems(path, snapshot, model):
                    raise HeldError(f"{shown(source.path)}: {problem.message} {problem.hint}")
            yield Reference(path=path, snapshot=snapshot)

    def _companions(self, candidate: Candidate) -> Iterator[Member]:
        """
        Yield the companions that nobody writes to and that may be read: none of them is worth a fault.

        Raises OSError where the disk fails.
        """
        for name, observation in candidate.companions.items():
            try:
                if self._inbox.is_written(path_below(candidate.folder, name)):
                    continue
            except OSError as error:
                if error.errno in nofollow.UNREADABLE:
                    continue
                raise
            snapshot = observation.signature.snapshot
            yield Member(role=Role.COMPANION, name=name, inbox_name=name, snapshot=snapshot)

    def _leftovers(self, candidate: Candidate) -> tuple[list[Named], str | None]:
        """
        Return the records and reasons that are really ours, and the id of the job they tell of.
        """
        ours, previous = [], None
        for named in candidate.bundle.leftovers:
            raw = self._inbox.read(candidate.folder, named.name, _MAX_RECORD_BYTES)
            if named.kind is Kind.RECORD and (found := own_record(raw)):
                previous = found
                ours.append(named)
            elif named.kind is Kind.REASON and is_own_reason(raw):
                ours.append(named)
        return ours, previous


def _named(candidate: Candidate) -> tuple[Reference, ...]:
    """
    Return the references of a bundle with a fault: they are not sent, but are no jobs of their own either.
    """
    found = candidate.surroundings.references
    return tuple(
        Reference(path=path, snapshot=observation.signature.snapshot)
        for path, observation in found.items()
        if not isinstance(observation, str)
    )


def _without_prompt(task: Task) -> str:
    names = " and ".join(task.lacking)
    return f"{place_of(task.origin)} names {names} among its edits without a prompt, and there is none for all."


def _member(named: Named, candidate: Candidate, prompts: Mapping[str, Prompt]) -> Member:
    role = _ROLES.get(named.kind, Role.IMAGE)
    observations: Mapping[str, Observation] = candidate.observations
    digest = prompts[named.name].digest if named.name in prompts else None
    if role is Role.EDIT and candidate.surroundings.own is not None:
        digest = candidate.surroundings.own.digest
    return Member(
        role=role,
        name=named.name,
        inbox_name=named.name,
        snapshot=observations[named.name].signature.snapshot,
        sha256=digest,
    )


def _path(candidate: Candidate, name: str) -> str:
    return path_below(candidate.folder, name)
