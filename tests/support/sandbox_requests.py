"""
Pictures and requests for the tests of the embedded endpoint.
"""

import base64
import io
from typing import Any

import httpx
from PIL import Image, ImageDraw

File = tuple[str, tuple[str, bytes, str]]


def encoded(
    mode: str = "RGB", size: tuple[int, int] = (64, 64), kind: str = "PNG", **options: Any
) -> bytes:
    """
    Return a plain picture, encoded.
    """
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def photo(size: tuple[int, int] = (160, 120)) -> bytes:
    """
    Return a picture with light, colours and edges, as PNG.
    """
    ramp = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", (ramp, ramp.rotate(180), ramp.point(lambda value: value // 2)))
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, *(n // 2 for n in size)), "orange")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def png(field: str = "image", content: bytes = b"", mimetype: str = "image/png") -> File:
    """
    Return one file of a form.
    """
    return (field, ("image.png", content or encoded(), mimetype))


def data_url(content: bytes, mimetype: str = "image/png") -> str:
    return f"data:{mimetype};base64,{base64.b64encode(content).decode()}"


def decoded(b64_json: str | None) -> Image.Image:
    """
    Return the picture of an answer, wholly decoded.
    """
    image = Image.open(io.BytesIO(base64.b64decode(b64_json or "", validate=True)))
    image.load()
    return image


async def ask(client: httpx.AsyncClient, *files: File, **fields: str) -> httpx.Response:
    """
    Send a good request with these files and fields instead of its own.
    """
    data = {"model": "gpt-image-2", "prompt": "改成蓝色"} | fields
    return await client.post("/images/edits", data=data, files=list(files) or [png()])


def error_of(answer: httpx.Response, status: int = 400) -> dict[str, Any]:
    """
    Return the error of an answer with that status, in the provider's shape.
    """
    assert status == answer.status_code, answer.text
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error
