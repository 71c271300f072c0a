"""
Jobs on filesystems that know no links and no RENAME_NOREPLACE, that make up the numbers of their files, that
refuse names or take two cases of one for the same: what exFAT, rclone, sshfs and shared folders do.
"""

import errno
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

import fuse_fs
from builders import NOW, PROBLEM, Place, content_of, tree
from fuse_fs import Odd
from process import Station, open_station
from retouchd.disk import durable, filesystems, moves, nofollow, probes
from retouchd.disk.folders import Folders
from retouchd.disk.threads import all_steps
from retouchd.errors import Blocked, Problem
from retouchd.inbox.safe_drop import clear_leftovers
from retouchd.job.model import Job
from retouchd.spool.phase import Phase

KINDS = [fuse_fs.exfat, fuse_fs.rclone, fuse_fs.sshfs]
QUICK = {"incomplete_seconds": 0, "poll_seconds": 0.5}
ALL = ("inbox", "outbox", "review", "done", "error", "work")


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Odd]:
    with fuse_fs.mounted(tmp_path) as mounted:
        yield mounted


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "_made_up", set())


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as opened:
        yield opened


def _move_to(
    station: Station, odd: Odd, names: tuple[str, ...], **sections: Mapping[str, object]
) -> None:
    """
    Have these of the six folders lie on the odd filesystem.
    """
    places = {name: (odd.point if name in names else station.root) / name for name in ALL}
    station.folders = Folders(**places)
    assert station.folders.make() == []
    station.configure(folders={name: str(path) for name, path in places.items()}, **sections)


def _is_whole(picture: bytes, folder: Path) -> bool:
    copy = folder / "looked-at.png"
    copy.write_bytes(picture)
    with Image.open(copy) as image:
        image.load()
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [ALL, ("inbox", "work"), ("outbox",), ("done", "error")])
def test_jobs_are_done_there(
    station: Station, odd: Odd, kind: Callable[[Odd], None], names: tuple[str, ...], tmp_path: Path
) -> None:
    """
    Each is asked for once, published whole, and archived; nothing empty or hidden stays behind.
    """
    kind(odd)
    endpoint = station.endpoint()
    _move_to(station, odd, names, endpoint={"base_url": endpoint.url}, intake=QUICK)
    for name in ("cat.png", "dog.png", "pets/cow.png"):
        station.drop(name)
    (station.folders.inbox / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    (station.folders.inbox / "broken.txt").write_text("make it blue")

    code, running = station.call("once")

    assert code == 1, running.err
    assert len(endpoint.requests) == 3, running.out + running.err
    published = tree(station.folders.outbox)
    assert set(published) == {"cat.png", "dog.png", "pets/cow.png"}
    assert all(_is_whole(picture, tmp_path) for picture in published.values())
    done = {
        f"{stem}.{end}" for stem in ("cat", "dog", "pets/cow") for end in ("png", "txt", "job.json")
    }
    assert set(tree(station.folders.done)) == done
    assert {"broken.png", "broken.job.json", "broken.error.txt"} < set(tree(station.folders.error))
    assert tree(station.folders.inbox) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_check_finds_nothing_wrong_there(
    station: Station, odd: Odd, kind: Callable[[Odd], None]
) -> None:
    """
    And leaves nothing there.
    """
    kind(odd)
    _move_to(station, odd, ALL)

    code, running = station.call("check")

    assert code == 0, running.out + running.err
    assert [path for path in odd.backing.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["outbox", "done", "error", "inbox"])
@pytest.mark.parametrize("command", ["check", "once"])
def test_a_folder_in_which_no_move_works_is_named_before_anything_is_paid(
    station: Station, odd: Odd, name: str, command: str
) -> None:
    """
    The key and the folder, in `check` and at every start.
    """
    odd.fail("rename", errno.EOPNOTSUPP)
    odd.fail("link", errno.EPERM)
    endpoint = station.endpoint()
    names = ("inbox", "work") if name == "inbox" else (name,)
    _move_to(station, odd, names, endpoint={"base_url": endpoint.url})
    station.drop("cat.png")

    code, running = station.call(command)

    said = running.out + running.err
    assert code == 78, said
    assert str(odd.point / name) in said
    assert "folders.work" in said if name == "inbox" else f"folders.{name}" in said
    assert endpoint.requests == []
    assert set(tree(station.folders.inbox)) == {"cat.png", "cat.txt"}


@pytest.fixture
def place(tmp_path: Path, odd: Odd) -> Place:
    """
    Return folders of which outbox, done, error and inbox lie on a filesystem of neither kind of rename.
    """
    fuse_fs.rclone(odd)
    return Place.under(odd.point)


def _deliver(place: Place, job: Job) -> None:
    for _ in range(10):
        job_state = place.job_state(job)
        if job_state.phase is Phase.PUBLISHING:
            all_steps(place.delivery.publish(job_state))
        elif job_state.phase is Phase.ARCHIVING:
            all_steps(place.delivery.archive(job_state))
    assert place.job_state(job).phase is Phase.OVER


@pytest.mark.parametrize("content", [b"", b"theirs"], ids=["an empty file", "a file"])
def test_whatever_has_the_name_keeps_it(place: Place, content: bytes) -> None:
    """
    Somebody's empty file is not taken for one of ours, neither in the outbox nor in done or the inbox.
    """
    job = place.planned()
    for taken in (place.folders.outbox / "cat.png", place.folders.done / "cat.job.json"):
        taken.write_bytes(content)
    other = place.claimed("dog.png")
    (place.folders.inbox / "dog.png").write_bytes(content)

    _deliver(place, job)
    assert place.spool.give_back(other) == ["dog_2.png"]

    assert tree(place.folders.outbox) == {"cat.png": content, "cat_2.png": b"edit 1"}
    done = tree(place.folders.done)
    assert done.pop("cat.job.json") == content
    assert set(done) == {"cat_2.job.json", "cat_2.png", "cat_2.txt"}
    assert tree(place.folders.inbox) == {"dog.png": content, "dog_2.png": content_of("dog.png")}


def test_what_somebody_writes_into_the_name_kept_free_is_theirs(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A program that opens our empty file and writes to it, before the picture gets there, loses nothing.
    """
    make_empty = durable.make_empty

    def written_into(path: nofollow.Where) -> None:
        make_empty(path)
        nofollow.path_of(path).write_bytes(b"theirs")

    job = place.planned()
    with monkeypatch.context() as somebody:
        somebody.setattr(durable, "make_empty", written_into)
        all_steps(place.delivery.publish(place.job_state(job)))
    _deliver(place, job)

    assert tree(place.folders.outbox) == {"cat.png": b"theirs", "cat_2.png": b"edit 1"}


def test_a_reservation_that_fails_is_taken_back(odd: Odd, place: Place) -> None:
    """
    A rename that the disk refuses leaves no empty file in the outbox, and goes on once that is mended.
    """
    job = place.planned()
    odd.fail("rename", errno.EIO)
    with pytest.raises(Blocked, match="outbox cannot be written"):
        all_steps(place.delivery.publish(place.job_state(job)))
    assert os.listdir(place.folders.outbox) == []

    odd.clear("fail-rename")
    _deliver(place, job)
    assert tree(place.folders.outbox) == {"cat.png": b"edit 1"}


def test_nobody_who_makes_files_is_ever_overwritten(place: Place) -> None:
    """
    Somebody makes files under the very names, as fast as they can: theirs and ours all are there in the end.
    """
    is_over = threading.Event()
    theirs: set[str] = set()

    def make_some() -> None:
        while not is_over.is_set():
            for number in range(20):
                path = place.folders.outbox / f"cat{number}.png"
                try:
                    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                except FileExistsError:
                    continue
                os.write(fd, b"theirs")
                os.close(fd)
                theirs.add(path.name)

    jobs = [place.planned(f"cat{number}.png") for number in range(20)]
    somebody = threading.Thread(target=make_some)
    somebody.start()
    try:
        for job in jobs:
            _deliver(place, job)
    finally:
        is_over.set()
        somebody.join()

    found = tree(place.folders.outbox)
    assert {name for name, raw in found.items() if raw == b"theirs"} == theirs
    assert sum(raw == b"edit 1" for raw in found.values()) == len(jobs)


def test_two_cases_of_one_name_are_one_name(odd: Odd) -> None:
    """
    `Cat.png` does not overwrite `cat.png` where they are the same, nor does its record.
    """
    fuse_fs.exfat(odd)
    place = Place.under(odd.point)
    (place.folders.outbox / "cat.png").write_bytes(b"theirs")
    (place.folders.done / "cat.txt").write_bytes(b"theirs, too")

    _deliver(place, place.planned("Cat.png", "Cat.txt"))

    assert tree(place.folders.outbox) == {"cat.png": b"theirs", "Cat_2.png": b"edit 1"}
    done = tree(place.folders.done)
    assert done.pop("cat.txt") == b"theirs, too"
    assert set(done) == {"Cat_2.job.json", "Cat_2.png", "Cat_2.txt"}


@pytest.mark.parametrize(
    "name", ["what?.png", "a:b.png", 'say "hi".png', "a|b.png", "new\nline.png"]
)
@pytest.mark.parametrize("root", ["outbox", "done", "error"])
def test_a_name_that_the_folder_does_not_take_is_told(
    tmp_path: Path, odd: Odd, name: str, root: str
) -> None:
    """
    The job waits, and the reason names file and folder; with the folder elsewhere it goes on.
    """
    fuse_fs.exfat(odd)
    place = Place.under(tmp_path / "here", **{root: odd.point / root})
    job = (place.claimed if root == "error" else place.edited)(name)
    problems = [PROBLEM] if root == "error" else []

    with pytest.raises(Blocked) as told:
        _end(place, job, problems)

    stem = name.partition(".")[0].replace("\n", "\\n")
    assert str(odd.point / root) in str(told.value)
    assert f"takes no file named {stem}" in str(told.value)
    _end(Place.under(tmp_path / "here"), job, problems)


def _end(place: Place, job: Job, problems: Sequence[Problem]) -> None:
    if place.job_state(job).plan is None:
        all_steps(place.delivery.plan(place.job_state(job), [problems] if problems else (), NOW))
    _deliver(place, job)


@pytest.mark.parametrize("operation", ["chmod", "utimens", "chown", "fsyncdir"])
@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_times_and_modes_need_not_be_kept(
    tmp_path: Path, odd: Odd, operation: str, code: int
) -> None:
    """
    What is copied there is published all the same.
    """
    if (operation, code) == ("fsyncdir", errno.EPERM):
        code = errno.EINVAL
    odd.fail(operation, code)
    fuse_fs.rclone(odd)
    place = Place.under(tmp_path / "here", outbox=odd.point / "outbox", done=odd.point / "done")

    _deliver(place, place.planned())

    assert tree(place.folders.outbox) == {"cat.png": b"edit 1"}
    assert set(tree(place.folders.done)) == {"cat.job.json", "cat.png", "cat.txt"}


@pytest.mark.parametrize("inodes", ["path", "time 50", "time 400"])
def test_files_whose_numbers_change_are_taken_and_edited(
    station: Station, odd: Odd, inodes: str
) -> None:
    """
    Each once, and none is given back more than a few times before that is known; all at once they may be.
    """
    odd.write("inodes", inodes)
    odd.fail("noreplace", errno.EINVAL)
    endpoint = station.endpoint()
    _move_to(station, odd, ALL, endpoint={"base_url": endpoint.url}, intake=QUICK)
    running = station.start("run").ready()
    for number in range(6):
        station.drop(f"cat{number}.png")

    running.until(lambda: len(list(station.folders.done.glob("*.job.json"))) == 6)

    assert len(endpoint.requests) == 6
    returned = Counter(line["name"] for line in running.events("job.returned"))
    assert max(returned.values(), default=0) <= 3
    assert running.events("watch.lost") == []


def test_a_probe_finds_out_which_numbers_say_nothing(odd: Odd, tmp_path: Path) -> None:
    """
    By renames and links of a file of its own.
    """
    assert probes.unnamable(odd.point, "folders.outbox", tmp_path) is None
    assert filesystems.are_kept(odd.point.stat().st_dev)

    odd.write("inodes", "path")
    assert probes.unnamable(odd.point, "folders.outbox", tmp_path) is None

    assert not filesystems.are_kept(odd.point.stat().st_dev)
    assert filesystems.are_kept(tmp_path.stat().st_dev)


def test_two_files_are_never_the_same_where_numbers_say_nothing(odd: Odd) -> None:
    """
    Of the same size and time, and yet two: neither is removed as the other's second name.
    """
    fuse_fs.rclone(odd)
    place = Place.under(odd.point)
    probes.unnamable(place.folders.inbox, "folders.inbox", place.folders.work)
    job = place.claimed("cat.png")
    here = place.spool.folder(job.id) / "originals/cat.png"
    again = place.folders.inbox / "cat.png"
    again.write_bytes(content_of("tac.png"))
    os.utime(again, ns=(here.stat().st_atime_ns, here.stat().st_mtime_ns))

    assert place.spool.claim(job)
    place.spool.prepare()

    assert again.read_bytes() == content_of("tac.png")
    assert here.read_bytes() == content_of("cat.png")


def test_what_a_killed_submit_left_is_cleared_with_its_reservation(odd: Odd) -> None:
    """
    The empty file and the note, after a day; a file that somebody wrote meanwhile stays.
    """
    fuse_fs.rclone(odd)
    with nofollow.opened_folder(odd.point, "") as folder:
        for name in ("cat.png", "dog.png"):
            hidden = folder / f".retouchd-drop-0123abcd-{name[0]}"
            moves._reserve(moves._note(hidden, folder / name), folder / name)
        (odd.point / "dog.png").write_bytes(b"theirs")
        old = time.time() - 2 * 24 * 3600
        for path in odd.point.iterdir():
            os.utime(path, (old, old))

        clear_leftovers(folder)

    assert tree(odd.point) == {"dog.png": b"theirs"}
