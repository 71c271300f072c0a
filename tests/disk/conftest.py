"""
What the tests of the disk share.
"""

from collections.abc import Iterator

import pytest

from hanging_calls import Hang


@pytest.fixture
def hang() -> Iterator[Hang]:
    hang = Hang()
    yield hang
    hang.is_over.set()
