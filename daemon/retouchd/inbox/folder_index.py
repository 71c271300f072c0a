"""
The index's records by folder: files as last observed, families, what files say; and queries on them.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from retouchd.disk.signature import (
    FolderStamp,
    Observation,
    PackedObservation,
    Signature,
    mtime_of,
    unpack_observation,
)
from retouchd.inbox.precedence import Content, FolderFile
from retouchd.inbox.references import Place, References
from retouchd.inbox.scanner import LeftAlone
from retouchd.inbox.watch_mode import MtimeCache
from retouchd.job.filenames import FOLDER_FILES, Kind, Named, as_mask, parse

Key: TypeAlias = tuple[str, str]
"""A family in its folder: the folder's path below the inbox, and the family's stem."""


PENDING = float("-inf")
"""When a family is due that waits for its decision: nothing can make it due earlier."""


def is_below(folder: str, above: str) -> bool:
    """
    Return whether a folder is another one or lies below it.
    """
    return not above or folder == above or folder.startswith(f"{above}/")


def upward(folder: str) -> Iterator[str]:
    """
    Return a folder and those above it, up to the inbox itself.
    """
    yield folder
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def is_below_any(folder: str, above: Collection[str]) -> bool:
    """
    Return whether a folder is one of others or lies below one of them.
    """
    return bool(above) and any(each in above for each in upward(folder))


@dataclass(slots=True, eq=False)
class Family:
    """
    The files of one stem in one folder, its images first, and what the queue has to do with them.

    `due` is when it is to be decided about next, `gone_at` when a file of it was last seen to be gone,
    `waits_for` the kind of reason for which it was found not to be ready, None where it was.
    Families are ordered by their paths.
    """

    folder: str
    stem: str
    names: tuple[str, ...] = ()
    due: float | None = None
    gone_at: float | None = None
    is_unsettled: bool = False
    is_ready: bool = False
    waits_for: str | None = None

    @property
    def is_pending(self) -> bool:
        """
        Return whether it waits for its decision: its time has come.
        """
        return self.due == PENDING

    @property
    def key(self) -> Key:
        """
        Return what it is known by.
        """
        return self.folder, self.stem

    def __lt__(self, other: "Family") -> bool:
        return self.key < other.key


@dataclass(slots=True)
class FolderRecord:
    """
    The files of one folder as they were last seen, what is left alone, and the folders in it.

    `captions` are those of pictures that have no prompt, as far as anybody had to look.
    `see_through` says of pictures that are named like masks whether they have transparent pixels, as far as
    anybody had to look. `followed` are the files whose own state decides about something before anybody claims
    them, `others` those that belong to no family, `companions` those of them that go along with a picture of a
    family; `gone_at` is when a folder file was last seen to be gone.
    `names_known` is the stamp that the folder showed when every name in it was known.
    """

    observations: dict[str, PackedObservation] = field(default_factory=dict)
    families: dict[str, Family] = field(default_factory=dict)
    left: dict[str, LeftAlone] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    companions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    folder_files: list[str] = field(default_factory=list)
    contents: dict[str, tuple[Signature, Content]] = field(default_factory=dict)
    see_through: dict[str, tuple[Signature, bool]] = field(default_factory=dict)
    captions: dict[str, tuple[Signature, str]] = field(default_factory=dict)
    gone_at: float | None = None
    folders: Sequence[str] = ()
    trust: MtimeCache | None = None
    names_known: FolderStamp | None = None

    def trusts(self, stamp: FolderStamp) -> bool:
        """
        Return whether a folder that shows this stamp holds what it held when it was last listed.
        """
        return self.trust is not None and self.trust.is_firm and self.trust.stamp == stamp

    def joined(self, folder: str, named: Named) -> Family:
        """
        Return the family of a file that is new, in which it is from now on.
        """
        stem = named.family
        family = self.families.get(stem)
        if family is None:
            family = self.families[stem] = Family(folder, stem)
        is_first = named.kind is Kind.IMAGE and as_mask(named) is None
        family.names = (named.name, *family.names) if is_first else (*family.names, named.name)
        return family


class IndexQueries:
    """
    The read side of the index.
    """

    def __init__(self) -> None:
        self._folders: dict[str, FolderRecord] = {}
        self.references = References()

    def folders(self) -> list[str]:
        """
        Return the folders anything was seen in.
        """
        return list(self._folders)

    def folder(self, folder: str) -> FolderRecord | None:
        """
        Return what is remembered of a folder.
        """
        return self._folders.get(folder)

    def spared(self) -> list[Place]:
        """
        Return the files that jobs have used as references.
        """
        places = (path.rpartition("/")[::2] for path in self.references.used())
        return [place for place in places if self.knows(*place)]

    def families(self, folder: str) -> list[str]:
        """
        Return the families of a folder.
        """
        record = self._folders.get(folder)
        return list(record.families) if record else []

    def family(self, key: Key) -> Family | None:
        """
        Return a family, None where nothing is left of it.
        """
        record = self._folders.get(key[0])
        return record.families.get(key[1]) if record else None

    def names(self, key: Key) -> tuple[str, ...]:
        """
        Return the names of a family, its images first.
        """
        family = self.family(key)
        return family.names if family else ()

    def companions(self, key: Key) -> tuple[str, ...]:
        """
        Return the names of what may go along with the pictures of a family.
        """
        record = self._folders.get(key[0])
        return record.companions.get(key[1], ()) if record else ()

    def knows(self, folder: str, name: str) -> bool:
        """
        Return whether a file was there when it was last looked at.
        """
        return folder in self._folders and name in self._folders[folder].observations

    def has_seen(self, folder: str, name: str) -> bool:
        """
        Return whether anything was there when it was last looked at, a file or what is left alone.
        """
        record = self._folders.get(folder)
        return record is not None and (name in record.observations or name in record.left)

    def observation(self, folder: str, name: str) -> Observation:
        """
        Return how a file was last seen.
        """
        return unpack_observation(self._folders[folder].observations[name])

    def mtime_ns(self, family: Family) -> int:
        """
        Return when the content of a family's first file was last changed.
        """
        record = self._folders.get(family.folder)
        seen = record.observations.get(family.names[0]) if record and family.names else None
        return mtime_of(seen) if seen else 0

    def content(self, folder: str, name: str) -> Content | None:
        """
        Return what a file says, None if it was not read since it last changed.
        """
        signature, content = self._folders[folder].contents.get(name, (None, None))
        return (
            content if content and signature == self.observation(folder, name).signature else None
        )

    def shows_through(self, folder: str, name: str) -> bool | None:
        """
        Return whether a picture has transparent pixels, None if nobody looked since it last changed.
        """
        signature, found = self._folders[folder].see_through.get(name, (None, None))
        return found if signature == self.observation(folder, name).signature else None

    def caption(self, folder: str, name: str) -> str | None:
        """
        Return the caption of a picture, None if nobody looked since it last changed.
        """
        signature, found = self._folders[folder].captions.get(name, (None, None))
        return found if signature == self.observation(folder, name).signature else None

    def sources(self, folder: str) -> Iterator[FolderFile]:
        """
        Return the folder files of a folder and of those above it, the nearest first.
        """
        for above in upward(folder):
            record = self._folders.get(above)
            for name in sorted(record.folder_files) if record else ():
                yield FolderFile(
                    folder=above,
                    name=name,
                    kind=parse(name).kind,
                    observation=self.observation(above, name),
                    content=self.content(above, name),
                )

    def gone_at(self, key: Key) -> float | None:
        """
        Return when a file that held for a family was last seen to be gone: its own, or a folder file.
        """
        around = [self.family(key), *map(self._folders.get, upward(key[0]))]
        times = (each.gone_at for each in around if each is not None)
        return max((at for at in times if at is not None), default=None)

    def left(self, folder: str) -> dict[str, LeftAlone]:
        """
        Return what is left alone in a folder, by name.
        """
        return self._folders[folder].left

    def shut(self, key: Key) -> list[Place]:
        """
        Return the files that would hold for a family, by their names, but cannot be looked at.
        """
        found = []
        for folder in upward(key[0]):
            record = self._folders.get(folder)
            for name in sorted(record.shut) if record else ():
                named = parse(name)
                is_own = folder == key[0] and named.family == key[1]
                if is_own or named.kind in FOLDER_FILES:
                    found.append((folder, name))
        return found
