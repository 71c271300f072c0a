"""
The pool itself: whatever calls do, nothing is left behind, and few that take long hold up no other.
"""

import contextlib
import gc
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from hanging_calls import Hang
from retouchd.disk.calls import CHECK_SECONDS, Folder, Task, at
from retouchd.disk.thread_pools import Pool, flushing

AT_ONCE = 4
MOST_LENT = 32
FAR = [folder for folder in Folder if folder is not Folder.WORK]
PATIENCE = 60


class Steps(Task):
    """
    Calls some functions one after the other, each in a folder; `ends` counts how often it ended.
    """

    def __init__(self, *legs: tuple[Folder, Callable[[], Any]]) -> None:
        super().__init__(legs[0][0])
        self.legs = list(legs)
        self.ends = 0
        self.is_over = threading.Event()
        self.on_end = self._end

    def leg(self) -> Folder | None:
        _, call = self.legs.pop(0)
        self.result = call()
        return self.legs[0][0] if self.legs else None

    def _end(self, _result: object, _error: BaseException | None) -> None:
        self.ends += 1
        self.is_over.set()


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(2, "tried")
    yield pool
    pool.retire()


def started(pool: Pool, folder: Folder, call: Callable[[], Any]) -> Steps:
    task = Steps((folder, call))
    pool.start(task)
    return task


class Answer(bytearray):
    """
    Bytes that can be watched.
    """


def same(answer: Answer) -> Answer:
    return answer


def failed(_: Answer) -> Answer:
    raise OSError


def are_gone(left: list[weakref.ref[Any]]) -> bool:
    return not any(each() for each in left)


@pytest.mark.parametrize("call", [same, failed])
def test_a_thread_keeps_nothing_of_what_it_ran(
    pool: Pool, call: Callable[[Answer], Answer]
) -> None:
    """
    A picture of many megabytes, say: of its first task as little as of others, and without the collector.
    """
    gc.disable()
    try:
        for _ in range(2):
            answer = Answer()
            task = started(pool, Folder.WORK, partial(call, answer))
            assert task.is_over.wait(PATIENCE)
            left: list[weakref.ref[Any]] = [weakref.ref(task), weakref.ref(answer)]
            del task, answer
            wait_until(partial(are_gone, left))
    finally:
        gc.enable()


def has_begun(hang: Hang, times: int) -> bool:
    return all(hang.begun.acquire(timeout=PATIENCE) for _ in range(times))


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def relieve_until_over(pool: Pool, task: Steps) -> None:
    """
    Have the outbox blocked until a task has ended.
    """
    end = time.monotonic() + PATIENCE
    while not task.is_over.wait(0.05):
        pool.relieve({Folder.OUTBOX})
        assert time.monotonic() < end


def refuse(_thread: threading.Thread) -> None:
    """
    Start no thread, as where the system allows no more of them.
    """
    raise RuntimeError("can't start new thread")


def is_at_rest(pool: Pool) -> bool:
    """
    Return whether it counts nothing any more.
    """
    counted = Counter(pool._far) + Counter(pool._flushing)
    waiting = [pool._ready, *pool._parked.values(), pool.calls]
    return not (pool._running or pool._lent or counted.total() or any(waiting))


def a_leg(chance: random.Random) -> tuple[Folder, Callable[[], None]]:
    """
    Return what flushes, looks into another folder, waits and fails, as chance has it.
    """
    ways = chance.choices(["flush", "look", "wait", "fail"], [4, 2, 4, 1], k=chance.randrange(4))
    seconds, other = chance.choice([0.0, 0.0, 0.0005, 0.002]), chance.choice(list(Folder))

    def call() -> None:
        for way in ways:
            if way == "flush":
                with flushing(), flushing():
                    time.sleep(seconds)
            elif way == "look":
                with at(other), flushing():
                    time.sleep(seconds)
            elif way == "fail":
                raise OSError
            else:
                time.sleep(seconds)

    return chance.choice(list(Folder)), call


@contextlib.contextmanager
def relieved(pool: Pool, chance: random.Random) -> Iterator[None]:
    """
    Have folders blocked, and answer again, all the time.
    """
    is_over = threading.Event()

    def relieve() -> None:
        while not is_over.wait(0.001):
            pool.relieve(set(chance.sample(FAR, chance.randrange(3))))

    relieving = threading.Thread(target=relieve)
    relieving.start()
    try:
        yield
    finally:
        is_over.set()
        relieving.join()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_calls_do_nothing_is_left_behind(seed: int) -> None:
    """
    Each ends once, those that are queued when the pool is retired too, but for those that are called off first.
    """
    chance = random.Random(seed)
    pool = Pool(chance.choice([1, 1, 2, 5]), "tried")
    tasks = [Steps(*(a_leg(chance) for _ in range(chance.randrange(1, 5)))) for _ in range(300)]
    called_off = set()

    with relieved(pool, random.Random(seed)):
        for task in tasks:
            pool.start(task)
            if chance.random() < 0.1:
                each = chance.choice(tasks)
                each.call_off()
                called_off.add(each)
        if seed % 2:
            pool.retire()
        wait_until(lambda: is_at_rest(pool))
    pool.retire()

    for task in tasks:
        assert task.ends == (task.is_begun or task not in called_off)
    wait_until(lambda: all(each.name != "tried" for each in threading.enumerate()))


def test_flushes_that_hang_hold_up_nothing_else(pool: Pool, hang: Hang) -> None:
    """
    However many of them have lent their place, and no more of them come once it is known.
    """
    hung = [started(pool, Folder.OUTBOX, hang.flush) for _ in range(3 * MOST_LENT)]
    assert has_begun(hang, MOST_LENT)

    relieve_until_over(pool, started(pool, Folder.WORK, int))

    assert started(pool, Folder.DONE, int).is_over.wait(PATIENCE)
    assert sum(each.is_begun for each in hung) <= MOST_LENT + AT_ONCE + 2
    hang.is_over.set()
    wait_until(lambda: is_at_rest(pool))


def test_what_takes_long_but_gets_on_holds_up_nothing_else(pool: Pool, hang: Hang) -> None:
    """
    Many names on a slow share are one call, which makes step after step for minutes.
    """
    for _ in range(2):
        started(pool, Folder.WORK, hang.walk)
    assert has_begun(hang, 2)
    other = started(pool, Folder.WORK, int)

    time.sleep(1.5 * CHECK_SECONDS)
    pool.relieve(())

    assert other.is_over.wait(PATIENCE)


def test_those_that_hang_leave_others_what_they_may_lend(pool: Pool, hang: Hang) -> None:
    """
    However many they are: what takes long beside them still has others run in its place.
    """
    for _ in range(2 * MOST_LENT):
        started(pool, Folder.OUTBOX, hang.flush)
    assert has_begun(hang, MOST_LENT)
    time.sleep(1.5 * CHECK_SECONDS)
    pool.relieve({Folder.OUTBOX})
    for _ in range(AT_ONCE):
        started(pool, Folder.WORK, hang.walk)
    relieve_until_over(pool, started(pool, Folder.WORK, int))


def test_looks_into_a_blocked_folder_hold_up_nothing_else(pool: Pool, hang: Hang) -> None:
    """
    Not even until somebody looks whether they get on.
    """
    pool.relieve({Folder.OUTBOX})
    for _ in range(10):
        started(pool, Folder.WORK, hang.look)

    assert started(pool, Folder.WORK, int).is_over.wait(PATIENCE)


def test_flushes_in_a_slow_folder_let_others_come_there(pool: Pool, hang: Hang) -> None:
    """
    Else a share that is slow at all is flushed for four at a time, and not for all at once.
    """
    slow = [started(pool, Folder.OUTBOX, lambda: time.sleep(0.02)) for _ in range(20)]
    assert all(each.is_over.wait(PATIENCE) for each in slow)

    for _ in range(3 * AT_ONCE):
        started(pool, Folder.OUTBOX, hang.flush)

    assert has_begun(hang, 3 * AT_ONCE)


def test_what_no_thread_can_be_started_for_is_done_by_one_that_runs(
    pool: Pool, hang: Hang, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Or by a new one, once there may be one.
    """
    started(pool, Folder.DONE, hang.flush)
    assert has_begun(hang, 1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        other = started(pool, Folder.DONE, int)
        assert not other.ends
    pool.relieve(())

    assert other.is_over.wait(PATIENCE)
    hang.is_over.set()
    wait_until(lambda: is_at_rest(pool))


def test_what_is_refused_for_want_of_a_thread_is_not_done_later(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Who asked for it takes it for not done.
    """
    task = Steps((Folder.DONE, int))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="thread"):
            pool.start(task)

    assert started(pool, Folder.DONE, int).is_over.wait(PATIENCE)
    wait_until(lambda: is_at_rest(pool))
    assert not task.ends
