"""
The styles on the wire: bodies that say what was asked in the shape that the documents want, addresses that lead
where they should, and a picture that nobody holds in memory.
"""

import base64
import json
import tracemalloc
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.image_edit_params import ImageEditParamsNonStreaming
from pydantic import TypeAdapter
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser

from edits_server import KEY, OK, Exchange, answering, endpoint, serving, upload_of
from retouchd.endpoint.addresses import target_of, without_password
from retouchd.endpoint.client import EditsClient, Upload
from retouchd.endpoint.styles import STYLES, Asked, Style, StyleName, style_for, wants_a_key
from retouchd.endpoint.transfers import begun
from retouchd.endpoint.written import shown_headers, write
from retouchd.errors import ConfigurationError
from retouchd.job.model import Request
from retouchd.job.stripped import Stripped
from retouchd.request.multipart import fields_of

MARK = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
JSON_STYLES = [StyleName.OPENAI_JSON, StyleName.XAI, StyleName.OPENROUTER]
scalars = st.integers(-9, 999) | st.booleans() | st.text(max_size=9)


def written(
    style: Style, request: Request, images: list[bytes], mask: bytes | None = None
) -> bytes:
    """
    Return a whole body, its files put in by hand.
    """
    asked = Asked(
        request=request,
        images=[("image/png", len(data)) for data in images],
        mask=None if mask is None else ("image/png", len(mask)),
    )
    envelope = style.write(asked, MARK)
    files = [*images, *([mask] if mask is not None else [])]
    coded = [base64.b64encode(data) if envelope.is_base64 else data for data in files]
    pieces = [piece for pair in zip(envelope.heads, coded, strict=True) for piece in pair]
    body = b"".join([*pieces, envelope.tail])
    assert len(body) == envelope.length
    return body


def pictures_in(document: dict[str, Any]) -> list[bytes]:
    """
    Return the pictures of a document in any of the three spellings, the mask last.
    """
    match document:
        case {"input_references": [*references]}:
            urls = [each["image_url"]["url"] for each in references]
        case {"image": {"url": url, "type": "image_url"}}:
            urls = [url]
        case {"images": [{"url": _}, *_] as images}:
            urls = [each["url"] for each in images]
        case {"images": [*images]}:
            urls = [each["image_url"] for each in images]
    urls += [document["mask"]["image_url"]] if "mask" in document else []
    assert all(url.startswith("data:image/png;base64,") for url in urls)
    return [base64.b64decode(url.partition(",")[2], validate=True) for url in urls]


@pytest.mark.parametrize("name", JSON_STYLES)
@given(
    prompt=st.text(min_size=1, max_size=40),
    parameters=st.dictionaries(st.text("abcdefgh_", min_size=1), scalars, max_size=4),
    images=st.lists(st.binary(max_size=100), min_size=1, max_size=4),
)
def test_a_document_says_what_was_asked(
    name: StyleName, prompt: str, parameters: dict[str, Any], images: list[bytes]
) -> None:
    """
    Whatever stands in the texts, the numbers stay numbers, and the declared length is the true one.
    """
    request = Request(model="m", prompt=prompt, parameters=parameters)

    document = json.loads(written(STYLES[name], request, images))

    assert pictures_in(document) == images
    said = {"model": "m", "prompt": prompt, **parameters}
    assert {key: document[key] for key in said} == said
    assert all(type(document[key]) is type(value) for key, value in parameters.items())


def test_a_mask_is_the_last_file_of_a_document() -> None:
    """
    OpenAI's document has a place of its own for it.
    """
    request = Request(model="m", prompt="p")

    body = written(STYLES[StyleName.OPENAI_JSON], request, [b"one", b"two"], b"mask")

    assert pictures_in(json.loads(body)) == [b"one", b"two", b"mask"]


FULL = Request(
    model="gpt-image-2.6-flare",
    prompt="改成蓝色",
    parameters={
        "background": "opaque",
        "complexity": "high",
        "n": 2,
        "output_compression": 80,
        "output_format": "webp",
        "quality": "xhigh",
        "safety_identifier": "shop-7",
        "size": "1024x1024",
        "user": "studio",
    },
)
FORM_STYLES = [StyleName.OPENAI, StyleName.AZURE]


async def form_of(body: bytes) -> tuple[dict[str, str], dict[str, int]]:
    """
    Return the texts of a form, and how many files each field of it has.
    """

    async def stream() -> Any:
        yield body

    headers = Headers({"content-type": f"multipart/form-data; boundary={MARK}"})
    form = await MultiPartParser(headers, stream()).parse()
    items = form.multi_items()
    await form.close()
    texts = {key: value for key, value in items if isinstance(value, str)}
    names = [key for key, value in items if not isinstance(value, str)]
    return texts, {name: names.count(name) for name in names}


@pytest.mark.parametrize("name", [*FORM_STYLES, StyleName.OPENAI_JSON])
async def test_every_request_is_one_that_the_official_client_knows(name: StyleName) -> None:
    """
    Each parameter by its name and type in the `openai` package; files under the names that it has for them.
    """
    body = written(STYLES[name], FULL, [b"1", b"2"], b"m")
    known = get_type_hints(ImageEditParamsNonStreaming)
    if name in FORM_STYLES:
        said, files = await form_of(body)
        assert files == {"image[]": 2, "mask": 1}
    else:
        document = json.loads(body)
        assert [set(each) for each in (*document.pop("images"), document.pop("mask"))] == [
            {"image_url"}
        ] * 3
        said = document

    assert said.keys() == {"model", "prompt", *FULL.parameters}
    for key, value in said.items():
        TypeAdapter(known[key]).validate_python(value, strict=name not in FORM_STYLES)


def test_the_order_of_a_form_is_the_official_clients() -> None:
    """
    Its signature's, which is alphabetical behind the prompt.
    """
    names = [key for key, _ in fields_of(FULL)]

    assert names == ["prompt", *sorted(names[1:])]


@pytest.mark.parametrize("name", JSON_STYLES)
@pytest.mark.parametrize("sizes", [(0,), (1,), (2, 3), (1 << 20, (1 << 20) + 1, 5)])
async def test_the_base64_is_made_of_ranges_of_the_file(
    tmp_path: Path, name: StyleName, sizes: tuple[int, ...]
) -> None:
    """
    What is cut out of a file is not sent, wherever the cuts fall between three bytes.
    """
    path, pieces, expected, at = tmp_path / "cat.png", [], b"", 0
    data = bytes(number % 251 for number in range(sum(sizes) + 7 * len(sizes)))
    path.write_bytes(data)
    for size in sizes:
        pieces.append((at + 7, at + 7 + size))
        expected += data[at + 7 : at + 7 + size]
        at += 7 + size
    stripped = Stripped(pieces=(*pieces, b"end"), size=len(expected) + 3, removed=())
    upload = Upload(path=path, content_type="image/png", size=len(data), stripped=stripped)
    request = Request(model="m", prompt="p")
    envelope = write(
        endpoint("http://a/v1", style=STYLES[name]),
        request,
        images=[("image/png", upload.sent_size)],
        mask=None,
        key="1",
    ).envelope

    body = b"".join([bytes(piece) async for piece in await begun(envelope, [upload])])

    assert len(body) == envelope.length
    assert pictures_in(json.loads(body)) == [expected + b"end"]


async def test_a_large_picture_is_never_in_memory(tmp_path: Path) -> None:
    """
    30 MB become 40 MB of base64, a few at a time.
    """
    path = tmp_path / "cat.png"
    path.write_bytes(bytes(30 << 20))
    received = 0

    async def count(exchange: Exchange) -> None:
        nonlocal received
        while received < int(exchange.headers["content-length"]):
            received += len(await exchange.reader.read(1 << 16))
        await exchange.send(OK)

    async with (
        serving(count) as server,
        EditsClient(endpoint(server.base_url, style=STYLES[StyleName.XAI])) as client,
    ):
        tracemalloc.start()
        async with client.ask(
            request=Request(model="m", prompt="p"), images=[upload_of(path)], mask=None, key="1"
        ) as answer:
            assert answer.head.status == 200
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert received > 40 << 20
    assert most < 20 << 20


@pytest.mark.parametrize("name", STYLES)
async def test_an_answer_before_the_upload_ends_is_heard(tmp_path: Path, name: StyleName) -> None:
    """
    A refusal that comes at once, of which the connection is closed behind it.
    """
    path = tmp_path / "cat.png"
    path.write_bytes(bytes(8 << 20))

    async def refuse(exchange: Exchange) -> None:
        body = b'{"error": {"message": "no", "code": "invalid_api_key"}}'
        head = f"HTTP/1.1 401 Unauthorized\r\ncontent-length: {len(body)}\r\n\r\n"
        await exchange.send(head.encode() + body)

    async with (
        serving(refuse) as server,
        EditsClient(endpoint(server.base_url, style=STYLES[name])) as client,
        client.ask(
            request=Request(model="m", prompt="p"), images=[upload_of(path)], mask=None, key="1"
        ) as answer,
    ):
        assert answer.head.status == 401
        assert answer.is_cut


# Addresses.

AZURE, NEWER = "https://shop.openai.azure.com", "https://shop.cognitiveservices.azure.com"


@pytest.mark.parametrize(
    ("base_url", "style", "url"),
    [
        ("https://api.openai.com/v1", "openai", "https://api.openai.com/v1/images/edits"),
        ("https://relay.example/v1/?k=1", "openai", "https://relay.example/v1/images/edits?k=1"),
        ("http://localhost:8080/v1", "openai", "http://localhost:8080/v1/images/edits"),
        ("https://api.x.ai/v1", "xai", "https://api.x.ai/v1/images/edits"),
        ("https://API.X.AI./v1", "xai", "https://API.X.AI./v1/images/edits"),
        ("https://openrouter.ai/api/v1", "openrouter", "https://openrouter.ai/api/v1/images"),
        (
            f"{AZURE}/openai/deployments/retouch?api-version=2025-04-01-preview",
            "azure",
            f"{AZURE}/openai/deployments/retouch/images/edits?api-version=2025-04-01-preview",
        ),
        (
            "https://gateway.example/eu/openai/deployments/a?api-version=2026-01-01",
            "azure",
            "https://gateway.example/eu/openai/deployments/a/images/edits?api-version=2026-01-01",
        ),
        (
            f"{NEWER}?api-version=2026-01-01",
            "azure",
            f"{NEWER}/openai/deployments/the%20model/images/edits?api-version=2026-01-01",
        ),
        (
            "https://shop.openai.azure.com/openai/v1",
            "azure",
            "https://shop.openai.azure.com/openai/v1/images/edits",
        ),
    ],
)
def test_an_address_calls_for_its_style(base_url: str, style: str, url: str) -> None:
    """
    By host and path; what stands in the query is kept, and nothing is said of what needs no correction.
    """
    found = style_for("auto", base_url)
    righted, remarks = found.righted(base_url)

    assert (found.name, remarks) == (style, [])
    assert found.edits(righted, "the model") == url


@pytest.mark.parametrize(
    ("base_url", "righted", "said"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1", "lacks /v1"),
        ("https://api.x.ai/", "https://api.x.ai/v1", "lacks /v1"),
        ("https://openrouter.ai/api", "https://openrouter.ai/api/v1", "lacks /api/v1"),
        ("https://openrouter.ai/v1", "https://openrouter.ai/api/v1", "lacks /api/v1"),
        ("https://openrouter.ai/api/v1/images", "https://openrouter.ai/api/v1", "ends in /images"),
        ("https://relay.example/v1/images/edits", "https://relay.example/v1", "images/edits"),
        ("https://relay.example/v1/images/edits/?g=1", "https://relay.example/v1?g=1", "edits"),
        ("https://relay.example/v1?g=1#images", "https://relay.example/v1?g=1", "holds a #"),
        ("https://relay.example/v1#/edits", "https://relay.example/v1", "holds a #"),
        ("https://me:p@ss@relay.example/v1?g=1", "https://relay.example/v1?g=1", "a user"),
        ("https://me@api.x.ai", "https://api.x.ai/v1", "Authorization"),
        (
            "https://a.openai.azure.com/openai",
            "https://a.openai.azure.com?api-version=2025-04-01-preview",
            "lacks ?api-version",
        ),
        (
            "https://a.openai.azure.com/openai/deployments/b/images/edits?api-version=2024-10-21",
            "https://a.openai.azure.com/openai/deployments/b?api-version=2024-10-21",
            "no edits",
        ),
    ],
)
def test_an_address_is_put_right_and_that_is_said(base_url: str, righted: str, said: str) -> None:
    """
    What people copy from elsewhere: a whole route, a host alone, a version that has no edits yet.
    """
    style = style_for("auto", base_url)
    found, remarks = style.righted(base_url)

    assert found == righted
    assert said in " ".join(remarks)
    assert style.righted(found)[0] == found


def test_a_root_of_ones_own_is_left_alone() -> None:
    """
    Nobody but its operator knows where a relay answers.
    """
    for base_url in ("https://relay.example", "http://localhost:1234/sd/api"):
        assert style_for("auto", base_url).righted(base_url) == (base_url, [])


def test_the_list_of_models_is_where_each_has_it() -> None:
    """
    Azure's stands beside its deployments.
    """
    azure = STYLES[StyleName.AZURE]

    assert azure.models("https://a/openai/deployments/b?api-version=1") == (
        "https://a/openai/models?api-version=1"
    )
    assert azure.models("https://a?api-version=1") == "https://a/openai/models?api-version=1"
    assert azure.models("https://a/openai/v1") == "https://a/openai/v1/models"


# Keys.


@pytest.mark.parametrize(
    ("style", "auth", "expected"),
    [
        ("openai", None, ("authorization", f"Bearer {KEY}")),
        ("azure", None, ("api-key", KEY)),
        ("azure", "bearer", ("authorization", f"Bearer {KEY}")),
        ("openai", "api-key", ("api-key", KEY)),
        ("xai", "X-Shop-Key", ("x-shop-key", KEY)),
        ("openrouter", "none", None),
    ],
)
async def test_the_key_goes_where_it_is_wanted_and_nowhere_else(
    tmp_path: Path, style: str, auth: str | None, expected: tuple[str, str] | None
) -> None:
    """
    As the style has it unless the configuration says otherwise; `check` shows it masked.
    """
    path = tmp_path / "cat.png"
    path.write_bytes(b"picture")
    async with serving(answering(OK)) as server:
        reached = endpoint(server.base_url, style=STYLES[StyleName(style)], auth=auth)
        async with (
            EditsClient(reached) as client,
            client.ask(
                request=Request(model="m", prompt="p"), images=[upload_of(path)], mask=None, key="1"
            ),
        ):
            pass

    seen = server.seen[0].headers
    assert {key: value for key, value in seen.items() if KEY in value} == dict(
        [expected] if expected else []
    )
    assert KEY not in str(shown_headers(reached, seen))


def test_a_key_among_the_headers_is_alone() -> None:
    """
    It suppresses the style's own, and what a person adds is not shown.
    """
    reached = endpoint(
        "http://a/v1", style=STYLES[StyleName.AZURE], headers={"X-Api-Key": "sk-other-key"}
    )
    request = Request(model="m", prompt="p")
    headers = write(reached, request, images=[("image/png", 1)], mask=None, key="1").headers

    assert headers["x-api-key"] == "sk-other-key"
    assert "api-key" not in headers
    assert "sk-other-key" not in str(shown_headers(reached, headers))


def faults_of(base_url: str) -> str:
    try:
        EditsClient(endpoint(base_url))
    except ConfigurationError as error:
        return str(error.problems)
    return ""


@pytest.mark.parametrize(
    ("base_url", "shown"),
    [
        ("https://me:SECRET@a.example/v1", "https://**********@a.example/v1"),
        ("https://me:p@SECRET@a.example/v1?u=b@c", "https://**********@a.example/v1?u=b@c"),
        ("https://me:SEC/RET@a.example/v1", "https://**********@a.example/v1"),
        ("https://me:SECRET@a.example:99999/v1", "https://**********@a.example:99999/v1"),
        ("https://a.example/v1?g=1&code=SECRET", "https://a.example/v1?g=1&code=**********"),
        ("https://a.example:x/v1?X-Api-Key=SECRET", "https://a.example:x/v1?X-Api-Key=**********"),
    ],
)
def test_an_address_is_shown_without_what_it_keeps(base_url: str, shown: str) -> None:
    """
    However it is written, and also where it is none and the fault quotes it.
    """
    assert without_password(base_url) == shown
    assert not any(part in faults_of(base_url) for part in ("SEC", "RET"))


async def test_a_key_in_the_query_comes_back_masked_however_it_is_spelt() -> None:
    """
    As it was written and as others read it: a plus is a space to some of them.
    """
    said = ("sig-ab+cd%2Fef99", "sig-ab cd/ef99", "sig-ab+cd/ef99", "key-with-a-%percent")
    body = json.dumps(said).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with serving(answering(answer)) as server:
        reached = endpoint(f"{server.base_url}?sig=ab&sig=sig-ab+cd%2Fef99&key=key-with-a-%percent")
        async with EditsClient(reached) as client:
            _, heard = await client.models()

    assert [each.strip("*") for each in json.loads(heard)] == [""] * len(said)


@pytest.mark.parametrize(
    "base_url", ["https://１２７.0.0.1/v1", "https://xn--.example/v1", "https://a..b/v1"]
)
def test_a_host_that_nobody_can_be_asked_at_is_a_fault(base_url: str) -> None:
    """
    Before a request is opened, not in its midst.
    """
    with pytest.raises(ConfigurationError, match="is not an http or https URL"):
        EditsClient(endpoint(base_url))


def test_a_host_is_the_same_to_all_who_read_it() -> None:
    """
    By the older rules of names ß is ss, which is somebody else's host: the key must not go there.
    """
    base_url = "https://straße.example/v1"
    there, elsewhere = (
        target_of(base_url, base_url),
        target_of("https://strasse.example/", base_url),
    )

    assert there.origin != elsewhere.origin
    assert target_of("/cat.png", base_url).at() == "https://xn--strae-oqa.example/cat.png"
    written = write(
        endpoint(base_url),
        Request(model="m", prompt="p"),
        images=[("image/png", 1)],
        mask=None,
        key="1",
    )
    assert written.host == there.host


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com",
        "eu.api.openai.com",
        "api.x.ai",
        "openrouter.ai",
        "shop.openai.azure.com",
        "API.OPENAI.COM.",
    ],
)
def test_a_paid_host_is_not_asked_without_a_key(host: str) -> None:
    """
    Nor with one that is not to be sent.
    """
    for changes in ({"api_key": None}, {"auth": "none"}):
        with pytest.raises(ConfigurationError, match="No key is set"):
            EditsClient(endpoint(f"https://{host}/v1", **changes))


def test_any_other_host_is_asked_without() -> None:
    """
    Local servers want none; a host that is only called alike is none of the paid.
    """
    for url in ("http://localhost:1234/v1", "https://api.openai.com.example/v1", "https://x.ai/v1"):
        assert not wants_a_key(url)
        EditsClient(endpoint(url, api_key=None))


def test_a_model_has_the_endpoints_own_name_on_the_wire() -> None:
    """
    In the body, and on Azure in the path as well.
    """
    names = {"gpt-image-2": "retouch 2"}
    request = Request(model="gpt-image-2", prompt="p")

    def asked(style: StyleName) -> Any:
        reached = endpoint("http://a?api-version=1", style=STYLES[style], models=names)
        return write(reached, request, images=[("image/png", 1)], mask=None, key="1")

    assert b'"model":"retouch 2"' in asked(StyleName.OPENAI_JSON).envelope.heads[0]
    assert "/deployments/retouch%202/" in asked(StyleName.AZURE).url
