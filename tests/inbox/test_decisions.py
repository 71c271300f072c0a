"""
Bundles are decided about once for each change: what was decided is what would be decided now.
"""

from collections.abc import Callable
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from builders import mark
from retouchd.disk.signature import Signature
from retouchd.inbox.precedence import Content, Task
from retouchd.inbox.queue import InboxQueue
from retouchd.inbox.readiness import Patience, Ready

FOLDERS = ("", "shoes")
NAMES = ("cat.png", "cat.txt", "cat.toml", "cat.mask.png", "_prompt.txt", "_edit.toml", "dog.png")
REFERENCE = "_refs/b.png"
FAMILIES = [(folder, stem) for folder in FOLDERS for stem in ("cat", "dog")]


class DecidedInbox:
    """
    A queue about whose files anything may be told, with the time of its own.
    """

    def __init__(self) -> None:
        self.now = 100.0
        self.has_prompt = False
        self.queue = InboxQueue(
            patience=Patience(settle_seconds=2, orphan_seconds=20),
            default=lambda: Task(has_prompt=self.has_prompt),
        )
        self.files = self.queue.observed_files

    def see(self, folder: str, name: str, version: int) -> None:
        found = mark(version) if version else None
        self.files.see(folder, name, found, self.now)

    def hear(self, folder: str, name: str) -> None:
        self.files.note_event(folder, name, self.now)

    def read(self, *, images: bool) -> None:
        """
        Read all that has settled: prompts, and perhaps the reference.
        """
        while (place := self.files.unread(self.now)) is not None:
            content = Content(values={"prompt": "blue"}, images=(REFERENCE,) if images else None)
            self.files.note(*place, content, self.now)

    def see_reference(self, version: int) -> None:
        found = Signature(version, 1, 1, 1, 1) if version else "is not there"
        self.files.see_reference(REFERENCE, found, self.now)

    def hear_reference(self) -> None:
        self.files.note_reference_event(REFERENCE, self.now)

    def reload(self) -> None:
        self.has_prompt = not self.has_prompt

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.queue.settle(self.now)

    def take(self) -> None:
        self.queue.take()


Step: TypeAlias = Callable[[DecidedInbox], None]

_PLACE = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES))
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda at, v: lambda i: i.see(*at, v), _PLACE, st.integers(0, 2)),
    st.builds(lambda at: lambda i: i.hear(*at), _PLACE),
    st.builds(lambda images: lambda i: i.read(images=images), st.booleans()),
    st.builds(lambda v: lambda i: i.see_reference(v), st.integers(0, 2)),
    st.sampled_from([DecidedInbox.hear_reference, DecidedInbox.reload, DecidedInbox.take]),
    st.builds(lambda s: lambda i: i.wait(s), st.sampled_from([0.0, 1.0, 2.0, 3.0, 30.0])),
)


@given(st.lists(STEPS, max_size=40))
def test_what_was_decided_is_what_would_be_decided_now(steps: list[Step]) -> None:
    """
    Whatever happens to files, folder files, references and settings, in any order.
    """
    inbox = DecidedInbox()

    for step in steps:
        step(inbox)
        for key in FAMILIES:
            assert inbox.queue.decision(key, inbox.now) == inbox.queue.candidates.of(key, inbox.now)


def test_a_ready_family_is_decided_about_once() -> None:
    """
    Who claims it is handed what was decided; a change makes it anew.
    """
    inbox = DecidedInbox()
    inbox.see("", "cat.png", 1)
    inbox.see("", "cat.txt", 1)
    inbox.wait(2)

    (decided,) = inbox.queue.decision(("", "cat"), inbox.now)
    assert isinstance(decided.state, Ready)
    assert inbox.queue.decision(("", "cat"), inbox.now)[0] is decided

    inbox.hear("", "cat.txt")
    (again,) = inbox.queue.decision(("", "cat"), inbox.now)
    assert not isinstance(again.state, Ready)
