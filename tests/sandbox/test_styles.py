"""
The embedded endpoint as each kind of endpoint: strict by the public documents, asked by clients of others.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.server import serve
from retouchd.sandbox.styles import DIALECTS
from sandbox_requests import data_url, decoded, encoded, photo, png

VERSION = "2025-04-01-preview"
PHOTO = photo()
URL = data_url(PHOTO)


@contextlib.asynccontextmanager
async def asking(style: str, **rules: Any) -> AsyncIterator[httpx.AsyncClient]:
    """
    Serve a style, and yield a plain client below its root.
    """
    app = build_app(Rules(style=style, **rules))
    async with (
        serve(app, root=DIALECTS[style].root) as url,
        httpx.AsyncClient(verify=False, base_url=url, timeout=30) as client,
    ):
        yield client


def edit(**changes: Any) -> dict[str, Any]:
    """
    Return a good request to xAI with these members instead of its own; None leaves one out.
    """
    own: dict[str, Any] = {
        "model": "grok-imagine-image-2.0",
        "prompt": "make it blue",
        "image": {"url": URL, "type": "image_url"},
    }
    return {key: value for key, value in {**own, **changes}.items() if value is not None}


async def test_azure_is_asked_by_the_official_client() -> None:
    """
    AzureOpenAI finds the deployment by the model's name and sends the key as Azure wants it.
    """
    app = build_app(Rules(style="azure", api_key="right"))
    async with serve(app, root="") as url:
        for key in ("wrong", "right"):
            azure = openai.AsyncAzureOpenAI(
                azure_endpoint=url, api_key=key, api_version=VERSION, max_retries=0
            )
            async with azure as client:
                image = ("image.png", PHOTO, "image/png")
                asked = client.images.edit(model="retouch", image=image, prompt="改成蓝色")
                if key == "wrong":
                    with pytest.raises(openai.AuthenticationError, match="invalid subscription"):
                        await asked
                else:
                    assert decoded(((await asked).data or [])[0].b64_json).size

    assert [seen.path for seen in app.state.log] == ["/openai/deployments/retouch/images/edits"] * 2


@pytest.mark.parametrize("query", ["", "?api-version=2024-10-21", "?api-version=soon"])
async def test_azure_has_no_edits_in_older_versions(query: str) -> None:
    """
    404 and the words that people search for.
    """
    async with asking("azure") as client:
        path = f"/openai/deployments/a/images/edits{query}"
        answer = await client.post(path, data={"prompt": "p"}, files=[png()])

    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "404", "message": "Resource not found"}}


async def test_azure_takes_a_token_of_entra() -> None:
    """
    As Bearer, in place of `api-key`; neither is 401.
    """
    async with asking("azure", api_key="right") as client:
        path = f"/openai/deployments/a/images/edits?api-version={VERSION}"

        async def status(**headers: str) -> int:
            answer = await client.post(path, data={"prompt": "p"}, files=[png()], headers=headers)
            return answer.status_code

        assert await status() == 401
        assert await status(authorization="Bearer right") == 200
        assert await status(**{"api-key": "wrong", "authorization": "Bearer right"}) == 401


async def test_xai_answers_by_url_and_says_what_it_cost() -> None:
    """
    Unless base64 is asked for; the picture is a JPEG, each input is billed too.
    """
    async with asking("xai") as client:
        by_url = (await client.post("/images/edits", json=edit())).json()
        inside = (
            await client.post("/images/edits", json=edit(response_format="b64_json", n=2))
        ).json()
        fetched = await client.get(by_url["data"][0]["url"])

    assert fetched.headers["content-type"] == by_url["data"][0]["mime_type"] == "image/jpeg"
    assert fetched.content.startswith(b"\xff\xd8\xff")
    assert by_url["usage"] == {"cost_in_usd_ticks": 900_000_000}
    assert inside["usage"] == {"cost_in_usd_ticks": 1_700_000_000}
    assert [decoded(each["b64_json"]).size for each in inside["data"]] == [(160, 120)] * 2


async def test_xai_takes_shape_and_resolution_by_name() -> None:
    """
    `aspect_ratio` and `resolution`, where others have a size.
    """
    async with asking("xai") as client:
        body = edit(aspect_ratio="2:1", resolution="1k", response_format="b64_json")
        answer = (await client.post("/images/edits", json=body)).json()

    width, height = decoded(answer["data"][0]["b64_json"]).size
    assert width / height == pytest.approx(2, abs=0.01)
    assert width * height == pytest.approx(1024**2, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": None}, "image"),
        ({"image": URL}, "object"),
        ({"image": {"url": URL, "type": "file"}}, "image_url"),
        ({"image": {"type": "image_url"}}, "image.url"),
        ({"images": [{"url": URL}]}, "not both"),
        ({"image": None, "images": [{"url": URL}] * 4}, "maximum length 3"),
        ({"mask": {"url": URL}}, "mask"),
        ({"size": "1024x1024"}, "size"),
        ({"n": 11}, "maximum value"),
        ({"n": "2"}, "integer"),
        ({"prompt": None}, "prompt"),
        ({"aspect_ratio": "7:5"}, "7:5"),
        ({"model": "gpt-image-2"}, "gpt-image-2"),
    ],
)
async def test_xai_refuses_what_its_documents_do_not_have(
    changes: dict[str, Any], words: str
) -> None:
    """
    A code and a text, as it writes errors, and no picture is made.
    """
    async with asking("xai") as client:
        answer = await client.post("/images/edits", json=edit(**changes))

    assert answer.status_code in {400, 404}
    assert answer.json().keys() == {"code", "error"}
    assert words in answer.json()["error"]


async def test_xai_takes_no_form_and_calls_a_wrong_key_a_bad_request() -> None:
    """
    415, and 400.
    """
    async with asking("xai", api_key="right") as client:
        form = await client.post("/images/edits", data={"prompt": "p"}, files=[png()])
        wrong = await client.post(
            "/images/edits", json=edit(), headers={"authorization": "Bearer wrong"}
        )

    assert (form.status_code, wrong.status_code) == (415, 400)
    assert "Incorrect API key provided" in wrong.json()["error"]


def reference(url: str = URL) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


async def test_openrouter_answers_on_its_own_route() -> None:
    """
    With the picture's type and what it cost; no other route takes edits.
    """
    body = {
        "model": "openai/gpt-image-2",
        "prompt": "make it blue",
        "input_references": [reference(), reference(data_url(encoded("RGBA")))],
        "output_format": "webp",
        "aspect_ratio": "1:1",
    }
    async with asking("openrouter") as client:
        found = await client.post("/images", json=body)
        missing = await client.post("/images/edits", json=body)
        listed = (await client.get("/models")).json()["data"]

    answer = found.json()
    assert answer["data"][0]["media_type"] == "image/webp"
    assert decoded(answer["data"][0]["b64_json"]).format == "WEBP"
    assert 0 < answer["usage"]["cost"] < 1
    assert missing.status_code == 404
    assert "openai/gpt-image-2" in [each["id"] for each in listed]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_references": []}, "input_references"),
        ({"input_references": [URL]}, "image_url"),
        ({"mask": reference()}, "mask"),
        ({"images": [reference()]}, "images"),
        ({"response_format": "url"}, "response_format"),
        ({"model": "gpt-image-2"}, "No endpoints found for gpt-image-2"),
        ({"model": "openai/gpt-9"}, "gpt-9"),
    ],
)
async def test_openrouter_refuses_what_its_documents_do_not_have(
    changes: dict[str, Any], words: str
) -> None:
    """
    With the status as the code.
    """
    body = {
        "model": "openai/gpt-image-2",
        "prompt": "p",
        "input_references": [reference()],
        **changes,
    }
    async with asking("openrouter") as client:
        answer = await client.post("/images", json=body)

    error = answer.json()["error"]
    assert error["code"] == answer.status_code in {400, 404}
    assert words in error["message"]


async def test_a_relay_of_documents_takes_no_form() -> None:
    """
    `openai-json` is OpenAI's own but for that.
    """
    async with asking("openai-json") as client:
        form = await client.post("/images/edits", data={"prompt": "p"}, files=[png()])
        body = {"model": "gpt-image-2", "prompt": "p", "images": [{"image_url": URL}]}
        document = await client.post("/images/edits", json=body)

    assert (form.status_code, document.status_code) == (415, 200)


@pytest.mark.parametrize(
    ("style", "kind", "status"),
    [
        ("xai", FaultKind.QUOTA, 403),
        ("openrouter", FaultKind.QUOTA, 402),
        ("openrouter", FaultKind.POLICY, 403),
        ("azure", FaultKind.MODEL, 404),
        ("azure", FaultKind.QUOTA, 429),
    ],
)
async def test_the_providers_errors_are_each_ones_own(
    style: str, kind: FaultKind, status: int
) -> None:
    """
    As its documents have them, whatever OpenAI calls the same.
    """
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "xai": ("/images/edits", {"json": edit()}),
        "openrouter": (
            "/images",
            {"json": {"model": "openai/gpt-image-2", "input_references": [reference()]}},
        ),
        "azure": (
            f"/openai/deployments/a/images/edits?api-version={VERSION}",
            {"data": {"prompt": "p"}, "files": [png()]},
        ),
    }
    path, body = bodies[style]
    async with asking(style, faults=(Fault(kind=kind),)) as client:
        answer = await client.post(path, **body)

    assert answer.status_code == status
