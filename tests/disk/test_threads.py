"""
Calls that hang in one folder hold up no other, and are told from slow ones.
"""

import asyncio
import gc
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from retouchd.disk.hang_detector import HangDetector
from retouchd.disk.thread_pools import Call, Folder, at, flushing
from retouchd.disk.threads import DiskThreads, Steps, all_steps, answered
from retouchd.errors import FolderUnresponsive

MOST_FLUSHING = 32
FAR = [folder for folder in Folder if folder is not Folder.WORK]
MANY = 40


class Hang:
    """
    What does not return before it is let go.
    """

    def __init__(self) -> None:
        self.is_over = threading.Event()

    def call(self) -> None:
        self.is_over.wait(60)

    def steps(self, folder: Folder) -> Steps[None]:
        """
        Come to a folder and hang in it.
        """
        yield folder
        self.call()


@pytest.fixture
def hang() -> Iterator[Hang]:
    hang = Hang()
    yield hang
    hang.is_over.set()


@pytest.mark.parametrize("folder", FAR)
async def test_many_calls_that_hang_hold_up_nothing_else(folder: Folder, hang: Hang) -> None:
    """
    However many, whichever folder, whether called at once or come to in steps.
    """
    threads = DiskThreads()
    hung = [asyncio.ensure_future(threads.run(folder, hang.call)) for _ in range(MANY)]
    hung += [
        asyncio.ensure_future(threads.follow(partial(hang.steps, folder))) for _ in range(MANY)
    ]
    await asyncio.sleep(0)

    async with asyncio.timeout(90):
        for _ in range(MANY):
            await threads.run(Folder.WORK, int)
        for other in FAR:
            if other is not folder:
                await threads.run(other, int)
                await threads.follow(partial(in_turn, other))

    hang.is_over.set()
    async with asyncio.timeout(90):
        await asyncio.gather(*hung)


def in_turn(*folders: Folder) -> Steps[int]:
    yield from folders
    return len(folders)


async def test_threads_end_with_the_run_whose_they_are() -> None:
    """
    However many more calls there were than threads.
    """
    before = set(threading.enumerate())
    threads = DiskThreads()
    await asyncio.gather(*(threads.run(folder, int) for _ in range(MANY) for folder in Folder))
    started = set(threading.enumerate()) - before

    del threads
    gc.collect()

    assert started
    for thread in started:
        thread.join(90)
        assert not thread.is_alive()


async def test_all_far_folders_may_hang_at_once(hang: Hang) -> None:
    """
    Work is still worked in.
    """
    threads = DiskThreads()
    hung = [
        asyncio.ensure_future(threads.run(folder, hang.call)) for _ in range(MANY) for folder in FAR
    ]

    async with asyncio.timeout(90):
        await asyncio.gather(*(threads.run(Folder.WORK, int) for _ in range(MANY)))

    hang.is_over.set()
    await asyncio.gather(*hung)


async def test_steps_through_folders_that_answer_stay_in_one_thread() -> None:
    """
    Each change of threads costs.
    """
    threads = DiskThreads()

    def names() -> Steps[set[int]]:
        found = {threading.get_ident()}
        for folder in (Folder.DONE, Folder.OUTBOX, Folder.OUTBOX, Folder.DONE, Folder.WORK):
            yield folder
            found.add(threading.get_ident())
        return found

    assert len(await threads.follow(names)) == 1


async def test_whose_steps_hang_is_known_and_the_folder_named(
    hang: Hang, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Who only looks is given up; the next one who looks is refused at once, until the folder answers.
    """
    monkeypatch.setattr("retouchd.disk.threads.PATIENCE_SECONDS", 1.0)
    changes: list[dict[Folder, str]] = []
    threads = DiskThreads(
        {folder: tmp_path / folder for folder in Folder},
        on_change=lambda: changes.append(threads.unresponsive),
    )

    def look() -> None:
        with at(Folder.OUTBOX):
            hang.call()

    hung = asyncio.ensure_future(threads.follow(partial(hang.steps, Folder.OUTBOX), key="job"))
    with pytest.raises(FolderUnresponsive, match="outbox"):
        await threads.in_any(look)
    with pytest.raises(FolderUnresponsive):
        await threads.in_any(int)
    assert str(tmp_path / "outbox") in threads.holds_up("job")
    assert threads.holds_up("another") == threads.holds_up("job", "another") == ""

    hang.is_over.set()
    await hung
    async with asyncio.timeout(90):
        while threads.unresponsive:  # noqa: ASYNC110 - what is tried is that it comes by itself
            await asyncio.sleep(0.05)
    assert [list(each) for each in changes] == [[Folder.OUTBOX], []]
    assert await threads.in_any(int) == 0
    await threads.settle()


async def test_faults_come_to_who_waits() -> None:
    """
    From a call as from any of its steps, and threads outlive them.
    """
    threads = DiskThreads()

    def failing() -> Steps[None]:
        yield Folder.DONE
        raise OSError("no")

    for _ in range(MANY):
        with pytest.raises(ZeroDivisionError):
            await threads.run(Folder.ERROR, lambda: 1 // 0)
        with pytest.raises(OSError, match="no"):
            await threads.follow(failing)
    assert await threads.run(Folder.DONE, int) == 0


def test_without_a_loop_a_folder_that_hangs_is_named(hang: Hang, tmp_path: Path) -> None:
    """
    And what answers is returned, faults included.
    """
    places = {folder: tmp_path / folder for folder in Folder}

    def look() -> None:
        with at(Folder.DONE):
            hang.call()

    with pytest.raises(FolderUnresponsive, match=r"folders\.done"):
        answered(look, places, 0.3)
    assert answered(lambda: 7, places, 0.3) == 7
    with pytest.raises(ZeroDivisionError):
        answered(lambda: 1 // 0, places, 0.3)


def test_without_a_loop_no_thread_outlives_its_answer(tmp_path: Path) -> None:
    """
    `status --follow` looks again and again for as long as it is read.
    """
    program = f"""
import pathlib, threading, time
from retouchd.disk.threads import answered
from retouchd.disk.thread_pools import Folder
for number in range(300):
    assert answered(lambda: number, {{Folder.INBOX: pathlib.Path({str(tmp_path)!r})}}, 60) == number
while threading.active_count() > 1:
    time.sleep(0.01)
"""

    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)


@pytest.mark.parametrize(
    ("steps", "busy", "passed", "is_hung"),
    [
        (0, 0.0, 1.0, True),
        (0, 0.05, 1.0, True),
        (1, 0.0, 1.0, False),
        (0, 1.0, 1.0, False),
        (0, 0.0, 3600.0, False),
    ],
    ids=["blocked", "next to no CPU", "gets on", "computes", "the process stood still"],
)
def test_blocked_is_what_neither_gets_on_nor_computes(
    steps: int, busy: float, passed: float, *, is_hung: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    `busy` and `passed` are seconds of the thread's CPU and of the clock from one check to the next.
    """
    now, worked = 100.0, 5.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "clock_gettime", lambda _: worked)
    detector, call = HangDetector(10.0), Call(Folder.DONE, 0)

    for _ in range(13):
        detector.check([call])
        now, worked, call.steps = now + passed, worked + busy, call.steps + steps

    assert detector.hung == ({Folder.DONE} if is_hung else set())
    assert detector.blocked == is_hung


def test_a_call_whose_thread_has_ended_hides_no_other_that_hangs() -> None:
    """
    It may end while it is looked at.
    """
    calls = []

    def end() -> None:
        calls.append(Call(Folder.INBOX, time.pthread_getcpuclockid(threading.get_ident())))

    thread = threading.Thread(target=end)
    thread.start()
    thread.join()
    detector, is_over = HangDetector(0.2), threading.Event()

    def hang() -> None:
        clock = time.pthread_getcpuclockid(threading.get_ident())
        calls.append(Call(Folder.DONE, clock, threading.get_native_id()))
        is_over.wait(60)

    hung = threading.Thread(target=hang)
    hung.start()

    try:
        end_at = time.monotonic() + 60
        while not detector.hung and time.monotonic() < end_at:
            detector.check(calls)
            time.sleep(0.02)
    finally:
        is_over.set()
        hung.join()

    assert detector.hung == {Folder.DONE}


async def test_slow_flushes_lend_threads_that_are_kept() -> None:
    """
    No more calls than before run at once besides those that wait for the disk, and none has a thread started
    for it alone.
    """
    threads, lock = DiskThreads(), threading.Lock()
    seen: set[threading.Thread] = set()
    running, most = 0, 0

    def count(change: int) -> None:
        nonlocal running, most
        with lock:
            running += change
            most = max(most, running)

    def work() -> None:
        seen.add(threading.current_thread())
        for _ in range(3):
            count(1)
            time.sleep(0.0005)
            count(-1)
            with flushing():
                time.sleep(0.005)

    def alone() -> None:
        count(1)
        time.sleep(0.002)
        count(-1)

    for _ in range(5):
        await asyncio.gather(*(threads.run(Folder.WORK, work) for _ in range(MANY)))
        before, running, most = most, 0, 0
        await asyncio.gather(*(threads.run(Folder.WORK, alone) for _ in range(2 * MANY)))
        assert most <= threads_at_once()
        most = before

    assert threads_at_once() < len(seen) <= threads_at_once() + MOST_FLUSHING
    assert all(thread.is_alive() for thread in seen)


async def test_flushes_that_take_long_beside_quick_ones_lend_no_thread() -> None:
    """
    Where the machine is busy, most take long: their threads wait for a core. The disk is quick all the same,
    and more threads would only contend.
    """
    threads = DiskThreads()
    seen: set[threading.Thread] = set()

    def work() -> None:
        seen.add(threading.current_thread())
        for seconds in (0, 0.005, 0.005, 0.005) * 5:
            with flushing():
                time.sleep(seconds)

    await asyncio.gather(*(threads.run(Folder.WORK, work) for _ in range(4 * MANY)))

    assert len(seen) <= threads_at_once()


@pytest.mark.parametrize(("quick", "one_of"), [(Folder.WORK, 16), (Folder.OUTBOX, 2)])
async def test_a_slow_disk_lends_threads_whatever_is_quick_beside_it(
    quick: Folder, one_of: int
) -> None:
    """
    A flush now and then finds nothing to write; and each folder may lie on a disk of its own.
    """
    threads, turn = DiskThreads(), itertools.count()
    seen: set[threading.Thread] = set()

    def work() -> None:
        seen.add(threading.current_thread())
        for _ in range(20):
            is_quick = next(turn) % one_of == 0
            with at(quick if is_quick else Folder.WORK), flushing():
                time.sleep(0 if is_quick else 0.005)

    await asyncio.gather(*(threads.run(Folder.WORK, work) for _ in range(4 * MANY)))

    assert len(seen) > threads_at_once()


def threads_at_once() -> int:
    """
    Return how many calls run at once where none hangs or waits for a flush.
    """
    return min(32, (os.cpu_count() or 1) + 4)


def test_all_steps_can_be_taken_in_one_go() -> None:
    assert all_steps(in_turn(*FAR)) == len(FAR)


def test_a_thread_that_waits_for_a_processor_is_not_blocked() -> None:
    """
    On a machine with far more to do than it can, a call that works hangs in no folder.
    """
    cpu = min(os.sched_getaffinity(0))
    crowd = [
        subprocess.Popen(["taskset", "--cpu-list", str(cpu), "sh", "-c", "while :; do :; done"])
        for _ in range(4)
    ]
    detector, calls, is_over = HangDetector(1.0), set[Call](), threading.Event()

    def work() -> None:
        os.sched_setaffinity(threading.get_native_id(), {cpu})
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        clock = time.pthread_getcpuclockid(threading.get_ident())
        calls.add(Call(Folder.DONE, clock, threading.get_native_id()))
        while not is_over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            detector.check(set(calls))
            assert not detector.hung
            time.sleep(0.05)
    finally:
        is_over.set()
        for process in crowd:
            process.kill()
            process.wait()
        thread.join()
