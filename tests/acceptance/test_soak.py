"""
A soak of a minute: writers, two real daemons, kills and faults, then the promises. `make soak` does it for
longer.
"""

from pathlib import Path

import pytest

from soak import soak

pytestmark = pytest.mark.slow(45)

SECONDS = 40.0


@pytest.mark.timeout(400)
def test_nothing_is_lost_in_a_minute_of_everything(tmp_path: Path) -> None:
    """
    Daemons killed at random under an endpoint that does everything wrong lose nothing and buy nothing twice.
    """
    report = soak(tmp_path, seconds=SECONDS, seed=20261124)

    assert report.lost == 0, report.text()
    assert report.kills > 3, report.text()
    assert report.done > 10, report.text()
