"""
The faults of the catalogue that are not errors of the provider: relays, odd successes, the way itself.
"""

import base64
import io
import json
import re
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette

from retouchd.answer.error_body import read_error
from retouchd.sandbox.catalogue import CATALOGUE, ENTRIES
from retouchd.sandbox.faults import Fault, FaultKind, Script
from retouchd.sandbox.limiting import Meter
from retouchd.sandbox.refusal import Refusal
from retouchd.sandbox.relays import CASES, Reply
from retouchd.sandbox.seen import REQUESTS, Shelf
from retouchd.sandbox.spelling import parse_fault, parse_faults
from sandbox_requests import ask as edit
from sandbox_requests import photo


def is_picture(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
    return True


RELAY_CASES = [
    (kind, case, reply)
    for kind, cases in CASES.items()
    for case, reply in ((None, next(iter(cases.values()))), *cases.items())
]


@pytest.mark.parametrize(
    ("kind", "case", "reply"),
    RELAY_CASES,
    ids=[f"{kind}={case}" for kind, case, _ in RELAY_CASES],
)
async def test_a_relays_error_is_written_as_it_writes_it(
    client: httpx.AsyncClient, app: Starlette, kind: FaultKind, case: str | None, reply: Reply
) -> None:
    """
    Each case has its status, body and headers; without one it is the first. Nothing is charged.
    """
    app.state.script.set([Fault(kind=kind, case=case)])

    answer = await edit(client)

    assert (answer.status_code, answer.json()) == (reply.status, reply.body)
    assert reply.headers.items() <= dict(answer.headers).items()
    assert not app.state.log[0].charged


@pytest.mark.parametrize(
    ("word", "hidden", "status"),
    [
        ("litellm=quota", "insufficient_quota", 429),
        ("litellm=policy", "moderation_blocked", 400),
        ("litellm=key", "invalid_api_key", 401),
        ("new_api=quota", "insufficient_user_quota", 403),
        ("new_api=channel", "model_not_found", 503),
        ("one_api=missing", "api_not_implemented", 501),
    ],
)
async def test_our_own_reader_finds_the_code_in_a_relays_error(
    client: httpx.AsyncClient, app: Starlette, word: str, hidden: str, status: int
) -> None:
    """
    The code that the daemon acts on is in each body, even nested in a message.
    """
    app.state.script.set(parse_faults(word))

    answer = await edit(client)

    assert status == answer.status_code
    assert hidden in read_error(answer.content).codes


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [("billing", 400, "billing_hard_limit_reached"), ("verify", 403, None)],
)
async def test_the_accounts_errors_are_the_providers(
    client: httpx.AsyncClient, app: Starlette, word: str, status: int, code: str | None
) -> None:
    """
    A spent budget and an organisation that is not verified.
    """
    app.state.script.set(parse_faults(word))

    answer = await edit(client)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("status", "words"),
    [(200, "sign in"), (403, "Cloudflare"), (502, "Bad Gateway"), (524, "timeout"), (599, "599")],
)
async def test_a_web_page_fits_its_status(
    client: httpx.AsyncClient, app: Starlette, status: int, words: str
) -> None:
    """
    html=STATUS is the page a gateway or a network shows with that status.
    """
    app.state.script.set(parse_faults(f"html={status}"))

    answer = await edit(client)

    assert status == answer.status_code
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_redirect_leads_elsewhere(
    client: httpx.AsyncClient, app: Starlette, status: int
) -> None:
    """
    A redirect names a path where nothing is.
    """
    app.state.script.set(parse_faults(f"redirect={status}"))

    answer = await edit(client)

    assert status == answer.status_code
    elsewhere = await client.get(
        f"http://{client.base_url.netloc.decode()}{answer.headers['location']}"
    )
    assert elsewhere.status_code == 404


async def test_a_link_may_be_a_path_or_expired(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    url_relative gives a path below the same host, url_expired a link that answers 404.
    """
    host = f"http://{client.base_url.netloc.decode()}"
    app.state.script.set(parse_faults("sequence=url_relative,url_expired,url_in_b64"))

    relative, expired, inside = [(await edit(client)).json()["data"][0] for _ in range(3)]

    assert relative["url"].startswith("/files/")
    assert is_picture((await client.get(host + relative["url"])).content)
    assert expired["url"].startswith(host)
    assert (await client.get(expired["url"])).status_code == 404
    assert is_picture((await client.get(inside["b64_json"])).content)


async def test_more_successes_that_are_none(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    No data, no base64, a ticket, and a picture beside the words of a chat.
    """
    app.state.script.set(parse_faults("sequence=no_data,not_base64,task,task=202,chat_images"))

    answers = [await edit(client) for _ in range(5)]

    none, garbled, task, accepted, chat = [answer.json() for answer in answers]
    assert set(none) == {"created"}
    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(garbled["data"][0]["b64_json"], validate=True)
    assert task["data"]["task_id"]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 202, 200]
    assert accepted["data"]["task_id"] != task["data"]["task_id"]
    (image,) = chat["choices"][0]["message"]["images"]
    assert is_picture(base64.b64decode(image["image_url"]["url"].partition(",")[2]))
    assert all(seen.charged for seen in app.state.log)


async def test_a_dripping_answer_takes_its_time_and_is_whole(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    The bytes of a drip arrive a few at a time over the seconds asked for.
    """
    app.state.script.set(parse_faults("drip=0.5"))
    arrived: list[float] = []

    started = time.monotonic()
    body = bytearray()
    async with client.stream(
        "POST",
        "/images/edits",
        data={"prompt": "blue"},
        files={"image": ("image.png", photo(), "image/png")},
    ) as answer:
        async for chunk in answer.aiter_raw():
            arrived.append(time.monotonic() - started)
            body += chunk

    assert len(arrived) >= 4
    assert arrived[-1] >= 0.5
    assert is_picture(base64.b64decode(json.loads(body)["data"][0]["b64_json"]))


async def test_an_answer_may_be_reset_on_its_way(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    drop_answer resets the connection after some of the answer; the edit was charged.
    """
    app.state.script.set(parse_faults("drop_answer=100"))

    with pytest.raises(httpx.TransportError):
        await edit(client)

    assert app.state.log[0].charged


@pytest.mark.parametrize("length", [None, 0, 50])
async def test_a_content_length_may_be_too_small(
    client: httpx.AsyncClient, app: Starlette, length: int | None
) -> None:
    """
    The answer reads as whole but is cut: no transport error, and no JSON.
    """
    app.state.script.set([Fault(kind=FaultKind.LENGTH, cut=length)])

    answer = await edit(client)

    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["content-length"])
    assert length is None or length == len(answer.content)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()


async def test_a_content_length_may_be_too_large(client: httpx.AsyncClient, app: Starlette) -> None:
    """
    More is told than is sent, and the connection ends.
    """
    app.state.script.set(parse_faults("length=99999999"))

    with pytest.raises(httpx.RemoteProtocolError):
        await edit(client)


async def test_the_limit_tells_what_is_left_and_when_to_come_back(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    Good answers count down; the one too many is a 429 with both waits and the provider's words.
    """
    app.state.script.set(parse_faults("limit=2"))

    first, second, third = [await edit(client) for _ in range(3)]

    left = "x-ratelimit-remaining-input-images"
    assert [first.headers[left], second.headers[left], third.headers[left]] == ["1", "0", "0"]
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    error = third.json()["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert "gpt-image-2 on input-images per min: Limit 2, Used 2, Requested 1." in error["message"]
    assert 55 <= int(third.headers["retry-after"]) <= 60
    assert int(third.headers["retry-after-ms"]) <= 60_000
    assert third.headers["x-ratelimit-reset-input-images"].endswith("s")


@given(
    limit=st.integers(1, 6),
    asked=st.lists(st.tuples(st.integers(1, 7), st.floats(0, 50)), max_size=30),
)
def test_no_minute_has_more_images_than_the_limit(
    limit: int, asked: list[tuple[int, float]]
) -> None:
    """
    In any sixty seconds at most so many pass; who waits as told gets through, who asks too much never.
    """
    now = 0.0
    meter = Meter(lambda: now)
    passed: list[float] = []

    for images, pause in asked:
        now += pause
        wait = _told_to_wait(meter, images, limit)
        assert (wait is None) is (images > limit)
        if wait is not None:
            now += wait
            assert wait == 0 or _told_to_wait(meter, images, limit) == 0
            passed += [now] * images
        assert sum(at > now - 59.99 for at in passed) <= limit


def _told_to_wait(meter: Meter, images: int, limit: int) -> int | None:
    """
    Ask for images; return the seconds to wait, 0 if they passed, None if they never will.
    """
    try:
        meter.take(images, limit, "m")
    except Refusal as refusal:
        wait = refusal.headers.get("retry-after")
        return None if wait is None else int(wait)
    return 0


async def test_a_limit_goes_together_with_other_faults(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    What the limit lets through still meets the fault that is due.
    """
    app.state.script.set([*parse_faults("limit=1"), *parse_faults("503")])

    answers = [await edit(client), await edit(client)]

    assert [answer.status_code for answer in answers] == [503, 429]


async def test_a_wait_can_be_told_in_milliseconds(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    retry_after_ms goes with any error, a relay's too.
    """
    app.state.script.set(parse_faults("new_api=busy:retry_after_ms=534"))

    assert (await edit(client)).headers["retry-after-ms"] == "534"


def test_a_fault_can_last_for_some_seconds() -> None:
    """
    `for` counts from the first hit, however many requests come meanwhile.
    """
    now = 100.0
    script = Script(parse_faults("503:after=1:for=60"), lambda: now)

    before = script.next().fault
    first = script.next().fault
    now += 59
    during = script.next().fault
    now += 1
    later = script.next().fault

    assert (before, later) == (None, None)
    assert first is during is not None


def test_a_sequence_is_one_fault_for_each_request() -> None:
    """
    Each word is for its own request only; ok is a good answer.
    """
    script = Script(parse_faults("sequence=429, drop,ok,html=502,new_api=key"))

    met = [script.next().fault for _ in range(7)]

    kinds = [None if fault is None else (fault.kind, fault.status, fault.case) for fault in met]
    assert kinds == [
        (FaultKind.STATUS, 429, None),
        (FaultKind.DROP, None, None),
        None,
        (FaultKind.HTML, 502, None),
        (FaultKind.NEW_API, None, "key"),
        None,
        None,
    ]


def test_a_body_can_come_from_a_file(tmp_path: Path) -> None:
    """
    body=@FILE holds what no command line could.
    """
    path = tmp_path / "answer.json"
    path.write_bytes(b'{"a": ":"}\xff')

    assert parse_fault(f"body=@{path}").body == b'{"a": ":"}\xff'
    with pytest.raises(ValueError, match="of a file that can be read"):
        parse_fault(f"body=@{path}.no")


def test_a_value_may_hold_colons() -> None:
    """
    JSON, dates and addresses are not cut at their colons; an option behind them still counts.
    """
    body = parse_fault('body={"id":1,"url":"http://a:80/b"}:status=201')
    date = parse_fault("429:retry_after=Wed, 21 Oct 2026 07:28:00 GMT:times=2")

    assert (body.body, body.status) == ('{"id":1,"url":"http://a:80/b"}', 201)
    assert (date.retry_after, date.times) == ("Wed, 21 Oct 2026 07:28:00 GMT", 2)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("new_api=quotta", "new_api has no case 'quotta'; did you mean quota? It is one of quota,"),
        ("sequence=", "A sequence is written as sequence=429,429,ok,drop"),
        ("sequence=429,latancy", "There is no fault called 'latancy'; did you mean latency?"),
        ("zzz", "it is one of latency, stall, drip,"),
        ("503:for=soon", "for must be a number of seconds, not 'soon'."),
        ("limit=0", "images must be a whole number from 1, not '0'."),
    ],
)
def test_more_wrong_faults_are_explained(text: str, part: str) -> None:
    """
    A wrong name gets the nearest one and the whole list.
    """
    with pytest.raises(ValueError, match=re.escape(part)):
        parse_faults(text)


def test_the_catalogue_has_every_fault_once() -> None:
    """
    Each kind stands in one group, and its value is a field it can set.
    """
    kinds = [kind for group in CATALOGUE.values() for kind in group]

    assert sorted(kinds) == sorted(FaultKind)
    assert {entry.field for entry in ENTRIES.values()} <= {None, *Fault.__dataclass_fields__}


async def test_the_log_keeps_the_last_requests_only(
    client: httpx.AsyncClient, app: Starlette
) -> None:
    """
    After weeks the log is as long as after a day, and a huge value is cut in it.
    """
    app.state.log.extend(REQUESTS * [None])

    await client.post("/images/edits", data={"prompt": "x" * 200_000}, files={"image": b"y"})

    assert len(app.state.log) == REQUESTS
    assert len(dict(app.state.log[-1].fields)["prompt"]) < 50_000


def test_links_end_after_an_hour_and_when_there_are_too_many() -> None:
    """
    The pictures that have links are bounded in time, number and bytes; the newest always stays.
    """
    now = 0.0
    shelf = Shelf(lambda: now)
    first = shelf.put(b"picture", "png")
    assert shelf.get(first) == (b"picture", "image/png")
    now = 3601.0
    assert shelf.get(first) is None

    names = [shelf.put(b"x", "png") for _ in range(300)]
    large = shelf.put(bytes(300 * 1024 * 1024), "png")

    assert [shelf.get(name) for name in names] == [None] * 300
    assert shelf.get(large) is not None
