"""
What a record tells of a job's results so that they can be finished anew: which pictures came, for which edits,
and how they are to be now.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from retouchd.job.filenames import is_received
from retouchd.job.model import Edit, Job, Member, Request, Role, Snapshot
from retouchd.request.output import PREFIX, Output, resolved
from retouchd.spool.believed import is_below
from retouchd.spool.finished_job import raw_name

_FROZEN = {"feather": "protect_feather"}
"""What settings are called that a job has frozen, where that is another name."""
_USUAL = {"like": "source", **asdict(Output())}
"""What a setting was that a file named and a job has not frozen: that, too, holds over the configuration."""


class UnreadableRecordError(Exception):
    """
    A record says too little to finish its results anew, or nonsense.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """
    A picture that came for an edit: the numbers of both, its SHA-256, and where a copy of it was put:
    `received` are names beside the record, `error` and `outbox` paths below these folders.
    """

    edit: int
    number: int
    sha256: str
    received: tuple[str, ...]
    error: str | None = None
    outbox: str | None = None


def job_of(body: Mapping[str, Any], settings: Mapping[int, Mapping[str, Any]]) -> Job:
    """
    Return the job of a record; `settings` are those that hold for the results of its edits now, by their
    numbers. Raises UnreadableRecordError.
    """
    try:
        request = body["request"]
        image, mask = raw_name(body["image"]), request.get("mask")
        names = {Role.IMAGE: image} | ({Role.MASK: raw_name(mask)} if mask else {})
        nothing = Snapshot(size=0, mtime_ns=0, inode=0, device=0)
        return Job(
            id=str(body["id"]),
            folder=raw_name(body["folder"]),
            stem=raw_name(body["name"]),
            members=tuple(
                Member(role=role, name=name, inbox_name=name, snapshot=nothing)
                for role, name in names.items()
            ),
            edits=tuple(
                Edit(
                    request=Request(
                        model=str(each["request"]["model"]), prompt=each["request"].get("prompt")
                    ),
                    name=each["name"] or "",
                    output=settings.get(number, {}),
                )
                for number, each in enumerate(body["edits"], 1)
            ),
            claimed_at=dt.datetime.fromisoformat(body["claimed_at"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableRecordError from error


def now(
    body: Mapping[str, Any], edit: int, configured: Mapping[str, Any], asked: Mapping[str, Any]
) -> Output:
    """
    Return what the results of an edit are to be: as the configuration says now, over it what the photo's own
    files and those of its folders said when it was taken up, over it what is `asked`. All by the names of
    `output`.
    """
    told = body["edits"][edit - 1]
    frozen = told.get("output") or {}
    origins = told["request"].get("from") or {}
    said = {}
    for key, origin in origins.items():
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and origin != "config":
            kept = {_FROZEN.get(each, each): value for each, value in frozen.items()}
            said[name] = kept.get(name, _USUAL.get(name))
    values = {**configured, **{k: v for k, v in said.items() if v is not None}, **asked}
    return resolved(
        values,
        has_mask=bool(told["request"].get("mask")),
        has_references=len(told["request"].get("images") or ()) > 1,
    )


def came(body: Mapping[str, Any]) -> list[Came]:
    """
    Return the pictures that came for a job and were published, or could not be finished, edit by edit. Raises
    UnreadableRecordError.
    """
    try:
        return sorted(_came(body), key=lambda each: (each.edit, each.number))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableRecordError from error


def _came(body: Mapping[str, Any]) -> Iterator[Came]:
    beside = tuple(each for each in map(raw_name, body.get("files", ())) if is_received(each))
    results = [each for each in body.get("results", ()) if "key" not in each]
    for edit, told in enumerate(body["edits"], 1):
        own = [each for each in results if each["path"] in told["outputs"]]
        if told["status"] == "had":
            continue
        for number, each in enumerate(own, 1):
            sha256 = each.get("received", each)["sha256"]
            path = raw_name(each["path"])
            is_as_received = sha256 == each["sha256"] and is_below(path)
            yield Came(
                edit=edit,
                number=number,
                sha256=sha256,
                received=beside,
                outbox=path if is_as_received else None,
            )
    numbers: dict[int, int] = {}
    for each in body.get("received", ()):
        path = raw_name(each["path"])
        number = numbers[each["edit"]] = numbers.get(each["edit"], 0) + 1
        yield Came(
            edit=each["edit"],
            number=number,
            sha256=each["sha256"],
            received=beside,
            error=path if is_below(path) else None,
        )


def key_of(each: Came, output: Output) -> str:
    """
    Return what is the same for the same picture with the same settings, in 16 digits.
    """
    told = [each.edit, each.number, each.sha256, output.to_json()]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def canvas_of(body: Mapping[str, Any], edit: int) -> Any:
    """
    Return what was put around the picture that was sent for an edit, as it is told; None for nothing.
    """
    sent = body["edits"][edit - 1].get("sent") or {}
    return sent.get("canvas")


def with_result(body: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a record that tells of one more result, in the place of the last one that was made so.
    """
    before = body.get("results", ())
    gone = {each["path"] for each in before if each.get("key") == result["key"]}
    results = [each for each in before if each["path"] not in gone]
    outputs = [each for each in body["outputs"] if each not in gone]
    reviewed = [each for each in body.get("review", ()) if each not in gone]
    if result["output"].get("review"):
        reviewed.append(result["path"])
    found = {**body, "results": [*results, result], "outputs": [*outputs, result["path"]]}
    return {**found, "review": reviewed} if reviewed or "review" in body else found
