import asyncio
import io
from typing import Any

import httpx
import openai
import pytest
from openai.types import ImageEditCompletedEvent, ImageEditPartialImageEvent
from PIL import Image, ImageChops, ImageStat
from starlette.applications import Starlette

from retouchd.sandbox.faults import Fault, FaultKind
from sandbox_requests import ask, decoded, photo


async def streamed(client: httpx.AsyncClient, **options: Any) -> list[Any]:
    """
    Return the events that the official blocking client reads.
    """

    def read() -> list[Any]:
        with openai.OpenAI(base_url=str(client.base_url), api_key="any", max_retries=0) as official:
            image = ("image.png", photo(), "image/png")
            stream = official.images.edit(
                model="gpt-image-2", image=image, prompt="改成蓝色", stream=True, **options
            )
            return list(stream)

    return await asyncio.to_thread(read)


@pytest.mark.parametrize("partials", [0, 1, 2, 3])
@pytest.mark.parametrize("n", [1, 2])
async def test_the_official_client_reads_the_stream(
    client: httpx.AsyncClient, partials: int, n: int
) -> None:
    """
    Of each picture come its drafts by number, then the picture; each event is of the official type.
    """
    events = await streamed(client, partial_images=partials, n=n)

    kinds = [ImageEditPartialImageEvent] * partials + [ImageEditCompletedEvent]
    assert kinds * n == [type(event) for event in events]
    numbers = [event.partial_image_index for event in events if "partial" in event.type]
    assert list(range(partials)) * n == numbers
    for event in events:
        type(event).model_validate(event.model_dump(), strict=True)
        assert not event.model_extra
        assert decoded(event.b64_json).size == (160, 120)


async def test_the_last_event_is_the_picture_of_the_plain_answer(client: httpx.AsyncClient) -> None:
    """
    A stream ends with what would have come without it; drafts come nearer and cost 100 tokens each.
    """
    *drafts, last = await streamed(client, partial_images=3, quality="low")
    plain = (await ask(client, ("image", ("a.png", photo(), "image/png")), quality="low")).json()

    assert last.b64_json == plain["data"][0]["b64_json"]
    assert last.usage.output_tokens == plain["usage"]["output_tokens"] + 300
    assert last.usage.total_tokens == last.usage.input_tokens + last.usage.output_tokens
    final = decoded(last.b64_json).convert("RGB")
    distances = [
        sum(
            ImageStat.Stat(
                ImageChops.difference(final, decoded(draft.b64_json).convert("RGB"))
            ).mean
        )
        for draft in drafts
    ]
    assert sorted(distances, reverse=True) == distances
    assert distances[-1] > 0


async def test_a_stream_is_told_by_its_type(client: httpx.AsyncClient) -> None:
    """
    The answer is text/event-stream, and each event has its name and one line of data.
    """
    answer = await ask(client, stream="true", partial_images="1")

    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.partition(":")[0] for line in answer.text.splitlines() if line]
    assert lines == ["event", "data"] * 2
    assert answer.text.startswith("event: image_edit.partial_image\ndata: {")


async def test_a_refusal_of_a_stream_is_plain_json(client: httpx.AsyncClient) -> None:
    """
    What is wrong with a streamed request is answered as for any other.
    """
    with pytest.raises(openai.BadRequestError) as caught:
        await streamed(client, size="1x1")

    assert caught.value.param == "size"


async def test_a_stream_can_be_cut(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    A stream that is closed early ends in a connection error, after what came.
    """
    app.state.script.set([Fault(kind=FaultKind.TRUNCATE, cut=100)])
    received = io.BytesIO()

    with pytest.raises(httpx.RemoteProtocolError):
        await _read(client, received)

    assert received.getvalue().startswith(b"event: image_edit.")
    assert len(received.getvalue()) == 100
    assert app.state.log[0].charged


async def _read(client: httpx.AsyncClient, received: io.BytesIO) -> None:
    async with client.stream(
        "POST",
        "/images/edits",
        data={"prompt": "blue", "stream": "true"},
        files={"image": ("image.png", photo(), "image/png")},
    ) as answer:
        async for chunk in answer.aiter_raw():
            received.write(chunk)


async def test_a_transparent_stream_stays_transparent(client: httpx.AsyncClient) -> None:
    """
    Background and format hold for the drafts too.
    """
    events = await streamed(
        client, partial_images=1, background="transparent", output_format="webp"
    )

    pictures = [decoded(event.b64_json) for event in events]
    assert [(one.format, one.mode) for one in pictures] == [("WEBP", "RGBA")] * 2
    assert {event.background for event in events} == {"transparent"}
    assert isinstance(pictures[0], Image.Image)
