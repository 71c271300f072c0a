"""
Atomic drops into the inbox: each file appears whole under its name, prompts first, images last.

A name that is taken is never written over: the whole group takes another free stem. What is in work needs
no look: a job given back finds a free stem by itself, and results never overwrite anything either.
"""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retouchd.disk import durable, file_stat, moves, nofollow, sharing
from retouchd.disk.nofollow import Entry, OpenFolder
from retouchd.job import naming
from retouchd.job.filenames import Kind, parse

_TRIES = 5
_DROP = ".retouchd-drop-"
_HIDDEN = re.compile(re.escape(_DROP) + r"(?:[0-9a-f]{8}){1,2}-\d+")
_OURS = _DROP + hashlib.sha256(os.fsencode(os.uname().nodename)).hexdigest()[:8]
"""How the hidden names begin that this machine gives: of its own processes it is told which are at work."""
_OLD_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """
    One file of a group: what follows the stem in its name, and its bytes or the file to copy.
    """

    suffix: str
    source: Path | bytes


def drop(
    folder: OpenFolder, stem: str, pieces: Sequence[Piece], before_last: Callable[[], None]
) -> list[str]:
    """
    Copy a group into a folder of the inbox, in its order; return the names. Durable on return, and whoever
    may use the folder may use the files: the daemon is another user, perhaps.

    `before_last` is called right before the last of them, the image, gets its name. Raises OSError, and
    leaves nothing behind then.
    """
    token = secrets.token_hex(4)
    suffixes = [piece.suffix for piece in pieces]
    with _hidden(folder, pieces, token) as hidden:
        for _ in range(_TRIES):
            free = naming.free_stem(stem, token, suffixes, is_family_in(folder))
            names = [free + suffix for suffix in suffixes]
            if _uncovered(folder, hidden, names, before_last):
                return names
        raise FileExistsError(errno.EEXIST, "somebody else takes each name first", str(folder.path))


def is_drop(name: str) -> bool:
    """
    Return whether a file has such a name before it gets its own: renamed, it is complete.
    """
    return _HIDDEN.fullmatch(name) is not None


def drop_as(folder: OpenFolder, stem: str, pieces: Sequence[Piece]) -> list[str]:
    """
    Copy a group into a folder of the inbox under just this stem, in its order; return the names. Durable on
    return. A file that has such a name and the same bytes already stays: an earlier drop was cut short.

    Raises FileExistsError where one has other bytes, and OSError; leaves nothing hidden behind then.
    """
    names = [stem + piece.suffix for piece in pieces]
    with _hidden(folder, pieces, secrets.token_hex(4)) as hidden:
        for path, name in zip(hidden, names, strict=True):
            try:
                moves.rename_new(path, folder / name)
            except FileExistsError:
                if not file_stat.is_copy(path, folder / name):
                    raise
    return names


def inherits_prompt(inbox: Path, folder: str, *, has_default: bool) -> bool:
    """
    Return whether a picture without a prompt finds one: in its folder, above, or in the configuration.
    """
    place = inbox / folder
    above = [place, *place.parents]
    within = above[: above.index(inbox) + 1]
    return has_default or any(
        parse(name).kind is Kind.FOLDER_PROMPT for each in within for name in names_in(each)
    )


@contextlib.contextmanager
def _hidden(folder: OpenFolder, pieces: Sequence[Piece], token: str) -> Iterator[list[Entry]]:
    """
    Copy a group into a folder under hidden names; what has still one at the end is removed.
    """
    hidden = [folder / f"{_OURS}{token}-{number}" for number, _ in enumerate(pieces, 1)]
    with sharing.shared(folder):
        try:
            for path, piece in zip(hidden, pieces, strict=True):
                _put(piece, path)
            yield hidden
        finally:
            for path in hidden:
                durable.remove(path)


def _put(piece: Piece, path: Entry) -> None:
    if isinstance(piece.source, bytes):
        moves.put_new(path, piece.source, is_shared=True)
    else:
        moves.copy_new(piece.source, path)


def is_family_in(folder: OpenFolder) -> Callable[[str], bool]:
    """
    Return a test of whether anything in a folder has that name, or would be paired with it.
    """
    taken = {parse(name).family for name in nofollow.names_in(folder)}
    return lambda name: parse(name).family in taken or file_stat.is_taken(folder / name)


def names_in(folder: Path) -> list[str]:
    """
    Return all names in a folder, none where there is no such folder.
    """
    try:
        return [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def clear_leftovers(folder: OpenFolder) -> None:
    """
    Remove what a drop that was killed left: one of this machine once none is at work in the folder, any other
    after a day.

    All of it is copies, whose sources lie where they were. Raises OSError.
    """
    with sharing.alone(folder) as is_alone:
        for name in nofollow.names_in(folder):
            if name.startswith(moves.NOTE) and _is_old(folder / name):
                moves.release_noted(folder / name)
            elif _HIDDEN.fullmatch(name):
                is_left = is_alone and name.startswith(_OURS)
                if is_left or _is_old(folder / name):
                    durable.remove(folder / name)


def _is_old(path: Entry) -> bool:
    found = file_stat.snapshot(path)
    return found is not None and found.mtime_ns < (time.time() - _OLD_SECONDS) * 1e9


def _uncovered(
    folder: OpenFolder,
    hidden: Iterable[Entry],
    names: Sequence[str],
    before_last: Callable[[], None],
) -> bool:
    """
    Rename each hidden file to its name; cover all of them again and return False where one is taken.
    """
    done: list[tuple[Entry, Entry]] = []
    for path, name in zip(hidden, names, strict=True):
        if name == names[-1]:
            before_last()
        try:
            moves.rename_new(path, folder / name)
        except FileExistsError:
            for covered, shown in reversed(done):
                moves.rename_new(shown, covered)
            return False
        done.append((path, folder / name))
    return True
