"""
The promises, checked from outside: by what lies in the folders and what the endpoint was asked.
"""

import contextlib
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from retouchd.disk.folders import Folders
from retouchd.disk.moves import NOTE

_OWN = ".retouchd-"
_ID = len("20261123-120000-00000001")


def digest(path: Path) -> str:
    """
    Return the hash by which a file is known, whatever it is called.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_at_any_time(folders: Folders, originals: Mapping[str, str], *, is_exact: bool) -> None:
    """
    Assert what must hold at every moment, in the midst of a crash too.

    `originals` maps the hash of each dropped file to its name. Unless `is_exact`, a file may stand in
    two places: while it is carried to another filesystem, or where a power cut brought its name back.
    """
    places: Counter[str] = Counter()
    for folder in (folders.inbox, folders.work, folders.done, folders.error):
        places.update(digest(path) for path in files_in(folder))
    for known, name in originals.items():
        assert places[known] >= 1, f"{name} is lost"
        assert places[known] == 1 or not is_exact, f"{name} stands in {places[known]} places"
    for picture in (*files_in(folders.outbox), *files_in(folders.review)):
        if not picture.name.startswith(_OWN) and not _is_reserved(picture):
            assert _is_whole(picture), f"{picture.name} in the outbox is no whole picture"
    for record in _records(folders):
        if _is_archived(folders, record):
            reviewed = record.get("review", ())
            for output in record["outputs"]:
                root = folders.review if output in reviewed else folders.outbox
                is_there = (root / output).is_file()
                assert is_there, f"the originals of {output} left before it was published"


def open_requests(folders: Folders) -> set[str]:
    """
    Return the requests that were on their way when the run died, each by its job, edit and number.

    Where runs die one after the other, the union counts one that nobody came to close only once.
    """
    found = set()
    for job in (folders.work / "jobs").glob("*"):
        names = durable_names(job)
        opened = {
            name.partition(".")[0] for name in names if re.fullmatch(r"attempt-\d+-\d+\.open", name)
        }
        closed = {name.partition(".")[0] for name in names if name.endswith((".response", ".json"))}
        found |= {f"{job.name}/{attempt}" for attempt in opened - closed}
    return found


def durable_names(job: Path) -> set[str]:
    """
    Return the names in a job's directory, with those that a start takes from the journal after a power cut.
    """
    names = {path.name for path in job.iterdir()}
    journal = job.parent.parent / "journal.jsonl"
    for line in journal.read_bytes().splitlines() if journal.exists() else ():
        with contextlib.suppress(ValueError):  # It is torn.
            entry = json.loads(line)
            if entry["job"] == job.name:
                names.add(entry["name"])
    return names


def requests_out(folders: Folders) -> int:
    """
    Return how many requests were on their way when the run died: only those may be asked again.
    """
    return len(open_requests(folders))


def check_at_the_end(
    folders: Folders,
    originals: Mapping[str, str],
    requests: list[str],
    asked_again: int,
    strangers: Mapping[str, str] | None = None,
) -> None:
    """
    Assert what must hold once everything has come to rest.

    `asked_again` is how many requests were on their way when a run died. `strangers` maps paths below
    the outbox to the hashes of pictures that somebody else put there.
    """
    check_at_any_time(folders, originals, is_exact=True)
    others = strangers or {}
    for name, known in others.items():
        is_same = (folders.outbox / name).is_file() and digest(folders.outbox / name) == known
        assert is_same, f"{name} in the outbox was overwritten"
    left = [path.name for path in files_in(folders.inbox) if path.parent.name != "_refs"]
    assert not left, f"something is left in the inbox: {left}"
    for folder in (folders.outbox, folders.review, folders.done, folders.error, folders.work):
        ours = [path.name for path in files_in(folder) if path.name.startswith(_OWN)]
        assert not ours, f"temporary names are left: {ours}"
    assert not list(folders.work.glob("*.tmp")), "temporary names are left in work"
    for name in ("jobs", "trash"):
        assert not list((folders.work / name).iterdir()), f"something is left in {name}"
    records = list(_records(folders))
    reviewed = [output for record in records for output in record.get("review", ())]
    claimed = [output for record in records for output in record["outputs"]]
    published = [str(path.relative_to(folders.outbox)) for path in files_in(folders.outbox)]
    kept = [str(path.relative_to(folders.review)) for path in files_in(folders.review)]
    expected = sorted([*(Counter(claimed) - Counter(reviewed)).elements(), *others])
    assert expected == sorted(published), "pictures and records do not match"
    assert sorted(reviewed) == sorted(kept), "pictures to be reviewed and records do not match"
    asked = Counter(requests)
    assert len(requests) <= len(asked) + asked_again, f"asked too often: {asked}"
    made = {record["id"]: record for record in records}
    for key, times in asked.items():
        job, edit = key[:_ID], int(key[_ID + 1 :] or 1)
        assert job in made, "a job was asked for and is gone"
        told = sum(attempt["edit"] == edit for attempt in made[job]["attempts"])
        assert told >= times, f"{key} was asked {times} times and tells of {told}"
    journal, before = set(_history(folders.work)), {record["previous"] for record in records}
    assert made.keys() <= journal <= made.keys() | before, "the history and the records differ"


def tree(folders: Folders) -> dict[str, tuple[int, int, str] | None]:
    """
    Return all that lies in the six folders: of each file its inode, its time and its hash.

    Left out is what tells of a run and not of a picture: the lock and the notice of the last run.
    """
    passing = {folders.work / name for name in ("lock", "status.json", "waiting.json")}
    found: dict[str, tuple[int, int, str] | None] = {}
    for key, top in folders.items():
        for path in sorted(top.rglob("*")):
            if path not in passing:
                about = path.lstat()
                is_file = path.is_file()
                it = (about.st_ino, about.st_mtime_ns, digest(path)) if is_file else None
                found[f"{key}/{path.relative_to(top)}"] = it
    return found


def check_nothing_changed(
    before: Mapping[str, tuple[int, int, str] | None],
    after: Mapping[str, tuple[int, int, str] | None],
) -> None:
    """
    Assert that one more run left every file as it was: the same one, untouched, under the same name.
    """
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert before.keys() == after.keys(), f"one more run made or removed {sorted(changed)}"
    assert not changed, f"one more run touched {sorted(changed)}"


def _history(work: Path) -> Iterator[str]:
    """
    Return the ids in the history; a crash may leave a line twice or torn.
    """
    journal = work / "history.jsonl"
    for line in journal.read_text("utf-8").splitlines() if journal.exists() else ():
        with contextlib.suppress(ValueError):
            yield json.loads(line)["id"]


def _is_whole(picture: Path) -> bool:
    try:
        with Image.open(picture) as image:
            image.load()
    except OSError:
        return False
    return True


def _is_reserved(picture: Path) -> bool:
    """
    Return whether an empty file keeps a name free, as a note beside it says.
    """
    notes = picture.parent.glob(f"{NOTE}*")
    return not picture.stat().st_size and any(note.read_text() == picture.name for note in notes)


def files_in(folder: str | Path, ending: str = "") -> Iterator[Path]:
    """
    Return the files in and below a folder, those whose names end so. Quicker than `rglob`, and than asking each
    path what it is: this is asked after each of thousands of deaths and steps.
    """
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return  # It is gone.
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from files_in(entry.path, ending)
        elif entry.name.endswith(ending) and entry.is_file():
            yield Path(entry.path)


def _records(folders: Folders) -> Iterator[dict[str, Any]]:
    for folder in (folders.done, folders.error):
        for path in files_in(folder, ".job.json"):
            if not (path.name.startswith(_OWN) or _is_reserved(path)):
                yield json.loads(path.read_bytes())


def _is_archived(folders: Folders, record: Mapping[str, Any]) -> bool:
    image: str = record["image"] or "-"
    folder: str = record["folder"]
    return (folders.done / folder / image).is_file()
