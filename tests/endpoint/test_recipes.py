"""
The recipes of docs/endpoints.md, each tried: its configuration as it stands, against the embedded endpoint in
the style that it names, at the same path.
"""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from documents import page
from edits_server import upload_of
from retouchd.answer.body import read_answer
from retouchd.cli.compose import settings_of
from retouchd.cli.running import served
from retouchd.config import SANDBOX, Config
from retouchd.config.settings import Settings
from retouchd.endpoint.client import EditsClient
from retouchd.job.model import Request
from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.models import Manner
from retouchd.sandbox.server import serve
from retouchd.sandbox.styles import DIALECTS
from sandbox_requests import photo

KEY = "sk-CANARY-0123456789"
PAGE = page("docs/endpoints.md")
RECIPES = [
    pytest.param(block, id=f"{title} {number}")
    for title, body in re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", body, re.DOTALL))
]
STYLES = {
    "api.openai.com": "openai",
    "studio.openai.azure.com": "azure",
    "api.x.ai": "xai",
    "openrouter.ai": "openrouter",
}
WANT_A_KEY = {*STYLES, "relay.example"}


def settings_from(recipe: str, root: Path) -> Settings:
    """
    Return what a recipe comes to, with a key for those that want one and folders of its own.
    """
    values: dict[str, Any] = tomllib.loads(recipe)
    host = urlsplit(values["endpoint"]["base_url"]).hostname
    if host in WANT_A_KEY:
        values["endpoint"]["api_key"] = KEY
    settings, problems = settings_of(Config(**{**values, "folders": {"root": root}}), root)
    assert (settings is not None, problems) == (True, [])
    assert settings is not None
    return settings


@pytest.mark.parametrize("recipe", RECIPES)
async def test_a_recipe_works(recipe: str, tmp_path: Path) -> None:
    """
    The picture comes back; a key is sent where one is set, as that kind of endpoint wants it.
    """
    settings = settings_from(recipe, tmp_path)
    endpoint, edit = settings.endpoint, settings.edit
    path = tmp_path / "cat.png"
    path.write_bytes(photo())
    request = Request(model=edit.model, prompt="改成蓝色", parameters=edit.parameters)
    assert endpoint.remarks == ()
    if endpoint.base_url == SANDBOX:
        async with served(settings) as ready, EditsClient(ready.endpoint) as client:
            await edited(client, request, path)
        return
    parts = urlsplit(endpoint.base_url)
    told = tomllib.loads(recipe)["endpoint"].get("style")
    assert endpoint.style.name == told or STYLES.get(parts.hostname or "", "openai")
    dialect = DIALECTS[endpoint.style.name]
    assert parts.path == dialect.root or endpoint.style.name == "azure"
    # Relays have the key under a name of their own, which the embedded endpoint does not know.
    asks = endpoint.api_key if endpoint.auth is None else None
    manner = Manner.PROVIDER if parts.hostname in STYLES else Manner.RELAY
    app = build_app(Rules(style=endpoint.style.name, api_key=asks, manner=manner))

    async with serve(app, root="") as url:
        here = urlunsplit(parts._replace(scheme="http", netloc=urlsplit(url).netloc))
        async with EditsClient(replace(endpoint, base_url=here)) as client:
            await edited(client, request, path)

    (seen,) = app.state.log
    assert any(KEY in value for value in seen.headers.values()) == (endpoint.api_key is not None)


async def edited(client: EditsClient, request: Request, path: Path) -> None:
    async with client.ask(request=request, images=[upload_of(path)], mask=None, key="1") as answer:
        body = b"".join([chunk async for chunk in answer.chunks()])
    assert answer.head.status == 200, body
    assert len(read_answer(body).pictures) == 1


def test_there_is_a_recipe_for_each() -> None:
    """
    Whoever comes from one of these finds it by its name.
    """
    titles = set(re.findall(r"^### (.+)$", PAGE, re.MULTILINE))

    assert titles == {
        "A relay",
        "Azure",
        "LiteLLM",
        "LocalAI",
        "OpenAI",
        "OpenRouter",
        "stable-diffusion.cpp",
        "vLLM-Omni",
        "xAI",
    }
    assert len(RECIPES) >= len(titles)
