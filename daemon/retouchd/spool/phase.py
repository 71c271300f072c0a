"""
Where a job stands, read from the names in its directory alone; and in words.

    job.json  originals/  attempt-e-n      outputs/  finished/  plan.json   phase
    -         -           -                -         -          -           EMPTY
    +         none        any              any       any        -           EMPTY
    +         some        any              any       any        -           CLAIMING
    +         all         none             -         -          -           CLAIMED
    +         all         .open            -         -          -           ASKING
    +         all         .response        any       -          -           KEPT
    +         all         .json            -         -          -           CLOSED
    +         all         .json            some      -          -           EDITED
    +         all         .json            some      some       -           FINISHED
    +         any         any              published +          +           PUBLISHING
    +         some        any              any       none       +           ARCHIVING
    +         none        any              none      none       +           OVER

`+` means that it is there, `-` that it is not. The rows from CLAIMED to EDITED hold for each edit `e`, of which
only the highest attempt `n` counts; the job stands where the edit stands that has come least far. To be
published is what the plan says; what else lies in `outputs/` goes to the archive. A file staged for another
filesystem (`output-1.staged`, `original-1.staged`) counts as not yet delivered.
A job that was half given back looks like one that was half claimed, on purpose.

An earlier version wrote `attempt-n` and `outputs/k.ext`: those are the first edit's.

What happens with a job at each phase, in words: the same in `status` and in `status.txt`.
"""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum

from retouchd.job.model import AttemptKey

JOB = "job.json"
PLAN = "plan.json"
ORIGINALS = "originals"
OUTPUTS = "outputs"
FINISHED = "finished"
RESULTS = f"{FINISHED}/results.json"
"""What became of each result when it was to be written anew; in `finished/` there may be nothing else."""
FIRST_ANSWER = "attempt-1-1.response"
ANSWER_PART = "attempt-1-1.part"
"""Where the first answer is written until it is whole; made with the directory, so that its name is durable."""
REFERENCES = "references"
UPLOAD = "upload"

_ATTEMPT = re.compile(r"attempt-(?:(\d+)-)?(\d+)\.(open|response|json)")
_PICTURE = re.compile(r"(?:(\d+)-)?(\d+)\.[^./]+")


class Phase(StrEnum):
    """
    A job's place in its life; each phase has one step that leads out of it.
    """

    EMPTY = "empty"
    CLAIMING = "claiming"
    CLAIMED = "claimed"
    ASKING = "asking"
    KEPT = "kept"
    CLOSED = "closed"
    EDITED = "edited"
    FINISHED = "finished"
    PUBLISHING = "publishing"
    ARCHIVING = "archiving"
    OVER = "over"


_COURSE = tuple(Phase)


def phase_of(
    files: Collection[str],
    members: Iterable[str],
    *,
    edits: int = 1,
    had: Collection[int] = (),
    published: Collection[str] | None = None,
    archived: Collection[str] = (),
) -> Phase:
    """
    Return the phase of a job from the relative names in its directory, its members' names, the number of its
    edits, the numbers of those that were done before, and what its plan publishes (None: all of `outputs/`)
    and archives besides the originals.
    """
    claimed = {name for name in files if name.startswith(f"{ORIGINALS}/")}
    if PLAN in files:
        wanted = pictures_in(files, OUTPUTS) if published is None else published
        return _delivery(files, wanted, {*claimed, *archived})
    if JOB not in files or not claimed:
        return Phase.EMPTY
    if any(f"{ORIGINALS}/{name}" not in claimed for name in members):
        return Phase.CLAIMING
    asked = (edit for edit in range(1, edits + 1) if edit not in had)
    phase = min((edit_phase(files, edit) for edit in asked), key=_COURSE.index)
    is_finished = phase is Phase.EDITED and RESULTS in files
    return Phase.FINISHED if is_finished else phase


def edit_phase(files: Collection[str], edit: int) -> Phase:
    """
    Return where an edit of a claimed job stands: CLAIMED, ASKING, KEPT, CLOSED or EDITED.
    """
    attempts = {key: each for key, each in attempts_in(files).items() if key[0] == edit}
    if not attempts:
        return Phase.CLAIMED
    there = attempts[max(attempts)]
    if "json" in there:
        return Phase.EDITED if pictures_in(files, OUTPUTS, edit) else Phase.CLOSED
    return Phase.KEPT if "response" in there else Phase.ASKING


def attempts_in(files: Iterable[str]) -> dict[AttemptKey, dict[str, str]]:
    """
    Return what is there of each attempt: of `open`, `response`, `json` those found, with the files' names.
    """
    found: dict[AttemptKey, dict[str, str]] = {}
    for name in files:
        if match := _ATTEMPT.fullmatch(name):
            key = int(match[1] or 1), int(match[2])
            found.setdefault(key, {})[match[3]] = name
    return found


def is_document(name: str) -> bool:
    """
    Return whether a file of that name holds one of a job's documents.
    """
    match = _ATTEMPT.fullmatch(name)
    return name in (JOB, PLAN) or (match is not None and match[3] != "response")


def pictures_in(files: Iterable[str], folder: str, edit: int | None = None) -> list[str]:
    """
    Return the pictures in one of a job's folders, as names below the job's directory: of all edits in their
    order or of one, each in the order received.
    """
    found = []
    for path in files:
        place, _, name = path.partition("/")
        if place == folder and (match := _PICTURE.fullmatch(name)):
            key = int(match[1] or 1), int(match[2])
            if edit is None or key[0] == edit:
                found.append((key, path))
    return [path for _, path in sorted(found)]


def unsealed(edit: int) -> str:
    """
    Return the folder in which an edit's pictures stand until all of them are decoded.
    """
    return f"outputs-{edit}.part"


def edit_of(path: str) -> int:
    """
    Return the edit that a picture is of, by its name below the job's directory.
    """
    match = _PICTURE.fullmatch(path.rpartition("/")[2])
    return int(match[1] or 1) if match else 1


def number_of(picture: str) -> str:
    """
    Return by what a picture is told from the others of its job: the numbers of its edit and of itself.
    """
    return picture.rpartition("/")[2].partition(".")[0]


def _delivery(
    files: Collection[str], published: Collection[str], archived: Collection[str]
) -> Phase:
    if any(name in files for name in published) or _has_staged(files, "output"):
        return Phase.PUBLISHING
    if any(name in files for name in archived) or _has_staged(files, "original"):
        return Phase.ARCHIVING
    return Phase.OVER


def _has_staged(files: Collection[str], kind: str) -> bool:
    return any(name.startswith(f"{kind}-") and name.endswith(".staged") for name in files)


_DOING = {
    Phase.EMPTY: "being taken from the inbox",
    Phase.CLAIMING: "being taken from the inbox",
    Phase.CLAIMED: "about to be sent",
    Phase.KEPT: "its answer is being read",
    Phase.CLOSED: "waits for its next try",
    Phase.EDITED: "edited, about to be put into the outbox",
    Phase.FINISHED: "edited, about to be put into the outbox",
    Phase.PUBLISHING: "being put into the outbox",
    Phase.ARCHIVING: "its original is being put away",
    Phase.OVER: "finished",
}


def doing(
    phase: Phase, *, requests: int | None = None, since: str = "", is_running: bool = True
) -> str:
    """
    Return what happens with a job that says nothing of its own; of one with several edits so many `requests`
    were sent, the first one at `since`. Where no retouchd runs, nobody hears an answer.
    """
    if phase is not Phase.ASKING:
        return _DOING[phase]
    sent = "sent" if requests is None else f"{requests} sent"
    is_one = requests in (None, 1)
    if not is_running:
        rest = "answer came: it" if is_one else "answers came: they"
        return f"{sent}, and retouchd ended before the {rest} may have been charged"
    at = f" {'at' if is_one else 'since'} {since}" if since else ""
    return f"{sent}{at}, no {'answer' if is_one else 'answers'} yet"
