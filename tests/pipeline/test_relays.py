"""
What relays answer again and again, and what the daemon makes of it: nothing burnt, nobody left waiting.
"""

import base64
import json
import os
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dialect_cases import ACCOUNTS as DIALECT_ACCOUNTS
from dialect_cases import MODERATED
from engine_world import HOUR, World, moment, open_world, photo
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.service.daemon import Ending
from sample_pictures import encoded, smooth
from verdict_cases import ANSWERS, COOLDOWN, SATURATED, openai, page, plain, relay


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        world.tell(concurrency=1)
        yield world


def answering(name: str, **more: Any) -> Fault:
    """
    Return the fault that serves one answer of the tables.
    """
    answer = ANSWERS[name]
    return body(answer.body, answer.status, headers=answer.headers, **more)


def body(content: bytes, status: int, **more: Any) -> Fault:
    return Fault(kind=FaultKind.BODY, status=status, body=content, **more)


def drop_many(world: World, count: int, **files: bytes) -> None:
    for number in range(count):
        for kind, content in files.items():
            (world.folders.inbox / f"job{number:02}.{kind}").write_bytes(content)
        world.drop(f"job{number:02}.png", f"make {number} blue", image=photo(seed=number))


async def test_a_relay_that_parks_everything_hides_a_fault_of_the_account(world: World) -> None:
    """
    "No deployments available" again and again pauses as for a refused key: the files are in the inbox.
    """
    drop_many(world, 6)
    before = world.tree("inbox")
    world.faults(answering("LiteLLM cooldown"))
    daemon = world.daemon()

    ending = await world.once(daemon)

    assert Ending.UNAVAILABLE is ending
    assert len(world.requests) == 5
    assert [line["cause"] for line in world.events("daemon.paused")] == ["account"]
    assert before == world.tree("inbox")
    assert world.tree("error") == []
    assert "The relay has nobody to pass the request on to" in daemon.status.trouble
    assert COOLDOWN in daemon.status.trouble
    assert "provider refuses a key" in daemon.status.trouble


async def test_probes_of_a_parked_relay_stay_an_accounts(world: World) -> None:
    """
    The same answer to the probes makes their interval grow, and a good one opens the gate.
    """
    drop_many(world, 3)
    world.faults(answering("LiteLLM cooldown"))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused") and not world.jobs())
        began = world.clock.monotonic()
        await world.until(lambda: world.clock.monotonic() > began + 3 * HOUR)
        assert len(world.requests) <= 5 + 9
        world.faults()
        await world.until(lambda: len(world.tree("outbox")) == 3, within=2 * HOUR)

    assert {line["cause"] for line in world.events("daemon.paused")} == {"account"}
    assert world.tree("error") == []


async def test_a_key_refused_now_and_parked_then_is_one_pause(world: World) -> None:
    """
    LiteLLM passes the first 401 on and parks the key: the pause is the account's all along.
    """
    drop_many(world, 3)
    world.faults(answering("LiteLLM key", times=1), answering("LiteLLM cooldown", after=1))

    async with world.running():
        await world.until(lambda: world.events("daemon.paused"))
        await world.asked(5)
        assert len(world.events("daemon.paused")) == 1
        assert world.tree("error") == []


async def test_a_cooldown_that_passes_is_waited_for(world: World) -> None:
    """
    One or two such answers are what they say: a pause of seconds for everyone, and no reason to stop.
    """
    drop_many(world, 3)
    world.faults(answering("LiteLLM cooldown", times=2))

    assert Ending.DRAINED is await world.once()

    assert world.events("daemon.paused") == []
    assert len(world.tree("outbox")) == 3


def gaps(world: World) -> list[float]:
    """
    Return the seconds between the requests, in order.
    """
    records = [world.record(f"done/{path}") for path in world.tree("done") if "job.json" in path]
    sent = sorted(each["sent_at"] for record in records for each in record["attempts"])
    moments = [moment(text).timestamp() for text in sent]
    return [later - earlier for earlier, later in pairwise(moments)]


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (SATURATED, 60),
        ("您已达到请求数限制：2分钟内最多请求10次", 120),
        ("您已达到总请求数限制：7分钟内最多请求10次，包括失败次数", 420),
    ],
)
async def test_a_busy_relay_is_left_alone_by_all(world: World, words: str, seconds: float) -> None:
    """
    A saturated relay for a minute, a limiter for the minutes of its window: no job asks meanwhile.
    """
    drop_many(world, 3)
    world.faults(body(relay("", words), 429, times=1))

    await world.once()

    first, *others = gaps(world)
    assert seconds - 0.1 <= first <= seconds + 10
    assert max(others) < 10
    assert world.charged == 3


async def test_one_request_beyond_the_limit_is_that_files_fault(world: World) -> None:
    """
    What can never pass is not tried again, and the others go on.
    """
    drop_many(world, 3)
    world.faults(answering("more than the limit can never pass", times=1))

    assert Ending.DRAINED is await world.once()

    (record,) = [path for path in world.tree("error") if path.endswith("job.json")]
    error = world.record(f"error/{record}")["error"]
    assert error["code"] == "refused"
    assert "Limit 5, Used 0, Requested 6" in error["message"]
    assert "Send fewer pictures with one request" in error["hint"]
    assert len(world.requests) == 3


CONFIGURATION = {
    "more than the limit can never pass": "more than its limit at once",
    "nginx 413": "takes no request this large",
    "new-api body": "takes no request this large",
    "FastAPI knows only image": "does not find what it needs",
    "LiteLLM missing image": "does not find what it needs",
    "xAI takes JSON only": "takes no requests that are written so",
    "400": "refuses the request (http_400)",
    "new-api model is required": "refuses the request (invalid_request)",
    "asynchronous 200 in data": "an asynchronous relay",
    "asynchronous 202 at the top": "an asynchronous relay",
    "HTML 200": "a web page",
    "not base64": "something that cannot be opened",
}


@pytest.mark.parametrize(("name", "words"), CONFIGURATION.items(), ids=CONFIGURATION)
async def test_what_three_files_suffer_alike_is_no_files_fault(
    world: World, name: str, words: str
) -> None:
    """
    The third such answer pauses and says what is wrong; the inbox is not burnt.
    """
    drop_many(world, 10)
    world.faults(answering(name))
    daemon = world.daemon()

    ending = await world.once(daemon)

    assert Ending.UNAVAILABLE is ending
    assert [line["cause"] for line in world.events("daemon.paused")] == ["configuration"]
    assert words in daemon.status.trouble
    assert len([path for path in world.tree("inbox") if path.endswith(".png")]) >= 7
    assert sum(path.endswith("job.json") for path in world.tree("error")) <= 3


async def test_three_files_blocked_for_their_content_pause_nobody(world: World) -> None:
    """
    Policy, pictures that cannot be read and too large ones are about files, however many there are.
    """
    drop_many(world, 9)
    world.faults(
        answering("moderation_blocked", times=3),
        answering("invalid_image_file", after=3, times=3),
        answering("image_too_large", after=6, times=3),
    )

    assert Ending.DRAINED is await world.once()

    assert world.events("daemon.paused") == []
    assert sum(path.endswith("job.json") for path in world.tree("error")) == 9


async def test_sidecars_do_not_burn_the_inbox_when_a_channel_is_gone(world: World) -> None:
    """
    A model that each sidecar names is refused to three of them, then everything waits.
    """
    drop_many(world, 10, toml=b'model = "gpt-image-2"\n')
    world.faults(answering("new-api no channel"))
    daemon = world.daemon()

    ending = await world.once(daemon)

    assert Ending.UNAVAILABLE is ending
    assert "does not offer the model" in daemon.status.trouble
    assert sum(path.endswith("job.json") for path in world.tree("error")) <= 3


async def test_a_picture_too_large_for_a_proxy_is_told_its_size(world: World) -> None:
    """
    The person learns how large the picture is that a proxy did not let through.
    """
    world.drop("cat.png", image=encoded(smooth((64, 64)), "PNG") + os.urandom(2_500_000))
    world.faults(body(page("413 Request Entity Too Large"), 413))

    await world.once()

    error = world.record("error/cat.job.json")["error"]
    assert error["code"] == "image_too_large"
    assert "than its 2.4 MB" in error["hint"]


async def test_a_firewall_in_front_moves_nothing(world: World) -> None:
    """
    A challenge page at 403 or 503 is no verdict on any file.
    """
    drop_many(world, 3)
    before = world.tree("inbox")
    for name in ("Cloudflare 403", "Cloudflare challenge as 503", "HTML 403"):
        world.faults(answering(name))
        assert Ending.UNAVAILABLE is await world.once()
        assert before == world.tree("inbox")


@pytest.mark.parametrize(
    "name",
    ["OpenRouter's own moderation", "xAI's guidelines under 403", "a relay that threatens"],
)
async def test_moderated_pictures_stop_nobody(world: World, name: str) -> None:
    """
    Four in a row go to error/ with the provider's words; what comes behind them is edited.
    """
    drop_many(world, 5)
    world.faults(body(MODERATED[name].body, MODERATED[name].status, times=4))

    assert Ending.DRAINED is await world.once()

    records = [path for path in world.tree("error") if path.endswith("job.json")]
    assert {world.record(f"error/{path}")["error"]["code"] for path in records} == {
        "content_policy"
    }
    assert (len(records), len(world.tree("outbox"))) == (4, 1)
    assert world.events("daemon.paused") == []


@pytest.mark.parametrize(
    "name",
    ["Azure's version", "Google's region", "Portkey's headers", "an object store's XML"],
)
async def test_a_fault_of_the_account_is_told_in_the_endpoints_words(
    world: World, name: str
) -> None:
    """
    One request, every file still in the inbox, and what it said.
    """
    drop_many(world, 2)
    before = world.tree("inbox")
    said = DIALECT_ACCOUNTS[name]
    world.faults(body(said.body, said.status))
    daemon = world.daemon()

    assert Ending.UNAVAILABLE is await world.once(daemon)

    assert len(world.requests) == 1
    assert before == world.tree("inbox")
    assert said.says in daemon.status.trouble
    assert said.told in daemon.status.trouble


async def test_a_paid_picture_is_not_lost_for_what_stands_beside_it(world: World) -> None:
    """
    Numbers that are none and usage without a floor: the picture is published, and the record is plain JSON.
    """
    picture = base64.b64encode(photo()).decode()
    usage = '{"total_tokens": NaN, "deep": ' + "[" * 150 + "]" * 150 + "}"
    world.drop("cat.png")
    world.faults(body(f'{{"data":[{{"b64_json":"{picture}"}}],"usage":{usage}}}'.encode(), 200))

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    text = (world.root / "done/cat.job.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["usage"]["total_tokens"] is None


async def test_one_bad_picture_beside_a_good_one_does_not_bring_the_job_down(world: World) -> None:
    """
    What is no base64 is noted at the attempt; the good picture is published.
    """
    good = base64.b64encode(photo()).decode()
    world.drop("cat.png")
    world.faults(body(plain(data=[{"b64_json": "图片"}, {"b64_json": good}]), 200))

    await world.once()

    assert world.tree("outbox") == ["cat.png"]
    (attempt,) = world.record("done/cat.job.json")["attempts"]
    assert "picture 1: Only base64 data is allowed" in attempt["message"]


async def test_a_chinese_bill_is_explained_in_english(world: World) -> None:
    """
    The pause says what to do and quotes the relay.
    """
    world.drop("cat.png")
    world.faults(body(openai("", "用户额度不足"), 403))
    daemon = world.daemon()

    await world.once(daemon)

    assert daemon.status.trouble == (
        "The account or the key has nothing left to spend: 用户额度不足. "
        "Top up the account, or raise the limit of the key at the provider."
    )
