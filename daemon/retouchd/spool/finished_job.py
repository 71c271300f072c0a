"""
What a record in `done/` or `error/` tells of its job, for what the history does not have.

Records are files that anybody may have changed: every value is looked at before it is used, and no path leads
out of the folder that it belongs to.
"""

import re
from collections.abc import Mapping
from typing import Any

from retouchd.job.filenames import parse, suffix_behind
from retouchd.job.model import Request
from retouchd.job.naming import RECORD
from retouchd.spool.believed import (
    LONGEST,
    MOST_PATHS,
    is_below,
    is_digest,
    received_in,
)
from retouchd.spool.fingerprint import Fingerprint
from retouchd.spool.record import BESIDE_PARAMETERS, JOB_ID, VERSION

_ESCAPE = re.compile(r"\\x([89a-f][0-9a-f])")


def is_told(body: Mapping[str, Any]) -> bool:
    """
    Return whether a document is the record of a job that was done, of this version.
    """
    return body.get("status") == "done" and _is_record(body)


def is_partly_done(body: Mapping[str, Any]) -> bool:
    """
    Return whether a document is the record of a job that failed though something came that was paid for: edits
    that are done, or what could not be finished.
    """
    is_failed = body.get("status") == "error" and _is_record(body)
    return is_failed and bool(done_edits(body) or received_in(body))


def _is_record(body: Mapping[str, Any]) -> bool:
    return (
        body.get("version") == VERSION
        and isinstance(body.get("id"), str)
        and JOB_ID.fullmatch(body["id"]) is not None
        and isinstance(body.get("request"), Mapping)
        and _are_paths(body.get("outputs"))
    )


def recovered(body: Mapping[str, Any], outbox: str) -> dict[str, Any]:
    """
    Return what is kept of a record that is told: as in the history, as far as it is needed to be found again.
    """
    texts = ("id", "status", "name", "image", "finished_at")
    line: dict[str, Any] = {key: _text(body.get(key)) for key in texts}
    line |= {"outputs": body["outputs"]}
    if _are_paths(body.get("review")):
        line["review"] = body["review"]
    return line | known_by(body, outbox)


def known_by(body: Mapping[str, Any], outbox: str) -> dict[str, Any]:
    """
    Return the hashes that a record tells: `received`, `fingerprint`, those of several `edits`, and `results`
    where they lie below that outbox.
    """
    found: dict[str, Any] = {}
    if received := received_in(body):
        found["received"] = received
    if edits := _edits(body):
        found["edits"] = edits
    fingerprint, results = body.get("fingerprint"), body.get("results")
    if isinstance(fingerprint, Mapping) and is_digest(fingerprint, "size"):
        found["fingerprint"] = {key: fingerprint[key] for key in ("size", "sha256")}
    if not isinstance(results, list) or len(results) > MOST_PATHS:
        return found
    if not all(isinstance(each, Mapping) and is_digest(each, "bytes") for each in results):
        return found
    is_own = body.get("outbox") == outbox and _are_paths([each.get("path") for each in results])
    keys = ("path", "bytes", "sha256")
    # Another daemon's results are none of ours: they may well be meant for this inbox.
    found["results"] = [{key: each[key] for key in keys} for each in results] if is_own else []
    return found


def _edits(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return what a record says of its edits, where it has several or one with a name.
    """
    edits = body.get("edits")
    if not isinstance(edits, list) or not all(isinstance(each, Mapping) for each in edits):
        return []
    told = [
        {
            "name": _text(each.get("name")),
            "fingerprint": {key: known[key] for key in ("size", "sha256")},
            "outputs": each["outputs"],
        }
        for each in edits
        if isinstance(known := each.get("fingerprint"), Mapping)
        and is_digest(known, "size")
        and _are_paths(each.get("outputs"))
    ]
    return told if len(edits) > 1 or any(each["name"] for each in told) else []


def done_edits(body: Mapping[str, Any]) -> list[tuple[Fingerprint, str, tuple[str, ...]]]:
    """
    Return the edits that a record says are done: what each is known by, its name, its results below the outbox.
    """
    return [
        (
            Fingerprint(size=each["fingerprint"]["size"], sha256=each["fingerprint"]["sha256"]),
            each["name"] or "",
            tuple(map(raw_name, each["outputs"])),
        )
        for each in _edits(body)
    ]


def beside(record: str, stem: object, name: object) -> str | None:
    """
    Return the path in `done/` or `error/` of a file that a job was dropped with, None where it cannot be told.

    `record` is the path of the job's record; `stem` and `name` are the job's and the file's as they were
    dropped: there all of a job begin with the record's stem, or keep their names where that is the
    image's whole name.
    """
    if not isinstance(stem, str) or not isinstance(name, str):
        return None
    # Nothing but what follows the stem is taken from what may be anybody's.
    suffix = suffix_behind(name, stem)
    if not suffix.startswith((".", "_", "-")) or "/" in suffix or "\0" in suffix:
        return None
    front = record.removesuffix(RECORD)
    folder, slash, last = front.rpartition("/")
    named, own = parse(last + RECORD), raw_name(stem)
    if last != own and named.target is not None and named.stem == own:
        front = f"{folder}{slash}{own}"
    return front + raw_name(suffix)


def references_of(body: Mapping[str, Any]) -> list[str] | None:
    """
    Return the paths below the inbox of a job's references by its record, None where they cannot be told.
    """
    images = body["request"].get("images")
    return [raw_name(each) for each in images[1:]] if _are_paths(images) else None


def request_of(body: Mapping[str, Any]) -> Request | None:
    """
    Return what a record says was asked for, None where that cannot be told.
    """
    request = body["request"]
    model, prompt = request.get("model"), request.get("prompt")
    if not isinstance(model, str) or not isinstance(prompt, str):
        return None
    parameters = {key: each for key, each in request.items() if key not in BESIDE_PARAMETERS}
    if not all(isinstance(each, str | int | float) for each in parameters.values()):
        return None
    return Request(model=model, prompt=prompt, parameters=parameters)


def raw_name(escaped: str) -> str:
    """
    Return a name that was escaped to be written, as the filesystem has it.
    """
    return _ESCAPE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), escaped)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= LONGEST else None


def _are_paths(paths: object) -> bool:
    return isinstance(paths, list) and len(paths) <= MOST_PATHS and all(map(is_below, paths))
