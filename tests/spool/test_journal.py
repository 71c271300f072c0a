"""
The redo journal: what a power cut takes away of a job's documents is there again at the next start.
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import NOW, Place, a_job, tree
from retouchd.disk import durable
from retouchd.errors import Blocked
from retouchd.job.model import Opened
from retouchd.spool import journal
from retouchd.spool.phase import Phase
from retouchd.spool.spool import Spool


def started_anew(place: Place) -> Spool:
    spool = Spool(work=place.folders.work, inbox=place.folders.inbox)
    spool.prepare()
    return spool


def lines_in(place: Place) -> list[bytes]:
    return (place.folders.work / "journal.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize("is_torn", [True, False], ids=["torn", "gone"])
@pytest.mark.parametrize("name", ["job.json", "attempt-1-1.open", "attempt-1-1.json", "plan.json"])
def test_a_document_that_a_power_cut_took_is_there_again(
    tmp_path: Path, name: str, *, is_torn: bool
) -> None:
    place = Place.under(tmp_path)
    job = place.planned()
    path = place.spool.folder(job.id) / name
    before = path.read_bytes()
    path.unlink()
    if is_torn:
        path.write_bytes(before[: len(before) // 2])

    started_anew(place)

    assert path.read_bytes() == before


def test_a_job_that_was_over_and_is_put_back_stays_as_it_was(tmp_path: Path) -> None:
    """
    Of a backup, in which it has gone less far: what was noted of it since is none of that directory.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    folder = place.spool.folder(job.id)
    shutil.copytree(folder, tmp_path / "backup")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    shutil.rmtree(folder / "originals")
    (folder / "originals").mkdir()
    place.spool.discard(job.id)
    place.spool.settle()
    (tmp_path / "backup").rename(folder)
    before = tree(folder)

    started_anew(place)

    assert tree(folder) == before


def test_a_whole_answer_gets_its_name_again(tmp_path: Path) -> None:
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    with place.spool.keep(job.id, (1, 1), {"status": 200}) as file:
        file.write(b"paid for")
        file.commit()
    answer = place.spool.answer(job.id, (1, 1))
    answer.rename(answer.with_name("attempt-1-1.part"))

    spool = started_anew(place)

    assert answer.read_bytes().endswith(b"paid for")
    assert spool.load(job.id).phase is Phase.KEPT


def test_an_answer_that_was_not_whole_gets_none(tmp_path: Path) -> None:
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    with place.spool.keep(job.id, (1, 1), {"status": 200}) as file:
        file.write(b"paid f")
        file.sync()

    assert started_anew(place).load(job.id).phase is Phase.ASKING


def test_what_was_written_anew_since_is_left_as_it_is(tmp_path: Path) -> None:
    """
    A plan with other names, say, because those of the first one were taken.
    """
    place = Place.under(tmp_path)
    job = place.planned()
    plan = place.job_state(job).plan
    assert plan is not None
    place.spool.fix(job.id, plan)
    path = place.spool.folder(job.id) / "plan.json"
    path.write_bytes(path.read_bytes().replace(b"cat", b"dog"))
    before = path.read_bytes()

    started_anew(place)

    assert path.read_bytes() == before


def test_a_torn_line_hides_no_other(tmp_path: Path) -> None:
    place = Place.under(tmp_path)
    first = place.claimed("cat.png", "cat.txt")
    with (place.folders.work / "journal.jsonl").open("ab") as file:
        file.write(b'{"job": "2026')
    second = place.claimed("dog.png", "dog.txt")
    for job in (first, second):
        (place.spool.folder(job.id) / "job.json").unlink()
        with pytest.raises(Blocked, match=r"job\.json is gone"):
            place.spool.load(job.id)

    spool = started_anew(place)

    assert [each.id for each in spool.jobs()] == [first.id, second.id]


def test_a_start_changes_nothing_where_nothing_was_lost(tmp_path: Path) -> None:
    """
    Nor does it bring back a job that is over.
    """
    place = Place.under(tmp_path)
    gone = a_job()
    place.spool.open(gone)
    place.planned()
    place.spool.discard(gone.id)
    before = tree(place.folders.work)

    started_anew(place)

    assert tree(place.folders.work) == before


def test_it_does_not_grow_with_the_jobs_that_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Those that are not keep their lines, whenever it is written anew.
    """
    monkeypatch.setattr(journal, "_LEAST_BYTES", 4096)
    place = Place.under(tmp_path)
    kept = a_job()
    place.spool.open(kept)
    for _ in range(50):
        job = a_job()
        place.spool.open(job)
        place.spool.discard(job.id)

    assert len(lines_in(place)) < 20
    assert kept.id in lines_in(place)[0].decode()


class OrderOfSyncs:
    """
    The system, with the names of what was synced and renamed, in that order.
    """

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, fd: int) -> None:
        self.done.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        os.fsync(fd)

    def rename(self, source: Path, target: Path, **more: Any) -> None:
        self.done.append(f"-> {Path(target).name}")
        os.rename(source, target, **more)


def test_lines_go_once_their_jobs_are_durably_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Else a power cut would bring back a job, and nothing that was noted of it.
    """
    monkeypatch.setattr(journal, "_LEAST_BYTES", 1)
    place = Place.under(tmp_path)
    gone = a_job()
    place.spool.open(gone)
    place.spool.discard(gone.id)
    system = OrderOfSyncs()
    monkeypatch.setattr(durable, "os", system)

    place.spool.open(a_job())

    anew = system.done.index("-> journal.jsonl")
    assert {"trash", "jobs"} <= set(system.done[:anew])
    assert system.done[anew - 1] == "journal.jsonl.tmp"


def open_attempt(spool: Spool, job_id: str) -> None:
    spool.open_attempt(job_id, (1, 1), Opened(sent_at=NOW))


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_note_that_the_journal_does_not_take_leaves_no_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """
    Nobody reads there what was never durable; later the same is noted.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")

    class Full(OrderOfSyncs):
        def __getattr__(self, name: str) -> Any:
            return self.fail_at(getattr(os, name)) if name == call else getattr(os, name)

        def fail_at(self, function: Callable[..., Any]) -> Callable[..., Any]:
            def failing(where: Any, *about: Any, **more: Any) -> Any:
                path = Path(f"/proc/self/fd/{where}").readlink() if call == "fsync" else where
                if Path(path).name == "journal.jsonl":
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return function(where, *about, **more)

            return failing

    with monkeypatch.context() as broken:
        broken.setattr(durable, "os", Full())
        if call == "fsync":
            broken.setattr(Full, "fsync", property(lambda self: self.fail_at(os.fsync)))
        with pytest.raises(OSError, match="No space left"):
            open_attempt(place.spool, job.id)

    assert place.job_state(job).phase is Phase.CLAIMED
    open_attempt(place.spool, job.id)
    assert place.job_state(job).phase is Phase.ASKING


@pytest.mark.parametrize("is_link", [True, False])
def test_an_answer_is_written_into_nothing_but_the_file_made_for_it(
    tmp_path: Path, *, is_link: bool
) -> None:
    """
    A link, or a file that has another name, is somebody else's.
    """
    place = Place.under(tmp_path)
    job = place.claimed("cat.png", "cat.txt")
    part = place.spool.folder(job.id) / "attempt-1-1.part"
    other = tmp_path / "mine"
    other.touch()
    part.unlink()
    if is_link:
        part.symlink_to(other)
    else:
        part.hardlink_to(other)

    with place.spool.keep(job.id, (1, 1), {"status": 200}) as file:
        file.write(b"paid for")
        file.commit()

    assert other.read_bytes() == b""
    assert place.spool.answer(job.id, (1, 1)).read_bytes().endswith(b"paid for")
