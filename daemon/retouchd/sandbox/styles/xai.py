"""
xAI's interface: documents alone, one `image` or up to three `images`, answers by url unless asked otherwise.

Sources: docs.x.ai, pages "Image Generation", "Image Editing", "Multi-Image Editing" and their reference, and
"Cost Tracking" (`usage.cost_in_usd_ticks`, ten billionths of a dollar); errors as they are quoted in public
(`{code, error}`, a wrong key is a 400). Prices are those told of grok-imagine-image-2.0: 0.08 for a picture,
0.01 for each one sent.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from retouchd.sandbox.answers import Result
from retouchd.sandbox.checks import Edit, choice, integer, once_each, prompt_of
from retouchd.sandbox.document import body_of, fields_in, file_at, object_in
from retouchd.sandbox.faults import FaultKind
from retouchd.sandbox.form import FilePart, Form, Media
from retouchd.sandbox.models import Manner, Model, Sizes
from retouchd.sandbox.refusal import Refusal, bad_type, missing, unknown
from retouchd.sandbox.styles.openai import check_is_json
from retouchd.sandbox.styles.style import Dialect, Link, model_of
from retouchd.sandbox.uploads import check_uploads

TICKS = 10_000_000_000
_MADE, _SENT = 800_000_000, 100_000_000
"""Ticks of a picture that comes back, and of one that is sent along."""

_FIELDS = frozenset(
    {
        "aspect_ratio",
        "model",
        "n",
        "prompt",
        "quality",
        "resolution",
        "response_format",
        "user",
    }
)
_RATIOS = (
    "auto 1:1 3:4 4:3 9:16 16:9 2:3 3:2 9:19.5 19.5:9 9:20 20:9 1:2 2:1".split()  # noqa: SIM905
)
_EDGES = {"1k": 1024, "2k": 2048}
MODELS: Mapping[str, Model] = {
    name: Model(id=name, sizes=Sizes.FREE, fields=_FIELDS, images=3)
    for name in ("grok-imagine-image-2.0", "grok-imagine-image-quality", "grok-imagine-image")
}


@asynccontextmanager
async def _read(request: Request) -> AsyncIterator[Form]:
    check_is_json(request)
    yield await asyncio.to_thread(_form, await body_of(request))


def _form(body: bytearray) -> Form:
    given = {name: value for name, value in object_in(body).items() if value is not None}
    if "image" in given and "images" in given:
        raise Refusal("Provide either image or images, not both.")
    if "image" in given:
        files = [_file("image", given["image"])]
    else:
        images = given.get("images", [])
        if not isinstance(images, list):
            raise bad_type("images", "an array of objects")
        files = [_file(f"images[{index}]", each) for index, each in enumerate(images)]
    if not files:
        raise missing("image")
    return Form(media=Media.JSON, fields=fields_in(given, {"image", "images"}), files=tuple(files))


def _file(name: str, reference: object) -> FilePart:
    if not isinstance(reference, dict) or reference.get("type", "image_url") != "image_url":
        raise bad_type(name, "an object of the type image_url")
    return file_at("image[]", f"{name}.url", reference.get("url"))


def _check(form: Form, manner: Manner) -> Edit:
    fields = once_each(form)
    model = model_of(fields, MODELS)
    for name in fields:
        if not model.knows(name):
            raise unknown(name)
    uploads = check_uploads(model, form, manner)
    return Edit(
        model=model,
        prompt=prompt_of(model, fields),
        uploads=uploads,
        n=integer(fields, "n", default=1, least=1, most=10),
        size=_size(fields),
        quality=choice(fields, "quality", ("low", "medium", "high"), default="medium"),
        background="auto",
        output_format="jpeg",
        output_compression=90,
        input_fidelity=None,
        as_url=choice(fields, "response_format", ("url", "b64_json")) == "url",
        partial_images=None,
        safety_identifier=None,
    )


def _size(fields: Mapping[str, str]) -> tuple[int, int] | None:
    """
    Return the asked size, None where it follows the first picture.
    """
    edge = _EDGES[choice(fields, "resolution", tuple(_EDGES))]
    ratio = choice(fields, "aspect_ratio", _RATIOS)
    if ratio == "auto":
        return None
    across, down = map(float, ratio.split(":"))
    scale = edge / (across * down) ** 0.5
    return round(across * scale), round(down * scale)


def _document(result: Result, link: Link) -> dict[str, Any]:
    edit, pictures = result.edit, result.painted.pictures
    sent = len(edit.uploads.images)
    return {
        "data": [
            {
                **(
                    {"url": link(picture)}
                    if edit.as_url
                    else {"b64_json": base64.b64encode(picture).decode("ascii")}
                ),
                "mime_type": f"image/{edit.output_format}",
                "revised_prompt": f"[retouchd sandbox, no AI] {result.done}",
            }
            for picture in pictures
        ],
        "usage": {"cost_in_usd_ticks": _MADE * len(pictures) + _SENT * sent},
    }


def _body(refusal: Refusal) -> Mapping[str, Any]:
    code = _CODES.get(refusal.status, "Client specified an invalid argument")
    return {"code": code, "error": refusal.message}


_CODES = {
    403: "The caller does not have permission to execute the specified operation",
    404: "Some requested entity was not found",
    429: "Some resource has been exhausted",
    500: "Internal error",
    503: "The service is currently unavailable",
}

XAI = Dialect(
    root="/v1",
    edits="/v1/images/edits",
    models="/v1/models",
    listed=lambda _manner: [
        {"id": name, "object": "model", "created": 1_745_000_000, "owned_by": "xai"}
        for name in MODELS
    ],
    read=_read,
    check=_check,
    document=_document,
    errors={
        FaultKind.KEY: Refusal(
            "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai."
        ),
        FaultKind.QUOTA: Refusal(
            "Your team has either used all available credits or reached its monthly spending limit. To "
            "continue making API requests, please purchase more credits or raise your spending limit.",
            status=403,
        ),
        FaultKind.POLICY: Refusal(
            "Generated image rejected by content moderation.", code="content_policy"
        ),
        FaultKind.MODEL: Refusal(
            "The model grok-imagine does not exist or your team does not have access to it.",
            status=404,
        ),
    },
    error_body=_body,
    model="grok-imagine-image-2.0",
)
