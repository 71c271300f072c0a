"""
A deadline counts the seconds that are waited, and no others, whatever this process was about to do when it
stood still.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.endpoint.deadline import Deadline, Expired

SECONDS = 10.0
GRACE = 5.0
"""What standstills may add in all."""


def there() -> asyncio.Future[None]:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ready.set_result(None)
    return ready


class Scene:
    """
    A deadline on a loop whose time is told by hand; `waited` are the seconds that count.
    """

    def __init__(self, loop: Any) -> None:
        self.now = 1000.0
        self.waited = 0.0
        loop.time = lambda: self.now
        self.deadline = Deadline(SECONDS)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds

    async def check(self) -> None:
        self.deadline.check()

    async def hear(self) -> None:
        """
        Wait for what is there already.
        """
        await self.deadline.wait(there())

    async def be_woken(self) -> None:
        """
        Wait for what comes after a moment, and no sooner than this process goes on.
        """
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def come() -> None:
            self.wait(0.05)
            self.now += 60
            ready.set_result(None)

        loop.call_soon(come)
        await self.deadline.wait(ready)

    async def run(self) -> None:
        """
        Have some work done meanwhile.
        """

        async def work() -> None:
            self.now += 60

        await self.deadline.run(work())

    async def hear_in_part(self) -> None:
        part = Deadline(SECONDS, whole=self.deadline)
        await part.wait(there())

    async def hand_on(self) -> None:
        """
        Give what came to a caller who takes his time.
        """
        with self.deadline.paused():
            self.now += 30


Act = Callable[[Scene], Coroutine[Any, Any, None]]

ACTS: list[Act] = [
    Scene.check,
    Scene.hear,
    Scene.be_woken,
    Scene.run,
    Scene.hear_in_part,
    Scene.hand_on,
]
WAITS = st.tuples(st.just("wait"), st.floats(0, 0.4), st.sampled_from(ACTS))
STANDSTILLS = st.tuples(st.just("stand still"), st.floats(0.6, 1000), st.sampled_from(ACTS))
STORIES = st.lists(st.one_of(WAITS, STANDSTILLS), max_size=20)
"""What happens and for how long, and what is done then; less than ten seconds of ten are waited."""

Story = list[tuple[str, float, Act]]


async def told(story: Story) -> Scene:
    scene = Scene(asyncio.get_running_loop())
    for what, seconds, act in story:
        if what == "wait":
            scene.wait(seconds)
        else:
            scene.now += seconds
        await act(scene)
    return scene


@given(STORIES)
def test_a_standstill_counts_at_no_moment(story: Story) -> None:
    """
    It is given back before each act alike.
    """

    async def play() -> None:
        scene = await told(story)
        scene.deadline.check()

    asyncio.run(play())


@given(STORIES)
def test_what_is_waited_ends_it(story: Story) -> None:
    """
    However often it stood still: by a little more than what was to be waited, it is over.
    """

    async def play() -> None:
        scene = await told(story)
        with pytest.raises(Expired):  # noqa: PT012 - at the latest by the last of them
            while scene.waited < SECONDS + GRACE + 0.5:
                scene.wait(0.4)
                scene.deadline.check()

    asyncio.run(play())


async def test_what_keeps_coming_ends_with_it_too() -> None:
    """
    What lies in the socket may be taken for some seconds more.
    """
    scene = Scene(asyncio.get_running_loop())
    while scene.waited < SECONDS + GRACE - 0.1:
        scene.wait(0.01)
        scene.deadline.heard()

    scene.wait(0.2)
    with pytest.raises(Expired):
        scene.deadline.heard()


async def test_seconds_are_left_after_a_standstill_at_the_end_though_it_was_not_the_first() -> None:
    """
    One that left enough time took nothing of them.
    """
    scene = Scene(asyncio.get_running_loop())
    scene.now += 0.7
    scene.deadline.check()
    while scene.waited < SECONDS - 0.3:
        scene.wait(0.2)
        scene.deadline.check()
    scene.now += 100
    scene.deadline.check()

    scene.wait(0.4)
    scene.deadline.check()
    for _ in range(9):
        scene.wait(0.49)
        scene.deadline.check()
