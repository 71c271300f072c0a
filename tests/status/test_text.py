"""
`status.txt`: how things stand, for people who see folders only.
"""

import datetime as dt
import os
import re
import signal
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import Place
from process import Running, Station
from retouchd.inbox.waiting import READY, Waiting, WaitingFile
from retouchd.service.status_text_writer import place_of, post_text
from retouchd.status.progress import Batch, Progress
from retouchd.status.text import MARK, Day, Scene, body_of, written
from retouchd.status.text import Running as RunningJob

pytestmark = pytest.mark.slow(50)

NOW = dt.datetime(2026, 11, 28, 14, 3, 12, tzinfo=dt.UTC)
NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=30) | st.sampled_from(
    ["two\nlines.png", "\u202egnp.tac", "caf\udce9.jpg", "猫.png", "\x1b[31mred.png"]
)


def text(station: Station, name: str = "status.txt") -> str:
    """
    Return the text as a person sees it, empty while there is none.
    """
    place = station.root / name
    return place.read_bytes().decode("utf-8-sig").replace("\r\n", "\n") if place.is_file() else ""


def waiting(*files: WaitingFile, **kinds: int) -> Waiting:
    counts = {kind.replace("_", " "): count for kind, count in kinds.items()}
    return Waiting(pid=1, at=NOW, kinds=counts, pictures=sum(counts.values()), files=files)


@given(names=st.lists(NAMES, max_size=30), reason=NAMES)
def test_whatever_the_names_each_stays_on_its_line(names: list[str], reason: str) -> None:
    """
    UTF-8 with its mark and Windows' line ends, nothing in it that writes over or turns round what is seen.
    """
    files = [WaitingFile(folder="", name=name, reason=reason, kind="kind") for name in names]
    scene = Scene(
        paused=reason,
        troubles=names,
        running=[RunningJob(path=name, doing=reason) for name in names],
        running_count=len(names),
        waiting=replace(waiting(*files), kinds={"kind": len(names)}) if names else waiting(),
        day=Day(done=3, failed=names),
    )

    raw = written(body_of(scene), NOW)

    assert raw.startswith(MARK.encode())
    lines = raw.decode("utf-8-sig").split("\r\n")
    assert all(
        sign.isprintable() or unicodedata.category(sign) == "Zs" for line in lines for sign in line
    )
    assert len(lines) < 40 + 4 * len(names)
    assert lines[0].startswith("retouchd: written at 14:03:12 on 28 November 2026.")
    assert "ten minutes" in lines[0]


def test_long_lists_are_cut_with_a_count() -> None:
    """
    A hundred thousand files are a page.
    """
    files = [WaitingFile(folder="", name=f"{n}.png", reason=READY, kind=READY) for n in range(900)]

    told = body_of(Scene(waiting=waiting(*files, ready=100_000), day=Day(failed=["a.png"] * 500)))

    assert "100,000 files wait for their turn: 0.png, 1.png" in told
    assert "and 99,990 more" in told
    assert "and 490 more" in told
    assert len(told.splitlines()) < 40


def test_what_wants_something_says_what() -> None:
    """
    Each file its own sentence, with the time until which it may be mended.
    """
    lone = WaitingFile(
        folder="shoes",
        name="lone.png",
        reason="waits for its prompt, lone.txt",
        kind="waits for its prompt",
        until=NOW,
    )

    told = body_of(Scene(waiting=waiting(lone, waits_for_its_prompt=1)))

    assert (
        "- shoes/lone.png: waits for its prompt, lone.txt (otherwise it goes to the folder error at "
        in told
    )


def test_the_progress_of_a_batch() -> None:
    """
    Done of total; the time left is that of the recent rate, and nothing is said before there is one.
    """
    batch = Batch()
    assert batch.see(0, over=7, left=0, is_empty=True) is None
    assert batch.see(10, over=7, left=150, is_empty=False) == Progress(
        over=0, total=150, seconds_left=None
    )
    found = None
    for number in range(1, 60):
        found = batch.see(10 + 8 * number, over=7 + number, left=150 - number, is_empty=False)
    assert found == Progress(over=59, total=150, seconds_left=8 * 91)
    assert "59 of 150 photos are finished, about 12 minutes to go." in body_of(
        Scene(progress=found)
    )
    more = batch.see(490, over=66, left=191, is_empty=False)
    assert more is not None
    assert (more.over, more.total) == (59, 250)
    held = batch.see(500, over=66, left=191, is_empty=False, is_held=True)
    assert held is not None
    assert held.seconds_left is None
    assert batch.see(9000, over=257, left=0, is_empty=True) is None
    assert batch.finished == 250
    again = batch.see(9001, over=257, left=1, is_empty=False)
    assert again == Progress(over=0, total=1, seconds_left=None)


def test_what_is_over_before_a_look_belongs_to_the_batch() -> None:
    """
    Looks come once a second, and quick pictures between two of them.
    """
    batch = Batch()
    batch.see(0, over=0, left=0, is_empty=True)
    begun = batch.see(1, over=2, left=4, is_empty=False)
    assert begun == Progress(over=2, total=6, seconds_left=None)
    batch.see(2, over=6, left=0, is_empty=True)
    assert batch.finished == 6
    batch.see(3, over=9, left=0, is_empty=True)
    assert batch.finished == 3
    batch.see(4, over=9, left=0, is_empty=True)
    assert batch.finished == 3


@given(
    steps=st.lists(
        st.tuples(st.floats(0.1, 500), st.integers(0, 5), st.integers(0, 9), st.booleans()),
        max_size=60,
    )
)
def test_progress_never_says_what_cannot_be(steps: list[tuple[float, int, int, bool]]) -> None:
    """
    Whatever comes when: never more done than there are, and no time that is negative or without end.
    """
    batch, now, over, left = Batch(), 0.0, 0, 0
    for seconds, finished, dropped, is_held in steps:
        now, left = now + seconds, left + dropped
        done = min(finished, left)
        over, left = over + done, left - done
        found = batch.see(now, over=over, left=left, is_empty=not left, is_held=is_held)
        if found is not None:
            assert 0 <= found.over <= found.total
            assert found.total - found.over == left
            assert found.seconds_left is None or 0 < found.seconds_left < 1e9


def test_from_the_drop_to_the_end(station: Station) -> None:
    """
    While a picture is out it is named with the time; then it is done today; what failed is named, too.
    """
    station.configure(endpoint={"base_url": station.endpoint("latency=8").url})
    station.drop("鞋/红.png")
    station.drop("bad.png", prompt=" ")
    daemon = station.start("run").ready()

    daemon.until(lambda: "NOW IN WORK: 1 photo" in text(station))
    assert re.search(r"- 鞋/红.png: sent at \d\d:\d\d:\d\d, no answer yet", text(station))
    daemon.until(lambda: "TODAY: 1 photo done, 1 not." in text(station))
    assert "- bad.png" in text(station)
    assert "IN WORK" not in text(station)
    raw = (station.root / "status.txt").read_bytes()
    assert raw.startswith(MARK.encode())
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert daemon.end(signal.SIGTERM) == 0
    assert "retouchd has been stopped." in text(station)
    assert station.tree("inbox") == []
    assert not list(station.root.glob(".retouchd-*"))


def test_what_failed_is_named_as_it_lies_in_error(station: Station) -> None:
    """
    The text beside it, that says why, has that name too: a second one of a name is renamed.
    """
    for _ in range(2):
        station.drop("bad.png", prompt=" ")
        station.call("once")

    assert "bad_2.error.txt" in station.tree("error")
    assert "- bad_2.png\n- bad.png\n" in text(station)


def test_what_was_dragged_back_is_told_of_where_it_is(station: Station) -> None:
    """
    Text and `status` say the same of it: while it waits for a prompt, and once it is edited.
    """
    station.configure(endpoint={"base_url": station.endpoint().url})
    station.drop("bad.png", prompt=" ")
    daemon = station.start("run").ready()
    daemon.until(lambda: "- bad.png\n" in text(station).partition("TODAY:")[2])

    (station.folders.error / "bad.png").rename(station.folders.inbox / "bad.png")
    daemon.until(lambda: "Taken out of the folder error again: 1 photo." in text(station))
    inbox, _, today = text(station).partition("TODAY: 0 photos done, 1 not.")
    assert "bad.png: waits for its prompt" in inbox
    assert "bad.png" not in today
    _, running = station.call("status")
    assert "0 done, 1 failed" in running.out

    (station.folders.error / "bad.txt").unlink()
    _, running = station.call("status")
    assert "1 note on pictures that were taken away again can be deleted" in running.out

    (station.folders.inbox / "bad.txt").write_text("make it blue")
    daemon.until(lambda: "TODAY: 1 photo done, 0 not." in text(station))
    assert "Taken out" not in text(station)
    _, running = station.call("status")
    assert "1 done, 0 failed" in running.out


def test_a_pause_says_why_and_a_stop_what_is_left(station: Station) -> None:
    """
    Without a word of programs; and a text of `once` says that nobody goes on.
    """
    station.configure(endpoint={"base_url": station.endpoint("quota").url})
    station.drop("cat.png")
    daemon = station.start("run").ready()

    daemon.until(lambda: "Nothing is sent since" in text(station))
    assert "goes on by itself" in text(station)
    ready = "- 2 files wait (paused: the key or the account is turned away): cat.png, cat.txt"
    daemon.until(lambda: ready in text(station))
    assert daemon.end(signal.SIGTERM) == 0
    assert "2 files wait for their turn: cat.png, cat.txt" in text(station)

    station.configure()
    code, _ = station.call("once")
    assert code == 0
    assert "TODAY: 1 photo done, 0 not." in text(station)
    assert "retouchd has been stopped." in text(station)
    assert "IN THE INBOX" not in text(station)


def until_logged(daemon: Running, event: str) -> None:
    daemon.until(lambda: daemon.events(event))


def test_where_it_cannot_be_written_it_is_told_once(station: Station) -> None:
    """
    Somebody's own file stays as it is and work goes on; switched off, ours is gone.
    """
    work = {"work": "shop"}
    (station.root / "shop").mkdir()
    station.configure(folders=work)
    own = station.root / "shop-status.txt"
    own.write_text("shop hours: 9 to 5\n", "utf-8")
    daemon = station.start("run").ready()
    station.drop("cat.png")

    until_logged(daemon, "status_text.unwritten")
    until_logged(daemon, "job.done")
    assert own.read_text("utf-8") == "shop hours: 9 to 5\n"
    assert not daemon.events("daemon.paused")
    own.unlink()
    daemon.until(lambda: "TODAY: 1 photo done" in text(station, own.name))
    assert len(daemon.events("status_text.unwritten")) == 1
    station.configure(folders=work, status={"text_file": False})
    daemon.tell(signal.SIGHUP)
    daemon.until(lambda: not own.exists())
    assert daemon.end(signal.SIGTERM) == 0
    assert not own.exists()


def test_it_is_never_put_where_it_would_be_a_prompt(tmp_path: Path) -> None:
    """
    Beside the work folder; where that is reached by a link in the inbox, beside what it leads to.
    """
    folders = Place.under(tmp_path / "root").folders
    assert place_of(folders) == folders.work.parent / "status.txt"
    link = folders.inbox / "work"
    link.symlink_to(folders.work)

    assert place_of(replace(folders, work=link)) == folders.work.parent / "status.txt"


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "text"])
def test_nothing_of_anybody_elses_is_written_over(tmp_path: Path, kind: str) -> None:
    """
    A link, a pipe, a folder or a text of a person's; but one of ours, or what a power cut left of it.
    """
    place, other = tmp_path / "status.txt", tmp_path / "other.txt"
    other.write_bytes(b"somebody's")
    match kind:
        case "link":
            place.symlink_to(other)
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case _:
            place.write_bytes(b"somebody's")

    with pytest.raises(OSError, match="has this name"):
        post_text(place, written("new", NOW))

    assert other.read_bytes() == b"somebody's"
    for ours in (written("old", NOW), b"", bytes(100)):
        mine = tmp_path / "mine.txt"
        mine.write_bytes(ours)
        post_text(mine, written("new", NOW))
        assert b"new" in mine.read_bytes()
