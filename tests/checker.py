"""
The promises, checked from outside: by what lies in the folders and what the endpoint was asked.
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

ARCHIVES = ("done", "error")


def digest(path: Path) -> str:
    """
    Return the hash by which a file is known, whatever it is called.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_at_any_time(root: Path, originals: Mapping[str, str], *, same_disk: bool = True) -> None:
    """
    Assert what must hold at every moment, in the midst of a crash too.

    `originals` maps the hash of each dropped file to its name. In two places a file may stand only while
    it is carried to another filesystem, or where a power cut brought its old name back.
    """
    places: Counter[str] = Counter()
    for path in _files(root, "inbox", "work", *ARCHIVES):
        places[digest(path)] += 1
    for known, name in originals.items():
        assert places[known] >= 1, f"{name} is lost"
        if same_disk:
            assert places[known] == 1, f"{name} stands in {places[known]} places"
    for picture in _files(root, "outbox"):
        if not picture.name.startswith(".retouchd-"):
            with Image.open(picture) as image:
                image.load()
    for record in _records(root):
        if record["status"] == "done" and _archived(root, record):
            for output in record["outputs"]:
                assert (root / "outbox" / output).is_file(), (
                    f"archived before {output} was published"
                )


def check_at_the_end(
    root: Path, originals: Mapping[str, str], *, requests: list[str], crashes: int
) -> None:
    """
    Assert what must hold once everything has come to rest.
    """
    check_at_any_time(root, originals)
    assert not list(_files(root, "inbox")), "something is left in the inbox"
    leftovers = [path.name for path in _files(root, "outbox", *ARCHIVES) if path.name[0] == "."]
    assert not leftovers, f"temporary names are left: {leftovers}"
    assert not list((root / "work" / "jobs").iterdir()), "a job is left in work"
    assert not list((root / "work" / "trash").iterdir()), "trash is left in work"
    records = list(_records(root))
    outputs = [output for record in records for output in record["outputs"]]
    assert len(outputs) == len(set(outputs)), "two jobs claim one picture"
    published = {str(path.relative_to(root / "outbox")) for path in _files(root, "outbox")}
    assert published == set(outputs), "a picture belongs to no record, or the other way round"
    asked = Counter(requests)
    jobs = {record["id"] for record in records}
    assert len(requests) <= len(asked) + crashes, "more was asked than jobs and crashes explain"
    for key, times in asked.items():
        assert times <= 1 + crashes, f"{key} was asked {times} times"
    assert set(_history(root)) == jobs, "the history and the records differ"


def _history(root: Path) -> Iterator[str]:
    """
    Return the ids in the history; a crash may leave a line twice or torn.
    """
    for line in (root / "work" / "history.jsonl").read_text("utf-8").splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)["id"]


def _files(root: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.is_file():
                yield path


def _records(root: Path) -> Iterator[dict]:
    for path in _files(root, *ARCHIVES):
        if path.name.endswith(".job.json") and path.name[0] != ".":
            yield json.loads(path.read_bytes())


def _archived(root: Path, record: dict) -> bool:
    return (root / "done" / record["folder"] / (record["image"] or "")).is_file()
