"""
What waits in the inbox as lines for people, each beginning with what is to become of the file.
"""

from collections.abc import Iterator

from retouchd.inbox.waiting import NOT_TAKEN, READY, Waiting, WaitingFile, is_no_work
from retouchd.job.naming import path_below, shown
from retouchd.spool.fingerprint import gist
from retouchd.status.quantities import counted

MOST_NAMED = 10
"""Files of each kind that are told by name."""

_TURN = "waits for its turn"
_REMEDIES = {
    "waits for its prompt": (
        "What is to be done with a photo is written into the text file named there, or for all photos of "
        "a folder into a _prompt.txt."
    ),
    "waits for its image": "Put the photo beside it, or take the file away.",
}


def lines_of(waiting: Waiting) -> Iterator[str]:
    """
    Yield how many files wait and how many are no work, then the first of each kind with their reasons, and what
    to do where no reason says so.
    """
    others = sum(count for kind, count in waiting.kinds.items() if is_no_work(kind))
    if not waiting.kinds:
        yield "Nothing waits in the inbox."
        return
    yield _headline(waiting.count - others, waiting.pictures, others)
    for kind, count in waiting.kinds.items():
        files = sorted((each for each in waiting.files if each.kind == kind), key=_path)[
            :MOST_NAMED
        ]
        word = "not taken" if is_no_work(kind) else "waits"
        for before, each in zip([None, *files], files, strict=False):
            yield f"{word}: {_path(each)}: {_reason(each, before)}"
        if rest := count - len(files):
            more = _TURN if kind == READY else shown(kind).removeprefix(NOT_TAKEN)
            yield f"{word}: {rest:,} more: {more} (`retouchd status --all` names them)"
        yield from (text for start, text in _REMEDIES.items() if kind.startswith(start))


def _headline(count: int, pictures: int, others: int) -> str:
    waits = "waits" if count == 1 else "wait"
    photos = f", {counted(pictures, 'photo')} among them" if count > 1 and pictures else ""
    line = f"{counted(count, 'file')} {waits} in the inbox{photos}"
    if not count:
        line = "Nothing waits in the inbox"
    not_taken = "is not taken" if others == 1 else "are not taken"
    return f"{line}; {counted(others, 'other file')} {not_taken}." if others else f"{line}."


def _path(file: WaitingFile) -> str:
    return shown(path_below(file.folder, file.name))


def _reason(file: WaitingFile, before: WaitingFile | None) -> str:
    """
    Return why a file waits, in short where the one before it waits for the same.
    """
    if file.reason == READY:
        return _TURN
    if (
        before
        and (before.folder, before.reason) == (file.folder, file.reason)
        and gist(file.reason)
    ):
        return f"as {shown(before.name)} does"
    return shown(file.reason).removeprefix(NOT_TAKEN)
