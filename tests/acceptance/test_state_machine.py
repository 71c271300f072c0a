"""
A state machine over everything that happens to a hot folder, in any order: drops, whole and half, crashes,
outages, faults of the account, a person who drags files about, and two daemons on one inbox.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from machine_world import LONG_ENOUGH_SECONDS, WORKS, MachineWorld, open_machine_world
from mortal_disk import Moment
from person import Act, Clash, Drag, Drop, Folder, Part, Refer, Set, Setting, Unset
from retouchd.disk.threads import Steps
from retouchd.inbox import duplicates
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.spool.delivery import Delivery
from retouchd.spool.job_state import JobState

pytestmark = pytest.mark.slow(50)

NAMES = st.sampled_from(["cat.png", "dog.png", "shoes/cat.png"])
SUB_FOLDERS = st.sampled_from(["", "shoes"])
WORK = st.sampled_from(WORKS)
LANDMARKS = (
    *(
        "job.json",
        "cat.png",
        "cat.txt",
        "attempt-1-1.open",
        "attempt-1-1.response",
        "attempt-1-1.json",
    ),
    *(
        "attempt-1-2.response",
        "attempt-2-1.open",
        "attempt-2-1.response",
        "outputs",
        "plan.json",
        "cat.job.json",
        "cat.error.txt",
    ),
)
MOMENTS: st.SearchStrategy[Moment] = st.integers(1, 60) | st.sampled_from(LANDMARKS)

RIGHT = (
    *(Part.IMAGE, Part.PROMPT, Part.MASK, Part.SIDECAR, Part.REFERRING, Part.EDITS),
    *(Part.THREE_EDITS, Part.COMPANION),
)
WITH_EDITS = (Part.COMPANION, Part.THREE_EDITS, Part.IMAGE)
WRONG = (Part.HALF_IMAGE, Part.BLANK_PROMPT, Part.BROKEN)
DROPS = st.builds(Drop, NAMES) | st.builds(
    Drop,
    NAMES,
    st.lists(st.sampled_from([*RIGHT, *RIGHT, *WRONG]), min_size=1, max_size=4, unique=True).map(
        tuple
    ),
    st.booleans(),
)
ACTS: st.SearchStrategy[Act] = st.one_of(
    DROPS,
    st.builds(Set, SUB_FOLDERS, st.sampled_from(Setting)),
    st.builds(Unset, SUB_FOLDERS),
    st.builds(
        Drag,
        st.integers(0, 5),
        st.sampled_from(Folder),
        st.sampled_from([Folder.INBOX, Folder.ELSEWHERE]),
        st.booleans(),
    ),
    st.builds(
        Clash,
        st.sampled_from([Folder.OUTBOX, Folder.DONE, Folder.ERROR]),
        st.sampled_from(["cat.png", "cat_2.png", "dog.png", "cat.job.json", "cat.error.txt"]),
    ),
    st.just(Refer()),
)

FAULTS = {
    "busy": Fault(kind=FaultKind.STATUS, status=503),
    "too many": Fault(kind=FaultKind.RATE),
    "reset": Fault(kind=FaultKind.DROP),
    "swallowed": Fault(kind=FaultKind.DROP_READ),
    "answer reset": Fault(kind=FaultKind.DROP_ANSWER),
    "answer cut": Fault(kind=FaultKind.TRUNCATE),
    "paid and lost": Fault(kind=FaultKind.STATUS, status=502, charged=True),
    "late": Fault(kind=FaultKind.LATENCY, seconds=30),
    "never": Fault(kind=FaultKind.STALL),
    "bad key": Fault(kind=FaultKind.KEY),
    "no quota": Fault(kind=FaultKind.QUOTA),
    "refused": Fault(kind=FaultKind.POLICY),
    "web page": Fault(kind=FaultKind.HTML),
    "no picture": Fault(kind=FaultKind.EMPTY),
    "garbage": Fault(kind=FaultKind.GARBAGE),
    "chat": Fault(kind=FaultKind.CHAT_DATA),
    "data: prefix": Fault(kind=FaultKind.DATA_PREFIX),
}


class HotFolder(RuleBasedStateMachine):
    """
    Anything may happen; the promises hold after each step, and in the end all comes to rest.
    """

    def __init__(self) -> None:
        super().__init__()
        self._root = Path(tempfile.mkdtemp(prefix="retouchd-"))
        self._runner = asyncio.Runner()
        self._opened = contextlib.AsyncExitStack()
        self._world: MachineWorld = self._run(
            self._opened.enter_async_context(open_machine_world(self._root))
        )

    def _run(self, steps: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(steps)

    @rule(acts=st.lists(ACTS, min_size=1, max_size=3))
    def somebody_acts(self, acts: list[Act]) -> None:
        for act in acts:
            self._world.act(act)

    @rule(drop=DROPS)
    def somebody_drops_and_waits(self, drop: Drop) -> None:
        self._world.act(drop)
        self._run(self._world.live(LONG_ENOUGH_SECONDS))

    @rule(work=WORK, moment=MOMENTS, drop=DROPS, act=ACTS)
    def somebody_acts_meanwhile(self, work: str, moment: Moment, drop: Drop, act: Act) -> None:
        self._run(self._world.act_between(work, moment, drop, act))

    @rule(work=WORK, moment=MOMENTS, name=NAMES, folder=st.sampled_from(["outbox", "done"]))
    def somebody_is_in_the_way(self, work: str, moment: Moment, name: str, folder: str) -> None:
        clash = Clash(Folder(folder), name)
        self._run(self._world.act_between(work, moment, Drop(name), clash))

    @rule(name=st.sampled_from(list(FAULTS)), times=st.sampled_from([1, 1, 4, None]))
    def the_endpoint_fails(self, name: str, times: int | None) -> None:
        self._run(self._world.retry_context((replace(FAULTS[name], times=times),)))

    @rule()
    def the_endpoint_is_well(self) -> None:
        self._run(self._world.retry_context(()))

    @rule()
    def nobody_listens(self) -> None:
        self._run(self._world.retry_context(None))

    @rule(work=WORK)
    def a_daemon_starts(self, work: str) -> None:
        self._run(self._world.start(work))

    @rule(work=WORK)
    def a_daemon_is_stopped_or_starts(self, work: str) -> None:
        world = self._world
        self._run(world.stop(work) if work in world.runs else world.start(work))

    @rule(work=WORK)
    def a_daemon_is_killed_or_starts(self, work: str) -> None:
        world = self._world
        self._run(world.kill(work) if work in world.runs else world.start(work))

    @rule(work=WORK, moment=MOMENTS, drop=DROPS)
    def a_daemon_dies_at_work(self, work: str, moment: Moment, drop: Drop) -> None:
        self._run(self._world.kill_at(work, moment, drop))

    @rule(work=WORK, drop=DROPS)
    def a_daemon_is_killed_while_it_asks(self, work: str, drop: Drop) -> None:
        self._run(self._world.kill_asking(work, drop))

    @rule(work=WORK, name=NAMES, with_record=st.booleans())
    def an_edit_is_refused_and_tried_again(
        self, work: str, name: str, *, with_record: bool
    ) -> None:
        drop = Drop(name, WITH_EDITS)
        self._run(self._world.refuse_one(work, drop, with_record=with_record))

    @rule(work=WORK)
    def a_daemon_is_told_to_look(self, work: str) -> None:
        self._run(self._world.look_again(work))

    @rule(seconds=st.sampled_from([1, 61, 700, 4000]))
    def time_passes(self, seconds: float) -> None:
        self._run(self._world.live(seconds))

    @rule(hours=st.sampled_from([-30, -1, 1, 30]))
    def the_clock_jumps(self, hours: int) -> None:
        self._world.world.clock.jump += 3600 * hours

    @invariant()
    def the_promises_hold(self) -> None:
        self._run(self._world.check())

    def teardown(self) -> None:
        try:
            self._run(self._world.finish())
        finally:
            self._run(self._opened.aclose())
            self._runner.close()
            shutil.rmtree(self._root)


OFTEN = settings(
    max_examples=24,
    stateful_step_count=20,
    derandomize=True,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
LONG = settings(
    OFTEN,
    max_examples=int(os.environ.get("EXAMPLES", "2000")),
    stateful_step_count=40,
    derandomize=False,
    print_blob=True,
)

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "sweep"

TestHotFolder = pytest.mark.timeout(0 if IS_LONG else 300)(HotFolder.TestCase)
TestHotFolder.settings = LONG if IS_LONG else OFTEN


def buy_what_is_done_again(patch: pytest.MonkeyPatch) -> None:
    """
    Break the claim: every edit is asked for, whether it was done before or not.
    """
    patch.setattr(duplicates, "with_earlier", lambda job, *_: job)


def lose_companions(patch: pytest.MonkeyPatch) -> None:
    """
    Break the archive: of the originals companions are thrown away.
    """
    archive = Delivery.archive

    def careless(self: Delivery, job_state: JobState) -> Steps[JobState]:
        for path in self._spool.folder(job_state.id).glob("originals/*.xmp"):
            path.unlink()
        return archive(self, self._spool.load(job_state.id))

    patch.setattr(Delivery, "archive", careless)


@pytest.mark.parametrize("with_record", [True, False])
@pytest.mark.parametrize(
    ("mutant", "said"),
    [(buy_what_is_done_again, "bought again"), (lose_companions, "is lost")],
)
async def test_a_broken_product_is_found_out(
    tmp_path: Path, mutant: Callable[[pytest.MonkeyPatch], None], said: str, *, with_record: bool
) -> None:
    async with open_machine_world(tmp_path) as machine:
        with pytest.MonkeyPatch.context() as patch:
            mutant(patch)
            await machine.refuse_one("work", Drop("cat.png", WITH_EDITS), with_record=with_record)

            with pytest.raises(AssertionError, match=said):
                await machine.check()


@pytest.mark.parametrize("with_record", [True, False])
async def test_an_edit_that_is_refused_is_all_that_is_asked_for_again(
    tmp_path: Path, *, with_record: bool
) -> None:
    async with open_machine_world(tmp_path) as machine:
        await machine.refuse_one("work", Drop("cat.png", WITH_EDITS), with_record=with_record)

        await machine.check()
        await machine.finish()
        assert len(machine.world.requests) == 4
        assert "cat.xmp" in machine.world.tree("done")
