"""
The disk: every change that must survive a power cut goes through here.

A write is temporary file, write, fsync, rename, fsync of the directory. A rename fsyncs both directories, the
target's first: btrfs was measured to show a moved file in both places, or an empty file under the new name,
where one of them was left out. The one that it left is left out where the same step is taken again at a start
and ends what stands in both. Several renames between the same folders may share these fsyncs (see `synced`),
and so do several threads that sync the same folder at once. Renames that must not overwrite are in `moves`.

What others may change, too, is reached by `Entry`: a name in a folder that is held open (see `below`).
"""

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from retouchd.disk.at_names import at, call_at, call_for_two, named
from retouchd.disk.calls import step
from retouchd.disk.group_commit import GroupCommit
from retouchd.disk.nofollow import OpenFolder, Where, path_of
from retouchd.disk.thread_pools import flushing

_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
"""What filesystems say to what they have not got."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)
_folder_syncs: GroupCommit[int] = GroupCommit()
_appends: GroupCommit[bytes] = GroupCommit()


class DurableFile:
    """
    A file that appears under its name whole or not at all.

    One whose temporary name `is_made` is written into an empty file of our own that has it durably already.

    Use as a context manager. After a fault its temporary name goes too: what is tried again is a new file,
    as after a failed fsync nothing that was written is to be trusted.
    """

    def __init__(
        self, path: Where, temporary: Where | None = None, *, is_made: bool = False
    ) -> None:
        self._path = path
        self._temporary = temporary or path.with_name(f"{path.name}.tmp")
        self._fd = _made_before(self._temporary) if is_made else _new(self._temporary)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        finally:
            if kind is not None:
                with contextlib.suppress(OSError):
                    unlink(self._temporary)

    @property
    def fd(self) -> int:
        """
        Return its descriptor, as long as it is open.
        """
        return self._fd

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
        with flushing():
            os.fsync(self._fd)
        step()

    def seal(self) -> None:
        """
        Make the bytes durable under the temporary name and close the file.
        """
        self.sync()
        self.close()

    def commit(self) -> None:
        """
        Seal the file and give it its name, over an older one.
        """
        self.seal()
        move(self._temporary, self._path)
        fsync_folder(self._path.parent)


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


def put(path: Path, data: bytes) -> None:
    """
    Put a new file in place whose bytes tell where it is torn, and that something else makes up for after a
    power cut: neither its bytes nor its name are durable on return.
    """
    fd = _new(path)
    try:
        _write_all(fd, data)
    except BaseException:
        with contextlib.suppress(OSError):
            unlink(path)
        raise
    finally:
        os.close(fd)


def post(path: Path, data: bytes, temporary: Path | None = None) -> None:
    """
    Put a whole file in place that nobody misses after a power cut: readers see the old or the new one.
    """
    temporary = temporary or temporary_of(path)
    with DurableFile(path, temporary) as file:
        file.write(data)
        file.close()
        os.rename(temporary, path)


def append(path: Path, line: bytes) -> None:
    """
    Add one line to a journal, with what other threads add to it meanwhile; a line torn by an earlier crash is
    ended first.
    """
    with flushing():
        _appends.join(path, line, lambda lines: append_alone(path, b"\n".join(lines)))


def append_alone(path: Path, line: bytes) -> None:
    """
    Add one line to a journal, or several, that nobody else adds to at this moment.
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


def move(source: Where, target: Where) -> None:
    """
    Rename to a name of our own, over nothing that matters; durable when both folders are `synced`.
    """
    call_for_two(os.rename, source, target)


def move_unless_taken(source: Where, target: Where) -> None:
    """
    Rename in one step that refuses a taken name; raises OSError, with one of `UNSUPPORTED` where none does.
    """
    (old, old_fd), (new, new_fd) = at(source), at(target)
    numbers = [_AT_FDCWD if fd is None else fd for fd in (old_fd, new_fd)]
    names = os.fsencode(old), os.fsencode(new)
    flags = ctypes.c_uint(_RENAME_NOREPLACE)
    if _libc.renameat2(numbers[0], names[0], numbers[1], names[1], flags) != 0:
        code = ctypes.get_errno()
        raise named(OSError(code, os.strerror(code)), source, target)


def link(source: Where, target: Where) -> None:
    """
    Give a file a second name that is not taken; raises OSError.
    """
    call_for_two(os.link, source, target, follow_symlinks=False)


def make_empty(path: Where) -> None:
    """
    Make an empty file; raises FileExistsError where the name is taken.
    """
    os.close(call_at(os.open, path, _NEW_FILE, 0o666))


def unlink(path: Where) -> None:
    """
    Remove a name; durable when its folder is `synced`.
    """
    call_at(os.unlink, path)


def rename(source: Where, target: Where) -> None:
    """
    Rename within the daemon's own folders, over nothing that matters; durable on return.
    """
    move(source, target)
    fsync_both(source, target)


def put_away(source: Path, target: Path) -> None:
    """
    Rename what nobody misses, if it is still there; it may be there again after a power cut.
    """
    with contextlib.suppress(FileNotFoundError):
        os.rename(source, target)


@contextlib.contextmanager
def synced(*folders: Path | OpenFolder) -> Iterator[None]:
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


def begin_folder(path: Where, mode: int = 0o777) -> None:
    """
    Make a folder of our own, if it is not there yet; durable when the one that holds it is synced.
    """
    with contextlib.suppress(FileExistsError):
        call_at(os.mkdir, path, mode)


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


def remove(path: Where) -> None:
    """
    Remove a file of our own, if it is still there.
    """
    try:
        unlink(path)
    except FileNotFoundError:
        return
    fsync_folder(path.parent)


def remove_empty(path: Where) -> None:
    """
    Remove a folder only if it is empty, if it is still there; raises OSError otherwise.

    It may be there again after a power cut, and nobody minds an empty one.
    """
    with contextlib.suppress(FileNotFoundError):
        call_at(os.rmdir, path)


def fsync_folder(folder: Path | OpenFolder) -> None:
    """
    Make the names in a folder durable; filesystems that cannot (some network mounts) are left at that.
    """
    if isinstance(folder, OpenFolder):
        _fsync_names(folder.fd)
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _fsync_names(fd)
    finally:
        os.close(fd)


def _fsync_names(fd: int) -> None:
    """
    Sync a folder; several threads that ask for the same one at once ask the disk once.
    """
    about = os.fstat(fd)

    def sync(fds: list[int]) -> None:
        try:
            os.fsync(fds[0])
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise

    with flushing():
        _folder_syncs.join((about.st_dev, about.st_ino), fd, sync)


def fsync_both(source: Where, target: Where) -> None:
    """
    Make a rename durable: in the folder that the file came to, then in the one that it left.
    """
    _fsync_all(dict.fromkeys((target.parent, source.parent)))


def _fsync_all(folders: Iterable[Path | OpenFolder]) -> None:
    for folder in folders:
        fsync_folder(folder)
        step()


def _new(path: Where) -> int:
    """
    Open a new file of our own; what has the name is removed: never written to, as it may be a link.
    """
    try:
        fd: int = call_at(os.open, path, _NEW_FILE, 0o666)
    except FileExistsError:
        unlink(path)
        fd = call_at(os.open, path, _NEW_FILE, 0o666)
    return fd


def _made_before(path: Where) -> int:
    """
    Open an empty file of our own, made before: never a link, nor a file that has another name.
    """
    fd: int = call_at(os.open, path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    about = os.fstat(fd)
    if stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and about.st_size == 0:
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "Not the empty file that was made", str(path_of(path)))


def _write_all(fd: int, data: bytes | bytearray) -> None:
    with memoryview(data) as whole:
        written = 0
        while written < len(whole):
            written += os.write(fd, whole[written:])
            step()
