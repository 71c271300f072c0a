"""
Folders tried out: whether they answer, and whether the moves of a job work there.

A disk that stands in the way of a whole command, told as a sentence. Whether folders answer at all, asked by
processes of their own: on some mounts a thread that hangs cannot be killed, and would keep its whole process
from ending. Files of our own, made and removed at once, by which a folder shows at start that the moves of a
job work there.
"""

import contextlib
import errno
import os
import secrets
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from retouchd.disk import durable, file_stat, filesystems, moves, nofollow
from retouchd.disk.calls import Folder
from retouchd.disk.file_stat import stat_at
from retouchd.disk.nofollow import Entry, Where
from retouchd.errors import DiskFailed, FolderUnresponsive
from retouchd.job.naming import shown


@contextlib.contextmanager
def telling_of_the_disk() -> Iterator[None]:
    """
    Have what the disk prevents end with a sentence. Raises DiskFailed in place of an OSError.

    For what changes nothing: a look, or a start before its first claim. Who starts services starts it again.
    """
    try:
        yield
    except FolderUnresponsive as error:
        raise DiskFailed(f"{error} No file was touched. Then start retouchd again.") from error
    except OSError as error:
        name = shown(str(error.filename)) if error.filename else "A folder"
        raise DiskFailed(
            f"{name} cannot be used now: {error.strerror or error}. No file was touched. "
            "See to it or to its disk, then start retouchd again."
        ) from error


_BEAT_SECONDS = 0.005


class FolderProbe:
    """
    Asks folders again and again, each by one process at a time. For a process without threads: it forks.
    """

    def __init__(self) -> None:
        self._asking: dict[Folder, int] = {}

    def unresponsive(self, folders: Mapping[Folder, Path], seconds: float) -> set[Folder]:
        """
        Return the folders that do not answer within so many seconds.
        """
        for folder, path in folders.items():
            if folder not in self._asking:
                self._asking[folder] = _ask(path)
        end = time.monotonic() + seconds
        while self._asking and time.monotonic() < end:
            for folder, process in list(self._asking.items()):
                if os.waitpid(process, os.WNOHANG)[0]:
                    del self._asking[folder]
            if self._asking:
                time.sleep(_BEAT_SECONDS)
        for process in self._asking.values():
            os.kill(process, signal.SIGKILL)
        return set(self._asking)


def _ask(path: Path) -> int:
    process = os.fork()
    if process:
        return process
    with contextlib.suppress(BaseException):
        # It may outlive its parent for as long as the folder hangs: nobody is to wait for its output.
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        os.statvfs(path)
        with os.scandir(path) as entries:
            next(entries, None)
    os._exit(0)


PROBE = ".retouchd-probe-"
"""How the names of such files begin."""

_OTHER = "-2"
_TRIES = 5
_UNABLE = durable.UNSUPPORTED | {errno.EPERM, errno.EXDEV, errno.EEXIST}
"""What is no state of the disk that passes: a full or read-only one makes jobs wait."""


def unnamable(path: Path, key: str, work: Path) -> str | None:
    """
    Return why a file cannot get its name in a folder without overwriting another one, None if it can.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            with _probe(path, work) as probe:
                _name_anew(probe)
        except OSError as error:
            if tries_left or error.errno not in _UNABLE:
                continue  # Another daemon that starts now may have cleared the probe away.
            return (
                f"{key}: in {path} a file cannot get its name without overwriting another one "
                f"({error.strerror}): its filesystem has neither RENAME_NOREPLACE nor links, and makes no "
                f"new file that could keep a name free. Set {key} to a place on another filesystem."
            )
        break
    return None


def unmovable(inbox: Path, work: Path) -> str | None:
    """
    Return why a file of the inbox cannot be claimed and given back, None if it can: equal device numbers prove
    nothing.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            _move_there_and_back(inbox, work)
        except OSError as error:
            if tries_left:
                continue
            return (
                f"folders.work: files of {inbox} cannot be renamed into {work}: {error.strerror}. "
                "Both must lie on one filesystem; set folders.work to a place beside the inbox."
            )
        break
    return None


def names_of_probes(work: Path) -> list[str]:
    """
    Return the names of the probes that were killed half-way, or are under way: those are begun anew.
    """
    with nofollow.opened_folder(work, "") as folder:
        return [
            name
            for name in nofollow.names_in(folder)
            if name.startswith(PROBE) and not name.endswith(_OTHER)
        ]


def clear_probes(path: Path, names: Iterable[str], work: Path) -> None:
    """
    Remove what these probes left in a folder, but no file that says something; raises OSError.
    """
    with nofollow.opened_folder(path, "") as folder:
        for name in names:
            other = f"{name}{_OTHER}"
            moves.release(folder / name, folder / other)
            for source in (folder / other, work / other):
                moves.release(source, folder / name)
            for each in (name, other):
                if file_stat.is_taken(folder / each) and not stat_at(folder / each).st_size:
                    durable.unlink(folder / each)


@contextlib.contextmanager
def _probe(path: Path, work: Path) -> Iterator[Entry]:
    """
    Make a probe in a folder; another one of its name in work says that there may be something left of it.

    Raises DiskFailed where it cannot be removed again.
    """
    mark = work / f"{PROBE}{secrets.token_hex(4)}"
    durable.make_empty(mark)
    try:
        with nofollow.opened_folder(path, "") as folder:
            durable.make_empty(folder / mark.name)
            yield folder / mark.name
    finally:
        _clear(path, mark.name, work)


def _clear(path: Path, name: str, work: Path) -> None:
    """
    Remove a probe; where that cannot be, the next start knows it by its mark.
    """
    for tries_left in reversed(range(_TRIES)):
        with contextlib.suppress(OSError) if tries_left else telling_of_the_disk():
            clear_probes(path, [name], work)
            clear_probes(work, [name], work)
            return


def _move_there_and_back(inbox: Path, work: Path) -> None:
    with _probe(inbox, work) as probe:
        taken = work / f"{probe.name}{_OTHER}"
        before = stat_at(probe)
        moves.take(probe, taken)
        _compare(before.st_ino, taken)
        moves.move_new(taken, probe)
        _name_anew(probe)


def _name_anew(probe: Entry) -> None:
    """
    Give a file another name and back, and try to give it a taken one; raises OSError.

    What is found out about the numbers of files on the way is kept: see `numbers`.
    """
    other = probe.with_name(f"{probe.name}{_OTHER}")
    before = stat_at(probe).st_ino
    moves.move_new(probe, other)
    _compare(before, other)
    durable.make_empty(probe)
    try:
        moves.move_new(other, probe)
    except FileExistsError:
        return
    raise OSError(errno.EPERM, "It overwrites files", str(other.path))


def _compare(inode: int, where: Where) -> None:
    """
    Distrust the numbers of a filesystem that shows another one for a file of ours.
    """
    found = stat_at(where)
    if found.st_ino != inode:
        filesystems.distrust(found.st_dev)
