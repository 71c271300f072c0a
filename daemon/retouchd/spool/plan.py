"""
The delivery plan of a finished job: the final name of each of its files, fixed before the first is moved.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from retouchd.errors import Problem
from retouchd.job import naming
from retouchd.job.filenames import parse, suffix_behind
from retouchd.job.model import Attempt, Edit, Job, Role
from retouchd.job.naming import path_below
from retouchd.job.pairing import pair
from retouchd.request.result_name import DEFAULT_NAME, name_of, stem_of
from retouchd.spool.fingerprint import Digest, Fingerprint
from retouchd.spool.phase import ORIGINALS, OUTPUTS, edit_of, pictures_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """
    One file on its way: `source` below the job's directory, `target` the name it gets.

    `key` names it while it is carried to another filesystem (`<key>.staged`). `content` is what a picture
    for the outbox is known by, None where that could not be read; `report` says how it was finished, None where
    it was not. One that `is_reviewed` goes to the folder for reviews in place of the outbox.
    """

    key: str
    source: str
    target: str
    content: Digest | None = None
    report: Mapping[str, Any] | None = None
    is_reviewed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EditEnd:
    """
    How an edit ended: done, or with its problems. `fingerprint` is what it is known by, None where nothing came
    for it, or its files could not be read.
    """

    problems: tuple[Problem, ...] = ()
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    The end of a job: `outputs` go to the outbox or the folder for reviews, `originals` with the record to
    done or error.

    No problems means done. `stem` is the one that the originals share; `label` is what record and reason are
    named by where that is not the stem: the image's whole name. `edits` are how each edit ended, in their
    order; `warnings` say in sentences what became of the results other than asked for. `attempts` are those
    that brought the pictures: until the plan is durable, they can be told from the kept answers.
    """

    finished_at: dt.datetime
    stem: str
    outputs: tuple[Item, ...] = ()
    originals: tuple[Item, ...] = ()
    problems: tuple[Problem, ...] = ()
    edits: tuple[EditEnd, ...] = ()
    label: str | None = None
    warnings: tuple[str, ...] = ()
    received: tuple[Item, ...] = ()
    """Those of `originals` that came for an edit which could not be finished."""
    attempts: tuple[Attempt, ...] = ()

    @property
    def record_name(self) -> str:
        """
        Return the name of the record, which reserves those of the originals.
        """
        return (self.label or self.stem) + naming.RECORD

    @property
    def reason_name(self) -> str:
        """
        Return the name of the plain-text reason.
        """
        return (self.label or self.stem) + naming.REASON

    @property
    def fingerprint(self) -> Fingerprint | None:
        """
        Return what the first edit is known by, None where nothing came for it or it could not be read.
        """
        return self.edits[0].fingerprint if self.edits else None

    @property
    def is_done(self) -> bool:
        """
        Return whether the job ended well.
        """
        return not self.problems


def original_in(job: Job, plan: Plan) -> str:
    """
    Return the name by which a job's picture lies in done/ or error/, "" where it had none.
    """
    image = job.member(Role.IMAGE)
    sources = {item.source: item.target for item in plan.originals}
    return sources.get(f"{ORIGINALS}/{image.name}", "") if image else ""


def result_places(job: Job, plan: Plan) -> list[str]:
    """
    Return where a job's results lie once they are published, as paths that begin with `outbox/` or `review/`.
    """
    return [
        path_below("review" if each.is_reviewed else "outbox", path_below(job.folder, each.target))
        for each in plan.outputs
    ]


IsTaken = Callable[[str], bool]


def plan_outputs(
    job: Job, outputs: Sequence[str], is_taken: IsTaken, wanted: Collection[str] | None = None
) -> tuple[Item, ...]:
    """
    Return where each picture goes: one free stem for all of them, that of earlier results of the job if that is
    free still, followed by the name of its edit.

    `outputs` are names below the job's directory, edit by edit in the order received; their extensions say what
    they are. Only those that are `wanted` are placed; the others are there already, and count.
    """
    shared = _shared_stem(job)
    ends = [
        end
        for number, edit in enumerate(job.edits, 1)
        for end in _published(edit, shared, [each for each in outputs if edit_of(each) == number])
    ]
    placed = {
        source: end
        for source, end in zip(outputs, ends, strict=True)
        if wanted is None or source in wanted
    }
    suffixes = list(placed.values())
    stem = job.earlier_stem
    if stem is None or not _are_free([stem + suffix for suffix in suffixes], is_taken):
        stem = naming.free_stem(shared, job.id, suffixes, is_taken)
    return tuple(
        Item(
            key=f"output-{number}",
            source=source,
            target=stem + suffix,
            is_reviewed=job.edits[edit_of(source) - 1].is_reviewed,
        )
        for number, (source, suffix) in enumerate(placed.items(), 1)
    )


def _shared_stem(job: Job) -> str:
    """
    Return what the names of all of a job's results begin with, as the template of its first edit has it.
    """
    output = job.edits[0].output
    template = str(output.get("name", DEFAULT_NAME))
    if template == DEFAULT_NAME:
        return job.stem
    values = {
        "stem": job.stem,
        "model": job.request.model,
        "date": str(output.get("day", "")),
        "id": job.id,
        "upload": str(output.get("upload", job.stem)),
    }
    return stem_of(template, values)


def _published(edit: Edit, stem: str, outputs: Sequence[str]) -> list[str]:
    """
    Return what follows the stem for each picture of an edit, by its template.
    """
    template = str(edit.output.get("name", DEFAULT_NAME))
    if template == DEFAULT_NAME:
        return _suffixes(edit.name, outputs)
    count = len(outputs)
    return [
        name_of(template, stem, name=edit.name, number=number, count=count).removeprefix(stem)
        + f".{each.rpartition('.')[2]}"
        for number, each in enumerate(outputs, 1)
    ]


def _are_free(names: Sequence[str], is_taken: IsTaken) -> bool:
    return all(map(naming.fits, names)) and not any(map(is_taken, names))


def _suffixes(name: str, outputs: Sequence[str]) -> list[str]:
    """
    Return what follows the stem for each picture of an edit: `.png`, `-warm.png`, or `-warm-1.png` of several.
    """
    ends = naming.output_suffixes([each.rpartition(".")[2] for each in outputs])
    return [f"-{name}{end}" if name else end for end in ends]


class Archived(NamedTuple):
    """
    Where the originals of a job go: as `stem`, `label` and `originals` of its plan.
    """

    stem: str
    originals: tuple[Item, ...]
    label: str | None = None


def plan_archive(
    job: Job,
    sources: Sequence[str],
    is_taken: IsTaken,
    reserved: Callable[[], Collection[str] | None],
) -> Archived:
    """
    Return the names of the whole group: its own where all of them are free, else those of one free stem.

    The record is `cat.job.json`, or `cat.jpg.job.json` where another group has that and nothing of the two
    would be paired. `reserved` returns the names (escaped) that the records of this stem have reserved, None
    where that cannot be told. `sources` are those of `plan_originals`.
    """
    ends = suffixes_in(job, sources)
    image = next((each.name for each in job.members if each.role is Role.IMAGE), None)
    label = job.stem + suffix_behind(image, job.stem) if image else job.stem
    own = [job.stem + end for end in ends.values()]
    if _fits(label, own) and not any(map(is_taken, (*own, label + naming.RECORD))):
        items = _items(ends, job.stem)
        is_recorded = is_taken(job.stem + naming.RECORD)
        # A reason without its record tells nobody whose it was.
        if not is_recorded and not is_taken(job.stem + naming.REASON):
            return Archived(job.stem, items)
        may_label = image and is_recorded and not is_taken(label + naming.REASON)
        if may_label and _stand_apart(own, reserved()):
            return Archived(job.stem, items, label)
    end = label.removeprefix(job.stem) + naming.RECORD

    def is_used(name: str) -> bool:
        # A record under the whole name of an image reserves that name, too.
        whole = name.removesuffix(naming.RECORD) + end
        is_record = name.endswith(naming.RECORD) and naming.fits(whole)
        return is_taken(name) or (is_record and is_taken(whole))

    return Archived(*plan_originals(job, sources, is_used))


def stands_apart(plan: Plan, reserved: Collection[str] | None) -> bool:
    """
    Return whether the originals of a plan and what other records have reserved are told apart.
    """
    return _stand_apart([item.target for item in plan.originals], reserved)


def _stand_apart(own: Sequence[str], reserved: Collection[str] | None) -> bool:
    """
    Say whether no name is another's, and no file would be paired with one of another group.
    """
    mine = {naming.escaped(name) for name in own}
    if reserved is None or not mine.isdisjoint(reserved):
        return False
    bundles = pair(map(parse, {*mine, *reserved}))
    groups = ({named.name for named in bundle.files} for bundle in bundles)
    return all(group <= mine or group.isdisjoint(mine) for group in groups)


def _fits(label: str, own: Sequence[str]) -> bool:
    return all(map(naming.fits, (*own, label + naming.RECORD, label + naming.REASON)))


def plan_originals(
    job: Job, sources: Sequence[str], is_taken: IsTaken
) -> tuple[str, tuple[Item, ...]]:
    """
    Return the free stem of the whole group, and where each of its files goes.

    `sources` are names below the job's directory: the originals, and before them whatever else is
    handed over, which gets the stem with its own extension, `cat.received.png` for a picture of `outputs/`.
    """
    ends = suffixes_in(job, sources)
    suffixes = [naming.RECORD, naming.REASON, *ends.values()]
    stem = naming.free_stem(job.stem, job.id, suffixes, is_taken)
    return stem, _items(ends, stem)


def _items(ends: Mapping[str, str], stem: str) -> tuple[Item, ...]:
    return tuple(
        Item(key=f"original-{number}", source=source, target=stem + suffix)
        for number, (source, suffix) in enumerate(ends.items(), 1)
    )


def suffixes_in(job: Job, sources: Sequence[str]) -> dict[str, str]:
    """
    Return for each file of a job what follows the group's stem in its name, each different.

    Two names may differ only in their form (NFC and NFD): the second one gets a number. Of several answers
    the second one does, too: `cat.response`, `cat.2.response`.
    """
    found: dict[str, str] = {}
    received = _received_suffixes(job, sources)
    for source in sources:
        folder, _, name = source.rpartition("/")
        is_member = folder in ("", ORIGINALS) and name in {each.name for each in job.members}
        suffix = suffix_behind(name, job.stem) if is_member else f".{name.rpartition('.')[2]}"
        suffix = received.get(source, suffix)
        number, last = 1, suffix
        while suffix in found.values():
            number += 1
            suffix = f".{number}{last}" if last == naming.RESPONSE else f"-{number}{last}"
        found[source] = suffix
    return found


def _received_suffixes(job: Job, sources: Sequence[str]) -> dict[str, str]:
    """
    Return what follows the stem for pictures as received, where others were published in their place.
    """
    received = pictures_in(sources, OUTPUTS)
    found = {}
    for number, edit in enumerate(job.edits, 1):
        own = [each for each in received if edit_of(each) == number]
        for source, end in zip(own, _suffixes(edit.name, own), strict=True):
            stem, _, extension = end.rpartition(".")
            found[source] = f"{stem}.received.{extension}"
    return found


def rename_pending(plan: Plan, pending: Sequence[Item], renamed: Sequence[Item]) -> Plan:
    """
    Return the plan with the new targets of those outputs that are still to be delivered.
    """
    keys = {item.key for item in pending}
    targets = {item.key: item.target for item in renamed if item.key in keys}
    outputs = tuple(replace(i, target=targets.get(i.key, i.target)) for i in plan.outputs)
    return replace(plan, outputs=outputs)
