"""
The promises, checked from outside: by what lies in the folders and what the endpoint was asked.
"""

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from retouchd.adapters.folders import Folders

_OWN = ".retouchd-"


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
        places.update(digest(path) for path in _files(folder))
    for known, name in originals.items():
        assert places[known] >= 1, f"{name} is lost"
        assert places[known] == 1 or not is_exact, f"{name} stands in {places[known]} places"
    for picture in _files(folders.outbox):
        if not picture.name.startswith(_OWN):
            with Image.open(picture) as image:
                image.load()
    for record in _records(folders):
        if _is_archived(folders, record):
            for output in record["outputs"]:
                is_there = (folders.outbox / output).is_file()
                assert is_there, f"the originals of {output} left before it was published"


def requests_out(folders: Folders) -> int:
    """
    Return how many requests were on their way when the run died: only those may be asked again.
    """
    found = 0
    for job in (folders.work / "jobs").glob("*"):
        names = {path.name for path in job.iterdir()}
        opened = {
            name.partition(".")[0] for name in names if re.fullmatch(r"attempt-\d+\.open", name)
        }
        closed = {name.partition(".")[0] for name in names if name.endswith((".response", ".json"))}
        found += len(opened - closed)
    return found


def check_at_the_end(
    folders: Folders, originals: Mapping[str, str], requests: list[str], asked_again: int
) -> None:
    """
    Assert what must hold once everything has come to rest.
    """
    check_at_any_time(folders, originals, is_exact=True)
    left = [path.name for path in _files(folders.inbox) if path.parent.name != "_refs"]
    assert not left, f"something is left in the inbox: {left}"
    for folder in (folders.outbox, folders.done, folders.error):
        ours = [path.name for path in _files(folder) if path.name.startswith(_OWN)]
        assert not ours, f"temporary names are left: {ours}"
    for name in ("jobs", "trash"):
        assert not list((folders.work / name).iterdir()), f"something is left in {name}"
    records = list(_records(folders))
    claimed = [output for record in records for output in record["outputs"]]
    published = [str(path.relative_to(folders.outbox)) for path in _files(folders.outbox)]
    assert sorted(claimed) == sorted(published), "pictures and records do not match"
    asked = Counter(requests)
    assert len(requests) <= len(asked) + asked_again, f"asked too often: {asked}"
    made = {record["id"] for record in records}
    assert asked.keys() <= made, "a job was asked for and is gone"
    assert set(_history(folders.work)) == made, "the history and the records differ"


def _history(work: Path) -> Iterator[str]:
    """
    Return the ids in the history; a crash may leave a line twice or torn.
    """
    for line in (work / "history.jsonl").read_text("utf-8").splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)["id"]


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _records(folders: Folders) -> Iterator[dict[str, Any]]:
    for folder in (folders.done, folders.error):
        for path in _files(folder):
            if path.name.endswith(".job.json") and not path.name.startswith(_OWN):
                yield json.loads(path.read_bytes())


def _is_archived(folders: Folders, record: Mapping[str, Any]) -> bool:
    image: str = record["image"] or "-"
    folder: str = record["folder"]
    return (folders.done / folder / image).is_file()
