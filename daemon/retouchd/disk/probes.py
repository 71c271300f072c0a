"""
Files of our own, made and removed at once, by which a folder shows at start that the moves of a job work there.
"""

import contextlib
import errno
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from retouchd.disk import durable, file_stat, inodes, nofollow, renames
from retouchd.disk.faults import telling_of_the_disk
from retouchd.disk.file_stat import stat_at
from retouchd.disk.nofollow import Entry, Where

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
    with nofollow.held(work, "") as folder:
        return [
            name
            for name in nofollow.names_in(folder)
            if name.startswith(PROBE) and not name.endswith(_OTHER)
        ]


def clear_probes(path: Path, names: Iterable[str], work: Path) -> None:
    """
    Remove what these probes left in a folder, but no file that says something; raises OSError.
    """
    with nofollow.held(path, "") as folder:
        for name in names:
            other = f"{name}{_OTHER}"
            renames.release(folder / name, folder / other)
            for source in (folder / other, work / other):
                renames.release(source, folder / name)
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
        with nofollow.held(path, "") as folder:
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
        renames.take(probe, taken)
        _compare(before.st_ino, taken)
        renames.move_new(taken, probe)
        _name_anew(probe)


def _name_anew(probe: Entry) -> None:
    """
    Give a file another name and back, and try to give it a taken one; raises OSError.

    What is found out about the numbers of files on the way is kept: see `numbers`.
    """
    other = probe.with_name(f"{probe.name}{_OTHER}")
    before = stat_at(probe).st_ino
    renames.move_new(probe, other)
    _compare(before, other)
    durable.make_empty(probe)
    try:
        renames.move_new(other, probe)
    except FileExistsError:
        return
    raise OSError(errno.EPERM, "It overwrites files", str(other.path))


def _compare(inode: int, where: Where) -> None:
    """
    Distrust the numbers of a filesystem that shows another one for a file of ours.
    """
    found = stat_at(where)
    if found.st_ino != inode:
        inodes.distrust(found.st_dev)
