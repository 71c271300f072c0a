"""
Which mode is taken for what reason, and how often the inbox is looked at.
"""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.disk.signature import FolderStamp
from retouchd.inbox.watch_mode import (
    Choice,
    Mode,
    MtimeCache,
    choose,
    fall_back,
    scan_pause,
    trust_in,
)


@pytest.mark.parametrize(
    ("choice", "filesystem", "mode"),
    [
        (Choice.AUTO, "ext4", Mode.INOTIFY),
        (Choice.AUTO, None, Mode.INOTIFY),
        (Choice.AUTO, "nfs4", Mode.POLLING),
        (Choice.INOTIFY, "nfs4", Mode.INOTIFY),
        (Choice.POLLING, "ext4", Mode.POLLING),
    ],
)
def test_who_asks_for_something_gets_it(choice: Choice, filesystem: str | None, mode: Mode) -> None:
    """
    Only auto looks at the filesystem; what it does differently it can explain, and how to change it.
    """
    chosen = choose(choice, filesystem)

    assert mode is chosen.mode
    is_unasked = choice is Choice.AUTO and mode is Mode.POLLING
    assert is_unasked is bool(chosen.remedy)
    assert (filesystem in chosen.reason) if filesystem and choice is Choice.AUTO else chosen.reason


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (errno.ENOSPC, "fs.inotify.max_user_watches"),
        (errno.EMFILE, "fs.inotify.max_user_instances"),
        (errno.ENFILE, "fs.file-max"),
        (errno.ENOSYS, "intake.observer"),
        (errno.EIO, "SIGHUP"),
    ],
)
def test_what_runs_out_is_named(error: int, remedy: str) -> None:
    """
    With the setting to raise; auto goes on by polling, who insisted on inotify gets scans.
    """
    chosen = fall_back(Choice.AUTO, OSError(error, "no more of it"))

    assert Mode.POLLING is chosen.mode
    assert remedy in chosen.remedy
    assert Mode.SCAN is fall_back(Choice.INOTIFY, OSError(error, "no more of it")).mode


def test_folders_that_lie_too_deep_are_polled() -> None:
    """
    A limit of the library, no fault of the person's.
    """
    chosen = fall_back(Choice.AUTO, RecursionError())

    assert Mode.POLLING is chosen.mode
    assert "deep" in chosen.reason


@given(st.floats(0.001, 100), st.floats(0.001, 1000), st.floats(0, 1000))
def test_looking_takes_a_tenth_of_the_time_at_most(
    every: float, longest: float, took: float
) -> None:
    """
    Unless that would be less often than the inbox must be looked at; and never more often than asked for.
    """
    pause = scan_pause(every, longest, took)

    assert pause <= longest
    assert pause >= min(every, longest)
    assert pause == longest or took <= pause / 10 * (1 + 1e-9)


STAMP = FolderStamp(1, 1, 7, 1)


def test_a_folder_is_trusted_once_it_has_shown_the_same_for_longer_than_any_clock_steps() -> None:
    """
    Listings within one step of the filesystem's clock do not count, however many.
    """
    trust = None
    for began in (10.0, 11.0, 12.9):
        trust = trust_in(trust, STAMP, began)
        assert trust == MtimeCache(STAMP, 10)

    assert MtimeCache(STAMP, 10, is_firm=True) == trust_in(trust, STAMP, 13)


@pytest.mark.parametrize("part", FolderStamp._fields)
def test_any_change_of_a_folder_ends_the_trust_in_it(part: str) -> None:
    """
    Its times, and whether it is the same folder at all; also where it changed while it was listed.
    """
    changed = STAMP._replace(**{part: 99})

    assert MtimeCache(changed, 20) == trust_in(MtimeCache(STAMP, 10, is_firm=True), changed, 20)
    assert trust_in(MtimeCache(STAMP, 10, is_firm=True), None, 20) is None
