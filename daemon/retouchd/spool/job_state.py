"""
Where a job and each of its edits stand: its directory's documents and names, read at once.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from retouchd.errors import Blocked
from retouchd.job.model import Attempt, AttemptKey, Job, Opened, Verdict, idempotency_key
from retouchd.spool.finished_results import FinishedResults
from retouchd.spool.phase import (
    FINISHED,
    OUTPUTS,
    PLAN,
    Phase,
    attempts_in,
    doing,
    edit_of,
    edit_phase,
    number_of,
    phase_of,
    pictures_in,
    unsealed,
)
from retouchd.spool.plan import Plan

CRASHES = "crashes"
_SPOKEN_OF = (Phase.ASKING, Phase.KEPT, Phase.CLAIMED, Phase.CLOSED, Phase.EDITED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """
    All that a job's directory says: its documents, and the relative names of its files.

    `attempts` are closed, in the order of their edits and numbers; `opened` holds by the number of its edit the
    note of each edit's last attempt while that is not closed.
    """

    id: str
    files: frozenset[str]
    job: Job | None
    attempts: tuple[Attempt, ...]
    opened: Mapping[int, Opened]
    plan: Plan | None
    crashes: tuple[str, ...]
    finished: FinishedResults = field(default_factory=FinishedResults)

    @property
    def phase(self) -> Phase:
        """
        Return where the job stands.
        """
        if self.job is None:
            return phase_of(self.files, ())
        plan = self.plan
        return phase_of(
            self.files,
            (member.name for member in self.job.members),
            edits=len(self.job.edits),
            had=self.job.had,
            published=None if plan is None else [item.source for item in plan.outputs],
            archived=() if plan is None else [item.source for item in plan.originals],
        )

    @property
    def edits(self) -> tuple["EditState", ...]:
        """
        Return where each edit stands.
        """
        count = len(self.job.edits) if self.job else 0
        return tuple(EditState(whole=self, edit=number) for number in range(1, count + 1))

    @property
    def in_turn(self) -> "EditState | None":
        """
        Return the edit to speak of where there are several: the first one that an answer is awaited for, else
        one whose answer is read, else one that is to be asked for.
        """
        edits = [each for each in self.edits if not each.is_had]
        return min(edits, key=lambda each: _SPOKEN_OF.index(each.phase), default=None)

    @property
    def stage(self) -> Phase:
        """
        Return the phase to speak of: until all edits are over, that of the one in turn.
        """
        return self.in_turn.phase if self.in_turn and self.phase in _SPOKEN_OF else self.phase

    @property
    def sent_at(self) -> dt.datetime | None:
        """
        Return when the first request was sent that an answer is awaited for.
        """
        return min((self.opened[each].sent_at for each in self._out), default=None)

    @property
    def _out(self) -> list[int]:
        """
        Return the edits that an answer is awaited for.
        """
        out = [each.edit for each in self.edits if each.phase is Phase.ASKING]
        return [each for each in out if each in self.opened] if self.stage is Phase.ASKING else []

    def told(self, reason: str | None, *, since: str = "", is_running: bool = True) -> str:
        """
        Return what happens with the job, for which it may have a `reason`; of several edits how many are done.
        """
        is_several = self.job is not None and len(self.job.edits) > 1 and self.plan is None
        requests = len(self._out) if is_several else None
        now = reason or doing(self.stage, requests=requests, since=since, is_running=is_running)
        if self.job is None or not is_several:
            return now
        done, count = self.edits_done
        return f"{done} of {count} edits done, {now}"

    @property
    def edits_done(self) -> tuple[int, int]:
        """
        Return how many edits have their pictures, now or from before, and how many there are.
        """
        found = [each.is_had or each.phase is Phase.EDITED for each in self.edits]
        return sum(found), len(found)

    @property
    def is_asked(self) -> bool:
        """
        Return whether anything was asked for.
        """
        return bool(self.opened or self.attempts)

    @property
    def may_be_paid(self) -> bool:
        """
        Return whether anything was, or may have been, paid for.
        """
        return bool(self.opened) or any(
            attempt.verdict in (Verdict.DONE, Verdict.IN_DOUBT) for attempt in self.attempts
        )

    def planned(self, plan: Plan) -> "JobState":
        """
        Return where the job stands once its end was fixed.
        """
        return replace(self, files=self.files | {PLAN}, plan=plan)

    def without(self, names: Iterable[str]) -> "JobState":
        """
        Return where the job stands once these files have left its directory.
        """
        return replace(self, files=self.files.difference(names))

    def below(self, folder: str) -> list[str]:
        """
        Return the names in one of the job's folders, in the order of their numbers or letters.
        """
        found = [name.partition("/")[2] for name in self.files if name.startswith(f"{folder}/")]
        return sorted(found, key=lambda name: (len(name.partition(".")[0]), name))

    @property
    def results(self) -> list[str]:
        """
        Return the pictures to be published, as names below the job's directory: those written anew where there
        are any in the place of what was received; none of an edit that could not be finished as it has to be.
        """
        anew = {number_of(each): each for each in pictures_in(self.files, FINISHED)}
        received = [
            each
            for each in pictures_in(self.files, OUTPUTS)
            if edit_of(each) not in self.finished.failed
        ]
        return [anew.get(number_of(each), each) for each in received]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditState:
    """
    Where one edit of a job stands; edits have numbers from 1.
    """

    whole: JobState
    edit: int

    @property
    def id(self) -> str:
        """
        Return the id of the job.
        """
        return self.whole.id

    @property
    def key(self) -> str:
        """
        Return what is the same for all requests of the edit, and for no other.
        """
        return idempotency_key(self.id, self.edit)

    @property
    def job(self) -> Job:
        """
        Return the job as if it had this edit alone.
        """
        return job_of(self.whole).with_edit(self.edit)

    @property
    def name(self) -> str | None:
        """
        Return what it is called among several, None of a single one.
        """
        return job_of(self.whole).edits[self.edit - 1].name or None

    @property
    def is_had(self) -> bool:
        """
        Return whether it was done before, and is not asked for.
        """
        return job_of(self.whole).edits[self.edit - 1].had is not None

    @property
    def phase(self) -> Phase:
        """
        Return where it stands once all members are claimed: CLAIMED, ASKING, KEPT, CLOSED or EDITED.
        """
        return edit_phase(self.whole.files, self.edit)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """
        Return its closed attempts.
        """
        return tuple(each for each in self.whole.attempts if each.edit == self.edit)

    @property
    def number(self) -> int:
        """
        Return the number of its last attempt, open or closed; 0 if there is none.
        """
        found = attempts_in(self.whole.files)
        return max((number for edit, number in found if edit == self.edit), default=0)

    @property
    def opened(self) -> Opened:
        """
        Return what was noted when its last attempt was opened; raises Blocked where the note is gone.
        """
        if (found := self.whole.opened.get(self.edit)) is not None:
            return found
        msg = (
            f"{attempt_name((self.edit, self.number), 'open')} is gone from jobs/{self.id} in the work folder. "
            "Put it back, or move what is in its originals/ back to the inbox and remove the folder."
        )
        raise Blocked(msg)

    @property
    def answer(self) -> str:
        """
        Return the name of its last attempt's kept answer in the job's directory.
        """
        key = self.edit, self.number
        there = attempts_in(self.whole.files).get(key, {})
        return there.get("response") or attempt_name(key, "response")

    @property
    def outputs(self) -> list[str]:
        """
        Return its pictures as received, as names below the job's directory, once all of them are there.
        """
        found = pictures_in(self.whole.files, OUTPUTS, self.edit)
        return [] if self.is_half_sealed else found

    @property
    def is_half_sealed(self) -> bool:
        """
        Return whether some of its pictures have come to `outputs/`, and others are still to come.
        """
        folders = OUTPUTS, unsealed(self.edit)
        return all(pictures_in(self.whole.files, folder, self.edit) for folder in folders)

    @property
    def first_alike(self) -> int:
        """
        Return the first edit that is sent to the same model, in the same shape: what is fitted for one is for
        the other, too.
        """
        alike = [
            (edit.request.model, edit.request.parameters.get("size"), dict(edit.output))
            for edit in job_of(self.whole).edits
        ]
        return 1 + alike.index(alike[self.edit - 1])

    def asking(self, number: int, opened: Opened) -> "EditState":
        """
        Return where it stands once an attempt was opened.
        """
        whole = replace(
            self.whole,
            files=self.whole.files | {attempt_name((self.edit, number), "open")},
            opened={**self.whole.opened, self.edit: opened},
        )
        return replace(self, whole=whole)

    def kept(self) -> "EditState":
        """
        Return where it stands once the answer to its last attempt was kept.
        """
        return replace(self, whole=replace(self.whole, files=self.whole.files | {self.answer}))


def attempt_name(key: AttemptKey, kind: str) -> str:
    """
    Return the name of one of an attempt's files: `open`, `response` or `json`.
    """
    edit, number = key
    return f"attempt-{edit}-{number}.{kind}"


def job_of(job_state: JobState) -> Job:
    """
    Return the job that stands there; every phase but the empty one has one.
    """
    assert job_state.job is not None, f"{job_state.id} has no job.json"
    return job_state.job
