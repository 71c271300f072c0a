"""
Where a job stands, read from the names in its directory alone; and in words.

    job.json  originals/  attempt-n         outputs/  plan.json   phase
    -         -           -                 -         -           EMPTY
    +         none        any               any       -           EMPTY
    +         some        any               any       -           CLAIMING
    +         all         none              -         -           CLAIMED
    +         all         .open             -         -           ASKING
    +         all         .response          any       -           KEPT
    +         all         .json             -         -           CLOSED
    +         all         .json             some      -           EDITED
    +         any         any               some      +           PUBLISHING
    +         some        any               none      +           ARCHIVING
    +         none        any               none      +           OVER

`+` means that it is there, `-` that it is not. Only the highest attempt counts. A file staged for
another filesystem (`output-1.staged`, `original-1.staged`) counts as not yet delivered.
A job that was half given back looks like one that was half claimed, on purpose.

What happens with a job at each phase, in words: the same in `status` and in `status.txt`.
"""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum

JOB = "job.json"
PLAN = "plan.json"
ORIGINALS = "originals"
OUTPUTS = "outputs"
REFERENCES = "references"
UPLOAD = "upload"

_ATTEMPT = re.compile(r"attempt-(\d+)\.(open|response|json)")


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
    PUBLISHING = "publishing"
    ARCHIVING = "archiving"
    OVER = "over"


def phase_of(files: Collection[str], members: Iterable[str]) -> Phase:
    """
    Return the phase of a job from the relative names in its directory and its members' names.
    """
    claimed = {name for name in files if name.startswith(f"{ORIGINALS}/")}
    if PLAN in files:
        return _delivery(files, claimed)
    if JOB not in files or not claimed:
        return Phase.EMPTY
    if any(f"{ORIGINALS}/{name}" not in claimed for name in members):
        return Phase.CLAIMING
    return _asking(files)


def attempts_in(files: Iterable[str]) -> dict[int, set[str]]:
    """
    Return what is there of each attempt: its number and of `open`, `response`, `json` those found.
    """
    found: dict[int, set[str]] = {}
    for name in files:
        if match := _ATTEMPT.fullmatch(name):
            found.setdefault(int(match[1]), set()).add(match[2])
    return found


def _delivery(files: Collection[str], claimed: Collection[str]) -> Phase:
    if any(_is_pending(name, OUTPUTS, "output") for name in files):
        return Phase.PUBLISHING
    if claimed or any(_is_pending(name, ORIGINALS, "original") for name in files):
        return Phase.ARCHIVING
    return Phase.OVER


def _is_pending(name: str, folder: str, staged: str) -> bool:
    return name.startswith(f"{folder}/") or (
        name.startswith(f"{staged}-") and name.endswith(".staged")
    )


def _asking(files: Collection[str]) -> Phase:
    attempts = attempts_in(files)
    if not attempts:
        return Phase.CLAIMED
    last = attempts[max(attempts)]
    if "json" in last:
        edited = any(name.startswith(f"{OUTPUTS}/") for name in files)
        return Phase.EDITED if edited else Phase.CLOSED
    return Phase.KEPT if "response" in last else Phase.ASKING


_DOING = {
    Phase.EMPTY: "being taken from the inbox",
    Phase.CLAIMING: "being taken from the inbox",
    Phase.CLAIMED: "about to be sent",
    Phase.ASKING: "sent, no answer yet",
    Phase.KEPT: "its answer is being read",
    Phase.CLOSED: "waits for its next try",
    Phase.EDITED: "edited, about to be put into the outbox",
    Phase.PUBLISHING: "being put into the outbox",
    Phase.ARCHIVING: "its original is being put away",
    Phase.OVER: "finished",
}
_LOST = "sent, and retouchd ended before the answer came: it may have been charged"


def doing(phase: Phase, *, is_running: bool = True) -> str:
    """
    Return what happens with a job that says nothing of its own; where no retouchd runs, nobody hears an answer.
    """
    return _LOST if phase is Phase.ASKING and not is_running else _DOING[phase]
