"""
OpenAI's own interface, as a form or as a document; and relays that take the document alone.

Source: the specification github.com/openai/openai-openapi and the official Python client.
"""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from retouchd.sandbox.checks import check
from retouchd.sandbox.document import read_request
from retouchd.sandbox.form import Form, Media, media_of
from retouchd.sandbox.models import MODELS, Manner, listed
from retouchd.sandbox.refusal import Refusal
from retouchd.sandbox.styles.style import Dialect


def all_models(_manner: Manner) -> list[dict[str, Any]]:
    """
    Return the entries of the list of models.
    """
    return [listed(model) for model in MODELS]


@asynccontextmanager
async def _read(request: Request) -> AsyncIterator[Form]:
    async with read_request(request, media_of(request)) as form:
        yield form


@asynccontextmanager
async def read_json(request: Request) -> AsyncIterator[Form]:
    """
    Read a request that must be a document. Raises as `read_form` does.
    """
    check_is_json(request)
    async with read_request(request, Media.JSON) as form:
        yield form


def check_is_json(request: Request) -> None:
    """
    Raise Refusal (415) for a request that is no JSON document.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != Media.JSON:
        raise Refusal(
            f"Expected request with `Content-Type: application/json`, got {media or 'none'}",
            status=415,
            code="unsupported_media_type",
        )


OPENAI = Dialect(
    root="/v1",
    edits="/v1/images/edits",
    models="/v1/models",
    listed=all_models,
    read=_read,
    check=check,
)
OPENAI_JSON = dataclasses.replace(OPENAI, read=read_json)
