"""
When a file is whole: the traces of real writers, replayed.
"""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import signature
from retouchd.disk.signature import Observation, Signature
from retouchd.inbox.readiness import Patience, observed, settled_at, touched

PATIENCE = Patience(settle_seconds=2)


class Event(NamedTuple):
    """
    The watcher rang and the file was looked at.
    """

    at: float
    signature: Signature


class Scan(NamedTuple):
    """
    The file was looked at without any event.
    """

    at: float
    signature: Signature


Step = Event | Scan


def replay(trace: list[Step]) -> Observation:
    observation: Observation | None = None
    for step in trace:
        seen = observed(observation, step.signature, step.at)
        observation = (
            touched(seen, step.at) if isinstance(step, Event) and seen is observation else seen
        )
    assert observation is not None
    return observation


EMPTY, HALF, WHOLE = (signature(size, mtime_ns=size + 1) for size in (0, 50, 100))


def preallocated(mtime_ns: int) -> Signature:
    return signature(100, mtime_ns=mtime_ns)


TRACES: dict[str, tuple[list[Step], float | None]] = {
    "cp, editor, curl: created, modified, closed": (
        [Event(0, EMPTY), Event(0.5, HALF), Event(1, WHOLE), Event(1, WHOLE)],
        3,
    ),
    "rename from outside the tree: created only": ([Event(0, WHOLE)], 2),
    "rename inside the tree from a temporary name": ([Event(0.5, WHOLE)], 2.5),
    "hard link, SFTP rename: final name created only": ([Event(1, WHOLE)], 3),
    "O_TMPFILE and linkat: created": ([Event(0, WHOLE)], 2),
    "directory moved in: nothing but the scan": ([Scan(7, WHOLE), Scan(8, WHOLE)], 9),
    "zero-byte placeholder: created, closed": ([Event(0, EMPTY), Event(0, EMPTY)], None),
    "the download renamed over its placeholder": (
        [Event(0, EMPTY), Event(30, signature(100, inode=8))],
        32,
    ),
    "exiv2: closed, then truncated and rewritten in place": (
        [Event(0, WHOLE), Event(1.5, EMPTY), Event(1.6, HALF), Event(1.7, signature(120))],
        3.7,
    ),
    "scanner: open, append, close three times": (
        [Event(0, signature(40)), Event(1.9, signature(80)), Event(3.8, signature(120))],
        5.8,
    ),
    "mmap write after close: only a look can tell": (
        [Event(0, WHOLE), Scan(2, preallocated(9)), Scan(4, preallocated(9))],
        4,
    ),
    "replaced by rename from outside: same path, new inode": (
        [Event(0, WHOLE), Event(1.5, signature(100, inode=8))],
        3.5,
    ),
    "cp -p, rsync -t: the mtime lies in the past": ([Event(10, signature(100, mtime_ns=0))], 12),
    "Samba, aria2: full size first, data later": (
        [Event(0, preallocated(1)), *[Event(n, preallocated(n + 1)) for n in (1, 2, 3)]],
        5,
    ),
    "polling: no events, size seen to grow": (
        [Scan(0, HALF), Scan(5, WHOLE), Scan(10, WHOLE)],
        7,
    ),
    "an event that changed nothing": ([Event(0, WHOLE), Event(1, WHOLE)], 3),
    "written to after its writer's own rename": ([Event(0, WHOLE), Event(1, signature(120))], 3),
    "touched after its writer's own rename": ([Event(0, WHOLE), Event(1, WHOLE)], 3),
}


@pytest.mark.parametrize(("trace", "expected"), TRACES.values(), ids=TRACES)
def test_a_writer_is_waited_for(trace: list[Step], expected: float | None) -> None:
    """
    A file settles when its writer has been quiet for settle_seconds, whatever name it had before.
    """
    assert expected == pytest.approx(settled_at(replay(trace), PATIENCE))


@pytest.mark.parametrize("field", Signature._fields)
def test_every_part_of_the_signature_counts(field: str) -> None:
    """
    Any difference of size, mtime, ctime, inode or device starts the wait again.
    """
    before = observed(None, WHOLE, 0)

    after = observed(before, WHOLE._replace(**{field: 12345}), 1.5)

    assert settled_at(after, PATIENCE) == 3.5


SIGNATURES = st.builds(signature, st.integers(1, 3), mtime_ns=st.integers(1, 3))
STEPS = st.lists(
    st.tuples(st.floats(0.1, 3), st.sampled_from([Event, Scan]), SIGNATURES),
    min_size=1,
    max_size=12,
)


@given(STEPS)
def test_nothing_settles_while_it_changes(
    steps: list[tuple[float, type[Event | Scan], Signature]],
) -> None:
    """
    Whatever happens in whatever order: no file is settled within settle_seconds of its last change or event.
    """
    at, last_change, trace = 0.0, 0.0, list[Step]()
    for wait, kind, seen in steps:
        at += wait
        if kind is Event or not trace or trace[-1].signature != seen:
            last_change = at
        trace.append(kind(at, seen))

        assert last_change + PATIENCE.settle_seconds == settled_at(replay(trace), PATIENCE)
