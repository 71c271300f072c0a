import asyncio
import io
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from PIL import Image
from starlette.applications import Starlette

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.server import serve

MIB = 1024 * 1024

File = tuple[str, tuple[str, bytes, str]]


def encoded(mode: str = "RGB", size: tuple[int, int] = (64, 64), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


def padded(size: int) -> bytes:
    """
    Return a readable PNG of at least that many bytes.
    """
    whole = encoded()
    body = b"teXt" + bytes(size)
    chunk = struct.pack(">I", size) + body + struct.pack(">I", zlib.crc32(body))
    return whole[:-12] + chunk + whole[-12:]


def png(field: str = "image", content: bytes = b"", mimetype: str = "image/png") -> File:
    return (field, ("image.png", content or encoded(), mimetype))


@pytest.fixture
def app() -> Starlette:
    return build_app(Rules(api_key="right"))


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer right"}
    async with (
        serve(app) as url,
        httpx.AsyncClient(verify=False, base_url=url, headers=headers, timeout=30) as client,
    ):
        yield client


async def refused(
    client: httpx.AsyncClient, *files: File, status: int = 400, **fields: str | list[str] | None
) -> dict[str, Any]:
    """
    Return the error that answers a good request with these files, or these fields, instead.
    """
    data = {"model": "gpt-image-2", "prompt": "blue"} | fields
    sent = {name: value for name, value in data.items() if value is not None}

    answer = await client.post("/images/edits", data=sent, files=list(files) or [png()])

    assert status == answer.status_code, answer.text
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    error: dict[str, Any] = answer.json()["error"]
    return error


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": " "}, "prompt", "empty_string"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
        ({"model": "dall-e-2", "prompt": "x" * 1_001}, "prompt", "string_above_max_length"),
        ({"prompt": ["a", "b"]}, "prompt", "duplicate_parameter"),
        ({"n": "0"}, "n", "integer_below_min_value"),
        ({"n": "11"}, "n", "integer_above_max_value"),
        ({"n": "many"}, "n", "invalid_type"),
        ({"quality": "best"}, "quality", "invalid_value"),
        ({"quality": "standard"}, "quality", "invalid_value"),
        ({"quality": "max"}, "quality", "invalid_value"),
        ({"model": "dall-e-2", "quality": "high"}, "quality", "invalid_value"),
        ({"background": "blue"}, "background", "invalid_value"),
        ({"background": "transparent", "output_format": "jpeg"}, "background", "invalid_value"),
        ({"output_format": "gif"}, "output_format", "invalid_value"),
        ({"output_compression": "50"}, "output_compression", "invalid_png_output_compression"),
        (
            {"output_compression": "101", "output_format": "webp"},
            "output_compression",
            "integer_above_max_value",
        ),
        ({"input_fidelity": "high"}, "input_fidelity", "invalid_input_fidelity_model"),
        (
            {"model": "gpt-image-1-mini", "input_fidelity": "high"},
            "input_fidelity",
            "invalid_value",
        ),
        ({"response_format": "b64_json"}, "response_format", "unknown_parameter"),
        ({"model": "dall-e-2", "background": "auto"}, "background", "unknown_parameter"),
        ({"model": "dall-e-2", "response_format": "png"}, "response_format", "invalid_value"),
        ({"seed": "1"}, "seed", "unknown_parameter"),
        ({"stream": "maybe"}, "stream", "invalid_type"),
        ({"stream": "true", "partial_images": "4"}, "partial_images", "integer_above_max_value"),
        ({"moderation": "none"}, "moderation", "invalid_value"),
        ({"image": "cat.png"}, "image", "invalid_type"),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: httpx.AsyncClient, fields: dict[str, Any], param: str, code: str
) -> None:
    """
    A parameter that is missing, unknown or out of its values is refused by name and code.
    """
    error = await refused(client, **fields)

    assert (param, code) == (error["param"], error["code"])


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("gpt-image-1", "512x512"),
        ("gpt-image-1.5", "1600x1024"),
        ("gpt-image-2", "1000x1000"),
        ("gpt-image-2", "3856x1600"),
        ("gpt-image-2", "3200x1024"),
        ("gpt-image-2", "800x800"),
        ("gpt-image-2", "3840x3840"),
        ("gpt-image-2", "large"),
        ("gpt-image-2", ""),
        ("gpt-image-2.6-flare", "1024×1024"),
        ("dall-e-2", "1536x1024"),
    ],
)
async def test_a_wrong_size_is_the_picture_makers_error(
    client: httpx.AsyncClient, model: str, size: str
) -> None:
    """
    Each family refuses the sizes it cannot return, all with the same type, code and param.
    """
    error = await refused(client, model=model, size=size)

    assert error["type"] == "image_generation_user_error"
    assert error["code"] == "invalid_value"
    assert error["param"] == "size"


@pytest.mark.parametrize("model", ["gpt-image-9", "dall-e-3", "", "gpt-image-2 "])
async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient, model: str) -> None:
    """
    A model that is not known exactly is answered with 404 model_not_found.
    """
    error = await refused(client, status=404, model=model)

    assert error["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("files", "param", "code"),
    [
        ([png("picture")], "picture", "unknown_parameter"),
        ([png("mask", encoded("RGBA"))], "image", "missing_required_parameter"),
        ([png(), png()], "image", "duplicate_parameter"),
        ([png(), png("image[]")], "image", "duplicate_parameter"),
        ([png("image[]")] * 17, "image", "array_above_max_length"),
        ([png(mimetype="application/octet-stream")], "image", "unsupported_file_mimetype"),
        ([png("image[]"), png("image[]", mimetype="x/y")], "image[1]", "unsupported_file_mimetype"),
        ([png(content=b"no picture")], "image", "invalid_image_file"),
        ([png(content=encoded()[:-30])], "image", "invalid_image_file"),
        ([png(content=encoded("P"))], "image", "invalid_image_file"),
        ([png(content=encoded("I;16"))], "image", "invalid_image_file"),
        ([png(content=encoded("CMYK", kind="JPEG"))], "image", "invalid_image_file"),
        ([png(content=encoded(kind="BMP"))], "image", "invalid_image_file"),
        ([png(), png("mask", encoded("RGB"))], "mask", "invalid_image_file"),
        ([png(), png("mask", encoded("L"))], "mask", "invalid_image_file"),
        ([png(), png("mask", b"no picture")], "mask", "invalid_image_file"),
        ([png(), png("mask", encoded("RGBA", (64, 63)))], "mask", "invalid_mask_image_format"),
        (
            [png(), png("mask", encoded("RGBA"), "image/jpeg")],
            "mask",
            "unsupported_file_mimetype",
        ),
    ],
)
async def test_a_wrong_file_is_named(
    client: httpx.AsyncClient, app: Starlette, files: list[File], param: str, code: str
) -> None:
    """
    A file that is missing, of the wrong type or unreadable is refused and not charged.
    """
    error = await refused(client, *files)

    assert (param, code) == (error["param"], error["code"])
    assert [seen.charged for seen in app.state.log] == [False]


@pytest.mark.parametrize(("field", "size"), [("image", 50 * MIB), ("mask", 4 * MIB)])
async def test_a_file_that_is_too_large_is_named(
    client: httpx.AsyncClient, app: Starlette, field: str, size: int
) -> None:
    """
    It is refused and not charged either.
    """
    beside = [png()] if field == "mask" else []

    error = await refused(client, *beside, png(field, padded(size)))

    assert (field, "image_too_large") == (error["param"], error["code"])
    assert [seen.charged for seen in app.state.log] == [False]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([png(content=encoded(size=(64, 65)))], "invalid_image_format"),
        ([png(content=encoded(kind="JPEG"))], "invalid_image_file"),
        ([png(content=encoded(kind="JPEG"), mimetype="image/jpeg")], "unsupported_file_mimetype"),
        ([png("image[]"), png("image[]")], "array_above_max_length"),
        ([png(content=padded(4 * MIB))], "image_too_large"),
    ],
)
async def test_dall_e_2_takes_one_small_square_png(
    client: httpx.AsyncClient, files: list[File], code: str
) -> None:
    """
    dall-e-2 refuses what the relay's page forbids it.
    """
    error = await refused(client, *files, model="dall-e-2")

    assert code == error["code"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "gpt-image-2-2026-04-21", "size": "1536x864", "quality": "low"},
        {"model": "gpt-image-2.5-flare", "quality": "max"},
        {"model": "gpt-image-1.5", "input_fidelity": "high", "moderation": "low"},
        {"model": "gpt-image-1", "output_format": "webp", "output_compression": "40"},
        {"model": "gpt-image-2", "size": "auto", "user": "u", "stream": "false", "n": "2"},
        {"model": "dall-e-2", "size": "256x256", "quality": "standard", "n": "2"},
        {},
    ],
)
async def test_what_each_model_allows_passes(
    client: httpx.AsyncClient, fields: dict[str, str]
) -> None:
    """
    Each family accepts its own parameters; without a model the default one answers.
    """
    answer = await client.post(
        "/images/edits", data={"prompt": "blue", **fields}, files=[png("image[]")]
    )

    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == int(fields.get("n", 1))


async def test_a_part_without_a_type_is_refused(client: httpx.AsyncClient) -> None:
    """
    A file part that declares no type is answered with missing_file_mimetype.
    """
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    prompt = b'\r\n--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nblue\r\n--x--\r\n'

    answer = await client.post(
        "/images/edits",
        content=head + encoded() + prompt,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )

    assert answer.json()["error"]["code"] == "missing_file_mimetype"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{}", "application/json"),
        (b"", ""),
        (b"--x", "multipart/form-data"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data; boundary=x"),
    ],
)
async def test_a_body_that_is_no_form_is_refused(
    client: httpx.AsyncClient, content: bytes, content_type: str
) -> None:
    """
    Anything but a well-formed multipart body is a request error in the provider's shape.
    """
    answer = await client.post(
        "/images/edits", content=content, headers={"Content-Type": content_type}
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_an_enormous_body_is_refused_unread() -> None:
    """
    A request that declares more bytes than any edit may have is answered before it is sent.
    """
    async with serve(build_app()) as url:
        reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
        writer.write(
            b"POST /v1/images/edits HTTP/1.1\r\nHost: here\r\nContent-Length: 999999999999\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x"
        )
        async with asyncio.timeout(60):
            status = await reader.readline()
        writer.close()

    assert b" 413 " in status


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer wrong"}])
@pytest.mark.parametrize("path", ["/models", "/models/gpt-image-2", "/images/edits"])
async def test_a_wrong_key_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    """
    With a key set, no other key and no missing key passes anywhere, and the key is not echoed.
    """
    if path == "/images/edits":
        answer = await client.post(path, files=[png()], headers=headers)
    else:
        answer = await client.get(path, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert "wrong" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/images/edits", 405),
        ("POST", "/images/variations", 404),
        ("GET", "/../files/nothing.png", 404),
    ],
)
async def test_an_unknown_route_is_answered_in_the_providers_shape(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """
    Paths and methods that do not exist get the provider's error body, not a web page.
    """
    answer = await client.request(method, path)

    assert status == answer.status_code
    assert "Invalid URL" in answer.json()["error"]["message"]


async def test_the_official_client_raises_its_own_errors(app: Starlette) -> None:
    """
    The official client reads the refusals as its own classes, with the parameter's name.
    """
    image = ("image.png", encoded(), "image/png")
    async with serve(app) as url:
        async with openai.AsyncOpenAI(base_url=url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                await client.images.edit(model="gpt-image-2", image=image, prompt="blue")
        async with openai.AsyncOpenAI(base_url=url, api_key="right", max_retries=0) as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.images.edit(
                    model="gpt-image-2", image=image, prompt="blue", size="300x300"
                )

    assert caught.value.param == "size"
    assert caught.value.code == "invalid_value"
    assert caught.value.request_id
