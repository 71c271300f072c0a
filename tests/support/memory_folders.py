"""
Test folders in memory, for tests of what runs in their own process: half of what a job costs them is what it
syncs to a disk.

Tests that start daemons, and those of the disk itself, keep to the disk that the tests' folders are on.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
_ENOUGH = 256 << 20


@contextlib.contextmanager
def opened(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """
    A folder in memory for as long as the block takes; where there is none to spare, one of pytest's own.
    """
    if not (os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= _ENOUGH):
        yield factory.mktemp("folder")
        return
    with tempfile.TemporaryDirectory(prefix="retouchd-", dir=MEMORY) as folder:
        own = Path(folder, "folder")  # What lies beside it is the test's as well.
        own.mkdir()
        yield own


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """
    Take the place of pytest's own.
    """
    with opened(tmp_path_factory) as folder:
        yield folder
