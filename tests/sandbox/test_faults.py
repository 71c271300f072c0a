import asyncio
import base64
import io
import re
import time
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette

from retouchd.sandbox.catalogue import ENTRIES
from retouchd.sandbox.faults import Fault, FaultKind, Script
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.spelling import parse_fault


def encoded() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def is_picture(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
    return True


async def edit(client: httpx.AsyncClient, **options: Any) -> httpx.Response:
    return await client.post(
        "/images/edits",
        data={"model": "gpt-image-2", "prompt": "blue"},
        files=[("image", ("image.png", encoded(), "image/png"))],
        **options,
    )


async def until_charged(seen: list[Seen]) -> None:
    async with asyncio.timeout(10):
        while not seen[-1].charged:  # noqa: ASYNC110 - a log line has no event
            await asyncio.sleep(0.01)


async def read_into(received: bytearray, answer: httpx.Response) -> None:
    async for chunk in answer.aiter_raw():
        received += chunk


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.KEY, 401, "invalid_api_key"),
        (FaultKind.QUOTA, 429, "insufficient_quota"),
        (FaultKind.RATE, 429, "rate_limit_exceeded"),
        (FaultKind.OVERLOADED, 503, "server_is_overloaded"),
        (FaultKind.MODEL, 404, "model_not_found"),
        (FaultKind.POLICY, 400, "moderation_blocked"),
        (FaultKind.STATUS, 500, None),
    ],
)
async def test_named_errors_are_the_providers(
    client: httpx.AsyncClient, app: Starlette, kind: FaultKind, status: int, code: str | None
) -> None:
    """
    A named error has the provider's status and code, and is not charged.
    """
    app.state.script.set([Fault(kind=kind)])

    answer = await edit(client)

    assert status == answer.status_code
    assert code == answer.json()["error"]["code"]
    assert ("retry-after" in answer.headers) is (kind is FaultKind.RATE)
    (seen,) = app.state.log
    assert (seen.fault, seen.status, seen.charged) == (kind, status, False)
    assert dict(seen.fields)["prompt"] == "blue"


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        (FaultKind.KEY, openai.AuthenticationError),
        (FaultKind.QUOTA, openai.RateLimitError),
        (FaultKind.MODEL, openai.NotFoundError),
        (FaultKind.POLICY, openai.BadRequestError),
        (FaultKind.OVERLOADED, openai.InternalServerError),
        (FaultKind.DROP, openai.APIConnectionError),
        (FaultKind.DROP_READ, openai.APIConnectionError),
        (FaultKind.TRUNCATE, openai.APIConnectionError),
    ],
)
async def test_the_official_client_meets_the_faults(
    client: httpx.AsyncClient, app: Starlette, kind: FaultKind, raised: type[Exception]
) -> None:
    """
    The official client raises for each fault the class it raises for the real one.
    """
    app.state.script.set([Fault(kind=kind)])
    image = ("image.png", encoded(), "image/png")

    async with openai.AsyncOpenAI(
        base_url=str(client.base_url), api_key="any", max_retries=0
    ) as official:
        with pytest.raises(raised):
            await official.images.edit(model="gpt-image-2", image=image, prompt="blue")


async def test_an_error_can_be_written_in_every_part(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    Status, type, code, message, Retry-After and other headers are all free.
    """
    fault = Fault(
        kind=FaultKind.STATUS,
        status=403,
        type="new_api_error",
        code=7,
        message="用户额度不足",
        retry_after="Wed, 21 Oct 2026 07:28:00 GMT",
        headers={"x-should-retry": "false"},
    )
    app.state.script.set([fault])

    answer = await edit(client)

    assert answer.status_code == 403
    assert answer.json()["error"] == {
        "message": "用户额度不足",
        "type": "new_api_error",
        "param": None,
        "code": 7,
    }
    assert answer.headers["retry-after"] == "Wed, 21 Oct 2026 07:28:00 GMT"
    assert answer.headers["x-should-retry"] == "false"


async def test_a_gateway_may_fail_after_the_edit_was_charged(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    A charged error is an edit that was made and billed, and whose answer was lost.
    """
    app.state.script.set([Fault(kind=FaultKind.STATUS, status=504, charged=True)])

    answer = await edit(client)

    assert answer.status_code == 504
    assert app.state.log[0].charged


async def test_any_body_is_sent_as_it_is(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    A scripted body goes out byte for byte with its own status, type and headers.
    """
    fault = Fault(
        kind=FaultKind.BODY,
        status=520,
        body=b"\xff<html>",
        content_type="text/html",
        headers={"Server": "cloudflare"},
    )
    app.state.script.set([fault])

    answer = await edit(client)

    assert answer.status_code == 520
    assert answer.content == b"\xff<html>"
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["server"] == "cloudflare"


async def test_a_web_page_may_come_with_status_200(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    An HTML answer looks like success until it is read.
    """
    app.state.script.set([Fault(kind=FaultKind.HTML)])

    answer = await edit(client)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert not app.state.log[0].charged


async def test_a_late_answer_is_a_good_one(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    Latency delays the answer, and goes together with another fault.
    """
    app.state.script.set(
        [
            Fault(kind=FaultKind.LATENCY, seconds=0.2),
            Fault(kind=FaultKind.LATENCY, seconds=0.1),
            Fault(kind=FaultKind.RATE, after=1),
        ]
    )

    started = time.monotonic()
    good = await edit(client)
    between = time.monotonic()
    bad = await edit(client)
    ended = time.monotonic()

    assert (good.status_code, bad.status_code) == (200, 429)
    assert between - started >= 0.3
    assert ended - between >= 0.3


async def test_a_client_that_leaves_a_late_answer_has_been_charged(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    The edit is made before the delay: hanging up does not make it free.
    """
    app.state.script.set([Fault(kind=FaultKind.LATENCY, seconds=600)])

    with pytest.raises(httpx.ReadTimeout):
        await edit(client, timeout=httpx.Timeout(10, read=0.5))

    await until_charged(app.state.log)
    assert app.state.log[0].status is None


async def test_a_dropped_connection_is_reset_and_free(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    A drop comes before the request was read: nothing is known of it and nothing is charged.
    """
    app.state.script.set([Fault(kind=FaultKind.DROP, times=1)])

    with pytest.raises((httpx.ReadError, httpx.WriteError)):
        await edit(client)
    after = await edit(client)

    assert after.status_code == 200
    assert app.state.log[0].fields == ()
    assert [seen.charged for seen in app.state.log] == [False, True]


async def test_a_connection_closed_after_reading_has_been_charged(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    A drop after reading closes the connection in good order, but the edit was made.
    """
    app.state.script.set([Fault(kind=FaultKind.DROP_READ)])

    with pytest.raises(httpx.RemoteProtocolError):
        await edit(client)

    (seen,) = app.state.log
    assert seen.charged
    assert seen.status is None


async def test_a_stall_never_answers(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    A stalled request is charged and stays open until the client gives up.
    """
    app.state.script.set([Fault(kind=FaultKind.STALL)])

    with pytest.raises(httpx.ReadTimeout):
        await edit(client, timeout=httpx.Timeout(10, read=0.5))

    await until_charged(app.state.log)
    assert app.state.log[0].status is None


@pytest.mark.parametrize("cut", [None, 0, 1, 1000, 10**9])
async def test_a_truncated_answer_breaks_its_promise(
    client: httpx.AsyncClient, app: Starlette, cut: int | None
) -> None:
    """
    Fewer bytes arrive than Content-Length says: as many as were asked for, never all of them.
    """
    app.state.script.set([Fault(kind=FaultKind.TRUNCATE, cut=cut)])
    received = bytearray()

    request = client.build_request(
        "POST",
        "/images/edits",
        data={"model": "gpt-image-2", "prompt": "blue"},
        files={"image": ("image.png", encoded(), "image/png")},
    )
    answer = await client.send(request, stream=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await read_into(received, answer)

    promised = int(answer.headers["content-length"])
    expected = promised // 2 if cut is None else min(cut, promised - 1)
    assert expected == len(received)
    assert app.state.log[0].charged


async def test_a_chat_links_to_the_picture(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    A chat completion holds a Markdown link that can be fetched.
    """
    app.state.script.set([Fault(kind=FaultKind.CHAT)])

    body = (await edit(client)).json()

    assert body["object"] == "chat.completion"
    link = re.search(r"!\[image\]\((http[^)]+)\)", body["choices"][0]["message"]["content"])
    assert link is not None
    fetched = await client.get(link[1])
    assert fetched.headers["content-type"] == "image/png"
    assert is_picture(fetched.content)


async def test_a_chat_may_hold_the_picture_itself(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    A chat completion holds the picture as a data: URI.
    """
    app.state.script.set([Fault(kind=FaultKind.CHAT_DATA)])

    content = (await edit(client)).json()["choices"][0]["message"]["content"]

    found = re.search(r"data:image/png;base64,([^)]+)", content)
    assert found is not None
    assert is_picture(base64.b64decode(found[1]))


async def test_a_chat_may_hold_no_picture(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    A chat completion of words alone has neither link nor data, and is charged.
    """
    app.state.script.set([Fault(kind=FaultKind.CHAT_TEXT)])

    content = (await edit(client)).json()["choices"][0]["message"]["content"]

    assert content
    assert "](" not in content
    assert app.state.log[0].charged


async def test_a_gpt_model_may_answer_with_a_link(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    data[].url instead of b64_json, as relays do it.
    """
    app.state.script.set([Fault(kind=FaultKind.URL)])

    (item,) = (await edit(client)).json()["data"]

    assert "b64_json" not in item
    assert is_picture((await client.get(item["url"])).content)


async def test_base64_may_carry_a_prefix(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    b64_json that begins with a data: prefix holds a picture behind it.
    """
    app.state.script.set([Fault(kind=FaultKind.DATA_PREFIX)])

    (item,) = (await edit(client)).json()["data"]

    prefix, _, encoded_picture = item["b64_json"].partition(",")
    assert prefix == "data:image/png;base64"
    assert is_picture(base64.b64decode(encoded_picture))


async def test_a_success_may_be_empty_or_garbage(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    Two answers with status 200 hold no picture: an empty list, and base64 of something else.
    """
    app.state.script.set(
        [Fault(kind=FaultKind.EMPTY, times=1), Fault(kind=FaultKind.GARBAGE, times=1)]
    )

    empty = (await edit(client)).json()
    garbage = (await edit(client)).json()

    assert empty["data"] == []
    assert not base64.b64decode(garbage["data"][0]["b64_json"]).startswith(b"\x89PNG")


async def test_a_request_that_is_refused_meets_no_spoilt_answer(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    A fault that spoils good answers leaves a refusal as it is.
    """
    app.state.script.set([Fault(kind=FaultKind.STALL)])

    answer = await client.post("/images/edits", data={"prompt": "blue"}, files={"x": b"y"})

    assert answer.status_code == 400


@given(after=st.integers(0, 5), times=st.none() | st.integers(1, 5), every=st.integers(1, 4))
def test_a_fault_hits_when_it_is_due(after: int, times: int | None, every: int) -> None:
    """
    A fault lets `after` requests through, then hits each `every`-th, at most `times` times.
    """
    script = Script([Fault(kind=FaultKind.RATE, after=after, times=times, every=every)])

    hits = [number for number in range(30) if script.next().fault is not None]

    assert hits == list(range(after, 30, every))[:times]


def test_faults_follow_one_another() -> None:
    """
    The first fault that is due hits; the next one waits until the first is used up.
    """
    script = Script(
        [Fault(kind=FaultKind.RATE, times=2), Fault(kind=FaultKind.OVERLOADED, times=1)]
    )

    met = [script.next().fault for _ in range(4)]

    kinds = [None if fault is None else fault.kind for fault in met]
    assert kinds == [FaultKind.RATE, FaultKind.RATE, FaultKind.OVERLOADED, None]


def test_a_new_script_counts_from_the_start() -> None:
    """
    Setting a script forgets the old one and what it counted.
    """
    script = Script([Fault(kind=FaultKind.RATE, times=1)])
    script.next()

    script.set([Fault(kind=FaultKind.QUOTA, after=1)])

    assert script.next().fault is None
    assert script.next().fault == Fault(kind=FaultKind.QUOTA, after=1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rate", Fault(kind=FaultKind.RATE)),
        ("429:after=3", Fault(kind=FaultKind.STATUS, status=429, after=3)),
        ("status=502:times=2", Fault(kind=FaultKind.STATUS, status=502, times=2)),
        ("rate=5:every=2", Fault(kind=FaultKind.RATE, retry_after="5", every=2)),
        ("latency=2.5", Fault(kind=FaultKind.LATENCY, seconds=2.5)),
        ("truncate=10", Fault(kind=FaultKind.TRUNCATE, cut=10)),
        ("504:charged", Fault(kind=FaultKind.STATUS, status=504, charged=True)),
        (
            "body=<p>:status=200:content_type=text/html",
            Fault(kind=FaultKind.BODY, body="<p>", status=200, content_type="text/html"),
        ),
        (
            " 400:code=x:message=a=b ",
            Fault(kind=FaultKind.STATUS, status=400, code="x", message="a=b"),
        ),
    ],
)
def test_a_fault_is_read_as_it_is_written(text: str, fault: Fault) -> None:
    """
    KIND, KIND=VALUE and a bare status are faults, with keys behind colons.
    """
    assert fault == parse_fault(text)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_can_be_written_and_is_described(kind: FaultKind) -> None:
    """
    Each kind is a fault by its bare name, and is told in the catalogue.
    """
    assert parse_fault(kind).kind is kind
    assert ENTRIES[kind].text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "There is no fault called ''; it is one of latency,"),
        ("latancy", "did you mean latency?"),
        ("drop=3", "The fault drop takes no value"),
        ("drop:afer=3", "A fault has no 'afer'; did you mean after?"),
        ("drop:after=x", "after must be a whole number from 0, not 'x'."),
        ("drop:times=0", "times must be a whole number from 1, not '0'."),
        ("999", "status must be an HTTP status from 200 to 599, not '999'."),
        ("status=500:status=501", "status is given twice"),
        ("latency=inf", "seconds must be a number of seconds, not 'inf'."),
        ("504:charged=maybe", "charged must be yes or no, not 'maybe'."),
    ],
)
def test_a_wrong_fault_is_explained(text: str, part: str) -> None:
    """
    A fault that cannot be read names what is wrong and what it could be.
    """
    with pytest.raises(ValueError, match=re.escape(part)):
        parse_fault(text)
