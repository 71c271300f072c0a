"""
The pictures in a job's directory: received, in `outputs/`, and written anew, in `finished/`. They are made
beside these folders, durable one by one, and appear there when all of them are whole.

All of it blocks, and may be repeated after a crash at any point of it.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from retouchd.disk import durable, file_stat, moves
from retouchd.disk.durable import DurableFile
from retouchd.spool.phase import FINISHED, OUTPUTS, unsealed

UNFINISHED = "finished.part"


def begin(place: Path) -> None:
    """
    Make an empty place to write pictures into.
    """
    if place.is_dir():
        moves.sweep(place, spared="")
    durable.begin_folder(place)


def unnamed(place: Path, edit: int, number: int) -> Path:
    """
    Return where a picture stands before it is named by what its bytes are.
    """
    return place / f"{edit}-{number}"


def add(path: Path, blocks: Iterable[bytes]) -> None:
    """
    Write one picture, durable but not yet named.
    """
    with DurableFile(path, path) as file:
        for block in blocks:
            file.write(block)
        file.seal()


def give_name(path: Path, extension: str) -> Path:
    """
    Name a picture by what its bytes are, durable once all of them are sealed; return where it stands then.
    """
    named = path.with_name(f"{path.name}.{extension}")
    durable.move(path, named)
    return named


def drop(path: Path) -> None:
    """
    Drop what turned out to be no picture; the kept answer still has it.
    """
    durable.remove(path)


def seal_received(folder: Path, edit: int) -> None:
    """
    Let the pictures of an edit appear in `outputs/`, one by one, so that of several some are left behind until
    all have come; durable on return.
    """
    place, outputs = folder / unsealed(edit), folder / OUTPUTS
    durable.make_folder(outputs)
    names = sorted(os.listdir(place))  # noqa: PTH208 - names alone
    if len(names) > 1:
        for each in (place, folder):
            durable.fsync_folder(each)
    with durable.synced(outputs):
        for name in names:
            if file_stat.is_same(place / name, outputs / name):
                durable.unlink(place / name)  # A power cut may leave both names of a rename.
            else:
                durable.move(place / name, outputs / name)
    durable.remove_empty(place)


def seal_finished(folder: Path) -> None:
    """
    Let what was written anew appear as `finished/`.
    """
    durable.fsync_folder(folder / UNFINISHED)
    durable.rename(folder / UNFINISHED, folder / FINISHED)
