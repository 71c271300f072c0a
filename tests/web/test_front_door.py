"""
`POST /edit` from outside, beside a real daemon: the picture comes back, once for each key, whatever happens.
"""

import concurrent.futures
import contextlib
import io
import json
import os
import shutil
import signal
import time
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loop_disk import mounted_tmpfs
from process import Station
from retouchd.inbox.safe_drop import is_drop
from retouchd.web.front_door import stem_of
from retouchd.web.posting import PostRefused, read_post
from web_station import is_picture, listening, names_of_posts, picture, post, restarted, said

pytestmark = pytest.mark.slow(35)


def test_a_picture_comes_back_edited(station: Station) -> None:
    """
    At once, without the time in which files settle; the job lies in done/ as any other.
    """
    endpoint = station.endpoint()
    running, url = listening(
        station, endpoint={"base_url": endpoint.url}, intake={"settle_seconds": 30}
    )

    answer = post(url, picture(), prompt="make it blue", size="1024x1024", folder="booth/one")

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert is_picture(answer.content)
    job = answer.headers["retouchd-job"]
    assert names_of_posts(station.tree("outbox")) == ["booth/one/POST.png"]
    assert answer.content == (station.folders.outbox / station.tree("outbox")[0]).read_bytes()
    names = station.tree("done")
    assert names_of_posts(names) == [
        f"booth/one/POST.{end}" for end in ("job.json", "png", "toml", "txt")
    ]
    record = station.record(f"done/{names[0]}")
    assert (record["id"], record["request"]["size"]) == (job, "1024x1024")
    assert record["request"]["prompt"] == "make it blue"
    assert station.tree("inbox") == []
    address = answer.headers["content-location"].rpartition("/")[0]
    assert httpx.get(f"{url}{address}").content == answer.content
    told = httpx.get(f"{url}{address}", headers={"accept": "application/json"}).json()
    assert (told["state"], told["job"], told["results"]) == ("done", job, [f"{address}/1"])
    shutil.rmtree(station.folders.inbox / "booth")
    assert httpx.get(f"{url}{address}").content == answer.content
    assert len(endpoint.requests) == 1
    assert running.end(signal.SIGTERM) == 0


def test_results_may_be_named_by_what_the_sender_calls_the_picture(station: Station) -> None:
    """
    `{upload}` is the sender's file name; of what was dropped otherwise, its own.
    """
    endpoint = station.endpoint()
    running, url = listening(
        station, endpoint={"base_url": endpoint.url}, output={"name": "{upload} edited"}
    )

    assert post(url, picture(), prompt="blue").status_code == 200
    station.drop("cat.png")
    running.until(lambda: len(running.events("job.done")) == 2)

    assert station.tree("outbox") == ["IMG 1 edited.png", "cat edited.png"]
    assert running.end(signal.SIGTERM) == 0


def test_results_come_back_as_the_fields_ask_for(station: Station) -> None:
    """
    As a sidecar's table `output` would; what cannot be is refused before anything is dropped.
    """
    endpoint = station.endpoint()
    running, url = listening(station, endpoint={"base_url": endpoint.url})

    for wrong, value, words in [
        ("output.size", "huge", "output.size must be"),
        ("output.sizes", "40", "output.size"),
        ("output.protect", "true", "there is no mask"),
    ]:
        fields: dict[str, Any] = {wrong: value}
        answer = post(url, picture(), prompt="blue", **fields)
        assert answer.status_code == 400, wrong
        assert words in answer.text
    assert station.tree("inbox") == []
    asked: dict[str, Any] = {
        "output.size": "40",
        "output.format": "jpeg",
        "output.provenance": "false",
    }
    answer = post(url, picture(), prompt="blue", **asked)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert max(image.size) == 40
    assert len(endpoint.requests) == 1
    assert running.end(signal.SIGTERM) == 0


def test_a_key_brings_one_picture_and_no_other_body(station: Station) -> None:
    """
    Asked again, alike or at the same time, it is the same job; another picture or prompt is refused.
    """
    endpoint = station.endpoint("latency=1")
    running, url = listening(station, endpoint={"base_url": endpoint.url})

    def ask(_: int) -> httpx.Response:
        return post(url, picture(), key="guest 7", prompt="blue")

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(ask, range(3)))
    later = ask(0)
    other = post(url, picture("red"), key="guest 7", prompt="blue")
    others = [
        post(url, picture(), key="guest 7", prompt="red"),
        post(url, picture(), key="guest 7", prompt="blue", folder="b"),
    ]

    assert [each.status_code for each in (*answers, later)] == [200] * 4
    assert len({each.content for each in (*answers, later)}) == 1
    for each in (other, *others):
        assert (each.status_code, each.json()["error"]["code"]) == (422, "key_reused")
    assert len(endpoint.requests) == 1
    assert running.end(signal.SIGTERM) == 0


def test_concurrent_booths_and_no_more_than_there_is_room_for(station: Station) -> None:
    """
    Twice as many posts as requests at once are taken; more are asked to come again, and do.
    """
    endpoint = station.endpoint("latency=0.5")
    running, url = listening(station, endpoint={"base_url": endpoint.url, "concurrency": 2})

    def booth(number: int) -> tuple[int, int]:
        image, refused = picture(f"#{number:02x}8040"), 0
        while True:
            answer = post(url, image, key=f"booth {number}", prompt="blue")
            if answer.status_code != 503:
                return answer.status_code, refused
            assert answer.headers["retry-after"]
            refused += 1
            running.until(lambda: len(station.tree("outbox")) > 0)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(booth, range(8)))

    assert [status for status, _ in found] == [200] * 8
    assert len(endpoint.requests) == len(station.tree("outbox")) == 8
    assert running.end(signal.SIGTERM) == 0


def test_a_full_disk_is_told_and_takes_nothing(station: Station) -> None:
    """
    507 where the inbox is short of room, and it passes once there is some; /tmp may be as small as it likes.
    """
    endpoint = station.endpoint()
    (temporary := station.home / "tmp").mkdir()
    station.environment["TMPDIR"] = os.fspath(temporary)
    large = picture() + b"\0" * 6_000_000
    with mounted_tmpfs(temporary, megabytes=1):
        running, url = listening(station, endpoint={"base_url": endpoint.url})
        with mounted_tmpfs(station.folders.inbox, megabytes=8):
            short = post(url, picture("red"), prompt="blue")
            assert (short.status_code, short.json()["error"]["code"]) == (507, "no_space")
        assert post(url, large, prompt="blue").status_code == 200
        assert station.tree("inbox") == []
        assert running.end(signal.SIGTERM) == 0


async def test_an_upload_that_fills_the_disk_is_refused(tmp_path: Path) -> None:
    """
    In the folder where it lies meanwhile, which is named; nothing of it is left there.
    """

    async def taken(request: Request) -> Response:
        async with read_post(request, 10**8, tmp_path) as found:
            return Response(found.extension)

    def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, PostRefused)
        return Response(str(error), error.status)

    app = Starlette(
        routes=[Route("/edit", taken, methods=["POST"])], exception_handlers={PostRefused: refused}
    )
    with mounted_tmpfs(tmp_path, megabytes=4):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")
        for size, status in ((6_000_000, 507), (2_000_000, 200)):
            files = {"image": ("a.png", picture() + b"\0" * size, "image/png")}
            answer = await client.post("/edit", files=files, data={"prompt": "blue"})
            assert answer.status_code == status, answer.text
            assert status == 200 or os.fspath(tmp_path) in answer.text
        assert list(tmp_path.iterdir()) == []
        assert os.statvfs(tmp_path).f_bfree == os.statvfs(tmp_path).f_blocks


def test_a_post_too_many_is_asked_to_come_again(station: Station) -> None:
    """
    Two wait while one request may be out; the third is turned away unread, and nobody else is.
    """
    endpoint = station.endpoint("latency=4")
    running, url = listening(station, endpoint={"base_url": endpoint.url, "concurrency": 1})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(post, url, picture(c), prompt=c) for c in ("red", "blue")]
        running.until(lambda: len(station.tree("inbox") + station.tree("work")) > 4)
        running.until(lambda: endpoint.requests)
        third = post(url, picture(), prompt="x", key="third")
        assert httpx.get(f"{url}/livez").status_code == 200
        if not any(each.done() for each in waiting):
            assert (third.status_code, third.json()["error"]["code"]) == (503, "busy")
            assert third.headers["retry-after"] == "10"
        assert [each.result().status_code for each in waiting] == [200, 200]
    assert post(url, picture(), prompt="x", key="third").status_code == 200
    assert len(endpoint.requests) == 3
    assert running.end(signal.SIGTERM) == 0


def test_who_does_not_wait_is_told_where_to_ask(station: Station) -> None:
    """
    202 with an address, which tells how it stands and then has the picture; several results are linked.
    """
    endpoint = station.endpoint("latency=1")
    running, url = listening(station, endpoint={"base_url": endpoint.url})

    answer = post(url, picture(), wait=None, prompt="blue", n="2")

    assert answer.status_code == 202
    address = answer.headers["location"]
    assert answer.json()["address"] == address
    assert answer.json()["state"] in {"inbox", "work"}
    running.until(lambda: httpx.get(f"{url}{address}").status_code == 200)
    found = httpx.get(f"{url}{address}")
    assert found.headers["link"] == f'<{address}/1>; rel="item", <{address}/2>; rel="item"'
    second = httpx.get(f"{url}{address}/2")
    assert is_picture(second.content)
    assert httpx.get(f"{url}{address}/3").status_code == 404
    assert httpx.get(f"{url}/edit/post-0123456789abcdef").status_code == 404
    for path in station.folders.outbox.iterdir():
        path.unlink()
    assert httpx.get(f"{url}{address}").json()["error"]["code"] == "gone"
    assert running.end(signal.SIGTERM) == 0


def test_a_mask_and_references_go_along(station: Station) -> None:
    """
    The references lie in a folder of their own until the job is over, and then nowhere; they have come whole.
    """
    endpoint = station.endpoint()
    running, url = listening(
        station, endpoint={"base_url": endpoint.url}, intake={"settle_seconds": 600}
    )
    mask = Image.new("RGBA", (48, 32), (0, 0, 0, 0))
    mask.save(station.home / "mask.png")

    answer = post(
        url,
        picture(),
        prompt="blue",
        mask=(station.home / "mask.png").read_bytes(),
        references=[picture("red"), picture("gold", kind="JPEG")],
    )

    assert answer.status_code == 200, answer.text
    (seen,) = endpoint.seen
    assert len(seen["pictures"]) == 4
    running.until(lambda: list(station.folders.inbox.iterdir()) == [])
    assert running.end(signal.SIGTERM) == 0


def test_a_twin_is_not_bought_twice(station: Station) -> None:
    """
    In work it is waited for; done, its result is the answer; gone, it is said, and again=true buys it.
    """
    endpoint = station.endpoint("latency=1.5")
    running, url = listening(station, endpoint={"base_url": endpoint.url})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, url, picture(), prompt="blue")
        running.until(lambda: endpoint.requests)
        twin = post(url, picture(), prompt="blue")
        one = first.result()

    later = post(url, picture(), prompt="blue", key="third")

    assert [each.status_code for each in (one, twin, later)] == [200] * 3
    assert twin.headers["retouchd-same-as"] == later.headers["retouchd-same-as"]
    assert later.headers["retouchd-same-as"] == one.headers["retouchd-job"]
    assert one.content == twin.content == later.content
    assert station.tree("inbox") == []
    assert len(endpoint.requests) == 1

    (station.folders.outbox / station.tree("outbox")[0]).unlink()
    gone = post(url, picture(), prompt="blue", key="fourth")
    assert (gone.status_code, gone.json()["error"]["code"]) == (409, "edited_before")
    again = post(url, picture(), prompt="blue", key="fourth", again="true")
    assert again.status_code == 200
    assert "retouchd-same-as" not in again.headers
    assert len(endpoint.requests) == 2
    assert running.end(signal.SIGTERM) == 0


def test_what_cannot_be_is_refused_before_anything_is_dropped(station: Station) -> None:
    """
    Each fault by its name, with what is known; nothing lies in the inbox.
    """
    running, url = listening(station, web={"max_upload_mb": 0.2})
    good = picture()
    refused = {
        "prompt_missing": post(url, good),
        "parameter_invalid": post(url, good, prompt="blue", qualty="low", n="many"),
        "folder_invalid": post(url, good, prompt="blue", folder="../outbox"),
        "image_unsupported": post(url, b"%PDF-1.7 not a picture", prompt="blue"),
        "too_large": post(url, os.urandom(300_000), prompt="blue"),
        "image_missing": httpx.post(f"{url}/edit", files={"mask": ("m.png", good)}),
        "unsupported_media_type": httpx.post(f"{url}/edit", json={"image": "x"}),
    }

    for code, answer in refused.items():
        assert answer.json()["error"]["code"] == code, answer.text
    latin = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\xfe\r\n--b--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=b"}
    strange = [
        httpx.post(f"{url}/edit", content=latin, headers=kind),
        httpx.post(f"{url}/edit", content=latin, headers={"content-type": "multipart/form-data"}),
        httpx.post(f"{url}/edit", content=b"--b\r\nno header\r\n", headers=kind),
    ]
    assert [each.status_code for each in strange] == [400] * 3
    assert not running.events("web.crashed")
    statuses = {code: answer.status_code for code, answer in refused.items()}
    assert statuses == {
        "prompt_missing": 400,
        "parameter_invalid": 400,
        "folder_invalid": 400,
        "image_unsupported": 415,
        "too_large": 413,
        "image_missing": 400,
        "unsupported_media_type": 415,
    }
    problems = refused["parameter_invalid"].json()["error"]["problems"]
    assert any("did you mean quality?" in each for each in problems)
    assert [path for path in station.folders.inbox.rglob("*") if path.is_file()] == []
    (station.folders.inbox / "_prompt.txt").write_text("make it blue")
    assert post(url, good).status_code == 200
    assert running.end(signal.SIGTERM) == 0


def test_what_fails_is_told_with_its_reason(station: Station) -> None:
    """
    A refusal is the sender's matter (422); its files lie in error/ as any other's.
    """
    endpoint = station.endpoint("policy")
    running, url = listening(station, endpoint={"base_url": endpoint.url})

    answer = post(url, picture(), prompt="something bad", key="k")

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "content_policy"
    assert answer.json()["error"]["hint"]
    assert len([name for name in station.tree("error") if name.endswith(".png")]) == 1
    assert post(url, picture(), prompt="something bad", key="k").status_code == 422
    assert len(endpoint.requests) == 1
    assert running.end(signal.SIGTERM) == 0


def test_a_pause_keeps_the_picture_and_nobody_waiting(station: Station) -> None:
    """
    503 for who wants to wait, 202 for who does not, with the reason; it is edited once that is over.
    """
    endpoint = station.endpoint("quota:times=1")
    running, url = listening(station, endpoint={"base_url": endpoint.url})

    waited = post(url, picture(), prompt="blue", key="one")
    told = post(url, picture("red"), prompt="blue", key="two", wait=None)

    assert (waited.status_code, waited.json()["error"]["code"]) == (503, "paused")
    assert waited.headers["retry-after"]
    assert told.status_code == 202
    assert "nothing left to spend" in told.json()["reason"]
    running.tell(signal.SIGHUP)
    running.until(lambda: len(running.events("job.done")) == 2)
    assert post(url, picture(), prompt="blue", key="one").status_code == 200
    assert len(endpoint.requests) == 3
    assert running.end(signal.SIGTERM) == 0


def test_kills_cost_no_booth_a_picture(station: Station) -> None:
    """
    Six booths at once, killed behind an upload, a claim and an answer: each asks again with its key until it
    has its one picture. No answer is bought again, and what was out at a kill is repeated and named.
    """
    endpoint = station.endpoint("latency=0.5")
    running, url = listening(
        station, endpoint={"base_url": endpoint.url, "concurrency": 3, "max_in_doubt": 3}
    )
    keys = [f"booth-{number}" for number in range(6)]

    def booth(key: str) -> httpx.Response:
        image = picture(f"#{zlib.crc32(key.encode()) & 0xFFFFFF:06x}") + b"\0" * 2_000_000
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = post(url, image, key=key, prompt=key)
                if answer.status_code not in {202, 503}:
                    return answer
            time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(len(keys)) as pool:
        booths = [pool.submit(booth, key) for key in keys]
        running.until(lambda: station.tree("inbox") or running.events("job.claimed"))
        for moment in ("job.claimed", "job.ending"):
            running.kill()
            running = restarted(station)
            running.until(partial(running.events, moment))
        running.kill()
        running = restarted(station)
        answers = [each.result() for each in booths]

    assert [answer.status_code for answer in answers] == [200] * len(keys)
    results = {stem_of(key): answer.content for key, answer in zip(keys, answers, strict=True)}
    assert station.tree("outbox") == sorted(f"{stem}.png" for stem in results)
    for stem, result in results.items():
        assert (station.folders.outbox / f"{stem}.png").read_bytes() == result
    records = [station.record(f"done/{stem}.job.json") for stem in results]
    assert len([name for name in station.tree("done") if name.endswith(".job.json")]) == len(keys)
    for record in records:
        verdicts = [each["verdict"] for each in record["attempts"]]
        assert verdicts == ["in_doubt"] * (len(verdicts) - 1) + ["done"]
        assert 1 <= endpoint.requests.count(record["id"]) <= len(verdicts)
    assert [name for name in station.tree("inbox") if not is_drop(name)] == []
    assert running.end(signal.SIGTERM) == 0


def test_a_drop_that_was_cut_short_is_finished(station: Station) -> None:
    """
    The prompt had its name, the picture had not: asked again, it is one job, under the same name.
    """
    endpoint = station.endpoint()
    running, url = listening(station, endpoint={"base_url": endpoint.url})
    first = post(url, picture(), key="guest", prompt="blue", wait=None)
    stem = first.json()["id"]
    running.until(lambda: running.events("job.done"))
    sidecar = (station.folders.done / f"{stem}.toml").read_bytes()
    for folder in ("outbox", "done"):
        for path in (station.root / folder).iterdir():
            path.unlink()
    assert running.end(signal.SIGTERM) == 0
    (station.folders.work / "history.jsonl").unlink()
    (station.folders.inbox / f"{stem}.txt").write_text("blue")
    (station.folders.inbox / f"{stem}.toml").write_bytes(sidecar)

    again = restarted(station)
    answer = post(url, picture(), key="guest", prompt="blue")

    assert answer.status_code == 200, answer.text
    assert names_of_posts(station.tree("done")) == [
        f"POST.{e}" for e in ("job.json", "png", "toml", "txt")
    ]
    assert again.end(signal.SIGTERM) == 0


def test_curl_and_a_browser_s_form(station: Station) -> None:
    """
    One line of a shell; and a form, whose waiting time is a field, as it has no headers of its own.
    """
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    endpoint = station.endpoint()
    running, url = listening(station, endpoint={"base_url": endpoint.url})
    source, target = station.home / "in.png", station.home / "out.png"
    source.write_bytes(picture())

    code = said(
        *(curl, "--silent", "--form", f"image=@{source}", "--form", "prompt=make it blue"),
        *("--header", "Prefer: wait=60", "--output", str(target), "--write-out", "%{http_code}"),
        f"{url}/edit",
    )
    form = httpx.post(
        f"{url}/edit",
        files=[
            ("image", ("a.png", picture("red"), "image/png")),
            ("mask", ("", b"", "application/octet-stream")),
        ],
        data={"prompt": "make it blue", "wait": "60", "folder": ""},
        headers={"Origin": url, "Sec-Fetch-Site": "same-origin"},
        timeout=90,
    )

    assert code == "200"
    assert is_picture(target.read_bytes())
    assert form.status_code == 200, form.text
    assert running.end(signal.SIGTERM) == 0


def test_submit_needs_no_settling_either(station: Station) -> None:
    """
    What `retouchd submit` drops is complete when it has its name.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url}, intake={"settle_seconds": 60})
    (station.home / "cat.png").write_bytes(picture())
    running = station.start("run").ready()

    code, told = station.call("submit", str(station.home / "cat.png"), "--prompt", "blue", "--wait")

    assert code == 0, told.err
    assert json.loads((station.folders.done / "cat.job.json").read_bytes())["status"] == "done"
    assert running.end(signal.SIGTERM) == 0
