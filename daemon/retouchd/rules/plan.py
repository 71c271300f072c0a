"""
Where the files of a finished job go: fixed before the first of them is moved.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from retouchd.errors import Problem
from retouchd.rules import naming
from retouchd.rules.duplicates import Digest, Fingerprint
from retouchd.rules.job import Job
from retouchd.rules.names import suffix_behind
from retouchd.rules.phase import ORIGINALS, OUTPUTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """
    One file on its way: `source` below the job's directory, `target` the name it gets.

    `key` names it while it is carried to another filesystem (`<key>.staged`). `content` is what a picture
    for the outbox is known by, None where that could not be read.
    """

    key: str
    source: str
    target: str
    content: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    The end of a job: `outputs` go to the outbox, `originals` with the record to done or error.

    No problems means done. `stem` is the one the record and the originals share. `fingerprint` is what
    the job is known by, None where it failed or could not be read.
    """

    finished_at: dt.datetime
    stem: str
    outputs: tuple[Item, ...] = ()
    originals: tuple[Item, ...] = ()
    problems: tuple[Problem, ...] = ()
    fingerprint: Fingerprint | None = None

    @property
    def is_done(self) -> bool:
        """
        Return whether the job ended well.
        """
        return not self.problems


IsTaken = Callable[[str], bool]


def plan_outputs(job: Job, outputs: Sequence[str], is_taken: IsTaken) -> tuple[Item, ...]:
    """
    Return where each decoded picture goes: one free stem for all of them.

    `outputs` are the names in `outputs/`, in the order received; their extensions say what they are.
    """
    suffixes = naming.output_suffixes([name.rpartition(".")[2] for name in outputs])
    stem = naming.free_stem(job.stem, job.id, suffixes, is_taken)
    return tuple(
        Item(key=f"output-{number}", source=f"{OUTPUTS}/{name}", target=stem + suffix)
        for number, (name, suffix) in enumerate(zip(outputs, suffixes, strict=True), 1)
    )


def plan_originals(
    job: Job, sources: Sequence[str], is_taken: IsTaken
) -> tuple[str, tuple[Item, ...]]:
    """
    Return the free stem of the whole group, and where each of its files goes.

    `sources` are names below the job's directory: the originals, and before them whatever else is
    handed over, which gets the stem with its own extension.
    """
    ends = suffixes_in(job, sources)
    suffixes = [naming.RECORD, naming.REASON, *ends.values()]
    stem = naming.free_stem(job.stem, job.id, suffixes, is_taken)
    items = tuple(
        Item(key=f"original-{number}", source=source, target=stem + suffix)
        for number, (source, suffix) in enumerate(ends.items(), 1)
    )
    return stem, items


def suffixes_in(job: Job, sources: Sequence[str]) -> dict[str, str]:
    """
    Return for each file of a job what follows the group's stem in its name, each different.

    Two names may differ only in their form (NFC and NFD): the second one gets a number. Of several answers
    the second one does, too: `cat.response`, `cat.2.response`.
    """
    found: dict[str, str] = {}
    for source in sources:
        folder, _, name = source.rpartition("/")
        is_member = folder in ("", ORIGINALS) and name in {each.name for each in job.members}
        suffix = suffix_behind(name, job.stem) if is_member else f".{name.rpartition('.')[2]}"
        number, last = 1, suffix
        while suffix in found.values():
            number += 1
            suffix = f".{number}{last}" if last == naming.RESPONSE else f"-{number}{last}"
        found[source] = suffix
    return found


def rename_pending(plan: Plan, pending: Sequence[Item], renamed: Sequence[Item]) -> Plan:
    """
    Return the plan with the new targets of those outputs that are still to be delivered.
    """
    keys = {item.key for item in pending}
    targets = {item.key: item.target for item in renamed if item.key in keys}
    outputs = tuple(replace(i, target=targets.get(i.key, i.target)) for i in plan.outputs)
    return replace(plan, outputs=outputs)
