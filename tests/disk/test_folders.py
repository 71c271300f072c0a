import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from retouchd.disk.folders import Folders

NAMES = ["inbox", "outbox", "review", "done", "error", "work"]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    found = Folders(**{name: tmp_path / name for name in NAMES})
    assert found.make() == []
    return found


def placed(folders: Folders, name: str, path: Path) -> Folders:
    return replace(folders, **{name: path})


def test_five_folders_side_by_side_are_fine(folders: Folders, tmp_path: Path) -> None:
    """
    And the proof leaves nothing behind.
    """
    assert folders.problems() == []
    assert set(NAMES) == {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}


def test_missing_folders_are_made(tmp_path: Path) -> None:
    """
    With those above them.
    """
    folders = Folders(**{name: tmp_path / "a" / "b" / name for name in NAMES})

    assert folders.make() == []
    assert folders.problems() == []


def test_a_folder_that_cannot_be_made_is_named(folders: Folders, tmp_path: Path) -> None:
    """
    A file in its place is told by the key and the path.
    """
    (tmp_path / "file").write_bytes(b"mine")

    (problem,) = placed(folders, "done", tmp_path / "file" / "done").make()

    assert problem.startswith(f"folders.done: {tmp_path / 'file' / 'done'}")


def test_a_folder_that_is_not_there_is_named(folders: Folders, tmp_path: Path) -> None:
    """
    A share that is not mounted is not mistaken for an empty folder.
    """
    folders.outbox.rmdir()
    folders.done.rmdir()

    problems = folders.problems()

    assert [f"folders.{n}: {tmp_path / n} is not there" for n in ("outbox", "done")] == [
        problem.partition(". Make")[0] for problem in problems
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(folders: Folders) -> None:
    """
    Before the first picture is paid for.
    """
    folders.error.chmod(0o500)

    (problem,) = folders.problems()

    assert problem.startswith(f"folders.error: {folders.error} may not be")


@pytest.mark.parametrize("name", ["inbox", "outbox", "done", "error"])
def test_two_keys_never_mean_one_folder(folders: Folders, name: str) -> None:
    """
    Both keys are named.
    """
    (problem,) = placed(folders, "work", getattr(folders, name)).problems()

    assert f"folders.{name} and folders.work are the same folder" in problem


@pytest.mark.parametrize(("inner", "outer"), [("outbox", "inbox"), ("inbox", "done")])
def test_no_folder_lies_inside_another(folders: Folders, inner: str, outer: str) -> None:
    """
    At any depth: what comes out would go in again.
    """
    path = getattr(folders, outer) / "deep" / "down"
    path.mkdir(parents=True)

    (problem,) = placed(folders, inner, path).problems()

    assert problem.startswith(f"folders.{inner}: {path} lies inside folders.{outer}")


@pytest.mark.parametrize("below", ["", "deep/down"])
def test_links_are_seen_through(folders: Folders, tmp_path: Path, below: str) -> None:
    """
    Another name for the same place is the same place.
    """
    (folders.inbox / "deep" / "down").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(folders.inbox / below, target_is_directory=True)

    (problem,) = placed(folders, "outbox", link).problems()

    assert "folders.inbox" in problem
    assert "folders.outbox" in problem


def test_work_on_another_filesystem_is_refused(folders: Folders, tmp_path: Path) -> None:
    """
    A real rename proves it, and the sentence says where work belongs.
    """
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem to write to")
    with tempfile.TemporaryDirectory(dir=shared) as away:
        (problem,) = placed(folders, "work", Path(away)).problems()

        assert problem.startswith("folders.work: ")
        assert "one filesystem" in problem
        assert [*Path(away).iterdir(), *folders.inbox.iterdir()] == []


def test_what_a_killed_start_left_is_cleared_away(folders: Folders) -> None:
    """
    The probes of an earlier process, in the inbox and in work; a file that says something is not ours.
    """
    for folder in (folders.inbox, folders.work):
        (folder / ".retouchd-probe-01234567").touch()
    (folders.inbox / ".retouchd-probe-mine").write_text("mine")

    assert folders.problems() == []

    assert [path.name for path in folders.inbox.iterdir()] == [".retouchd-probe-mine"]
    assert list(folders.work.iterdir()) == []


def test_daemons_that_start_at_once_do_not_refuse_their_inbox(folders: Folders) -> None:
    """
    Each clears away what looks like left by a dead one, the probes of the others too.
    """
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: folders.problems(), range(60)))

    assert found == [[]] * 60
    assert list(folders.inbox.iterdir()) == []
