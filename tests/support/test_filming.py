"""
A film shows what deaths leave: whatever is done to a disk, at each change, by a kill and by a power cut.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from crashing import DIED, FailingDisk, dying
from filming import FilmingDisk, clear, filmed, keep
from retouchd.disk import durable


def prepare(root: Path) -> None:
    """
    Make what `act` finds: two folders, three files and a journal.
    """
    for name in ("inbox", "work"):
        (root / name).mkdir(parents=True)
    for name in ("inbox/a", "inbox/b", "work/old"):
        (root / name).write_text(f"what {name} was")
    (root / "work/journal").write_text("one line\n")


def act(root: Path) -> None:
    """
    Do everything once that `durable` does: with and without what makes it last.
    """
    inbox, work = root / "inbox", root / "work"
    durable.write(work / "new", b"written whole")
    durable.write(work / "old", b"written over")
    durable.append(work / "journal", b"another line")
    durable.put(work / "torn", b"neither bytes nor name are durable")
    durable.post(work / "posted", b"nobody misses it")
    durable.make_folder(work / "jobs/1/originals", root=root)
    durable.begin_folder(work / "empty")
    durable.rename(inbox / "a", work / "jobs/1/originals/a")
    durable.move_unless_taken(inbox / "b", work / "jobs/1/originals/b")
    with durable.synced(work / "jobs/1/originals"):
        durable.move(work / "new", work / "jobs/1/new")
    durable.move(work / "jobs/1", work / "jobs/2")
    durable.append(work / "jobs/2/journal", b"a first line")
    durable.unlink(work / "posted")
    durable.remove(work / "torn")
    durable.remove_empty(work / "empty")
    durable.write(work / "end", b"written last")


def seen(root: Path) -> dict[str, bytes | None]:
    """
    Return all that lies there, but for what a power cut may still bring back.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not name.startswith("lost"):
            found[name] = path.read_bytes() if path.is_file() else None
    return found


@pytest.mark.parametrize("power_cut", [False, True], ids=["kill", "power cut"])
def test_a_film_shows_what_each_death_leaves(tmp_path: Path, *, power_cut: bool) -> None:
    root = tmp_path / "filmed"
    prepare(root)
    disk = FilmingDisk([root], power_cut=power_cut, shelf=root / "lost")
    film = filmed(partial(act, root), disk)
    lived = seen(root)

    left = []
    for frame in film:
        frame.develop([root])
        left.append(seen(root))

    assert left == [seen(each) for each in deaths(tmp_path, act, power_cut=power_cut)]
    clear(root)
    prepare(root)
    act(root)
    assert lived == seen(root), "it does to a run what a disk does"
    assert len(film) > 40


def deaths(tmp_path: Path, act: Callable[[Path], None], *, power_cut: bool) -> list[Path]:
    """
    Let the same die at each of its changes, each in a folder of its own; return these.
    """
    left: list[Path] = []
    for step in range(1, 1000):
        root = tmp_path / f"died-{step}"
        prepare(root)
        disk = FailingDisk(die_at=step, power_cut=power_cut, shelf=root / "lost")
        code = dying(partial(act, root), disk)
        if code == 0:
            return left
        assert code == DIED
        left.append(root)
    raise AssertionError("it does not end")


def test_what_is_kept_is_the_same_file_again_and_no_other_one_is(tmp_path: Path) -> None:
    """
    With its time, under both names where it has two.
    """
    root = tmp_path / "root"
    prepare(root)
    os.link(root / "work/old", root / "work/older")
    kept = keep([root / "inbox/a"], tmp_path / "kept")
    before = (root / "inbox/a").stat()
    film = filmed(partial(act, root), FilmingDisk([root]))

    for frame in film:
        frame.develop([root], kept)
        (where,) = [each for each in root.rglob("a") if each.is_file()]
        assert where.stat().st_ino == before.st_ino
        assert where.stat().st_mtime_ns == before.st_mtime_ns

    film[0].develop([root], kept)
    assert (root / "work/old").samefile(root / "work/older")
    assert not (root / "inbox/a").samefile(root / "inbox/b")


def test_of_every_so_many_steps_the_frames_are_the_same(tmp_path: Path) -> None:
    films = []
    for first, stride in ((1, 1), (2, 3)):
        prepare(tmp_path / "root")
        disk = FilmingDisk([tmp_path / "root"], first=first, stride=stride)
        film = filmed(partial(act, tmp_path / "root"), disk)
        films.append({each.step: [(e.path, e.data) for e in each.entries] for each in film})
        clear(tmp_path / "root")

    every, some = films
    assert list(some) == list(every)[1::3]
    assert all(every[step] == shown for step, shown in some.items())


def test_what_fails_while_it_is_filmed_has_no_film(tmp_path: Path) -> None:
    def failing() -> None:
        raise OSError("no")

    with pytest.raises(AssertionError, match="ended with 2"):
        filmed(failing, FilmingDisk([tmp_path]))
