"""
A priority queue in which folders take turns, so that a crowd in one of them holds nobody else up.

At each folder, the files in it and each of its sub-folders get one turn in every round, whatever lies behind
them: a deep tree has no more turns than one flat folder beside it. Within a round, and within a folder, the
least item comes first. What comes to a folder with nothing waiting joins the next round, so that neither the
crowd nor those that come and go keep anybody waiting for more than two turns of each other.
"""

import heapq
import itertools
from collections.abc import Collection
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T", bound=tuple[Any, ...])

_Entry: TypeAlias = "tuple[int, T, int, _Node[T]]"
"""A turn: its round, its least item when it lined up, a number that tells equals apart."""

_FILES = ""
_SPARE = 16


class FairQueue(Generic[T]):
    """
    Items of folders, by the folders' paths with `/` between parts and `""` for the top; items have an order.

    Adding costs what a heap does, taking out that for each folder on the way.
    """

    def __init__(self) -> None:
        self._top: _Branch[T] = _Branch(None, _FILES)
        self._leaves: dict[str, _Leaf[T]] = {}

    def __len__(self) -> int:
        return self._top.count

    def count(self, but_not: Collection[str] = ()) -> int:
        """
        Return how many items there are but those of some folders at the top.
        """
        nodes = map(self._top.nodes.get, but_not)
        return self._top.count - sum(node.count for node in nodes if node is not None)

    def least(self) -> T | None:
        """
        Return the least item of all, None if there is none. While another thread is at it, the least of then.
        """
        firsts = [first for leaf in list(self._leaves.values()) for first in leaf.items[:1]]
        return min(firsts, default=None)

    def push(self, folder: str, item: T) -> None:
        """
        Add an item of a folder.
        """
        leaf = self._leaves.get(folder)
        if leaf is None:
            leaf = self._leaves[folder] = self._leaf(folder)
        heapq.heappush(leaf.items, item)
        node: _Node[T] = leaf
        node.count += 1
        while (parent := node.parent) is not None:
            parent.count += 1
            if node.entry is None:
                parent.line_up(node, parent.round + 1, item)
            elif item < node.entry[1]:
                parent.line_up(node, node.entry[0], item)
            node = parent

    def pop(self, but_not: Collection[str] = ()) -> tuple[str, T] | None:
        """
        Take out the item whose turn it is; return it with its folder, None if there is none.

        Folders at the top whose names are in `but_not` keep their turns; `""` are the files at the top itself.
        """
        passed = self._top.passed_over(but_not)
        found = self._pop() if self._top.line else None
        self._top.take_back(passed)
        return found

    def _pop(self) -> tuple[str, T]:
        node: _Node[T] = self._top
        while isinstance(node, _Branch):
            node = node.first()
        assert isinstance(node, _Leaf), "what is no branch is a leaf"
        folder, item = node.folder, heapq.heappop(node.items)
        if not node.items:
            del self._leaves[folder]
        node.count -= 1
        while (parent := node.parent) is not None:
            parent.count -= 1
            parent.served(node)
            node = parent
        return folder, item

    def _leaf(self, folder: str) -> "_Leaf[T]":
        branch = self._top
        for part in folder.split("/") if folder else ():
            below = branch.nodes.get(part)
            if not isinstance(below, _Branch):
                below = branch.nodes[part] = _Branch(branch, part)
            branch = below
        leaf = branch.nodes[_FILES] = _Leaf(branch, folder)
        return leaf


class _Node(Generic[T]):
    """
    A node that takes turns: the files of a folder, or a folder with all in it. `count` items lie behind it.
    """

    __slots__ = ("count", "entry", "name", "parent")

    def __init__(self, parent: "_Branch[T] | None", name: str) -> None:
        self.parent = parent
        self.name = name
        self.count = 0
        self.entry: _Entry[T] | None = None

    def least(self) -> T:
        """
        Return the item that it hands out next.
        """
        raise NotImplementedError


class _Leaf(_Node[T]):
    __slots__ = ("folder", "items")

    def __init__(self, parent: "_Branch[T]", folder: str) -> None:
        super().__init__(parent, _FILES)
        self.folder = folder
        self.items: list[T] = []

    def least(self) -> T:
        return self.items[0]


class _Branch(_Node[T]):
    """
    A folder; `round` is the one that is being served.
    """

    __slots__ = ("line", "nodes", "numbers", "round")

    def __init__(self, parent: "_Branch[T] | None", name: str) -> None:
        super().__init__(parent, name)
        self.nodes: dict[str, _Node[T]] = {}
        self.line: list[_Entry[T]] = []
        self.numbers = itertools.count()
        self.round = 0

    def least(self) -> T:
        self.first()
        return self.line[0][1]

    def first(self) -> _Node[T]:
        """
        Return whose turn it is; somebody has to be in line.
        """
        while self.line[0][3].entry is not self.line[0]:
            heapq.heappop(self.line)
        return self.line[0][3]

    def passed_over(self, names: Collection[str]) -> "list[_Entry[T]]":
        """
        Take those of these names out of the front of the line, and whoever is in it no longer.
        """
        passed = []
        while self.line:
            entry = self.line[0]
            if entry[3].entry is entry:
                if entry[3].name not in names:
                    break
                passed.append(entry)
            heapq.heappop(self.line)
        return passed

    def take_back(self, passed: "list[_Entry[T]]") -> None:
        """
        Give back their turns to those that were passed over.
        """
        for entry in passed:
            heapq.heappush(self.line, entry)

    def line_up(self, node: _Node[T], round_: int, item: T) -> None:
        """
        Give a node its turn in a round; the one it had counts no longer.
        """
        node.entry = (round_, item, next(self.numbers), node)
        if len(self.line) > 2 * len(self.nodes) + _SPARE:
            self.line = [each.entry for each in self.nodes.values() if each.entry is not None]
            heapq.heapify(self.line)
        else:
            heapq.heappush(self.line, node.entry)

    def served(self, node: _Node[T]) -> None:
        """
        Take in that the first in line had its turn.
        """
        self.round = self.line[0][0]
        if node.count:
            node.entry = (self.round + 1, node.least(), next(self.numbers), node)
            heapq.heapreplace(self.line, node.entry)
        else:
            heapq.heappop(self.line)
            del self.nodes[node.name]
