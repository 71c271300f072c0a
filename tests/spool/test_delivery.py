import ctypes
import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import NOW, PROBLEM, Place, an_attempt, content_of, tree
from crashing import DIED, FailingDisk
from retouchd.disk import durable
from retouchd.disk.threads import all_steps
from retouchd.errors import Blocked
from retouchd.job.model import Job, Verdict
from retouchd.spool.phase import Phase
from retouchd.spool.plan import Item
from retouchd.spool.record import is_own_reason

EDIT = b"edit 1"
ORIGINALS = {name: content_of(name) for name in ("cat.png", "cat.txt")}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.under(tmp_path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """
    Return a folder on another filesystem.
    """
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem to write to")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def far(tmp_path: Path, elsewhere: Path) -> Place:
    """
    Return folders whose outbox, done and error lie on another filesystem.
    """
    away = {name: elsewhere / name for name in ("outbox", "done", "error")}
    return Place.under(tmp_path, **away)


@pytest.fixture(params=["place", "far"])
def either(request: pytest.FixtureRequest) -> Place:
    """
    Return folders on one filesystem, then on two.
    """
    found: Place = request.getfixturevalue(request.param)
    return found


def deliver(place: Place, job: Job) -> None:
    """
    Take the steps of a planned job until nothing is left to deliver.
    """
    for _ in range(10):
        job_state = place.job_state(job)
        match job_state.phase:
            case Phase.PUBLISHING:
                all_steps(place.delivery.publish(job_state))
            case Phase.ARCHIVING:
                all_steps(place.delivery.archive(job_state))
            case phase:
                assert Phase.OVER is phase
                return
    pytest.fail("the job never came to its end")


def without_record(folder: Path) -> dict[str, bytes]:
    return {name: raw for name, raw in tree(folder).items() if not name.endswith(".job.json")}


def test_a_done_job_is_published_and_archived(either: Place) -> None:
    """
    The picture in the outbox, the originals with their record in done, nothing in between left.
    """
    job = either.planned(folder="shoes/red")

    deliver(either, job)

    assert tree(either.folders.outbox) == {"shoes/red/cat.png": EDIT}
    expected = {f"shoes/red/{name}": raw for name, raw in ORIGINALS.items()}
    assert expected == without_record(either.folders.done)
    record = json.loads((either.folders.done / "shoes/red/cat.job.json").read_bytes())
    assert (record["status"], record["outputs"]) == ("done", ["shoes/red/cat.png"])


def test_a_failed_job_is_archived_with_its_reason(either: Place) -> None:
    """
    Nothing is published; the reason stands beside the originals.
    """
    job = either.failed()

    deliver(either, job)

    found = without_record(either.folders.error)
    assert is_own_reason(found.pop("cat.error.txt"))
    assert found == ORIGINALS
    assert tree(either.folders.outbox) == {}


def test_nothing_of_the_persons_is_overwritten(either: Place) -> None:
    """
    Taken names give the pictures one free stem and the originals another.
    """
    (either.folders.outbox / "cat-2.png").write_bytes(b"mine")
    for stem in ("cat", "cat_2"):
        (either.folders.done / f"{stem}.txt").write_bytes(b"mine")

    deliver(either, either.planned(outputs=2))

    expected = {"cat-2.png": b"mine", "cat_2-1.png": EDIT, "cat_2-2.png": b"edit 2"}
    assert expected == tree(either.folders.outbox)
    found = without_record(either.folders.done)
    assert {"cat.txt", "cat_2.txt", "cat_3.png", "cat_3.txt"} == found.keys()
    assert (found["cat.txt"], found["cat_2.txt"]) == (b"mine", b"mine")


def test_a_name_taken_after_the_plan_leads_to_another(either: Place) -> None:
    """
    What is not published yet gets a new stem; the person's file stays.
    """
    job = either.planned()
    (either.folders.outbox / "cat.png").write_bytes(b"mine")

    deliver(either, job)

    assert tree(either.folders.outbox) == {"cat.png": b"mine", "cat_2.png": EDIT}
    record = json.loads((either.folders.done / "cat.job.json").read_bytes())
    assert record["outputs"] == ["cat_2.png"]


def test_pictures_keep_their_numbers_when_one_name_is_taken(either: Place) -> None:
    """
    The second of two pictures is still the second one under its new stem.
    """
    job = either.planned(outputs=2)
    (either.folders.outbox / "cat-2.png").write_bytes(b"mine")

    deliver(either, job)

    found = tree(either.folders.outbox)
    assert {b"mine", EDIT, b"edit 2"} == set(found.values())
    assert [name[-6:] for name, raw in found.items() if raw == b"edit 2"] == ["-2.png"]


def test_another_daemons_record_reserves_its_stem(either: Place) -> None:
    """
    Two daemons that planned the same stem never mix their files.
    """
    first, second = either.planned(), either.planned()

    for job in (first, second):
        deliver(either, job)

    for job, stem in ((first, "cat"), (second, "cat_2")):
        record = json.loads((either.folders.done / f"{stem}.job.json").read_bytes())
        assert job.id == record["id"]
        assert (either.folders.done / f"{stem}.png").exists()
        assert (either.folders.done / f"{stem}.txt").exists()


def test_a_record_of_the_persons_is_respected(place: Place) -> None:
    """
    Something of that name that is no record of ours is in the way like any other file.
    """
    job = place.planned()
    (place.folders.done / "cat.job.json").write_bytes(b"mine")

    deliver(place, job)

    assert (place.folders.done / "cat.job.json").read_bytes() == b"mine"
    assert job.id == json.loads((place.folders.done / "cat_2.job.json").read_bytes())["id"]


def test_archiving_may_be_repeated_after_each_file(either: Place) -> None:
    """
    Its own record and reason tell the job that it was here before.
    """
    job = either.failed()
    all_steps(either.delivery.archive(either.job_state(job)))
    back = either.spool.folder(job.id) / "originals/cat.txt"
    back.write_bytes((either.folders.error / "cat.txt").read_bytes())
    (either.folders.error / "cat.txt").unlink()

    deliver(either, job)

    assert {"cat.png", "cat.txt", "cat.job.json", "cat.error.txt"} == tree(
        either.folders.error
    ).keys()


def test_leftovers_are_removed_not_archived(either: Place) -> None:
    """
    The record and reason of the try before are replaced by the new record.
    """
    job = either.planned("cat.png", "cat.txt", "cat.error.txt", "cat.job.json")

    deliver(either, job)

    assert without_record(either.folders.done) == ORIGINALS
    assert either.job_state(job).below("originals") == []


@pytest.mark.parametrize(("status", "is_kept"), [(200, True), (400, False), (500, False)])
def test_a_paid_answer_that_nobody_can_read_is_handed_over(
    either: Place,
    status: int,
    is_kept: bool,  # noqa: FBT001 - one column of the table
) -> None:
    """
    It may hold what the money was spent on; a refusal does not.
    """
    job = either.claimed("cat.png", "cat.txt")
    with either.spool.keep(job.id, (1, 1), {"status": status}) as answer:
        answer.write(b"<html>")
        answer.commit()
    either.spool.close_attempt(job.id, an_attempt(1, Verdict.IN_DOUBT, http_status=status))
    all_steps(either.delivery.plan(either.job_state(job), [[PROBLEM]], NOW))

    deliver(either, job)

    assert is_kept == (either.folders.error / "cat.response").exists()
    if is_kept:
        assert (either.folders.error / "cat.response").read_bytes().endswith(b"\n<html>")


class LibcThatRefuses:
    """
    A C library on a filesystem that takes nothing.
    """

    def __init__(self, code: int) -> None:
        self._code = code

    def renameat2(self, *_: object) -> int:
        ctypes.set_errno(self._code)
        return -1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("folder", ["outbox", "done"])
def test_a_folder_that_takes_nothing_makes_the_job_wait(
    place: Place, folder: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The sentence names the folder and the cause, and the job goes on when it can.
    """
    job = place.planned()
    step = place.delivery.publish
    if folder == "done":
        all_steps(step(place.job_state(job)))
        step = place.delivery.archive

    with monkeypatch.context() as broken:
        broken.setattr(durable, "_libc", LibcThatRefuses(code))
        with pytest.raises(Blocked) as caught:
            all_steps(step(place.job_state(job)))

    assert str(getattr(place.folders, folder)) in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    deliver(place, job)
    assert without_record(place.folders.done) == ORIGINALS


@pytest.mark.parametrize("folder", ["outbox", "done"])
def test_a_file_in_the_place_of_a_folder_is_named(either: Place, folder: str) -> None:
    """
    Moved away by the person, it lets the job go on.
    """
    job = either.planned(folder="shoes")
    obstacle = getattr(either.folders, folder) / "shoes"
    obstacle.write_bytes(b"mine")

    with pytest.raises(Blocked, match=str(obstacle)):
        deliver(either, job)

    assert obstacle.read_bytes() == b"mine"
    obstacle.unlink()
    deliver(either, job)
    assert tree(either.folders.outbox) == {"shoes/cat.png": EDIT}


def test_an_original_in_the_way_is_named(place: Place) -> None:
    """
    A file put under a reserved stem is never overwritten.
    """
    job = place.planned()
    all_steps(place.delivery.publish(place.job_state(job)))
    (place.folders.done / "cat.png").write_bytes(b"mine")

    with pytest.raises(Blocked, match=r"cat\.png is in the way"):
        all_steps(place.delivery.archive(place.job_state(job)))

    (place.folders.done / "cat.png").unlink()
    deliver(place, job)
    assert without_record(place.folders.done) == ORIGINALS


class Carried:
    """
    A file on its way to another filesystem, to be stopped at any moment.
    """

    def __init__(self, place: Place, job: Job, item: Item, folder: Path) -> None:
        own = place.spool.folder(job.id)
        self.source = own / item.source
        self.staged = own / f"{item.key}.staged"
        self.temporary = folder / f".retouchd-{job.id}-{item.key}"
        self.target = folder / item.target

    def copy(self) -> None:
        self.temporary.write_bytes(self.source.read_bytes())

    def stage(self) -> None:
        self.source.rename(self.staged)


def nothing_yet(_: Carried) -> None:
    pass


def half_copied(file: Carried) -> None:
    file.temporary.write_bytes(file.source.read_bytes()[:3])


def copied(file: Carried) -> None:
    file.copy()


def staged(file: Carried) -> None:
    file.copy()
    file.stage()


def named(file: Carried) -> None:
    staged(file)
    file.temporary.rename(file.target)


def linked(file: Carried) -> None:
    staged(file)
    file.target.hardlink_to(file.temporary)


def swept(file: Carried) -> None:
    file.stage()


def emptied(file: Carried) -> None:
    """
    What the other disk's power cut leaves where it had only promised to keep the bytes.
    """
    staged(file)
    file.temporary.write_bytes(b"")


def zeroed(file: Carried) -> None:
    staged(file)
    file.temporary.write_bytes(bytes(file.temporary.stat().st_size))


STATES = [nothing_yet, half_copied, copied, staged, named, linked, swept, emptied, zeroed]


@pytest.mark.parametrize("stop", STATES)
@pytest.mark.parametrize("which", ["output", "original"])
def test_a_crash_on_the_way_to_another_filesystem_is_finished(
    far: Place, which: str, stop: Callable[[Carried], None]
) -> None:
    """
    Whatever the last step was, each file arrives once and whole, and no temporary name is left.
    """
    job = far.planned()
    if which == "output":
        folder = far.folders.outbox
    else:
        all_steps(far.delivery.publish(far.job_state(job)))
        folder = far.folders.done
    plan = far.job_state(job).plan
    assert plan is not None
    stop(Carried(far, job, (plan.outputs if which == "output" else plan.originals)[0], folder))

    deliver(far, job)

    assert tree(far.folders.outbox) == {"cat.png": EDIT}
    assert without_record(far.folders.done) == ORIGINALS
    assert Phase.OVER is far.job_state(job).phase


@pytest.mark.parametrize("step", range(1, 9))
def test_a_copy_that_somebody_cleared_away_is_made_anew_whole(far: Place, step: int) -> None:
    """
    Whatever the moment at which that dies in its turn: the staged file is the last one.
    """
    job = far.planned()
    plan = far.job_state(job).plan
    assert plan is not None
    swept(Carried(far, job, plan.outputs[0], far.folders.outbox))
    child = os.fork()
    if not child:
        FailingDisk(die_at=step).install()
        deliver(far, job)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED

    deliver(far, job)

    assert tree(far.folders.outbox) == {"cat.png": EDIT}
    assert without_record(far.folders.done) == ORIGINALS


def test_a_name_taken_while_a_copy_was_staged_leads_to_another(far: Place) -> None:
    """
    The copy is not lost, the person's file not overwritten, and no temporary name is left.
    """
    job = far.planned()
    plan = far.job_state(job).plan
    assert plan is not None
    staged(Carried(far, job, plan.outputs[0], far.folders.outbox))
    (far.folders.outbox / "cat.png").write_bytes(b"mine")

    deliver(far, job)

    assert tree(far.folders.outbox) == {"cat.png": b"mine", "cat_2.png": EDIT}
