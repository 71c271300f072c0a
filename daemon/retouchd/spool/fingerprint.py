"""
Fingerprints of requests: whether the same bytes are asked for with the same request again.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from retouchd.job.model import Job, Request, Role
from retouchd.job.naming import path_below, shown


def record_path(line: Mapping[str, Any]) -> str:
    """
    Return the path of a job's record.
    """
    return path_below(_folder(line), str(line.get("record")))


def picture_path(line: Mapping[str, Any]) -> str:
    """
    Return the path of a job's picture, or of what else was claimed where it had none.
    """
    return path_below(_folder(line), str(line.get("image") or line.get("name")))


def _folder(line: Mapping[str, Any]) -> str:
    return str(line.get("folder") or "")


_AGAIN = (
    'To have it edited, and charged, again, change its prompt or set intake.duplicates to "run"; '
    "otherwise take this one away."
)
_ANYWAY = (
    "Results are not edited by themselves, or an outbox that is synced into the inbox would never end. "
    'To have it edited, give it a prompt of its own or set intake.duplicates to "run"; otherwise take it away.'
)

_GISTS = (
    (
        "edited before",
        re.compile(r"the same picture .* already: (?P<what>.*), recorded in (?:done|error)/.*"),
    ),
    ("result of an earlier edit", re.compile(r"it is a result.*? (?P<what>(?:outbox|review)/.*)")),
    (
        "the same comes first",
        re.compile(r"the same picture .* comes first: (?P<what>.*)\. This .*"),
    ),
)


class Policy(StrEnum):
    """
    What `intake.duplicates` asks for.
    """

    HOLD = "hold"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """
    What a file's content is known by: its size in bytes, and the SHA-256 of these as hexadecimal digits.
    """

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """
    What an edit is known by: its image's size in bytes, and a SHA-256 of all that was asked for.

    `image` is the SHA-256 of the image alone, "" where only the history is left to tell.
    """

    size: int
    sha256: str
    image: str = field(default="", compare=False)

    @property
    def original(self) -> Digest | None:
        """
        Return what the image is known by, None where that is not known.
        """
        return Digest(size=self.size, sha256=self.image) if self.image else None


def fingerprint(
    size: int, request: Request, image: str, mask: str | None, references: Sequence[str]
) -> Fingerprint:
    """
    Return what an edit is known by; each picture is given by the SHA-256 of its bytes as it was dropped.

    The form is fixed: journals and records of years hold it, so whatever is added to a request later must
    leave it as it is where that is not set. Only what was set counts, and as it was set.
    """
    parts = [image, mask, list(references), request.model, request.prompt, request.parameters]
    body = json.dumps(parts, sort_keys=True, default=dict)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return Fingerprint(size=size, sha256=digest, image=image)


def outlines(job: Job) -> frozenset[Hashable]:
    """
    Return for each edit what is equal for all that may ask for the same, as far as can be told without reading
    pictures.
    """
    sizes = tuple(
        (member.role, member.snapshot.size)
        for member in job.members
        if member.role in (Role.IMAGE, Role.MASK)
    )
    references = tuple(each.snapshot.size for each in job.references)
    requests = (edit.request for edit in job.edits)
    return frozenset(
        (each.model, each.prompt, frozenset(each.parameters.items()), sizes, references)
        for each in requests
    )


def already_done(line: Mapping[str, Any]) -> str:
    """
    Return why a duplicate of a finished job waits; `line` is the job's in the history.
    """
    outputs = ", ".join(map(shown, results_told(line)))
    place = "error" if line.get("status") == "error" else "done"
    return (
        f"the same picture with the same request was edited{_when(line)} already: "
        f"{outputs or 'no pictures'}, recorded in {place}/{shown(record_path(line))}. {_AGAIN}"
    )


def results_told(line: Mapping[str, Any]) -> list[str]:
    """
    Return where a job of the history, or a record, put its results: paths that begin with `outbox` or `review`.
    """
    paths = map(str, line.get("outputs") or ())
    return [f"{_place_of(each, line)}/{each}" for each in paths]


def _place_of(path: str, line: Mapping[str, Any]) -> str:
    return "review" if path in (line.get("review") or ()) else "outbox"


def own_result(path: str, line: Mapping[str, Any]) -> str:
    """
    Return why a file waits that is a result; `path` is where below the outbox it was published, `line` that
    of its job in the history.
    """
    record = shown(record_path(line))
    place = _place_of(path, line)
    return f"it is a result: {place}/{shown(path)} of the job recorded in done/{record}. {_ANYWAY}"


def own_result_in_work(path: str) -> str:
    """
    Return why a file waits that is a result of a job which is not over yet; `path` begins with `outbox` or
    `review`.
    """
    return f"it is a result, just published as {shown(path)}. {_ANYWAY}"


def about_to_be_done(job: Job) -> str:
    """
    Return why a duplicate of a job waits that is not over yet.
    """
    path = shown(path_below(job.folder, job.members[0].inbox_name))
    return (
        f"the same picture with the same request comes first: {path}. This one waits for its end."
    )


def gist(reason: str) -> tuple[str, str] | None:
    """
    Return what is common to all that wait for such a reason, and what is this one's own: its result, or the
    picture that comes first. None for a reason that is of no duplicate.
    """
    for common, pattern in _GISTS:
        if found := pattern.fullmatch(reason):
            own = re.split(r" of the job recorded | Results are |\. Results ", found["what"])[0]
            return common, own.rstrip(".")
    return None


def _when(line: Mapping[str, Any]) -> str:
    try:
        moment = dt.datetime.fromisoformat(str(line.get("finished_at")))
    except ValueError:
        return ""
    return f" on {moment.astimezone():%Y-%m-%d at %H:%M}"
