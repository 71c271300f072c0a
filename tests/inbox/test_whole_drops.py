"""
A drop of our own is complete when it has its name: it needs no quiet, until somebody writes to it after all.
"""

from retouchd.disk.signature import Signature, pack_signature
from retouchd.inbox.observed_files import ObservedFiles
from retouchd.inbox.readiness import Patience
from retouchd.inbox.watcher import EventQueue, InboxEvent

QUIET = 30.0


def signature(size: int = 10, ctime: int = 1) -> Signature:
    return Signature(size=size, mtime_ns=1, ctime_ns=ctime, inode=7, device=1)


def dropped() -> tuple[ObservedFiles, list[float]]:
    """
    Return the files with a drop that was seen at 100 and is known to be whole, and when it is decided about.
    """
    times: list[float] = []
    files = ObservedFiles(
        patience=Patience(settle_seconds=QUIET), schedule=lambda _, at: times.append(at)
    )
    files.see("", "cat.png", pack_signature(signature()), 100.0)
    files.note_whole("", "cat.png", 100.0)
    return files, times


def test_it_has_settled_at_once() -> None:
    files, times = dropped()

    assert times[-1] == 100.0
    assert files.observation("", "cat.png").quiet_since == 100.0 - QUIET


def test_the_event_of_the_drop_itself_may_come_late() -> None:
    """
    In a new sub-folder it is told of once more, when the folder is watched; it is decided about anew at once.
    """
    files, times = dropped()

    files.note_event("", "cat.png", 101.0)

    assert files.observation("", "cat.png").quiet_since <= 101.0 - QUIET
    assert times[-1] == 101.0


def test_a_write_after_all_is_waited_for() -> None:
    """
    Its signature is another one: what comes then counts as with any file.
    """
    files, times = dropped()

    assert files.see("", "cat.png", pack_signature(signature(size=11, ctime=2)), 102.0)
    files.note_event("", "cat.png", 103.0)

    assert files.observation("", "cat.png").quiet_since == 103.0
    assert times[-1] == 103.0 + QUIET


def test_an_empty_file_has_not_arrived() -> None:
    files = ObservedFiles(patience=Patience(settle_seconds=QUIET), schedule=lambda *_: None)
    files.see("", "cat.png", pack_signature(signature(size=0)), 100.0)

    files.note_whole("", "cat.png", 100.0)

    assert files.observation("", "cat.png").quiet_since == 100.0


def test_events_of_one_name_are_whole_where_one_of_them_is() -> None:
    queue = EventQueue(lambda: None)
    for is_whole in (False, True, False):
        queue.put(InboxEvent(path="cat.png", is_whole=is_whole))

    events, _ = queue.take()

    assert [each.is_whole for each in events] == [True]
