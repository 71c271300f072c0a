"""
Crashes from outside: a real daemon is killed, failed by the kernel, and cut off from power.

Here at some of the points; `make sweep` tries all of them.
"""

import re

import pytest

from crash_outside import playing
from outside_scene import Outcome

pytestmark = [pytest.mark.slow(120), pytest.mark.timeout(300)]


def played(name: str, stride: int) -> Outcome:
    """
    Play one plot; return its outcome, or skip the test where it cannot be played here.
    """
    with playing({name: stride}) as outcomes:
        outcome = outcomes()[name]
    if outcome.obstacle:
        pytest.skip(outcome.obstacle)
    return outcome


@pytest.mark.parametrize("name", ["kill", "kill on the way"])
def test_a_daemon_may_be_killed_at_any_moment(name: str) -> None:
    """
    After any change of the disk, with results near and with results on another filesystem.
    """
    outcome = played(name, 16)

    assert outcome.failures == []
    assert outcome.tried > 8, "it saw a whole run"


@pytest.mark.parametrize(("name", "stride", "least"), [("fail", 16, 10), ("shut", 1, 4)])
def test_any_call_of_a_daemon_may_fail(name: str, stride: int, least: int) -> None:
    """
    Whatever the kernel says, a run loses nothing and pays once, and the next one finishes.
    """
    outcome = played(name, stride)

    assert outcome.failures == []
    assert outcome.tried >= least, "calls failed"


@pytest.mark.parametrize(("name", "stride"), [("ext4", 12), ("xfs", 20), ("btrfs", 20)])
def test_the_power_may_fail_at_any_moment(name: str, stride: int) -> None:
    """
    What a filesystem has on its device after any change is enough for the next start.
    """
    outcome = played(name, stride)

    assert outcome.failures == []
    assert outcome.tried * stride > 90, "it saw a whole run"


@pytest.mark.parametrize(
    ("mutant", "stride", "promise"),
    [
        ("files unsynced", 24, "is no whole picture"),
        # What came of a job whose own names are gone: the files are back, and a request was made.
        ("folders unsynced", 24, "is left in the inbox|asked for and is gone|differ"),
    ],
)
def test_a_daemon_that_does_not_sync_is_found_out(mutant: str, stride: int, promise: str) -> None:
    """
    Pictures whose bytes, and folders whose names are not made durable: each breaks its promise.
    """
    outcome = played(mutant, stride)

    assert re.search(promise, outcome.failures[0])
