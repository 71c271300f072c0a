"""
A job: its files, the frozen request, its attempts.

Vocabulary: a *bundle* is an image with its prompt and mask as they lie in the inbox; a *job* is a
claimed bundle; a *member* is one of its files; an *attempt* is one request, open until it is
closed with a *verdict*.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias, TypedDict

from retouchd.errors import Problem

Scalar: TypeAlias = str | int | float | bool
"""A value of a request's parameter as it was set, before it is written as text on the wire."""


class Role(StrEnum):
    """
    What a member is to its bundle.
    """

    IMAGE = "image"
    PROMPT = "prompt"
    EDIT = "edit"
    """A structured sidecar."""
    MASK = "mask"
    LEFTOVER = "leftover"
    """A record or reason of our own that came back with its image from `error/`."""
    COMPANION = "companion"
    """What another program keeps beside the image for itself, and goes where that goes."""


class Verdict(StrEnum):
    """
    What one attempt meant for the job and for the money.
    """

    DONE = "done"
    TRANSIENT = "transient"
    """Provably unpaid: may be repeated freely."""
    IN_DOUBT = "in_doubt"
    """May have been charged: repeats are counted."""
    REFUSED = "refused"
    """This file will not be accepted as it is."""
    ACCOUNT = "account"
    """No file will be accepted before a person has acted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    The identity of a file's content as a stat shows it, without reading: bytes, nanoseconds.

    ctime is left out on purpose: a rename changes it. An inode of 0 says nothing: that filesystem makes numbers
    up.
    """

    size: int
    mtime_ns: int
    inode: int
    device: int

    def shows(self, other: "Snapshot | None") -> bool:
        """
        Return whether both are of one file, as far as its numbers say anything.
        """
        if other is None or not self.inode or not other.inode:
            return other is not None and replace(self, inode=0) == replace(other, inode=0)
        return self == other


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """
    One file of a bundle: its role, its own name, and where in the inbox it lay.

    `inbox_name` differs from `name` only while a job is given back under a free name. `sha256` is set
    for sidecars.
    """

    role: Role
    name: str
    inbox_name: str
    snapshot: Snapshot
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """
    A further picture that is sent after the image: its path below the inbox, from where it is copied.
    """

    path: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    What is asked of the endpoint, frozen when the job is opened.

    `parameters` holds what was set besides model and prompt, in the order it goes on the wire;
    `origin` says for each key which file it came from (`config` for the configuration).
    `prompt` is None when none could be had; the job's problems then say why.
    """

    model: str
    prompt: str | None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """
    One edit of a job: what is asked for, and what its results are to be like.

    A plain job has a single edit without a name; the names of several differ. `output` holds the settings of
    `[output]` as they were when the job was opened, none where results are published as received.
    `fingerprint` is the SHA-256 of all that was asked for, where that was known at the claim.

    `had` are the results of an edit that was done before and is not asked for again, as paths below the outbox;
    None of one that is asked for.
    """

    request: Request
    name: str = ""
    output: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    had: tuple[str, ...] | None = None
    received: Mapping[str, Any] = field(default_factory=dict)
    """
    What an earlier job got for it and could not finish: that `job`, its `pictures`, `size` and `canvas` of what
    was sent; see `spool.believed.received_for`.
    """

    @property
    def is_reviewed(self) -> bool:
        """
        Return whether somebody is to look at its results before they are published.
        """
        return bool(self.output.get("review"))


class AboutJob(TypedDict):
    """
    The fields by which events say which job they are about.
    """

    job: str
    folder: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    A bundle with an id: everything `job.json` holds, written whole before the claim.

    Members stand in the order they are claimed. `problems` are the faults seen before the claim;
    a job that has any goes to `error/` without a request. `references` are copied into it and never
    moved. `folder` is the path below the inbox with
    `/` between its parts, `""` at the top; `stem` names the bundle in outbox, done and error.

    `edits` are never none, in the order in which they are asked for; their numbers begin with 1. `earlier_stem`
    is the one that the results of those have which were done before: the others join them.
    """

    id: str
    folder: str
    stem: str
    members: tuple[Member, ...]
    edits: tuple[Edit, ...]
    claimed_at: dt.datetime
    references: tuple[Reference, ...] = ()
    previous: str | None = None
    problems: tuple[Problem, ...] = ()
    earlier_stem: str | None = None

    @property
    def about(self) -> AboutJob:
        """
        Return what every event about this job says of it.
        """
        return {"job": self.id, "folder": self.folder, "name": self.members[0].name}

    @property
    def is_reviewed(self) -> bool:
        """
        Return whether somebody is to look at results of it before they are published.
        """
        return any(each.is_reviewed for each in self.edits)

    @property
    def request(self) -> Request:
        """
        Return what the first edit asks for.
        """
        return self.edits[0].request

    @property
    def had(self) -> frozenset[int]:
        """
        Return the numbers of the edits that were done before.
        """
        return frozenset(n for n, edit in enumerate(self.edits, 1) if edit.had is not None)

    def with_edit(self, number: int) -> "Job":
        """
        Return the job as if it had that edit alone.
        """
        return self if len(self.edits) == 1 else replace(self, edits=(self.edits[number - 1],))

    def sized(self, size: str) -> "Job":
        """
        Return a job with a single edit as it is asked for where that is in a size of its picture's shape; ""
        for as it was set.
        """
        if not size:
            return self
        edit = self.edits[0]
        request = replace(edit.request, parameters={**edit.request.parameters, "size": size})
        return replace(self, edits=(replace(edit, request=request),))

    def member(self, role: Role) -> Member | None:
        """
        Return the first member with that role.
        """
        return next((member for member in self.members if member.role is role), None)

    @property
    def pictures_sent(self) -> int:
        """
        Return how many pictures a request of it takes along: the image, its mask, the references.
        """
        own = sum(member.role in (Role.IMAGE, Role.MASK) for member in self.members)
        return own + len(self.references)

    def said_by(self, key: str) -> Member | None:
        """
        Return the member that set a key of the request, None if a folder file or the configuration did.
        """
        origin = self.request.origin.get(key)
        above = f"{self.folder}/" if self.folder else ""
        return next((each for each in self.members if above + each.name == origin), None)

    def under(self, stem: str, suffixes: Mapping[str, str]) -> "Job":
        """
        Return the job with other names in the inbox: the stem followed by each member's own suffix.
        """
        members = tuple(
            replace(member, inbox_name=stem + suffixes[member.name]) for member in self.members
        )
        return replace(self, members=members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """
    An attempt about to be sent: when, whether as a probe, how many pictures it asks for, and what it may cost.

    `estimate_usd` is None where no price is known; until the answer is judged the money counts as spent.
    `removed` are the kinds of metadata that stay here. `size` is the one that is asked for where "match" came
    to it, "" else; `canvas` what of the upload is the picture (its width and height, what was put to its left,
    above, to its right and below), None where nothing was.
    """

    sent_at: dt.datetime
    probe: bool = False
    pictures: int = 1
    estimate_usd: float | None = None
    removed: tuple[str, ...] = ()
    size: str = ""
    canvas: tuple[int, ...] | None = None


AttemptKey: TypeAlias = tuple[int, int]
"""The number of an edit, and of an attempt among those of the edit; both begin with 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """
    A closed attempt: what one request came to.

    `code` is the endpoint's or ours, for people and logs; `request_id` the endpoint's own. Times are
    aware UTC; `seconds` is the time from sending to the last byte. `probe` marks a request made while
    sending was paused: it does not count against `endpoint.max_attempts`.

    `cost_usd` is what the answer cost, or while that is in doubt what it may have cost, None if not known, and
    `cost_from` says where that is from;
    `pictures` are those that came, or while in doubt those asked for. What is provably unpaid has neither.
    `removed` are the kinds of metadata that were not sent; `warnings` say in sentences what came other than
    asked for.
    """

    number: int
    verdict: Verdict
    sent_at: dt.datetime
    closed_at: dt.datetime
    seconds: float
    http_status: int | None = None
    code: str = ""
    message: str = ""
    request_id: str | None = None
    retry_at: dt.datetime | None = None
    probe: bool = False
    usage: Mapping[str, Any] | None = None
    cost_usd: float | None = None
    cost_from: str = ""
    pictures: int = 0
    problem: Problem | None = None
    """For a refusal: the fault in words for the person who dropped the file."""
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    edit: int = 1
    model: str = ""
    """As it was asked for, "" of an attempt that an earlier version closed."""
    size: str = ""
    canvas: tuple[int, ...] | None = None
    """What was asked for and sent, as in `Opened`."""

    @property
    def key(self) -> AttemptKey:
        """
        Return what tells it from the other attempts of its job.
        """
        return self.edit, self.number


def idempotency_key(job_id: str, edit: int) -> str:
    """
    Return the key that goes with all requests of one edit: of the first one, the job's id.
    """
    return job_id if edit == 1 else f"{job_id}-{edit}"


def scalar_text(value: Scalar) -> str:
    """
    Return a parameter's value as it is sent and told.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


CONFIGURATION = "config"
"""The origin of what no file says."""
