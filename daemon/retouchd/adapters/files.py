"""
The disk: every change that must survive a power cut goes through here.

A write is temporary file, write, fsync, rename, fsync of the directory. A rename never overwrites and
fsyncs both directories, the target's first: btrfs was measured to show a moved file in both places, or
an empty file under the new name, where one of them was left out. Several renames between the same folders
may share these fsyncs: see `synced`.
"""

import contextlib
import ctypes
import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from retouchd.adapters import presence
from retouchd.adapters.thread_pools import step

_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}

_libc = ctypes.CDLL(None, use_errno=True)


class DurableFile:
    """
    A file that appears under its name whole or not at all.

    Use as a context manager. After a fault its temporary name goes too: what is tried again is a new file,
    as after a failed fsync nothing that was written is to be trusted.
    """

    def __init__(self, path: Path, temporary: Path | None = None) -> None:
        self._path = path
        self._temporary = temporary or temporary_of(path)
        self._fd = os.open(
            self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        finally:
            if kind is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self._temporary)

    def close(self) -> None:
        """
        Let go of the file; what was not committed stays under its temporary name.
        """
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def write(self, data: bytes | bytearray) -> None:
        """
        Append all of `data`; a short write is continued.
        """
        _write_all(self._fd, data)

    def amend(self, data: bytes) -> None:
        """
        Write over what the file begins with; durable with the next `sync`.
        """
        with memoryview(data) as whole:
            written = 0
            while written < len(whole):
                written += os.pwrite(self._fd, whole[written:], written)

    def sync(self) -> None:
        """
        Make durable what was written so far.
        """
        os.fsync(self._fd)
        step()

    def seal(self) -> None:
        """
        Make the bytes durable under the temporary name and close the file.
        """
        self.sync()
        self.close()

    def commit(self, *, replace: bool = True) -> None:
        """
        Seal the file and give it its name; with `replace=False` a taken name raises FileExistsError.
        """
        self.seal()
        if replace:
            os.rename(self._temporary, self._path)
            fsync_folder(self._path.parent)
        else:
            rename_new(self._temporary, self._path)


def temporary_of(path: Path) -> Path:
    """
    Return the name under which a file of our own is written first.
    """
    return path.with_name(f"{path.name}.tmp")


def write(path: Path, data: bytes) -> None:
    """
    Put a whole file in place, over an older one of that name.
    """
    with DurableFile(path) as file:
        file.write(data)
        file.commit()


def post(path: Path, data: bytes) -> None:
    """
    Put a whole file in place that nobody misses after a power cut: readers see the old or the new one.
    """
    with DurableFile(path) as file:
        file.write(data)
        file.close()
        os.rename(temporary_of(path), path)


def create(path: Path, data: bytes, temporary: Path) -> None:
    """
    Put a whole new file in place; raises FileExistsError where the name is taken.
    """
    with DurableFile(path, temporary) as file:
        file.write(data)
        file.commit(replace=False)


def append(path: Path, line: bytes) -> None:
    """
    Add one line to a journal; a line torn by an earlier crash is ended first.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        _write_all(fd, (b"\n" if torn else b"") + line + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)
    if size == 0:
        fsync_folder(path.parent)


def cut(path: Path, size: int) -> None:
    """
    Leave no more than so many bytes of a file of our own that nobody misses the rest of.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_size > size:
            os.ftruncate(fd, size)
    finally:
        os.close(fd)


def rename(source: Path, target: Path) -> None:
    """
    Rename within the daemon's own folders, over nothing that matters; durable on return.
    """
    os.rename(source, target)
    _fsync_both(source, target)


def name(path: Path, name: str) -> None:
    """
    Give a file of our own another name in its folder; durable when that is synced.
    """
    os.rename(path, path.with_name(name))


def put_away(source: Path, target: Path) -> None:
    """
    Rename what nobody misses, if it is still there; it may be there again after a power cut.
    """
    try:
        os.rename(source, target)
    except FileNotFoundError:
        return
    with contextlib.suppress(OSError):
        _fsync_both(source, target)


@contextlib.contextmanager
def synced(*folders: Path) -> Iterator[None]:
    """
    Make the names in these folders durable, in this order, once all that is done within has been done.

    A disk is asked once for all of it, and not for each: on a real one each asking takes its time.
    """
    try:
        yield
    except BaseException:
        # What went wrong within is what the caller must hear of.
        with contextlib.suppress(OSError):
            _fsync_all(folders)
        raise
    _fsync_all(folders)


def rename_new(source: Path, target: Path) -> None:
    """
    Rename without ever overwriting, as `move_new` does; durable on return.
    """
    move_new(source, target)
    _fsync_both(source, target)


def move_new(source: Path, target: Path) -> None:
    """
    Rename without ever overwriting; durable when both folders are `synced`, the target's first.

    Where the filesystem cannot refuse a taken name in one step, the file is linked under the new name
    and unlinked under the old one; found between the two, it is only unlinked. Raises FileExistsError,
    and OSError with EXDEV where the target lies on another filesystem.
    """
    try:
        _rename_noreplace(source, target)
    except FileExistsError:
        if not presence.is_same(source, target):
            raise
        os.unlink(source)


def copy(source: Path, target: Path) -> None:
    """
    Copy bytes, times and mode to a name of our own in another folder; the bytes are durable on return.
    """
    with open(source, "rb") as reader, DurableFile(target, target) as writer:
        for block in presence.blocks(reader.fileno()):
            writer.write(block)
        with contextlib.suppress(PermissionError):  # Some network mounts keep no times or modes.
            shutil.copystat(source, target, follow_symlinks=False)
        writer.seal()
    fsync_folder(target.parent)


def copy_new(source: Path, target: Path) -> None:
    """
    Copy bytes alone to a name of our own, as a new file of this user's; durable on return but for the name.
    """
    with open(source, "rb") as reader, DurableFile(target, target) as writer:
        for block in presence.blocks(reader.fileno()):
            writer.write(block)
        writer.seal()


def put_new(target: Path, data: bytes) -> None:
    """
    Write bytes under a name of our own, as a new file of this user's; durable on return but for the name.
    """
    with DurableFile(target, target) as writer:
        writer.write(data)
        writer.seal()


def begin_folder(path: Path) -> None:
    """
    Make a folder of our own, if it is not there yet; durable when the one that holds it is synced.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)


def make_folder(path: Path, *, root: Path | None = None) -> None:
    """
    Make a folder and those above it, each durable before the next; a `root` must be there, and is not made.

    Raises NotADirectoryError where something else has the name.
    """
    missing = []
    while not path.is_dir():
        if path == root:
            raise FileNotFoundError(errno.ENOENT, "The folder is not there", str(path))
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        try:
            os.mkdir(folder)
        except FileExistsError as error:
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "Not a folder", str(folder)) from error
        fsync_folder(folder.parent)


def remove(path: Path) -> None:
    """
    Remove a file of our own, if it is still there.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    fsync_folder(path.parent)


def remove_empty(path: Path) -> None:
    """
    Remove a folder only if it is empty, if it is still there; raises OSError otherwise.

    It may be there again after a power cut, and nobody minds an empty one.
    """
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(path)


def fsync_folder(path: Path) -> None:
    """
    Make the names in a folder durable; filesystems that cannot (some network mounts) are left at that.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(fd)


def sweep(folder: Path, spared: str) -> None:
    """
    Remove a folder of our own with all that is in it, except what a sub-folder named `spared` holds.
    """
    for entry in list(os.scandir(folder)):
        path = folder / entry.name
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(path)
        elif entry.name == spared:
            remove_empty(path)
        else:
            sweep(path, spared)
    os.rmdir(folder)


def _rename_noreplace(source: Path, target: Path) -> None:
    flags = ctypes.c_uint(_RENAME_NOREPLACE)
    old, new = os.fsencode(source), os.fsencode(target)
    if _libc.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, flags) == 0:
        return
    code = ctypes.get_errno()
    if code not in _UNSUPPORTED:
        raise OSError(code, os.strerror(code), str(source), None, str(target))
    os.link(source, target, follow_symlinks=False)
    os.unlink(source)


def _fsync_both(source: Path, target: Path) -> None:
    _fsync_all(dict.fromkeys((target.parent, source.parent)))


def _fsync_all(folders: Iterable[Path]) -> None:
    for folder in folders:
        fsync_folder(folder)
        step()


def _write_all(fd: int, data: bytes | bytearray) -> None:
    with memoryview(data) as whole:
        written = 0
        while written < len(whole):
            written += os.write(fd, whole[written:])
            step()
