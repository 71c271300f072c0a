"""
The edits of a picture that were done before: told by a record that came back beside it, or by the history.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retouchd.disk import nofollow
from retouchd.inbox.held import HeldCause, HeldError, Twin
from retouchd.job.filenames import Kind, parse
from retouchd.job.model import Edit, Job, Role
from retouchd.job.naming import escaped, path_below
from retouchd.request.result_name import DEFAULT_NAME, name_of
from retouchd.spool.fingerprint import Fingerprint, already_done
from retouchd.spool.finished_index import FinishedIndex
from retouchd.spool.finished_job import done_edits, is_partly_done, raw_name
from retouchd.spool.history_line import edit_in
from retouchd.spool.record import own_record

_MOST_BYTES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """
    An edit that was done: its name, its results as paths below the outbox, and the line or record that says so.
    """

    name: str
    outputs: tuple[str, ...]
    line: Mapping[str, Any]


def records_beside(job: Job, inbox: Path) -> list[Mapping[str, Any]]:
    """
    Return the records of jobs that failed though something came, which lie beside the picture in the inbox.

    Raises OSError where one cannot be read.
    """
    found = []
    for member in job.members:
        if member.role is not Role.LEFTOVER or parse(member.name).kind is not Kind.RECORD:
            continue
        with nofollow.opened(inbox, path_below(job.folder, member.inbox_name)) as file:
            raw = file.read(_MOST_BYTES)
        if own_record(raw) is not None and is_partly_done(body := json.loads(raw)):
            found.append(body | {"record": escaped(member.inbox_name)})
    return found


def told_beside(records: Iterable[Mapping[str, Any]]) -> dict[Fingerprint, Earlier]:
    """
    Return the edits that are done by these records.
    """
    return {
        known: Earlier(name=name, outputs=outputs, line=body)
        for body in records
        for known, name, outputs in done_edits(body)
    }


def told_by(finished: FinishedIndex, own: Fingerprint) -> Earlier | None:
    """
    Return the edit of a finished job that has this fingerprint, None where there is none. Raises OSError.
    """
    if (line := finished.done(own)) is None:
        return None
    edit = edit_in(line, own) or line
    name = edit.get("name") if edit is not line else None
    outputs = tuple(raw_name(str(each)) for each in edit.get("outputs") or ())
    return Earlier(name=name if isinstance(name, str) else "", outputs=outputs, line=line)


def with_earlier(
    job: Job, own: Sequence[Fingerprint], look: Callable[[Fingerprint], Earlier | None]
) -> Job:
    """
    Return a job that does not ask for those of its edits that were done before; `own` is what each is known by.

    Raises HeldError where none is left to be asked for.
    """
    edits, stem, line = list[Edit](), job.earlier_stem, dict[str, Any]()
    for edit, known in zip(job.edits, own, strict=True):
        earlier = look(known) if edit.had is None else None
        if earlier is None:
            edits.append(edit)
            continue
        edits.append(replace(edit, had=earlier.outputs))
        template = str(edit.output.get("name", DEFAULT_NAME))
        stem = stem or _stem_of(job.folder, earlier, template)
        line = line or dict(earlier.line)
    if line and all(edit.had is not None for edit in edits):
        outputs = [escaped(path) for edit in edits for path in edit.had or ()]
        reason = already_done(line | {"outputs": outputs})
        raise HeldError(reason, HeldCause.DONE, Twin(str(line.get("id")), tuple(outputs)))
    return replace(job, edits=tuple(edits), earlier_stem=stem) if line else job


def _stem_of(folder: str, earlier: Earlier, template: str) -> str | None:
    """
    Return the stem of earlier results that lie in that folder, None where it cannot be told; `template` is that
    of their names.
    """
    if not earlier.outputs:
        return None
    above, _, name = earlier.outputs[0].rpartition("/")
    stem = name.rpartition(".")[0]
    end = name_of(template, "", name=earlier.name, number=1, count=len(earlier.outputs))
    is_told = above == folder and stem.endswith(end) and stem != end
    return stem.removesuffix(end) if is_told else None
