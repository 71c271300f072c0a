import ctypes
import errno
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builders import NOT_UTF8, NOW, Place, an_attempt, content_of, tree
from retouchd.disk import durable
from retouchd.disk.threads import all_steps
from retouchd.errors import Blocked
from retouchd.job.model import Job, Opened, Verdict
from retouchd.spool import pictures
from retouchd.spool.documents import load_job
from retouchd.spool.phase import OUTPUTS, Phase, unsealed

LIBC = durable._libc


class LibcThatBreaks:
    """
    A C library whose renames fail after so many that went well.
    """

    def __init__(self, renames: int) -> None:
        self._left = renames

    def renameat2(self, *arguments: object) -> int:
        self._left -= 1
        if self._left >= 0:
            answer: int = LIBC.renameat2(*arguments)
            return answer
        ctypes.set_errno(errno.EIO)
        return -1


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.under(tmp_path)


@pytest.fixture
def break_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """
    Return what lets the disk fail after so many renames.
    """
    return lambda renames: monkeypatch.setattr(durable, "_libc", LibcThatBreaks(renames))


def inbox_of(place: Place) -> dict[str, bytes]:
    return tree(place.folders.inbox)


def originals_of(place: Place, job: Job) -> dict[str, bytes]:
    return tree(place.spool.folder(job.id) / "originals")


def test_a_job_is_written_before_anything_is_claimed(place: Place) -> None:
    """
    All that must be known of it is in the spool while its files are still in the inbox.
    """
    job = place.dropped("cat.png", "cat.txt")

    place.spool.open(job)

    assert job == place.job_state(job).job
    assert Phase.EMPTY is place.job_state(job).phase
    assert {"cat.png", "cat.txt"} == inbox_of(place).keys()


@pytest.mark.parametrize("stem", ["cat", "猫", NOT_UTF8, "new\nline", "x" * 251])
def test_a_claim_renames_all_members(place: Place, stem: str) -> None:
    """
    Under their own names and byte for byte, whatever the names are.
    """
    names = [f"{stem}.png", f"{stem}.txt"]

    job = place.claimed(*names, folder="shoes")

    assert {name: content_of(name) for name in names} == originals_of(place, job)
    assert inbox_of(place) == {}
    assert Phase.CLAIMED is place.job_state(job).phase


def test_the_image_is_claimed_first(place: Place, break_after: Callable[[int], None]) -> None:
    """
    Whoever has the image has the job; what is left is claimed by going on.
    """
    job = place.dropped("cat.png", "cat.txt", "cat.mask.png")
    place.spool.open(job)
    break_after(1)

    with pytest.raises(OSError, match="error"):
        place.spool.claim(job)

    assert {"cat.png"} == originals_of(place, job).keys()
    assert Phase.CLAIMING is place.job_state(job).phase
    break_after(9)
    assert place.spool.claim(job)
    assert Phase.CLAIMED is place.job_state(job).phase


@pytest.mark.parametrize("changed", ["cat.png", "cat.txt"])
def test_a_changed_file_is_left_alone(place: Place, changed: str) -> None:
    """
    It is not the file that was seen, and belongs to somebody's newer bundle.
    """
    job = place.dropped("cat.png", "cat.txt")
    (place.folders.inbox / changed).write_bytes(b"newer and longer than before")
    place.spool.open(job)

    assert not place.spool.claim(job)

    assert changed in inbox_of(place)
    assert "cat.txt" in inbox_of(place)


def test_a_file_that_is_gone_stops_the_claim(place: Place) -> None:
    """
    Another daemon was faster: the job holds nothing and is let go.
    """
    job = place.dropped("cat.png", "cat.txt")
    (place.folders.inbox / "cat.png").unlink()
    place.spool.open(job)

    assert not place.spool.claim(job)

    assert Phase.EMPTY is place.job_state(job).phase
    place.spool.discard(job.id)
    assert place.spool.ids() == []


def test_a_claim_found_between_link_and_unlink_is_finished(place: Place) -> None:
    """
    On a filesystem that needs both, a crash leaves no second name in the inbox to be asked for again.
    """
    job = place.dropped("cat.png", "cat.txt")
    place.spool.open(job)
    original = place.spool.folder(job.id) / "originals" / "cat.png"
    original.hardlink_to(place.folders.inbox / "cat.png")

    assert place.spool.claim(job)

    assert inbox_of(place) == {}
    assert {"cat.png", "cat.txt"} == originals_of(place, job).keys()


def test_a_start_ends_claims_that_show_a_file_twice(place: Place) -> None:
    """
    Before anything is looked at, so that no claimed file is taken for a new one.
    """
    job = place.claimed("cat.png", "cat.txt")
    original = place.spool.folder(job.id) / "originals" / "cat.png"
    (place.folders.inbox / "cat.png").hardlink_to(original)
    (place.folders.inbox / "cat.txt").write_bytes(b"newer")

    place.spool.prepare()

    assert inbox_of(place) == {"cat.txt": b"newer"}
    assert {"cat.png", "cat.txt"} == originals_of(place, job).keys()


def test_giving_back_is_the_claim_reversed(
    place: Place, break_after: Callable[[int], None]
) -> None:
    """
    The image goes last; a half-done return reads as a half-done claim and is claimed again.
    """
    job = place.claimed("cat.png", "cat.txt", "cat.mask.png")
    break_after(2)

    with pytest.raises(OSError, match="error"):
        place.spool.give_back(job)

    assert {"cat.png"} == originals_of(place, job).keys()
    assert Phase.CLAIMING is place.job_state(job).phase
    break_after(9)
    assert place.spool.claim(job)
    assert Phase.CLAIMED is place.job_state(job).phase


def test_what_is_given_back_is_as_it_was(place: Place) -> None:
    """
    Names and bytes, in a folder that is made again if it is gone.
    """
    job = place.claimed("cat.png", "cat.txt", folder="shoes/red")
    (place.folders.inbox / "shoes/red").rmdir()

    place.spool.give_back(job)

    names = ("cat.png", "cat.txt")
    assert {f"shoes/red/{name}": content_of(name) for name in names} == inbox_of(place)
    assert Phase.EMPTY is place.job_state(job).phase


@pytest.mark.parametrize("taken", ["cat.png", "cat.txt", "cat.png.txt"])
def test_a_taken_name_gives_the_whole_group_another_stem(place: Place, taken: str) -> None:
    """
    A newer file of that name is never overwritten, nor given a prompt that is not its own.
    """
    job = place.claimed("cat.png", "cat.png.txt", "cat.txt")
    (place.folders.inbox / taken).write_bytes(b"newer")

    place.spool.give_back(job)

    returned = {f"cat_2{end}": content_of(f"cat{end}") for end in (".png", ".png.txt", ".txt")}
    assert returned | {taken: b"newer"} == inbox_of(place)


def test_new_names_are_durable_before_the_first_file_goes(
    place: Place, break_after: Callable[[int], None]
) -> None:
    """
    After a crash the job finds its own files under their new names.
    """
    job = place.claimed("cat.png", "cat.txt")
    (place.folders.inbox / "cat.png").write_bytes(b"newer")
    break_after(1)

    with pytest.raises(OSError, match="error"):
        place.spool.give_back(job)

    renamed = load_job((place.spool.folder(job.id) / "job.json").read_bytes())
    assert [each.inbox_name for each in renamed.members] == ["cat_2.png", "cat_2.txt"]
    assert {"cat.png", "cat_2.txt"} == inbox_of(place).keys()
    break_after(9)
    assert place.spool.claim(renamed)
    place.spool.give_back(renamed)
    assert {"cat.png", "cat_2.png", "cat_2.txt"} == inbox_of(place).keys()


def test_a_return_found_between_link_and_unlink_is_finished(place: Place) -> None:
    """
    The file's own second name does not count as taken: the picture is not there twice.
    """
    job = place.claimed("cat.png", "cat.txt")
    place.spool.folder(job.id).joinpath("originals/cat.txt").rename(place.folders.inbox / "cat.txt")
    (place.folders.inbox / "cat.png").hardlink_to(
        place.spool.folder(job.id) / "originals" / "cat.png"
    )

    place.spool.give_back(job)

    assert {"cat.png", "cat.txt"} == inbox_of(place).keys()


def test_composed_and_decomposed_twins_can_be_given_back(place: Place) -> None:
    """
    Two files whose names differ only in their form both find a place.
    """
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    job = place.claimed(*names, "é.txt")
    (place.folders.inbox / "é.txt").write_bytes(b"newer")

    place.spool.give_back(job)

    assert {b"newer", *map(content_of, (*names, "é.txt"))} == set(inbox_of(place).values())


def test_an_answer_is_kept_whole_or_not_at_all(place: Place) -> None:
    """
    Until it is committed the attempt is in doubt; afterwards it is never asked for again.
    """
    job = place.claimed("cat.png", "cat.txt")
    opened = Opened(sent_at=NOW, probe=True, pictures=2, estimate_usd=0.25)
    place.spool.open_attempt(job.id, (1, 1), opened)
    assert place.job_state(job).opened == {1: opened}
    file = place.spool.keep(job.id, (1, 1), {"status": 200})
    file.write(b'{"data"\n: []}')
    assert Phase.ASKING is place.job_state(job).phase
    assert place.spool.half_kept(job.id, (1, 1)) == b'{"data"\n: []}'

    file.commit()

    assert Phase.KEPT is place.job_state(job).phase
    assert place.spool.answer(job.id, (1, 1)).read_bytes() == b'{"status": 200}\n{"data"\n: []}'
    assert place.job_state(job).opened == {1: opened}


def test_a_note_that_somebody_removed_is_asked_for_by_name(place: Place) -> None:
    """
    Without it nobody knows when a kept answer was asked for, and what it may have cost.
    """
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    with place.spool.keep(job.id, (1, 1), {"status": 200}) as file:
        file.commit()
    (place.spool.folder(job.id) / "attempt-1-1.open").unlink()

    assert place.job_state(job).phase is Phase.KEPT
    with pytest.raises(Blocked, match=rf"attempt-1-1\.open is gone from jobs/{job.id}"):
        _ = place.job_state(job).edits[0].opened


def test_pictures_appear_all_at_once(place: Place) -> None:
    """
    What was half decoded is started over; numbers order them, not letters.
    """
    job = place.claimed("cat.png", "cat.txt")
    folder = place.spool.folder(job.id)
    pictures.begin(folder / unsealed(1))
    pictures.add(pictures.unnamed(folder / unsealed(1), 1, 7), [b"half"])
    pictures.begin(folder / unsealed(1))
    for number in (2, 10, 1):
        picture = pictures.unnamed(folder / unsealed(1), 1, number)
        pictures.add(picture, [b"edit"])
        pictures.give_name(picture, "png")
    assert place.job_state(job).edits[0].outputs == []

    pictures.seal_received(folder, 1)

    found = [f"outputs/1-{number}.png" for number in (1, 2, 10)]
    assert place.job_state(job).edits[0].outputs == found


def test_a_picture_that_a_power_cut_left_in_both_places_is_sealed(place: Place) -> None:
    """
    One file under both names, which a rename over the other one leaves as they are.
    """
    job = place.claimed("cat.png", "cat.txt")
    folder = place.spool.folder(job.id)
    place.receive(job, 1, 2)
    pictures.begin(folder / unsealed(1))
    for number in (1, 2):
        (folder / unsealed(1) / f"1-{number}.png").hardlink_to(folder / f"outputs/1-{number}.png")
    assert place.job_state(job).edits[0].is_half_sealed

    pictures.seal_received(folder, 1)

    assert place.job_state(job).edits[0].outputs == ["outputs/1-1.png", "outputs/1-2.png"]


def test_crashes_are_noted_and_forgotten(place: Place) -> None:
    """
    One line for each, until the job makes progress.
    """
    job = place.claimed("cat.png", "cat.txt")

    place.spool.add_crash(job.id, "claimed")
    place.spool.add_crash(job.id, "kept")

    assert place.job_state(job).crashes == ("claimed", "kept")
    place.spool.clear_crashes(job.id)
    place.spool.clear_crashes(job.id)
    assert place.job_state(job).crashes == ()


def test_attempts_are_read_in_their_order(place: Place) -> None:
    """
    The tenth comes after the ninth.
    """
    job = place.claimed("cat.png", "cat.txt")
    for number in (10, 9, 1):
        place.spool.close_attempt(job.id, an_attempt(number, Verdict.TRANSIENT))

    job_state = place.job_state(job)

    assert [each.number for each in job_state.attempts] == [1, 9, 10]
    assert job_state.edits[0].number == 10


@pytest.mark.parametrize("name", ["job.json", "attempt-1-1.json", "plan.json"])
@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 2}', b"[" * 100_000, None],
    ids=lambda raw: repr(raw)[:16],
)
def test_a_damaged_document_names_where_the_originals_are(
    place: Place, name: str, raw: bytes | None
) -> None:
    """
    The job waits for a person, and the others go on, where the journal does not have it, either.
    """
    job = place.planned()
    all_steps(place.delivery.publish(place.job_state(job)))
    (place.folders.work / "journal.jsonl").unlink()
    (place.spool.folder(job.id) / "attempt-1-1.open").unlink()
    if raw is None:
        (place.spool.folder(job.id) / "job.json").unlink()
    else:
        (place.spool.folder(job.id) / name).write_bytes(raw)

    with pytest.raises(Blocked, match="originals"):
        place.job_state(job)

    place.spool.prepare()
    assert place.spool.suspects(list(Phase)) == []
    assert {"cat.png", "cat.txt"} == originals_of(place, job).keys()


def test_what_others_put_beside_the_jobs_is_let_alone(place: Place) -> None:
    """
    A person's pictures, or the folder that an indexer leaves everywhere: no job is made of them or swept away.
    """
    for name in ("@eaDir", "holiday"):
        (place.folders.work / "jobs" / name).mkdir()
    (place.folders.work / "jobs/holiday/cat.png").write_bytes(b"cat")

    place.spool.prepare()

    assert place.spool.ids() == []
    assert (place.folders.work / "jobs/holiday/cat.png").read_bytes() == b"cat"


def test_suspects_come_with_the_fewest_crashes_first(place: Place) -> None:
    """
    Those that stand elsewhere in their life are none.
    """
    jobs = [place.claimed(f"{n}.png", f"{n}.txt") for n in range(3)]
    place.edited()
    for job in (jobs[0], jobs[0], jobs[1]):
        place.spool.add_crash(job.id, "claimed")

    expected = [jobs[2].id, jobs[1].id, jobs[0].id]

    assert expected == place.spool.suspects([Phase.CLAIMED])


def test_a_job_that_holds_an_original_is_never_discarded(place: Place) -> None:
    """
    Whatever the caller believes, the person's file stays where it is.
    """
    job = place.claimed("cat.png", "cat.txt")

    with pytest.raises(OSError, match="not empty"):
        place.spool.discard(job.id)

    assert {"cat.png", "cat.txt"} == originals_of(place, job).keys()
    assert [job.id] == place.spool.ids()


def test_the_trash_is_emptied_at_the_next_start(place: Place) -> None:
    """
    A job forgotten half-way leaves nothing behind.
    """
    job = place.claimed("cat.png")
    place.spool.give_back(job)
    trash = place.folders.work / "trash" / job.id
    place.spool.folder(job.id).rename(trash)

    place.spool.prepare()

    assert os.listdir(trash.parent) == []


def test_stray_files_in_the_work_folder_stop_nobody(place: Place) -> None:
    """
    What a file manager leaves there is no job and no trash of ours.
    """
    job = place.claimed("cat.png", "cat.txt")
    for name in ("jobs", "trash"):
        (place.folders.work / name / ".DS_Store").write_bytes(b"junk")

    place.spool.prepare()

    assert place.spool.ids() == [job.id]


@pytest.mark.parametrize("end", [0, 1, 20, -2])
def test_a_torn_note_of_a_request_was_never_sent(place: Place, end: int) -> None:
    """
    It is sent when the note is durable: one that a power cut tore is none, and the next one takes its number.
    """
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    path = place.spool.folder(job.id) / "attempt-1-1.open"
    path.write_bytes(path.read_bytes()[:end])

    assert place.job_state(job).phase is Phase.CLAIMED
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW, probe=True))
    assert place.job_state(job).edits[0].opened == Opened(sent_at=NOW, probe=True)


def test_a_torn_verdict_is_judged_again(place: Place) -> None:
    """
    The answer it was derived from is there still.
    """
    job = place.claimed("cat.png", "cat.txt")
    place.spool.open_attempt(job.id, (1, 1), Opened(sent_at=NOW))
    with place.spool.keep(job.id, (1, 1), {"status": 200}) as answer:
        answer.commit()
    place.receive(job, 1)
    place.spool.close_attempt(job.id, an_attempt(1, Verdict.DONE), is_derived=True)
    path = place.spool.folder(job.id) / "attempt-1-1.json"
    path.write_bytes(b"")

    state = place.job_state(job)

    assert state.phase is Phase.KEPT
    assert state.attempts == ()
    assert state.edits[0].outputs == ["outputs/1-1.png"]


def test_a_plan_tells_of_the_attempts_that_it_rests_on(place: Place) -> None:
    """
    Their own documents need not be durable when the plan is.
    """
    job = place.planned()
    before = place.job_state(job).attempts
    (place.spool.folder(job.id) / "attempt-1-1.json").write_bytes(b"")

    state = place.job_state(job)

    assert state.phase is Phase.PUBLISHING
    assert state.attempts == before


def test_a_torn_plan_is_made_again(place: Place) -> None:
    """
    Nothing was renamed because of it.
    """
    job = place.planned()
    path = place.spool.folder(job.id) / "plan.json"
    path.write_bytes(path.read_bytes()[:50])

    assert place.job_state(job).phase is Phase.EDITED


def test_a_torn_job_holds_nothing(place: Place) -> None:
    """
    Nothing is claimed before it is durable. Beside originals it was torn later, and a person must look.
    """
    job = place.dropped("cat.png", "cat.txt")
    place.spool.open(job)
    path = place.spool.folder(job.id) / "job.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:30])
    assert place.job_state(job).phase is Phase.EMPTY

    path.write_bytes(whole)
    assert place.spool.claim(job)
    path.write_bytes(whole[:30])

    with pytest.raises(Blocked, match=r"is damaged"):
        place.job_state(job)


def test_pictures_of_two_edits_may_be_sealed_at_the_same_moment(tmp_path: Path) -> None:
    """
    Whichever comes first becomes the folder; the other one's join it.
    """
    for attempt in range(50):
        folder = tmp_path / str(attempt)
        start = threading.Barrier(2)
        for edit in (1, 2):
            (folder / unsealed(edit)).mkdir(parents=True)
            (folder / unsealed(edit) / f"{edit}-1.png").write_bytes(b"picture")

        def seal(edit: int, folder: Path = folder, start: threading.Barrier = start) -> None:
            start.wait()
            pictures.seal_received(folder, edit)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(seal, (1, 2)))

        assert sorted(path.name for path in (folder / OUTPUTS).iterdir()) == ["1-1.png", "2-1.png"]
