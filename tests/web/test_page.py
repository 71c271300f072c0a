"""
The page in a real browser beside a real daemon: dropped, seen live, compared, retried, paused, and safe.
"""

import base64
import datetime as dt
import http.server
import io
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from browser import faults_of, keep_shot, opened_browser
from documents import ROOT
from process import Running, Station
from web_station import listening, picture, restarted

pytestmark = pytest.mark.slow(60)

PHOTOS = ROOT / "daemon/retouchd/cli/photos"
SHOTS = ROOT / "docs/page" if os.environ.get("SCREENSHOTS") else None
ALL, LOOK = "acts-0123456789abcdef", "looks-0123456789abcdef"
_HTML = "text/html; charset=utf-8"
CLICK_TWICE = """() => {
  let sent = 0;
  window.addEventListener("submit", (event) => { sent += !event.defaultPrevented; });
  for (let time = 0; time < 2; time += 1) document.querySelector(".again button").click();
  return sent;
}"""
"""Clicks twice, and returns how often the form is sent."""
SEND_AND_DROP = """(data) => {
  document.querySelector("#drop > button").click();
  const late = new DataTransfer();
  late.items.add(new File([new Uint8Array(data)], "late.png"));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: late }));
}"""
"""What is dropped onto the page while other photos are being sent."""
HOSTILE = (
    "<script>alert(1)</script>",
    "a\u202egnp.exe",
    "ü" * 121,
    "'\"><img src=x onerror=alert(1)>",
)


expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """
    The browser, without any page of another test: each would ask for ever after a daemon that is gone.
    """
    yield chromium
    for context in chromium.contexts:
        context.close()


def opened(browser: Browser, url: str, **options: Any) -> Page:
    size = options.pop("viewport", {"width": 1280, "height": 800})
    page = browser.new_context(viewport=size, **options).new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    return page


def at(line: dict[str, Any]) -> float:
    return dt.datetime.fromisoformat(line["timestamp"]).timestamp()


def test_a_photo_is_dropped_seen_compared_retried_and_paused(  # noqa: PLR0915 - one browser
    browser: Browser, station: Station, tmp_path: Path
) -> None:
    """
    What is dropped on the page appears by itself; the slider moves by keys; a failed one is tried again; Pause
    sends nothing, over a restart too. Nothing on any of the pages keeps somebody from using it.
    """
    shots = SHOTS or tmp_path / "shots"
    running, url = listening(station, budget={"usd_per_day": 20})
    page = opened(browser, url)
    faults: list[str] = []
    page.on("console", lambda line: faults.append(line.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    assert faults_of(page) == []

    for number, (name, prompt) in enumerate(
        {
            "rocket.jpg": "sepia",
            "cat.jpg": "with a caption 'Chelsea'",
            "coffee.jpg": "改成蓝色",
        }.items()
    ):
        page.fill("#prompt", prompt)
        page.set_input_files("input[type=file]", PHOTOS / name)
        page.click("#drop button")
        page.locator(".tile").nth(number).wait_for()

    done = running.events("job.done")
    assert [each["name"] for each in done] == ["rocket.jpg", "cat.jpg", "coffee.jpg"]
    (station.folders.inbox / "portrait.txt").write_text("  \n")
    shutil.copy(PHOTOS / "cat.jpg", station.folders.inbox / "portrait.jpg")
    page.locator(".errors .job").wait_for()
    assert page.inner_text(".errors .reason") == "portrait.txt holds no text."
    assert faults_of(page) == []
    page.fill("#prompt", "")
    expect(page.locator("#figures dd").nth(1)).to_have_text("1")
    keep_shot(page, "overview", shots)
    phone = opened(
        browser, url, color_scheme="dark", locale="zh-CN", viewport={"width": 390, "height": 844}
    )
    phone.locator(".tile img").first.wait_for()
    keep_shot(phone, "phone", shots)
    phone.context.close()

    page.click(".tile a")
    stage, slider = page.locator(".stage"), page.locator(".slider")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert stage.evaluate("each => each.style.getPropertyValue('--at')") == "60%"
    page.locator("[data-hold]").dispatch_event("pointerdown")
    assert "held" in (stage.get_attribute("class") or "")
    page.locator("[data-hold]").dispatch_event("pointerup")
    assert "held" not in (stage.get_attribute("class") or "")
    page.click("[data-zoom]")
    expect(page.locator(".stage .after")).to_have_attribute("src", re.compile("/1/file$"))
    page.click("[data-zoom]")
    assert faults_of(page) == []
    page.evaluate("scrollTo(0, 0)")
    keep_shot(page, "job", shots)

    page.fill("#prompt-1", "grey")
    page.click(".again button")
    page.locator(".tile").nth(3).wait_for()
    assert station.tree("outbox")[-3:] == ["coffee.png", "coffee_2.png", "rocket.png"]
    again = station.record("done/coffee_2.job.json")
    assert (again["request"]["prompt"], again["error"]) == ("grey", None)

    failed = running.events("job.failed")[-1]["job"]
    page.click(".errors .name")
    assert faults_of(page) == []
    page.click("#retry")
    running.until(lambda: len(running.events("job.failed")) == 2)
    assert station.record("error/portrait.job.json")["previous"] == failed

    page.goto(f"{url}/wall")
    page.locator(".pair").first.wait_for()
    assert faults_of(page) == []
    keep_shot(page, "wall", shots)
    page.goto(f"{url}/jobs?q=cat")
    assert page.locator(".tile").count() == 1
    assert faults_of(page) == []

    page.goto(url)
    page.route("**/events", lambda route: route.fulfill(status=502))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator("#lost").wait_for()
    page.unroute("**/events")
    page.locator("#lost").wait_for(state="hidden")
    faults.clear()
    page.click("#pause")
    page.locator(".pill.person").wait_for()
    running.until(lambda: running.events("daemon.paused"))
    assert running.events("daemon.paused")[0]["cause"] == "person"
    assert running.end(signal.SIGTERM) == 0
    running = restarted(station)
    page.goto(url)
    station.drop("late.png")
    running.until(lambda: station.status()[1]["ready"])
    assert "somebody has paused it" in station.status()[1]["attention"][0]
    assert running.events("request.sent") == []
    assert faults_of(page) == []
    page.click("#pause")
    running.until(lambda: running.events("job.done"))
    page.locator(".pill.running").wait_for()
    assert faults == []
    assert running.end(signal.SIGTERM) == 0


def test_it_is_readable_in_the_dark_on_a_phone_and_in_chinese(
    browser: Browser, station: Station
) -> None:
    """
    With 10,000 jobs too: the first page and those behind it come at once, and nothing is wider than the screen.
    """
    filled(station, 10_000)
    for number in range(5):
        (station.folders.inbox / f"w{number}.png").write_bytes(picture())
    (station.folders.inbox / "lonely.txt").write_text("sepia")
    running, url = listening(station)
    running.until(lambda: len(station.status()[1]["waiting"]) == 6)
    dark = {"color_scheme": "dark", "locale": "zh-CN"}
    page = opened(browser, url, **dark)
    assert page.inner_text("h1") == "概览"
    summary = page.locator(".waiting summary")
    assert summary.inner_text() == "5 个文件 等待提示词"
    summary.click()
    assert page.locator(".waiting li li").count() == 5
    assert "lonely.txt 等待照片" in page.inner_text(".waiting")
    assert faults_of(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/", "/wall", "/jobs", "/jobs/20261101-120000-00000001"):
        page.goto(url + path)
        assert faults_of(page) == [], path
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, path
    page.goto(f"{url}/jobs")
    page.click("a[rel=next]")
    assert page.locator(".tile .name").first.inner_text() == "set/p09951.png"
    begun = time.monotonic()
    assert httpx.get(f"{url}/jobs?q=p00001").text.count('class="tile"') == 1
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("stem", HOSTILE, ids=["script", "bidi", "long", "attribute"])
def test_hostile_names_and_prompts_stay_text(browser: Browser, station: Station, stem: str) -> None:
    """
    Nothing of them is run, and none leaves the folders.
    """
    name = f"{stem}.png".replace("/", "\u2215")
    prompt = f"blue </textarea></bdi>{stem}"
    (station.folders.inbox / f"{name[:-4]}.txt").write_text(prompt, "utf-8")
    (station.folders.inbox / name).write_bytes(picture())
    running, url = listening(station)
    running.until(lambda: running.events("job.done"))
    page = opened(browser, url)
    ran: list[str] = []
    page.on("dialog", lambda dialog: ran.append(dialog.message))
    assert "\u202e" not in page.inner_text(".tile .name"), "a name is read as another one"

    page.click(".tile a")

    assert page.input_value("#prompt-1") == prompt
    assert page.evaluate("document.querySelectorAll('script:not([src]), img[onerror]').length") == 0
    page.locator(".stage .after").evaluate("(img) => img.decode()")
    assert ran == []


def filled(station: Station, count: int) -> None:
    """
    Have so many jobs ended, by the history alone: their pictures were tidied away.
    """
    with (station.folders.work / "history.jsonl").open("w") as history:
        for number in range(count):
            line = {
                "id": f"20261101-120000-{number:08x}",
                "previous": None,
                "status": "error" if number % 10 == 9 else "done",
                "name": f"p{number:05}",
                "image": f"p{number:05}.png",
                "folder": "set",
                "claimed_at": "2026-11-01T12:00:00Z",
                "finished_at": "2026-11-01T12:00:10Z",
                "outputs": [f"set/p{number:05}.png"],
                "attempts": 1,
                "in_doubt": 0,
                "cost_usd": 0.04,
                "in_doubt_usd": 0,
                "charges": [],
                "code": "refused" if number % 10 == 9 else None,
                "record": f"p{number:05}.job.json",
            }
            history.write(json.dumps(line) + "\n")


def test_what_has_changed_is_told_within_a_second_and_silent_readers_cost_nothing(
    station: Station,
) -> None:
    """
    Thirty clients that never read what they are told hold up no job, no other reader, and not the stop.
    """
    running, url = listening(station)
    host, port = "127.0.0.1", int(url.rpartition(":")[2])
    silent = []
    for _ in range(30):
        client = socket.create_connection((host, port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        silent.append(client)
    with httpx.stream("GET", f"{url}/events", timeout=60) as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("data:"))
        for number in range(8):
            station.drop(f"{number}.png")
        running.until(lambda: len(running.events("job.done")) == 8)
        last = at(running.events("job.done")[-1])
        told = next(line for line in lines if line.startswith("data:"))
        shown = httpx.get(url).text
        assert told
        assert shown.count('class="tile"') == 8
        assert time.time() - last < 10
    begun = time.monotonic()
    assert running.end(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 20
    for client in silent:
        client.close()


def test_of_several_edits_it_is_told_how_many_are_done(station: Station) -> None:
    """
    While the photo is in work, in either language.
    """
    station.drop("cat.png")
    edits = '[[edits]]\nname = "warm"\n[[edits]]\nname = "bw"\nprompt = "make it grey"\n'
    (station.folders.inbox / "cat.toml").write_text(edits)
    running, url = listening(station, budget={"images_per_day": 1})

    def shows(told: str, language: str) -> bool:
        return told in httpx.get(url, headers={"accept-language": language}).text

    running.until(lambda: shows("1 of 2 edits done", "en"))
    assert shows("2 项编辑已完成 1 项", "zh")


def test_who_may_only_look_sees_nothing_to_act_with(station: Station) -> None:
    """
    And may not by hand either; nor may another site's page, nor anybody under another name of this machine.
    """
    station.drop("cat.png")
    running, url = listening(
        station, web={"token": ALL, "read_token": LOOK, "root_path": "/retouch"}
    )
    running.until(lambda: running.events("job.done"))
    job = running.events("job.done")[0]["job"]
    paths = ["", "/wall", "/jobs", f"/jobs/{job}", f"/jobs/{job}/1/480.webp", f"/jobs/{job}/1/file"]
    acts = ["/pause", "/resume", "/drop", f"/jobs/{job}/again", f"/jobs/{job}/retry"]
    with httpx.Client(base_url=f"{url}/retouch") as stranger:
        assert {stranger.get(each).status_code for each in (*paths, "/events")} == {401}
        assert "Token" in stranger.get("/login").text
        assert stranger.get("/static/page.css").status_code == 200
    looks = httpx.Client(base_url=f"{url}/retouch", headers={"authorization": f"Bearer {LOOK}"})
    with looks:
        pages = [looks.get(each) for each in paths]
        assert {each.status_code for each in pages} == {200}
        for page in pages[:4]:
            forms = set(re.findall(r'<form[^>]* action="([^"]*)"', page.text))
            assert forms <= {"/retouch/logout", "/retouch/jobs"}
            assert not re.findall(r'(?:href|src)="/(?!retouch)', page.text)
        assert {looks.post(each).status_code for each in acts} == {403}
        login = httpx.get(f"{url}/retouch/login").text
        assert not re.findall("/retouch/(logout|wall|jobs)", login)
        out = looks.post("/logout")
        assert (out.status_code, out.headers["location"]) == (303, "/retouch/login")
    with httpx.Client(
        base_url=f"{url}/retouch", headers={"authorization": f"Bearer {ALL}"}
    ) as acting:
        foreign = {"origin": "https://evil.example"}
        assert {acting.post(each, headers=foreign).status_code for each in acts} == {403}
        assert acting.post("/pause").status_code == 303
        assert (station.folders.work / "paused.json").exists()
    assert running.end(signal.SIGTERM) == 0

    running, url = listening(station)
    for path in ("/", "/events", f"/jobs/{job}/1/file"):
        foreign = {"host": "evil.example"}
        assert httpx.get(url + path, headers=foreign).status_code == 421
    for path, more, status in (
        ("/", {"host": "evil.example"}, 421),
        ("/nowhere", {}, 404),
        ("/jobs/nobody", {}, 404),
        ("/pause", {}, 405),
    ):
        chinese = {"accept": "text/html", "accept-language": "zh", **more}
        answer = httpx.get(url + path, headers=chinese)
        assert (answer.status_code, answer.headers["content-type"]) == (status, _HTML), path
        assert "操作没有成功" in answer.text


def test_nothing_outside_the_folders_is_served(station: Station) -> None:
    """
    Whatever a history or a record says, and whatever lies behind links.
    """
    filled(station, 3)
    history = station.folders.work / "history.jsonl"
    text = history.read_text().replace("set/p00001.png", "../config.toml")
    history.write_text(text.replace("set/p00000.png", "out.png"))
    (station.folders.outbox / "out.png").symlink_to(station.config)
    running, url = listening(station)
    for number in (0, 1):
        for path in (
            "1/file",
            "1/480.webp",
            "before/file",
            "2/file",
            f"{quote('..', safe='')}/file",
        ):
            answer = httpx.get(f"{url}/jobs/20261101-120000-0000000{number}/{path}")
            assert answer.status_code == 404, path
    for path in (
        "static/..%2fpage.py",
        "jobs/%00/before/480.webp",
        f"jobs/{'a' * 300}/before/480.webp",
        "jobs/20261101-120000-00000000/01/480.webp",
        "jobs/20261101-120000-00000000/%D9%A1/480.webp",
    ):
        assert httpx.get(f"{url}/{path}").status_code == 404, path
    assert running.events("web.crashed") == []


BOOTH = """<!doctype html><title>booth</title><p id=said><script>
const form = new FormData();
form.set("image", new Blob([Uint8Array.from(atob("%s"), each => each.charCodeAt(0))]), "guest.png");
form.set("prompt", "blue");
const headers = {"Authorization": "Bearer %s", "Idempotency-Key": "guest", "Prefer": "wait=60"};
fetch("%s/edit", {method: "POST", headers, body: form})
  .then(async answer => [answer.status, answer.headers.get("retouchd-job"), (await answer.blob()).type])
  .catch(error => [error.name]).then(found => { said.textContent = found.join(" "); });
</script>"""


def test_a_page_elsewhere_posts_if_its_origin_is_named(browser: Browser, station: Station) -> None:
    """
    A booth's own page sends key and token by a script, and sees the picture; another one gets nothing.
    """
    pages: dict[str, str] = {}

    class Shop(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(pages["booth"].encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop) as shop:
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        named = f"http://127.0.0.1:{shop.server_port}"
        web = {"origins": [named], "token": "secret-of-the-booth"}
        running, url = listening(station, web=web)
        image = base64.b64encode(picture()).decode()
        pages["booth"] = BOOTH % (image, web["token"], url)
        page = browser.new_page()

        page.goto(f"http://localhost:{shop.server_port}")
        expect(page.locator("#said")).to_have_text("TypeError")
        assert station.tree("inbox") == station.tree("done") == []
        page.goto(named)
        told = re.compile(r"200 \S+ image/png")
        expect(page.locator("#said")).to_have_text(told)

        page.close()
        shop.shutdown()
    assert running.end(signal.SIGTERM) == 0


def test_a_pause_holds_whoever_makes_it(station: Station) -> None:
    """
    By the command without a daemon too, by `once`; it is told what it is, and ends by the command alone.
    """
    station.drop("cat.png")
    code, said = station.call("pause")
    assert (code, said.out.partition(":")[0]) == (0, "Paused")
    assert station.call("pause")[1].out.startswith("It is paused already, since")
    code, told = station.call("once")
    assert (code, station.tree("inbox")) == (75, ["cat.png", "cat.txt"]), told.err
    assert station.call("resume")[1].out == "It goes on.\n"
    assert station.call("resume")[1].out == "Nobody has paused it.\n"
    running: Running = station.start("once")
    assert running.end() == 0
    assert station.tree("outbox") == ["cat.png"]


def test_results_are_reviewed_and_asked_for_again(
    browser: Browser, station: Station, tmp_path: Path
) -> None:
    """
    Large pairs, decided by keys: what is approved lies in the outbox, what is rejected is gone after a second
    question, and one of several edits is asked for once more with what its record says.
    """
    running, url = listening(station, output={"review": True})
    inbox = station.folders.inbox
    for name in ("rocket.jpg", "coffee.jpg"):
        (inbox / name).with_suffix(".txt").write_text("sepia")
        shutil.copy(PHOTOS / name, inbox / name)
    (inbox / "cat.toml").write_text(
        '[[edits]]\nname = "warm"\nprompt = "make it sepia"\nquality = "low"\noutput.format = "webp"\n'
        '[[edits]]\nname = "cold"\nprompt = "make it blue"\noutput.review = false\n'
    )
    shutil.copy(PHOTOS / "cat.jpg", inbox / "cat.jpg")
    running.until(lambda: len(running.events("job.done")) == 3)
    assert station.tree("outbox") == ["cat-cold.png"]
    page = opened(browser, f"{url}/review")
    page.locator("[data-review]").nth(2).wait_for()
    assert faults_of(page) == []
    keep_shot(page, "review", SHOTS or tmp_path / "shots")
    assert httpx.get(f"{url}/wall").text.count("<article") == 1, "what nobody has approved is shown"

    asking = page.locator("[data-review]").first.locator("form[action$=again]")
    again = asking.get_attribute("action")
    instead = asking.locator("[name=instead]").get_attribute("value")
    last = page.locator("[data-review]").last
    last.locator("summary").click()
    last.locator("textarea").fill("in autumn")
    last.locator("textarea").blur()
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("[data-review]")).to_have_count(2)
    expect(last.locator("textarea")).to_be_visible()
    expect(last.locator("textarea")).to_have_value("in autumn")
    answer = httpx.post(f"{url}{again}", data={"prompt-1": "in winter", "instead": instead})
    assert answer.status_code == 409, "it is charged, and its maker was told that it did not work"
    page.keyboard.press("r")
    expect(page.locator("[data-sure]").first).to_have_text("Delete it for good?")
    page.keyboard.press("r")
    expect(page.locator("[data-review]")).to_have_count(1)
    assert httpx.get(f"{url}/wall").text.count("<article") == 2
    left = {*station.tree("review"), *station.tree("outbox")}
    assert len(left) == 3
    assert len(station.tree("review")) == 1

    page.goto(f"{url}/jobs?q=cat")
    page.click(".tile a")
    page.fill("#prompt-1", "make it sepia, darker")
    page.fill("#prompt-2", "")
    assert page.evaluate(CLICK_TWICE) == 1, "it is paid for twice"
    running.until(lambda: len(running.events("job.done")) == 4)
    (edit,) = station.record("done/cat_2.job.json")["edits"]
    assert (edit["name"], edit["request"]["prompt"]) == ("warm", "make it sepia, darker")
    assert edit["request"]["quality"] == "low"
    assert edit["output"] == {"format": "webp", "review": True}
    assert station.tree("review")[-1] == "cat_2-warm.webp"
    assert running.end(signal.SIGTERM) == 0
    assert len(running.events("job.claimed")) == 4


def test_a_mask_references_and_a_folder_are_dropped_with_several_photos(
    browser: Browser, station: Station, tmp_path: Path
) -> None:
    """
    Photos of any kind that the inbox takes; what cannot be taken is named, and the others go on.
    """
    (station.folders.inbox / "shoes").mkdir()
    running, url = listening(station, web={"max_upload_mb": 2})
    page = opened(browser, url, locale="zh-CN")
    files = {
        "red.tif": picture("red", kind="TIFF"),
        "wide.avif": picture("navy", kind="AVIF"),
        "notes.png": b"no picture at all",
        "huge.bmp": picture("red", (1200, 800), "BMP"),
    }
    for name, data in {
        **files,
        "mask.png": picture_with_hole(),
        "floor.webp": picture("tan", kind="WEBP"),
    }.items():
        (tmp_path / name).write_bytes(data)
    page.fill("#prompt", "sepia")
    page.click(".more summary")
    assert page.locator("#folders option").get_attribute("value") == "shoes"
    page.fill("[name=folder]", "shoes")
    page.set_input_files("[name=mask]", tmp_path / "mask.png")
    page.set_input_files("[name=reference]", tmp_path / "floor.webp")
    page.set_input_files("[name=image]", [tmp_path / name for name in files])
    assert faults_of(page) == []
    page.evaluate(SEND_AND_DROP, list(picture("teal")))

    expect(page.locator("#drop-told.fault p")).to_have_count(2)
    told = page.locator("#drop-told p").all_inner_texts()
    assert told[0].startswith("notes.png: 不支持这种图片格式。（")
    assert told[1].startswith("huge.bmp: 文件太大")
    chosen = "[...document.querySelector('[name=image]').files].map((each) => each.name)"
    assert page.evaluate(chosen) == ["notes.png", "huge.bmp"], (
        "what else is sent again is there twice"
    )
    running.until(lambda: len(running.events("job.done")) == 3)
    assert station.tree("outbox") == ["shoes/late.png", "shoes/red.png", "shoes/wide.png"]
    request = station.record("done/shoes/red.job.json")["request"]
    assert request["mask"] == "red.mask.png"
    (reference,) = request["images"][1:]
    assert re.fullmatch(r"shoes/_references/[0-9a-f]{16}\.webp", reference)
    assert station.record("done/shoes/wide.job.json")["request"]["images"][1:] == [reference]
    assert running.end(signal.SIGTERM) == 0


def picture_with_hole() -> bytes:
    image = Image.new("RGBA", (48, 32), "white")
    image.paste((0, 0, 0, 0), (0, 0, 24, 32))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
