import base64
import io
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx
import openai
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat
from starlette.applications import Starlette

from retouchd.sandbox.server import serve


def photo(width: int = 160, height: int = 120) -> Image.Image:
    """
    Return a picture with light, colours and edges.
    """
    ramp = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (ramp, ramp.rotate(180), ramp.point(lambda value: value // 2)))
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width // 2, height // 2), "orange")
    return image


def encoded(image: Image.Image, picture_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, picture_format, **options)
    return buffer.getvalue()


def decoded(answer: Any, index: int = 0) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(answer.data[index].b64_json)))
    image.load()
    return image


def mean(image: Image.Image) -> list[float]:
    return ImageStat.Stat(image.convert("RGB")).mean


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        serve(app) as url,
        openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client,
    ):
        yield client


async def test_a_chinese_prompt_makes_the_picture_bluer(client: openai.AsyncOpenAI) -> None:
    """
    改成蓝色 raises the blue channel and lowers the others.
    """
    answer = await client.images.edit(
        model="gpt-image-2", image=("image.png", encoded(photo()), "image/png"), prompt="改成蓝色"
    )

    red, green, blue = mean(decoded(answer))
    before = mean(photo())
    assert blue > before[2] + 20
    assert red < before[0]
    assert green < before[1]


async def test_an_answer_says_what_it_holds_and_what_it_cost(client: openai.AsyncOpenAI) -> None:
    """
    An answer carries size, quality, format, background and the tokens of the published formula.
    """
    answer = await client.images.edit(
        model="gpt-image-2",
        image=("image.png", encoded(photo()), "image/png"),
        prompt="blue",
        size="1024x1024",
        quality="high",
    )

    assert decoded(answer).size == (1024, 1024)
    assert answer.size == "1024x1024"
    assert answer.quality == "high"
    assert answer.output_format == "png"
    assert answer.background == "opaque"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 7024
    assert answer.usage.total_tokens == answer.usage.input_tokens + 7024
    assert answer.data is not None
    assert "no AI" in (answer.data[0].revised_prompt or "")


async def test_the_size_is_the_pictures_own_unless_asked_for(client: openai.AsyncOpenAI) -> None:
    """
    gpt-image-2 keeps the picture's size; the 1-family picks the nearest of its three.
    """
    image = ("image.png", encoded(photo(300, 200)), "image/png")

    free = await client.images.edit(model="gpt-image-2", image=image, prompt="grey")
    three = await client.images.edit(model="gpt-image-1", image=image, prompt="grey")

    assert decoded(free).size == (300, 200)
    assert decoded(three).size == (1536, 1024)
    assert three.size == "1536x1024"


async def test_several_results_differ(client: openai.AsyncOpenAI) -> None:
    """
    n=4 gives four pictures, each different.
    """
    answer = await client.images.edit(
        model="gpt-image-2",
        image=("image.png", encoded(photo()), "image/png"),
        prompt="sepia",
        n=4,
    )

    assert answer.data is not None
    assert len({item.b64_json for item in answer.data}) == 4


async def test_several_pictures_leave_a_trace(client: openai.AsyncOpenAI, app: Starlette) -> None:
    """
    Further pictures are received under `image[]`, in order, and can be seen in the result.
    """
    images = [photo(), Image.new("RGB", (40, 40), "magenta")]

    answer = await client.images.edit(
        model="gpt-image-2",
        image=[(f"image-{i}.png", encoded(one), "image/png") for i, one in enumerate(images)],
        prompt="grey",
    )

    result = decoded(answer).convert("RGB")
    assert result.getpixel((result.width - 5, 5)) == (255, 0, 255)
    assert [part.filename for part in app.state.log[0].files] == ["image-0.png", "image-1.png"]


async def test_only_what_the_mask_leaves_transparent_is_changed(client: openai.AsyncOpenAI) -> None:
    """
    Every pixel outside the mask's transparent area comes back as it was.
    """
    before = photo()
    mask = Image.new("RGBA", before.size, (0, 0, 0, 255))
    area = (20, 30, 80, 90)
    mask.paste((0, 0, 0, 0), area)

    answer = await client.images.edit(
        model="gpt-image-2",
        image=("image.png", encoded(before), "image/png"),
        mask=("mask.png", encoded(mask), "image/png"),
        prompt="反色 旋转",
        n=2,
    )

    for index in range(2):
        difference = ImageChops.difference(decoded(answer, index).convert("RGB"), before)
        box = difference.getbbox()
        assert box is not None
        assert box[:2] >= area[:2]
        assert difference.crop(area).getbbox() is not None
        difference.paste((0, 0, 0), area)
        assert difference.getbbox() is None


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_the_format_is_the_one_asked_for(
    client: openai.AsyncOpenAI, output_format: Literal["png", "jpeg", "webp"]
) -> None:
    """
    Results come as PNG, JPEG or WebP.
    """
    answer = await client.images.edit(
        model="gpt-image-2",
        image=("image.jpg", encoded(photo(), "JPEG"), "image/jpeg"),
        prompt="镜像 边框 海报",
        output_format=output_format,
    )

    assert output_format.upper() == decoded(answer).format
    assert output_format == answer.output_format


async def test_a_transparent_background_has_transparent_pixels(client: openai.AsyncOpenAI) -> None:
    """
    background=transparent cuts out what has the colour of the corner, and opaque fills it.
    """
    subject = Image.new("RGB", (64, 64), "white")
    subject.paste((200, 30, 30), (20, 20, 44, 44))
    image = ("image.png", encoded(subject), "image/png")

    clear = await client.images.edit(
        model="gpt-image-1.5", image=image, prompt="sharpen", background="transparent"
    )
    filled = await client.images.edit(
        model="gpt-image-1.5", image=image, prompt="sharpen", background="opaque"
    )

    assert decoded(clear).getchannel("A").getextrema() == (0, 255)
    assert clear.background == "transparent"
    assert decoded(filled).mode == "RGB"


async def test_a_camera_picture_is_turned_upright(client: openai.AsyncOpenAI) -> None:
    """
    The EXIF orientation is applied before anything else, also to the size that comes back.
    """
    exif = Image.Exif()
    exif[0x0112] = 6

    answer = await client.images.edit(
        model="gpt-image-2",
        image=("image.jpg", encoded(photo(160, 120), "JPEG", exif=exif), "image/jpeg"),
        prompt="darker",
    )

    assert decoded(answer).size == (120, 160)


@pytest.mark.parametrize(
    "prompt",
    [
        "turn the cat into a tiger",
        "把猫变成老虎",
        'write "Très bien 非常好 🙂"',
        "蓝 模糊 锐化 马赛克 变亮 变暗 怀旧 黑白 红 绿 “标题”",
        "pixelate blur rotate 180 mirror border posterize",
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (160, 120)])
async def test_any_words_on_any_picture_change_it(
    client: openai.AsyncOpenAI, prompt: str, size: tuple[int, int]
) -> None:
    """
    Whatever the words and however small the picture, a picture of its size comes back.
    """
    answer = await client.images.edit(
        model="gpt-image-2",
        image=("image.png", encoded(photo(*size)), "image/png"),
        prompt=prompt,
    )

    assert decoded(answer).size == size


async def test_an_unknown_prompt_is_written_on_the_picture(client: openai.AsyncOpenAI) -> None:
    """
    Words that mean nothing here stand in a strip at the bottom; the rest stays as it was.
    """
    before = photo(320, 240)

    answer = await client.images.edit(
        model="gpt-image-2",
        image=("image.png", encoded(before), "image/png"),
        prompt="turn the cat into a tiger",
    )

    box = ImageChops.difference(decoded(answer).convert("RGB"), before).getbbox()
    assert box is not None
    assert box[1] > 120
    assert box[3] == 240


async def test_dall_e_2_answers_with_a_link(client: openai.AsyncOpenAI) -> None:
    """
    dall-e-2 answers by default with a link to a picture that can be fetched without a key.
    """
    answer = await client.images.edit(
        model="dall-e-2",
        image=("image.png", encoded(photo(100, 100)), "image/png"),
        prompt="blue",
        size="256x256",
    )

    assert answer.data is not None
    assert answer.usage is None
    async with httpx.AsyncClient(verify=False) as fetching:
        fetched = await fetching.get(answer.data[0].url or "")
    assert fetched.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(fetched.content)).size == (256, 256)


async def test_dall_e_2_answers_base64_when_asked(client: openai.AsyncOpenAI) -> None:
    """
    dall-e-2 obeys response_format.
    """
    answer = await client.images.edit(
        model="dall-e-2",
        image=("image.png", encoded(photo(100, 100)), "image/png"),
        prompt="blue",
        response_format="b64_json",
        size="512x512",
    )

    assert decoded(answer).size == (512, 512)


async def test_the_log_tells_what_was_sent(client: openai.AsyncOpenAI, app: Starlette) -> None:
    """
    The log holds fields in order, files by their digest, headers, status and charge.
    """
    await client.images.edit(
        model="gpt-image-2",
        image=("image.png", encoded(photo()), "image/png"),
        prompt="blue",
        n=1,
        extra_headers={"Idempotency-Key": "job-1"},
    )

    (seen,) = app.state.log
    assert dict(seen.fields) == {"model": "gpt-image-2", "prompt": "blue", "n": "1"}
    assert (seen.method, seen.path) == ("POST", "/v1/images/edits")
    assert seen.headers["idempotency-key"] == "job-1"
    assert seen.files[0].content_type == "image/png"
    assert seen.files[0].size == len(encoded(photo()))
    assert seen.status == 200
    assert seen.charged
    assert seen.ended_at > seen.arrived_at


async def test_models_are_listed_and_say_that_they_are_no_ai(client: openai.AsyncOpenAI) -> None:
    """
    The list of models names those of the relay's page, their shutdown, and that there is no AI.
    """
    models = {model.id: model async for model in client.models.list()}
    one = await client.models.retrieve("gpt-image-2")

    assert {"dall-e-2", "gpt-image-1", "gpt-image-2"} <= set(models)
    assert "no AI" in one.owned_by
    assert models["gpt-image-1.5"].shutdown_date == "2026-12-01"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-image-9")
