"""
The JSON documents of the spool: what `job.json`, `attempt-e-n.open`, `attempt-e-n.json` and `plan.json`
look like.

Those of version 1 are read, too: its jobs have one edit, whose request stands in the job itself.

Names may hold bytes that are not UTF-8; JSON carries them as lone surrogates, which Python reads back.
"""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from retouchd.errors import JobCode, Problem
from retouchd.job.model import (
    Attempt,
    AttemptKey,
    Edit,
    Job,
    Member,
    Opened,
    Reference,
    Request,
    Role,
    Snapshot,
    Verdict,
)
from retouchd.spool.fingerprint import Digest, Fingerprint
from retouchd.spool.plan import EditEnd, Item, Plan

VERSION = 2
_FIRST_VERSION = 1


def dump(value: Job | Opened | Attempt | Plan) -> bytes:
    """
    Return the document of a value: a line, so that one which was cut short can be told.
    """
    body = json.dumps({"version": VERSION, **_fields(value)}, default=_plain)
    return f"{body}\n".encode("ascii")


def is_torn(raw: bytes) -> bool:
    """
    Return whether a document was cut short, as by a power cut before it was durable.

    Those of the first version are no lines, and never torn.
    """
    if raw.endswith(b"\n"):
        return False
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return True
    return False


def load_job(raw: bytes) -> Job:
    """
    Return the job of a `job.json`; raises ValueError, KeyError or TypeError otherwise.
    """
    version, body = _body(raw)
    edits = [{"request": body.pop("request")}] if version == _FIRST_VERSION else body["edits"]
    if not edits:
        msg = "a job without an edit"
        raise ValueError(msg)
    return Job(
        **body
        | {
            "members": tuple(_member(member) for member in body["members"]),
            "edits": tuple(_edit(each) for each in edits),
            "references": tuple(_reference(each) for each in body.get("references", ())),
            "claimed_at": dt.datetime.fromisoformat(body["claimed_at"]),
            "problems": _problems(body["problems"]),
        }
    )


def load_opened(raw: bytes) -> Opened:
    """
    Return the note of an `attempt-e-n.open`; raises ValueError, KeyError or TypeError otherwise.
    """
    _, body = _body(raw, unsaid=_FIRST_VERSION)  # The first ones said no version.
    return Opened(
        **body
        | {
            "sent_at": dt.datetime.fromisoformat(body["sent_at"]),
            "removed": tuple(body.get("removed", ())),
            "canvas": tuple(body["canvas"]) if body.get("canvas") else None,
        }
    )


def load_attempt(raw: bytes, key: AttemptKey) -> Attempt:
    """
    Return the attempt of an `attempt-e-n.json`, whose name says its key; raises ValueError, KeyError or
    TypeError otherwise.
    """
    _, body = _body(raw)
    return _attempt(body, key)


def _attempt(body: Mapping[str, Any], key: AttemptKey) -> Attempt:
    edit, number = key
    return Attempt(
        **dict(body)
        | {
            "edit": edit,
            "number": number,
            "verdict": Verdict(body["verdict"]),
            "sent_at": dt.datetime.fromisoformat(body["sent_at"]),
            "closed_at": dt.datetime.fromisoformat(body["closed_at"]),
            "retry_at": _time(body["retry_at"]),
            "problem": _problem(body["problem"]) if body["problem"] else None,
            "removed": tuple(body.get("removed", ())),
            "canvas": tuple(body["canvas"]) if body.get("canvas") else None,
            "warnings": tuple(body.get("warnings", ())),
        }
    )


def load_plan(raw: bytes) -> Plan:
    """
    Return the plan of a `plan.json`; raises ValueError, KeyError or TypeError otherwise.
    """
    version, body = _body(raw)
    if version == _FIRST_VERSION:
        body["edits"] = [{"fingerprint": body.pop("fingerprint", None)}]
        body["edits"][0]["problems"] = body["problems"]
    return Plan(
        **body
        | {
            "finished_at": dt.datetime.fromisoformat(body["finished_at"]),
            "outputs": tuple(map(_item, body["outputs"])),
            "originals": tuple(map(_item, body["originals"])),
            "received": tuple(map(_item, body.get("received", ()))),
            "problems": _problems(body["problems"]),
            "edits": tuple(map(_edit_end, body["edits"])),
            "warnings": tuple(body.get("warnings", ())),
            "attempts": tuple(
                _attempt(each, (each["edit"], each["number"])) for each in body.get("attempts", ())
            ),
        }
    )


def _body(raw: bytes, unsaid: int | None = None) -> tuple[int, dict[str, Any]]:
    try:
        body = json.loads(raw)
    except RecursionError as error:
        msg = "nested without end"
        raise ValueError(msg) from error
    version = body.pop("version", unsaid) if isinstance(body, dict) else None
    if version not in (_FIRST_VERSION, VERSION):
        msg = "not a document of this version"
        raise ValueError(msg)
    return version, body


def _edit(body: Mapping[str, Any]) -> Edit:
    had = body.get("had")
    return Edit(
        **{
            **body,
            "request": Request(**body["request"]),
            "had": None if had is None else tuple(had),
        }
    )


def _edit_end(body: Mapping[str, Any]) -> EditEnd:
    return EditEnd(
        problems=_problems(body["problems"]), fingerprint=_fingerprint(body["fingerprint"])
    )


def _member(body: Mapping[str, Any]) -> Member:
    parts = dict(body)
    return Member(
        **parts | {"role": Role(parts["role"]), "snapshot": Snapshot(**parts["snapshot"])}
    )


def _reference(body: Mapping[str, Any]) -> Reference:
    return Reference(path=body["path"], snapshot=Snapshot(**body["snapshot"]))


def _problem(body: Mapping[str, Any]) -> Problem:
    return Problem(code=JobCode(body["code"]), message=body["message"], hint=body["hint"])


def _problems(bodies: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(_problem(body) for body in bodies)


def _item(body: Mapping[str, Any]) -> Item:
    content = body.get("content")
    return Item(**{**body, "content": Digest(**content) if content else None})


def _fingerprint(body: Mapping[str, Any] | None) -> Fingerprint | None:
    return Fingerprint(**body) if body else None


def _time(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def _fields(value: Any) -> dict[str, Any]:
    return {field: getattr(value, field) for field in value.__dataclass_fields__}


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return _fields(value)
    msg = f"{value!r} has no place in a document"
    raise TypeError(msg)
