"""
What is remembered of one folder of the inbox, and of one family in it.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from retouchd.disk.packed_stat import Trace
from retouchd.disk.signature import Signature, Stamp
from retouchd.inbox.precedence import Content
from retouchd.inbox.scanner import Left
from retouchd.inbox.watch_mode import Trust
from retouchd.job.filenames import Kind, Named, as_mask

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
    The files of one stem in one folder, its images first, and what the backlog has to do with them.

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
class Folder:
    """
    The files of one folder as they were last seen, what is left alone, and the folders in it.

    `see_through` says of pictures that are named like masks whether they have transparent pixels, as far as
    anybody had to look. `followed` are the files whose own state decides about something before anybody claims
    them, `others` those that belong to no family; `gone_at` is when a folder file was last seen to be gone.
    """

    sights: dict[str, Trace] = field(default_factory=dict)
    families: dict[str, Family] = field(default_factory=dict)
    left: dict[str, Left] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    folder_files: list[str] = field(default_factory=list)
    contents: dict[str, tuple[Signature, Content]] = field(default_factory=dict)
    see_through: dict[str, tuple[Signature, bool]] = field(default_factory=dict)
    gone_at: float | None = None
    folders: Sequence[str] = ()
    trust: Trust | None = None

    def trusts(self, stamp: Stamp) -> bool:
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
