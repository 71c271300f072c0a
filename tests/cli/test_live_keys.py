"""
Every key of the configuration: changed while the daemon runs, it takes effect at once, or is said to need a
restart.

A new key fails here until it has a row, and a row fails until the new value reaches whoever goes by it.
"""

import asyncio
import contextlib
import hashlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from canary import CANARY
from edits_server import answering, serving
from edits_server import certificate as certificate  # noqa: PLC0414 - a fixture
from engine_world import World, open_world, photo
from process import open_station
from retouchd.cli.compose import settings_of
from retouchd.cli.reload import AT_START
from retouchd.config import Config
from retouchd.config.settings import Settings
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.server import serve
from sample_pictures import encoded, scene

Sections: TypeAlias = Mapping[str, Any]

SOON = 40.0
"""Seconds of the world: far less than any of the long times below, far more than is needed."""
LONG = 100_000
ELSEWHERE = {
    "endpoint.allow_private_urls",
    "endpoint.api_key_file",
    "endpoint.ca_file",
    "endpoint.connect_timeout_seconds",
    "endpoint.max_attempts",
    "logging.format",
    "logging.level",
    "status.text_file",
}
"""Keys with a test of their own."""

COMMENTED = encoded(scene(), "JPEG", comment=b"by Li Lei")

_PROMPT = "make it blue"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let nothing come from the environment.
    """
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


def settings_for(world: World, sections: Sections) -> Settings:
    """
    Return what a configuration with these keys comes to, besides small waits and the world's endpoint.
    """
    values: dict[str, Any] = {
        "folders": {"root": world.root},
        "endpoint": {"base_url": world.settings.endpoint.base_url, "api_key": CANARY},
        "intake": {"settle_seconds": 0, "observer": "inotify"},
    }
    for section, keys in sections.items():
        is_list = isinstance(keys, list)
        values[section] = keys if is_list else {**values.get(section, {}), **keys}
    settings, problems = settings_of(Config(**values), world.root)
    assert settings is not None, problems
    assert problems == []
    return settings


def nothing(_: World) -> None:
    """
    Do nothing.
    """


def a_cat(world: World) -> None:
    world.drop("cat.png", _PROMPT)


def three(world: World) -> None:
    for name in ("ant.png", "bee.png", "cat.png"):
        world.drop(name)


def slow(world: World) -> None:
    world.faults(Fault(kind=FaultKind.LATENCY, seconds=60))


def three_slow(world: World) -> None:
    slow(world)
    three(world)


def unprompted(world: World) -> None:
    world.drop("cat.png", None)


def out(*names: str) -> Callable[[World], bool]:
    """
    Tell whether exactly these lie in the outbox.
    """
    return lambda world: world.tree("outbox") == list(names)


def asked(number: int) -> Callable[[World], bool]:
    return lambda world: len(world.requests) == number


def asked_with(**fields: str) -> Callable[[World], bool]:
    """
    Tell whether the last request had these fields.
    """
    return lambda world: (
        bool(world.requests) and fields.items() <= dict(world.requests[-1].fields).items()
    )


def headed(name: str, start: str) -> Callable[[World], bool]:
    """
    Tell whether the last request had a header that begins like this.
    """
    return lambda world: (
        bool(world.requests) and world.requests[-1].headers.get(name, "").startswith(start)
    )


def failed_as(code: str) -> Callable[[World], bool]:
    return lambda world: [line["code"] for line in world.events("job.failed")] == [code]


def met_a_failure(world: World) -> bool:
    return bool(world.events("request.failed"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """
    How to see that a key has taken effect: with `before` nothing happens, after the reload it `happens`.
    """

    after: Sections
    before: Sections = field(default_factory=dict)
    first: Callable[[World], object] = nothing
    then: Callable[[World], object] = nothing
    happens: Callable[[World], bool]


def parameter(key: str, value: Any, sent: str, **beside: Any) -> Row:
    """
    Return the row of a parameter that goes with each request.
    """
    field = "seed" if key == "extra" else key
    return Row(
        after={"edit": {key: value, **beside}},
        before={"edit": beside},
        then=a_cat,
        happens=asked_with(**{field: sent}),
    )


def _dear(usd: float) -> Sections:
    return {"pricing": {"gpt-image-2": {"per_call": 3}}, "budget": {"usd_per_day": usd}}


_RETURNED: Sections = {
    "edit": {"model": "gpt-image-1", "size": "match"},
    "output": {"size": "source"},
}


def _other_name(world: World) -> Sections:
    url = world.settings.endpoint.base_url.replace("127.0.0.1", "localhost")
    return {"endpoint": {"base_url": url}}


ROWS: dict[str, Row | Callable[[World], Row]] = {
    "endpoint.base_url": lambda world: Row(
        after=_other_name(world), then=a_cat, happens=headed("host", "localhost")
    ),
    "endpoint.api_key": Row(
        after={"endpoint": {"api_key": "another-key"}},
        then=a_cat,
        happens=headed("authorization", "Bearer another-key"),
    ),
    "endpoint.headers": Row(
        after={"endpoint": {"headers": {"X-Group": "photos"}}},
        then=a_cat,
        happens=headed("x-group", "photos"),
    ),
    "endpoint.style": Row(
        after={"endpoint": {"style": "openai-json"}},
        then=a_cat,
        happens=headed("content-type", "application/json"),
    ),
    "endpoint.auth": Row(
        after={"endpoint": {"auth": "X-Shop-Key"}},
        then=a_cat,
        happens=headed("x-shop-key", CANARY),
    ),
    "endpoint.models": Row(
        after={"endpoint": {"models": {"gpt-image-2": "gpt-image-1"}}},
        then=a_cat,
        happens=asked_with(model="gpt-image-1"),
    ),
    "endpoint.timeout_seconds": Row(
        after={"endpoint": {"timeout_seconds": 5}},
        first=slow,
        then=a_cat,
        happens=met_a_failure,
    ),
    "endpoint.concurrency": Row(
        before={"endpoint": {"concurrency": 1}},
        after={"endpoint": {"concurrency": 3}},
        first=three_slow,
        happens=asked(3),
    ),
    "endpoint.requests_per_minute": Row(
        before={"endpoint": {"requests_per_minute": 1}},
        after={"endpoint": {"requests_per_minute": 0}},
        first=three,
        happens=asked(3),
    ),
    "endpoint.images_per_minute": Row(
        before={"endpoint": {"images_per_minute": 1}},
        after={"endpoint": {"images_per_minute": 0}},
        first=three,
        happens=asked(3),
    ),
    "endpoint.max_in_doubt": Row(
        before={"endpoint": {"max_in_doubt": 0}},
        after={"endpoint": {"max_in_doubt": 1}},
        first=lambda world: world.faults(Fault(kind=FaultKind.STATUS, status=500, times=1)),
        then=a_cat,
        happens=out("cat.png"),
    ),
    "edit.model": parameter("model", "gpt-image-1", "gpt-image-1"),
    "edit.prompt": Row(
        after={"edit": {"prompt": "make it grey"}},
        first=unprompted,
        happens=asked_with(prompt="make it grey"),
    ),
    "edit.prompt_before": Row(
        after={"edit": {"prompt_before": "Be careful."}},
        then=a_cat,
        happens=asked_with(prompt=f"Be careful.\n\n{_PROMPT}"),
    ),
    "edit.prompt_after": Row(
        after={"edit": {"prompt_after": "Keep faces."}},
        then=a_cat,
        happens=asked_with(prompt=f"{_PROMPT}\n\nKeep faces."),
    ),
    "edits": Row(
        after={"edits": [{"name": "grey", "prompt": "make it grey"}]},
        then=lambda world: world.drop("cat.png", prompt=None),
        happens=out("cat-grey.png"),
    ),
    "edit.n": parameter("n", 2, "2"),
    "edit.size": parameter("size", "1024x1024", "1024x1024"),
    "edit.quality": parameter("quality", "low", "low"),
    "edit.background": parameter("background", "opaque", "opaque"),
    "edit.complexity": parameter("complexity", "high", "high", model="gpt-image-2.6-flare"),
    "edit.input_fidelity": parameter("input_fidelity", "high", "high", model="gpt-image-1"),
    "edit.output_format": parameter("output_format", "webp", "webp"),
    "edit.output_compression": parameter("output_compression", 50, "50", output_format="jpeg"),
    "edit.moderation": parameter("moderation", "low", "low", model="gpt-image-1"),
    "edit.response_format": parameter(
        "response_format", "b64_json", "b64_json", model="relay-model"
    ),
    "edit.safety_identifier": parameter("safety_identifier", "shop-7", "shop-7"),
    "edit.user": parameter("user", "photos", "photos"),
    "edit.extra": parameter("extra", {"seed": 7}, "7"),
    "limits": Row(
        after={"limits": {"gpt-image-2": {"max_prompt_chars": 3}}},
        then=a_cat,
        happens=failed_as("prompt_too_long"),
    ),
    "pricing": Row(
        after={"pricing": {"gpt-image-2": {"per_call": 7}}},
        then=a_cat,
        happens=lambda world: [line["cost_usd"] for line in world.events("job.done")] == [7],
    ),
    "budget.usd_per_day": Row(
        before=_dear(4), after=_dear(10), first=three, happens=out("ant.png", "bee.png", "cat.png")
    ),
    "budget.images_per_day": Row(
        before={"budget": {"images_per_day": 1}},
        after={"budget": {"images_per_day": 0}},
        first=three,
        happens=out("ant.png", "bee.png", "cat.png"),
    ),
    "images.fit": Row(
        after={"images": {"fit": False}},
        then=lambda world: world.drop("cat.png", image=photo(kind="BMP")),
        happens=failed_as("image_unsupported"),
    ),
    "images.pad": Row(
        before={**_RETURNED, "images": {"pad": False}},
        after={**_RETURNED, "images": {"pad": "auto"}},
        then=lambda world: world.drop("cat.png", image=photo(48, 36)),
        happens=lambda world: any(
            file.sha256 != hashlib.sha256(photo(48, 36)).hexdigest()
            for seen in world.requests
            for file in seen.files
        ),
    ),
    "output.format": Row(
        after={"output": {"format": "jpeg"}},
        then=a_cat,
        happens=out("cat.jpg"),
    ),
    "images.metadata": Row(
        after={"images": {"metadata": "keep"}},
        then=lambda world: world.drop("cat.jpg", image=COMMENTED),
        happens=lambda world: any(
            file.sha256 == hashlib.sha256(COMMENTED).hexdigest()
            for seen in world.requests
            for file in seen.files
        ),
    ),
    "images.max_megapixels": Row(
        after={"images": {"max_megapixels": 0.0001}},
        then=a_cat,
        happens=failed_as("image_too_large"),
    ),
}


OUTPUT: dict[str, Any] = {
    "like": "source",
    "size": "source",
    "quality": 40,
    "metadata": "none",
    "gps": True,
    "profile": "source",
    "protect": True,
    "protect_feather": 3,
    "detail": "source",
    "provenance": False,
    "provenance_prompt": True,
    "name": "{stem} edited",
    "review": True,
    "max_megapixels": 0.0001,
}
"""What results are to be, key by key: all are frozen in a job when it is claimed, but for the last one."""


def keys() -> Iterator[str]:
    """
    Return every key of the configuration; of tables with names of a person's own, the table.
    """
    for section, info in Config.model_fields.items():
        model = info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (f"{section}.{key}" for key in model.model_fields)
        else:
            yield section


def test_every_key_has_a_row_or_needs_a_restart() -> None:
    """
    No key is forgotten: what is neither is not reloaded, and nobody would be told.
    """
    live = {key for key in keys() if key.partition(".")[0] not in AT_START}

    assert live == ROWS.keys() | ELSEWHERE | {f"output.{key}" for key in OUTPUT}


@pytest.mark.parametrize("is_changed", [True, False], ids=["changed", "unchanged"])
@pytest.mark.parametrize("key", ROWS)
async def test_a_live_key_takes_effect_without_a_restart(
    world: World, key: str, *, is_changed: bool
) -> None:
    """
    After the reload it happens; before, or where the reload changes nothing, it does not.
    """
    found = ROWS[key]
    row = found if isinstance(found, Row) else found(world)
    world.settings = settings_for(world, row.before)
    row.first(world)

    async with world.running() as daemon:
        await world.until(lambda: world.scanned_at(daemon))
        await asyncio.sleep(1)
        await world.time.still()
        assert not row.happens(world)
        await world.adopt(daemon, settings_for(world, row.after if is_changed else row.before))
        daemon.look_again()
        await world.time.still()
        row.then(world)
        if row.then is not nothing:
            daemon.look_again()
        if is_changed:
            await world.until(lambda: row.happens(world), within=SOON)
        else:
            await asyncio.sleep(SOON)
            assert not row.happens(world)
        world.faults()
        world.rejecting = None


async def test_each_setting_of_results_is_live(world: World) -> None:
    """
    The next photo is taken with it, and is otherwise like the one before.
    """
    world.settings = settings_for(world, {"output": {"format": "jpeg"}})
    mask = encoded(Image.new("RGBA", (48, 32), (0, 0, 0, 0)), "PNG")
    frozen: dict[str, Any] = {}
    async with world.running() as daemon:
        for key, value in {"": None, **OUTPUT}.items():
            new = {"format": "jpeg"} | ({key: value} if key else {})
            await world.adopt(daemon, settings_for(world, {"output": new}))
            is_masked = key in ("protect", "protect_feather")
            world.drop(f"photo {key}.png", mask=mask if is_masked else None)
            daemon.look_again()
            done = f"done/photo {key}.job.json"
            await world.until(lambda done=done: (world.root / done).exists())  # type: ignore[misc]
            record = world.record(done)
            frozen[key] = record["edits"][0]["output"]
            if key == "max_megapixels":
                assert "output.max_megapixels" in record["warnings"][0]

    assert frozen.pop("max_megapixels") == frozen.pop("") == {"format": "jpeg"}
    assert not [key for key, found in frozen.items() if found == {"format": "jpeg"}]
    assert len({json.dumps(each, sort_keys=True) for each in frozen.values()}) == len(frozen)


async def test_the_number_of_attempts_is_live(world: World) -> None:
    """
    A file that is turned away while others go through fails at the next attempt after the new number.
    """
    world.settings = settings_for(world, {"endpoint": {"max_attempts": LONG}})
    world.rejecting = b"reject this"
    world.drop("bad.png", "reject this")
    async with world.running() as daemon:
        await world.until(lambda: met_a_failure(world))
        a_cat(world)
        daemon.look_again()
        await world.until(lambda: out("cat.png")(world))
        assert not world.events("job.failed")
        await world.adopt(daemon, settings_for(world, {"endpoint": {"max_attempts": 1}}))
        daemon.look_again()
        await world.until(lambda: failed_as("attempts_exhausted")(world), within=SOON)
        world.rejecting = None


async def test_the_patience_with_a_connection_is_live(world: World) -> None:
    """
    A server whose queue is full never accepts; it is given up after the new time.
    """
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        address = {"base_url": f"http://127.0.0.1:{full.getsockname()[1]}/v1"}
        times = {"timeout_seconds": LONG, "connect_timeout_seconds": LONG}
        world.settings = settings_for(world, {"endpoint": {**address, **times}})
        async with world.running() as daemon:
            await world.until(lambda: world.scanned_at(daemon))
            times["connect_timeout_seconds"] = 1
            await world.adopt(daemon, settings_for(world, {"endpoint": {**address, **times}}))
            world.drop("cat.png")
            daemon.look_again()
            await world.until(lambda: met_a_failure(world), within=SOON)

    assert "connect" in world.events("request.failed")[0]["message"]


async def test_leave_to_fetch_from_the_own_network_is_live(world: World) -> None:
    """
    A picture behind an address of this machine is fetched once that is allowed.
    """

    def picture(_: object) -> Response:
        return Response(photo(), media_type="image/png")

    async with serve(Starlette(routes=[Route("/v1/a.png", picture)])) as url:
        body = f'{{"data": [{{"url": "{url}/a.png"}}]}}'
        world.faults(Fault(kind=FaultKind.BODY, status=200, body=body))
        world.settings = settings_for(world, {})
        async with world.running() as daemon:
            await world.until(lambda: world.scanned_at(daemon))
            allowed = {"endpoint": {"allow_private_urls": True}}
            await world.adopt(daemon, settings_for(world, allowed))
            world.drop("cat.png")
            daemon.look_again()
            await world.until(lambda: out("cat.png")(world), within=SOON)

    assert len(world.requests) == 1


async def test_an_authority_of_the_own_network_is_live(
    world: World, certificate: tuple[Path, Any]
) -> None:
    """
    The first request after the reload trusts it; before it, nothing was sent.
    """
    ca_file, context = certificate
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(refusal), ssl=context) as server:
        address = {"base_url": f"https://localhost:{server.port}/v1"}
        world.settings = settings_for(world, {"endpoint": address})
        world.drop("cat.png")
        async with world.running() as daemon:
            await world.until(lambda: met_a_failure(world))
            assert not server.seen
            trusted = {**address, "ca_file": ca_file}
            await world.adopt(daemon, settings_for(world, {"endpoint": trusted}))
            daemon.look_again()
            await world.until(lambda: server.seen, within=SOON)


def test_the_log_is_live(tmp_path: Path) -> None:
    """
    Another form and another level hold from the next line on.
    """
    with open_station(tmp_path) as station:
        running = station.start("run").ready()
        station.configure(logging={"format": "console"})
        running.tell(signal.SIGHUP)
        running.until(lambda: "The configuration was read anew." in running.err)
        assert not running.events("configuration.reloaded")
        late = {"settle_seconds": 0.2}
        station.configure(logging={"format": "json", "level": "warning"}, intake=late)
        running.tell(signal.SIGHUP)
        running.until(lambda: running.events("configuration.late"))
        station.drop("cat.png")
        running.until(lambda: station.tree("outbox") == ["cat.png"])
        running.until(lambda: station.tree("inbox") == [])
        station.configure(logging={"format": "json"}, intake=late)
        running.tell(signal.SIGHUP)
        running.until(lambda: running.events("configuration.reloaded"))
        assert running.end(signal.SIGTERM) == 0
        assert "job.claimed" not in running.err
