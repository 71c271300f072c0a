"""
What the endpoint says when it is asked for its models: whether it is there, takes the key, has the model.
"""

import datetime as dt
import json
from typing import Any

from retouchd.cli.compose import without_password
from retouchd.cli.findings import Finding, Mark
from retouchd.cli.running import UNAVAILABLE
from retouchd.config.settings import Settings
from retouchd.endpoint.client import EditsClient, NoAnswer, NotSent
from retouchd.errors import ConfigurationError
from retouchd.job.naming import sentence


async def ask_endpoint(settings: Settings) -> list[Finding]:
    """
    Ask the endpoint for its models, with the key.
    """
    where = without_password(settings.endpoint.base_url)
    try:
        async with EditsClient(settings.endpoint) as client:
            head, body = await client.models()
    except ConfigurationError as error:
        return [Finding("endpoint", Mark.FAULT, problem) for problem in error.problems]
    except (NotSent, NoAnswer) as error:
        reason = sentence(str(error))
        text = f"{where} cannot be reached: {reason} Check endpoint.base_url and the network."
        return [Finding("endpoint", Mark.FAULT, text, UNAVAILABLE)]
    if head.status in (401, 403):
        source = settings.endpoint.key_source
        text = f"{where} answers HTTP {head.status}. {source.complaint}. {source.remedy}"
        return [Finding("endpoint", Mark.FAULT, text, UNAVAILABLE)]
    if head.status == 407:
        text = (
            f"the proxy on the way to {where} wants a user and a password (HTTP 407): see HTTP_PROXY, "
            "HTTPS_PROXY and ALL_PROXY in the environment"
        )
        return [Finding("endpoint", Mark.FAULT, text, UNAVAILABLE)]
    if head.status != 200:
        text = f"{where} has no list of models (HTTP {head.status}); edits may work all the same"
        return [Finding("endpoint", Mark.WARNING, text)]
    today = dt.datetime.now(dt.UTC).date()
    place = settings.endpoint.key_source.place
    key = f"takes the key from {place}" if place else "asks for no key; none is set"
    return [
        Finding("endpoint", Mark.OK, f"{where} answers and {key}"),
        _model(settings.edit.model, body, today),
    ]


def _model(wanted: str, body: bytes, today: dt.date) -> Finding:
    models = _listed(body)
    if wanted not in models:
        text = (
            f"the endpoint does not list {wanted}; it has {', '.join(sorted(models)[:8]) or 'none'}"
        )
        return Finding("edit.model", Mark.WARNING, text)
    if end := models[wanted].get("shutdown_date"):
        text = f"{wanted} {_ending(str(end), today)}"
        return Finding("edit.model", Mark.WARNING, text)
    return Finding("edit.model", Mark.OK, f"{wanted} is there")


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
