"""
A state machine over everything that happens to a hot folder, in any order: drops, whole and half, crashes,
outages, faults of the account, a person who drags files about, and two daemons on one inbox.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from machine_world import WORKS, MachineWorld, open_machine_world
from person import Act, Clash, Drag, Drop, Folder, Part, Refer, Set, Setting, Unset
from retouchd.sandbox.faults import Fault, FaultKind

NAMES = st.sampled_from(["cat.png", "dog.png", "shoes/cat.png"])
SUB_FOLDERS = st.sampled_from(["", "shoes"])
WORK = st.sampled_from(WORKS)
CHANGES = st.integers(1, 60)

DROPS = st.builds(Drop, NAMES) | st.builds(
    Drop,
    NAMES,
    st.lists(st.sampled_from(Part), min_size=1, max_size=4, unique=True).map(tuple),
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

_OFTEN = [
    Fault(kind=FaultKind.STATUS, status=503),
    Fault(kind=FaultKind.RATE),
    Fault(kind=FaultKind.DROP),
    Fault(kind=FaultKind.DROP_READ),
    Fault(kind=FaultKind.DROP_ANSWER),
    Fault(kind=FaultKind.TRUNCATE),
    Fault(kind=FaultKind.STATUS, status=502, charged=True),
    Fault(kind=FaultKind.LATENCY, seconds=30),
    Fault(kind=FaultKind.STALL),
    Fault(kind=FaultKind.KEY),
    Fault(kind=FaultKind.QUOTA),
    Fault(kind=FaultKind.POLICY),
    Fault(kind=FaultKind.HTML),
    Fault(kind=FaultKind.EMPTY),
    Fault(kind=FaultKind.GARBAGE),
    Fault(kind=FaultKind.CHAT_DATA),
    Fault(kind=FaultKind.DATA_PREFIX),
]
WEATHER = (
    st.just(())
    | st.none()
    | st.sampled_from(_OFTEN).map(lambda fault: (fault,))
    | st.sampled_from(_OFTEN).map(lambda fault: (replace(fault, times=1),))
)


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

    @rule(act=ACTS)
    def somebody_acts(self, act: Act) -> None:
        self._world.act(act)

    @rule(drop=DROPS)
    def somebody_drops(self, drop: Drop) -> None:
        self._world.act(drop)

    @rule(work=WORK, changes=CHANGES, act=ACTS)
    def somebody_acts_between(self, work: str, changes: int, act: Act) -> None:
        self._run(self._world.act_between(work, changes, act))

    @rule(faults=WEATHER)
    def the_endpoint_changes(self, faults: tuple[Fault, ...] | None) -> None:
        self._run(self._world.weather(faults))

    @rule(work=WORK, is_crash=st.booleans())
    def a_daemon_comes_or_goes(self, work: str, is_crash: bool) -> None:
        world = self._world
        if work not in world.runs:
            self._run(world.start(work))
        else:
            self._run(world.kill(work) if is_crash else world.stop(work))

    @rule(work=WORK, changes=CHANGES)
    def a_daemon_dies_soon(self, work: str, changes: int) -> None:
        self._run(self._world.kill_in(work, changes))

    @rule(work=WORK)
    def a_daemon_is_told_to_look(self, work: str) -> None:
        self._run(self._world.look_again(work))

    @rule(seconds=st.sampled_from([1, 61, 61, 700, 4000]))
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


TestHotFolder = HotFolder.TestCase
