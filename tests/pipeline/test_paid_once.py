"""
A picture that was paid for is published and not bought again, however oddly it comes.

Everything through the real client and the real engine, against a server that writes raw bytes.
"""

import base64
import gzip
import json
import os
import zlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine_world import HOUR, World, open_world
from raw_endpoint import RESET, SILENCE, RawEndpoint, answer, head, raw_endpoint
from retouchd.service.daemon import Ending
from sample_pictures import encoded

PICTURE = encoded(Image.effect_noise((60, 40), 90), "PNG")
OTHER = encoded(Image.effect_noise((50, 40), 90), "PNG")
LARGE = PICTURE + os.urandom(200_000)
B64 = base64.b64encode(PICTURE).decode()
WHOLE = json.dumps({"created": 1, "data": [{"b64_json": B64}]}).encode()
AVIF, WEBP, JPEG = (
    encoded(Image.effect_noise((60, 40), 90).convert("RGB"), kind)
    for kind in ("AVIF", "WEBP", "JPEG")
)


def noted(key: str, text: str) -> PngInfo:
    """
    Texts for a PNG.
    """
    found = PngInfo()
    found.add_text(key, text)
    return found


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def plain(body: Any) -> list[bytes]:
    return [answer(body if isinstance(body, bytes) else json.dumps(body).encode())]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


@pytest.fixture
async def endpoint(world: World) -> AsyncIterator[RawEndpoint]:
    async with raw_endpoint() as endpoint:
        world.tell(base_url=f"{endpoint.url}/v1", max_in_doubt=3)
        yield endpoint


def published(world: World) -> list[bytes]:
    return [(world.folders.outbox / name).read_bytes() for name in world.tree("outbox")]


def asked_at_least(endpoint: RawEndpoint, times: int) -> bool:
    return endpoint.asked["/a.png"] >= times


def chat(message: Any) -> dict[str, Any]:
    return {"object": "chat.completion", "choices": [{"message": message}]}


FRAMING: dict[str, list[bytes]] = {
    "length too long": [head(length=len(WHOLE) + 99), WHOLE],
    "last chunk missing": [
        head(200, "Transfer-Encoding: chunked"),
        b"%x\r\n%s\r\n" % (len(WHOLE), WHOLE),
    ],
    "reset at the end": [head(length=len(WHOLE) + 1), WHOLE, RESET],
    "reset before the last brackets": [head(length=len(WHOLE)), WHOLE[:-3], RESET],
    "closed behind the picture": [head(length=len(WHOLE)), WHOLE[: -len('"}]}')]],
    "broken chunk behind it": [
        head(200, "Transfer-Encoding: chunked"),
        b"%x\r\n%s\r\nzz\r\n" % (len(WHOLE), WHOLE),
    ],
    "no length at all": [head(), WHOLE],
    "gzip that breaks off": [
        head(200, "Content-Encoding: gzip", length=10**6),
        gzip.compress(WHOLE)[:-8],
    ],
    "gzip with a wrong sum": [
        answer(gzip.compress(WHOLE)[:-8] + b"spoiled!", "Content-Encoding: gzip")
    ],
    "gzip that nobody named": [answer(gzip.compress(WHOLE))],
    "br": [answer(brotli.compress(WHOLE), "Content-Encoding: br")],
    "br that breaks off": [
        head(200, "Content-Encoding: br", length=10**6),
        brotli.compress(WHOLE + b" " * 99 + os.urandom(99))[:-50],
    ],
    "zstd": [answer(zstandard.compress(WHOLE), "Content-Encoding: zstd")],
    "zstd that nobody named": [answer(zstandard.compress(WHOLE))],
    "gzip in br": [answer(brotli.compress(gzip.compress(WHOLE)), "Content-Encoding: gzip, br")],
    "deflate without its sum": [
        answer(zlib.compress(WHOLE)[:-4], "Content-Encoding: deflate", "Content-Type: text/html")
    ],
    "a picture that breaks off behind its end": [
        head(200, "Content-Type: image/png", length=10**6),
        PICTURE,
    ],
}
BODIES: dict[str, bytes] = {
    "byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "log lines": b"WARN it's [slow] {today\n12:00 INFO \"ok\n" + WHOLE + b"\n[done in 3s]",
    "fenced": b"Here you are:\n```json\n" + WHOLE + b"\n```\nEnjoy!",
    "twice": WHOLE + WHOLE,
    "twice, in lines": WHOLE + b"\n" + WHOLE,
    "cut and then whole": WHOLE[:900] + b"\n" + WHOLE,
    "trailing commas": WHOLE.replace(b"}]}", b",},],}"),
    "not a number": WHOLE.replace(b"1,", b"NaN,"),
    "long number": WHOLE.replace(b"1,", b"7" * 5_000 + b","),
    "very long number": WHOLE.replace(b"1,", b"7" * 500_000 + b","),
    "single quotes": WHOLE.replace(b'"', b"'"),
    "as Python shows bytes": str({"data": [{"b64_json": B64.encode()}], "x": None}).encode(),
    "raw line breaks": WHOLE.replace(
        B64.encode(), b"\n".join([B64[:300].encode(), B64[300:].encode()])
    ),
    "deep": WHOLE[:-1] + b', "debug": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "spaces before it": b" " * (8 << 20) + WHOLE,
    "spaces within it": WHOLE.replace(b"1,", b"1," + b" \n" * (4 << 20)),
    "heartbeats before it": b": still at it\n\n" * 300_000 + b"data: " + WHOLE + b"\n\n",
    "log before it": b"12:00:00 [INFO] {step: 7} it goes on\n" * 100_000 + WHOLE,
    "callback": b"done(" + WHOLE + b");",
    "a comment before it": b"<!-- served by cache-7 -->\n" + WHOLE,
    "half an emoji": WHOLE.replace(b"1,", rb'"\ud83d",'),
    "a document in a text": json.dumps(json.dumps(json.loads(WHOLE))).encode(),
    "latin-1 around it": "Größe: ".encode("latin-1") + WHOLE,
    "events": b'event: x\ndata: {"type":"image_edit.partial_image","b64_json":"'
    + b64(OTHER).encode()
    + b'"}\n\nevent: y\ndata: '
    + WHOLE
    + b"\n\ndata: [DONE]\n\n",
    "event in several lines": b"data: "
    + json.dumps(json.loads(WHOLE), indent=1).replace("\n", "\ndata: ").encode()
    + b"\n\n",
    "large": json.dumps({"data": [{"b64_json": b64(LARGE)}]}).encode(),
    "large and twice": 2 * json.dumps({"data": [{"b64_json": b64(LARGE)}]}).encode(),
    "large in a text": json.dumps({"data": json.dumps([{"b64_json": b64(LARGE)}])})
    .replace("/", r"\\/")
    .encode(),
}
SHAPES: dict[str, Any] = {
    "b64": {"data": [{"b64": B64}]},
    "data prefix": {"data": [{"b64_json": f"data:image/png;base64,{B64}"}]},
    "bare prefix": {"data": [{"b64_json": f"image/png;base64,{B64}"}]},
    "url-safe": {"data": [{"b64_json": base64.urlsafe_b64encode(PICTURE).decode()}]},
    "newlines": {"data": [{"b64_json": base64.encodebytes(PICTURE).decode()}]},
    "no padding": {"data": [{"b64_json": b64(PICTURE + b"!").rstrip("=")}]},
    "nested data": {"code": 0, "msg": "ok", "data": {"data": [{"b64_json": B64}]}},
    "images of base64": {"images": [{"base64": B64}]},
    "images of strings": {"images": [B64]},
    "one image": {"image": B64},
    "artifacts": {"artifacts": [{"base64": B64, "finishReason": "SUCCESS", "seed": 1}]},
    "Gemini": {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "Done"},
                        {"inlineData": {"mimeType": "image/png", "data": B64}},
                    ]
                }
            }
        ]
    },
    "Gemini in snake case": {
        "candidates": [
            {"content": {"parts": [{"inline_data": {"mime_type": "image/png", "data": B64}}]}}
        ]
    },
    "Imagen": {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": B64}]},
    "Responses": {
        "object": "response",
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "image_generation_call", "status": "completed", "result": B64},
            {"type": "message", "content": [{"type": "output_text", "text": "Done."}]},
        ],
    },
    "chat with a data URI": chat({"content": f"![it](data:image/png;base64,{B64})"}),
    "chat with parts": chat(
        {"content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B64}"}}]}
    ),
    "chat with images": chat(
        {"content": "", "images": [{"image_url": {"url": f"data:image/png;base64,{B64}"}}]}
    ),
    "output strings": {"status": "succeeded", "output": [f"data:image/png;base64,{B64}"]},
    "list at the top": [{"b64_json": B64}],
    "an unknown name": {"payload": {"rendered": B64}},
    "text at the top": B64,
    "input echoed": {
        "input": {"image": b64(OTHER), "mask_url": "/mask.png"},
        "data": [{"b64_json": B64, "revised_prompt": "https://x.example/a.png"}],
    },
    "a url that is dead beside it": {"data": [{"url": "/gone", "b64_json": B64}]},
    "an error beside it": {"error": {"message": "slow"}, "data": [{"b64_json": B64}]},
    "said twice": {"image": b64(LARGE), "images": [b64(LARGE)]},
}


@pytest.mark.parametrize("edit", FRAMING.values(), ids=FRAMING)
async def test_an_answer_counts_behind_a_broken_end(
    world: World, endpoint: RawEndpoint, edit: list[bytes]
) -> None:
    """
    Whatever is wrong behind a whole picture, it has come.
    """
    endpoint.edit = edit
    world.drop("cat.png")

    await world.once()

    assert published(world) == [PICTURE]
    assert endpoint.bought == 1
    assert world.verdicts("done/cat.job.json") == ["done"]
    assert not [name for name in world.tree("done") if name.endswith(".response")]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_document_is_read_whatever_stands_around_it(
    world: World, endpoint: RawEndpoint, body: bytes
) -> None:
    """
    Careless JSON, and text before and behind it.
    """
    endpoint.edit = plain(body)
    world.drop("cat.png")

    await world.once()

    assert published(world) in ([PICTURE], [LARGE])
    assert endpoint.bought == 1


@pytest.mark.parametrize("document", SHAPES.values(), ids=SHAPES)
async def test_a_picture_is_found_wherever_it_stands(
    world: World, endpoint: RawEndpoint, document: Any
) -> None:
    """
    The shapes of other interfaces, and of none; what was sent is not what came.
    """
    endpoint.edit = plain(document)
    world.drop("cat.png")

    await world.once()

    assert published(world) in ([PICTURE], [PICTURE + b"!"], [LARGE])
    assert endpoint.bought == 1


@pytest.mark.parametrize(
    ("picture", "name"),
    [(PICTURE, "cat.png"), (JPEG, "cat.jpg"), (WEBP, "cat.webp"), (AVIF, "cat.avif")],
)
@pytest.mark.parametrize(
    "kind", ["image/png", "application/json", "application/octet-stream", None]
)
async def test_a_body_may_be_the_picture_itself(
    world: World, endpoint: RawEndpoint, picture: bytes, name: str, kind: str | None
) -> None:
    """
    Of whatever type it says it is.
    """
    endpoint.edit = [answer(picture, *([f"Content-Type: {kind}"] if kind else []))]
    world.drop("cat.png")

    await world.once()

    assert world.tree("outbox") == [name]
    assert published(world) == [picture]
    assert endpoint.bought == 1


AROUND: dict[str, tuple[bytes, bytes]] = {
    "white space": (b" \n" * 30_000, b"\n"),
    "a word": (b"OK\r\n", b""),
    "a head within the body": (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", b""),
    "chunks that nobody undid": (b"%x\r\n" % len(PICTURE), b"\r\n0\r\n\r\n"),
    "a form": (
        b"--x\r\nContent-Disposition: form-data; name=image\r\nContent-Type: image/png\r\n\r\n",
        b"\r\n--x--\r\n",
    ),
}


@pytest.mark.parametrize(("before", "behind"), AROUND.values(), ids=AROUND)
async def test_a_picture_may_have_text_around_it(
    world: World, endpoint: RawEndpoint, before: bytes, behind: bytes
) -> None:
    """
    As a careless server leaves it: what is published begins with the picture.
    """
    endpoint.edit = [answer(before + PICTURE + behind)]
    world.drop("cat.png")

    await world.once()

    assert published(world) == [PICTURE + behind]
    assert endpoint.bought == 1


@pytest.mark.parametrize("status", [400, 403, 429, 500, 502, 504])
@pytest.mark.parametrize("body", [WHOLE, PICTURE], ids=["document", "picture"])
async def test_a_picture_under_a_bad_status_is_a_picture(
    world: World, endpoint: RawEndpoint, status: int, body: bytes
) -> None:
    """
    What decodes is done, whatever a proxy on the way made of the status.
    """
    endpoint.edit = [answer(body, status=status)]
    world.drop("cat.png")

    await world.once()

    assert published(world) == [PICTURE]
    assert endpoint.bought == 1


@pytest.mark.parametrize("status", [200, 422])
async def test_the_picture_that_was_sent_is_no_result(
    world: World, endpoint: RawEndpoint, status: int
) -> None:
    """
    Under names that nobody knows, or in a refusal, an echo is told by its bytes.
    """
    sent = world.drop("cat.png").read_bytes()
    kinds = {"what": "no"} if status == 200 else {"data": [{"b64_json": b64(sent)}]}
    endpoint.edit = [answer(json.dumps({"echo": b64(sent), **kinds}).encode(), status=status)]

    await world.once()

    assert world.tree("outbox") == []
    assert endpoint.bought == 1


TAGGED = {
    "JPEG": encoded(Image.effect_noise((60, 40), 90).convert("RGB"), "JPEG", comment=b"by me"),
    "PNG": encoded(
        Image.effect_noise((60, 40), 90).convert("RGB"), "PNG", pnginfo=noted("Author", "me")
    ),
    "WebP": encoded(Image.effect_noise((60, 40), 90).convert("RGB"), "WEBP", xmp=b"<by me/>"),
    "BMP": encoded(Image.effect_noise((60, 40), 90).convert("RGB"), "BMP"),
}


@pytest.mark.parametrize("original", TAGGED.values(), ids=TAGGED)
@pytest.mark.parametrize("status", [200, 500])
async def test_what_was_sent_of_a_picture_is_no_result(
    world: World,
    endpoint: RawEndpoint,
    original: bytes,
    status: int,
) -> None:
    """
    Without its metadata, or made fit, it has other bytes than the file, and the same pixels.
    """
    document = b'{"detail": "no", "echo": "{echo}", "what": {"was": "{echo}"}}'
    endpoint.edit = [head(status), document]
    world.tell(max_in_doubt=0)
    world.drop("cat.png", image=original)

    await world.once()

    assert endpoint.echo not in {b"", b64(original).encode()}
    assert world.tree("outbox") == []
    assert endpoint.bought == 1
    assert world.verdicts("error/cat.job.json") == ["in_doubt"]


LATE = {
    "404": [answer(b"", status=404)] * 4,
    "403": [answer(b"<Error>AccessDenied</Error>", status=403)] * 3,
    "202": [answer(b"", status=202)] * 3,
    "500": [answer(b"", status=500)] * 3,
    "429": [answer(b"", status=429)] * 2,
    "a page": [answer(b"<!doctype html><title>Soon</title>", "Content-Type: text/html")] * 2,
    "nothing yet": [answer(b"", "Content-Type: image/png")] * 2,
    "a ticket": [answer(b'{"status":"pending"}', "Content-Type: application/json")] * 2,
    "half of it": [head(length=len(PICTURE)) + PICTURE[:-20]],
    "302": [answer(b"", "Location: /moved.png", status=302)],
    "307": [answer(b"", "Location: {endpoint}/moved.png", status=307)],
}
THERE = {
    "as it is": answer(PICTURE, "Content-Type: image/png"),
    "unnamed": answer(PICTURE),
    "as text": answer(PICTURE, "Content-Type: text/plain"),
    "gzip": answer(gzip.compress(PICTURE), "Content-Encoding: gzip", "Content-Type: image/png"),
    "gzip, not said": answer(gzip.compress(PICTURE), "Content-Type: application/gzip"),
    "deflate": answer(zlib.compress(PICTURE), "Content-Encoding: deflate"),
    "a length too long": head(length=len(PICTURE) + 99) + PICTURE,
    "206": answer(PICTURE, status=206),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
async def test_a_url_is_asked_until_the_picture_is_there(
    world: World, endpoint: RawEndpoint, late: list[bytes]
) -> None:
    """
    A picture that takes its time is waited for, and not bought again.
    """
    endpoint.edit = plain({"data": [{"url": "/a.png"}]})
    endpoint.pictures = {"/a.png": [*late, THERE["as it is"]], "/moved.png": [THERE["as it is"]]}
    world.drop("cat.png")

    await world.once()

    assert published(world) == [PICTURE]
    assert endpoint.bought == 1
    assert world.verdicts("done/cat.job.json") == ["done"]


@pytest.mark.parametrize("there", THERE.values(), ids=THERE)
async def test_the_bytes_behind_a_url_decide(
    world: World, endpoint: RawEndpoint, there: bytes
) -> None:
    """
    Whatever type and encoding they come under.
    """
    endpoint.edit = plain({"data": [{"url": "/a"}]})
    endpoint.pictures = {"/a": [there]}
    world.drop("cat.png")

    await world.once()

    assert published(world) == [PICTURE]
    assert endpoint.bought == 1


async def test_a_dead_url_is_left_alone_more_and_more_and_given_up(
    world: World, endpoint: RawEndpoint
) -> None:
    """
    For an hour, at growing intervals; then the job is over, and its answer beside it. Nothing is bought again.
    """
    endpoint.edit = plain({"data": [{"url": "/a.png"}]})
    world.drop("cat.png")
    began = world.clock.monotonic()

    await world.once()

    assert HOUR <= world.clock.monotonic() - began <= 1.2 * HOUR
    assert 10 <= endpoint.asked["/a.png"] <= 60
    assert endpoint.bought == 1
    assert world.record("error/cat.job.json")["error"]["code"] == "bad_response"
    assert "HTTP 404" in (world.folders.error / "cat.error.txt").read_text()
    assert b"/a.png" in (world.folders.error / "cat.response").read_bytes()


async def test_a_restart_goes_on_waiting_for_a_url(world: World, endpoint: RawEndpoint) -> None:
    """
    What was bought is fetched by whoever runs next.
    """
    endpoint.edit = plain({"data": [{"url": "/a.png"}]})
    world.drop("cat.png")
    for _ in range(3):
        async with world.killing():
            asked = endpoint.asked["/a.png"] + 1
            await world.until(partial(asked_at_least, endpoint, asked))
    endpoint.pictures = {"/a.png": [THERE["as it is"]]}

    await world.once()

    assert published(world) == [PICTURE]
    assert endpoint.bought == 1


async def test_kills_while_a_url_is_silent_are_nobodys_fault(
    world: World, endpoint: RawEndpoint
) -> None:
    """
    However often: the picture was not even there that could have brought the process down. And while it is
    waited for others are done.
    """
    endpoint.edit = plain({"data": [{"url": "/a.png"}]})
    endpoint.pictures = {"/a.png": [SILENCE]}
    world.drop("cat.png")
    for number in range(5):
        async with world.killing():
            await world.until(partial(asked_at_least, endpoint, number + 1))
        assert not world.in_work("crashes")
    endpoint.edit = plain(WHOLE)
    world.drop("dog.png")
    async with world.running():
        await world.until(lambda: world.tree("outbox") == ["dog.png"], within=60)
        endpoint.pictures = {"/a.png": [THERE["as it is"]]}
        await world.until(lambda: len(world.tree("outbox")) == 2)

    assert published(world) == [PICTURE, PICTURE]
    assert endpoint.bought == 2
    assert world.tree("error") == []


async def test_a_private_url_waits_for_the_setting(world: World, endpoint: RawEndpoint) -> None:
    """
    Nothing is asked there, nothing is bought again; the reason is told, and a reload brings the picture.
    """
    async with raw_endpoint() as elsewhere:
        elsewhere.pictures = {"/a.png": [THERE["as it is"]]}
        endpoint.edit = plain({"data": [{"url": f"{elsewhere.url}/a.png"}]})
        world.drop("cat.png")
        async with world.running() as daemon:
            await world.until(lambda: world.events("job.waiting"))
            assert "private address" in world.events("job.waiting")[0]["reason"]
            assert not elsewhere.heads
            world.tell(allow_private_urls=True)
            await world.adopt(daemon, world.settings)
            daemon.look_again()
            await world.until(lambda: world.tree("outbox"))
    assert published(world) == [PICTURE]
    assert endpoint.bought == 1
    assert not any("authorization" in each.lower() for each in elsewhere.heads)


async def test_a_picture_at_a_private_url_counts_toward_the_budget(
    world: World, endpoint: RawEndpoint
) -> None:
    """
    It is paid for, and stays reserved for as long as nobody may fetch it: the next one finds no budget.
    """
    world.tell(concurrency=1, images_per_day=1)
    endpoint.edit = plain({"data": [{"url": "http://10.0.0.1/a.png"}]})
    for number in range(2):
        world.drop(f"{number}.png")

    async with world.running() as daemon:
        await world.until(lambda: world.events("job.waiting"))
        await world.time.still()
        assert daemon._lane.ledger.today().images == 1
        await world.until(lambda: len(world.jobs()) == 2 or world.events("daemon.paused"))
        await world.time.still()

    assert endpoint.bought == 1


async def test_private_urls_stop_the_buying(world: World, endpoint: RawEndpoint) -> None:
    """
    `once` ends where only a person can help; of many files at most three were bought, and each is still there.
    """
    world.tell(concurrency=1)
    endpoint.edit = plain({"data": [{"url": "http://10.0.0.1/a.png"}]})
    for number in range(8):
        world.drop(f"{number}.png")

    assert Ending.UNAVAILABLE is await world.once()
    bought = endpoint.bought
    assert Ending.UNAVAILABLE is await world.once()

    assert bought <= 3
    assert endpoint.bought <= bought + 1
    assert len(world.jobs()) == endpoint.bought
    assert [] == world.tree("error") == world.tree("outbox")


LASTING = {
    "a page": b"<!doctype html><title>Welcome</title><img src='data:image/png;base64,"
    + B64.encode()
    + b"'>",
    "a ticket": b'{"task_id": "t", "status": "processing"}',
    "another API": b'{"object": "list", "data": [{"id": "gpt-4", "object": "model"}]}',
}


@pytest.mark.parametrize("body", LASTING.values(), ids=LASTING)
async def test_what_repeating_cannot_change_is_not_repeated(
    world: World, endpoint: RawEndpoint, body: bytes
) -> None:
    """
    It goes to error/ at once, with its answer.
    """
    endpoint.edit = plain(body)
    world.drop("cat.png")

    await world.once()

    assert endpoint.bought == 1
    assert world.record("error/cat.job.json")["error"]["code"] == "bad_response"
    assert (world.folders.error / "cat.response").read_bytes().endswith(body)


async def test_fruitless_answers_stand_beside_a_finished_job(
    world: World, endpoint: RawEndpoint
) -> None:
    """
    Those of earlier attempts, too, broken or not, in order; the one that was published is not among them.
    """
    broken = [head(length=9_999), WHOLE[:700]]
    world.tell(max_in_doubt=3)
    world.drop("cat.png")
    endpoint.edit = broken

    async with world.running():
        await world.until(lambda: endpoint.bought == 1)
        endpoint.edit = plain({"created": 1, "data": []})
        await world.until(lambda: endpoint.bought == 2)
        endpoint.edit = plain(WHOLE)
        await world.until(lambda: not world.jobs() and world.tree("done"))

    assert published(world) == [PICTURE]
    assert {"cat.response", "cat.2.response"} == {
        name for name in world.tree("done") if name.endswith(".response")
    }
    first, second = (
        (world.folders.done / name).read_bytes().partition(b"\n")
        for name in ("cat.response", "cat.2.response")
    )
    assert first[2] == WHOLE[:700]
    assert "broke off" in json.loads(first[0])["broken"]
    assert second[2] == b'{"created": 1, "data": []}'
    assert world.verdicts("done/cat.job.json") == ["in_doubt", "in_doubt", "done"]
