"""
Azure's interface: a deployment in the path, a version in the query, the key as `api-key` or a token as Bearer.

Sources: learn.microsoft.com, "How to use Azure OpenAI image generation models", and threads in which older
versions answer 404 "Resource not found" to edits (github.com/openai/openai-python#2608).
"""

import dataclasses
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from retouchd.sandbox.checks import check
from retouchd.sandbox.faults import FaultKind
from retouchd.sandbox.form import Form, Media, media_of, read_form
from retouchd.sandbox.models import MODELS
from retouchd.sandbox.refusal import Refusal
from retouchd.sandbox.styles.openai import all_models
from retouchd.sandbox.styles.style import Dialect, bearer_in

_FIRST = "2025-04-01"
"""The version of the interface from which on there are edits."""
_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?")
_MODEL = "gpt-image-2"
"""What a deployment holds that is not called like a model."""

_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
    "an active subscription and use a correct regional API endpoint for your resource."
)


@asynccontextmanager
async def _read(request: Request) -> AsyncIterator[Form]:
    version = _VERSION.fullmatch(request.query_params.get("api-version", ""))
    if version is None or version[1] < _FIRST:
        raise Refusal("Resource not found", status=404, code="404")
    if media_of(request) is not Media.FORM:
        raise Refusal("Unsupported media type", status=415, code="415")
    deployment = request.path_params["deployment"]
    model = deployment if any(each.id == deployment for each in MODELS) else _MODEL
    async with read_form(request) as form:
        others = tuple(field for field in form.fields if field[0] != "model")
        yield dataclasses.replace(form, fields=(("model", model), *others))


def _key_of(request: Request) -> str | None:
    return request.headers.get("api-key") or bearer_in(request)


def _body(refusal: Refusal) -> Mapping[str, Any]:
    if refusal.status == 401:
        return {"error": {"code": "401", "message": _DENIED}}
    if refusal.status == 404:
        return {"error": {"code": refusal.code or "404", "message": refusal.message}}
    return refusal.body()


AZURE = Dialect(
    root="",
    edits="/openai/deployments/{deployment}/images/edits",
    models="/openai/models",
    listed=all_models,
    read=_read,
    check=check,
    key_of=_key_of,
    errors={
        FaultKind.MODEL: Refusal(
            "The API deployment for this resource does not exist. If you created the deployment within the "
            "last 5 minutes, please wait a moment and try again.",
            status=404,
            code="DeploymentNotFound",
        ),
    },
    error_body=_body,
)
