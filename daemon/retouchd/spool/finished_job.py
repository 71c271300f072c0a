"""
What is known of a finished job: from the bytes of its history line, from its record, and where, by hash.

A multimap in 16 bytes an entry: from hashes or sizes to positions in a journal, for a hundred thousand jobs.

Regular expressions over the raw bytes of a history line: what a finished job is known by, and where its record
lies.

The values are looked for by their keys, which is ten times as quick as reading the whole line: there may be a
hundred thousand. In a text the quotes would be escaped, so nobody's name or prompt looks like a key.

What a record in `done/` tells of a job that the history does not have.

Records are files that anybody may have changed: every value is looked at before it is used, and no path leads
out of the folder that it belongs to.
"""

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, NamedTuple

from retouchd.job.filenames import parse, suffix_behind
from retouchd.job.model import Request
from retouchd.job.naming import RECORD, path_below
from retouchd.spool.believed import (
    LONGEST,
    MOST_PATHS,
    is_below,
    is_digest,
    received_in,
)
from retouchd.spool.fingerprint import Digest, Fingerprint
from retouchd.spool.record import BESIDE_PARAMETERS, JOB_ID, VERSION

_MOST_UNSORTED = 512
"""Entries that are gone through one by one before all are sorted anew: as quick as a look among the sorted."""


class HashIndex:
    """
    Two arrays sorted by key up to some entry; behind it stands what was added since, in no order.

    Keys and positions are 0 to 2⁶⁴-1. A key may have several positions, and equal keys prove nothing: who
    finds one compares in full.
    """

    def __init__(self) -> None:
        self._keys = array("Q")
        self._positions = array("Q")
        self._sorted = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        return bool(self.find(key))

    def add(self, key: int, position: int) -> None:
        """
        Add an entry.
        """
        self._keys.append(key)
        self._positions.append(position)

    def find(self, key: int) -> list[int]:
        """
        Return the positions of a key, in no order.
        """
        if len(self._keys) - self._sorted > _MOST_UNSORTED:
            self._sort()
        found = []
        at = bisect_left(self._keys, key, 0, self._sorted)
        while at < self._sorted and self._keys[at] == key:
            found.append(self._positions[at])
            at += 1
        added = range(self._sorted, len(self._keys))
        return found + [self._positions[at] for at in added if self._keys[at] == key]

    def _sort(self) -> None:
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        self._keys = array("Q", map(self._keys.__getitem__, order))
        self._positions = array("Q", map(self._positions.__getitem__, order))
        self._sorted = len(order)


def hash_key(sha256: str) -> int:
    """
    Return the key of a SHA-256 in hexadecimal digits: its first 64 bits.
    """
    return int(sha256[:16], 16)


def text_key(text: str) -> int:
    """
    Return the key of a text, good for as long as this process lives.
    """
    return hash(text) & 0xFFFF_FFFF_FFFF_FFFF


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


_ESCAPE = re.compile(r"\\x([89a-f][0-9a-f])")


def is_told(body: Mapping[str, Any]) -> bool:
    """
    Return whether a document is the record of a job that was done, of this version.
    """
    return body.get("status") == "done" and _is_record(body)


def is_partly_done(body: Mapping[str, Any]) -> bool:
    """
    Return whether a document is the record of a job that failed though something came that was paid for: edits
    that are done, or what could not be finished.
    """
    is_failed = body.get("status") == "error" and _is_record(body)
    return is_failed and bool(done_edits(body) or received_in(body))


def _is_record(body: Mapping[str, Any]) -> bool:
    return (
        body.get("version") == VERSION
        and isinstance(body.get("id"), str)
        and JOB_ID.fullmatch(body["id"]) is not None
        and isinstance(body.get("request"), Mapping)
        and _are_paths(body.get("outputs"))
    )


def recovered(body: Mapping[str, Any], outbox: str) -> dict[str, Any]:
    """
    Return what is kept of a record that is told: as in the history, as far as it is needed to be found again.
    """
    texts = ("id", "status", "name", "image", "finished_at")
    line: dict[str, Any] = {key: _text(body.get(key)) for key in texts}
    line |= {"outputs": body["outputs"]}
    if _are_paths(body.get("review")):
        line["review"] = body["review"]
    return line | known_by(body, outbox)


def known_by(body: Mapping[str, Any], outbox: str) -> dict[str, Any]:
    """
    Return the hashes that a record tells: `received`, `fingerprint`, those of several `edits`, and `results`
    where they lie below that outbox.
    """
    found: dict[str, Any] = {}
    if received := received_in(body):
        found["received"] = received
    if edits := _edits(body):
        found["edits"] = edits
    fingerprint, results = body.get("fingerprint"), body.get("results")
    if isinstance(fingerprint, Mapping) and is_digest(fingerprint, "size"):
        found["fingerprint"] = {key: fingerprint[key] for key in ("size", "sha256")}
    if not isinstance(results, list) or len(results) > MOST_PATHS:
        return found
    if not all(isinstance(each, Mapping) and is_digest(each, "bytes") for each in results):
        return found
    is_own = body.get("outbox") == outbox and _are_paths([each.get("path") for each in results])
    keys = ("path", "bytes", "sha256")
    # Another daemon's results are none of ours: they may well be meant for this inbox.
    found["results"] = [{key: each[key] for key in keys} for each in results] if is_own else []
    return found


def _edits(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return what a record says of its edits, where it has several or one with a name.
    """
    edits = body.get("edits")
    if not isinstance(edits, list) or not all(isinstance(each, Mapping) for each in edits):
        return []
    told = [
        {
            "name": _text(each.get("name")),
            "fingerprint": {key: known[key] for key in ("size", "sha256")},
            "outputs": each["outputs"],
        }
        for each in edits
        if isinstance(known := each.get("fingerprint"), Mapping)
        and is_digest(known, "size")
        and _are_paths(each.get("outputs"))
    ]
    return told if len(edits) > 1 or any(each["name"] for each in told) else []


def done_edits(body: Mapping[str, Any]) -> list[tuple[Fingerprint, str, tuple[str, ...]]]:
    """
    Return the edits that a record says are done: what each is known by, its name, its results below the outbox.
    """
    return [
        (
            Fingerprint(size=each["fingerprint"]["size"], sha256=each["fingerprint"]["sha256"]),
            each["name"] or "",
            tuple(map(raw_name, each["outputs"])),
        )
        for each in _edits(body)
    ]


def beside(record: str, stem: object, name: object) -> str | None:
    """
    Return the path in `done/` or `error/` of a file that a job was dropped with, None where it cannot be told.

    `record` is the path of the job's record; `stem` and `name` are the job's and the file's as they were
    dropped: there all of a job begin with the record's stem, or keep their names where that is the
    image's whole name.
    """
    if not isinstance(stem, str) or not isinstance(name, str):
        return None
    # Nothing but what follows the stem is taken from what may be anybody's.
    suffix = suffix_behind(name, stem)
    if not suffix.startswith((".", "_", "-")) or "/" in suffix or "\0" in suffix:
        return None
    front = record.removesuffix(RECORD)
    folder, slash, last = front.rpartition("/")
    named, own = parse(last + RECORD), raw_name(stem)
    if last != own and named.target is not None and named.stem == own:
        front = f"{folder}{slash}{own}"
    return front + raw_name(suffix)


def references_of(body: Mapping[str, Any]) -> list[str] | None:
    """
    Return the paths below the inbox of a job's references by its record, None where they cannot be told.
    """
    images = body["request"].get("images")
    return [raw_name(each) for each in images[1:]] if _are_paths(images) else None


def request_of(body: Mapping[str, Any]) -> Request | None:
    """
    Return what a record says was asked for, None where that cannot be told.
    """
    request = body["request"]
    model, prompt = request.get("model"), request.get("prompt")
    if not isinstance(model, str) or not isinstance(prompt, str):
        return None
    parameters = {key: each for key, each in request.items() if key not in BESIDE_PARAMETERS}
    if not all(isinstance(each, str | int | float) for each in parameters.values()):
        return None
    return Request(model=model, prompt=prompt, parameters=parameters)


def raw_name(escaped: str) -> str:
    """
    Return a name that was escaped to be written, as the filesystem has it.
    """
    return _ESCAPE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), escaped)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= LONGEST else None


def _are_paths(paths: object) -> bool:
    return isinstance(paths, list) and len(paths) <= MOST_PATHS and all(map(is_below, paths))
