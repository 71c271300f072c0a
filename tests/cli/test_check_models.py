"""
What `check` says of an endpoint's list of models: whether the model is there, how long it will be, whether its
name may come to mean another one, and why there is no list.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from edits_server import KEY, answering, serving
from retouchd.cli.checks.endpoint import ask_endpoint
from retouchd.cli.checks.finding import Finding, Severity
from retouchd.cli.compose import settings_of
from retouchd.config import Config


async def said_of(root: Path, model: str, listed: list[dict[str, Any]], **endpoint: Any) -> Finding:
    """
    Return the finding on a model of an endpoint with this list.
    """
    found = await answered_with(root, "200 OK", {"data": listed}, model=model, **endpoint)
    return found[-1]


async def answered_with(
    root: Path,
    status: str,
    document: object,
    *,
    path: str = "/v1",
    model: str = "gpt-image-2",
    **endpoint: Any,
) -> list[Finding]:
    """
    Return the findings on an endpoint that answers so to whoever asks for its list of models.
    """
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with serving(answering(head + body)) as server:
        base_url = f"{server.base_url.removesuffix('/v1')}{path}"
        config = Config(
            folders={"root": root},
            endpoint={"base_url": base_url, "api_key": KEY, **endpoint},
            edit={"model": model},
        )
        settings, problems = settings_of(config, root)
        assert (settings is not None, problems) == (True, [])
        assert settings is not None
        return await ask_endpoint(settings)


LISTS: dict[str, list[dict[str, Any]]] = {
    "undated": [{"id": "gpt-image-2"}, {"id": "gpt-image-2.6-flare"}],
    "dated too": [{"id": "gpt-image-2"}, {"id": "gpt-image-2-2026-04-21"}],
    "going": [{"id": "gpt-image-2", "shutdown_date": "2027-01-01"}],
}


@pytest.mark.parametrize(
    ("model", "listed", "mark", "words"),
    [
        ("gpt-image-2", "undated", Severity.OK, "is there"),
        ("gpt-image-2", "dated too", Severity.WARNING, "gpt-image-2-2026-04-21 stays what it is"),
        ("gpt-image-2-2026-04-21", "dated too", Severity.OK, "is there"),
        ("gpt-image-2.6-flare", "undated", Severity.OK, "is there"),
        ("gpt-image-2", "going", Severity.WARNING, "2027-01-01"),
        ("gpt-image-9", "undated", Severity.WARNING, "did you mean gpt-image-2?"),
        ("grok-imagine", "undated", Severity.WARNING, "it has gpt-image-2, gpt-image-2.6-flare"),
    ],
)
async def test_a_model_is_looked_up(
    tmp_path: Path, model: str, listed: str, mark: Severity, words: str
) -> None:
    """
    A name with a date is only advised where there is one.
    """
    found = await said_of(tmp_path, model, LISTS[listed])

    assert (found.what, found.mark) == ("edit.model", mark)
    assert words in found.text


async def test_a_model_is_looked_up_by_the_endpoints_own_name(tmp_path: Path) -> None:
    """
    Limits go by the one asked for, the list by the other.
    """
    names = {"gpt-image-2": "vip/image"}
    found = await said_of(tmp_path, "gpt-image-2", [{"id": "vip/image"}], models=names)

    assert (found.mark, found.text) == (Severity.OK, "vip/image is there")


async def test_a_deployment_is_in_no_list(tmp_path: Path) -> None:
    """
    Azure lists what could be deployed: that says nothing.
    """
    found = await said_of(tmp_path, "retouch", LISTS["undated"], style="azure")

    assert found.mark is Severity.OK
    assert "deployment" in found.text


async def test_a_wrong_key_is_told_by_its_words(tmp_path: Path) -> None:
    """
    A wrong key is a 400 at xAI: that is no list that is missing.
    """
    document = {
        "code": "Client specified an invalid argument",
        "error": "Incorrect API key provided: xa***.",
    }
    (found,) = await answered_with(tmp_path, "400 Bad Request", document)

    assert (found.what, found.mark) == ("endpoint", Severity.FAULT)
    assert "HTTP 400" in found.text


async def test_an_address_without_its_v1_is_advised(tmp_path: Path) -> None:
    """
    Where there is no list of models, and nothing behind the host.
    """
    (bare,) = await answered_with(tmp_path, "404 Not Found", {}, path="")
    (whole,) = await answered_with(tmp_path, "404 Not Found", {}, path="/v1")

    assert (bare.mark, whole.mark) == (Severity.WARNING, Severity.WARNING)
    assert "most addresses end in /v1" in bare.text
    assert "most addresses" not in whole.text
