"""
Files and folders made, copied, renamed and moved without ever overwriting, on every filesystem.

Most filesystems can refuse a taken name in one step (RENAME_NOREPLACE). Others, as NFS, link the file under the
new name and unlink it under the old one. Where neither can be (rclone, shared folders of VirtualBox, exFAT by
FUSE), or where a link would not be known again, the name is reserved by an empty file, made only if it is free,
over which the file is renamed. A hidden note beside it, written before, says whose it is: what is found cut
short is finished or taken back by it. Nobody can rule out there that somebody writes into the empty file in the
very moment between a look at it and the rename.

On its way to another filesystem a file stands whole somewhere at every moment, and what is there says what is
left to do. It is copied under a temporary name, then its source is staged, then the copy gets its name: staged
and temporary, the copy is still to be named; staged alone, it was.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from retouchd.disk import durable, file_stat, filesystems, nofollow
from retouchd.disk.file_stat import stat_at
from retouchd.disk.filesystems import share_as_folder
from retouchd.disk.nofollow import Entry, OpenFolder, Where, path_of


@contextlib.contextmanager
def made_folder(root: Path, path: str) -> Iterator[OpenFolder]:
    """
    Hold a folder below a root open; what is missing of it is made, each part durable before the next.

    Raises FileNotFoundError where the root is away, as under its name there may be nothing but an empty mount
    point, and NotADirectoryError where a link or a file is in the way of a part.
    """
    try:
        fd = nofollow.open_folder(root, path)
    except (FileNotFoundError, NotADirectoryError):
        fd = _made(OpenFolder(root, nofollow.open_folder(root, "")), path)
    try:
        yield OpenFolder(root / path, fd)
    finally:
        os.close(fd)


def _made(folder: OpenFolder, path: str) -> int:
    try:
        for name in path.split("/"):
            inner = folder / name
            try:
                fd = nofollow.open_inner(inner)
            except FileNotFoundError:
                durable.begin_folder(inner)
                durable.fsync_folder(folder)
                fd = nofollow.open_inner(inner)
                share_as_folder(fd, folder.fd)
            os.close(folder.fd)
            folder = OpenFolder(inner.path, fd)
    except OSError:
        os.close(folder.fd)
        raise
    return folder.fd


def sweep(folder: Path, spared: str) -> None:
    """
    Remove a folder of our own with all that is in it, except what a sub-folder named `spared` holds.
    """
    for entry in list(os.scandir(folder)):
        path = folder / entry.name
        if not entry.is_dir(follow_symlinks=False):
            durable.unlink(path)
        elif entry.name == spared:
            durable.remove_empty(path)
        else:
            sweep(path, spared)
    durable.remove_empty(folder)


def copy(source: Where, target: Where) -> None:
    """
    Copy bytes, times and mode to a name of our own in another folder; the bytes are durable on return.
    """
    with file_stat.reading(source) as reader, durable.DurableFile(target, target) as writer:
        for block in file_stat.blocks(reader):
            writer.write(block)
        with contextlib.suppress(OSError):  # Some mounts keep no times, modes or attributes.
            shutil.copystat(f"/proc/self/fd/{reader}", f"/proc/self/fd/{writer.fd}")
        writer.seal()
    durable.fsync_folder(target.parent)


def copy_new(source: Path, target: Entry) -> None:
    """
    Copy bytes alone to a name of our own, as a new file for all who share the folder; durable on return but for
    the name.
    """
    with source.open("rb") as reader, durable.DurableFile(target, target) as writer:
        for block in file_stat.blocks(reader.fileno()):
            writer.write(block)
        share_as_folder(writer.fd, target.parent.fd)
        writer.seal()


def put_new(target: Where, data: bytes, *, is_shared: bool = False) -> None:
    """
    Write bytes under a name of our own, as a new file of this user's, or of all who share the folder; durable
    on return but for the name.
    """
    with durable.DurableFile(target, target) as writer:
        writer.write(data)
        if is_shared and isinstance(target, Entry):
            share_as_folder(writer.fd, target.parent.fd)
        writer.seal()


NOTE = ".retouchd-name-"
"""How the names of the notes begin; each holds the name that was reserved."""

_LINKLESS = durable.UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EMLINK}
_reserved: set[int] = set()
"""The devices on which it came to that."""
_AT_ONCE_NS = 5 * 10**9
"""The empty file follows its note at once; filesystems tell times to two seconds."""


def rename_new(source: Where, target: Where) -> None:
    """
    Rename without ever overwriting, as `move_new` does; durable on return.
    """
    move_new(source, target)
    durable.fsync_both(source, target)


def take(source: Where, target: Path) -> None:
    """
    Rename into a folder in which nobody else gives names; durable when both folders are `synced`.
    """
    try:
        durable.move_unless_taken(source, target)
    except OSError as error:
        if error.errno not in durable.UNSUPPORTED:
            raise
        durable.move(source, target)


def move_new(source: Where, target: Where) -> None:
    """
    Rename without ever overwriting; durable when both folders are `synced`, the target's first.

    Cut short at any moment, the same call finishes it. Raises FileExistsError, and OSError with EXDEV where
    the target lies on another filesystem.
    """
    try:
        durable.move_unless_taken(source, target)
    except FileExistsError:
        if not file_stat.is_same(source, target):
            raise
        durable.unlink(source)  # What a link cut short leaves.
    except OSError as error:
        if error.errno not in durable.UNSUPPORTED:
            raise
        if not _linked(source, target):
            _move_over_reserved(source, target)


def create(path: Where, data: bytes, temporary: Where) -> None:
    """
    Put a whole new file in place, durable when its folder is `synced`; raises FileExistsError where the name is
    taken.
    """
    put_new(temporary, data)
    try:
        move_new(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            durable.unlink(temporary)
        raise


def is_reserved(source: Where, target: Where) -> bool:
    """
    Return whether a name is taken by nothing but our own empty file, over which this one is to be renamed.
    """
    return _is_ours(_note(source, target), target)


def release(source: Where, target: Where) -> None:
    """
    Take back the reservation of a name for a file, if there is one.
    """
    note = _note(source, target)
    if file_stat.is_taken(note):
        if _is_ours(note, target):
            durable.remove(target)
        durable.remove(note)


def may_leave_notes() -> bool:
    """
    Return whether this process has reserved a name, as it then does in its proofs at start already.
    """
    return bool(_reserved)


def noted(note: Where) -> str:
    """
    Return the name that a note was made for; raises OSError.
    """
    with file_stat.reading(note) as fd:
        return os.fsdecode(b"".join(file_stat.blocks(fd)))


def release_noted(note: Where) -> None:
    """
    Take back the reservation that a note tells of; raises OSError.
    """
    target = note.with_name(noted(note))
    if _is_ours(note, target):
        durable.remove(target)
    durable.remove(note)


def _linked(source: Where, target: Where) -> bool:
    """
    Link and unlink; return False where links cannot be made or, cut short, not be told from two files.
    """
    if not filesystems.are_kept(stat_at(source).st_dev):
        return False
    try:
        durable.link(source, target)
        if stat_at(source).st_ino != stat_at(target).st_ino:
            filesystems.distrust(stat_at(source).st_dev)
    except FileExistsError:
        if not file_stat.is_same(source, target):
            raise
    except OSError as error:
        if error.errno not in _LINKLESS:
            raise
        return False
    durable.unlink(source)
    return True


def _move_over_reserved(source: Where, target: Where) -> None:
    note = _note(source, target)
    _reserved.add(stat_at(source).st_dev)
    if not _is_ours(note, target):
        _reserve(note, target)
    try:
        if stat_at(target).st_size:
            raise FileExistsError(errno.EEXIST, "Somebody wrote to it", str(path_of(target)))
        durable.move(source, target)
    except OSError:
        with contextlib.suppress(OSError):
            release(source, target)
        raise
    durable.unlink(note)


def _reserve(note: Where, target: Where) -> None:
    if file_stat.is_taken(target):
        durable.remove(note)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path_of(target)))
    put_new(note, os.fsencode(target.name))
    durable.fsync_folder(note.parent)
    try:
        durable.make_empty(target)
    except OSError:
        durable.remove(note)
        raise


def _note(source: Where, target: Where) -> Where:
    """
    Return the name of the note on this move: nobody else moves that file to that name.

    A file of a job is known by the job's id in its path; where the work folder lies is of no matter.
    """
    name = "/".join((*path_of(source).parts[-3:], target.name))
    digest = hashlib.sha256(os.fsencode(name))
    return target.with_name(f"{NOTE}{digest.hexdigest()[:16]}")


def _is_ours(note: Where, target: Where) -> bool:
    """
    Return whether an empty file has that name that came right after the note, on the same clock.
    """
    try:
        noted, found = stat_at(note), stat_at(target)
    except FileNotFoundError:
        return False
    age = found.st_mtime_ns - noted.st_mtime_ns
    return stat.S_ISREG(found.st_mode) and found.st_size == 0 and 0 <= age <= _AT_ONCE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """
    The names of one file on its way: `staged` beside its source, `temporary` beside its target.
    """

    source: Where
    staged: Where
    temporary: Where
    target: Where


def carry(way: Way) -> None:
    """
    Take the next steps from wherever the file stands; raises FileExistsError where its name is taken.

    The folders are there. On one filesystem it is a single rename, durable when both folders are synced.
    """
    if file_stat.is_taken(way.staged):
        if file_stat.is_same(way.source, way.staged):
            durable.remove(way.source)  # A power cut may leave both names of a rename.
    elif file_stat.is_taken(way.source):
        if moved(way.source, way.target):
            return
        copy(way.source, way.temporary)
        durable.rename(way.source, way.staged)
    if file_stat.is_taken(way.temporary):
        rename_new(way.temporary, way.target)
    elif file_stat.is_taken(way.staged):
        with contextlib.suppress(
            FileNotFoundError
        ):  # Whoever took the file may have taken its folder.
            durable.fsync_folder(way.target.parent)
    durable.remove(way.staged)


def moved(source: Where, target: Where) -> bool:
    """
    Rename without overwriting; return False where the target lies on another filesystem.

    Durable when both folders are synced.
    """
    try:
        move_new(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True
