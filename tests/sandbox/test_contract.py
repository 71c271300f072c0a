"""
The endpoint held against the public contract: each field and value of a request, each shape of an answer.

The models are `facts` of the official description written down a second time, on purpose: the endpoint's
own tables are what is being tested.
"""

import io
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx
import pytest
from openai.types import Image as OfficialImage
from openai.types import ImagesResponse
from openai.types import Model as OfficialModel
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.models import Manner
from retouchd.sandbox.server import serve
from sandbox_requests import File, ask, decoded, encoded, error_of, png

GPT = (
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "chatgpt-image-latest",
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.5-flare",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
)
FAMILIES = ("gpt-image-1.5", "gpt-image-2", "gpt-image-2.6-flare")
ONES = GPT[:4]
NEWEST = GPT[6:]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class InputDetails(Strict):
    text_tokens: int = Field(ge=1)
    image_tokens: int = Field(ge=1)


class OutputDetails(Strict):
    text_tokens: Literal[0]
    image_tokens: int = Field(ge=1)


class Usage(Strict):
    input_tokens: StrictInt
    output_tokens: StrictInt
    total_tokens: StrictInt
    input_tokens_details: InputDetails
    output_tokens_details: OutputDetails

    @model_validator(mode="after")
    def _adds_up(self) -> "Usage":
        details = self.input_tokens_details
        assert self.input_tokens == details.text_tokens + details.image_tokens
        assert self.output_tokens == self.output_tokens_details.image_tokens
        assert self.total_tokens == self.input_tokens + self.output_tokens
        return self


class Inline(Strict):
    b64_json: StrictStr
    revised_prompt: StrictStr


class Linked(Strict):
    url: StrictStr
    revised_prompt: StrictStr


class GptAnswer(Strict):
    created: StrictInt
    data: list[Inline]
    background: Literal["transparent", "opaque"]
    output_format: Literal["png", "jpeg", "webp"]
    quality: Literal["low", "medium", "high", "xhigh", "max"]
    size: str = Field(pattern=r"^\d+x\d+$")
    usage: Usage
    safety_identifier: str | None = None


class LinkAnswer(Strict):
    created: StrictInt
    data: list[Linked]


class InlineAnswer(Strict):
    created: StrictInt
    data: list[Inline]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve(build_app()) as url,
        httpx.AsyncClient(verify=False, base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture
async def relay() -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(Rules(manner=Manner.RELAY))
    async with (
        serve(app) as url,
        httpx.AsyncClient(verify=False, base_url=url, timeout=30) as client,
    ):
        yield client


def accepted(
    field: str, *values: str, models: tuple[str, ...] = FAMILIES, **more: str
) -> list[Any]:
    """
    Return a case for each value and model; `more` goes with it.
    """
    return [
        pytest.param({"model": model, field: value, **more}, id=f"{model} {field}={value}")
        for model in models
        for value in values
    ]


ACCEPTED = [
    *accepted("n", "1", models=GPT),
    *accepted("n", "2"),
    *accepted("n", "10", models=("gpt-image-2", "dall-e-2")),
    *accepted("size", "auto", "1024x1024", "1536x1024", "1024x1536", models=ONES),
    *accepted("size", "1536x864", "1280x512", models=FAMILIES[1:]),
    *accepted("size", "3840x2160", "3840x1280", "2880x2880", models=("gpt-image-2",)),
    *accepted("size", "256x256", "512x512", "1024x1024", models=("dall-e-2",)),
    *accepted("quality", "low", "medium", "high", "auto"),
    *accepted("quality", "xhigh", "max", models=NEWEST),
    *accepted("quality", "standard", models=("dall-e-2",)),
    *accepted("background", "transparent", "opaque", "auto"),
    *accepted("background", "transparent", output_format="webp", models=("gpt-image-2",)),
    *accepted("input_fidelity", "high", "low", models=("gpt-image-1.5", "gpt-image-1")),
    *accepted("input_fidelity", "low", models=("gpt-image-1-mini",)),
    *accepted("output_format", "png", "jpeg", "webp"),
    *accepted("output_compression", "0", "55", "100", output_format="jpeg"),
    *accepted("output_compression", "100", output_format="png"),
    *accepted("stream", "false"),
    *accepted("user", "someone", models=("dall-e-2", "gpt-image-2")),
    *accepted("safety_identifier", "0f3a"),
    *accepted("moderation", "low", "auto"),
    *accepted("complexity", "low", "medium", "high", models=NEWEST),
    *accepted("frame_count", "4", models=NEWEST),
    *accepted("frame_duration_ms", "200", models=NEWEST),
    *accepted("svg[model]", "any", models=NEWEST),
    *accepted("response_format", "url", "b64_json", models=("dall-e-2",)),
    *accepted("prompt", "改" * 32_000, models=("gpt-image-1", "gpt-image-2")),
    *accepted("prompt", "改" * 1_000, models=("dall-e-2",)),
]


@pytest.mark.parametrize("fields", ACCEPTED)
async def test_every_value_of_the_contract_is_taken(
    client: httpx.AsyncClient, fields: dict[str, str]
) -> None:
    """
    Each value a field may have is accepted, and the answer is one of the contract's shapes.
    """
    small = {} if "size" in fields or fields["model"] not in ONES else {"quality": "low"}

    answer = await ask(client, **small | fields)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert len(body["data"]) == int(fields.get("n", 1))
    if fields["model"] != "dall-e-2":
        shown = GptAnswer.model_validate(body)
        _agrees(shown, fields)
    elif fields.get("response_format") == "b64_json":
        InlineAnswer.model_validate(body)
    else:
        LinkAnswer.model_validate(body)
    official = ImagesResponse.model_validate(body, strict=True)
    assert not official.model_extra
    assert not OfficialImage.model_validate(body["data"][0], strict=True).model_extra


def _agrees(answer: GptAnswer, fields: dict[str, str]) -> None:
    picture = decoded(answer.data[0].b64_json)
    assert answer.size == f"{picture.width}x{picture.height}"
    assert fields.get("size") in {None, "auto", answer.size}
    assert picture.format == answer.output_format.upper()
    assert fields.get("output_format", "png") == answer.output_format
    assert (picture.mode == "RGBA") is (answer.background == "transparent")
    if "background" in fields and fields["background"] != "auto":
        assert answer.background == fields["background"]
    if fields.get("quality", "auto") != "auto":
        assert answer.quality == fields["quality"]
    named = fields.get("safety_identifier", fields.get("user"))
    assert named == answer.safety_identifier


def refused(
    field: str,
    *values: str,
    code: str = "invalid_value",
    models: tuple[str, ...] = FAMILIES,
    **more: str,
) -> list[Any]:
    return [
        pytest.param(
            {"model": model, field: value, **more}, field, code, id=f"{model} {field}={value[:9]}"
        )
        for model in models
        for value in values
    ]


UNKNOWN = "unknown_parameter"
REFUSED = [
    *refused("n", "0", "-1", code="integer_below_min_value"),
    *refused("n", "11", code="integer_above_max_value", models=(*GPT, "dall-e-2")),
    *refused("n", "1.5", "", code="invalid_type", models=("gpt-image-2",)),
    *refused("size", "256x256", "512x512", "1536x864", "2048x2048", models=ONES),
    *refused(
        "size", "256x256", "1536x865", "4096x1024", "3200x1024", "640x640", models=FAMILIES[1:]
    ),
    *refused("size", "auto", "1536x1024", "1024x1536", models=("dall-e-2",)),
    *refused("quality", "standard", "hd"),
    *refused("quality", "xhigh", "max", models=GPT[:6]),
    *refused("quality", "low", "high", models=("dall-e-2",)),
    *refused("background", "white"),
    *refused("background", "transparent", output_format="jpeg"),
    *refused("input_fidelity", "medium", models=ONES),
    *refused("input_fidelity", "high", models=("gpt-image-1-mini",)),
    *refused("input_fidelity", "low", code="invalid_input_fidelity_model", models=GPT[4:]),
    *refused("output_format", "gif", "svg", "jpg"),
    *refused("output_compression", "101", code="integer_above_max_value", output_format="webp"),
    *refused("output_compression", "50", code="invalid_png_output_compression"),
    *refused("partial_images", "4", code="integer_above_max_value", stream="true"),
    *refused("partial_images", "-1", code="integer_below_min_value", stream="true"),
    *refused("stream", "1", code="invalid_type"),
    *refused("moderation", "high"),
    *refused("complexity", "max", models=NEWEST),
    *refused("complexity", "low", code=UNKNOWN, models=GPT[:6]),
    *refused("svg[model]", "any", code=UNKNOWN, models=("gpt-image-2",)),
    *refused("response_format", "url", "b64_json", code=UNKNOWN),
    *refused("seed", "1", code=UNKNOWN, models=("gpt-image-2", "dall-e-2")),
    *refused("prompt", "改" * 32_001, code="string_above_max_length"),
    *refused("prompt", "改" * 1_001, code="string_above_max_length", models=("dall-e-2",)),
    *[
        case
        for name in ("background", "output_format", "output_compression", "stream", "moderation")
        for case in refused(name, "auto", code=UNKNOWN, models=("dall-e-2",))
    ],
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED)
async def test_every_other_value_is_refused(
    client: httpx.AsyncClient, fields: dict[str, str], param: str, code: str
) -> None:
    """
    A value beyond the contract is a 400 that names the parameter, in the provider's words and shape.
    """
    error = error_of(await ask(client, **fields))

    assert (param, code) == (error["param"], error["code"])
    assert error["type"] in {"invalid_request_error", "image_generation_user_error"}
    if code == UNKNOWN:
        assert error["message"] == f"Unknown parameter: '{param}'."


def transparent(size: tuple[int, int] = (64, 64)) -> bytes:
    return encoded("RGBA", size)


def opaque() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([png("markup", opaque())], "invalid_image_file"),
        ([png("markup", encoded("RGB"))], "invalid_image_file"),
        ([png("markup", transparent((64, 63)))], "invalid_markup_image_format"),
        ([png("markup", transparent(), "image/webp")], "unsupported_file_mimetype"),
        ([png("markup", transparent())] * 2, "duplicate_parameter"),
        (
            [png("markup", transparent()), png("mask", transparent())],
            "mutually_exclusive_parameters",
        ),
    ],
    ids=["opaque", "no alpha", "another size", "another type", "twice", "with a mask"],
)
async def test_a_wrong_markup_is_named(
    client: httpx.AsyncClient, files: list[File], code: str
) -> None:
    """
    A markup is one transparent PNG of the picture's size, and never comes with a mask.
    """
    error = error_of(await ask(client, png(), *files, model="gpt-image-2.5-flare"))

    assert (error["param"], error["code"]) == ("markup", code)


@pytest.mark.parametrize("model", [name for name in GPT if "2.5" in name])
async def test_a_markup_is_taken(client: httpx.AsyncClient, model: str) -> None:
    """
    Each model of the 2.5 family edits along a markup.
    """
    answer = await ask(client, png(), png("markup", transparent()), model=model)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-2.6-flare", "dall-e-2"])
async def test_only_the_2_5_family_knows_a_markup(client: httpx.AsyncClient, model: str) -> None:
    """
    For every other model a markup is an unknown parameter.
    """
    error = error_of(await ask(client, png(), png("markup", transparent()), model=model))

    assert (error["param"], error["code"]) == ("markup", UNKNOWN)


@pytest.mark.parametrize("count", [2, 16])
@pytest.mark.parametrize("model", FAMILIES)
async def test_up_to_sixteen_pictures_are_taken(
    client: httpx.AsyncClient, model: str, count: int
) -> None:
    """
    `image[]` may come sixteen times, and each picture is counted in the usage.
    """
    one = await ask(client, model=model, quality="low")
    many = await ask(client, *[png("image[]")] * count, model=model, quality="low")

    images = [
        answer.json()["usage"]["input_tokens_details"]["image_tokens"] for answer in (one, many)
    ]
    assert images[1] == images[0] * count


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("model", ["gpt-image-1", "gpt-image-2"])
async def test_png_jpeg_and_webp_are_taken(
    client: httpx.AsyncClient, model: str, kind: str
) -> None:
    """
    The three formats of the contract are read.
    """
    content = encoded(kind=kind)

    answer = await ask(client, png("image", content, f"image/{kind.lower()}"), model=model)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("model", "quality", "size", "tokens"),
    [
        ("gpt-image-1.5", "low", "1024x1024", 272),
        ("gpt-image-1.5", "medium", "1024x1536", 1584),
        ("gpt-image-1", "high", "1536x1024", 6208),
        ("gpt-image-2", "high", "1024x1024", 7024),
        ("gpt-image-2", "high", "1024x1536", 5488),
        ("gpt-image-2.5-flare", "low", "1024x1024", 196),
        ("gpt-image-2.5-flare", "medium", "1024x1024", 439),
        ("gpt-image-2.6-flare", "high", "1024x1024", 1756),
        ("gpt-image-2.5-sunburst", "xhigh", "1024x1024", 3122),
        ("gpt-image-2.5-sunburst", "max", "1024x1024", 7024),
    ],
)
async def test_the_published_tokens_are_billed(
    client: httpx.AsyncClient, model: str, quality: str, size: str, tokens: int
) -> None:
    """
    Output tokens are those of the published tables, and double for two pictures.
    """
    one = await ask(client, model=model, quality=quality, size=size)
    two = await ask(client, model=model, quality=quality, size=size, n="2")

    assert one.json()["usage"]["output_tokens"] == tokens
    assert two.json()["usage"]["output_tokens"] == 2 * tokens


@pytest.mark.parametrize("model", ["dall-e-2", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5"])
async def test_a_model_that_ends_says_when_and_goes_on_working(
    client: httpx.AsyncClient, model: str
) -> None:
    """
    The models of the relay's page are listed with their last day, and still answer.
    """
    listed = (await client.get(f"/models/{model}")).json()
    answer = await ask(client, model=model)

    assert listed["shutdown_date"] in {"2026-05-12", "2026-10-23", "2026-12-01"}
    assert answer.status_code == 200


async def test_the_list_of_models_is_the_providers(client: httpx.AsyncClient) -> None:
    """
    Each entry is a model of the official client; only those that end have a last day.
    """
    body = (await client.get("/models")).json()

    assert body["object"] == "list"
    for entry in body["data"]:
        OfficialModel.model_validate(entry, strict=True)
        assert entry.get("shutdown_date", "a day")
    assert "shutdown_date" not in (await client.get("/models/gpt-image-2")).json()
    missing = await client.get("/models/gpt-image-9")
    assert error_of(missing, 404)["code"] == "model_not_found"


async def test_a_relay_takes_what_the_provider_refuses(relay: httpx.AsyncClient) -> None:
    """
    As a relay, the endpoint has every model, ignores what it does not know, and obeys response_format.
    """
    answer = await ask(relay, model="seedream-4", seed="7", response_format="url")

    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["data"]
    assert set(item) == {"url", "revised_prompt"}
    assert (await relay.get("/models/seedream-4")).json()["id"] == "seedream-4"


async def test_a_relay_loses_what_comes_under_the_other_name(
    client: httpx.AsyncClient, relay: httpx.AsyncClient
) -> None:
    """
    `image` beside `image[]`: the provider refuses, a relay takes `image` and loses the others.
    """
    files = [png(), png("image[]"), png("image[]")]

    refusal = error_of(await ask(client, *files))
    alone = await ask(relay)
    mixed = await ask(relay, *files)

    assert refusal["code"] == "duplicate_parameter"
    assert mixed.json()["usage"] == alone.json()["usage"]
