"""
Reads the inbox from disk: lists folders, stats and reads files; follows no link, writes nothing.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from retouchd.disk import nofollow
from retouchd.disk.calls import step
from retouchd.disk.filesystems import is_written
from retouchd.disk.signature import FolderStamp, PackedObservation, PackedSignature, inode_of, shows
from retouchd.inbox.ignore import Ignored, IgnoredKind, IgnoreTable
from retouchd.inbox.watch_mode import Depth
from retouchd.job.naming import path_below

DEEPEST = 3072
"""
Bytes of a folder's path below the inbox. Linux takes paths of 4095 bytes: what lies deeper might be asked
for and then fit neither outbox nor done, whose own paths and names are longer.
"""


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """
    A directory entry that is left alone, and why.

    `is_told` if a person should hear of it, `is_shown` if one who asks should see it.

    `is_shut` where the disk does not even say what it is: it may belong to what lies beside it.
    """

    reason: str
    is_told: bool
    is_shown: bool = True
    is_shut: bool = False


class Known(Protocol):
    """
    What is cached of a folder.
    """

    @property
    def observations(self) -> Mapping[str, PackedObservation]:
        """
        Return its files.
        """
        ...

    @property
    def left(self) -> Mapping[str, LeftAlone]:
        """
        Return what was left alone.
        """
        ...

    @property
    def followed(self) -> Collection[str]:
        """
        Return the files that are looked at each time.
        """
        ...

    @property
    def shut(self) -> Collection[str]:
        """
        Return what could not be looked at.
        """
        ...

    @property
    def folders(self) -> Sequence[str]:
        """
        Return the names of the folders in it.
        """
        ...

    def trusts(self, stamp: FolderStamp) -> bool:
        """
        Return whether a folder that shows this stamp holds what it held when it was last listed.
        """
        ...


@dataclass(slots=True)
class Listing:
    """
    One folder of the inbox: its path below the inbox, the names with news and what was found of each, which
    names are known and there no longer, and the names of the folders in it.

    `fault` says why it could not be read, so that nothing is concluded from what it lacks. `stamp` is what
    the folder itself showed, None where it changed meanwhile.
    """

    folder: str
    fault: str | None = None
    names: list[str] = field(default_factory=list)
    found: list[PackedSignature | LeftAlone] = field(default_factory=list)
    gone: Collection[str] = ()
    folders: Sequence[str] = ()
    stamp: FolderStamp | None = None


class InboxScanner:
    """
    Lists, stats and reads the inbox. Paths are relative to it, with `/` between parts and `""` for itself.

    `looks` counts the names that were looked at, and the files that were read.
    """

    def __init__(self, *, root: Path, ignored: IgnoreTable, recursive: bool) -> None:
        self.root = root
        self._ignored = ignored
        self._recursive = recursive
        self.looks = 0

    def look(self, folder: str, name: str) -> PackedSignature | LeftAlone | None:
        """
        Return a file's signature, packed, why it is left alone, or None where there is nothing or a folder.
        """
        self.looks += 1
        step()
        ignored = self._ignored.file(name)
        try:
            found: PackedSignature | LeftAlone | None = _seen(
                nofollow.stat_of(self.root, path_below(folder, name))
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            # A partner's name may be longer than any file's.
            found = None if error.errno == errno.ENAMETOOLONG else _shut(error)
        return _left(ignored) if ignored and found is not None else found

    def ignored(self, name: str) -> str | None:
        """
        Return why a file of that name is never taken, None where it may be.
        """
        found = self._ignored.file(name)
        return found.reason if found else None

    def is_aside(self, name: str) -> bool:
        """
        Return whether folders of that name are the person's own, for references and notes.
        """
        return self._ignored.is_aside(name)

    def takes_folder(self, folder: str) -> bool:
        """
        Return whether files of that folder are taken at all.
        """
        return self._enters(*folder.split("/")) and not _is_too_deep(folder)

    def walk(
        self,
        folder: str = "",
        *,
        depth: Depth = Depth.FILES,
        known: Callable[[str], Known | None] = lambda _: None,
    ) -> Iterator[Listing]:
        """
        Return the listing of a folder and of every one below it; one that vanishes meanwhile is left out.
        """
        stack = [folder] if self._enters(*folder.split("/")) else []
        while stack:
            below = stack.pop()
            if _is_too_deep(below):
                yield Listing(below, fault="this folder lies too deep: move it further up")
                continue
            try:
                # The folder as it is now: somebody may have put a link in its place since it was named.
                with nofollow.folder(self.root, below) as fd:
                    listing = self._listing(below, fd, known(below), depth)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                yield Listing(below, fault=f"this folder cannot be read: {error.strerror}")
                continue
            stack += [path_below(below, each) for each in sorted(listing.folders, reverse=True)]
            yield listing

    def stamp(self, folder: str) -> FolderStamp | None:
        """
        Return the stamp of a folder, None where it cannot be looked at.
        """
        self.looks += 1
        try:
            with nofollow.folder(self.root, folder) as fd:
                return nofollow.stamp_of(fd)
        except OSError:
            return None

    def names(self, folder: str) -> tuple[list[str], FolderStamp | None]:
        """
        Return all names in a folder, and the stamp that it showed meanwhile, None where that changed; raises
        OSError.
        """
        self.looks += 1
        step()
        with nofollow.opened_folder(self.root, folder) as opened:
            stamp, names = nofollow.stamp_of(opened.fd), nofollow.names_in(opened)
            return names, stamp if nofollow.stamp_of(opened.fd) == stamp else None

    def read(self, folder: str, name: str, limit: int) -> bytes:
        """
        Return at most `limit + 1` bytes of a regular file; raises OSError, also for a link or a pipe.
        """
        self.looks += 1
        step()
        with nofollow.opened(self.root, path_below(folder, name)) as file:
            return file.read(limit + 1)

    def is_written(self, path: str) -> bool | None:
        """
        Return whether anybody has a file open for writing, None where the kernel does not say; raises OSError
        for one that cannot be read.
        """
        self.looks += 1
        step()
        with nofollow.opened(self.root, path) as file:
            file.read(1)
            return is_written(file.fileno())

    def _enters(self, *parts: str) -> bool:
        return all(self._recursive and not self._ignored.folder(part) for part in parts if part)

    def _listing(self, folder: str, fd: int, known: Known | None, depth: Depth) -> Listing:
        stamp = nofollow.stamp_of(fd)
        listing = Listing(folder)
        if known is not None and depth is Depth.CHANGES and known.trusts(stamp):
            listing.folders = known.folders
            for name in {*known.followed, *known.shut}:
                stat_it = partial(os.stat, name, dir_fd=fd, follow_symlinks=False)
                self._see(listing, name, stat_it, known.observations.get(name))
        elif known is not None:
            followed = known.observations if depth is Depth.FILES else known.followed
            count = self._list(listing, fd, known.observations, followed)
            count += sum(name in known.observations or name in known.left for name in listing.names)
            if count < len(known.observations) + len(known.left):
                there = set(os.listdir(fd))
                listing.gone = [n for n in (*known.observations, *known.left) if n not in there]
        else:
            self._list(listing, fd, {}, ())
        listing.stamp = stamp if nofollow.stamp_of(fd) == stamp else None
        return listing

    def _list(
        self,
        listing: Listing,
        fd: int,
        observations: Mapping[str, PackedObservation],
        followed: Collection[str],
    ) -> int:
        """
        List a folder, looking at what is new or followed; return how many files are what they were.
        """
        folders, count = [], 0
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                cached = observations.get(name)
                if cached is not None and name not in followed and _is_same(entry, cached):
                    self.looks += 1
                    step()
                    count += 1
                elif not entry.is_dir(follow_symlinks=False):
                    stat_it = partial(entry.stat, follow_symlinks=False)
                    count += self._see(listing, name, stat_it, cached)
                elif self._enters(name):
                    folders.append(name)
        listing.folders = folders
        return count

    def _see(
        self,
        listing: Listing,
        name: str,
        stat_it: Callable[[], os.stat_result],
        cached: PackedObservation | None,
    ) -> bool:
        """
        Take what is found into a listing; return whether it is what it was.
        """
        self.looks += 1
        step()
        found: PackedSignature | LeftAlone | None
        try:
            ignored = self._ignored.file(name) if cached is None else None
            found = _left(ignored) if ignored else _seen(stat_it())
        except FileNotFoundError:
            return False
        except OSError as error:
            found = _shut(error)
        if cached is not None and isinstance(found, bytes) and shows(cached, found):
            return True
        if found is not None:
            listing.names.append(name)
            listing.found.append(found)
        return False


def _is_same(entry: os.DirEntry[str], cached: PackedObservation) -> bool:
    """
    Return whether a name still leads to the file that was seen there, as far as its folder tells.
    """
    return entry.is_file(follow_symlinks=False) and entry.inode() == inode_of(cached)


def _is_too_deep(folder: str) -> bool:
    return len(os.fsencode(folder)) > DEEPEST


def _shut(error: OSError) -> LeftAlone:
    return LeftAlone(f"it cannot be looked at: {error.strerror}", is_told=True, is_shut=True)


def _left(ignored: Ignored) -> LeftAlone:
    return LeftAlone(
        ignored.reason,
        is_told=ignored.kind is IgnoredKind.CONFLICT,
        is_shown=ignored.kind
        in {IgnoredKind.CONFLICT, IgnoredKind.TEMPORARY, IgnoredKind.RECEIVED},
    )


def _seen(found: os.stat_result) -> PackedSignature | LeftAlone | None:
    if stat.S_ISREG(found.st_mode):
        return nofollow.packed_signature_of(found)
    if stat.S_ISDIR(found.st_mode):
        return None
    if stat.S_ISLNK(found.st_mode):
        return LeftAlone("a symbolic link: copy the file itself into the inbox", is_told=True)
    return LeftAlone("a pipe, socket or device, not a file", is_told=True)
