import base64
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from retouchd.sandbox.document import read_document
from retouchd.sandbox.refusal import Refusal
from sandbox_requests import ask, data_url, encoded, error_of, photo, png


def document(**changes: Any) -> dict[str, Any]:
    good = {
        "model": "gpt-image-2",
        "prompt": "改成蓝色",
        "images": [{"image_url": data_url(photo())}],
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


async def test_a_document_is_the_same_request_as_a_form(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    Pictures and mask as data URLs, and every value by its own type, give the form's picture.
    """
    mask = encoded("RGBA", (160, 120))
    written = document(
        mask={"image_url": data_url(mask)},
        n=2,
        output_format="png",
        stream=False,
        user=None,
        output_compression=100,
    )

    as_json = await client.post("/images/edits", json=written)
    as_form = await ask(client, png("image[]", photo()), png("mask", mask), n="2")

    assert as_json.status_code == 200, as_json.text
    assert as_json.json()["data"] == as_form.json()["data"]
    assert as_json.json()["usage"] == as_form.json()["usage"]
    assert [one.sha256 for one in app.state.log[0].files] == [
        one.sha256 for one in app.state.log[1].files
    ]


IMAGES = "images[0].image_url"


@pytest.mark.parametrize(
    ("changes", "status", "param", "code"),
    [
        ({"prompt": ...}, 400, "prompt", "missing_required_parameter"),
        ({"prompt": 7}, 400, "prompt", "invalid_type"),
        ({"images": ...}, 400, "images", "missing_required_parameter"),
        ({"images": []}, 400, "images", "missing_required_parameter"),
        ({"images": "cat.png"}, 400, "images", "invalid_type"),
        ({"images": ["cat.png"]}, 400, "images[0]", "invalid_type"),
        ({"images": [{}]}, 400, IMAGES, "missing_required_parameter"),
        ({"images": [{"image_url": 7}]}, 400, IMAGES, "invalid_type"),
        ({"images": [{"image_url": "https://a/b.png"}]}, 400, IMAGES, "invalid_image_url"),
        (
            {"images": [{"image_url": "data:image/png;base64,###"}]},
            400,
            IMAGES,
            "invalid_base64",
        ),
        (
            {"images": [{"image_url": "data:image/png;base64," + "A" * 20_971_520}]},
            400,
            IMAGES,
            "string_above_max_length",
        ),
        (
            {"images": [{"image_url": data_url(encoded("CMYK", kind="JPEG"), "image/jpeg")}]},
            400,
            IMAGES,
            "invalid_image_file",
        ),
        (
            {"images": [{"image_url": data_url(b"x", "image/gif")}]},
            400,
            IMAGES,
            "unsupported_file_mimetype",
        ),
        ({"images": [{"file_id": "file-1"}]}, 404, "images[0].file_id", None),
        (
            {"images": [{"image_url": data_url(encoded())}] * 17},
            400,
            "images",
            "array_above_max_length",
        ),
        ({"image": "cat.png"}, 400, "image", "unknown_parameter"),
        ({"mask": "m.png"}, 400, "mask", "invalid_type"),
        ({"n": "2"}, 400, "n", "invalid_type"),
        ({"n": True}, 400, "n", "invalid_type"),
        ({"n": 0}, 400, "n", "integer_below_min_value"),
        ({"stream": "true"}, 400, "stream", "invalid_type"),
        ({"seed": "1"}, 400, "seed", "unknown_parameter"),
        ({"model": "dall-e-2"}, 400, None, "unsupported_content_type"),
    ],
)
async def test_a_wrong_document_is_explained(
    client: httpx.AsyncClient,
    changes: dict[str, Any],
    status: int,
    param: str | None,
    code: str | None,
) -> None:
    """
    What a document lacks, or holds in the wrong type, is named by its path.
    """
    error = error_of(await client.post("/images/edits", json=document(**changes)), status)

    assert (param, code) == (error["param"], error["code"])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'"text"', b"\xff", b'{"prompt": "\\ud800"}', b"[" * 100_000],
    ids=["empty", "cut", "array", "text", "bytes", "half a letter", "deep"],
)
async def test_what_is_no_document_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    """
    Anything but a JSON object is a request error.
    """
    headers = {"Content-Type": "application/json; charset=utf-8"}

    answer = await client.post("/images/edits", content=body, headers=headers)

    assert error_of(answer)["type"] == "invalid_request_error"


async def test_another_content_type_is_named(client: httpx.AsyncClient) -> None:
    """
    A body that is neither a form nor JSON is refused by the name of its type.
    """
    answer = await client.post(
        "/images/edits", content=b"a=b", headers={"Content-Type": "text/plain"}
    )

    error = error_of(answer)
    assert error["code"] == "unsupported_content_type"
    assert "text/plain" in error["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(["model", "prompt", "n", "stream", "images", "mask", "svg", "x"])


@given(st.dictionaries(NAMES, JSON))
def test_no_document_breaks_the_reader(values: dict[str, Any]) -> None:
    """
    Whatever the values, a document is either read or refused.
    """
    try:
        form = read_document(json.dumps(values).encode())
    except Refusal:
        return
    assert all(isinstance(value, str) for _, value in form.fields)


@given(st.binary(max_size=200))
def test_a_data_url_is_read_byte_for_byte(content: bytes) -> None:
    """
    The bytes behind a data URL are those that were put into it.
    """
    url = f"data:image/webp;base64,{base64.b64encode(content).decode()}"

    form = read_document(json.dumps({"images": [{"image_url": url}]}).encode())

    (part,) = form.files
    assert (part.file.read(), part.content_type) == (content, "image/webp")
