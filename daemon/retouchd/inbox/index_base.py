"""
What is remembered of the inbox, to be asked: its files by folder and by family, and what they say.
"""

from collections.abc import Iterator

from retouchd.disk.packed_stat import mtime_of, unpack
from retouchd.disk.signature import Sight
from retouchd.inbox.folder_index import Family, Folder, Key, upward
from retouchd.inbox.precedence import Content, Source
from retouchd.inbox.references import Place, References
from retouchd.inbox.scanner import Left
from retouchd.job.filenames import FOLDER_FILES, parse


class Seen:
    """
    The files of the inbox as they were last seen.
    """

    def __init__(self) -> None:
        self._folders: dict[str, Folder] = {}
        self.references = References()

    def folders(self) -> list[str]:
        """
        Return the folders anything was seen in.
        """
        return list(self._folders)

    def folder(self, folder: str) -> Folder | None:
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
        place = self._folders.get(folder)
        return list(place.families) if place else []

    def family(self, key: Key) -> Family | None:
        """
        Return a family, None where nothing is left of it.
        """
        place = self._folders.get(key[0])
        return place.families.get(key[1]) if place else None

    def names(self, key: Key) -> tuple[str, ...]:
        """
        Return the names of a family, its images first.
        """
        family = self.family(key)
        return family.names if family else ()

    def knows(self, folder: str, name: str) -> bool:
        """
        Return whether a file was there when it was last looked at.
        """
        return folder in self._folders and name in self._folders[folder].sights

    def sight(self, folder: str, name: str) -> Sight:
        """
        Return the sight of a file that was seen.
        """
        return unpack(self._folders[folder].sights[name])

    def mtime_ns(self, family: Family) -> int:
        """
        Return when the content of a family's first file was last changed.
        """
        place = self._folders.get(family.folder)
        seen = place.sights.get(family.names[0]) if place and family.names else None
        return mtime_of(seen) if seen else 0

    def content(self, folder: str, name: str) -> Content | None:
        """
        Return what a file says, None if it was not read since it last changed.
        """
        signature, content = self._folders[folder].contents.get(name, (None, None))
        return content if content and signature == self.sight(folder, name).signature else None

    def shows_through(self, folder: str, name: str) -> bool | None:
        """
        Return whether a picture has transparent pixels, None if nobody looked since it last changed.
        """
        signature, found = self._folders[folder].see_through.get(name, (None, None))
        return found if signature == self.sight(folder, name).signature else None

    def sources(self, folder: str) -> Iterator[Source]:
        """
        Return the folder files of a folder and of those above it, the nearest first.
        """
        for above in upward(folder):
            place = self._folders.get(above)
            for name in sorted(place.folder_files) if place else ():
                yield Source(
                    folder=above,
                    name=name,
                    kind=parse(name).kind,
                    sight=self.sight(above, name),
                    content=self.content(above, name),
                )

    def gone_at(self, key: Key) -> float | None:
        """
        Return when a file that held for a family was last seen to be gone: its own, or a folder file.
        """
        around = [self.family(key), *map(self._folders.get, upward(key[0]))]
        times = (each.gone_at for each in around if each is not None)
        return max((at for at in times if at is not None), default=None)

    def left(self, folder: str) -> dict[str, Left]:
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
            place = self._folders.get(folder)
            for name in sorted(place.shut) if place else ():
                named = parse(name)
                is_own = folder == key[0] and named.family == key[1]
                if is_own or named.kind in FOLDER_FILES:
                    found.append((folder, name))
        return found
