"""
What makes two jobs the same, and what it costs to know it.
"""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from builders import Place, a_job, member
from opening import watch_openings
from retouchd.disk import file_stat
from retouchd.inbox.duplicates import Duplicates
from retouchd.inbox.held import HeldError, NotYetError
from retouchd.job.model import Job, Reference, Request, Snapshot
from retouchd.spool import finished_index
from retouchd.spool.fingerprint import Fingerprint, Policy, already_done, fingerprint, outlines
from retouchd.spool.history import History
from retouchd.spool.history_recovery import Recovery

_HASH = "0" * 64
REQUEST = a_job().request


def test_everything_that_is_sent_counts() -> None:
    """
    Other bytes, another mask, other references or another request make another job; who said it does not.
    """
    same = fingerprint(5, REQUEST, "a", None, [])

    others = [
        fingerprint(5, REQUEST, "b", None, []),
        fingerprint(5, REQUEST, "a", "m", []),
        fingerprint(5, REQUEST, "a", None, ["m"]),
        fingerprint(5, REQUEST, "a", None, ["m", "n"]),
        fingerprint(5, replace(REQUEST, model="other"), "a", None, []),
        fingerprint(5, replace(REQUEST, prompt="other"), "a", None, []),
        fingerprint(5, replace(REQUEST, parameters={"n": 1}), "a", None, []),
    ]

    turned = dict(reversed(list(REQUEST.parameters.items())))
    again = replace(REQUEST, parameters=turned, origin={})
    assert fingerprint(5, again, "a", None, []) == same
    assert len({each.sha256 for each in [same, *others]}) == 8


def test_sizes_tell_without_reading() -> None:
    """
    Jobs whose pictures differ in size, or whose requests differ, need not be read.
    """
    other = replace(member("cat.png"), snapshot=Snapshot(size=9, mtime_ns=1, inode=7, device=1))
    reference = Reference(path="floor.png", snapshot=other.snapshot)

    assert outlines(a_job()) == outlines(a_job(member("dog.png"), member("dog.prompt")))
    assert outlines(a_job()) != outlines(a_job(other))
    assert outlines(a_job()) != outlines(a_job(references=(reference,)))
    assert outlines(a_job()) != outlines(a_job(request=replace(REQUEST, prompt="other")))


def test_the_reason_says_what_became_of_it_and_what_to_do() -> None:
    """
    A photographer reads where the result is, when it was made, and how to have it made again.
    """
    line = {
        "folder": "shoes",
        "outputs": ["shoes/red-1.png", "shoes/red-2.png"],
        "record": "red.job.json",
        "finished_at": "2026-11-23T12:00:00.000Z",
    }

    reason = already_done(line)

    assert "on 2026-11-23 at " in reason
    assert "outbox/shoes/red-1.png, outbox/shoes/red-2.png" in reason
    assert "done/shoes/red.job.json" in reason
    assert "change its prompt" in reason
    assert 'intake.duplicates to "run"' in reason


def test_where_the_files_lie_does_not_matter(tmp_path: Path) -> None:
    """
    A job is known by the same in the inbox and in work.
    """
    place = Place.under(tmp_path)
    job = place.dropped("cat.png", "cat.txt", "cat.mask.png")
    before = finished_index.in_inbox(job, place.folders.inbox)
    place.spool.open(job)
    assert place.spool.claim(job)

    assert before == finished_index.in_work(job, place.spool.folder(job.id))


def test_a_file_that_changes_while_it_is_read_is_not_judged(tmp_path: Path) -> None:
    """
    The fingerprint is that of the very file that was seen, or none.
    """
    place = Place.under(tmp_path)
    job = place.dropped("cat.png", "cat.txt")
    (place.folders.inbox / "cat.png").write_bytes(b"another")

    with pytest.raises(FileNotFoundError):
        finished_index.in_inbox(job, place.folders.inbox)


def test_links_are_not_followed(tmp_path: Path) -> None:
    """
    A file that was swapped for a link is not read.
    """
    place = Place.under(tmp_path)
    job = place.dropped("cat.png", "cat.txt")
    image = place.folders.inbox / "cat.png"
    image.rename(tmp_path / "cat.png")
    image.symlink_to(tmp_path / "cat.png")

    with pytest.raises(OSError, match="links"):
        finished_index.in_inbox(job, place.folders.inbox)


def holds_none(folder: str, name: str) -> bool:
    """
    Stands for an index by which nothing else lies in the inbox.
    """
    return False


def _with_bytes(place: Place, name: str, content: bytes) -> Job:
    path = place.folders.inbox / name
    path.write_bytes(content)
    return a_job(member(name, file_stat.snapshot(path)))


def _recovery(place: Place) -> Recovery:
    history = History(place.folders.work)
    recovery = Recovery(folders=place.folders, history=history, spool=place.spool)
    recovery.learn()
    return recovery


def _duplicates(place: Place, recovery: Recovery) -> Duplicates:
    return Duplicates(policy=Policy.HOLD, recovery=recovery, folders=place.folders)


def test_only_pictures_of_a_known_size_are_read(tmp_path: Path) -> None:
    """
    Of many candidates just those are opened whose size a finished job or one in work has.
    """
    place, history = Place.under(tmp_path), History(tmp_path / "work")
    history.add({"id": "a", "fingerprint": {"size": 7, "sha256": _HASH}})
    duplicates = _duplicates(place, _recovery(place))
    ahead = _with_bytes(place, "ahead.png", b"x" * 9)
    duplicates.take(ahead, lambda: finished_index.in_inbox(ahead, place.folders.inbox))
    jobs = [_with_bytes(place, f"{n}.png", b"c" * n) for n in range(1, 12)]
    opened = watch_openings()

    for job in jobs:
        duplicates.check(job, holds_none)

    assert {"7.png", "9.png", "ahead.png"} == {name for name in opened if name.endswith(".png")}


def test_a_line_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    """
    A person may shorten the history while the daemon runs.
    """
    place, history = Place.under(tmp_path), History(tmp_path / "work")
    job = _with_bytes(place, "cat.png", b"cat")
    (found,) = finished_index.in_inbox(job, place.folders.inbox)
    history.add({"id": "0" * 99})
    history.add({"id": "a", "fingerprint": {"size": 3, "sha256": found.sha256}})
    recovery = _recovery(place)
    duplicates = _duplicates(place, recovery)
    with pytest.raises(HeldError):
        duplicates.check(job, holds_none)

    (tmp_path / "work/history.jsonl").write_bytes(b"")
    history.add({"id": "b"})

    with pytest.raises(NotYetError):
        duplicates.check(job, holds_none)
    recovery.learn()
    duplicates.check(job, holds_none)


def test_a_job_that_ends_while_it_is_looked_at_is_decided_by_its_end(tmp_path: Path) -> None:
    """
    Nobody waits for a job that is over by the time its pictures are read.
    """
    place, history = Place.under(tmp_path), History(tmp_path / "work")
    inbox = place.folders.inbox
    job, twin = (_with_bytes(place, name, b"cat") for name in ("cat.png", "twin.png"))
    (found,) = finished_index.in_inbox(job, inbox)
    duplicates = _duplicates(place, _recovery(place))
    line = {"id": job.id, "outputs": ["cat.png"], "record": "cat.job.json"}

    def end_meanwhile() -> tuple[Fingerprint]:
        history.add({**line, "fingerprint": {"size": 3, "sha256": found.sha256}})
        assert duplicates.over(job.id) == set()
        return (found,)

    duplicates.take(job, end_meanwhile)

    with pytest.raises(HeldError, match=r"outbox/cat\.png"):
        duplicates.check(twin, holds_none)


def test_ten_thousand_finished_jobs_fit_into_memory(tmp_path: Path) -> None:
    """
    Less than 3 MB are kept, at the start and while reading.
    """
    place = Place.under(tmp_path)
    line = (
        '{"id": "%d", "status": "done", "name": "cat", "folder": "shoes", "record": "cat_%d.job.json", '
        '"finished_at": "2026-11-29T12:00:00.000Z", "fingerprint": {"size": %d, "sha256": "%064x"}, '
        '"results": [{"path": "shoes/cat_%d.png", "bytes": %d, "sha256": "%064x"}], '
        '"original": {"size": %d, "sha256": "%064x"}}\n'
    )
    with (tmp_path / "work/history.jsonl").open("w") as file:
        for n in range(10_000):
            size, key = 1_000_000 + n, hash(str(n)) & (1 << 64) - 1
            file.write(line % (n, n, size, key << 192, n, size, key << 191, size, key << 190))
    job = _with_bytes(place, "cat.png", b"cat")

    tracemalloc.start()
    _duplicates(place, _recovery(place)).check(job, holds_none)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 3_000_000


GOLDEN = {
    "nothing set": (
        Request(model="gpt-image-2", prompt="make it blue"),
        None,
        (),
        "029023363944d1fa1124a75e298868515f2acbb37bc82081325b2fb1cf7acf08",
    ),
    "all set": (
        Request(
            model="gpt-image-2",
            prompt="改成蓝色\nand grey",
            parameters={"size": "match", "n": 2, "quality": "high", "lane": 3, "strict": True},
        ),
        "b" * 64,
        ("c" * 64, "d" * 64),
        "da675e2c312b0605fd5ddbca88a5128e59e8dcf86c6ba033f8c4c4a55eb68926",
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_a_fingerprint_never_changes(case: str) -> None:
    """
    Journals and records of years hold them: a later version must find the same, whatever it can do more.
    """
    request, mask, references, expected = GOLDEN[case]

    assert fingerprint(5, request, "a" * 64, mask, references).sha256 == expected
