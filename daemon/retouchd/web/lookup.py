"""
Where a post stands, found by its name: in the inbox, in work, in done or in error. No table is kept: a restart
knows as much. Everything here blocks.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO

from retouchd.disk import durable, file_stat, nofollow
from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders
from retouchd.inbox.safe_drop import clear_leftovers
from retouchd.job.filenames import IMAGE_EXTENSIONS
from retouchd.job.filetypes import EXTENSIONS
from retouchd.job.naming import RECORD, path_below
from retouchd.spool.finished_job import raw_name
from retouchd.spool.history import record_in
from retouchd.spool.history_cache import HistoryCache
from retouchd.spool.phase import ORIGINALS
from retouchd.spool.spool import Spool
from retouchd.web.posting import digest_in, folder_of_references

STEM = re.compile(r"post-[0-9a-f]{16}")
_ENDINGS = sorted({*IMAGE_EXTENSIONS, *EXTENSIONS.values()})
_MOST_FOLDERS = 5000
_MOST_BYTES = 1 << 16
_REFERENCE = re.compile(r"[0-9]{1,2}\.[a-z]{3,4}")


class Place(StrEnum):
    """
    Where a post's picture lies.
    """

    INBOX = "inbox"
    WORK = "work"
    DONE = "done"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    Where a post stands: the place, the sub-folder, the picture's name; its record, or its job while in work.
    """

    place: Place
    folder: str
    name: str
    job: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def results(self) -> list[str]:
        """
        Return the paths of its results below the outbox, or below the folder for reviews.
        """
        found = self.record.get("outputs")
        return [str(each) for each in found] if isinstance(found, list) else []


class Lookup:
    """
    Finds posts in the folders.
    """

    def __init__(self, folders: Folders, history: HistoryCache) -> None:
        self._folders = folders
        self._spool = Spool(work=folders.work, inbox=folders.inbox)
        self._history = history

    def find(self, stem: str, hint: str | None = None) -> Found | None:
        """
        Return where a post stands, None where nobody has ever sent it. `hint` is the sub-folder it was sent to.

        A job given back to the inbox meanwhile is seen at the second look. What is over is found without a hint
        too where its sub-folder of the inbox is not there any more.
        """
        for _ in range(2):
            for folders in (self._near(hint), self._all()):
                places = list(folders)
                looks = (self._in_inbox, self._in_work, self._in_done, self._in_error)
                for look in looks:
                    if (found := look(stem, places)) is not None:
                        return found
        return self._in_history(stem) if hint is None else None

    def digest(self, found: Found) -> str | None:
        """
        Return the digest of what was posted, None where that cannot be told any more.
        """
        name = f"{found.name.rpartition('.')[0]}.toml"
        match found.place:
            case Place.WORK:
                root, path = self._spool.folder(found.job) / ORIGINALS, name
            case Place.INBOX:
                root, path = self._folders.inbox, path_below(found.folder, name)
            case Place.DONE:
                root, path = self._folders.done, path_below(found.folder, name)
            case Place.ERROR:
                root, path = self._folders.error, path_below(found.folder, name)
        with contextlib.suppress(OSError), nofollow.opened(root, path) as file:
            return digest_in(file.read(_MOST_BYTES))
        return None

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO]:
        """
        Open a result; raises OSError where it is not there any more, or behind a link.
        """
        parts = path.split("/")
        if any(part in {"", ".", ".."} for part in parts) or "\0" in path:
            raise FileNotFoundError(path)
        folder, root = self._folders.place_of(path)
        with at(folder), nofollow.opened(root, path) as file:
            yield file

    def withdraw(self, found: Found) -> None:
        """
        Remove from the inbox a post of which the same was done before: all of it are copies. Raises OSError.
        """
        stem = found.name.rpartition(".")[0]
        with at(Folder.INBOX), nofollow.opened_folder(self._folders.inbox, found.folder) as folder:
            # The picture first: without it, what is left of a half withdrawal is no job.
            for suffix in (found.name.removeprefix(stem), ".txt", ".mask.png", ".toml"):
                if file_stat.is_taken(folder / f"{stem}{suffix}"):
                    durable.remove(folder / f"{stem}{suffix}")
        self.clear_references(stem, found.folder)

    def clear_references(self, stem: str, folder: str) -> None:
        """
        Remove the references of a post that is over: they were copied into the job.
        """
        path = path_below(folder, folder_of_references(stem))
        with contextlib.suppress(OSError), at(Folder.INBOX):
            with nofollow.opened_folder(self._folders.inbox, path) as held:
                for name in nofollow.names_in(held):
                    if _REFERENCE.fullmatch(name):
                        durable.remove(held / name)
            durable.remove_empty(self._folders.inbox / path)

    def clear_drops(self) -> None:
        """
        Remove what drops into the inbox left that were killed.
        """
        for folder in self._all():
            with (
                contextlib.suppress(OSError),
                nofollow.opened_folder(self._folders.inbox, folder) as held,
            ):
                clear_leftovers(held)

    def leftover_references(self) -> Iterator[tuple[str, str]]:
        """
        Yield stem and sub-folder of each post whose references are left though it is over.
        """
        for folder in self._all():
            with contextlib.suppress(OSError):
                for name in os.listdir(self._folders.inbox / folder):  # noqa: PTH208 - names, not paths
                    stem = name.removeprefix("_")
                    if name.startswith("_post-") and STEM.fullmatch(stem):
                        found = self.find(stem, folder)
                        if found is None or found.place in {Place.DONE, Place.ERROR}:
                            yield stem, folder

    def _near(self, hint: str | None) -> Iterator[str]:
        yield from dict.fromkeys(["", *([hint] if hint else [])])

    def _all(self) -> Iterator[str]:
        """
        Yield all sub-folders of the inbox in which anything is taken.
        """
        root = os.fspath(self._folders.inbox)
        count = 0
        with at(Folder.INBOX):
            for top, names, _ in os.walk(root):
                names[:] = [name for name in names if not name.startswith(("_", "."))]
                yield os.path.relpath(top, root) if top != root else ""
                count += 1
                if count >= _MOST_FOLDERS:
                    return

    def _in_inbox(self, stem: str, folders: list[str]) -> Found | None:
        with at(Folder.INBOX):
            for folder in folders:
                for ending in _ENDINGS:
                    name = f"{stem}.{ending}"
                    if os.path.lexists(self._folders.inbox / folder / name):
                        return Found(place=Place.INBOX, folder=folder, name=name)
        return None

    def _in_work(self, stem: str, _: list[str]) -> Found | None:
        for job in self._spool.jobs():
            for member in job.members:
                if member.inbox_name.rpartition(".")[0] == stem:
                    name = job.members[0].inbox_name
                    return Found(place=Place.WORK, folder=job.folder, name=name, job=job.id)
        return None

    def _in_done(self, stem: str, folders: list[str]) -> Found | None:
        with at(Folder.DONE):
            return self._archived(stem, folders, Place.DONE)

    def _in_error(self, stem: str, folders: list[str]) -> Found | None:
        with at(Folder.ERROR):
            return self._archived(stem, folders, Place.ERROR)

    def _in_history(self, stem: str) -> Found | None:
        with contextlib.suppress(OSError):
            for line in self._history.page(limit=1, words=stem).lines:
                folders = [raw_name(str(line.get("folder") or ""))]
                return self._in_done(stem, folders) or self._in_error(stem, folders)
        return None

    def _archived(self, stem: str, folders: list[str], place: Place) -> Found | None:
        root = self._folders.done if place is Place.DONE else self._folders.error
        for folder in folders:
            path = path_below(folder, f"{stem}{RECORD}")
            with contextlib.suppress(OSError):
                record = record_in(root, path) if os.path.lexists(root / path) else None
                if record is not None and record.get("status") == place.value:
                    name = str(record.get("image") or f"{stem}.png")
                    job = str(record.get("id"))
                    return Found(place=place, folder=folder, name=name, job=job, record=record)
        return None
