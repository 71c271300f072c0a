"""
A person at the folders: what they drop, overwrite, drag about and take away, and what they may expect to
find again afterwards.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from checker import digest, files_in
from engine_world import photo
from retouchd.disk.folders import Folders
from sample_pictures import SIZE, encoded, masking

REFERENCE = "_refs/floor.png"
_THREE_EDITS = """
[[edits]]
name = "warm"
prompt = "sepia"
[[edits]]
name = "cold"
prompt = "blue"
[[edits]]
name = "plain"
prompt = "grey"
"""
_EDITS = 'edits = [{name = "warm", prompt = "sepia"}, {name = "cold", quality = "low"}]'


class Part(StrEnum):
    """
    One file of a bundle.
    """

    IMAGE = "image"
    HALF_IMAGE = "half image"
    PROMPT = "prompt"
    BLANK_PROMPT = "blank prompt"
    MASK = "mask"
    SIDECAR = "sidecar"
    REFERRING = "sidecar with a reference"
    BROKEN = "broken sidecar"
    EDITS = "sidecar with several edits"
    THREE_EDITS = "sidecar with three edits"
    COMPANION = "what a photo program keeps beside it"


class Setting(StrEnum):
    """
    What a folder's own file may hold.
    """

    PROMPT = "_prompt.txt"
    EDIT = "_edit.toml"
    REFERRING = "_edit.toml with a reference"
    BROKEN = "broken _edit.toml"


class Folder(StrEnum):
    """
    Where a person may drag from and to.
    """

    INBOX = "inbox"
    OUTBOX = "outbox"
    DONE = "done"
    ERROR = "error"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Drop:
    """
    Some files of a bundle, one after the other; those that lie there already are overwritten.
    """

    name: str
    parts: tuple[Part, ...] = (Part.PROMPT, Part.IMAGE)
    by_rename: bool = False


@dataclass(frozen=True, slots=True)
class Set:
    """
    A folder's own file.
    """

    folder: str
    setting: Setting


@dataclass(frozen=True, slots=True)
class Unset:
    """
    The folder's own files taken away.
    """

    folder: str


@dataclass(frozen=True, slots=True)
class Drag:
    """
    The n-th file of a folder, or all that share its stem, dragged to another folder.
    """

    number: int
    source: Folder
    target: Folder
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Return:
    """
    A picture and all that belongs to it, with the record and the reason or without, dragged out of error back
    into the inbox.
    """

    name: str
    with_record: bool


@dataclass(frozen=True, slots=True)
class Clash:
    """
    A file of the person's own that has a name retouchd would like to use.
    """

    folder: Folder
    name: str


@dataclass(frozen=True, slots=True)
class Refer:
    """
    The picture that sidecars refer to.
    """


Act: TypeAlias = Drop | Set | Unset | Drag | Return | Clash | Refer


class Person:
    """
    Acts, and remembers: `originals` is every file of theirs by its hash, `put` how often which of them
    was put into the inbox.
    """

    def __init__(self, folders: Folders, elsewhere: Path) -> None:
        self.originals: dict[str, str] = {}
        self.put: Counter[str] = Counter()
        self._places = {
            Folder.INBOX: folders.inbox,
            Folder.OUTBOX: folders.outbox,
            Folder.DONE: folders.done,
            Folder.ERROR: folders.error,
            Folder.ELSEWHERE: elsewhere,
        }
        self._in_the_way: set[str] = set()
        self._number = 0
        elsewhere.mkdir()

    @property
    def places(self) -> list[Path]:
        """
        Return the folders in which a person sees their files.
        """
        return list(self._places.values())

    def do(self, act: Act) -> None:
        """
        Do one thing.
        """
        inbox = self._places[Folder.INBOX]
        match act:
            case Drop(name=name, parts=parts, by_rename=by_rename):
                for part in parts:
                    path, content = self._part(inbox / name, part)
                    self._write(path, content, by_rename=by_rename)
            case Set(folder=folder, setting=setting):
                self._write(*self._setting(inbox / folder, setting))
            case Unset(folder=folder):
                for name in ("_prompt.txt", "_edit.toml"):
                    self._forget(inbox / folder / name)
                    (inbox / folder / name).unlink(missing_ok=True)
            case Drag(number=number, source=source, target=target, whole=whole):
                self._drag(number, self._places[source], self._places[target], whole=whole)
            case Return(name=name, with_record=with_record):
                self._return(Path(name), with_record=with_record)
            case Clash(folder=folder, name=name):
                self._clash(self._places[folder] / name)
            case Refer():
                self._write(inbox / REFERENCE, photo(seed=self._next()))

    def _clash(self, path: Path) -> None:
        if not path.exists():
            self._write(path, photo(seed=self._next()))
            self._in_the_way.add(digest(path))

    def take_away(self, path: Path) -> None:
        """
        Move a file elsewhere if they put it in somebody's way.
        """
        if path.exists() and digest(path) in self._in_the_way:
            self._number += 1
            os.rename(path, self._places[Folder.ELSEWHERE] / f"{self._number} {path.name}")

    def _part(self, image: Path, part: Part) -> tuple[Path, bytes]:
        number = self._next()
        sidecar = image.with_suffix(".toml")
        above = "../" * (len(image.relative_to(self._places[Folder.INBOX]).parts) - 1)
        return {
            Part.IMAGE: (image, photo(seed=number)),
            Part.HALF_IMAGE: (image, photo(seed=number)[:-20]),
            Part.PROMPT: (image.with_suffix(".txt"), f"blue, number {number}".encode()),
            Part.BLANK_PROMPT: (image.with_suffix(".txt"), b" " * number),
            Part.MASK: (image.with_suffix(".mask.png"), _mask(number)),
            Part.SIDECAR: (sidecar, f'quality = "low" # {number}'.encode()),
            Part.REFERRING: (sidecar, f'images = ["{above}{REFERENCE}"] # {number}'.encode()),
            Part.EDITS: (sidecar, f"{_EDITS} # {number}".encode()),
            Part.THREE_EDITS: (sidecar, f"{_THREE_EDITS} # {number}".encode()),
            Part.COMPANION: (image.with_suffix(".xmp"), f"settings, number {number}".encode()),
            Part.BROKEN: (sidecar, f'quallity = "low" # {number}'.encode()),
        }[part]

    def _setting(self, folder: Path, setting: Setting) -> tuple[Path, bytes]:
        number = self._next()
        prompt, edit = folder / "_prompt.txt", folder / "_edit.toml"
        return {
            Setting.PROMPT: (prompt, f"sepia, number {number}".encode()),
            Setting.EDIT: (edit, f'quality = "low" # {number}'.encode()),
            Setting.REFERRING: (edit, f'images = ["{REFERENCE}"] # {number}'.encode()),
            Setting.BROKEN: (edit, f"quality = # {number}".encode()),
        }[setting]

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _write(self, path: Path, content: bytes, *, by_rename: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._forget(path)
        known = hashlib.sha256(content).hexdigest()
        self.originals[known] = str(path.name)
        if path.is_relative_to(self._places[Folder.INBOX]):
            self.put[known] += 1
        if by_rename:
            temporary = path.with_name(f".{path.name}.part")
            temporary.write_bytes(content)
            os.rename(temporary, path)
        else:
            path.write_bytes(content)

    def _forget(self, path: Path) -> None:
        if path.exists():
            self.originals.pop(digest(path), None)

    def _drag(self, number: int, source: Path, target: Path, *, whole: bool) -> None:
        found = sorted(files_in(source))
        if not found or source == target:
            return
        first = found[number % len(found)]
        stem = first.name.partition(".")[0]
        family = [p for p in found if p.parent == first.parent and p.name.startswith(f"{stem}.")]
        self._move(family if whole else [first], source, target)

    def _return(self, name: Path, *, with_record: bool) -> None:
        source = self._places[Folder.ERROR]
        family = sorted((source / name.parent).glob(f"{name.stem}.*"))
        ours = (".job.json", ".error.txt")
        chosen = [path for path in family if with_record or not path.name.endswith(ours)]
        self._move(chosen, source, self._places[Folder.INBOX])

    def _move(self, family: Sequence[Path], source: Path, target: Path) -> None:
        for path in family:
            aim = target / path.relative_to(source)
            known = digest(path)
            is_back = target == self._places[Folder.INBOX]
            is_edited = path.suffix == ".png" and known not in self.originals
            if aim.exists() or (is_back and is_edited):
                continue  # Asked whether to overwrite it, a person says no.
            aim.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, aim)
            self.put[known] += is_back


def _mask(number: int) -> bytes:
    mask = masking()
    mask.putpixel((SIZE[0] - 1, SIZE[1] - 1), (number % 256, number // 256, 0, 255))
    return encoded(mask, "PNG")
