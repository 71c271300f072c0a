"""
What the endpoint does otherwise for each style: its route, how it reads a request, how it answers and refuses.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.requests import Request

from retouchd.sandbox.answers import Result
from retouchd.sandbox.checks import Edit
from retouchd.sandbox.faults import FaultKind
from retouchd.sandbox.form import Form
from retouchd.sandbox.models import Manner, Model
from retouchd.sandbox.refusal import Refusal

Link: TypeAlias = Callable[[bytes], str]
"""Makes a picture available and returns its URL."""


def bearer_in(request: Request) -> str | None:
    """
    Return the key of a request that sends it as most do, None where there is none.
    """
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    return key if kind.lower() == "bearer" else None


def openai_body(refusal: Refusal) -> Mapping[str, Any]:
    """
    Return the body of an error as OpenAI and most relays write it.
    """
    return refusal.body()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """
    One style as the endpoint speaks it, by public documents that its module names.

    `root` is what the base URL ends in, `edits` and `models` are routes. `read` yields the parts of a request,
    `check` judges them, `document` is a good answer; `key_of` finds the key. `errors` are those of the
    provider's errors that are others here, `error_body` how any error is written. `model` is one to ask for
    where the models have other names than OpenAI's.
    """

    root: str
    edits: str
    models: str
    listed: Callable[[Manner], list[dict[str, Any]]]
    read: Callable[[Request], AbstractAsyncContextManager[Form]]
    check: Callable[[Form, Manner], Edit]
    document: Callable[[Result, Link], dict[str, Any]] | None = None
    key_of: Callable[[Request], str | None] = bearer_in
    errors: Mapping[FaultKind, Refusal] = field(default_factory=dict)
    error_body: Callable[[Refusal], Mapping[str, Any]] = openai_body
    model: str | None = None


def model_of(fields: Mapping[str, str], models: Mapping[str, Model]) -> Model:
    """
    Return the model that is asked for, of those that there are. Raises Refusal.
    """
    name = fields.get("model", next(iter(models)))
    if name not in models:
        raise Refusal(
            f"The model {name} does not exist or your team does not have access to it.",
            status=404,
            param="model",
            code="model_not_found",
        )
    return models[name]
