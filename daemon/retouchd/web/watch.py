"""
What the run tells of posts while somebody waits for them: changes by name, twins, and whether nothing is sent.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from retouchd.events import Event, listen
from retouchd.events.inbox import FileHeld
from retouchd.events.jobs import JobClaimed, JobDone, JobFailed, JobReturned
from retouchd.events.run import DaemonPaused, DaemonResumed
from retouchd.web.lookup import STEM

_MOST_HELD = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPost:
    """
    Why a post is not taken: the reason, and of a duplicate the job that asked for the same, with its results.
    """

    reason: str
    same_as: str = ""
    results: tuple[str, ...] = ()


class PostWatch:
    """
    Hears of posts in any thread; those who wait live on the listener's loop.
    """

    def __init__(self, on_over: Callable[[str, str], None]) -> None:
        self._on_over = on_over
        self._held: OrderedDict[str, HeldPost] = OrderedDict()
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.pause = ""

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """
        Wake those who wait on this loop.
        """
        self._loop = loop

    @contextlib.contextmanager
    def hearing(self) -> Iterator[None]:
        """
        Hear meanwhile.
        """
        unlisten = listen(self._hear)
        try:
            yield
        finally:
            unlisten()

    def held(self, stem: str) -> HeldPost | None:
        """
        Return why a post is held in the inbox, None where it is not.
        """
        return self._held.get(stem)

    def release(self, stem: str) -> None:
        """
        Forget why a post was held: it is to be decided about anew.
        """
        self._held.pop(stem, None)

    @contextlib.contextmanager
    def changes(self, stem: str) -> Iterator[asyncio.Event]:
        """
        Yield an event that is set whenever something happens to a post, or to the run as a whole.
        """
        event = asyncio.Event()
        self._waiting.setdefault(stem, set()).add(event)
        try:
            yield event
        finally:
            waiting = self._waiting[stem]
            waiting.discard(event)
            if not waiting:
                del self._waiting[stem]

    def _hear(self, event: Event) -> None:
        match event:
            case DaemonPaused(reason=reason):
                self.pause = reason
                self._wake(None)
            case DaemonResumed():
                self.pause = ""
            case FileHeld():
                self._note_held(event)
            case JobClaimed() | JobReturned():
                self._note_change(event.name)
            case JobDone() | JobFailed():
                if stem := self._note_change(event.name):
                    self._on_over(stem, event.folder)

    def _note_held(self, event: FileHeld) -> None:
        stem = event.name.rpartition(".")[0]
        if STEM.fullmatch(stem):
            self._held[stem] = HeldPost(
                reason=event.reason, same_as=event.same_as, results=tuple(event.results)
            )
            while len(self._held) > _MOST_HELD:
                self._held.popitem(last=False)
            self._wake(stem)

    def _note_change(self, name: str) -> str:
        stem = name.rpartition(".")[0]
        if not STEM.fullmatch(stem):
            return ""
        self._held.pop(stem, None)
        self._wake(stem)
        return stem

    def _wake(self, stem: str | None) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # The listener has ended.
                self._loop.call_soon_threadsafe(self._set, stem)

    def _set(self, stem: str | None) -> None:
        stems = list(self._waiting) if stem is None else [stem]
        for each in stems:
            for event in self._waiting.get(each, ()):
                event.set()
