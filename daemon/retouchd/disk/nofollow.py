"""
Files anywhere below a folder, reached without following a link: what lies there is looked at, read and changed
by the descriptor of its folder.

No folder on the way is taken by its name twice, so nothing can be swapped for a link meanwhile.
"""

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

from retouchd.disk import filesystems
from retouchd.disk.signature import FolderStamp, PackedSignature, Signature, pack_parts

_libc = ctypes.CDLL(None, use_errno=True)

_LINK = "is a link or lies behind one; put the picture itself there"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RESOLVE_NO_SYMLINKS = 0x04
_OPENAT2 = 437
"""Of the system call, the same number on every machine since Linux 5.6."""
_UNABLE = (errno.ENOSYS, errno.EPERM, errno.ENAMETOOLONG)
"""An old kernel, a service manager's filter that does not know it, a path longer than one call takes."""
UNREADABLE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.EINVAL,
        errno.ENXIO,
        errno.ENAMETOOLONG,
    }
)
"""Of opening a file that is gone, may not be read, or is none, which waiting does not change."""
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """
    A folder held open: names in it are reached by its descriptor, whatever stands at its path by now.
    """

    path: Path
    fd: int

    def __truediv__(self, name: str) -> "Entry":
        return Entry(self, name)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A name in a folder that is held open.
    """

    parent: OpenFolder
    name: str

    @property
    def path(self) -> Path:
        """
        Return the path of it, to be shown or compared, not to be used.
        """
        return self.parent.path / self.name

    def with_name(self, name: str) -> "Entry":
        """
        Return another name in the same folder.
        """
        return Entry(self.parent, name)


Where: TypeAlias = Path | Entry
"""A path of the daemon's own, or a name in one of the folders that others may change, too."""


def path_of(where: Where) -> Path:
    """
    Return a path to be shown.
    """
    return where.path if isinstance(where, Entry) else where


def names_in(folder: OpenFolder) -> list[str]:
    """
    Return all names in a folder.
    """
    return os.listdir(folder.fd)  # noqa: PTH208 - there is no Path for a descriptor


def file_or_fault(root: Path, path: str) -> Signature | str:
    """
    Return the signature of a regular file, or half a sentence on why it cannot be used.
    """
    try:
        found = stat_of(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return _LINK if _is_behind_link(root, path) else "is not there"
    except OSError as error:
        return _LINK if error.errno == errno.ELOOP else f"cannot be looked at: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return _LINK
    if not stat.S_ISREG(found.st_mode):
        return "is not a file"
    return signature_of(found)


def stat_of(root: Path, path: str) -> os.stat_result:
    """
    Return what lies there, itself; raises OSError, NotADirectoryError for a link on the way.
    """
    if "/" not in path:  # No folder on the way: one call will do, and claims take many.
        return os.stat(f"{root}/{path}", follow_symlinks=False)  # noqa: PTH116 - no Path for it
    with _parent(root, path) as (above, name):
        return os.stat(name, dir_fd=above, follow_symlinks=False)


def signature_of(found: os.stat_result) -> Signature:
    """
    Return the signature that a stat shows.
    """
    number = filesystems.number_of(found.st_ino, found.st_dev)
    return Signature(found.st_size, found.st_mtime_ns, found.st_ctime_ns, number, found.st_dev)


def packed_signature_of(found: os.stat_result) -> PackedSignature:
    """
    Return the signature that a stat shows, packed.
    """
    number = filesystems.number_of(found.st_ino, found.st_dev)
    return PackedSignature(
        pack_parts(found.st_size, found.st_mtime_ns, found.st_ctime_ns, number, found.st_dev)
    )


def stamp_of(fd: int) -> FolderStamp:
    """
    Return the stamp of an open folder.
    """
    found = os.fstat(fd)
    return FolderStamp(found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


@contextlib.contextmanager
def opened(root: Path, path: str) -> Iterator[BinaryIO]:
    """
    Open a regular file for reading; raises OSError for anything else, and for a link on the way.
    """
    fd = _opened(root, path)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    with BufferedReader(FileIO(fd)) as file:
        yield file


def _opened(root: Path, path: str) -> int:
    if "/" not in path:
        return os.open(f"{root}/{path}", _FILE)
    with _parent(root, path) as (above, name):
        return os.open(name, _FILE, dir_fd=above)


@contextlib.contextmanager
def folder(root: Path, path: str) -> Iterator[int]:
    """
    Open a folder and give its descriptor; `""` is the root itself.

    Raises NotADirectoryError for a link on the way.
    """
    fd = open_folder(root, path)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def opened_folder(root: Path, path: str) -> Iterator[OpenFolder]:
    """
    Hold a folder open; raises OSError as `folder` does.
    """
    with folder(root, path) as fd:
        yield OpenFolder(root / path, fd)


@contextlib.contextmanager
def inner(entry: Entry) -> Iterator[OpenFolder]:
    """
    Hold a folder open in one that is; raises NotADirectoryError for a link.
    """
    fd = open_inner(entry)
    try:
        yield OpenFolder(entry.path, fd)
    finally:
        os.close(fd)


def open_inner(entry: Entry) -> int:
    """
    Return the descriptor of a folder, for the caller to close; raises OSError as `inner` does.
    """
    try:
        return os.open(entry.name, _FOLDER, dir_fd=entry.parent.fd)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(entry.path)) from error


def open_folder(root: Path, path: str) -> int:
    """
    Return the descriptor of a folder, for the caller to close; raises OSError as `folder` does.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if not path:
        return fd
    try:
        return _beneath(fd, path)
    finally:
        os.close(fd)


def _beneath(root: int, path: str) -> int:
    """
    Open a folder without following any link: at once where the kernel can (openat2, since 5.6).
    """
    how = (ctypes.c_uint64 * 3)(_FOLDER, 0, _RESOLVE_NO_SYMLINKS)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    fd: int = _libc.syscall(_OPENAT2, root, os.fsencode(path), ctypes.byref(how), size)
    if fd >= 0:
        return fd
    code = ctypes.get_errno()
    if code in _UNABLE:
        return _part_by_part(root, path)
    if code == errno.ELOOP:
        raise NotADirectoryError(errno.ENOTDIR, "a link lies on the way", path)
    raise OSError(code, os.strerror(code), path)


def _part_by_part(root: int, path: str) -> int:
    fd = os.dup(root)
    try:
        for part in path.split("/"):
            further = os.open(part, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = further
    except OSError:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def _parent(root: Path, path: str) -> Iterator[tuple[int, str]]:
    above, _, name = path.rpartition("/")
    with folder(root, above) as fd:
        yield fd, name


def _is_behind_link(root: Path, path: str) -> bool:
    """
    Tell a link on the way from a missing folder: the kernel says the same of both.
    """
    parts = path.split("/")
    return any((root / "/".join(parts[:end])).is_symlink() for end in range(1, len(parts)))
