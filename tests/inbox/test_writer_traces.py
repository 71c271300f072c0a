"""
What writers do to a folder, recorded from real ones and replayed: every way is taken once, and whole.

The recordings hold what the kernel told and what a stat showed; they are replayed with all events, with
none, and with events that are lost, late, doubled or out of order.
"""

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import signature
from retouchd.disk.signature import Signature, pack_signature
from retouchd.inbox.folder_index import Key
from retouchd.inbox.ignore import ignore_table
from retouchd.inbox.precedence import Task
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.readiness import Patience, Ready
from retouchd.inbox.watcher import InboxEvent
from retouchd.job.filenames import partners

PATIENCE = Patience(settle_seconds=2, incomplete_seconds=10)
SCAN_SECONDS = 5.0
LONG_AGO = 1

_IGNORED = ignore_table()


class File(NamedTuple):
    """
    A file as it lies there: what a stat shows, whether it has its end mark, whether its writer is done.
    """

    signature: Signature
    has_end: bool
    is_final: bool


class Step(NamedTuple):
    """
    Something done to the folder, in seconds since the writer began, and what of it the kernel tells.
    """

    at: float
    changes: Mapping[str, File | None]
    events: Sequence[InboxEvent]


class Taken(NamedTuple):
    """
    A claim: when, of what, and how it lay there at that moment.
    """

    at: float
    name: str
    file: File


def a_file(
    at: float, size: int, *, has_end: bool = False, is_final: bool = False, inode: int = 7
) -> File:
    stamp = round(at * 1e9) + 2
    return File(signature(size, mtime_ns=stamp, inode=inode), has_end or is_final, is_final)


def wrote(
    at: float,
    size: int,
    name: str = "cat.jpg",
    *,
    has_end: bool = False,
    is_final: bool = False,
    inode: int = 7,
) -> Step:
    file = a_file(at, size, has_end=has_end, is_final=is_final, inode=inode)
    return Step(at, {name: file}, (InboxEvent(path=name),))


def silently(step: Step) -> Step:
    """
    The same, done where the kernel tells nothing.
    """
    return step._replace(events=())


def renamed(
    at: float,
    source: str,
    target: str = "cat.jpg",
    *,
    size: int = 100,
    is_final: bool = True,
    inode: int = 8,
) -> Step:
    file = a_file(at, size, has_end=True, is_final=is_final, inode=inode)
    return Step(
        at, {source: None, target: file}, (InboxEvent(path=source), InboxEvent(path=target))
    )


def removed(at: float, name: str) -> Step:
    return Step(at, {name: None}, (InboxEvent(path=name),))


def with_old_mtime(step: Step) -> Step:
    """
    The same, with the mtime set to the past: only the ctime tells that something happened.
    """
    old = {
        name: file and file._replace(signature=file.signature._replace(mtime_ns=LONG_AGO))
        for name, file in step.changes.items()
    }
    return step._replace(changes=old)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """
    A recording, and when it is taken by a daemon that hears all of it.
    """

    steps: tuple[Step, ...]
    taken_at: float


def trace(*steps: Step, taken_at: float) -> Trace:
    return Trace(steps=steps, taken_at=taken_at)


TRACES = {
    "cp, curl -o, a shell's redirection": trace(
        wrote(0, 0), wrote(0.5, 50), wrote(1, 100, is_final=True), taken_at=3
    ),
    "rename from outside, mv": trace(
        with_old_mtime(wrote(0, 100, is_final=True, inode=9)), taken_at=2
    ),
    "rename inside from a temporary name: rsync": trace(
        wrote(0, 0, ".cat.jpg.Ab3dEf"),
        wrote(0.5, 100, ".cat.jpg.Ab3dEf"),
        with_old_mtime(renamed(0.6, ".cat.jpg.Ab3dEf")),
        taken_at=2.6,
    ),
    "rename inside from a temporary name: Syncthing": trace(
        wrote(0, 100, ".syncthing.cat.jpg.tmp"),
        renamed(0.1, ".syncthing.cat.jpg.tmp"),
        taken_at=2.1,
    ),
    "rename inside from a temporary name: rclone": trace(
        wrote(0, 100, "cat.jpg.1a2b3c4d.partial"),
        renamed(0.1, "cat.jpg.1a2b3c4d.partial"),
        taken_at=2.1,
    ),
    "rename inside from an ordinary name": trace(
        wrote(0, 100, "cat.jpg.upload"), renamed(1.5, "cat.jpg.upload"), taken_at=3.5
    ),
    "hard link": trace(with_old_mtime(wrote(0, 100, is_final=True)), taken_at=2),
    "link and unlink: SFTP, WinSCP": trace(
        wrote(0, 100, "cat.jpg.filepart"),
        wrote(0.5, 100, is_final=True),
        # One link less: the ctime changes, and the kernel tells of the old name only.
        Step(
            0.6,
            {"cat.jpg.filepart": None, "cat.jpg": a_file(0.6, 100, is_final=True)},
            (InboxEvent(path="cat.jpg.filepart"),),
        ),
        taken_at=4.5,
    ),
    "O_TMPFILE and linkat": trace(
        Step(0, {}, (InboxEvent(path="#1234567"),)), wrote(0, 100, is_final=True), taken_at=2
    ),
    "a folder that came with everything in it": trace(
        Step(
            0,
            {"shoes/cat.jpg": a_file(-9, 100, is_final=True)},
            (InboxEvent(path="shoes", is_folder=True),),
        ),
        taken_at=2,
    ),
    "mkdir and a file at once, before it is watched": trace(
        Step(0, {}, (InboxEvent(path="shoes", is_folder=True),)),
        silently(wrote(0, 50, "shoes/cat.jpg")),
        wrote(1, 100, "shoes/cat.jpg", is_final=True),
        taken_at=3,
    ),
    "zero-byte placeholder, filled later": trace(
        wrote(0, 0), wrote(40, 50), wrote(41, 100, is_final=True), taken_at=43
    ),
    "zero-byte placeholder, replaced by the download: Firefox": trace(
        wrote(0, 0),
        wrote(0, 50, "cat.jpg.part"),
        wrote(30, 100, "cat.jpg.part"),
        renamed(30, "cat.jpg.part"),
        taken_at=32,
    ),
    "closed, then rewritten in place: exiv2, darktable": trace(
        wrote(0, 100, has_end=True),
        wrote(1.5, 0),
        wrote(1.6, 60),
        wrote(1.7, 120, is_final=True),
        taken_at=3.7,
    ),
    "closed three times with short pauses: a scanner": trace(
        wrote(0, 40), wrote(1.9, 80), wrote(3.8, 120, is_final=True), taken_at=5.8
    ),
    "closed three times with pauses longer than settle_seconds: a slow scanner": trace(
        wrote(0, 40), wrote(4, 80), wrote(8, 120, is_final=True), taken_at=10
    ),
    "written through a mapping after it was closed": trace(
        wrote(0, 100),
        silently(wrote(1.5, 100, has_end=True)),
        silently(wrote(3, 100, is_final=True)),
        taken_at=6,
    ),
    "replaced by a rename from outside": trace(
        wrote(0, 100, has_end=True), wrote(1.5, 100, is_final=True, inode=8), taken_at=3.5
    ),
    "mtime in the past: cp -p, rsync -t, WinSCP": trace(
        with_old_mtime(wrote(0, 50)), with_old_mtime(wrote(1, 100, is_final=True)), taken_at=3
    ),
    "full size first, data later: Samba, Explorer": trace(
        wrote(0, 100),
        wrote(1, 100),
        wrote(2.9, 100),
        wrote(4.8, 100, is_final=True),
        taken_at=6.8,
    ),
    "full size first, data later, then the old mtime": trace(
        wrote(0, 100), wrote(1, 100), with_old_mtime(wrote(2, 100, is_final=True)), taken_at=4
    ),
    "full size, and the old mtime again after each piece: only the ctime tells": trace(
        with_old_mtime(wrote(0, 100, has_end=True)),
        with_old_mtime(silently(wrote(1.5, 100, has_end=True))),
        with_old_mtime(silently(wrote(3, 100, has_end=True))),
        with_old_mtime(silently(wrote(4.5, 100, is_final=True))),
        taken_at=8,
    ),
    "saved by an editor: backup, then written anew": trace(
        wrote(0, 100, has_end=True),
        Step(
            1,
            {"cat.jpg": None, "cat.jpg~": a_file(0, 100)},
            (InboxEvent(path="cat.jpg"), InboxEvent(path="cat.jpg~")),
        ),
        wrote(1, 0, inode=8),
        wrote(1.1, 120, is_final=True, inode=8),
        taken_at=3.1,
    ),
    "ExifTool twice in a row: each time a temporary name, renamed over the picture": trace(
        wrote(0, 100, has_end=True),
        wrote(0.2, 110, "cat.jpg_exiftool_tmp"),
        renamed(0.3, "cat.jpg_exiftool_tmp", size=110, is_final=False, inode=8),
        wrote(1.9, 120, "cat.jpg_exiftool_tmp"),
        with_old_mtime(renamed(2.2, "cat.jpg_exiftool_tmp", size=120, inode=9)),
        taken_at=4.2,
    ),
    "Photoshop: a temporary name, renamed, then its metadata written in place": trace(
        wrote(0, 100, "Photoshop Temp12345678"),
        renamed(1, "Photoshop Temp12345678", is_final=False),
        wrote(1.4, 60, inode=8),
        wrote(1.5, 130, is_final=True, inode=8),
        taken_at=3.5,
    ),
    "Lightroom: renamed into place, and its keywords rewritten a moment later": trace(
        wrote(0, 100, ".cat.jpg.Ab3dEf"),
        renamed(0.5, ".cat.jpg.Ab3dEf", is_final=False, inode=8),
        renamed(2.4, "cat.jpg.tmp", size=120, inode=9),
        taken_at=4.4,
    ),
    "a sync client: renamed into place, then its times and its rights are set": trace(
        wrote(0, 100, ".syncthing.cat.jpg.tmp"),
        renamed(0.1, ".syncthing.cat.jpg.tmp", is_final=False),
        with_old_mtime(wrote(1.2, 100, has_end=True, inode=8)),
        with_old_mtime(wrote(1.9, 100, is_final=True, inode=8)),
        taken_at=3.9,
    ),
    "Dropbox: moved in from its cache, its attributes set afterwards": trace(
        wrote(0, 100, has_end=True, inode=9),
        with_old_mtime(wrote(1.7, 100, is_final=True, inode=9)),
        taken_at=3.7,
    ),
    "rclone: renamed, and looked at until it is content": trace(
        wrote(0, 100, "cat.jpg.1a2b3c4d.partial"),
        renamed(0.1, "cat.jpg.1a2b3c4d.partial", is_final=False),
        removed(0.4, "cat.jpg"),
        wrote(0.6, 100, "cat.jpg.5e6f7a8b.partial"),
        renamed(0.9, "cat.jpg.5e6f7a8b.partial", inode=9),
        taken_at=2.9,
    ),
    "a prompt saved by rename": trace(
        wrote(0, 100, is_final=True),
        wrote(0.5, 20, "cat.txt", has_end=True),
        wrote(1, 30, ".goutputstream-AB12CD"),
        renamed(1.2, ".goutputstream-AB12CD", "cat.txt", size=30),
        taken_at=3.2,
    ),
    "a prompt written after its image": trace(
        wrote(0, 100, is_final=True), wrote(1.5, 20, "cat.txt", is_final=True), taken_at=3.5
    ),
    "a prompt rewritten before the claim": trace(
        wrote(0, 20, "cat.txt", has_end=True),
        wrote(1, 100, is_final=True),
        wrote(2.5, 30, "cat.txt", is_final=True),
        taken_at=4.5,
    ),
}


GONE_FOR_A_MOMENT = {
    "a prompt removed and written anew": trace(
        wrote(0, 20, "cat.txt", has_end=True),
        wrote(0.1, 100, is_final=True),
        removed(2, "cat.txt"),
        wrote(2.3, 30, "cat.txt", is_final=True),
        taken_at=4.3,
    ),
    "a mask moved away and back under another name": trace(
        wrote(0, 20, "cat.mask.png", has_end=True),
        wrote(0.1, 100, is_final=True),
        removed(2, "cat.mask.png"),
        wrote(2.9, 30, "cat.jpg.mask.png", is_final=True),
        taken_at=4.9,
    ),
}
"""What only those can know who saw it before it went."""


@dataclass(kw_only=True)
class Replay:
    """
    A folder, a queue and a time of their own; whatever is ready is claimed at once.

    It looks as the intake does: at each event, at each scan, and once more before a claim.
    """

    disk: dict[str, File] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    queue: InboxQueue = field(
        default_factory=lambda: InboxQueue(patience=PATIENCE, default=lambda: Task(has_prompt=True))
    )

    def run(
        self,
        steps: Iterable[Step],
        heard: Iterable[tuple[float, InboxEvent]],
        scans: Iterable[float],
    ) -> list[Taken]:
        """
        Return what is taken, until a minute after all has happened.
        """
        ticks = itertools.count()
        plan: list[tuple[float, int, int, Step | InboxEvent | None]] = [
            *((step.at, 0, next(ticks), step) for step in steps),
            *((at, 1, next(ticks), event) for at, event in heard),
            *((at, 2, next(ticks), None) for at in scans),
        ]
        heapq.heapify(plan)
        end = max(each[0] for each in plan) + 60
        while plan or self._due() <= end:
            if plan and plan[0][0] <= self._due():
                now, *_, what = heapq.heappop(plan)
                self._take_in(what, now)
            else:
                now = self._due()
            self.queue.settle(now)
            while key := self.queue.take():
                self._claim(key, now)
        return self.taken

    def _due(self) -> float:
        due = self.queue.next_due()
        return float("inf") if due is None else due

    def _take_in(self, what: Step | InboxEvent | None, now: float) -> None:
        match what:
            case Step():
                for name, file in what.changes.items():
                    self.disk.pop(name, None)
                    if file is not None:
                        self.disk[name] = file
            case InboxEvent(is_folder=True):
                self._scan(what.path, now)
            case InboxEvent():
                self._answer(what, now)
            case None:
                self._scan("", now)

    def _answer(self, event: InboxEvent, now: float) -> None:
        if not self._look(event.path, now):
            self.queue.observed_files.note_event(*_parts(event.path), now)

    def _look(self, path: str, now: float) -> bool:
        folder, name = _parts(path)
        if _IGNORED.file(name):
            return True
        file = self.disk.get(path)
        return self.queue.observed_files.see(
            folder, name, pack_signature(file.signature) if file else None, now
        )

    def _scan(self, folder: str, now: float) -> None:
        prefix = f"{folder}/" if folder else ""
        for path in self.disk:
            if path.startswith(prefix):
                self._look(path, now)
        for place in self.queue.observed_files.folders():
            shown = {_parts(path)[1] for path in self.disk if _parts(path)[0] == place}
            known = self.queue.observed_files.folder(place)
            assert known is not None
            self.queue.observed_files.forget(place, {*known.observations} - shown, now, now)

    def _claim(self, key: Key, now: float) -> None:
        names = self.queue.observed_files.names(key)
        for name in {*names, *(partner for each in names for partner in partners(each))}:
            self._look("/".join(filter(None, (key[0], name))), now)
        for candidate in self.queue.candidates.of(key, now):
            if not isinstance(candidate.state, Ready):
                continue
            paths = ["/".join(filter(None, (key[0], each.name))) for each in candidate.bundle.files]
            image = candidate.bundle.images[0].name
            end = candidate.observations[image].quiet_since + PATIENCE.incomplete_seconds
            if now < end and not self.disk[paths[0]].has_end:
                self.queue.look_again(key, end)
                continue
            for path in paths:
                self.taken.append(Taken(now, path, self.disk.pop(path)))
                self._look(path, now)


def _parts(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def replay(
    steps: Sequence[Step], *, heard: Iterable[tuple[float, InboxEvent]], scans: Iterable[float]
) -> list[Taken]:
    """
    Return the claims of images, once it is shown that nothing was taken before its writer was done.
    """
    taken = Replay().run(steps, heard, scans)
    for each in taken:
        assert each.file.is_final, f"{each.name} was taken at {each.at}, and is not finished"
    return [each for each in taken if each.name.endswith(".jpg")]


def all_events(steps: Sequence[Step]) -> list[tuple[float, InboxEvent]]:
    return [(step.at, event) for step in steps for event in step.events]


def scans_from(first: float, every: float, steps: Sequence[Step]) -> list[float]:
    count = int((steps[-1].at + 30 - first) / every) + 1
    return [first + every * number for number in range(count)]


@pytest.mark.parametrize(
    "known", [*TRACES.values(), *GONE_FOR_A_MOMENT.values()], ids=[*TRACES, *GONE_FOR_A_MOMENT]
)
def test_with_events_a_writer_is_taken_once_and_in_time(known: Trace) -> None:
    """
    No scan is needed: what the kernel tells is enough, and the last look before the claim.
    """
    (taken,) = replay(known.steps, heard=all_events(known.steps), scans=())

    assert known.taken_at == pytest.approx(taken.at)


@pytest.mark.parametrize("first", [0.0, 0.7, 1.55, 2.9, 4.99], ids=lambda at: f"first-at-{at}")
@pytest.mark.parametrize("known", TRACES.values(), ids=TRACES)
def test_without_events_a_writer_is_taken_once(known: Trace, first: float) -> None:
    """
    Scans alone come to the same, whenever they happen to fall.
    """
    scans = scans_from(first, SCAN_SECONDS, known.steps)

    (taken,) = replay(known.steps, heard=(), scans=scans)

    done = known.steps[-1].at
    latest = done + SCAN_SECONDS + PATIENCE.settle_seconds + PATIENCE.incomplete_seconds
    assert done <= taken.at <= latest


@pytest.mark.parametrize("known", GONE_FOR_A_MOMENT.values(), ids=GONE_FOR_A_MOMENT)
def test_without_events_what_goes_for_a_moment_is_waited_for(known: Trace) -> None:
    """
    If a scan saw it before: what goes is a change like any other.
    """
    (taken,) = replay(known.steps, heard=(), scans=scans_from(0.2, 0.5, known.steps))

    assert known.steps[-1].at + 2 <= taken.at <= known.steps[-1].at + 2.5


DELAYS = st.lists(st.floats(0, 0.6), max_size=3)
"""How often each event is heard, and how late: never, once, or more often."""


@pytest.mark.parametrize("known", TRACES.values(), ids=TRACES)
@given(st.data())
def test_lost_late_and_doubled_events_change_nothing(known: Trace, data: st.DataObject) -> None:
    """
    Events are hints: whatever becomes of them, the outcome is the same.
    """
    heard = [
        (at + delay, event) for at, event in all_events(known.steps) for delay in data.draw(DELAYS)
    ]
    scans = scans_from(
        data.draw(st.floats(0, 5)), data.draw(st.sampled_from([0.5, 5.0])), known.steps
    )

    (taken,) = replay(known.steps, heard=heard, scans=scans)

    assert taken.at >= known.steps[-1].at


@st.composite
def writers(draw: st.DrawFn) -> list[Step]:
    """
    Any writer that never rests for settle_seconds; whatever it leaves in between may look finished.
    """
    at, steps = 0.0, []
    number = draw(st.integers(0, 8))
    for _ in range(number):
        inode, size = draw(st.integers(7, 8)), draw(st.integers(0, 3))
        step = wrote(at, size, has_end=draw(st.booleans()), inode=inode)
        steps.append(with_old_mtime(step) if draw(st.booleans()) else step)
        at += draw(st.floats(0.05, 1.9))
    if draw(st.booleans()):
        return [*steps, renamed(at, ".cat.jpg.Ab3dEf", inode=9)]
    return [*steps, wrote(at, 3, is_final=True)]


@given(writers(), st.floats(0, 7), st.floats(0.1, 7), st.data())
def test_nothing_is_taken_while_it_changes(
    steps: list[Step], first: float, every: float, data: st.DataObject
) -> None:
    """
    However a writer works, whatever is heard of it, whenever scans fall: one claim, after its last step.
    """
    heard = [(at + late, event) for at, event in all_events(steps) for late in data.draw(DELAYS)]

    (taken,) = replay(steps, heard=heard, scans=scans_from(first, every, steps))

    done = steps[-1].at
    assert done <= taken.at
    assert taken.at <= done + every + first + PATIENCE.settle_seconds + 0.6


# What cannot be promised.


def test_half_a_picture_is_waited_for_so_long_and_no_longer() -> None:
    """
    A writer that stops before the end mark has incomplete_seconds to go on; then its half is taken, and
    the decoder refuses it.
    """
    steps = [wrote(0, 40)]

    (taken,) = Replay().run(steps, all_events(steps), ())

    assert (taken.at, taken.file.is_final) == (10, False)


def test_a_whole_looking_picture_that_rests_is_taken_as_it_is() -> None:
    """
    Who rewrites a finished picture after more than settle_seconds is too late: nobody could know. What
    comes under that name afterwards is another picture.
    """
    steps = [wrote(0, 100, has_end=True), wrote(2.5, 120, is_final=True, inode=8)]

    taken = Replay().run(steps, all_events(steps), ())

    assert [(each.at, each.file.is_final) for each in taken] == [(2, False), (4.5, True)]
