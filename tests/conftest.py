"""
What holds for all tests.
"""

import ast
import functools
import gc
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from hanging_disk import HangingDisk
from process import Station, open_station

# How long it takes to think of an example says how busy the machine is. The same examples each time: what fails
# then is of the last change. `make sweep` looks for new ones.
settings.register_profile(
    "busy",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("HYPOTHESIS_PROFILE") != "sweep",
)
settings.load_profile("busy")

# What is made while tests are collected stays until the end: nobody need look whether it can go.
gc.disable()

# A shell starts what runs in the background with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_SUPPORT = Path(__file__).parent / "support"

# No daemon here need load the machine's authorities: that takes as long as a photo. The file would win.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.fspath(_SUPPORT)

_RUNNING = {"asyncio", "benchmarks", "multiprocessing", "pty", "socket", "subprocess", "threading"}
"""Who imports these, by itself or by a helper of the tests, starts something or waits for it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """
    Add `--pure`.
    """
    parser.addoption("--pure", action="store_true", help="only tests that start nothing")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """
    Return how many workers share the tests: most of those that start something wait for it most of the time.
    """
    cores = len(os.sched_getaffinity(0))
    return cores if config.getoption("--pure") else 3 * cores


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """
    Leave out the files that `--pure` does not mean.
    """
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    if not (is_test and config.getoption("--pure")):
        return None
    return True if _imported(collection_path) & _RUNNING else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Deal the slow files to the workers, the longest first: nobody waits for one at the end.

    Each worker is given as many tests, one after the other as they stand here, and takes others' last ones
    once it has done its own. Most slow files wait more than they work: quick tests stand between them, so
    that not all workers wait at once.
    """
    if not hasattr(config, "workerinput"):
        return
    slow: dict[Path, list[pytest.Item]] = {}
    quick: list[pytest.Item] = []
    seconds: dict[Path, float] = {}
    for item in items:
        if marker := item.get_closest_marker("slow"):
            slow.setdefault(item.path, []).append(item)
            seconds[item.path] = float(marker.args[0])
        else:
            quick.append(item)
    workers = config.workerinput["workercount"]
    shares: list[list[Path]] = [[] for _ in range(workers)]
    given = [0.0] * workers
    for path in sorted(slow, key=lambda path: -seconds[path]):
        least = given.index(min(given))
        given[least] += seconds[path]
        shares[least].append(path)
    others = iter(quick)
    dealt: list[pytest.Item] = []
    for number, share in enumerate(shares):
        # As xdist cuts the list.
        room = (len(items) - len(dealt)) // (workers - number)
        room -= sum(len(slow[path]) for path in share)
        for left, path in zip(range(len(share), 0, -1), share, strict=True):
            between = list(itertools.islice(others, max(0, room // left)))
            room -= len(between)
            dealt += [*slow[path], *between]
        dealt += itertools.islice(others, max(0, room))
    items[:] = [*dealt, *others]


def pytest_collection_finish() -> None:
    """
    Have the collector look at what the tests make, and no more at the tests themselves.
    """
    gc.freeze()
    gc.enable()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as station:
        yield station


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[HangingDisk]:
    disk = HangingDisk(tmp_path)
    yield disk
    disk.let_go()


@functools.cache
def _imported(path: Path) -> frozenset[str]:
    """
    Return the modules that one of the tests' modules imports, by itself or by another one of them.
    """
    own: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            own.update(each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            own.add(node.module.partition(".")[0])
    others = (
        _imported(_SUPPORT / f"{each}.py") for each in own if (_SUPPORT / f"{each}.py").exists()
    )
    return frozenset(own.union(*others))
