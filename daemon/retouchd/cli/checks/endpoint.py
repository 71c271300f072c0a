"""
What the endpoint says when it is asked for its models: whether it is there, takes the key, has the model.
"""

import datetime as dt
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from retouchd.answer.classify import judge_answer
from retouchd.answer.error_kinds import ErrorKind
from retouchd.cli.checks.finding import Finding, Severity
from retouchd.cli.running import UNAVAILABLE
from retouchd.config.settings import Settings
from retouchd.endpoint.addresses import without_password
from retouchd.endpoint.client import EditsClient, NoAnswer, NotSent
from retouchd.errors import ConfigurationError
from retouchd.job.naming import sentence
from retouchd.request.models import published_of
from retouchd.request.overrides import nearest

_TOLD = 8
"""So many models are named of a list in which none is like the one that is wanted."""


async def ask_endpoint(settings: Settings) -> list[Finding]:
    """
    Ask the endpoint for its models, with the key.
    """
    where = without_password(settings.endpoint.base_url)
    try:
        async with EditsClient(settings.endpoint) as client:
            head, body = await client.models()
    except ConfigurationError as error:
        return [Finding("endpoint", Severity.FAULT, problem) for problem in error.problems]
    except (NotSent, NoAnswer) as error:
        reason = sentence(str(error))
        text = f"{where} cannot be reached: {reason} Check endpoint.base_url and the network."
        return [Finding("endpoint", Severity.FAULT, text, UNAVAILABLE)]
    said = judge_answer(head.status, head.headers, body, dt.datetime.now(dt.UTC))
    # xAI answers 400 to a wrong key.
    is_about_key = 400 <= head.status < 500 and said.error_kind is ErrorKind.KEY
    if is_about_key or head.status in (401, 403):
        source = settings.endpoint.key_source
        text = f"{where} answers HTTP {head.status}. {source.complaint}. {source.remedy}"
        return [Finding("endpoint", Severity.FAULT, text, UNAVAILABLE)]
    if head.status == 407:
        text = (
            f"the proxy on the way to {where} wants a user and a password (HTTP 407): see HTTP_PROXY, "
            "HTTPS_PROXY and ALL_PROXY in the environment"
        )
        return [Finding("endpoint", Severity.FAULT, text, UNAVAILABLE)]
    if head.status != 200:
        text = f"{where} has no list of models (HTTP {head.status}); edits may work all the same"
        if head.status == HTTPStatus.NOT_FOUND and not urlsplit(settings.endpoint.base_url).path:
            text += ", but most addresses end in /v1, and endpoint.base_url does not"
        return [Finding("endpoint", Severity.WARNING, text)]
    today = dt.datetime.now(dt.UTC).date()
    place = settings.endpoint.key_source.place
    key = f"takes the key from {place}" if place else "asks for no key; none is set"
    return [
        Finding("endpoint", Severity.OK, f"{where} answers and {key}"),
        _model(settings, body, today),
    ]


def _model(settings: Settings, body: bytes, today: dt.date) -> Finding:
    endpoint, models = settings.endpoint, _listed(body)
    wanted = endpoint.named(settings.edit.model)
    if not endpoint.style.lists_models:
        route = urlsplit(endpoint.style.edits(endpoint.base_url, wanted)).path
        text = f"edits go to {route}; whether that deployment is there, no list tells"
        return Finding("edit.model", Severity.OK, text)
    if wanted not in models:
        near = nearest(wanted, models, 0.7)
        text = f"the endpoint does not list {wanted}; " + (
            f"did you mean {near}?"
            if near
            else f"it has {', '.join(sorted(models)[:_TOLD]) or 'none'}"
        )
        return Finding("edit.model", Severity.WARNING, text)
    published = published_of(settings.edit.model)
    is_provider = endpoint.style.is_at(urlsplit(endpoint.base_url).hostname or "")
    end = models[wanted].get("shutdown_date") or (published.shutdown if is_provider else None)
    if end:
        text = f"{wanted} {_ending(str(end), today)}"
        return Finding("edit.model", Severity.WARNING, text)
    dated = [each for each in published.dated if each in models or is_provider]
    if dated and wanted not in published.dated:
        text = (
            f"{wanted} is there; what stands behind a name without a date may change, but {dated[-1]} stays "
            "what it is"
        )
        return Finding("edit.model", Severity.WARNING, text)
    return Finding("edit.model", Severity.OK, f"{wanted} is there")


def _listed(body: bytes) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(body)["data"]
        return {each["id"]: each for each in found}
    except (ValueError, KeyError, TypeError):
        return {}


def _ending(end: str, today: dt.date) -> str:
    try:
        days = (dt.date.fromisoformat(end[:10]) - today).days
    except ValueError:
        return f"is to be shut down ({end}); choose another model before"
    if days < 0:
        return f"was shut down on {end}; choose another model"
    return f"is to be shut down on {end}, in {days} days; choose another model before"
