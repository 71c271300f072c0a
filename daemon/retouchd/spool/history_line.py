"""
What a finished job is known by, and where its record lies, by regular expressions over the raw bytes of its
history line.

The values are looked for by their keys, which is ten times as quick as reading the whole line: there may be a
hundred thousand. In a text the quotes would be escaped, so nobody's name or prompt looks like a key.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from retouchd.job.naming import path_below
from retouchd.spool.fingerprint import Digest, Fingerprint

_DIGEST = rb'\s*(\d{1,18}),\s*"sha256":\s*"([0-9a-f]{64})"'
_STATUS = re.compile(rb'"status":\s*"done"')
_FINGERPRINT = re.compile(rb'"fingerprint":\s*\{\s*"size":' + _DIGEST)
_ORIGINAL = re.compile(rb'"original":\s*\{\s*"size":' + _DIGEST)
_RESULTS = re.compile(rb'"results":\s*\[')
_RESULT = re.compile(rb'"bytes":' + _DIGEST)
_ASKED = re.compile(rb'"asked":\s*\{\s*"size":' + _DIGEST)
_FAILED = re.compile(rb'"status":\s*"error"')
_FINISHED = re.compile(rb'"finished_at":\s*"([^"\\]*)"')
_SEEN = re.compile(rb'"seen":\s*\[\s*(\d{1,18}),\s*(-?\d{1,19})\s*\]')
_FOLDER = re.compile(rb'"folder":\s*"((?:[^"\\]|\\.)*)"')
_RECORD = re.compile(rb'"record":\s*"((?:[^"\\]|\\.)*)"')


class Facts(NamedTuple):
    """
    What a line says: the fingerprints are those of its edits that are done, `received` of those for which
    something came that could not be finished; `original` and `results` are None where it does not tell what
    they are known by.
    """

    is_done: bool
    is_failed: bool
    fingerprints: tuple[Fingerprint, ...]
    original: Digest | None
    results: tuple[Digest, ...] | None
    received: tuple[Fingerprint, ...]

    @property
    def fingerprint(self) -> Fingerprint | None:
        """
        Return the first fingerprint.
        """
        return self.fingerprints[0] if self.fingerprints else None


class Bare(NamedTuple):
    """
    Files that nobody has read yet: the size in bytes of an original whose fingerprint is not known, None
    where it is or the original is gone, and of each result its size and its path below the outbox.
    """

    original: int | None
    results: tuple[tuple[int, str], ...]


def facts_in(text: bytes) -> Facts:
    """
    Return what a line says of its job.
    """
    original = _ORIGINAL.search(text)
    results = _RESULTS.search(text)
    return Facts(
        is_done=_STATUS.search(text) is not None,
        is_failed=_FAILED.search(text) is not None,
        fingerprints=_fingerprints_in(_FINGERPRINT, text),
        original=_digest_in(original) if original else None,
        results=tuple(map(_digest_in, _RESULT.finditer(text, results.end()))) if results else None,
        received=_fingerprints_in(_ASKED, text) if b'"asked"' in text else (),
    )


def _fingerprints_in(pattern: re.Pattern[bytes], text: bytes) -> tuple[Fingerprint, ...]:
    found = (_digest_in(each) for each in pattern.finditer(text))
    return tuple(dict.fromkeys(Fingerprint(size=each.size, sha256=each.sha256) for each in found))


def bare_in(text: bytes) -> Bare | None:
    """
    Return the files that a line tells of by their sizes alone, None for nearly all lines.
    """
    if b'"bare"' not in text:
        return None
    try:
        bare = json.loads(text)["bare"]
        results = tuple((int(size), str(path)) for size, path in bare["results"])
        original = None if bare["original"] is None else int(bare["original"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return Bare(original, results)


def seen_in(text: bytes) -> tuple[int, int] | None:
    """
    Return size and time of change (bytes, ns) of the record that a recovered line was read from, None where
    it is of a line of the history.
    """
    found = _SEEN.search(text)
    return (int(found[1]), int(found[2])) if found else None


def finished_at(text: bytes) -> str:
    """
    Return when a line's job ended as it is written there, which sorts by time; "" where it is not told.
    """
    found = _FINISHED.search(text)
    return found[1].decode("ascii", "replace") if found else ""


def record_of(text: bytes) -> str:
    """
    Return the path below `done/` or `error/` of a line's record, "" where it is not told.
    """
    folder, record = _FOLDER.search(text), _RECORD.search(text)
    if folder is None or record is None:
        return ""
    try:
        return path_below(_unquoted(folder[1]), _unquoted(record[1]))
    except ValueError:
        return ""


def edit_in(line: Mapping[str, Any], own: Fingerprint) -> Mapping[str, Any] | None:
    """
    Return what a line, or a record, says of its edit with that fingerprint, None where none of it is done.
    """
    known = {"size": own.size, "sha256": own.sha256}
    edits = line.get("edits")
    for each in edits if isinstance(edits, list) else ():
        if isinstance(each, Mapping) and each.get("fingerprint") == known:
            return each
    return line if line.get("fingerprint") == known else None


def result_path(line: Mapping[str, Any], content: Digest) -> str | None:
    """
    Return where below the outbox a job published that content, None where its line does not tell of it.
    """
    for each in line.get("results") or ():
        if (each.get("bytes"), each.get("sha256")) == (content.size, content.sha256):
            return str(each.get("path"))
    return None


def _unquoted(quoted: bytes) -> str:
    if b"\\" not in quoted:
        return quoted.decode()
    return str(json.loads(b'"%s"' % quoted))


def _digest_in(found: re.Match[bytes]) -> Digest:
    return Digest(size=int(found[1]), sha256=found[2].decode())
