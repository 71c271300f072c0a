"""
What a run of `once` came to: as lines for people, as values for a log, as an exit code.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retouchd.cli.running import INTERRUPTED, UNAVAILABLE
from retouchd.disk.folders import Folders
from retouchd.errors import ConfigurationError
from retouchd.events.run import OnceEnded
from retouchd.inbox.waiting import Waiting
from retouchd.job.naming import path_below, shown
from retouchd.service.daemon import Ending
from retouchd.status import waiting_text
from retouchd.status.quantities import counted

_MOST_NAMED = 10
_REMEDIES = {
    "budget": "raise the budget in the configuration, or run it again tomorrow.",
    "outage": "run it again later.",
}
"""What to do about a pause, by its cause."""
_REMEDY = "run it again once that is corrected."


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """
    How it ended and why (`trouble`, and `cause` where that is a pause's), how many were done and failed, the
    paths of those that `went_wrong`, and what is left: what waits in the inbox, the jobs in work, and how many
    pictures lie in `error/`; None of both where that cannot be told.
    """

    ending: Ending
    done: int
    failed: int
    went_wrong: Sequence[str]
    trouble: str
    cause: str
    waiting: Waiting
    in_work: Sequence[Mapping[str, Any]] | None
    in_error: int | None

    @property
    def exit_code(self) -> int:
        """
        Return the exit code of the command.
        """
        match self.ending:
            case Ending.UNAVAILABLE:
                return UNAVAILABLE
            case Ending.AWAY:
                return ConfigurationError.exit_code
            case Ending.STOPPED if self.in_work is None or self.in_work or self.waiting.pictures:
                return INTERRUPTED
        return 1 if self.failed else 0

    @property
    def event(self) -> OnceEnded:
        """
        Return it as an event.
        """
        return OnceEnded(
            ending=self.ending.value,
            reason=self.trouble,
            done=self.done,
            error=self.failed,
            waiting=self.waiting.kinds,
            waiting_pictures=self.waiting.pictures,
            in_work=None if self.in_work is None else len(self.in_work),
            in_error=self.in_error,
            exit_code=self.exit_code,
        )


def lines_of(outcome: Outcome, folders: Folders) -> Iterator[str]:
    """
    Yield what was done, why it ended if not because all was, and what is left where and why.
    """
    yield f"{outcome.done} done, {outcome.failed} in error."
    if outcome.failed:
        yield f"Each file in {shown(str(folders.error))} has an .error.txt beside it."
        yield from (f"in error: {shown(path)}" for path in outcome.went_wrong[:_MOST_NAMED])
        if rest := len(outcome.went_wrong[_MOST_NAMED:]):
            yield f"in error: {rest:,} more"
    if before := max(0, (outcome.in_error or 0) - outcome.failed):
        lie = "lies" if before == 1 else "lie"
        yield (
            f"{counted(before, 'photo')} of earlier runs {lie} in {shown(str(folders.error))}: once what "
            "its .error.txt says is corrected, `retouchd retry` has it tried again."
        )
    if outcome.ending is Ending.STOPPED:
        yield "Stopped before all was done, as it was told to: run it again to go on."
    elif outcome.ending is not Ending.DRAINED:
        yield f"Stopped: {shown(outcome.trouble)}"
    if outcome.ending is Ending.UNAVAILABLE:
        remedy = _REMEDIES.get(outcome.cause, _REMEDY)
        unsent = f"What was not sent is in {shown(str(folders.inbox))}: "
        yield (
            f"{unsent}{remedy}" if outcome.waiting.pictures else f"{remedy[0].upper()}{remedy[1:]}"
        )
    if outcome.ending is not Ending.AWAY:
        yield from waiting_text.lines_of(outcome.waiting)
    if outcome.in_work is None:
        yield f"What is in work cannot be told: {shown(str(folders.work))} does not answer."
    else:
        yield from _in_work(outcome.in_work)


def _in_work(jobs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not jobs:
        return
    yield f"{counted(len(jobs), 'photo')} in work, with which the next run goes on:"
    for job in jobs[:_MOST_NAMED]:
        path = path_below(job["folder"], job["name"]) or job["id"]
        yield f"in work: {shown(path)}: {shown(job['reason'])}"
    if rest := len(jobs[_MOST_NAMED:]):
        yield f"in work: {rest:,} more"
