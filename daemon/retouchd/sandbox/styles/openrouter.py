"""
OpenRouter's route for pictures: a document with `input_references`, answers with what they cost.

Sources: openrouter.ai/blog/tutorials/image-generation and openrouter.ai/docs/api/reference/errors-and-debugging
(`{error: {code, message, metadata}}` with the status as its code).
"""

import asyncio
import base64
import dataclasses
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from retouchd.money.pricing import prices_for
from retouchd.sandbox.answers import Result, usage_of
from retouchd.sandbox.checks import Edit, check, once_each
from retouchd.sandbox.document import body_of, fields_in, file_at, object_in
from retouchd.sandbox.faults import FaultKind
from retouchd.sandbox.form import FilePart, Form, Media
from retouchd.sandbox.models import MODELS, Manner, listed
from retouchd.sandbox.refusal import Refusal, bad_type, missing, unknown
from retouchd.sandbox.styles.openai import check_is_json
from retouchd.sandbox.styles.style import Dialect, Link

VENDOR = "openai/"
_OWN = frozenset({"aspect_ratio", "resolution", "seed"})
"""Parameters that other models of theirs have; they change nothing here."""
_NEVER = frozenset({"input_fidelity", "response_format", "stream", "partial_images"})


@asynccontextmanager
async def _read(request: Request) -> AsyncIterator[Form]:
    check_is_json(request)
    yield await asyncio.to_thread(_form, await body_of(request))


def _form(body: bytearray) -> Form:
    given = {name: value for name, value in object_in(body).items() if value is not None}
    for name in ("image", "images", "mask"):
        if name in given:
            raise unknown(name)
    references = given.get("input_references", [])
    if not isinstance(references, list):
        raise bad_type("input_references", "an array of objects")
    files = tuple(
        _file(f"input_references[{index}]", each) for index, each in enumerate(references)
    )
    if not files:
        raise missing("input_references")
    return Form(media=Media.JSON, fields=fields_in(given, {"input_references"}), files=files)


def _file(name: str, reference: object) -> FilePart:
    match reference:
        case {"type": "image_url", "image_url": {"url": url}}:
            return file_at("image[]", f"{name}.image_url.url", url)
        case _:
            raise bad_type(name, "an object of the type image_url")


def _check(form: Form, manner: Manner) -> Edit:
    fields = dict(once_each(form))
    name = fields.get("model", "")
    if not name.startswith(VENDOR):
        raise Refusal(f"No endpoints found for {name or 'no model'}.", status=404)
    for key in _NEVER.intersection(fields):
        raise unknown(key)
    fields["model"] = name.removeprefix(VENDOR)
    known = tuple((key, value) for key, value in fields.items() if key not in _OWN)
    return check(dataclasses.replace(form, fields=known), manner)


def _document(result: Result, _link: Link) -> dict[str, Any]:
    edit = result.edit
    tokens = usage_of(result)
    return {
        "created": int(time.time()),
        "data": [
            {
                "b64_json": base64.b64encode(picture).decode("ascii"),
                "media_type": f"image/{edit.output_format}",
            }
            for picture in result.painted.pictures
        ],
        "usage": {
            "prompt_tokens": tokens["input_tokens"],
            "completion_tokens": tokens["output_tokens"],
            "total_tokens": tokens["total_tokens"],
            "cost": _cost(edit.model.id, tokens),
        },
    }


def _cost(model: str, tokens: Mapping[str, Any]) -> float:
    prices, sent = prices_for(model), tokens["input_tokens_details"]
    millionths = (
        sent["text_tokens"] * (prices.text_in or 0)
        + sent["image_tokens"] * (prices.image_in or 0)
        + tokens["output_tokens"] * (prices.image_out or 0)
    )
    return round(float(millionths) / 1_000_000, 6)


def _body(refusal: Refusal) -> Mapping[str, Any]:
    return {"error": {"code": refusal.status, "message": refusal.message}}


OPENROUTER = Dialect(
    root="/api/v1",
    edits="/api/v1/images",
    models="/api/v1/models",
    listed=lambda _manner: [listed(model) | {"id": VENDOR + model.id} for model in MODELS],
    read=_read,
    check=_check,
    document=_document,
    errors={
        FaultKind.KEY: Refusal("User not found.", status=401),
        FaultKind.QUOTA: Refusal(
            "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
            status=402,
        ),
        FaultKind.POLICY: Refusal(
            'openai/gpt-image-2 requires moderation. Your input was flagged for "violence". No credits were '
            "charged.",
            status=403,
        ),
        FaultKind.MODEL: Refusal("No endpoints found for openai/gpt-image-2.", status=404),
    },
    error_body=_body,
    model=f"{VENDOR}gpt-image-2",
)
