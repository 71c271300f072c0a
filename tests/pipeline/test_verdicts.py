"""
What becomes of a request, each line of the contract's table: through the real client, over loopback.
"""

import asyncio
import json
import os
import random
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine_world import DAY, HOUR, World, moment, open_world, photo
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending

pytestmark = pytest.mark.slow(50)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


def status(number: int, **more: Any) -> Fault:
    return Fault(kind=FaultKind.STATUS, status=number, **more)


def body(text: str, *, number: int = 200, **more: Any) -> Fault:
    return Fault(kind=FaultKind.BODY, status=number, body=text, **more)


def error(message: str, code: str | None = None, kind: str = "invalid_request_error") -> str:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}})


def fault(kind: FaultKind, **more: Any) -> Fault:
    return Fault(kind=kind, **more)


def once(wrong: Fault) -> Fault:
    return replace(wrong, times=1)


def drop_many(world: World, count: int) -> list[str]:
    """
    Drop so many bundles, each with a prompt of its own; return their stems in order.
    """
    stems = [f"job{number:02}" for number in range(count)]
    for number, stem in enumerate(stems):
        world.drop(f"{stem}.png", f"make {stem} blue", image=photo(seed=number))
    return stems


def first_asked(world: World) -> str:
    """
    Return the stem of the bundle asked first: jobs claimed together race to the gate.
    """
    return world.prompts()[0].split()[1]


def waits(record: dict[str, Any]) -> list[float]:
    """
    Return the seconds between the end of each attempt and the start of the next.
    """
    attempts = record["attempts"]
    starts = [moment(each["sent_at"]).timestamp() for each in attempts]
    ends = [start + each["seconds"] for start, each in zip(starts, attempts, strict=True)]
    return [start - end for end, start in zip(ends[:-1], starts[1:], strict=True)]


# Transient: provably unpaid.

TRANSIENT = {
    "429": fault(FaultKind.RATE, times=2),
    "429-bare": status(429, times=2),
    "429-chinese": body(error("当前分组上游负载已饱和，请稍后再试"), number=429, times=2),
    "503": fault(FaultKind.OVERLOADED, times=2),
    "503-bare": status(503, times=2),
}


@pytest.mark.parametrize("wrong", TRANSIENT.values(), ids=TRANSIENT)
async def test_an_unpaid_refusal_is_repeated_until_it_passes(world: World, wrong: Fault) -> None:
    """
    Two refusals that cost nothing, then success: three requests under one key, one of them charged.
    """
    world.drop("cat.png")
    world.faults(wrong)

    await world.once()

    assert world.verdicts("done/cat.job.json") == ["transient", "transient", "done"]
    assert world.tree("outbox") == ["cat.png"]
    assert (len(world.requests), world.charged) == (3, 1)
    assert len(world.requests_by_job()) == 1
    assert len(world.events("request.failed")) == 2
    assert {0} == {line["in_doubt"] for line in world.history()}


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
async def test_back_off_starts_at_a_second_and_doubles(
    world: World, monkeypatch: pytest.MonkeyPatch, jitter: float
) -> None:
    """
    With full jitter the waits between unpaid attempts are up to 1 and 2 seconds.
    """
    monkeypatch.setattr(random, "random", lambda: jitter)
    world.drop("cat.png")
    world.faults(fault(FaultKind.OVERLOADED, times=2))

    await world.once()

    # On both sides by what a busy machine cannot move: it waits no less, and nothing longer is left to wait.
    due = [jitter, 2 * jitter]
    left = [each["retry_in"] for each in world.events("request.failed")]
    waited = waits(world.record("done/cat.job.json"))
    assert all(most <= least + 0.05 for most, least in zip(left, due, strict=True))
    assert all(seconds >= least - 0.1 for seconds, least in zip(waited, due, strict=True))


async def test_retry_after_is_honoured(world: World) -> None:
    """
    After a 429 that asks for 40 seconds the next request comes 40 seconds later, not earlier.
    """
    world.drop("cat.png")
    world.faults(fault(FaultKind.RATE, retry_after="40", times=1))

    await world.once()

    (wait,) = waits(world.record("done/cat.job.json"))
    assert 39.9 <= wait <= 45


async def test_a_429_delays_the_whole_pool(world: World) -> None:
    """
    Other jobs do not ask either while the endpoint wants to be left alone.
    """
    world.tell(concurrency=1)
    drop_many(world, 3)
    world.faults(fault(FaultKind.RATE, retry_after="30", times=1))

    await world.once()

    records = [world.record(f"done/job{number:02}.job.json") for number in range(3)]
    sent = sorted(moment(a["sent_at"]).timestamp() for r in records for a in r["attempts"])
    assert len(sent) == 4
    assert sent[1] - sent[0] >= 29.9


async def test_a_503_delays_nobody_else(world: World) -> None:
    """
    A job that waits for its next attempt holds no worker: the others are asked at once.
    """
    world.tell(concurrency=1)
    stems = drop_many(world, 3)
    world.faults(fault(FaultKind.OVERLOADED, retry_after="100", times=1))

    await world.once()

    first = first_asked(world)
    late = world.record(f"done/{first}.job.json")
    others = [world.record(f"done/{stem}.job.json") for stem in stems if stem != first]
    assert waits(late)[0] >= 99.9
    assert all(moment(o["finished_at"]) < moment(late["attempts"][1]["sent_at"]) for o in others)


async def test_a_refused_connection_costs_nothing_and_is_repeated(world: World) -> None:
    """
    Nobody listens on the port; as soon as somebody does the job is done, each failure being unpaid.
    """
    await world.go_down()
    world.drop("cat.png")

    async with world.running():
        await world.until(lambda: len(world.events("request.failed")) == 2)
        await world.come_up()
        await world.until(lambda: world.tree("outbox"), within=60)

    assert world.verdicts("done/cat.job.json") == ["transient", "transient", "done"]
    assert 1 == len(world.requests) == world.charged


# In doubt: may have been charged.

IN_DOUBT = {
    "read-timeout": fault(FaultKind.STALL),
    "reset-before-reading": fault(FaultKind.DROP),
    "reset-after-reading": fault(FaultKind.DROP_READ),
    "truncated": fault(FaultKind.TRUNCATE, cut=150),
    "500": status(500),
    "502": status(502),
    "504": status(504, charged=True),
    "520": status(520),
    "524": status(524),
}
BAD_SUCCESS = {
    "chat-text": fault(FaultKind.CHAT_TEXT),
    "empty": fault(FaultKind.EMPTY),
    "garbage": fault(FaultKind.GARBAGE),
    "nothing": body(""),
    "not-json": body("OK", content_type="text/plain"),
}


@pytest.mark.parametrize("wrong", (IN_DOUBT | BAD_SUCCESS).values(), ids=IN_DOUBT | BAD_SUCCESS)
async def test_a_request_in_doubt_is_repeated_once_and_soon(world: World, wrong: Fault) -> None:
    """
    What may have been charged is asked once more within five seconds, under the same key, and counted.
    """
    world.tell(timeout_seconds=30)
    world.drop("cat.png")
    world.faults(once(wrong))

    await world.once()

    record = world.record("done/cat.job.json")
    assert world.verdicts("done/cat.job.json") == ["in_doubt", "done"]
    assert len(world.requests) == 2
    assert len(world.requests_by_job()) == 1
    assert 0 <= waits(record)[0] <= 5.5
    assert [line["in_doubt"] for line in world.history()] == [1]


@pytest.mark.parametrize("max_in_doubt", [0, 1, 2])
@pytest.mark.parametrize("wrong", IN_DOUBT.values(), ids=IN_DOUBT)
async def test_doubt_is_repeated_no_more_often_than_allowed(
    world: World, wrong: Fault, max_in_doubt: int
) -> None:
    """
    One request and its allowed repeats, then the job is parked in error; with 0 it is parked at once.
    """
    world.tell(timeout_seconds=30, max_in_doubt=max_in_doubt)
    world.drop("cat.png")
    world.faults(wrong)

    async with world.running():
        await world.until(lambda: len(world.requests) == max_in_doubt + 1)
        # A third failure of the only job opens the breaker; it is parked when that closes.
        await world.until(lambda: world.tree("error"), within=2 * HOUR)

    record = world.record("error/cat.job.json")
    assert ["in_doubt"] * (max_in_doubt + 1) == world.verdicts("error/cat.job.json")
    assert record["error"]["code"] == "in_doubt"
    assert max_in_doubt + 1 == len(world.requests)
    assert [] == world.tree("inbox") == world.tree("outbox")
    assert world.jobs() == []


@pytest.mark.parametrize("wrong", BAD_SUCCESS.values(), ids=BAD_SUCCESS)
async def test_an_answer_without_a_picture_is_kept_as_evidence(world: World, wrong: Fault) -> None:
    """
    A success nobody can read is asked for once more, then parked together with both answers.
    """
    world.drop("cat.png")
    world.faults(wrong)

    await world.once()

    assert world.record("error/cat.job.json")["error"]["code"] == "bad_response"
    assert world.verdicts("error/cat.job.json") == ["in_doubt", "in_doubt"]
    answers = {"cat.response", "cat.2.response"}
    assert answers | {"cat.error.txt", "cat.job.json", "cat.png", "cat.txt"} == set(
        world.tree("error")
    )
    assert len(world.requests) == 2


async def test_bad_successes_do_not_open_the_breaker(world: World) -> None:
    """
    Answers with status 200 and no picture, of two files, say nothing about an outage.
    """
    world.tell(concurrency=1)
    drop_many(world, 2)
    world.faults(fault(FaultKind.EMPTY))

    assert Ending.DRAINED is await world.once()

    assert len(world.requests) == 4
    assert world.events("daemon.paused") == []


# Refused.

REFUSED = {
    "400": (status(400), "refused"),
    "413": (status(413), "image_too_large"),
    "415": (status(415), None),
    "422": (status(422), "refused"),
    "policy": (fault(FaultKind.POLICY), "content_policy"),
    "policy-403": (
        body(error("Your request was rejected by our safety system."), number=403),
        "content_policy",
    ),
    "policy-200": (
        body(error("rejected", "content_policy_violation"), number=200),
        "content_policy",
    ),
    "sensitive-words": (
        body(error("user sensitive words detected", "sensitive_words_detected"), number=500),
        "content_policy",
    ),
    "new-api-400-as-500": (
        body(error("Unsupported mimetype", "unsupported_file_mimetype"), number=500),
        "image_unsupported",
    ),
}


@pytest.mark.parametrize(("wrong", "code"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_goes_to_error_and_is_not_repeated(
    world: World, wrong: Fault, code: str | None
) -> None:
    """
    What will not be accepted as it is ends in error after one request; the next file is asked all the same.
    """
    world.tell(concurrency=1)
    stems = drop_many(world, 2)
    world.faults(once(wrong))

    ending = await world.once()

    assert Ending.DRAINED is ending
    first = first_asked(world)
    assert world.verdicts(f"error/{first}.job.json") == ["refused"]
    found = world.record(f"error/{first}.job.json")["error"]
    assert code in (None, found["code"])
    assert f"{first}.png" in found["message"]
    assert {f"{first}.error.txt", f"{first}.png", f"{first}.txt"} < set(world.tree("error"))
    assert [f"{stem}.png" for stem in stems if stem != first] == world.tree("outbox")
    assert len(world.requests) == 2


# Account.

ACCOUNT = {
    "401": fault(FaultKind.KEY),
    "401-bare": status(401),
    "402": status(402),
    "403": status(403),
    "quota": fault(FaultKind.QUOTA),
    "quota-chinese": body(error("用户额度不足", "insufficient_user_quota"), number=403),
    "billing-400": body(error("Billing limit", "billing_hard_limit_reached"), number=400),
    "model": fault(FaultKind.MODEL),
    "model-503": body(error("分组 default 下模型 x 无可用渠道", "model_not_found"), number=503),
    "model-200": body(error("no such model", "model_not_found"), number=200),
}


@pytest.mark.parametrize("wrong", ACCOUNT.values(), ids=ACCOUNT)
async def test_an_account_fault_pauses_everything_and_moves_nothing(
    world: World, wrong: Fault
) -> None:
    """
    One answer about the account stops the daemon: no file is in error, each is back in the inbox.
    """
    world.tell(concurrency=1)
    drop_many(world, 6)
    before = world.tree("inbox")
    world.faults(wrong)

    ending = await world.once()

    assert Ending.UNAVAILABLE is ending
    assert before == world.tree("inbox")
    assert [] == world.tree("error") == world.tree("done") == world.tree("outbox")
    assert world.jobs() == []
    assert len(world.requests) <= 2
    assert world.charged == 0
    assert [line["cause"] for line in world.events("daemon.paused")] == ["account"]


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_after_an_account_fault_no_other_request_is_sent(
    world: World, concurrency: int
) -> None:
    """
    Those that were on their way may hear of the fault too; none is begun after the first has heard.
    """
    world.tell(concurrency=concurrency)
    drop_many(world, 12)
    world.faults(fault(FaultKind.LATENCY, seconds=2), fault(FaultKind.KEY))

    await world.once()

    assert 1 <= len(world.requests) <= concurrency


async def test_who_looked_at_the_disk_when_the_account_failed_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A slow look at the room on a disk is no gap through which a request slips past a pause.
    """
    statvfs, is_paused, has_looked = os.statvfs, threading.Event(), threading.Event()

    def slow(path: Path) -> os.statvfs_result:
        if world.requests:
            has_looked.set()
            is_paused.wait(20)
        return statvfs(path)

    monkeypatch.setattr(os, "statvfs", slow)
    world.tell(concurrency=2, settle_seconds=0)
    world.drop("cat.png", image=photo(seed=1))
    world.faults(fault(FaultKind.LATENCY, seconds=2), fault(FaultKind.QUOTA))
    world.time.is_skipping = False
    daemon = world.daemon()
    run = asyncio.create_task(daemon.run())
    await world.asked(1)
    world.drop("dog.png", image=photo(seed=2))
    daemon.look_again()
    await world.until(has_looked.is_set)

    await world.until(lambda: world.events("daemon.paused"))
    is_paused.set()
    await world.until(lambda: not daemon.status.jobs)
    daemon.stop()
    await run

    assert len(world.requests) == 1


async def test_a_paused_daemon_probes_at_growing_intervals_with_one_request(world: World) -> None:
    """
    After 1, 2, 4 … 60 minutes one request asks whether the account works again; files stay in the inbox.
    """
    world.tell(concurrency=4)
    drop_many(world, 6)
    before = world.tree("inbox")
    world.faults(fault(FaultKind.KEY))

    async with world.running() as daemon:
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        first = len(world.requests)
        start, sent = world.clock.monotonic(), []
        for number in range(first + 1, first + 9):
            await world.asked(number)
            sent.append(world.clock.monotonic() - start)
            await world.until(lambda: not world.jobs())
            assert number == len(world.requests)
            assert before == world.tree("inbox")
        assert daemon.status.trouble

    steps = [60, 120, 240, 480, 960, 1920, 3600, 3600]
    due = [sum(steps[: index + 1]) for index in range(len(steps))]
    # Without events a file that was given back is seen again by the next scan.
    assert due == pytest.approx(sent, abs=65)
    assert world.tree("error") == []


async def test_it_resumes_by_itself_when_the_account_works_again(world: World) -> None:
    """
    The next probe after the account was mended opens the gate, and everything is done.
    """
    drop_many(world, 6)
    world.faults(fault(FaultKind.QUOTA))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        world.faults()
        await world.until(lambda: len(world.tree("outbox")) == 6, within=120)

    assert len(world.events("daemon.resumed")) == 1
    assert [] == world.tree("error") == world.tree("inbox")
    assert world.charged == 6


async def test_a_person_need_not_wait_for_the_probe(world: World) -> None:
    """
    Asked to look again, a paused daemon probes at once, however long the interval has grown.
    """
    drop_many(world, 3)
    world.faults(fault(FaultKind.QUOTA))

    async with world.running() as daemon:
        await world.asked(8)
        await world.until(lambda: not world.jobs())
        world.faults()
        daemon.look_again()
        await world.until(lambda: len(world.tree("outbox")) == 3, within=30)


async def test_a_paused_daemon_rests(world: World) -> None:
    """
    New files in a paused inbox are seen and wait; nothing runs in circles until the next probe.
    """
    world.tell(rescan_seconds=10)
    world.drop("cat.png")
    world.faults(fault(FaultKind.KEY))

    async with world.running() as daemon:
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        world.drop("dog.png")
        await world.noticed(daemon, "dog.png")

    assert len(world.requests) == 1


async def test_a_job_in_doubt_stays_in_work_under_an_account_pause(world: World) -> None:
    """
    A file whose request may have been charged is not given back; it is asked again when that is allowed.
    """
    world.tell(concurrency=1)
    stems = drop_many(world, 2)
    world.faults(once(status(500)), fault(FaultKind.KEY, after=1))

    ending = await world.once()

    assert Ending.UNAVAILABLE is ending
    first = first_asked(world)
    (other,) = [stem for stem in stems if stem != first]
    assert [f"{other}.png", f"{other}.txt"] == world.tree("inbox")
    assert [f"{first}.png", f"{first}.txt"] == [p.name for p in world.in_work("originals/*")]
    assert world.tree("error") == []

    world.faults()
    assert Ending.DRAINED is await world.once()
    assert world.tree("outbox") == ["job00.png", "job01.png"]
    verdicts = world.verdicts(f"done/{first}.job.json")
    assert (verdicts[0], verdicts[-1]) == ("in_doubt", "done")


# Outages.


async def test_five_failures_in_a_row_of_whichever_jobs_open_the_breaker(world: World) -> None:
    """
    The fifth refusal in a row pauses the daemon; nothing was paid, so everything is back in the inbox.
    """
    world.tell(concurrency=1)
    drop_many(world, 6)
    before = world.tree("inbox")
    world.faults(fault(FaultKind.OVERLOADED))

    ending = await world.once()

    assert Ending.UNAVAILABLE is ending
    assert len(world.requests) == 5
    assert [line["cause"] for line in world.events("daemon.paused")] == ["outage"]
    assert before == world.tree("inbox")
    assert world.tree("error") == []
    assert world.jobs() == []


async def test_three_failures_of_the_only_job_open_the_breaker(world: World) -> None:
    """
    A lone file needs only three refusals to tell an outage.
    """
    world.drop("cat.png")
    world.faults(fault(FaultKind.OVERLOADED))

    ending = await world.once()

    assert Ending.UNAVAILABLE is ending
    assert len(world.requests) == 3
    assert world.tree("inbox") == ["cat.png", "cat.txt"]


async def test_a_success_between_failures_keeps_the_breaker_shut(world: World) -> None:
    """
    Only failures in a row count: a success or a refusal of a file between them starts the count anew.
    """
    world.tell(concurrency=1, max_attempts=50)
    drop_many(world, 8)
    world.faults(
        *(fault(FaultKind.OVERLOADED, after=after, times=4) for after in (0, 5, 10)),
        fault(FaultKind.POLICY, after=4, times=1),
    )

    assert Ending.DRAINED is await world.once()

    assert world.events("daemon.paused") == []
    assert len(world.tree("outbox")) == 7


async def test_nothing_is_claimed_during_an_outage(world: World) -> None:
    """
    While the breaker is open new files stay in the inbox.
    """
    world.tell(concurrency=1, rescan_seconds=10)
    drop_many(world, 4)
    world.faults(fault(FaultKind.OVERLOADED))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        held = len(world.jobs())
        world.drop("late.png")
        await world.asked(8)
        assert held == len(world.jobs())
        assert "late.png" in world.tree("inbox")


async def test_probes_of_an_outage_go_one_at_a_time(world: World) -> None:
    """
    While one probe has no answer yet no second request is sent, however many jobs are due.
    """
    world.tell(concurrency=4)
    drop_many(world, 8)
    world.faults(fault(FaultKind.OVERLOADED))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        await world.time.still()
        sent = len(world.requests)
        world.faults(fault(FaultKind.STALL))
        await world.until(lambda: len(world.requests) > sent)
        hung = world.clock.monotonic()
        await world.until(lambda: world.clock.monotonic() > hung + 500)
        assert sent + 1 == len(world.requests)
        world.faults()
        await world.until(lambda: len(world.tree("outbox")) == 8, within=HOUR)

    assert world.tree("error") == []


async def test_a_probe_prefers_a_job_nothing_was_paid_for(world: World) -> None:
    """
    Of two waiting jobs the one without an attempt in doubt is risked.
    """
    world.tell(concurrency=1)
    drop_many(world, 2)
    world.faults(once(status(500)), fault(FaultKind.OVERLOADED, after=1))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        await world.time.still()
        first = world.requests[0].headers["idempotency-key"]
        paused = len(world.requests)
        await world.until(lambda: len(world.requests) >= paused + 4)

    probes = [seen.headers["idempotency-key"] for seen in world.requests[paused:]]
    assert first not in probes


async def test_an_outage_that_refuses_work_puts_nothing_into_error(world: World) -> None:
    """
    However long the endpoint turns everything away, every file is edited in the end, each paid for once.
    """
    world.tell(concurrency=4, rescan_seconds=600)
    stems = drop_many(world, 12)
    world.faults(fault(FaultKind.OVERLOADED))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        began = world.clock.monotonic()
        await world.until(lambda: world.clock.monotonic() > began + DAY, within=2 * DAY)
        assert world.tree("error") == []
        assert len(world.requests) <= 8 + 6 + 24
        world.faults()
        await world.until(lambda: len(world.tree("outbox")) == len(stems), within=2 * HOUR)

    assert [f"{stem}.png" for stem in stems] == world.tree("outbox")
    assert world.tree("error") == []
    assert len(stems) == world.charged


async def test_an_outage_without_anybody_listening_puts_nothing_into_error(world: World) -> None:
    """
    The same where connections are refused, with a single file and a daemon restarted in between.
    """
    world.tell(rescan_seconds=600)
    world.drop("cat.png")
    await world.go_down()
    for _ in range(3):
        assert Ending.UNAVAILABLE is await world.once()
    assert world.tree("inbox") == ["cat.png", "cat.txt"]

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        began = world.clock.monotonic()
        await world.until(lambda: world.clock.monotonic() > began + DAY, within=2 * DAY)
        await world.come_up()
        await world.until(lambda: world.tree("outbox"), within=2 * HOUR)

    assert world.tree("error") == []
    assert len(world.requests) == 1


async def test_an_outage_that_swallows_work_parks_at_most_what_was_sent(world: World) -> None:
    """
    Requests that vanish may each be repeated once; files that were never sent are all edited afterwards.
    """
    world.tell(concurrency=2, timeout_seconds=60, rescan_seconds=600)
    stems = drop_many(world, 12)
    world.faults(fault(FaultKind.STALL))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        began = world.clock.monotonic()
        await world.until(lambda: world.clock.monotonic() > began + 3 * HOUR)
        assert world.tree("error") == []
        swallowed = world.requests_by_job()
        world.faults()
        await world.until(lambda: not world.jobs() and not world.tree("inbox"), within=2 * HOUR)

    parked = [name for name in world.tree("error") if name.endswith(".job.json")]
    assert max(world.requests_by_job().values()) <= 2
    assert len(parked) == sum(count == 2 for count in swallowed.values())
    assert {"in_doubt"} >= {world.record(f"error/{name}")["error"]["code"] for name in parked}
    assert len(stems) == len(parked) + len(world.tree("outbox"))


async def test_probes_do_not_count_as_attempts(world: World) -> None:
    """
    A job used for ten probes still has all the attempts it is allowed.
    """
    world.tell(max_attempts=4, rescan_seconds=600)
    world.drop("cat.png")
    world.faults(fault(FaultKind.OVERLOADED, times=13))

    async with world.running():
        await world.until(lambda: world.tree("outbox") or world.tree("error"))

    assert world.tree("outbox") == ["cat.png"]
    assert world.verdicts("done/cat.job.json") == ["transient"] * 13 + ["done"]


async def test_a_job_alone_turned_away_while_others_pass_gives_up(world: World) -> None:
    """
    Refused as often as allowed while other files went through, a job ends as `attempts_exhausted`.
    """
    world.tell(concurrency=2)
    world.drop("00.png", "the broken one")
    drop_many(world, 40)
    world.rejecting = b"the broken one"
    world.faults(fault(FaultKind.LATENCY, seconds=3))

    assert Ending.DRAINED is await world.once()

    assert world.rejected == 5
    assert world.record("error/00.job.json")["error"]["code"] == "attempts_exhausted"
    assert len(world.tree("outbox")) == 40


async def test_looking_again_makes_every_waiting_job_due(world: World) -> None:
    """
    A job told to come back in an hour is asked at once when a person says so.
    """
    world.drop("cat.png")
    world.faults(fault(FaultKind.OVERLOADED, retry_after="3600", times=1))

    async with world.running() as daemon:
        await world.until(lambda: world.events("request.failed"))
        await world.time.still()
        daemon.look_again()
        await world.until(lambda: world.tree("outbox"), within=10)


async def test_a_closing_breaker_makes_every_waiting_job_due(world: World) -> None:
    """
    When a probe gets through, those who were told to wait for minutes are asked at once.
    """
    world.tell(concurrency=4)
    drop_many(world, 6)
    world.faults(fault(FaultKind.OVERLOADED, retry_after="290"))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        await world.time.still()
        world.faults()
        await world.until(lambda: world.events("daemon.resumed"))
        await world.until(lambda: len(world.tree("outbox")) == 6, within=30)


# The configuration's fault.

CONFIGURATION = {
    "parameter": (
        body(
            json.dumps(
                {
                    "error": {
                        "message": "Unknown parameter: 'quality'.",
                        "type": "invalid_request_error",
                        "param": "quality",
                        "code": "unknown_parameter",
                    }
                }
            ),
            number=400,
        ),
        "quality",
    ),
    "not-json": (fault(FaultKind.HTML), ""),
    "no-picture": (fault(FaultKind.CHAT_TEXT), ""),
    "undecodable": (fault(FaultKind.GARBAGE), ""),
}


@pytest.mark.parametrize(("wrong", "named"), CONFIGURATION.values(), ids=CONFIGURATION)
async def test_the_same_fault_for_three_files_in_a_row_pauses(
    world: World, wrong: Fault, named: str
) -> None:
    """
    What three different files suffer alike is no file's fault: the rest stays in the inbox, unpaid.
    """
    world.tell(concurrency=1)
    drop_many(world, 10)
    world.faults(wrong)
    daemon = world.daemon()

    ending = await world.once(daemon)

    assert Ending.UNAVAILABLE is ending
    assert len(world.requests_by_job()) <= 4
    assert len(world.requests) <= 6
    assert sum(name.endswith(".job.json") for name in world.tree("error")) <= 3
    assert len(world.tree("inbox")) >= 2 * 6
    assert daemon.status.trouble
    assert named in daemon.status.trouble
