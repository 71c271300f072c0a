"""
Makes a job of a bundle: everything that holds for it is resolved and frozen.

A fault of the bundle's own files makes a job that ends in `error/`. A fault of a folder file or of the
configuration never moves a file: the bundle is held where it lies, with the reason.
"""

import datetime as dt
import secrets
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Protocol

from retouchd.disk.signature import Observation
from retouchd.errors import JobCode, Problem
from retouchd.inbox.candidates import Candidate
from retouchd.inbox.held import HeldError
from retouchd.inbox.precedence import (
    EffectiveValues,
    FolderFile,
    Layer,
    Values,
    compose,
    folder_faults,
    needed,
)
from retouchd.inbox.readiness import Ready, references_of
from retouchd.inbox.references import ReferenceChecks
from retouchd.inbox.scanner import InboxScanner
from retouchd.inbox.sidecar_reader import Prompt, SidecarReader
from retouchd.job.filenames import Kind, Named
from retouchd.job.model import CONFIGURATION, Edit, Job, Member, Reference, Request, Role, Scalar
from retouchd.job.naming import path_below, shown
from retouchd.job.pairing import Bundle
from retouchd.money.budget import Allowance, beyond, unpriced
from retouchd.money.pricing import estimate, pictures_asked
from retouchd.request.limits import Limits
from retouchd.request.models import Prices
from retouchd.request.output import DEFAULT_NAME, PREFIX, output_faults, own_keys, resolved
from retouchd.request.validate import request_faults
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
        wishes = compose([self._current.edit_layer()])
        if not problems:
            wishes = compose(self._layers(candidate, prompts))
            problems += self._faults(candidate, wishes)
        elif (own := candidate.surroundings.own) and own.values:
            problems += self._further(candidate, own.values)
        references = _named(candidate) if problems else tuple(self._references(candidate, wishes))
        leftovers, previous = self._leftovers(candidate)
        bundle = candidate.bundle
        files = [*bundle.images, *bundle.prompts, *bundle.edits, *bundle.masks, *leftovers]
        job = Job(
            id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            folder=candidate.folder,
            stem=bundle.stem,
            members=tuple(_member(named, candidate, prompts) for named in files),
            edits=(_edit(wishes, bundle, now),),
            claimed_at=now,
            references=references,
            previous=previous,
            problems=tuple(problems),
        )
        if not problems:
            self._afford(job)
        return job

    def _afford(self, job: Job) -> None:
        """
        Raise HeldError for a job that no day's budget could pay for, or whose price is not known.
        """
        model, allowance = job.request.model, self._current.allowance()
        usd = estimate(self._current.prices(model), job)
        if usd is None and allowance.usd_per_day:
            raise HeldError(unpriced(model))
        if reason := beyond(allowance, usd, pictures_asked(job.request)):
            raise HeldError(reason)

    def _prompts(self, candidate: Candidate) -> dict[str, Prompt]:
        """
        Return the plain prompts of the bundle by their names.
        """
        return {
            named.name: self._reader.prompt(candidate.folder, named.name)
            for named in candidate.bundle.prompts
        }

    def _layers(self, candidate: Candidate, prompts: Mapping[str, Prompt]) -> Iterator[Layer]:
        """
        Yield what holds for a bundle, the nearest first.
        """
        own = candidate.surroundings.own
        for name, prompt in prompts.items():
            yield Layer(origin=_path(candidate, name), values={"prompt": prompt.text})
        for named in candidate.bundle.edits:
            assert own is not None, "only a bundle whose sidecar was read is ready"
            yield Layer(origin=_path(candidate, named.name), values=own.values, images=own.images)
        has_prompt = bool(prompts) or (own is not None and own.has_prompt)
        relevant = needed(candidate.surroundings.sources, has_prompt=has_prompt)
        for fault in folder_faults(relevant):
            raise HeldError(fault)
        for source in relevant:
            yield self._folder_layer(source)
        yield self._current.edit_layer()

    def _folder_layer(self, source: FolderFile) -> Layer:
        if source.content is not None:
            return Layer(
                origin=source.path, values=source.content.values, images=source.content.images
            )
        prompt = self._reader.prompt(source.folder, source.name)
        if prompt.problem is not None:
            raise HeldError(f"{prompt.problem.message} Correct {shown(source.path)}.")
        return Layer(origin=source.path, values={"prompt": prompt.text})

    def _faults(self, candidate: Candidate, wishes: EffectiveValues) -> Iterator[Problem]:
        """
        Yield what is wrong with what the bundle says itself.

        Raises HeldError for what is wrong with what others say of it.
        """
        own = {_path(candidate, named.name) for named in candidate.bundle.files}
        model = str(wishes.values["model"])
        for keys, problem in request_faults(
            model,
            _prompt(wishes),
            _parameters(wishes),
            1 + len(wishes.images),
            self._current.limits(model),
            has_mask=bool(candidate.bundle.masks),
        ):
            if "mask" in keys:  # It lies beside the picture.
                yield problem
                continue
            origins = {wishes.origin[key] for key in (*keys, "model") if key in wishes.origin}
            if not origins & own:
                where = wishes.origin.get(keys[0], CONFIGURATION)
                place = "[edit] of the configuration" if where == CONFIGURATION else shown(where)
                raise HeldError(f"{place}: {problem.message} {problem.hint}")
            where = next(o for key in (*keys, "model") if (o := wishes.origin.get(key)) in own)
            yield replace(problem, message=f"{_shown_name(where)}: {problem.message}")
        yield from _output_problems(wishes, own, candidate.bundle)

    def _further(self, candidate: Candidate, values: Values) -> Iterator[Problem]:
        """
        Yield what else is wrong with the parameters of a sidecar of which something is: who corrects it is to
        hear of all at once.
        """
        path = _path(candidate, candidate.bundle.edits[0].name)
        wishes = compose([Layer(origin=path, values=values), self._current.edit_layer()])
        model = str(wishes.values["model"])
        for keys, problem in request_faults(
            model, _prompt(wishes), _parameters(wishes), 1, self._current.limits(model)
        ):
            if any(wishes.origin.get(key) == path for key in keys):
                yield replace(problem, message=f"{_shown_name(path)}: {problem.message}")

    def _references(self, candidate: Candidate, wishes: EffectiveValues) -> Iterator[Reference]:
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
            if source is not None:
                model = str(wishes.values["model"])
                for problem in self._reference_checks.problems(path, snapshot, model):
                    raise HeldError(f"{shown(source.path)}: {problem.message} {problem.hint}")
            yield Reference(path=path, snapshot=snapshot)

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


def _output_problems(
    wishes: EffectiveValues, own: AbstractSet[str], bundle: Bundle
) -> Iterator[Problem]:
    """
    Yield what the bundle's own sidecar asks of its results that cannot be.
    """
    said = {key: value for key, value in wishes.values.items() if wishes.origin[key] in own}
    has_references = bool(wishes.images)
    for words in output_faults(
        own_keys(said), has_mask=bool(bundle.masks), has_references=has_references
    ):
        where = next(wishes.origin[key] for key in said if key.startswith(PREFIX))
        message, _, hint = words.partition(". ")
        yield Problem(
            code=JobCode.PARAMETER_INVALID, message=f"{_shown_name(where)}: {message}.", hint=hint
        )


def _edit(wishes: EffectiveValues, bundle: Bundle, now: dt.datetime) -> Edit:
    """
    Return what is asked for, and what its results are to be.
    """
    output = resolved(
        own_keys(wishes.values), has_mask=bool(bundle.masks), has_references=bool(wishes.images)
    )
    if not output.is_anything and output.name == DEFAULT_NAME:
        return Edit(request=_request(wishes))
    frozen = output.to_json()
    if output.name != DEFAULT_NAME:
        # The day is that of the claim, wherever and whenever the job goes on.
        frozen["day"] = f"{now.astimezone():%Y-%m-%d}"
    return Edit(request=_request(wishes), output=frozen)


def _request(wishes: EffectiveValues) -> Request:
    return Request(
        model=str(wishes.values["model"]),
        prompt=_prompt(wishes),
        parameters=_parameters(wishes),
        origin=dict(wishes.origin),
    )


def _prompt(wishes: EffectiveValues) -> str | None:
    return str(wishes.values["prompt"]) if "prompt" in wishes.values else None


def _parameters(wishes: EffectiveValues) -> dict[str, Scalar]:
    return {
        key: value
        for key, value in wishes.values.items()
        if key not in ("model", "prompt") and not key.startswith(PREFIX)
    }


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


def _shown_name(path: str) -> str:
    return shown(path.rpartition("/")[2])


def _path(candidate: Candidate, name: str) -> str:
    return path_below(candidate.folder, name)
