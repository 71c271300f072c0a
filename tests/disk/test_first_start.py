"""
A first start makes the folders that are missing; one that was there before and went away is never made anew.
"""

import json
import os
import shutil
import signal
import stat
from pathlib import Path

import pytest

from process import Station
from retouchd.cli.init import folders_below
from retouchd.disk.folders import Folders, make_missing, remember

pytestmark = pytest.mark.slow(40)

NAMES = ("inbox", "outbox", "review", "done", "error", "work")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """
    Return six folders of which none is there; the one above is.
    """
    root = tmp_path / "root"
    root.mkdir()
    return folders_below(root)


def there(folders: Folders) -> list[str]:
    return [path.name for path in folders.by_name().values() if os.path.lexists(path)]


def used(folders: Folders) -> None:
    """
    Let the folders be those of an earlier run.
    """
    assert folders.make() == []
    remember(folders)


def test_run_makes_what_is_missing_and_says_so(station: Station) -> None:
    """
    All six, as `init` makes them: with no rights for everybody; and then it works.
    """
    for path in station.folders.by_name().values():
        path.rmdir()
    daemon = station.start("run").ready()

    (line,) = daemon.events("folder.made")
    assert sorted(line["folders"]) == sorted(map(str, station.folders.by_name().values()))
    for path in station.folders.by_name().values():
        assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO == 0
    station.drop("cat.png")
    daemon.until(lambda: daemon.events("job.done"))
    assert daemon.end(signal.SIGTERM) == 0


def test_a_person_is_told_in_words(station: Station) -> None:
    """
    On a terminal `once` names the folders it made.
    """
    station.folders.done.rmdir()

    code, shown = station.on_terminal("once")

    assert code == 0
    assert f"Made {station.folders.done}" in shown


@pytest.mark.parametrize("command", [("check",), ("status",), ("once", "--dry-run"), ("retry",)])
def test_who_only_looks_makes_nothing(station: Station, command: tuple[str, ...]) -> None:
    for path in station.folders.by_name().values():
        path.rmdir()

    code, _ = station.call(*command)

    assert code != 0
    assert there(station.folders) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "review"])
def test_a_folder_that_went_away_is_not_made_anew(station: Station, name: str) -> None:
    """
    After a run has worked with it, a missing one is a fault: its share may not be mounted. A photo was done, so
    that a lost work folder is told from a first start by what lies in the others.
    """
    station.drop("cat.png")
    assert station.call("once")[0] == 0
    shutil.rmtree(station.root / name)

    code, running = station.call("run")

    assert code == 78
    assert f"folders.{name}: {station.root / name} is not there" in running.err
    assert not (station.root / name).exists()


def test_a_folder_with_a_new_place_is_made(station: Station) -> None:
    """
    No run has worked there yet.
    """
    assert station.call("once")[0] == 0
    station.configure(folders={"outbox": "results"})

    code, running = station.call("once")

    assert code == 0
    assert running.events("folder.made")[0]["folders"] == [str(station.root / "results")]


def test_a_root_that_was_moved_is_still_known(folders: Folders, tmp_path: Path) -> None:
    """
    A container sees the same folders under another path.
    """
    used(folders)
    folders.outbox.rmdir()
    (tmp_path / "root").rename(tmp_path / "elsewhere")
    moved = folders_below(tmp_path / "elsewhere")

    assert make_missing(moved) == []
    assert not moved.outbox.exists()


@pytest.mark.parametrize("memory", [None, b"", b"[]", b'{"outbox": 1}'])
def test_a_work_folder_that_remembers_nothing_certain_has_nothing_made(
    folders: Folders, memory: bytes | None
) -> None:
    """
    One of an older version, or with a damaged memory: an earlier run is known by its lock.
    """
    used(folders)
    (folders.work / "lock").touch()
    (folders.work / "folders.json").unlink()
    if memory is not None:
        (folders.work / "folders.json").write_bytes(memory)
    folders.outbox.rmdir()

    assert make_missing(folders) == []
    assert not folders.outbox.exists()


def test_nothing_is_made_through_a_link(folders: Folders, tmp_path: Path) -> None:
    """
    Neither at the end of one that leads nowhere, nor in a folder that is one.
    """
    assert folders.make() == []
    folders.outbox.rmdir()
    folders.outbox.symlink_to(tmp_path / "target")
    assert make_missing(folders) == []
    assert not (tmp_path / "target").exists()

    folders.outbox.unlink()
    (tmp_path / "link").symlink_to(tmp_path)
    linked = Folders(
        **{
            **{name: folders.inbox.with_name(name) for name in NAMES},
            "outbox": tmp_path / "link" / "out",
        }
    )
    assert make_missing(linked) == []
    assert not (tmp_path / "out").exists()


def test_nothing_is_made_where_a_disk_is_to_be_mounted(folders: Folders, tmp_path: Path) -> None:
    """
    /etc/fstab says that a disk belongs there, and it is not: six folders in an empty mount point help nobody.
    """
    fstab = tmp_path / "fstab"
    point = str(tmp_path / "root").replace(" ", "\\040")
    fstab.write_text(f"# comment\n\nUUID=1 / ext4 rw 0 1\n//nas/photos {point} cifs rw 0 0\n")

    assert make_missing(folders, fstab) == []
    assert there(folders) == []
    assert len(make_missing(folders, tmp_path / "none")) == 6


def test_all_are_made_or_none(folders: Folders, tmp_path: Path) -> None:
    """
    One that cannot be made leaves the others as they are.
    """
    places = {name: getattr(folders, name) for name in NAMES}
    one_away = Folders(**{**places, "done": tmp_path / "nowhere" / "done"})

    assert make_missing(one_away) == []
    assert there(folders) == []


@pytest.mark.parametrize("other", ["outbox", "inbox"])
def test_no_folder_is_made_in_or_as_another(folders: Folders, other: str) -> None:
    """
    It would be refused at once.
    """
    places = {name: getattr(folders, name) for name in NAMES}
    inside = getattr(folders, other) / "inside"
    assert make_missing(Folders(**{**places, "done": inside})) == []
    assert make_missing(Folders(**{**places, "done": getattr(folders, other)})) == []
    assert there(folders) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_nothing_is_made_where_this_user_may_not_write(folders: Folders) -> None:
    folders.inbox.parent.chmod(0o500)

    assert make_missing(folders) == []


def test_each_place_is_remembered_once(folders: Folders) -> None:
    """
    The memory does not grow with the number of starts.
    """
    used(folders)
    before = (folders.work / "folders.json").read_bytes()
    remember(folders)

    assert (folders.work / "folders.json").read_bytes() == before
    assert set(json.loads(before)) == set(NAMES) - {"work"}


@pytest.mark.parametrize("name", ["outbox", "done"])
def test_a_folder_that_goes_away_under_a_daemon_is_waited_for(station: Station, name: str) -> None:
    """
    It is not made anew: the daemon pauses, says why, sends nothing, and goes on when the folder is back.
    """
    endpoint = station.endpoint("latency=3")
    station.configure(endpoint={"base_url": endpoint.url})
    station.drop("cat.png")
    daemon = station.start("run")
    daemon.until(lambda: len(endpoint.requests) == 1)
    place, aside = station.root / name, station.root / "aside"

    place.rename(aside)

    daemon.until(lambda: daemon.events("daemon.paused"))
    reason = daemon.events("daemon.paused")[0]["reason"]
    assert f"{place} is not there" in reason
    assert not place.exists()
    station.drop("dog.png")
    code, body, _ = station.status()
    assert code == 1
    assert any(f"{place} is not there" in each for each in body["attention"])
    assert len(endpoint.requests) == 1
    aside.rename(place)
    daemon.until(lambda: len(daemon.events("job.done")) == 2)
    assert len(endpoint.requests) == 2
    assert daemon.end(signal.SIGTERM) == 0
