"""
The names retouchd gives: free stems without a search, short enough for every filesystem.
"""

import os
import re
import unicodedata
from collections.abc import Callable

NAME_MAX = 255
"""Bytes; what ext4, xfs, btrfs, zfs and SMB servers take for one name."""

_NUMBERS = [str(number) for number in range(2, 21)]
"""Tried before the stem takes the job's id, so that a full folder costs no search."""

_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Half of a surrogate pair that stands for no byte of a name (PEP 383 has U+DC80 to U+DCFF for these)."""

RECORD = ".job.json"
REASON = ".error.txt"
RESPONSE = ".response"


def free_stem(stem: str, job_id: str, suffixes: list[str], is_taken: Callable[[str], bool]) -> str:
    """
    Return a stem under which no name `stem + suffix` is taken: `cat`, `cat_2` … `cat_20`, `cat_<id>`. One that
    was numbered before, as `cat` is taken too, gets another number of the same row.
    """

    def is_free(candidate: str) -> bool:
        return not any(is_taken(candidate + suffix) for suffix in suffixes)

    longest = max((len(os.fsencode(suffix)) for suffix in suffixes), default=0)
    room = NAME_MAX - longest
    if is_free(whole := shorten(stem, room)):
        return whole
    root, _, number = whole.rpartition("_")
    first = root if root and number in _NUMBERS and not is_free(root) else stem
    for each in _NUMBERS:
        if is_free(candidate := f"{shorten(first, room - 3)}_{each}"):
            return candidate
    return f"{shorten(first, room - len(job_id) - 1)}_{job_id}"


def fits(name: str) -> bool:
    """
    Return whether a name is short enough for every filesystem.
    """
    return len(os.fsencode(name)) <= NAME_MAX


def path_below(folder: str, name: str) -> str:
    """
    Return a file's path below one of the six folders, with `/` between parts; either part may be `""`.
    """
    return f"{folder}/{name}" if folder and name else folder or name


def output_suffixes(extensions: list[str]) -> list[str]:
    """
    Return what follows the stem for each picture: `.png` for a single one, else `-1.png`, `-2.png`, ….
    """
    if len(extensions) == 1:
        return [f".{extensions[0]}"]
    return [f"-{number}.{extension}" for number, extension in enumerate(extensions, 1)]


def shorten(stem: str, room: int) -> str:
    """
    Return the stem cut to at most `room` bytes, never inside a character.
    """
    raw = os.fsencode(stem)
    if len(raw) <= room:
        return stem
    # A character of UTF-8 has at most three bytes that go on; a name in another encoding is just cut.
    for end in range(room, max(room - 4, -1), -1):
        if (raw[end] & 0xC0) != 0x80:
            return os.fsdecode(raw[:end])
    return os.fsdecode(raw[:room])


def escaped(name: str) -> str:
    r"""
    Return a name as text that any program can read: bytes that are not UTF-8 become their hexadecimal
    escapes, half a surrogate pair becomes `\udXXX`.
    """
    if name.isascii():
        return name
    halves = _HALF.sub(lambda found: _escape(found[0]), name)
    return halves.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unpaired(text: str) -> str:
    r"""
    Return a text with each half of a surrogate pair written out as `\udXXX`: nothing else takes one.
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def is_plain(sign: str) -> bool:
    """
    Return whether a character is seen as what it is, and does nothing else where it is shown.
    """
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def shown(name: str) -> str:
    """
    Return a name as it may be shown to a person: control signs are escaped too, so it stays one line.
    """
    text = escaped(name)
    if text.isprintable():
        return text
    return "".join(sign if is_plain(sign) else _escape(sign) for sign in text)


def sentence(words: str) -> str:
    """
    Return what somebody else said as the end of a sentence of ours.
    """
    return words if words.endswith((".", "!", "?", "…", "。", "！", "？")) else f"{words}."


def hexed(name: str) -> str | None:
    """
    Return the bytes of a name that is not UTF-8 as hexadecimal digits, None for every other name.
    """
    try:
        raw = os.fsencode(name)
        raw.decode()
    except UnicodeDecodeError:
        return raw.hex()
    except UnicodeEncodeError:
        return None  # It is no name of a file, but somebody's text.
    return None


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
