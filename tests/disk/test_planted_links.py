"""
Links that somebody plants in place of a folder, or of a file about to be written, lead nowhere: whatever
is done to the six folders, nothing outside of them is made, renamed, changed or removed.
"""

import contextlib
import ctypes
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builders import NOW, PROBLEM, Place, content_of, tree
from engine_world import open_world
from retouchd.disk import moves, nofollow
from retouchd.disk.threads import all_steps
from retouchd.errors import Blocked
from retouchd.inbox.safe_drop import Piece, clear_leftovers, drop
from retouchd.job.model import Job
from retouchd.retry import error_folder
from retouchd.retry.error_folder import finish, put_back

_RENAME_EXCHANGE = 2
_ROUNDS = 200


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.under(tmp_path / "ours")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """
    Return a folder that nothing may be changed in: with files of each name that could be hit.
    """
    folder = tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    for each in (folder, folder / "deep"):
        for name in ("cat.png", "cat.txt", "cat.job.json", "dog.png"):
            (each / name).write_bytes(b"not ours: " + content_of(name))
    before = _looks(folder)
    yield folder
    assert _looks(folder) == before


def _looks(folder: Path) -> dict[str, tuple[object, ...]]:
    """
    Return all that shows whether anything was done in a folder.
    """
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *folder.rglob("*")):
        now = path.lstat()
        found[str(path)] = (now.st_ino, now.st_mtime_ns, now.st_ctime_ns, now.st_size)
    return found


def _plant(folder: Path, outside: Path) -> None:
    """
    Put a link in the place of a folder.
    """
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}.aside"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(outside, target_is_directory=True)


@pytest.mark.parametrize("planted", ["pets", "pets/cats"])
def test_a_job_is_given_back_into_no_link(place: Place, outside: Path, planted: str) -> None:
    """
    It waits in work, and the reason names the link; once that is gone, the files return.
    """
    job = place.claimed("cat.png", "cat.txt", folder="pets/cats/deep")
    _plant(place.folders.inbox / planted, outside)

    with pytest.raises(Blocked, match=f"inbox/{planted} is in the way"):
        place.spool.give_back(job)
    assert not (outside / "deep/cat_2.png").exists()

    (place.folders.inbox / planted).unlink()
    assert place.spool.give_back(job) == ["cat.txt", "cat.png"]
    assert (place.folders.inbox / "pets/cats/deep/cat.png").read_bytes() == content_of("cat.png")


@pytest.mark.parametrize("planted", ["pets", "pets/cats"])
@pytest.mark.parametrize("root", ["outbox", "done", "error"])
def test_nothing_is_delivered_into_a_link(
    place: Place, outside: Path, root: str, planted: str
) -> None:
    """
    Neither pictures nor originals, record or reason; they wait, and the reason names the link.
    """
    begin = place.failed if root == "error" else place.planned
    job = begin("cat.png", "cat.txt", folder="pets/cats")
    _plant(place.folders.work.parent / root / planted, outside)

    with pytest.raises(Blocked, match=f"{root}/{planted} is in the way"):
        _deliver(place, job.id)

    (place.folders.work.parent / root / planted).unlink()
    _deliver(place, job.id)
    assert tree(place.folders.work / "jobs" / job.id / "originals") == {}


def _deliver(place: Place, job_id: str) -> None:
    if (plan := place.spool.load(job_id).plan) and plan.outputs:
        all_steps(place.delivery.publish(place.spool.load(job_id)))
    all_steps(place.delivery.archive(place.spool.load(job_id)))


@pytest.mark.parametrize("planted", ["inbox", "error"])
def test_nothing_is_put_back_from_or_into_a_link(place: Place, outside: Path, planted: str) -> None:
    """
    Neither is a file outside taken for one in error/, nor does one go there.
    """
    (place.folders.error / "pets").mkdir()
    (place.folders.error / "pets/cat.png").write_bytes(b"mine")
    _plant(place.folders.work.parent / planted / "pets", outside)

    with pytest.raises(NotADirectoryError):
        _put_back(place, "cat.png")


def test_what_was_put_back_half_is_finished_into_no_link(place: Place, outside: Path) -> None:
    """
    A start that finds a file on its way leaves it there, and says which link is in the way.
    """
    name = f"{error_folder._prefix(place.folders.inbox)}0123abcd"
    stage = place.folders.error / "pets" / name
    stage.mkdir(parents=True)
    (stage / "cat.png").write_bytes(b"mine")
    _plant(place.folders.inbox / "pets", outside)

    with pytest.raises(NotADirectoryError, match="inbox/pets"):
        finish(place.folders)

    assert (stage / "cat.png").read_bytes() == b"mine"


def test_one_that_cannot_be_finished_holds_up_no_other(place: Place, outside: Path) -> None:
    """
    Whatever somebody plants by the name of a file on its way: the photos of others come back.
    """
    prefix = error_folder._prefix(place.folders.inbox)
    for folder in ("a", "m", "z"):
        (place.folders.error / folder).mkdir()
    (place.folders.error / f"a/{prefix}00000000").symlink_to(outside, target_is_directory=True)
    (place.folders.error / f"m/{prefix}00000001/folder.png").mkdir(parents=True)
    (place.folders.error / f"m/{prefix}00000001/folder.png/x").write_bytes(b"x")
    for folder in ("a", "m", "z"):
        stage = place.folders.error / folder / f"{prefix}0000000f"
        stage.mkdir()
        (stage / "cat.png").write_bytes(b"mine")
        (place.folders.inbox / folder).mkdir()
        (place.folders.inbox / folder / stage.name).write_bytes(b"mine")

    with pytest.raises(OSError, match="0000000"):
        finish(place.folders)

    assert sorted(tree(place.folders.inbox)) == ["a/cat.png", "m/cat.png", "z/cat.png"]


@pytest.mark.parametrize("planted", ["pets", "pets/cats"])
def test_nothing_is_submitted_into_a_link(place: Place, outside: Path, planted: str) -> None:
    """
    Not even a hidden copy.
    """
    _plant(place.folders.inbox / planted, outside)

    with pytest.raises(NotADirectoryError, match=planted):
        _submit(place, "pets/cats", "cat")


@pytest.mark.parametrize("plant", [os.symlink, os.link], ids=["symbolic", "hard"])
@pytest.mark.parametrize("hidden", ["-output-1", "-note", "-original-1"])
def test_no_planted_file_is_written_to(
    tmp_path: Path, plant: Callable[[Path, Path], None], hidden: str
) -> None:
    """
    A link under the very name that a copy is written to first: the copy takes its place.
    """
    far = Path("/dev/shm")
    if not os.access(far, os.W_OK) or far.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem to write to")
    shared = far / f"retouchd-planted-{os.getpid()}"
    shared.mkdir()
    try:
        place = Place.under(tmp_path, outbox=shared / "outbox", done=shared / "done")
        victim = shared / "victim"
        victim.write_bytes(b"not ours")
        job = place.planned()
        root = place.folders.outbox if "output" in hidden else place.folders.done
        plant(victim, root / f".retouchd-{job.id}{hidden}")

        _deliver(place, job.id)

        assert victim.read_bytes() == b"not ours"
        assert tree(place.folders.outbox) == {"cat.png": b"edit 1"}
        assert set(tree(place.folders.done)) == {"cat.png", "cat.txt", "cat.job.json"}
    finally:
        shutil.rmtree(shared)


async def test_nothing_is_paid_for_what_a_link_is_in_the_way_of(tmp_path: Path) -> None:
    """
    Found out before the request, and told; once the link is gone, the job goes on.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with open_world(tmp_path / "world") as world:
        (world.folders.outbox / "pets").symlink_to(elsewhere)
        world.drop("pets/cat.png")
        async with world.running() as daemon:
            await world.until(lambda: world.events("job.waiting"))
            (line,) = world.events("job.waiting")
            assert "outbox/pets is in the way" in line["reason"]
            report = daemon.status.report()
            assert report is not None
            assert "outbox/pets is in the way" in str(report.jobs)
            assert world.requests == []

            (world.folders.outbox / "pets").unlink()
            await world.until(lambda: world.tree("outbox") == ["pets/cat.png"])
    assert list(elsewhere.iterdir()) == []


class Swapper(threading.Thread):
    """
    Swaps a folder and a link to another one, again and again, until told to stop.
    """

    def __init__(self, folder: Path, outside: Path) -> None:
        super().__init__()
        self._one, self._other = folder, folder.with_name(f"{folder.name}.link")
        folder.mkdir(parents=True, exist_ok=True)
        self._other.symlink_to(outside, target_is_directory=True)
        self._is_over = threading.Event()
        self.swaps = 0

    def run(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        one, other = os.fsencode(self._one), os.fsencode(self._other)
        while not self._is_over.is_set():
            done = libc.renameat2(-100, one, -100, other, ctypes.c_uint(_RENAME_EXCHANGE))
            assert done == 0, os.strerror(ctypes.get_errno())
            self.swaps += 1
            self._is_over.wait(0.0003)

    def end(self) -> None:
        """
        Stop, with the folder in its place.
        """
        self._is_over.set()
        self.join()
        if self._one.is_symlink():
            self._one.unlink()
            self._other.rename(self._one)


def test_links_that_come_and_go_are_never_followed(
    place: Place, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While jobs go all their ways, somebody swaps each of their folders for a link: nothing gets outside.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)  # The more swaps for each change.
    roots = [place.folders.inbox, place.folders.outbox, place.folders.done, place.folders.error]
    swappers = [Swapper(root / "pets", outside) for root in roots]
    for each in swappers:
        each.start()
    try:
        ways = [_published, _failed, _given_back, _submitted]
        for number in range(_ROUNDS):
            ways[number % len(ways)](place, f"cat{number}.png")
    finally:
        for each in swappers:
            each.end()

    assert all(each.swaps > _ROUNDS for each in swappers)
    kept = [name for root in roots for name in tree(root)]
    for number in range(_ROUNDS):
        assert [each for each in kept if each.startswith(f"pets/cat{number}.")], number


def _below_pets(place: Place, job: Job) -> Job:
    job = replace(job, folder="pets")
    place.spool._rewrite(job)
    return job


def _insisted(step: Callable[[], object]) -> None:
    """
    Take a step again and again until no link is in its way.
    """
    for _ in range(100_000):
        with contextlib.suppress(OSError, Blocked):
            step()
            return
    raise AssertionError("there always was a link in the way")


def _published(place: Place, name: str) -> None:
    job = _below_pets(place, place.edited(name))
    _insisted(lambda: all_steps(place.delivery.plan(place.job_state(job), (), NOW)))
    _insisted(lambda: _deliver(place, job.id))


def _failed(place: Place, name: str) -> None:
    job = _below_pets(place, place.claimed(name))
    _insisted(lambda: all_steps(place.delivery.plan(place.job_state(job), [[PROBLEM]], NOW)))
    _insisted(lambda: _deliver(place, job.id))
    _insisted(lambda: _put_back(place, name))


def _put_back(place: Place, name: str) -> None:
    with (
        moves.made_folder(place.folders.inbox, "pets") as inbox,
        nofollow.opened_folder(place.folders.error, "pets") as error,
    ):
        put_back(error / name, inbox / name, place.folders.inbox)


def _given_back(place: Place, name: str) -> None:
    job = _below_pets(place, place.claimed(name))
    _insisted(lambda: place.spool.give_back(job))
    # Claimed again from there, and given back once more.
    _insisted(lambda: place.spool.claim(job))
    _insisted(lambda: place.spool.give_back(job))


def _submitted(place: Place, name: str) -> None:
    _insisted(lambda: _submit(place, "pets", name.removesuffix(".png")))


def _submit(place: Place, below_inbox: str, stem: str) -> None:
    with moves.made_folder(place.folders.inbox, below_inbox) as folder:
        clear_leftovers(folder)
        drop(folder, stem, [Piece(suffix=".png", source=b"mine")], _wait)


def _wait() -> None:
    """
    Leave the others some time before the last file of a drop gets its name.
    """
    threading.Event().wait(0.001)
