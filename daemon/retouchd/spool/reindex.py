"""
Rebuilds the history from the records in `done/` and `error/`, where it was lost or damaged.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from retouchd.disk import durable
from retouchd.disk.folders import Folders
from retouchd.job.naming import escaped
from retouchd.job.text import json_text
from retouchd.spool.finished_job import known_by
from retouchd.spool.history import History, RecordFile, record_in, records_below
from retouchd.spool.record import line_of, own_record

HISTORY = "history.jsonl"


@dataclass(kw_only=True)
class Rebuilt:
    """
    What a history was rebuilt from: lines that it had, damaged ones that are in `aside` now, jobs by their
    records alone, and the paths of records that say too little.
    """

    kept: int = 0
    damaged: int = 0
    added: int = 0
    aside: Path | None = None
    unread: list[str] = field(default_factory=list)


def rebuild(folders: Folders, at_work: frozenset[str]) -> Rebuilt:
    """
    Add to the history each job that only its record tells of, in the order in which jobs ended, and leave out
    lines that cannot be read. Blocks; raises OSError. No daemon may be at work in the work folder.

    Jobs that are `at_work` get their line when they are over. A history that lacks nothing is left as it is.
    """
    path = folders.work / HISTORY
    lines: dict[str, tuple[str, bytes]] = {}
    found = Rebuilt()
    for line in History(folders.work).lines():
        lines[str(line.get("id"))] = (str(line.get("finished_at")), json_text(line).encode())
    found.kept = len(lines)
    found.damaged = sum(map(_is_damaged, _raw_lines(path)))
    for root in (folders.done, folders.error):
        for record in records_below(root, found.unread.append):
            body = record_in(root, record.path)
            job_id = own_record(json.dumps(body).encode()) if body is not None else None
            if body is None or job_id is None or job_id in lines or job_id in at_work:
                continue
            if (made := line_of_record(body, record, str(folders.outbox))) is None:
                found.unread.append(str(root / record.path))
                continue
            lines[job_id] = (made["finished_at"], json_text(made).encode())
            found.added += 1
    if found.damaged:
        found.aside = _free(path)
        durable.write(found.aside, path.read_bytes())
    if found.damaged or found.added:
        whole = [text for _, text in sorted(lines.values(), key=lambda each: each[0])]
        durable.write(path, b"".join(text + b"\n" for text in whole))
    return found


def line_of_record(
    body: Mapping[str, Any], record: RecordFile, outbox: str
) -> dict[str, Any] | None:
    """
    Return the line of a record, None where it does not say enough. What counts for the budget of another
    daemon, which shares the folder, is left out.
    """
    try:
        datetime.fromisoformat(body["finished_at"])
        whole: dict[str, Any] = {"edits": [], "warnings": []} | dict(body)
        whole["attempts"] = [_attempt(each, body) for each in body["attempts"]]
        for key in ("fingerprint", "results"):
            whole.pop(key, None)
        line = line_of(whole | known_by(body, escaped(outbox)), record.name)
        json_text(line)
    except (KeyError, TypeError, ValueError):
        return None
    if body.get("outbox", escaped(outbox)) != escaped(outbox):
        line["charges"] = []
    return line | {"folder": escaped(record.folder), "record": escaped(record.name)}


def _attempt(attempt: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return an attempt of a record; one of an earlier version counts what its job cost by as many as it was.
    """
    if "charge" in attempt:
        return dict(attempt)
    sums = {"done": body["cost_usd"], "in_doubt": body["in_doubt_usd"]}
    verdict = attempt["verdict"]
    charge = None
    if verdict in sums:
        alike = sum(each["verdict"] == verdict for each in body["attempts"])
        charge = {
            "sent_at": attempt["sent_at"],
            "usd": None if sums[verdict] is None else sums[verdict] / alike,
            "in_doubt": verdict == "in_doubt",
            "pictures": len(body["outputs"]) if verdict == "done" else 1,
        }
    return {"edit": 1, **attempt, "charge": charge}


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as raw:
            yield from raw
    except FileNotFoundError:
        return


def _is_damaged(text: bytes) -> bool:
    try:
        return not isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return bool(text.strip())


def _free(path: Path) -> Path:
    number = 1
    while (found := path.with_name(f"history.damaged-{number}.jsonl")).exists():
        number += 1
    return found
