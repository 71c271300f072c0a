"""
From a bundle to a job: the sidecars are read, the request is put together and frozen.

A fault of the bundle's own files makes a job that ends in `error/`. A fault of a folder file or of the
configuration never moves a file: the bundle is held where it lies, with the reason.
"""

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from retouchd.adapters.inbox import Inbox
from retouchd.engine.backlog import Candidate
from retouchd.errors import Problem
from retouchd.rules.checks import check_request
from retouchd.rules.job import Job, Member, Request, Role, Scalar, Snapshot
from retouchd.rules.limits import Limits
from retouchd.rules.names import Kind, Named
from retouchd.rules.naming import shown
from retouchd.rules.readiness import Ready
from retouchd.rules.record import is_own_reason, own_record
from retouchd.rules.settling import Sight, Signature
from retouchd.rules.sidecar import MAX_PROMPT_BYTES, read_prompt

_ROLES = {
    Kind.PROMPT: Role.PROMPT,
    Kind.MASK: Role.MASK,
    Kind.RECORD: Role.LEFTOVER,
    Kind.REASON: Role.LEFTOVER,
}
_MAX_RECORD_BYTES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """
    The `[edit]` of the configuration: what a request holds where nobody said otherwise.
    """

    model: str
    prompt: str | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """
    The bundle stays in the inbox, and why.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prompt:
    text: str | None
    origin: str
    problem: Problem | None = None
    digest: str | None = None


class Framer:
    """
    Makes jobs of bundles. Blocking: it reads the sidecars.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        edit: Edit,
        limits: Callable[[str], Limits],
        text_encoding: str | None,
    ) -> None:
        self._inbox = inbox
        self._edit = edit
        self._limits = limits
        self._text_encoding = text_encoding

    def frame(
        self, candidate: Candidate, folder_prompts: Iterable[tuple[str, str]], now: dt.datetime
    ) -> Job | Held:
        """
        Return the job of a ready candidate, or why it is held. Raises OSError for an unreadable sidecar.
        """
        assert isinstance(candidate.state, Ready), "only a ready bundle is framed"
        problems = [candidate.state.problem] if candidate.state.problem else []
        prompt = _Prompt(text=None, origin="")
        if not problems:
            prompt = self._prompt(candidate, folder_prompts)
            if not candidate.bundle.prompts and (fault := self._foreign_fault(prompt)):
                return Held(f"{shown(prompt.origin)}: {fault.message} {fault.hint}")
            problems += [prompt.problem] if prompt.problem else []
        leftovers, previous = self._leftovers(candidate)
        bundle = candidate.bundle
        files = [*bundle.images, *bundle.prompts, *bundle.masks, *leftovers]
        return Job(
            id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            folder=candidate.folder,
            stem=bundle.stem,
            members=tuple(_member(named, candidate.sights, prompt) for named in files),
            request=self._request(prompt),
            claimed_at=now,
            previous=previous,
            problems=tuple(problems),
        )

    def _prompt(self, candidate: Candidate, folder_prompts: Iterable[tuple[str, str]]) -> _Prompt:
        for named in candidate.bundle.prompts:
            return self._read(candidate.folder, named.name)
        for folder, name in folder_prompts:
            return self._read(folder, name)
        return _Prompt(text=self._edit.prompt, origin="config")

    def _read(self, folder: str, name: str) -> _Prompt:
        raw = self._inbox.read(folder, name, MAX_PROMPT_BYTES)
        text = read_prompt(raw, shown(name), self._text_encoding)
        origin = f"{folder}/{name}" if folder else name
        digest = hashlib.sha256(raw).hexdigest()
        if isinstance(text, Problem):
            return _Prompt(text=None, origin=origin, problem=text, digest=digest)
        return _Prompt(text=text, origin=origin, digest=digest)

    def _foreign_fault(self, prompt: _Prompt) -> Problem | None:
        """
        Return what is wrong with a prompt that many images share.
        """
        if prompt.problem is not None:
            return prompt.problem
        model = self._edit.model
        found = check_request(model, prompt.text, self._edit.parameters, self._limits(model))
        return found[0] if found else None

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

    def _request(self, prompt: _Prompt) -> Request:
        set_here = {"model": "config"} | dict.fromkeys(self._edit.parameters, "config")
        return Request(
            model=self._edit.model,
            prompt=prompt.text,
            parameters=dict(self._edit.parameters),
            origin=({"prompt": prompt.origin} if prompt.text is not None else {}) | set_here,
        )


def _member(named: Named, sights: Mapping[str, Sight], prompt: _Prompt) -> Member:
    role = _ROLES.get(named.kind, Role.IMAGE)
    return Member(
        role=role,
        name=named.name,
        inbox_name=named.name,
        snapshot=_snapshot(sights[named.name].signature),
        sha256=prompt.digest if role is Role.PROMPT else None,
    )


def _snapshot(seen: Signature) -> Snapshot:
    return Snapshot(size=seen.size, mtime_ns=seen.mtime_ns, inode=seen.inode, device=seen.device)
