"""
Bundles that are ready and yet not claimed, with the reason.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from retouchd.disk.signature import Signature
from retouchd.inbox.references import Place


class HeldCause(Enum):
    """
    What holds a bundle: a fault that a person must mend, a writer that has not finished, or that the same was
    asked for already.
    """

    FAULT = auto()
    UNFINISHED = auto()
    IN_WORK = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Twin:
    """
    The job that asked for the same: its id, and its results below the outbox once it is done.
    """

    job: str
    results: tuple[str, ...] = ()


class HeldError(Exception):
    """
    The bundle stays in the inbox; the message says why, `twin` which job asked for the same. One that
    `may_pass` is looked at again by itself: what it waits for may come to a place that nobody watches.
    """

    def __init__(
        self,
        reason: str,
        cause: HeldCause = HeldCause.FAULT,
        twin: Twin | None = None,
        *,
        may_pass: bool = False,
    ) -> None:
        super().__init__(reason)
        self.cause = cause
        self.twin = twin
        self.may_pass = may_pass


class NotYetError(Exception):
    """
    It is not known yet what was done before: it is tried again soon. The message says why; `is_stuck` where a
    person has to mend something first.
    """

    def __init__(self, reason: str, *, is_stuck: bool) -> None:
        super().__init__(reason)
        self.is_stuck = is_stuck


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBundle:
    """
    Why a bundle is held, the kind of that reason, and the names of its files; `seen` is the state of the first
    of them.
    """

    cause: HeldCause
    reason: str
    kind: str
    names: tuple[str, ...]
    seen: Signature


class HeldBundles:
    """
    All that is held, by folder and name of each bundle's first file: what a person should look at in
    `faults`, what may still be written to in `unfinished`, what only came again in `duplicates`. `changes`
    counts how often that became another.
    """

    def __init__(self) -> None:
        self.faults: dict[Place, HeldBundle] = {}
        self.unfinished: dict[Place, HeldBundle] = {}
        self.duplicates: dict[Place, HeldBundle] = {}
        self.changes = 0
        self._reasons: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def hold(self, first: Place, hold: HeldBundle) -> bool:
        """
        Hold a bundle; return whether its reason is news: one fault may hold many, of which the first alone is.
        """
        before = self.held(first)
        is_its_own = hold.cause in (HeldCause.IN_WORK, HeldCause.DONE)
        is_known = (
            before and before.reason == hold.reason if is_its_own else self._reasons[hold.reason]
        )
        self.release(first)
        self._held(hold.cause)[first] = hold
        self.changes += 1
        self._reasons[hold.reason] += 1
        self._kinds[hold.kind] += 1
        return not is_known

    def held(self, first: Place) -> HeldBundle | None:
        """
        Return why the bundle with this first file is held, None if it is not.
        """
        every = (self.faults, self.unfinished, self.duplicates)
        return next((held[first] for held in every if first in held), None)

    def holds(self, kind: str) -> bool:
        """
        Return whether anything is held for that kind of reason.
        """
        return self._kinds[kind] > 0

    def release(self, first: Place) -> None:
        """
        Hold a bundle no longer.
        """
        for held in (self.faults, self.unfinished, self.duplicates):
            if (hold := held.pop(first, None)) is None:
                continue
            self.changes += 1
            self._kinds[hold.kind] -= 1
            self._reasons[hold.reason] -= 1
            if not self._reasons[hold.reason]:
                del self._reasons[hold.reason]

    def forget(self, knows: Callable[[str, str], bool]) -> None:
        """
        Forget what is no longer there.
        """
        for first in [each for each in self.places() if not knows(*each)]:
            self.release(first)

    def places(self) -> Iterable[Place]:
        """
        Return the first file of each bundle that is held.
        """
        return [*self.faults, *self.unfinished, *self.duplicates]

    def reasons(self) -> Mapping[Place, str]:
        """
        Return why each file of each bundle is held.
        """
        return {
            (folder, name): hold.reason
            for held in (self.faults, self.unfinished, self.duplicates)
            for (folder, _), hold in held.items()
            for name in hold.names
        }

    def _held(self, cause: HeldCause) -> dict[Place, HeldBundle]:
        match cause:
            case HeldCause.FAULT:
                return self.faults
            case HeldCause.UNFINISHED:
                return self.unfinished
            case HeldCause.IN_WORK | HeldCause.DONE:
                return self.duplicates
