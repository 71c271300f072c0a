"""
Calls that hang in one folder hold up no other, and are told from slow ones.
"""

import asyncio
import gc
import os
import re
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from hanging_calls import Hang
from retouchd.disk.calls import Call, Folder, at
from retouchd.disk.hang_detector import HangDetector
from retouchd.disk.thread_pools import flushing
from retouchd.disk.threads import DiskThreads, Steps, all_steps, answered
from retouchd.errors import FolderUnresponsive

MOST_LENT = 32
FAR = [folder for folder in Folder if folder is not Folder.WORK]
MANY = 40


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
from retouchd.disk.calls import Folder
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
    assert detector.blocked == detector.hung


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


async def test_flushes_lend_threads_that_are_kept() -> None:
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
            with flushing():
                time.sleep(0.005)

    def alone() -> None:
        count(1)
        time.sleep(0.002)
        count(-1)

    for _ in range(5):
        await asyncio.gather(*(threads.run(Folder.WORK, work) for _ in range(MANY)))
        running, most = 0, 0
        await asyncio.gather(*(threads.run(Folder.WORK, alone) for _ in range(2 * MANY)))
        assert most <= threads_at_once()

    assert threads_at_once() < len(seen) <= threads_at_once() + MOST_LENT
    assert all(thread.is_alive() for thread in seen)


@pytest.mark.parametrize("folder", [Folder.WORK, Folder.OUTBOX])
async def test_calls_in_a_slow_folder_lend_their_place(folder: Folder) -> None:
    """
    On a share each call waits: they run beside one another, and others beside them. Where some wait long and
    others do not, the machine is busy, not the disk slow: more threads would only contend.
    """
    threads, lock = DiskThreads(), threading.Lock()
    running, most = 0, 0

    def work(seconds: float) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(seconds)
        with lock:
            running -= 1

    await asyncio.gather(*(threads.run(folder, work, 0.02 * (n % 3 > 0)) for n in range(2 * MANY)))
    assert most <= threads_at_once()

    await asyncio.gather(*(threads.run(folder, work, 0.02) for _ in range(2 * MANY)))
    assert most > threads_at_once()


async def test_nobody_is_woken_for_what_another_thread_does() -> None:
    """
    Each that wakes for nothing takes a core and the interpreter from those that have something to do.
    """
    others = set(threading.enumerate())
    threads = DiskThreads()
    many = [threads.run(Folder.WORK, flush_for, 0.02) for _ in range(MANY)]
    await asyncio.gather(*many)
    idle = set(threading.enumerate()) - others

    before = [times_woken(each) for each in idle]
    for _ in range(200):
        await threads.run(Folder.WORK, int)

    woken = [times_woken(each) - times for each, times in zip(idle, before, strict=True)]
    assert len(idle) > 2
    # One that has not sat down yet when the next task comes has another one take it.
    assert sum(sorted(woken)[:-2]) < 20


def flush_for(seconds: float) -> None:
    with flushing():
        time.sleep(seconds)


def times_woken(thread: threading.Thread) -> int:
    """
    Return how often a thread of this process has given up its core by itself.
    """
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    (times,) = re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
    return int(times)


def threads_at_once() -> int:
    """
    Return how many calls run at once where none waits for a disk.
    """
    return max(1, min(8, (os.cpu_count() or 1) - 1))


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
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        clock = time.pthread_getcpuclockid(threading.get_ident())
        calls.add(Call(Folder.DONE, clock, threading.get_native_id()))
        while not is_over.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while not calls:
            time.sleep(0.01)
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


async def test_what_computes_for_long_holds_up_nothing_else() -> None:
    """
    An answer is kept meanwhile, however large the picture is that is looked at.
    """
    threads, is_over = DiskThreads(), threading.Event()

    def compute() -> None:
        while not is_over.is_set():
            sum(range(1000))

    calls = [asyncio.ensure_future(threads.run(Folder.WORK, compute)) for _ in range(8)]

    async with asyncio.timeout(90):
        await threads.run(Folder.WORK, int)

    is_over.set()
    await asyncio.gather(*calls)
