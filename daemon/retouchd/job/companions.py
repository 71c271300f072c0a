"""
Companions: files that photo programs keep beside a picture for themselves, such as `cat.xmp`; whose each is.
"""

import re
from collections.abc import Iterable

from retouchd.job.filenames import Kind, Named, as_companion, normal, parse
from retouchd.job.filetypes import medium_of
from retouchd.job.naming import RESPONSE

COMPANIONS = ("xmp", "aae", "thm")
"""The extensions of companions, unless somebody says otherwise."""
EXTENSION_PATTERN = r"^[A-Za-z0-9]{1,16}$"
"""An extension, without its dot, as a regular expression."""

_OURS = frozenset({RESPONSE.removeprefix(".")})


def companion_extensions(wished: Iterable[str]) -> tuple[str, ...]:
    """
    Return the extensions of companions in small letters, each once.

    Raises ValueError for what is no extension, and for that of pictures, prompts or films themselves.
    """
    found = dict.fromkeys(each.lower() for each in wished)
    for each in found:
        if not re.match(EXTENSION_PATTERN, each):
            raise ValueError(f"{each!r} is no extension: write such as 'xmp', without a dot")
        if parse(f"cat.{each}").kind is not Kind.OTHER or medium_of(f"cat.{each}") or each in _OURS:
            raise ValueError(f"files that end in .{each} are no companions: leave it out")
    return tuple(found)


def companions_of(name: str, extensions: Iterable[str]) -> list[str]:
    """
    Return the names, as they are usually written, that a picture's companions would have beside it; none for
    what is no picture.
    """
    named = parse(name)
    if named.kind is not Kind.IMAGE:
        return []
    ends = [each for small in extensions for each in (small, small.upper())]
    return [f"{owner}.{end}" for owner in (named.stem, name) for end in ends]


def owners_of(name: str, beside: Iterable[str]) -> list[Named]:
    """
    Return the pictures beside a file whose companion it may be by its name: where there are several it is
    nobody's.

    `cat.jpg.xmp` belongs to `cat.jpg` alone, `cat.xmp` to the only picture `cat.*`: a raw file or a film counts
    as one, as such files are mostly theirs. Where only the form of a name (NFC, NFD) or the case of an ending
    tells pictures apart, it is that which is written alike.
    """
    companion = parse(name)
    pictures = [
        each for each in map(parse, beside) if each.kind in (Kind.IMAGE, Kind.FOREIGN_PICTURE)
    ]
    whole = as_companion(companion)
    mine = [
        each
        for each in pictures
        if whole and (each.owner, each.target) == (whole.owner, whole.target)
    ]
    mine = mine or [each for each in pictures if each.owner == normal(companion.stem)]
    if len(mine) > 1:
        mine = [each for each in mine if companion.stem in (each.stem, each.name)] or mine
    return mine
