"""
Names that nearly fit: what a person most likely meant where a picture and its prompt do not meet.

All names of a folder are sorted once by their cores: what is left of a name without endings, marks of copies,
and whatever nobody sees. So asking costs the same in a large folder.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from retouchd.rules.missing import prompt_name
from retouchd.rules.names import (
    FOREIGN_PICTURES,
    IMAGE_EXTENSIONS,
    PROMPT_EXTENSIONS,
    SIDECARS,
    Kind,
    Named,
    normal,
    parse,
)
from retouchd.rules.naming import shown
from retouchd.rules.pairing import pair

_RAW = FOREIGN_PICTURES & {"arw", "cr2", "cr3", "dng", "nef", "orf", "raf", "rw2"}
_DOCUMENTS = frozenset({"doc", "docx", "odt", "pages", "pdf", "rtf"})
_TEXTS = frozenset({"md", "markdown", "text"})
_ENDING = IMAGE_EXTENSIONS | FOREIGN_PICTURES | PROMPT_EXTENSIONS | _DOCUMENTS | _TEXTS | {"xmp"}
_ENDINGS = re.compile(rf"\.(?:{'|'.join(sorted(_ENDING))})\Z")
_COPIES = re.compile(r"(?: ?\(\d{1,3}\)| - copy| copy| - kopie| kopie)\Z")
_FOLDER = re.compile(
    r"_?prompts?(?:\.(?:txt|text|md|rtf|docx?|odt))*"
    r"|_?edits?\.(?:toml|json|ya?ml)(?:\.txt)?"
)
_MASK = re.compile(r"(?P<stem>.*?)[ ._-]*(?:mask|maks|msak|masks|maske|masque)\Z")
_MOST_ALIKE = 32
"""Of more names nobody can say which was meant, and to compare each with each takes long."""
_ALIKE = str.maketrans("аеорсухіјѕһ‐‑‒–—−’‘ʼ“”", "aeopcyxijsh------'''\"\"")


class NearMisses:
    """
    The names of one folder, to be asked what may have been meant; answers are sentences without full stop.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._cores: dict[str, list[str]] = {}
        self._folder_files: list[str] = []
        for name in names:
            if found := _core(name):
                self._cores.setdefault(found, []).append(name)
            if folder_file(name):
                self._folder_files.append(name)

    def of(self, named: Named) -> str:
        """
        Return what nearly fits a file that waits for another, empty if nothing does.
        """
        return self._of_image(named) if named.kind is Kind.IMAGE else self._of_sidecar(named)

    def beside(self, name: str) -> str:
        """
        Return why a file is left alone that belongs to another one, or was meant to; empty for any other.
        """
        if meant := folder_file(name):
            return f"if it is meant for all pictures of its folder, rename it to {meant}"
        ending = name.rpartition(".")[2].lower()
        images = self._images(name)
        if not images:
            return ""
        image = shown(images[0])
        if ending in _RAW or ending == "xmp":
            return f"it belongs to {image}, which is all that is taken"
        if ending in _DOCUMENTS | _TEXTS:
            prompt = prompt_name(parse(images[0]))
            return f"it is no plain text file: if it is the prompt of {image}, save its words as {prompt}"
        return ""

    def _of_image(self, image: Named) -> str:
        wanted = prompt_name(image)
        if mask := self._masked(image):
            return mask
        for name in self._alike(image.name):
            named, ending = parse(name), name.rpartition(".")[2].lower()
            if named.kind in SIDECARS and name in self._lone(_core(image.name)):
                end = named.suffix if named.kind is not Kind.PROMPT else ""
                wanted = f"{shown(image.stem)}{shown(end)}" if end else wanted
                return f"{shown(name)} {_difference(image, named)}: rename it to {wanted} if it is meant"
            if ending in _DOCUMENTS | _TEXTS:
                return f"{shown(name)} is no plain text file: save its words as {wanted}"
        if self._folder_files:
            name = self._folder_files[0]
            meant = folder_file(name)
            return f"{shown(name)} speaks for no picture: rename it to {meant} if it is meant for its folder"
        return ""

    def _of_sidecar(self, lone: Named) -> str:
        if meant := folder_file(lone.name):
            return f"if it is meant for all pictures of its folder, rename it to {meant}"
        for name in self._images(lone.name):
            image = parse(name)
            end = lone.suffix if lone.kind is not Kind.PROMPT else ""
            wanted = f"{shown(image.stem)}{shown(end)}" if end else prompt_name(image)
            return f"it {_difference(image, lone)} from {shown(name)}: rename it to {wanted} if it is meant"
        return ""

    def _alike(self, name: str) -> list[str]:
        found = self._cores.get(_core(name), [])
        return found if len(found) <= _MOST_ALIKE else []

    def _images(self, name: str) -> list[str]:
        return [
            each for each in self._alike(name) if each != name and parse(each).kind is Kind.IMAGE
        ]

    def _lone(self, core: str) -> frozenset[str]:
        if core not in self._lone_by_core:
            bundles = pair(map(parse, self._cores[core]))
            self._lone_by_core[core] = frozenset(
                each.name for bundle in bundles if not bundle.images for each in bundle.files
            )
        return self._lone_by_core[core]

    @cached_property
    def _lone_by_core(self) -> dict[str, frozenset[str]]:
        return {}

    def _masked(self, image: Named) -> str:
        """
        Return what to do with a picture that is named nearly as a mask.
        """
        found = _MASK.fullmatch(_plain(image.stem))
        if found is None:
            return ""
        masked = self._images(found["stem"])
        if found["stem"] and not masked:
            return ""
        stem = shown(parse(masked[0]).stem) if masked else "cat"
        of = shown(masked[0]) if masked else "cat.png"
        return f"if it is the mask of {of}, rename it to {stem}.mask.png"


def folder_file(name: str) -> str:
    """
    Return what a file should be called that somebody meant for a whole folder; empty for any other.
    """
    plain = _plain(name)
    if not _FOLDER.fullmatch(plain) or parse(name).kind in (Kind.FOLDER_PROMPT, Kind.FOLDER_EDIT):
        return ""
    if "prompt" in plain:
        return "_prompt.txt"
    return f"_edit.{plain.removesuffix('.txt').rpartition('.')[2]}"


def _plain(text: str) -> str:
    """
    Return a text as it is seen: whatever its case, kinds of spaces, accents' forms, and signs that look alike.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_ALIKE)
    seen = (sign for sign in folded if unicodedata.category(sign) != "Cf")
    return " ".join("".join(seen).split())


def _core(name: str) -> str:
    core = _plain(name)
    while (shorter := _COPIES.sub("", _ENDINGS.sub("", core)).strip()) and shorter != core:
        core = shorter
    return re.sub(r"\.(?:toml|json|ya?ml)\Z", "", core) or core


def _difference(image: Named, sidecar: Named) -> str:
    one, other = normal(image.stem), normal(sidecar.stem)
    if re.search(r"\.(?:txt|prompt)\.(?:txt|prompt)\Z", sidecar.name, re.IGNORECASE):
        return "has one ending too many"
    if one.casefold() == other.casefold() and one != other:
        return "differs only in upper and lower case"
    if "".join(unicodedata.normalize("NFKC", one).split()) == "".join(
        unicodedata.normalize("NFKC", other).split()
    ):
        return "differs only in spaces, of which some may look alike" if one != other else "differs"
    return (
        "differs only in signs that look alike"
        if _plain(one) == _plain(other)
        else "differs a little"
    )
