"""
What a file in the inbox is by its name: an image, one of its sidecars, something of ours, something else.

Extensions, `_prompt`, `_edit` and the `mask` in the middle ignore case; stems are compared in NFC and by case.
`cat.png.txt` names its image whole (it belongs to `cat.png` alone); `cat.txt` names only the stem.

`cat_mask.png` and `cat-mask.png` are pictures by their names; only what lies beside them, or their own pixels,
can say that they are masks of `cat.*` (`as_mask`, `pairing.pair`). So they are of its family.
"""

import unicodedata
from enum import StrEnum
from typing import NamedTuple

from retouchd.job.filetypes import FILMS, RAW

# fmt: off
IMAGE_EXTENSIONS = frozenset({
    "avif", "bmp", "heic", "heif", "hif", "jfif", "jpe", "jpeg", "jpg", "png", "tif", "tiff", "webp",
})
# fmt: on
PROMPT_EXTENSIONS = frozenset({"txt", "prompt"})
EDIT_EXTENSIONS = frozenset({"toml", "json", "yaml", "yml"})
FOREIGN_PICTURES = RAW | FILMS | frozenset({"eps", "gif", "jp2", "jxl", "pdf", "psd", "svg"})
"""Pictures of a kind that no endpoint takes: with a prompt of their own they are an error, not a mystery."""

_MASKS = ("_mask", "-mask")
FOLDER_PROMPT = "_prompt.txt"
FOLDER_EDIT = "_edit"


class Kind(StrEnum):
    """
    What a name makes of a file.
    """

    IMAGE = "image"
    PROMPT = "prompt"
    EDIT = "edit"
    """A structured sidecar: prompt, parameters and references of one image."""
    MASK = "mask"
    RECORD = "record"
    REASON = "reason"
    FOLDER_PROMPT = "folder_prompt"
    FOLDER_EDIT = "folder_edit"
    FOREIGN_PICTURE = "foreign_picture"
    OTHER = "other"


class Named(NamedTuple):
    """
    A name taken apart: `stem` as written, `family` the stem in NFC, `suffix` all that follows the stem.

    `target` is the lower-case extension of the image that a long name belongs to (`png` for
    `cat.png.txt`), None for a short one; for an image it is its own.
    """

    name: str
    kind: Kind
    stem: str
    target: str | None = None

    @property
    def family(self) -> str:
        """
        Return what all names that may be of one bundle have in common.
        """
        return normal(_root(self.stem))

    @property
    def owner(self) -> str:
        """
        Return the stem by which names are compared.
        """
        return normal(self.stem)

    @property
    def suffix(self) -> str:
        """
        Return what follows the stem, the dot included.
        """
        return self.name[len(self.stem) :]


SIDECARS = frozenset({Kind.PROMPT, Kind.EDIT, Kind.MASK})
"""What belongs to an image and waits for it."""

FOLDER_FILES = frozenset({Kind.FOLDER_PROMPT, Kind.FOLDER_EDIT})
"""What holds for every image of a folder and below."""


def normal(text: str) -> str:
    """
    Return the text in NFC; a name that is not UTF-8 stays as it is.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text)


def parse(name: str) -> Named:
    """
    Return what the file of that name is.
    """
    stem, extension = _split(name)
    if extension in PROMPT_EXTENSIONS:
        return _parse_text(name, stem)
    if extension in EDIT_EXTENSIONS:
        return _parse_edit(name, stem)
    if extension in IMAGE_EXTENSIONS or extension in FOREIGN_PICTURES:
        return _parse_picture(name, stem, extension)
    return Named(name, Kind.OTHER, stem)


def is_received(name: str) -> bool:
    """
    Return whether a name is that of a picture as an endpoint gave it, kept beside its original.
    """
    stem, extension = _split(name)
    is_picture = extension in IMAGE_EXTENSIONS or extension in FOREIGN_PICTURES
    return is_picture and _split(stem)[1] == "received"


def as_mask(named: Named) -> Named | None:
    """
    Return an image that is named like a mask (`cat_mask.png`) as the mask of `cat.*`, None for any other.
    """
    front = named.stem[:-5]
    if named.kind is not Kind.IMAGE or named.stem[-5:].lower() not in _MASKS or not front:
        return None
    return _belonging(named.name, Kind.MASK, front)


def as_companion(named: Named) -> Named | None:
    """
    Return a file of another kind that names its image whole (`cat.jpg.xmp`) as that of `cat.*`, None for any
    other.
    """
    found = _belonging(named.name, Kind.OTHER, named.stem)
    return found if named.kind is Kind.OTHER and found.target else None


def suffix_behind(name: str, stem: str) -> str:
    """
    Return what follows a bundle's stem in the name of one of its files, whichever form (NFC, NFD) each has.
    """
    if name.startswith(stem):
        return name[len(stem) :]
    named = parse(name)
    shorter = as_mask(named) or as_companion(named)
    return shorter.suffix if shorter and shorter.owner == normal(stem) else named.suffix


def partners(name: str) -> list[str]:
    """
    Return the names, as they are usually written, that a file's partners would have beside it.
    """
    named = parse(name)
    owners = [named.stem]
    if named.kind is Kind.IMAGE:
        owners.append(name)
    elif named.kind not in SIDECARS:
        return []
    ends = (*PROMPT_EXTENSIONS, *EDIT_EXTENSIONS, "mask.png")
    found = [f"{owner}.{end}" for owner in owners for end in ends]
    found += [f"{named.stem}{end}.png" for end in _MASKS]
    pictured = as_mask(named) or named
    if pictured.kind is not Kind.IMAGE:
        found += [f"{pictured.stem}.{extension}" for extension in IMAGE_EXTENSIONS]
    return [each for each in found if each != name]


def _parse_text(name: str, stem: str) -> Named:
    if name.lower() == FOLDER_PROMPT:
        return Named(name, Kind.FOLDER_PROMPT, stem)
    if name.endswith(".error.txt") and stem != ".error":
        return _belonging(name, Kind.REASON, stem.removesuffix(".error"))
    return _belonging(name, Kind.PROMPT, stem)


def _parse_picture(name: str, stem: str, extension: str) -> Named:
    front, middle = _split(stem)
    if is_received(name):
        return Named(name, Kind.OTHER, stem)  # What an endpoint gave, kept beside the original.
    if extension in FOREIGN_PICTURES:
        return Named(name, Kind.FOREIGN_PICTURE, stem, extension)
    if middle == "mask" and front:
        return _belonging(name, Kind.MASK, front)
    return Named(name, Kind.IMAGE, stem, extension)


def _parse_edit(name: str, stem: str) -> Named:
    if stem.lower() == FOLDER_EDIT:
        return Named(name, Kind.FOLDER_EDIT, stem)
    if name.lower().endswith(".json") and stem.endswith(".job") and stem != ".job":
        return _belonging(name, Kind.RECORD, stem.removesuffix(".job"))
    return _belonging(name, Kind.EDIT, stem)


def _belonging(name: str, kind: Kind, owner: str) -> Named:
    front, extension = _split(owner)
    if extension in IMAGE_EXTENSIONS or extension in FOREIGN_PICTURES:
        return Named(name, kind, front, extension)
    return Named(name, kind, owner)


def _root(stem: str) -> str:
    """
    Return a stem without what may be a mark of a mask, or the ending of another image (`cat.jpg.png`, whose
    record is `cat.jpg.job.json`).
    """
    while True:
        if stem[-5:].lower() in _MASKS and stem[:-5]:
            stem = stem[:-5]
        elif "." in stem and (front := _belonging(stem, Kind.OTHER, stem).stem) != stem:
            stem = front
        else:
            return stem


def _split(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return name, ""
    return stem, extension.lower()
