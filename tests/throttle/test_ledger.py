"""
What a day costs, through the real client: counted once, kept while in doubt, the same after a restart.
"""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW, an_attempt
from engine_world import DAY, SkippedTime, World, WorldClock, open_world, photo, put
from retouchd.clock import SystemClock
from retouchd.job.model import AttemptKey, Verdict
from retouchd.money.budget import Allowance, Charge, ChargeState, Spend, day_of, next_midnight
from retouchd.money.pricing import prices_for
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Daemon
from retouchd.spool.history import History
from retouchd.spool.spool import Spool
from retouchd.throttle.ledger import Ledger, day_on_disk

SMALL = {"size": "1024x1024", "quality": "low"}
PICTURE = 196 * 30 / 1_000_000
AT_MOST = round(PICTURE + (len("make it blue") * 5 + 1600 * 8) / 1_000_000, 6)
"""What one small picture may cost before it is sent."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        world.tell(parameters=SMALL)
        yield world


def ledger_of(daemon: Daemon) -> Ledger:
    return daemon._lane.ledger


def on_disk(world: World) -> Spend:
    """
    The sums of today as somebody sees them who only looks at the disk.
    """
    spool = Spool(work=world.folders.work, inbox=world.folders.inbox)
    return day_on_disk(day_of(world.clock.now()), History(world.folders.work), spool)[0]


def primed(world: World) -> Spend:
    """
    The sums of today as a daemon has them that starts now.
    """
    spool = Spool(work=world.folders.work, inbox=world.folders.inbox)
    found = Ledger(allowance=lambda: world.settings.allowance, clock=world.clock)
    found.prime(History(world.folders.work), spool)
    return found.today()


def cost_by(usage: dict[str, Any]) -> float:
    details = usage["input_tokens_details"]
    inputs: int = details["text_tokens"] * 5 + details["image_tokens"] * 8
    tokens: int = usage["output_tokens"]
    return round((inputs + tokens * 30) / 1_000_000, 6)


async def test_an_answer_costs_what_its_usage_says(world: World) -> None:
    """
    In the record, in the history, in the log and in the sums alike.
    """
    world.drop("cat.png")

    daemon = world.daemon()
    await world.once(daemon)

    record = world.record("done/cat.job.json")
    (line,) = world.history()
    assert record["cost_usd"] == cost_by(record["usage"])
    assert record["in_doubt_usd"] == 0
    assert line["cost_usd"] == world.events("job.done")[0]["cost_usd"] == record["cost_usd"]
    assert [(c["usd"], c["in_doubt"], c["pictures"]) for c in line["charges"]] == [
        (record["cost_usd"], False, 1)
    ]
    assert ledger_of(daemon).today() == Spend(spent_usd=Decimal(str(record["cost_usd"])), images=1)
    assert ledger_of(daemon).today() == on_disk(world) == primed(world)


async def test_every_picture_that_came_is_counted(world: World) -> None:
    """
    Not the ones that were asked for.
    """
    world.tell(parameters={**SMALL, "n": 3})
    world.drop("cat.png")

    await world.once()

    assert on_disk(world).images == 3
    assert on_disk(world).spent_usd > Decimal(str(3 * PICTURE))


async def test_what_is_on_its_way_is_reserved(world: World) -> None:
    """
    From the moment it is sent: the next one finds less, and a look at the disk shows it.
    """
    world.tell(usd_per_day=2.5 * AT_MOST, images_per_day=2)
    world.faults(Fault(kind=FaultKind.STALL))
    for number in range(2):
        world.drop(f"{number}.png", image=photo(seed=number))

    async with world.killing() as daemon:
        await world.asked(2)
        reserved = ledger_of(daemon).today()
        assert reserved == Spend(reserved_usd=Decimal(str(AT_MOST)) * 2, images=2)
        assert reserved == on_disk(world)
        lack = ledger_of(daemon).lack(AT_MOST, 1)

    assert lack is not None
    assert "budget.usd_per_day" in lack.reason
    assert "reserved" in lack.reason
    assert lack.until == next_midnight(world.clock.now())
    assert not lack.is_hopeless


async def test_doubt_keeps_its_reservation_through_a_restart(world: World) -> None:
    """
    Killed with a request on its way: what it may have cost is still counted when the repeat is done.
    """
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.STALL, times=1))
    async with world.killing():
        await world.until(lambda: world.charged)
    assert primed(world) == on_disk(world) == Spend(reserved_usd=Decimal(str(AT_MOST)), images=1)

    daemon = world.daemon()
    await world.once(daemon)

    record = world.record("done/cat.job.json")
    assert record["in_doubt_usd"] == AT_MOST
    assert record["cost_usd"] == cost_by(record["usage"])
    assert [c["in_doubt"] for c in world.history()[0]["charges"]] == [True, False]
    assert ledger_of(daemon).today() == Spend(
        spent_usd=Decimal(str(record["cost_usd"])), in_doubt_usd=Decimal(str(AT_MOST)), images=2
    )
    assert ledger_of(daemon).today() == on_disk(world) == primed(world)


@pytest.mark.parametrize(
    ("wrong", "times"),
    [
        (Fault(kind=FaultKind.DROP_READ), 2),
        (Fault(kind=FaultKind.HTML), 1),
        (
            Fault(
                kind=FaultKind.BODY, body=json.dumps({"data": [], "usage": {"output_tokens": 9}})
            ),
            2,
        ),
    ],
)
async def test_an_answer_without_a_picture_may_have_been_charged(
    world: World, wrong: Fault, times: int
) -> None:
    """
    Each request keeps what was reserved for it, also once the job is over; a web page is not asked for twice.
    """
    world.drop("cat.png")
    world.faults(wrong)

    async with world.killing() as daemon:
        await world.until(lambda: len(world.events("request.failed")) == times)
        await world.time.still()
        now = ledger_of(daemon).today()

    assert now == Spend(in_doubt_usd=times * Decimal(str(AT_MOST)), images=times)
    assert now == primed(world) == on_disk(world)


async def test_what_is_refused_costs_nothing(world: World) -> None:
    """
    Its reservation is free again at once.
    """
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.OVERLOADED, times=1), Fault(kind=FaultKind.POLICY, times=1))

    daemon = world.daemon()
    await world.once(daemon)

    record = world.record("error/cat.job.json")
    assert (record["cost_usd"], record["in_doubt_usd"]) == (0, 0)
    assert world.history()[0]["charges"] == []
    assert ledger_of(daemon).today() == Spend() == on_disk(world)


async def test_a_day_ends_at_midnight(world: World) -> None:
    """
    The sums begin anew without a restart, and what was sent before midnight stays with its day.
    """
    world.tell(usd_per_day=1.5 * AT_MOST, timeout_seconds=900)
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=600))
    to_midnight = (next_midnight(world.clock.now()) - world.clock.now()).total_seconds()
    world.clock.jump = to_midnight - 300  # Whoever waits for an answer looks each second.
    world.drop("cat.png")

    async with world.running() as daemon:
        await world.asked(1)
        assert ledger_of(daemon).lack(AT_MOST, 1) is not None
        await world.until(lambda: world.events("job.done"))
        assert ledger_of(daemon).today() == Spend() == on_disk(world)
        assert ledger_of(daemon).lack(AT_MOST, 1) is None

    (charge,) = world.history()[0]["charges"]
    assert charge["usd"] > 0
    world.clock.jump -= DAY
    assert on_disk(world).images == 1


async def test_a_price_for_a_call_is_what_is_counted(world: World) -> None:
    """
    Whatever the endpoint says of tokens.
    """
    world.tell(prices=lambda model: prices_for(model, {"*": {"per_call": 0.03}}))
    world.drop("cat.png")

    await world.once()

    assert world.record("done/cat.job.json")["cost_usd"] == 0.03


async def test_without_a_price_the_cost_is_unknown(world: World) -> None:
    """
    Null, never 0; the day says how many there are.
    """
    world.drop("cat.png", image=photo(32, 32, mode="RGBA"))
    world.tell(model="dall-e-2", parameters={"size": "256x256"})

    daemon = world.daemon()
    await world.once(daemon)

    assert world.record("done/cat.job.json")["cost_usd"] is None
    assert ledger_of(daemon).today() == Spend(images=1, unpriced=1) == on_disk(world)


@pytest.mark.parametrize(
    ("sidecar", "budget", "words"),
    [
        ('model = "new"', {"usd_per_day": 5}, ('[pricing."new"]',)),
        ('size = "2880x2880"\nquality = "high"', {"usd_per_day": 0.5}, ("$0.724", "0.5", "size")),
        ("n = 3", {"images_per_day": 2}, ("3 pictures", "images_per_day = 2")),
    ],
)
@pytest.mark.parametrize("name", ["cat.toml", "dear/_edit.toml"])
async def test_what_no_day_can_pay_for_waits_in_the_inbox(
    world: World, name: str, sidecar: str, budget: dict[str, float], words: tuple[str, ...]
) -> None:
    """
    With the reason, nothing moved and nothing paid; the others go on.
    """
    world.tell(**budget)
    folder = "dear/" if "/" in name else ""
    put(world, name, sidecar)
    world.drop(f"{folder}cat.png")
    world.drop("dog.png", image=photo(seed=1))
    before = world.tree("inbox")

    async with world.running() as daemon:
        await world.until(lambda: world.events("job.done"))
        await world.time.still()
        reason = (await world.reasons(daemon))[f"{folder}cat.png"]

    assert [word for word in words if word not in reason] == []
    assert [each for each in before if "dog" not in each] == world.tree("inbox")
    assert len(world.requests) == 1
    assert world.events("file.held")[0]["reason"] == reason


async def test_a_history_of_an_earlier_version_stops_nobody(world: World) -> None:
    """
    Its lines have no charges, and its open attempts no estimate.
    """
    world.drop("cat.png")
    world.faults(Fault(kind=FaultKind.STALL, times=1))
    async with world.killing():
        await world.until(lambda: world.charged)
    (note,) = world.in_work("attempt-1-1.open")
    body = json.loads(note.read_bytes())
    note.write_text(json.dumps({key: body[key] for key in ("sent_at", "probe")}))
    now = world.clock.now().isoformat()
    History(world.folders.work).add({"id": "old", "status": "done", "finished_at": now})

    daemon = world.daemon()
    await world.once(daemon)

    assert world.record("done/cat.job.json")["in_doubt_usd"] is None
    assert ledger_of(daemon).today().unpriced == 1
    assert ledger_of(daemon).today() == on_disk(world)


NOTES = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.tuples(st.integers(1, 2), st.integers(1, 3)),
        st.none()
        | st.builds(
            Charge,
            sent_at=st.just(NOW),
            usd=st.none() | st.integers(0, 900).map(lambda cents: cents / 100),
            pictures=st.integers(0, 4),
            state=st.sampled_from(ChargeState),
        ),
    )
)


@settings(deadline=None)
@given(NOTES)
def test_a_charge_counts_once_however_often_it_is_noted(
    notes: list[tuple[str, AttemptKey, Charge | None]],
) -> None:
    """
    The last word holds; a job that is over keeps what was paid and gives back what was not sent.
    """
    found = Ledger(allowance=Allowance, clock=SystemClock())
    for note in notes:
        for _ in range(2):
            found.note(*note)
    found.forget("a")
    found.forget("a")

    expected = Spend()
    for (job_id, _), charge in {note[:2]: note[2] for note in notes}.items():
        if charge is not None and not (job_id == "a" and charge.state is ChargeState.OPEN):
            expected = expected.plus(charge)
    assert found._days[day_of(NOW)] == expected


def test_what_could_not_be_noted_is_when_the_job_is_over() -> None:
    """
    A disk that fails while an attempt is closed leaves it open in memory: the job's end sets it right.
    """
    found = Ledger(allowance=Allowance, clock=SystemClock())
    attempt = an_attempt(1, Verdict.DONE, sent_at=NOW, cost_usd=0.2, pictures=1)
    found.note("a", (1, 1), Charge(sent_at=NOW, usd=0.5, pictures=2, state=ChargeState.OPEN))

    found.forget("a", [attempt])

    assert found._days[day_of(NOW)] == Spend(spent_usd=Decimal("0.2"), images=1)


async def test_a_clock_that_is_set_back_keeps_both_days() -> None:
    """
    What was counted on a day is there again when that day is.
    """
    clock = WorldClock(SkippedTime())
    found = Ledger(allowance=lambda: Allowance(images_per_day=1), clock=clock)
    charge = Charge(sent_at=clock.now(), usd=0.1, pictures=1, state=ChargeState.DONE)
    found.note("a", (1, 1), charge)
    found.forget("a")
    clock.jump = DAY
    assert found.lack(0.1, 1) is None
    clock.jump = 0

    lack = found.lack(0.1, 1)

    assert lack is not None
    assert "images_per_day" in lack.reason


def test_a_reservation_that_is_taken_back_wakes_nobody() -> None:
    """
    Where no attempt can be opened, all who wait would wake one another without end.
    """
    told: list[str] = []
    found = Ledger(
        allowance=Allowance, clock=SystemClock(), on_release=lambda: told.append("released")
    )
    charge = Charge(sent_at=SystemClock().now(), usd=1.0, pictures=1, state=ChargeState.OPEN)
    for job_id in ("one", "two"):
        found.note(job_id, (1, 1), charge)

    found.take_back("one", (1, 1))
    assert told == []
    assert found.today().reserved_usd == 1

    found.note("two", (1, 1), None)
    assert told == ["released"]
    assert found.today().reserved_usd == 0
