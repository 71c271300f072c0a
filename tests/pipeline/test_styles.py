"""
One contract for every style: whatever the endpoint is called and however it is asked, the same photo comes to
the same end, and the money too.
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from canary import CANARY
from engine_world import World, held, open_world, photo, put
from retouchd.endpoint.styles import STYLES, StyleName
from retouchd.request.limits import limits_for
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.seen import Seen
from retouchd.service.daemon import Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    How a style is to be spoken: its model, where the request goes, how the key and the picture are written.
    """

    model: str
    path: str
    key: tuple[str, str]
    media: str
    masks: bool = True
    most: int = 16


TICKS = "usage.cost_in_usd_ticks"
BEARER = ("authorization", f"Bearer {CANARY}")
FORM, JSON = "multipart/form-data", "application/json"
CASES = {
    "openai": Case(model="gpt-image-2", path="/v1/images/edits", key=BEARER, media=FORM),
    "openai-json": Case(model="gpt-image-2", path="/v1/images/edits", key=BEARER, media=JSON),
    "xai": Case(
        model="grok-imagine-image-2.0",
        path="/v1/images/edits",
        key=BEARER,
        media=JSON,
        masks=False,
        most=3,
    ),
    "openrouter": Case(
        model="openai/gpt-image-2", path="/api/v1/images", key=BEARER, media=JSON, masks=False
    ),
    "azure": Case(
        model="gpt-image-2",
        path="/openai/deployments/gpt-image-2/images/edits",
        key=("api-key", CANARY),
        media=FORM,
    ),
}


@pytest.fixture(params=list(CASES))
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        await world.speak(request.param, api_key=CANARY)
        world.tell(model=CASES[request.param].model)
        yield world


def case(world: World) -> Case:
    return CASES[world.settings.endpoint.style.name]


def pictures(seen: Seen) -> list[str]:
    return [each.sha256 for each in seen.files if each.field != "mask"]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_style_is_tried() -> None:
    """
    A new one has to be added here.
    """
    assert set(CASES) == set(STYLES)


async def test_a_photo_arrives_as_it_is(world: World) -> None:
    """
    The picture byte for byte, the prompt, the model, the key where the style has it and nowhere else.
    """
    data = photo(seed=7)
    world.drop("cat.png", "改成蓝色 “now”\n\\", image=data)

    assert await world.once() is Ending.DRAINED

    (seen,) = world.requests
    wanted, fields = case(world), dict(seen.fields)
    assert (seen.path, seen.headers["content-type"].partition(";")[0]) == (
        wanted.path,
        wanted.media,
    )
    assert fields["prompt"] == "改成蓝色 “now”\n\\"
    assert pictures(seen) == [digest(data)]
    assert {name: value for name, value in seen.headers.items() if CANARY in value} == dict(
        [wanted.key]
    )
    assert len(world.tree("outbox")) == 1
    assert world.record("done/cat.job.json")["request"]["model"] == wanted.model


async def test_a_mask_is_sent_or_refused_before(world: World) -> None:
    """
    What takes no mask is never asked for the whole picture instead.
    """
    mask = photo(mode="RGBA")
    world.drop("cat.png", image=photo(), mask=mask)

    assert await world.once() is Ending.DRAINED

    if case(world).masks:
        assert [each.sha256 for each in world.requests[0].files][-1] == digest(mask)
        assert len(world.tree("outbox")) == 1
        return
    error = world.record("error/cat.job.json")["error"]
    assert error["code"] == "parameter_invalid"
    assert f'"{world.settings.endpoint.style.name}"' in error["message"]
    assert "mask" in error["message"]
    assert not world.requests


async def test_references_follow_the_photo(world: World) -> None:
    """
    In the order in which they are named.
    """
    first, second, third = (photo(seed=number) for number in (1, 2, 3))
    put(world, "_refs/a.png", second)
    put(world, "_refs/b.png", third)
    put(world, "_edit.toml", 'images = ["_refs/a.png", "_refs/b.png"]')
    world.drop("cat.png", image=first)

    assert await world.once() is Ending.DRAINED

    assert pictures(world.requests[0]) == [digest(first), digest(second), digest(third)]
    assert len(world.tree("outbox")) == 1


async def test_too_many_references_are_not_sent(world: World) -> None:
    """
    Where a style has fewer places than the folder file names pictures, the photo waits with that reason.
    """
    names = [f"_refs/{number}.png" for number in range(case(world).most)]
    for number, name in enumerate(names):
        put(world, name, photo(seed=number))
    put(world, "_edit.toml", f"images = {names}".replace("'", '"'))
    world.drop("cat.png")

    reasons = await held(world)

    assert "cat.png" in reasons
    assert f"takes at most {case(world).most}" in reasons["cat.png"]
    assert not world.requests


async def test_several_results_are_asked_for(world: World) -> None:
    """
    `n` is carried as a number, and each result is published.
    """
    put(world, "cat.toml", "n = 2")
    world.drop("cat.png")

    assert await world.once() is Ending.DRAINED

    assert dict(world.requests[0].fields)["n"] == "2"
    assert [name.partition(".")[0] for name in world.tree("outbox")] == ["cat-1", "cat-2"]


async def test_a_refusal_concerns_one_photo(world: World) -> None:
    """
    However a provider words it that it will not draw this.
    """
    world.faults(Fault(kind=FaultKind.POLICY, times=1))
    world.drop("cat.png")

    assert await world.once() is Ending.DRAINED

    assert world.record("error/cat.job.json")["error"]["code"] == "content_policy"
    assert len(world.requests) == 1


async def test_a_fault_of_the_account_pauses_and_costs_no_photo(world: World) -> None:
    """
    A wrong key, then an empty account, then a model that is not there, in each one's own words: nothing goes to
    `error/`, and it goes on by itself.
    """
    kinds = (FaultKind.KEY, FaultKind.QUOTA, FaultKind.MODEL)
    world.faults(*(Fault(kind=kind, times=1) for kind in kinds))
    world.drop("cat.png")

    async with world.running():
        await world.until(lambda: world.tree("outbox"))

    assert world.events("daemon.paused")[0]["cause"] == "account"
    assert [line["verdict"] for line in world.events("request.failed")] == ["account"] * 3
    assert not world.tree("error")


async def test_an_outage_is_waited_for(world: World) -> None:
    """
    A busy endpoint, then one that takes the request and is never heard of again: asked once more, and named.
    """
    world.faults(
        Fault(kind=FaultKind.OVERLOADED, times=2), Fault(kind=FaultKind.DROP_READ, times=1)
    )
    world.drop("cat.png")

    async with world.running():
        await world.until(lambda: world.tree("outbox"))

    verdicts = world.verdicts("done/cat.job.json")
    assert verdicts == ["transient", "transient", "in_doubt", "done"]


async def test_a_picture_is_found_however_it_comes(world: World) -> None:
    """
    Answers are read by their shape, whatever the style: a link, a chat.
    """
    world.tell(allow_private_urls=True, concurrency=1)
    world.faults(Fault(kind=FaultKind.URL, times=1), Fault(kind=FaultKind.CHAT_DATA, times=1))
    world.drop("cat.png")
    world.drop("dog.png")

    assert await world.once() is Ending.DRAINED

    assert len(world.tree("outbox")) == 2
    assert world.charged == 2


async def test_what_it_cost_is_told_and_from_where(world: World) -> None:
    """
    What an endpoint states goes before the prices that are known; the record, the log and the day agree.
    """
    world.drop("cat.png")

    assert await world.once() is Ending.DRAINED

    record = world.record("done/cat.job.json")
    match record["usage"]:
        case {"cost_in_usd_ticks": int(ticks)}:
            source, usd = TICKS, ticks / 1e10
        case {"cost": float(cost)}:
            source, usd = "usage.cost", cost
        case {"input_tokens_details": sent, "output_tokens": made}:
            tokens = 5 * sent["text_tokens"] + 8 * sent["image_tokens"] + 30 * made
            source, usd = "usage", tokens / 1e6
    (attempt,) = record["attempts"]
    assert (attempt["cost_from"], attempt["cost_usd"]) == (source, pytest.approx(usd))
    assert record["cost_usd"] == attempt["cost_usd"]
    assert [line["usd"] for line in world.history()[0]["charges"]] == [record["cost_usd"]]


async def test_a_style_that_changes_sends_nothing_less(world: World) -> None:
    """
    A photo with a mask waits for its next try while the endpoint becomes one that takes none: it ends with that
    reason, and the whole picture is never asked for instead.
    """
    if not case(world).masks:
        return
    world.faults(Fault(kind=FaultKind.RATE, retry_after="600", times=1))
    world.drop("cat.png", mask=photo(mode="RGBA"))

    async with world.running() as daemon:
        await world.until(lambda: world.events("request.failed"))
        xai = STYLES[StyleName.XAI]
        limits = partial(limits_for, interface=xai.interface)
        endpoint = replace(world.settings.endpoint, style=xai)
        await world.adopt(daemon, replace(world.settings, endpoint=endpoint, limits=limits))
        await world.until(lambda: world.tree("error"))

    assert world.record("error/cat.job.json")["error"]["code"] == "parameter_invalid"
    assert len(world.requests) == 1


@pytest.mark.parametrize(
    ("usage", "cost"),
    [("null", (0.09, "estimate")), ('{"cost_in_usd_ticks": 300000000}', (0.03, TICKS))],
)
async def test_a_picture_that_was_held_back_is_not_drawn_again(
    tmp_path: Path, usage: str, cost: tuple[float, str]
) -> None:
    """
    XAI draws, bills and then keeps what does not pass its moderation: a success without a picture, which cost
    what it states.
    """
    body = f'{{"data": [{{"url": "", "respect_moderation": false}}], "usage": {usage}}}'
    async with open_world(tmp_path) as world:
        await world.speak("xai")
        world.tell(model=CASES["xai"].model)
        world.faults(Fault(kind=FaultKind.BODY, body=body, charged=True))
        world.drop("cat.png")

        assert await world.once() is Ending.DRAINED

        (attempt,) = world.record("error/cat.job.json")["attempts"]

    assert attempt["verdict"] == "in_doubt"
    assert "moderation" in attempt["message"]
    assert (attempt["cost_usd"], attempt["cost_from"]) == cost
