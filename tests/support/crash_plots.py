"""
What the crash tests try, in a process of its own.

    python crash_plots.py NEAR FAR FULL NAME…

Sweeps the plots of these names in folder NEAR, with results in FAR where a plot has them far away; prints
as JSON what each sweep came to. With FULL other than 0 it tries every second death where a recovery has
most to do, every so many from each other state, and counts what breaks.
"""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from crash_sweep import sweep
from crash_world import (
    Plot,
    drop_again,
    drop_all_kinds,
    drop_masked_wide,
    drop_three_edits,
    drop_two,
    drop_what_was_paid_for,
    drop_with_companion,
    vars_of,
)
from retouchd.disk import durable, moves
from retouchd.disk.durable import DurableFile
from retouchd.disk.group_commit import GroupCommit
from retouchd.disk.nofollow import Where, path_of
from retouchd.disk.probes import PROBE
from retouchd.disk.threads import Steps
from retouchd.hooks.backlog import Backlog
from retouchd.hooks.queue import EventFiles
from retouchd.inbox.job_freezer import JobFreezer
from retouchd.job.model import Attempt, AttemptKey, Job, Opened, Role
from retouchd.pictures.finishing.apart import Made
from retouchd.pictures.finishing.finish import finish
from retouchd.pictures.finishing.task import Finishing
from retouchd.pictures.finishing.worker import report_of
from retouchd.pipeline import finish as pipeline_finish
from retouchd.pipeline import results
from retouchd.pipeline.results import Downloads
from retouchd.request.output import resolved
from retouchd.spool import documents, finished_results, phase, pictures
from retouchd.spool.delivery import Delivery
from retouchd.spool.finished_results import FinishedResults
from retouchd.spool.history import History
from retouchd.spool.job_state import EditState, JobState, attempt_name
from retouchd.spool.journal import Journal
from retouchd.spool.phase import FINISHED, ORIGINALS, OUTPUTS, PLAN, RESULTS, Phase
from retouchd.spool.plan import Plan
from retouchd.spool.spool import Spool


def drop_kept_answers() -> None:
    """
    Break the spool: at a start, answers that nobody has judged yet are thrown away.
    """
    prepare = Spool.prepare

    def forgetful(self: Spool) -> None:
        prepare(self)
        for job_id in self.ids():
            for answer in self.folder(job_id).glob("*.response"):
                if not answer.with_suffix(".json").exists():
                    answer.unlink()

    vars_of(Spool, prepare=forgetful)


def drop_what_is_not_fetched() -> None:
    """
    Break the download: an answer is thrown away before what it names was fetched.
    """
    fetch = Downloads.fetch

    async def hasty(self: Downloads, edit: EditState, *about: Any, **more: Any) -> Any:
        for answer in self._spool.folder(edit.id).glob("*.response"):
            await asyncio.to_thread(durable.remove, answer)
        return await fetch(self, edit, *about, **more)

    vars_of(Downloads, fetch=hasty)


def forget_that_it_asks() -> None:
    """
    Break the spool: no note says that a request is about to be sent.
    """
    note, prepare = Spool.open_attempt, Spool.prepare

    def silent(*_: object) -> None:
        pass

    def late(self: Spool) -> None:
        """
        Note it when the answer is there: nothing else of a dead run is to stand in the way.
        """
        prepare(self)
        for job in self.jobs():
            for answer in self.folder(job.id).glob("attempt-*.response"):
                edit, number = map(int, answer.stem.split("-")[1:])
                note(self, job.id, (edit, number), Opened(sent_at=job.claimed_at))

    vars_of(Spool, open_attempt=silent, prepare=late)


def forget_that_it_asked() -> None:
    """
    Break the attempts: one that a dead run left open is asked again and not counted.
    """

    def uncounted(spool: Spool, job_id: str, attempt: Attempt, **more: bool) -> None:
        if attempt.code != "interrupted":
            close(spool, job_id, attempt, **more)
        else:
            durable.remove(spool.folder(job_id) / attempt_name(attempt.key, "open"))

    close = Spool.close_attempt
    vars_of(Spool, close_attempt=uncounted)


def clear_away_half_claims() -> None:
    """
    Break the spool: at a start, a job that has not claimed all its files is removed with those it has.
    """
    prepare = Spool.prepare

    def tidy(self: Spool) -> None:
        prepare(self)
        for job_id in self.ids():
            if self.load(job_id).phase in (Phase.EMPTY, Phase.CLAIMING):
                shutil.rmtree(self.folder(job_id))

    vars_of(Spool, prepare=tidy)


def skip_a_folders_fsync() -> None:
    """
    Break the disk: the folder that a file was renamed into is not synced.
    """
    vars_of(durable, _fsync_all=lambda folders: durable.fsync_folder([*folders][-1]))


def skip_a_pictures_fsync() -> None:
    """
    Break the spool: a decoded picture gets its name before its bytes are durable.
    """

    def hasty(path: Path, blocks: Any) -> None:
        with DurableFile(path, path) as file:
            for block in blocks:
                file.write(block)

    vars_of(pictures, add=hasty)


def skip_a_copys_fsync() -> None:
    """
    Break the way to another filesystem: the source goes before the copy is durable.
    """

    def hasty(source: Path, target: Path) -> None:
        with DurableFile(target, target) as file:
            file.write(source.read_bytes())

    vars_of(moves, copy=hasty)


def unstage_at_once() -> None:
    """
    Break the way to another filesystem: the source goes before the copy has its name.
    """
    rename = durable.rename

    def hasty(source: Path, target: Path) -> None:
        if target.suffix == ".staged":
            durable.remove(source)
        else:
            rename(source, target)

    vars_of(durable, rename=hasty)


def archive_before_publishing() -> None:
    """
    Break the order: the originals leave before the pictures are in the outbox.
    """
    right = phase._delivery

    def wrong(names: Collection[str], published: Any, archived: Collection[str]) -> Phase:
        is_there = any(name in names for name in archived)
        return Phase.ARCHIVING if is_there else right(names, published, archived)

    vars_of(phase, _delivery=wrong)


def archive_before_recording() -> None:
    """
    Break the order: the originals leave before the record is written.
    """
    archive = Delivery.archive

    def wrong(self: Delivery, job_state: JobState) -> Steps[JobState]:
        assert job_state.job is not None
        assert job_state.plan is not None
        root = self._archive(is_done=job_state.plan.is_done)
        with moves.made_folder(root, job_state.job.folder) as folder:
            self._deliver(job_state, job_state.plan.originals, folder)
        return (yield from archive(self, job_state))

    vars_of(Delivery, archive=wrong)


def forget_before_telling() -> None:
    """
    Break the order: a job is let go of before the history has its line.
    """
    add, discard = History.add, Spool.discard
    held: list[tuple[History, Mapping[str, Any]]] = []

    def late(self: Spool, job_id: str) -> None:
        discard(self, job_id)
        while held:
            add(*held.pop())

    vars_of(History, add=lambda *line: held.append(line))
    vars_of(Spool, discard=late)


def publish_what_is_half_decoded() -> None:
    """
    Break the spool: pictures are decoded straight into `outputs/`, one after the other.
    """
    vars_of(results, unsealed=lambda _: OUTPUTS)
    vars_of(pictures, seal_received=lambda *_: None)


def overwrite_in_the_outbox() -> None:
    """
    Break the disk: a taken name is no hindrance, though it was when a start tried it.
    """
    move_new = moves.move_new

    def wrong(source: Where, target: Where) -> None:
        is_tried = target.name.startswith(PROBE)
        (move_new if is_tried else durable.rename)(source, target)

    vars_of(moves, move_new=wrong)


def give_back_copies() -> None:
    """
    Break the return: the files of a job are copied into the inbox, and removed afterwards.
    """
    rename_new = moves.rename_new

    def wrong(source: Where, target: Where) -> None:
        if path_of(source).parent.name != ORIGINALS or "inbox" not in path_of(target).parts:
            rename_new(source, target)
            return
        moves.copy(source, target)
        durable.remove(source)

    vars_of(moves, rename_new=wrong)


def remember_hooks_alone() -> None:
    """
    Break the queue: what is to be told stands in memory alone.
    """
    vars_of(EventFiles, put=lambda *_: None)


def begin_hooks_unnoted() -> None:
    """
    Break the queue: nothing says that somebody is about to be told.
    """
    vars_of(Backlog, begin=lambda _, event: replace(event, runs=event.runs + 1))


def claim_before_it_is_synced() -> None:
    """
    Break the group commit: every other one that needs a folder synced is told at once that it is.
    """

    class Hasty(GroupCommit[int]):
        asked = 0

        def join(self, _: object, fd: int, commit: Callable[[list[int]], object]) -> None:
            self.asked += 1
            if self.asked % 2:
                commit([fd])

    vars_of(durable, _folder_syncs=Hasty())


def note_before_it_is_synced() -> None:
    """
    Break the journal: every other one that notes something is told at once that it is durable.
    """

    class Hasty(GroupCommit[bytes]):
        asked = 0

        def join(self, _: object, line: bytes, commit: Callable[[list[bytes]], object]) -> None:
            self.asked += 1
            if self.asked % 2:
                commit([line])

    begin = Journal.__init__

    def hasty(self: Journal) -> None:
        begin(self)
        self._rounds = Hasty()

    vars_of(Journal, __init__=hasty)


def send_before_it_is_noted() -> None:
    """
    Break the spool: a request is sent before the note on it is durable.
    """

    def hasty(self: Spool, job_id: str, key: AttemptKey, opened: Opened) -> None:
        durable.post(self.folder(job_id) / attempt_name(key, "open"), documents.dump(opened))

    vars_of(Spool, open_attempt=hasty)


def publish_before_it_is_planned() -> None:
    """
    Break the spool: pictures are published before the plan is durable.
    """

    def hasty(self: Spool, job_id: str, plan: Plan) -> None:
        durable.post(self.folder(job_id) / PLAN, documents.dump(plan))

    vars_of(Spool, fix=hasty)


def write_results_anew() -> None:
    """
    Let every edit ask for results other than as received: like the source, and protected where there is a mask.

    In this process, which dies at the places that are meant: another one has its own disk.
    """
    freeze = JobFreezer.freeze

    def asking(self: JobFreezer, *about: Any) -> Job:
        job = freeze(self, *about)
        has_mask = job.member(Role.MASK) is not None
        asked = {"like": "source", "protect": True, "size": "source"}
        output = resolved(asked, has_mask=has_mask, has_references=False)
        return replace(job, edits=(replace(job.edits[0], output=output.to_json()),))

    def made(task: Finishing) -> Made:
        found = finish(task)
        return Made(data=found.data, report=report_of(found, task))

    vars_of(JobFreezer, freeze=asking)
    vars_of(pipeline_finish, finished_apart=made)


def publish_what_is_half_finished() -> None:
    """
    Break the finishing: results are written anew straight into `finished/`, one after the other.
    """
    write_results_anew()
    begin = pictures.begin

    def told_first(place: Path) -> None:
        begin(place)
        if place.name == FINISHED:
            pictures.add(place / Path(RESULTS).name, [finished_results.dump(FinishedResults())])

    vars_of(pictures, UNFINISHED=FINISHED, begin=told_first, seal_finished=lambda _: None)


def settle_late() -> None:
    """
    Let a run's end wait until nobody is left to be told: what it makes durable then is not, before.
    """
    settle = Spool.settle

    def late(self: Spool) -> None:
        events, deadline = vars(self)["_work"] / "events", time.monotonic() + 5.0
        while any(events.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.001)
        settle(self)

    vars_of(Spool, settle=late)


def plots(far: Path) -> dict[str, Plot]:
    """
    Return every plot by its name, then those that are broken on purpose; `far` is on another filesystem.
    """
    all_kinds = Plot(drop=drop_all_kinds, n=2)
    cut = replace(all_kinds, power_cut=True)
    on_the_way = Plot(far=far, drop=drop_with_companion)
    cut_on_the_way = replace(on_the_way, power_cut=True)
    returned = Plot(first=401)
    taken = Plot(n=2, has_intruder=True)
    broken_off = Plot(odd=("spoilt=broken",), n=2)
    compressed = Plot(odd=("spoilt=packed",))
    behind_urls = Plot(odd=("url",), n=2)
    three_edits = Plot(drop=drop_three_edits, results=3, concurrency=2)
    cut_anew = Plot(mutant=write_results_anew, n=2, received=2, power_cut=True)
    masked = Plot(mutant=write_results_anew, drop=drop_masked_wide, received=1, model="gpt-image-1")
    paid = Plot(mutant=write_results_anew, drop=drop_what_was_paid_for, received=1, is_paid=True)
    private = Plot(odd=("url", "spoilt=elsewhere"), is_private=True)
    hooks = Plot(has_hook=True, counts=("/events", "/history.jsonl", "/trash"), recoveries=1)
    return {
        "kill": replace(all_kinds, stride=2, recoveries=2, tries_probes=True),
        "power cut": replace(cut, first_step=2, stride=2, recoveries=2, tries_probes=True),
        "kill on the way": replace(on_the_way, stride=3, recoveries=6),
        "power cut on the way": replace(cut_on_the_way, stride=2, recoveries=6),
        "kill on a plain disk": Plot(is_plain=True, stride=3, recoveries=60, tries_probes=True),
        "account at fault on a plain disk": replace(returned, is_plain=True, stride=5),
        "kill on the way to a plain disk": replace(on_the_way, is_plain=True, stride=5),
        "name taken on a plain disk": replace(taken, is_plain=True, stride=5),
        "account at fault": replace(returned, stride=3),
        "in doubt": Plot(first=500, stride=4),
        "dragged back": Plot(drop=drop_again, stride=4),
        "name taken": replace(taken, stride=3),
        "two at once": Plot(drop=drop_two, concurrency=2, stride=5),
        "two at once by power cut": Plot(drop=drop_two, concurrency=2, power_cut=True, stride=5),
        "claims unsynced": Plot(
            drop=drop_two,
            concurrency=2,
            power_cut=True,
            mutant=claim_before_it_is_synced,
            first_step=40,
            stride=3,
        ),
        "journal unsynced": Plot(power_cut=True, mutant=note_before_it_is_synced, stride=3),
        "notes torn": Plot(power_cut=True, mutant=send_before_it_is_noted, stride=3),
        "plans torn": Plot(power_cut=True, mutant=publish_before_it_is_planned, stride=2),
        "broken off": replace(broken_off, stride=9),
        "broken off by power cut": replace(broken_off, power_cut=True, stride=7),
        "compressed": replace(compressed, stride=11),
        "compressed by power cut": replace(compressed, power_cut=True, stride=9),
        "behind urls": replace(behind_urls, stride=8),
        "behind urls by power cut": replace(behind_urls, power_cut=True, stride=7),
        "three edits": replace(three_edits, stride=6),
        "three edits by power cut": replace(three_edits, power_cut=True, stride=5),
        "written anew": Plot(mutant=write_results_anew, n=2, received=2, stride=6),
        "written anew by power cut": replace(cut_anew, stride=5),
        "written anew behind a mask": replace(masked, stride=8),
        "written anew behind a mask by power cut": replace(masked, power_cut=True, stride=7),
        "written anew of what was paid for": replace(paid, stride=4),
        "written anew of what was paid for by power cut": replace(paid, power_cut=True, stride=3),
        "at a private url": replace(private, stride=5),
        "at a private url by power cut": replace(private, power_cut=True, stride=5),
        "hooks": hooks,
        "hooks by power cut": replace(hooks, power_cut=True),
        "hooks before the end, by power cut": replace(hooks, power_cut=True, mutant=settle_late),
        "answers dropped": Plot(mutant=drop_kept_answers, stride=4),
        "asking unnoted": Plot(mutant=forget_that_it_asks, stride=2),
        "asking uncounted": Plot(mutant=forget_that_it_asked, stride=2),
        "half claims removed": Plot(mutant=clear_away_half_claims),
        "folder unsynced": replace(cut, mutant=skip_a_folders_fsync, stride=4),
        "picture unsynced": Plot(
            power_cut=True, mutant=skip_a_pictures_fsync, stride=3, from_the_end=True
        ),
        "copy unsynced": replace(cut_on_the_way, mutant=skip_a_copys_fsync, stride=4),
        "source unstaged": replace(on_the_way, mutant=unstage_at_once, stride=2),
        "archived unpublished": Plot(mutant=archive_before_publishing, stride=4, from_the_end=True),
        "archived unrecorded": Plot(mutant=archive_before_recording, stride=3),
        "urls forgotten": replace(private, mutant=drop_what_is_not_fetched, stride=4),
        "forgotten untold": Plot(mutant=forget_before_telling, stride=3, from_the_end=True),
        "half finished": Plot(
            n=2, received=2, mutant=publish_what_is_half_finished, stride=4, from_the_end=True
        ),
        "half decoded": Plot(n=2, mutant=publish_what_is_half_decoded, stride=4, from_the_end=True),
        "names overwritten": replace(
            taken, mutant=overwrite_in_the_outbox, stride=4, from_the_end=True
        ),
        "hooks unnoted": replace(hooks, mutant=remember_hooks_alone),
        "hooks uncounted": replace(hooks, mutant=begin_hooks_unnoted, from_the_end=True),
        "returned as copies": replace(returned, mutant=give_back_copies, stride=2),
    }


def tried(plot: Plot, near: Path, full: int) -> dict[str, Any]:
    """
    Sweep one plot; return its figures.
    """
    near.mkdir()
    try:
        return vars(sweep(replace(plot, first_step=1, stride=1) if full else plot, near, full=full))
    except AssertionError as broken:
        return {"broken": [str(broken)]}


def main(near: str, far: str, full: str, *names: str) -> None:
    """
    Sweep the plots of these names one after the other, and print what came of each.
    """
    known = plots(Path(far))
    outcomes = {name: tried(known[name], Path(near) / name, int(full)) for name in names}
    sys.stdout.write(json.dumps(outcomes))


MEMORY = Path("/dev/shm")

MUTANTS = {
    "answers dropped": "asked too often",
    "urls forgotten": "asked too often",
    "asking unnoted": "asked too often",
    "asking uncounted": "was asked 2 times and tells of 1",
    "half claims removed": "is lost",
    "folder unsynced": "is lost",
    "picture unsynced": "in the outbox is no whole picture",
    "copy unsynced": "in the outbox is no whole picture",
    "source unstaged": "left before it was published",
    "archived unpublished": "left before it was published",
    "archived unrecorded": "pictures and records do not match",
    "forgotten untold": "the history and the records differ",
    "half finished": "not as received",
    "claims unsynced": "is lost|left before it was published|stands in 2 places|asked for and is gone",
    "journal unsynced": "asked too often",
    "notes torn": "asked too often",
    "plans torn": "pictures and records do not match",
    "half decoded": "is no whole picture|a picture is missing",
    "names overwritten": "was overwritten",
    "hooks unnoted": "was never told of",
    "hooks uncounted": "told twice as the same run",
    "returned as copies": "something is left in the inbox|stands in 2 places",
}


if __name__ == "__main__":
    main(*sys.argv[1:])
