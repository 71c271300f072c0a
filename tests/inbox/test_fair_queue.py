"""
Folders take turns: a crowd in one of them holds nobody else up.
"""

import itertools
import time
from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.inbox.fair_queue import FairQueue

Item = tuple[int, str]


def queue_of(**folders: int) -> FairQueue[Item]:
    """
    Return a queue with so many items in each folder, `__` in a name for `/`; the first folders' come first.
    """
    queue, numbers = FairQueue[Item](), itertools.count()
    for folder, count in folders.items():
        for _ in range(count):
            number = next(numbers)
            queue.push("" if folder == "top" else folder.replace("__", "/"), (number, str(number)))
    return queue


def folders_of(queue: FairQueue[Item], most: int = 10**6) -> list[str]:
    found = iter(queue.pop, None)
    return [each[0] for each in itertools.islice(found, most)]


def test_within_a_folder_the_least_comes_first() -> None:
    """
    As in a heap.
    """
    queue = FairQueue[Item]()
    for number in (3, 1, 2, 0):
        queue.push("a", (number, "x"))

    assert [queue.pop() for _ in range(5)] == [*(("a", (n, "x")) for n in range(4)), None]
    assert len(queue) == 0


def test_the_first_round_goes_by_the_order_of_all() -> None:
    """
    Whoever was pushed first: the least item of each folder counts, and then the next ones take turns.
    """
    queue = FairQueue[Item]()
    for folder, number in [("a", 9), ("b", 5), ("a", 1), ("", 7), ("a", 2), ("b", 6)]:
        queue.push(folder, (number, ""))

    assert [queue.pop() for _ in range(6)] == [
        ("a", (1, "")),
        ("b", (5, "")),
        ("", (7, "")),
        ("a", (2, "")),
        ("b", (6, "")),
        ("a", (9, "")),
    ]


def test_one_who_comes_late_waits_for_two_turns_of_a_crowd() -> None:
    """
    Though all of the crowd was there before.
    """
    queue = queue_of(a=1000)
    folders_of(queue, 10)

    queue.push("b", (10**6, ""))

    assert "b" in folders_of(queue, 2)


@pytest.mark.parametrize("crowd", ["a", "a__b__c", "top"])
def test_a_folder_beside_a_crowd_gets_half_of_the_turns(crowd: str) -> None:
    """
    However deep the crowd lies.
    """
    queue = queue_of(**{crowd: 100, "z": 10})

    assert Counter(folders_of(queue, 20))["z"] == 10


def test_a_tree_has_no_more_turns_than_a_folder() -> None:
    """
    A thousand folders below one of two have half of the turns.
    """
    queue = FairQueue[Item]()
    for number in range(1000):
        queue.push(f"a/{number % 10}/{number}", (number, ""))
    for number in range(20):
        queue.push("b", (10_000 + number, ""))

    assert Counter(folders_of(queue, 40))["b"] == 20


def test_one_who_trickles_takes_no_more_than_its_turns() -> None:
    """
    A folder that gets its next file whenever one was taken has half of the turns, not all.
    """
    queue, found = queue_of(a=100), []
    for number in range(60):
        queue.push("b", (1000 + number, ""))
        popped = queue.pop()
        assert popped is not None
        found.append(popped[0])

    assert abs(found.count("a") - 30) <= 2


def test_new_folders_all_the_time_starve_nobody() -> None:
    """
    Each of them is served once, and so is the old one in every round.
    """
    queue, found = queue_of(a=100), []
    for number in range(200):
        for new in range(2):
            queue.push(f"new {number} {new}", (1000 + number, ""))
        popped = queue.pop()
        assert popped is not None
        found.append(popped[0])

    places = [place for place, folder in enumerate(found) if folder == "a"]
    assert len(places) >= 6  # Rounds grow as more come than go: 1, 2, 4, …


def test_who_is_passed_over_keeps_its_turn() -> None:
    """
    Names are those of folders at the top; the files at the top have none.
    """
    queue = queue_of(a__b=2, top=2, c=2)

    assert queue.count(["a", "", "d"]) == 2
    assert folders_of_but_not(queue, "a", "") == ["c", "c"]
    assert queue.count(["a", ""]) == 0
    assert queue.pop({"a", ""}) is None
    assert folders_of(queue) == ["a/b", "", "a/b", ""]


def folders_of_but_not(queue: FairQueue[Item], *names: str) -> list[str]:
    return [each[0] for each in iter(partial(queue.pop, names), None)]


def test_what_was_emptied_leaves_nothing_behind() -> None:
    """
    A year of folders that come and go.
    """
    queue = queue_of(a=2)
    for number in range(1000):
        queue.push(f"orders/{number}", (number + 10, ""))
        queue.push(f"orders/{number}/deep/er", (number + 10, ""))
    while queue.pop():
        pass

    assert queue._leaves == {}
    assert queue._top.nodes == {}
    assert len(queue._top.line) <= 1


def test_falling_items_leave_no_heap_of_old_turns() -> None:
    """
    Each of them makes the turn of its folder an earlier one.
    """
    queue = FairQueue[Item]()
    for number in range(10_000, 0, -1):
        queue.push("a", (number, ""))

    assert len(queue._top.line) < 50
    assert queue.pop() == ("a", (1, ""))


def test_the_deepest_folder_is_no_matter() -> None:
    """
    Paths go down to 3072 bytes.
    """
    queue = FairQueue[Item]()
    deepest = "/".join("a" * 1536)
    queue.push(deepest, (1, ""))
    queue.push("", (2, ""))

    assert queue.pop() == (deepest, (1, ""))
    assert queue.pop() == ("", (2, ""))


FOLDERS = st.sampled_from(["", "a", "b", "a/x", "a/y", "a/x/1", "b/z"])
MOVES = st.lists(st.one_of(st.none(), st.tuples(FOLDERS, st.integers(0, 5))), max_size=60)


@given(MOVES)
def test_nothing_is_lost_doubled_or_out_of_its_folders_order(
    moves: list[tuple[str, int] | None],
) -> None:
    """
    Whatever is pushed and popped in whatever order; at the top nobody waits for three turns of another.
    """
    queue, inside = FairQueue[tuple[int, int]](), Counter[tuple[str, tuple[int, int]]]()
    waited: dict[str, Counter[str]] = {}
    for number, move in enumerate([*moves, *[None] * len(moves)]):
        if move is not None:
            folder, rank = move
            queue.push(folder, (rank, number))
            inside[folder, (rank, number)] += 1
            waited.setdefault(_top(folder), Counter())
            continue
        popped = queue.pop()
        assert (popped is None) == (not inside)
        if popped is None:
            continue
        folder, item = popped
        assert item == min(each for where, each in inside if where == folder)
        del inside[popped]
        left = {_top(where) for where, _ in inside}
        waited.pop(_top(folder))
        for other in waited.values():
            other[_top(folder)] += 1
            assert other[_top(folder)] <= 2
        if _top(folder) in left:
            waited[_top(folder)] = Counter()
        assert len(queue) == len(inside)


def _top(folder: str) -> str:
    return folder.partition("/")[0]


def seconds_for(count: int) -> float:
    """
    Return the least time that a push and a pop take in a queue of so many.
    """
    queue, times = queue_of(a=count, b__c=count), []
    for number in range(200):
        began = time.perf_counter()
        queue.push("a", (10**6 + number, ""))
        queue.pop()
        times.append(time.perf_counter() - began)
    return min(times)


def test_the_cost_hardly_grows() -> None:
    """
    A hundred thousand more are a heap's few steps more.
    """
    assert seconds_for(100_000) < 20 * seconds_for(10)
