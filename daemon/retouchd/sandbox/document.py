"""
The request as a JSON document: `images` and `mask` as data URLs, everything else by its own type.
"""

import asyncio
import base64
import binascii
import hashlib
import io
import json
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_core import from_json
from starlette.requests import Request

from retouchd.sandbox.form import FilePart, Form, Media, capped, read_form
from retouchd.sandbox.refusal import Refusal, bad_type, missing, unknown

DOCUMENT_BYTES = 64 * 1024 * 1024
URL_CHARACTERS = 20_971_520

_INTEGERS = frozenset(
    {"frame_count", "frame_duration_ms", "n", "output_compression", "partial_images"}
)
_NAMES: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


@asynccontextmanager
async def read_request(request: Request, media: Media) -> AsyncIterator[Form]:
    """
    Read a whole request of either kind. Raises as `read_form` does.
    """
    match media:
        case Media.FORM:
            async with read_form(request) as form:
                yield form
        case Media.JSON:
            yield await asyncio.to_thread(read_document, await body_of(request))


def read_document(body: bytes | bytearray) -> Form:
    """
    Return the parts of a JSON request; the pictures are held in memory.

    Raises Refusal, as the provider words it, for the first thing that has the wrong shape.
    """
    document = object_in(body)
    # The parameters of a form are none of a document.
    for name in ("image", "image[]"):
        if name in document:
            raise unknown(name)
    given = {name: value for name, value in document.items() if value is not None}
    return Form(
        media=Media.JSON,
        fields=fields_in(given, {"images", "mask"}),
        files=tuple(_files(given)),
    )


async def body_of(request: Request) -> bytearray:
    """
    Return the whole body of a JSON request. Raises as `read_form` does.
    """
    body = bytearray()
    async for chunk in capped(request, DOCUMENT_BYTES):
        body += chunk
    return body


def object_in(body: bytes | bytearray) -> dict[str, Any]:
    """
    Return the object that a body is. Raises Refusal, as the provider words it.
    """
    try:
        document = from_json(bytes(body))
    except ValueError as error:
        raise Refusal(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't "
            "using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was "
            "sent was not valid JSON.)"
        ) from error
    if not isinstance(document, dict):
        raise Refusal(f"Invalid body: expected an object, but got {_named(document)} instead.")
    return document


def fields_in(given: dict[str, Any], but_not: Collection[str]) -> tuple[tuple[str, str], ...]:
    """
    Return what an object says beside its files, as a form would carry it. Raises Refusal for another type.
    """
    return tuple((name, _text(name, value)) for name, value in given.items() if name not in but_not)


def _files(given: dict[str, Any]) -> Iterator[FilePart]:
    images = given.get("images", [])
    if not isinstance(images, list):
        raise bad_type("images", "an array of objects", _named(images))
    for index, reference in enumerate(images):
        yield _file("image[]", f"images[{index}]", reference)
    if "mask" in given:
        yield _file("mask", "mask", given["mask"])


def _file(field: str, name: str, reference: object) -> FilePart:
    if not isinstance(reference, dict):
        raise bad_type(name, "an object", _named(reference))
    if file_id := reference.get("file_id"):
        raise Refusal(
            f"No such File object: {file_id}", status=404, param=f"{name}.file_id", code=None
        )
    return file_at(field, f"{name}.image_url", reference.get("image_url"))


def file_at(field: str, param: str, url: object) -> FilePart:
    """
    Return the file that a `data:` URL holds. Raises Refusal for whatever is none.
    """
    if url is None:
        raise missing(param)
    if not isinstance(url, str):
        raise bad_type(param, "a string", _named(url))
    content_type, content = _decoded(url, param)
    return FilePart(
        field=field,
        param=param,
        filename="",
        content_type=content_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        file=io.BytesIO(content),
    )


def _decoded(url: str, param: str) -> tuple[str | None, bytes]:
    if len(url) > URL_CHARACTERS:
        raise Refusal(
            f"Invalid '{param}': string too long. Expected a string with maximum length "
            f"{URL_CHARACTERS}, but got a string with length {len(url)} instead.",
            param=param,
            code="string_above_max_length",
        )
    head, comma, data = url.partition(",")
    scheme, _, described = head.partition(":")
    media, _, coding = described.partition(";")
    if scheme.lower() != "data" or not comma or not coding.lower().endswith("base64"):
        raise Refusal(
            f"Invalid '{param}': the sandbox fetches nothing. Expected a base64-encoded data URL "
            "such as 'data:image/png;base64,...'.",
            param=param,
            code="invalid_image_url",
        )
    try:
        return media or None, base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(
            f"Invalid '{param}': the data URL is not valid base64.",
            param=param,
            code="invalid_base64",
        ) from error


def _text(name: str, value: object) -> str:
    """
    Return a value as a form would carry it.
    """
    wanted = int if name in _INTEGERS else bool if name == "stream" else str
    match value:
        case dict():
            return json.dumps(value)
        case _ if type(value) is not wanted:
            raise bad_type(name, _NAMES[wanted], _named(value))
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _named(value: object) -> str:
    return _NAMES.get(type(value), "something else")
