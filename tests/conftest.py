"""
What holds for all tests.
"""

import ast
import functools
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
    Let workers begin with the files that take longest: nobody waits for one of them at the end.
    """
    if not hasattr(config, "workerinput"):
        return
    longest: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        if marker and marker.args:
            longest[item.path] = max(longest.get(item.path, 0), marker.args[0])
    items.sort(key=lambda item: -longest.get(item.path, 0))


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
