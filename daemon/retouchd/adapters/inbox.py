"""
The inbox as it lies there: looked at and read, never followed out of, never written to.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from retouchd.adapters import below
from retouchd.adapters.below import signature_of
from retouchd.rules.ignore import Ignored, IgnoreTable, Kind
from retouchd.rules.naming import path_below
from retouchd.rules.settling import Signature

DEEPEST = 3072
"""
Bytes of a folder's path below the inbox. Linux takes paths of 4095 bytes: what lies deeper might be asked
for and then fit neither outbox nor done, whose own paths and names are longer.
"""


@dataclass(frozen=True, slots=True)
class Left:
    """
    Something that is left alone, and why; `is_told` if a person should hear of it, `is_shown` if one who
    asks should see it.

    `is_shut` where the disk does not even say what it is: it may belong to what lies beside it.
    """

    reason: str
    is_told: bool
    is_shown: bool = True
    is_shut: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """
    One folder of the inbox: its path below the inbox, its files, what is left alone.

    `fault` says why it could not be read, so that nothing is concluded from what it lacks.
    """

    folder: str
    fault: str | None = None
    files: dict[str, Signature] = field(default_factory=dict)
    left: dict[str, Left] = field(default_factory=dict)


class Inbox:
    """
    The eyes on the inbox. Paths are relative to it, with `/` between parts and `""` for itself.

    `looks` counts the names that were looked at, and the files that were read.
    """

    def __init__(self, *, root: Path, ignored: IgnoreTable, recursive: bool) -> None:
        self.root = root
        self._ignored = ignored
        self._recursive = recursive
        self.looks = 0

    def look(self, folder: str, name: str) -> Signature | Left | None:
        """
        Return a file's signature, why it is left alone, or None where there is nothing or a folder.
        """
        self.looks += 1
        if ignored := self._ignored.file(name):
            return _left(ignored)
        try:
            found = below.stat_of(self.root, path_below(folder, name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            # A partner's name may be longer than any file's.
            return None if error.errno == errno.ENAMETOOLONG else _shut(error)
        return _seen(found)

    def ignored(self, name: str) -> str | None:
        """
        Return why a file of that name is never taken, None where it may be.
        """
        found = self._ignored.file(name)
        return found.reason if found else None

    def takes_folder(self, folder: str) -> bool:
        """
        Return whether files of that folder are taken at all.
        """
        return self._enters(*folder.split("/")) and not _is_too_deep(folder)

    def is_temporary(self, name: str) -> bool:
        """
        Return whether a name is one that some writer gives to unfinished files.
        """
        ignored = self._ignored.file(name)
        return ignored is not None and ignored.kind is Kind.TEMPORARY

    def walk(self, folder: str = "") -> Iterator[Listing]:
        """
        Return the listing of a folder and of every one below it; one that vanishes meanwhile is left out.
        """
        stack = [folder] if self._enters(*folder.split("/")) else []
        while stack:
            place = stack.pop()
            if _is_too_deep(place):
                yield Listing(place, fault="this folder lies too deep: move it further up")
                continue
            listing, further = Listing(place), []
            try:
                # The folder as it is now: somebody may have put a link in its place since it was named.
                with below.folder(self.root, place) as fd, os.scandir(fd) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            if self._enters(entry.name):
                                further.append(path_below(place, entry.name))
                        else:
                            self._list(listing, entry)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                yield Listing(place, fault=f"this folder cannot be read: {error.strerror}")
                continue
            yield listing
            stack += sorted(further, reverse=True)

    def read(self, folder: str, name: str, limit: int) -> bytes:
        """
        Return at most `limit + 1` bytes of a regular file; raises OSError, also for a link or a pipe.
        """
        self.looks += 1
        with below.opened(self.root, path_below(folder, name)) as file:
            return file.read(limit + 1)

    def _enters(self, *parts: str) -> bool:
        return all(self._recursive and not self._ignored.folder(part) for part in parts if part)

    def _list(self, listing: Listing, entry: os.DirEntry[str]) -> None:
        self.looks += 1
        if ignored := self._ignored.file(entry.name):
            listing.left[entry.name] = _left(ignored)
            return
        seen: Signature | Left | None
        try:
            seen = _seen(entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return
        except OSError as error:
            seen = _shut(error)
        if isinstance(seen, Left):
            listing.left[entry.name] = seen
        elif seen is not None:
            listing.files[entry.name] = seen


def _is_too_deep(folder: str) -> bool:
    return len(os.fsencode(folder)) > DEEPEST


def _shut(error: OSError) -> Left:
    return Left(f"it cannot be looked at: {error.strerror}", is_told=True, is_shut=True)


def _left(ignored: Ignored) -> Left:
    return Left(
        ignored.reason,
        is_told=ignored.kind is Kind.CONFLICT,
        is_shown=ignored.kind in {Kind.CONFLICT, Kind.TEMPORARY},
    )


def _seen(found: os.stat_result) -> Signature | Left | None:
    if stat.S_ISREG(found.st_mode):
        return signature_of(found)
    if stat.S_ISDIR(found.st_mode):
        return None
    if stat.S_ISLNK(found.st_mode):
        return Left("a symbolic link: copy the file itself into the inbox", is_told=True)
    return Left("a pipe, socket or device, not a file", is_told=True)
