"""
Approving and rejecting what lies in the folder for reviews, at each moment at which it may be cut short.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from crashing import DIED, FailingDisk, dying
from retouchd.disk.folders import Folders
from retouchd.spool import review

JOB = "20261101-120000-0badcafe"
NAMES = ("inbox", "outbox", "review", "done", "error", "work")
MINE, THEIRS = b"mine" * 100_000, b"theirs"


@pytest.fixture(params=["near", "far"])
def outside(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """
    Return where the outbox lies: beside the others, or on another filesystem.
    """
    shared = Path("/dev/shm")
    if request.param == "near":
        yield tmp_path
        return
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem to write to")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def made(root: Path, outside: Path) -> Folders:
    places = {name: root / name for name in NAMES} | {"outbox": outside / f"outbox-{root.name}"}
    folders = Folders(**places)
    assert folders.make() == []
    (folders.review / "pets").mkdir()
    (folders.review / "pets/cat.png").write_bytes(MINE)
    return folders


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("is_taken", [False, True], ids=["free", "taken"])
@pytest.mark.parametrize("power_cut", [False, True], ids=["kill", "power cut"])
def test_an_approval_may_die_at_any_moment(
    tmp_path: Path, outside: Path, *, power_cut: bool, is_taken: bool
) -> None:
    """
    The result is whole in one of the folders, or while it is carried in both; tried again it is in the outbox
    alone, once, and nobody's picture was overwritten.
    """
    step, code = 0, DIED
    while code == DIED:
        step += 1
        folders = made(tmp_path / str(step), outside)
        theirs = {"pets/cat.png": THEIRS} if is_taken else {}
        if is_taken:
            (folders.outbox / "pets").mkdir()
            (folders.outbox / "pets/cat.png").write_bytes(THEIRS)
        act = partial(review.approve, folders, "pets/cat.png", JOB)
        disk = FailingDisk(die_at=step, power_cut=power_cut, shelf=tmp_path / f"lost-{step}")
        code = dying(act, disk)
        assert code in {0, DIED}
        named = {name: raw for name, raw in tree(folders.outbox).items() if "/." not in name}
        assert MINE in [*named.values(), *tree(folders.review).values()]
        assert named.items() >= theirs.items()
        if tree(folders.review):
            review.approve(folders, "pets/cat.png", JOB)

        approved = "pets/cat_2.png" if is_taken else "pets/cat.png"
        assert tree(folders.outbox) == {**theirs, approved: MINE}
        assert tree(folders.review) == {}
        shutil.rmtree(tmp_path / str(step))
        shutil.rmtree(folders.outbox, ignore_errors=True)
    assert step > 2, "the sweep covered a whole approval"


def test_a_result_with_the_longest_name_is_approved(tmp_path: Path, outside: Path) -> None:
    """
    A letter may take two bytes and more; what stands hidden meanwhile must not be called longer than may be.
    """
    folders = made(tmp_path, outside)
    name = "ü" * 125 + ".png"
    (folders.review / name).write_bytes(MINE)

    assert review.approve(folders, name, JOB) == name

    assert tree(folders.outbox) == {name: MINE}


def test_what_waits_is_listed_and_links_lead_nowhere(tmp_path: Path) -> None:
    """
    Files alone, by their paths; what is hidden or behind a link is neither listed nor moved nor deleted.
    """
    folders = made(tmp_path / "root", tmp_path)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/cat.png").write_bytes(b"secret")
    (folders.review / "link").symlink_to(tmp_path / "secret")
    (folders.review / "cat.png").symlink_to(tmp_path / "secret/cat.png")
    (folders.review / ".hidden").write_bytes(b"x")
    (folders.review / os.fsdecode(b"\xff.png")).write_bytes(b"raw")

    assert review.waiting(folders) == {"pets/cat.png": len(MINE), "\\xff.png": 3}
    for path in ("link/cat.png", "cat.png", "none.png", "../secret/cat.png"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            review.approve(folders, path, JOB)
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            review.reject(folders, path)
    assert tree(tmp_path / "secret") == {"cat.png": b"secret"}
    review.reject(folders, "pets/cat.png")
    assert review.waiting(folders) == {"\\xff.png": 3}
