"""
The record of a finished job and the error text for people, which stand beside the originals.
"""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from retouchd.errors import Problem
from retouchd.job.model import Attempt, Edit, Job, Request, Role, Verdict
from retouchd.job.naming import escaped, hexed, path_below, shown
from retouchd.job.text import iso, json_text, writable
from retouchd.money.budget import ChargeState, charges_of, closing, total, written
from retouchd.spool.fingerprint import Fingerprint
from retouchd.spool.phase import ORIGINALS, edit_of
from retouchd.spool.plan import EditEnd, Plan

VERSION = 1
BACK = "then move the files back into the inbox."
JOB_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
BESIDE_PARAMETERS = frozenset({"model", "prompt", "images", "mask", "removed", "from"})
"""What `request` of a record says beside the parameters that were sent."""


def record(
    job: Job, attempts: Sequence[Attempt], plan: Plan, outbox: str | None = None
) -> dict[str, Any]:
    """
    Return the record of a job: what was asked, what each attempt came to, what was made.

    `files` are the names of the originals beside it, which it reserves. Names that are not UTF-8 are escaped
    and also given in hexadecimal (`name_hex`). `outbox` is the folder that `results` lie below: daemons that
    share `done/` know their own by it. `review` names those of `outputs` that were put into the folder for
    reviews: below the outbox they lie once they were approved.
    """
    image = job.member(Role.IMAGE)
    charges = charges_of(attempts)
    first = [attempt for attempt in attempts if attempt.edit == 1]
    body: dict[str, Any] = {
        "version": VERSION,
        "id": job.id,
        "previous": job.previous,
        "status": "done" if plan.is_done else "error",
        "name": escaped(job.stem),
        "image": escaped(image.name) if image else None,
        "folder": escaped(job.folder),
        "claimed_at": iso(job.claimed_at, "milliseconds"),
        "finished_at": iso(plan.finished_at, "milliseconds"),
        "request": _request(job, first),
        "attempts": [_attempt(job, attempt) for attempt in attempts],
        "edits": [_edit(job, number, attempts, plan) for number in _numbers(job)],
        "outputs": [_joined(job.folder, item.target) for item in plan.outputs],
        "warnings": list(warnings_in(attempts, plan)),
        "usage": _usage(attempts),
        "cost_usd": total(charges.values(), ChargeState.DONE),
        "in_doubt_usd": total(charges.values(), ChargeState.IN_DOUBT),
        "error": _error(plan.problems),
    }
    if digits := hexed(job.members[0].name):
        body["name_hex"] = digits
    if plan.originals:
        body["files"] = [escaped(item.target) for item in plan.originals]
    if companions := _companions(job, plan):
        body["companions"] = companions
    if reviewed := [_joined(job.folder, item.target) for item in plan.outputs if item.is_reviewed]:
        body["review"] = reviewed
    body |= _known_by(job, plan)
    if plan.fingerprint and plan.is_done and (original := plan.fingerprint.original):
        body["original"] = dataclasses.asdict(original)
    if plan.received:
        body["received"] = _received(job, attempts, plan)
    if job.references:
        body["references"] = _references(job)
    if outbox is not None:
        body["outbox"] = escaped(outbox)
    return body


def document(body: Mapping[str, Any]) -> bytes:
    """
    Return the record as it is written: indented UTF-8 JSON, in which nothing stands that is not plain to see.
    """
    return (json_text(body, indent=2) + "\n").encode()


def reason(
    job: Job,
    problems: Sequence[Problem],
    files: Sequence[str] = (),
    came: Sequence[str] = (),
) -> bytes:
    """
    Return the text of `*.error.txt`: for each problem a sentence that says what is wrong and one what to do;
    where results `came` of other edits all the same; then which `files` belong together, where there are
    several: an image that goes back without its mask or parameters is another request.
    """
    paragraphs = [
        "".join(f"{shown(line)}\n" for line in f"{problem.message}\n{advice(problem)}".split("\n"))
        for problem in problems
    ]
    if came:
        done = _listed(came)
        paragraphs.append(f"Done, and not asked for again while the picture is the same: {done}.\n")
    together = f"{_listed(files)} belong together.\n" if len(files) > 1 else ""
    return ("\n".join(paragraphs) + f"\n{together}(retouchd, job {job.id})\n").encode()


def _listed(names: Sequence[str]) -> str:
    *others, last = map(shown, names)
    return f"{', '.join(others)} and {last}" if others else last


def advice(problem: Problem) -> str:
    """
    Return what to do about a problem whose files lie in `error/`.
    """
    return f"{problem.hint.removesuffix('.')}, {BACK}"


def own_record(raw: bytes) -> str | None:
    """
    Return the id in a record of ours, None for any other content.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(body, dict)
        or not {"version", "status", "attempts", "request"} <= body.keys()
    ):
        return None
    found = body.get("id")
    return found if isinstance(found, str) and JOB_ID.fullmatch(found) else None


def files_told(body: Mapping[str, Any] | None) -> list[str] | None:
    """
    Return the names of the originals that lie beside a record, escaped; None where it does not tell them.
    """
    files = body.get("files") if body is not None else None
    is_told = isinstance(files, list) and all(isinstance(name, str) for name in files)
    return files if is_told else None


def companions_told(body: Mapping[str, Any]) -> list[str]:
    """
    Return the names of those files beside a record that went along with its picture, escaped.
    """
    found = body.get("companions")
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def is_own_reason(raw: bytes) -> bool:
    """
    Return whether a text is a reason of ours.
    """
    return b"\n(retouchd, job " in raw


def is_own_response(raw: bytes) -> bool:
    """
    Return whether a file that begins so is an answer that was kept by us.
    """
    try:
        head = json.loads(raw.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(head, dict) and {"status", "headers"} <= head.keys()


def line_of(body: Mapping[str, Any], record_name: str) -> dict[str, Any]:
    """
    Return the line of the history by a record of this version: enough to count, to add up and to find the
    record again.
    """
    attempts = body["attempts"]
    kept = ("id", "previous", "status", "name", "image", "folder", "claimed_at", "finished_at")
    line = {key: body[key] for key in kept} | {
        "outputs": body["outputs"],
        "attempts": len(attempts),
        "in_doubt": sum(each["verdict"] == Verdict.IN_DOUBT.value for each in attempts),
        "cost_usd": body["cost_usd"],
        "in_doubt_usd": body["in_doubt_usd"],
        "charges": [_charge_in(each) for each in attempts if each["charge"]],
        "code": body["error"]["code"] if body["error"] else None,
        "record": escaped(record_name),
    }
    if body["warnings"]:
        line["warnings"] = body["warnings"]
    further = ("received", "review", "fingerprint", "original", "references")
    line |= {key: body[key] for key in further if key in body}
    if "results" in body:
        known = ("path", "bytes", "sha256")
        line["results"] = [{key: each[key] for key in known} for each in body["results"]]
    edits = body["edits"]
    if len(edits) > 1 or any(each["name"] for each in edits):
        told = ("name", "fingerprint", "outputs")
        line["edits"] = [{key: each[key] for key in told} for each in edits]
    return {key: writable(value) for key, value in line.items()}


def _charge_in(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {"edit": attempt["edit"], "number": attempt["number"], **attempt["charge"]}


def tells_all(line: Mapping[str, Any]) -> bool:
    """
    Return whether a line of the history tells what its job and all of its results are known by.
    """
    return "fingerprint" in line and "results" in line


def _known_by(job: Job, plan: Plan) -> dict[str, Any]:
    """
    Return what a job that is done and its results are known by, as far as that could be read.
    """
    found: dict[str, Any] = {}
    if plan.is_done and plan.fingerprint:
        found["fingerprint"] = _fingerprint(plan.fingerprint)
    contents = [(item.target, item.content, item.report) for item in plan.outputs]
    if (plan.is_done or contents) and all(content for _, content, _ in contents):
        found["results"] = [
            {
                "path": _joined(job.folder, target),
                "bytes": content.size,
                "sha256": content.sha256,
                **(report or {}),
            }
            for target, content, report in contents
            if content
        ]
    return found


def _fingerprint(known: Fingerprint) -> dict[str, Any]:
    return {"size": known.size, "sha256": known.sha256}


def _received(job: Job, attempts: Sequence[Attempt], plan: Plan) -> list[dict[str, Any]]:
    """
    Return what came and could not be finished, each with what its edit is known by, and what was sent for it:
    so it can be finished without being asked for again.
    """
    targets = {item.source: item.target for item in plan.originals}
    found = []
    for item in plan.received:
        edit = edit_of(item.source)
        known = plan.edits[edit - 1].fingerprint
        if item.content and known and item.source in targets:
            told = {
                "edit": edit,
                "asked": _fingerprint(known),
                "path": _joined(job.folder, targets[item.source]),
                "bytes": item.content.size,
                "sha256": item.content.sha256,
            }
            own = [attempt for attempt in attempts if attempt.edit == edit]
            found.append(told | _sent(own))
    return found


def _companions(job: Job, plan: Plan) -> list[str]:
    names = {f"{ORIGINALS}/{m.name}" for m in job.members if m.role is Role.COMPANION}
    return [escaped(item.target) for item in plan.originals if item.source in names]


def _references(job: Job) -> list[dict[str, Any]]:
    return [dataclasses.asdict(each) for each in job.references]


def _numbers(job: Job) -> range:
    return range(1, len(job.edits) + 1)


def _edit(job: Job, number: int, attempts: Sequence[Attempt], plan: Plan) -> dict[str, Any]:
    """
    Return how an edit ended; of a plan by an earlier version that does not tell, as its job did.
    """
    end = plan.edits[number - 1] if plan.edits else EditEnd(problems=plan.problems)
    had = job.edits[number - 1].had
    own = [attempt for attempt in attempts if attempt.edit == number]
    outputs = [item for item in plan.outputs if edit_of(item.source) == number]
    return {
        "name": job.edits[number - 1].name or None,
        "status": "error" if end.problems else "done" if had is None else "had",
        "request": _request(job.with_edit(number), own),
        **_sent(own),
        **_asked_of_results(job.edits[number - 1]),
        "fingerprint": _fingerprint(end.fingerprint)
        if end.fingerprint and not end.problems
        else None,
        "outputs": [_joined(job.folder, item.target) for item in outputs]
        if had is None
        else [escaped(path) for path in had],
        "error": _error(end.problems),
    }


def _request(job: Job, attempts: Sequence[Attempt]) -> dict[str, Any]:
    request: Request = job.request
    mask = job.member(Role.MASK)
    return {
        "model": request.model,
        "prompt": request.prompt,
        **request.parameters,
        "images": [
            *(escaped(member.name) for member in job.members if member.role is Role.IMAGE),
            *(escaped(reference.path) for reference in job.references),
        ],
        "mask": escaped(mask.name) if mask else None,
        "removed": _removed(attempts),
        "from": {key: escaped(origin) for key, origin in request.origin.items()},
    }


def _sent(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """
    Return the size that was asked for in the end, and what was put around the picture; nothing for neither.
    """
    last = attempts[-1] if attempts else None
    if last is None or not (last.size or last.canvas):
        return {}
    canvas = list(last.canvas) if last.canvas else None
    return {"sent": {"size": last.size or None, "canvas": canvas}}


def _asked_of_results(edit: Edit) -> dict[str, Any]:
    return {"output": dict(edit.output)} if edit.output else {}


def _removed(attempts: Sequence[Attempt]) -> list[str]:
    """
    Return the kinds of metadata that were in none of the requests, in the order of the last one.
    """
    last = attempts[-1].removed if attempts else ()
    return [kind for kind in last if all(kind in attempt.removed for attempt in attempts)]


def _attempt(job: Job, attempt: Attempt) -> dict[str, Any]:
    charge = closing(attempt)
    return {
        "edit": attempt.edit,
        "number": attempt.number,
        "model": attempt.model or job.edits[attempt.edit - 1].request.model,
        "sent_at": iso(attempt.sent_at, "milliseconds"),
        "seconds": round(attempt.seconds, 3),
        "verdict": attempt.verdict.value,
        "http_status": attempt.http_status,
        "code": attempt.code,
        "message": attempt.message,
        "request_id": attempt.request_id,
        "cost_usd": attempt.cost_usd,
        "cost_from": attempt.cost_from or None,
        "charge": charge and written(charge),
    }


def warnings_in(attempts: Sequence[Attempt], plan: Plan) -> tuple[str, ...]:
    """
    Return what came, or was made of it, other than asked for, in sentences.
    """
    done = {each.edit: each for each in attempts if each.verdict is Verdict.DONE}
    found = [warning for _, each in sorted(done.items()) for warning in each.warnings]
    return tuple(dict.fromkeys([*found, *plan.warnings]))


def _usage(attempts: Sequence[Attempt]) -> Mapping[str, Any] | None:
    return next((a.usage for a in reversed(attempts) if a.verdict is Verdict.DONE), None)


def _error(problems: Sequence[Problem]) -> dict[str, Any] | None:
    if not problems:
        return None
    first = problems[0]
    return {
        "code": first.code.value,
        "message": first.message,
        "hint": advice(first),
        "problems": [
            {"code": each.code.value, "message": each.message, "hint": advice(each)}
            for each in problems
        ],
    }


def _joined(folder: str, name: str) -> str:
    return escaped(path_below(folder, name))
