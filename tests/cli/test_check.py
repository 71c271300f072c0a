"""
`retouchd check`: all that can be known before the first photo, at once.
"""

import asyncio
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from canary import CANARY
from early_server import close_at_once, error, serving_early
from edits_server import OK, answering, serving
from loop_disk import mounted_tmpfs
from process import RETOUCHD, Station
from retouchd.endpoint.styles.azure import VERSION


@pytest.fixture
def nobody() -> Iterator[str]:
    """
    Give an address on which nobody listens.
    """
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}/v1"


def finding(text: str, what: str) -> str:
    """
    Return the line of the table on one thing.
    """
    return next(line for line in text.splitlines() if line.strip().startswith(what))


def test_a_good_setup_passes(station: Station) -> None:
    """
    0, and a line each for configuration, the six folders, endpoint and model; nothing is changed.
    """
    station.drop("cat.png")
    before = station.originals()

    code, running = station.call("check")

    assert code == 0
    for name, place in station.folders.items():
        assert os.fspath(place) in finding(running.out, name)
    for what in ("configuration", "endpoint", "edit.model"):
        assert " ok " in finding(running.out, what)
    assert "FAULT" not in running.out
    assert station.originals() == before
    assert running.err == ""


def test_the_table_is_plain_text_for_programs(station: Station) -> None:
    """
    Outside a terminal there are neither colours nor the names of colours in it.
    """
    _, running = station.call("check")

    assert "\x1b" not in running.out
    assert "[green]" not in running.out
    assert "[/]" not in running.out


def test_a_terminal_shows_colours_as_colours(station: Station) -> None:
    """
    On a terminal the marks are coloured, not spelt.
    """
    code, shown = station.on_terminal("check")

    assert code == 0
    assert re.search(r"\x1b\[32m\s*ok", shown)
    assert "[green]" not in shown


def test_an_endpoint_that_cannot_be_reached(station: Station, nobody: str) -> None:
    """
    75, and the finding names the address and the key of the configuration.
    """
    station.configure(endpoint={"base_url": nobody})

    code, running = station.call("check")

    assert code == 75
    line = finding(running.out, "endpoint")
    assert nobody in line
    assert "endpoint.base_url" in line


def test_a_proxy_that_is_not_there(station: Station, nobody: str) -> None:
    """
    75, and the finding names the proxy and its variable.
    """
    station.configure(endpoint={"base_url": "http://relay.invalid/v1"})
    proxy = nobody.removesuffix("/v1")

    code, running = station.call("check", http_proxy=proxy)

    assert code == 75
    line = finding(running.out, "endpoint")
    assert f"the proxy {proxy.removeprefix('http://')} (HTTP_PROXY in the environment)" in line


def test_a_proxy_that_wants_a_password(station: Station) -> None:
    """
    75, and the finding says that it is the proxy, not the key.
    """
    station.configure(endpoint={"base_url": "http://relay.invalid/v1"})
    with serving_early(error("407 Proxy Authentication Required", "who"), close_at_once) as proxy:
        code, running = station.call("check", http_proxy=proxy.base_url.removesuffix("/v1"))

    assert code == 75
    line = finding(running.out, "endpoint")
    assert "the proxy on the way to http://relay.invalid/v1 wants a user and a password" in line
    assert "HTTP_PROXY" in line


def test_a_key_that_is_refused(station: Station) -> None:
    """
    75, and the finding names the key of the configuration but never the key itself.
    """
    endpoint = station.run(RETOUCHD, "sandbox", "--port", "0", "--key", "sk-right")
    endpoint.until(lambda: "The key is" in endpoint.out)
    url = re.search(r"http://\S+/v1", endpoint.out)
    assert url is not None
    station.configure(endpoint={"base_url": url[0], "api_key": "sk-CANARY-1234567890"})

    code, running = station.call("check")

    assert code == 75
    assert "endpoint.api_key" in finding(running.out, "endpoint")
    assert "sk-CANARY" not in running.out + running.err


def test_faults_of_folders_and_endpoint_are_found_together(station: Station, nobody: str) -> None:
    """
    78 for folders that are not there, and the endpoint is looked at all the same.
    """
    station.configure(endpoint={"base_url": nobody})
    station.folders.outbox.rmdir()
    station.folders.done.rmdir()

    code, running = station.call("check")

    assert code == 78
    for text in ("folders.outbox", "folders.done", "retouchd init", nobody):
        assert text in running.out
    assert running.out.count("FAULT") == 3


def test_folders_in_one_another(station: Station) -> None:
    """
    78, naming both keys; links are seen through.
    """
    inner = station.folders.inbox / "made"
    inner.mkdir()
    (station.root / "link").symlink_to(inner)
    station.configure(folders={"outbox": "link"})

    code, running = station.call("check")

    assert code == 78
    assert "folders.outbox" in running.out
    assert "lies inside folders.inbox" in running.out


def test_faults_of_the_configuration(station: Station) -> None:
    """
    78 with a line for each, and no traceback.
    """
    station.configure(endpoint={"concurency": 3}, intake={"settle_seconds": "long"})

    code, running = station.call("check")

    assert code == 78
    for text in ("endpoint.concurrency", "intake.settle_seconds"):
        assert text in running.out
    assert "Traceback" not in running.err


def test_configuration_and_folders_are_found_together(station: Station) -> None:
    """
    A bad size in [edit] hides neither the folder that is missing nor the endpoint.
    """
    station.configure(edit={"size": "7x7"})
    station.folders.done.rmdir()

    code, running = station.call("check")

    assert code == 78
    assert "7x7" in running.out
    assert "folders.done" in running.out
    assert finding(running.out, "endpoint")


def test_a_model_that_is_not_listed_is_only_a_warning(station: Station) -> None:
    """
    0: the endpoint may serve what it does not list; the finding names models it has.
    """
    station.configure(edit={"model": "my-own-model"})

    code, running = station.call("check")

    assert code == 0
    line = finding(running.out, "edit.model")
    assert "my-own-model" in line
    assert "gpt-image-2" in line


def test_a_model_that_is_to_be_shut_down_is_a_warning(station: Station) -> None:
    """
    0, and the finding names the day.
    """
    station.configure(edit={"model": "gpt-image-1-mini"})

    code, running = station.call("check")

    assert code == 0
    assert "2026-12-01" in finding(running.out, "edit.model")


def test_it_looks_while_the_daemon_runs(station: Station) -> None:
    """
    A running daemon is no fault and is not disturbed.
    """
    running = station.start("run").ready()

    code, _ = station.call("check")

    assert code == 0
    assert running.process.poll() is None
    assert running.events("watch.mode", "file.left")[1:] == []


def test_it_says_how_new_files_will_be_noticed(station: Station) -> None:
    """
    Having tried it: the mode, why it is that one, and how many watches are left.
    """
    (station.folders.inbox / "shoes").mkdir()

    _, running = station.call("check")

    assert " ok " in finding(running.out, "watching")
    assert "inotify: the inbox lies on" in finding(running.out, "watching")
    assert re.search(r"2 of \d+\s+watches", running.out)

    station.configure(intake={"observer": "polling"})
    _, running = station.call("check")

    assert "polling: intake.observer" in finding(running.out, "watching")


def test_it_says_that_a_small_disk_will_be_a_pause(station: Station) -> None:
    """
    75 with the daemon's own words where there is no room for one answer, a warning where for one at a time.
    """
    with mounted_tmpfs(station.folders.outbox, megabytes=8):
        station.folders.outbox.chmod(0o755)
        code, running = station.call("check")
        assert code == 75
        line = finding(running.out, "room")
        assert "nothing will be sent" in line
        assert os.fspath(station.folders.outbox) in line
    with mounted_tmpfs(station.folders.outbox, megabytes=40):
        code, running = station.call("check")
        assert code == 0
        assert "pause with 4 requests at once" in finding(running.out, "room")


def test_a_key_and_folders_that_others_may_use_are_named(station: Station, tmp_path: Path) -> None:
    """
    Each with what to type; where the way to them is closed, nothing is said.
    """
    station.configure(endpoint={"base_url": station.endpoint().url})
    station.config.chmod(0o644)
    station.folders.inbox.chmod(0o777)
    _, quiet = station.call("check")
    assert "chmod" not in quiet.out, "nobody gets there"
    ways = [path for path in tmp_path.parents if path.stat().st_mode & 0o001 == 0]
    modes = {path: path.stat().st_mode & 0o7777 for path in (tmp_path, *ways)}
    for path, mode in modes.items():
        path.chmod(mode | 0o011)
    try:
        code, running = station.call("check")
        station.config.chmod(0o600)
        for place in station.folders.by_name().values():
            place.chmod(0o2770)
        _, mended = station.call("check")
    finally:
        for path, mode in modes.items():
            path.chmod(mode)

    assert code == 0
    assert f"everybody may read the key in {station.config}: chmod 600" in running.out
    assert f"may put files into {station.folders.inbox}" in running.out
    assert f"may look into {station.folders.outbox}" in running.out
    assert "chmod" not in mended.out
    assert CANARY not in running.out


def test_it_shows_what_would_be_asked(station: Station) -> None:
    """
    For one picture of each folder: line, headers without the key, size, what is left out, price, result; no
    request is made but for the models.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url, "auth": "X-Shop-Key"})
    for name in ("cat.png", "dog.png", "shoes/red.png"):
        station.drop(name)

    code, running = station.call("check")

    assert code == 0
    assert endpoint.requests == []
    shown = running.out.partition("nothing was sent")[2]
    assert re.findall(r"^(\S+\.png) \(", shown, re.MULTILINE) == ["cat.png", "shoes/red.png"]
    assert shown.count(f"POST {endpoint.url}/images/edits\n") == 2
    assert "x-shop-key: **********" in shown
    assert re.search(r"content-length: about \d{3}", shown)
    assert "→ outbox/shoes/red.png, at most $0." in shown
    assert CANARY not in running.out


async def test_what_it_shows_is_what_is_sent(station: Station) -> None:
    """
    Line and headers, byte for byte but for the key, the job's id and a boundary; the length where it is known
    before the picture is made fit.
    """
    async with serving(answering(OK)) as server:
        url = server.base_url.replace("127.0.0.1", "LocalHost")
        models = {"gpt-image-2": "my model/1"}
        reached = {"base_url": f"{url}?group=a b", "style": "azure", "models": models}
        station.configure(endpoint=reached)
        station.drop("cat.png")
        (station.folders.inbox / "wide").mkdir()
        (station.folders.inbox / "wide/dog.txt").write_text("make it blue", "utf-8")
        Image.new("CMYK", (300, 200)).save(station.folders.inbox / "wide/dog.tif")

        _, running = await asyncio.to_thread(station.call, "check")
        await asyncio.to_thread(station.call, "once")

    cat, dog = running.out.partition("nothing was sent:\n\n")[2].split("\n\n")
    sent = next(each for each in server.seen if each.line.startswith("POST"))
    path = f"/v1/openai/deployments/my%20model%2F1/images/edits?group=a%20b&api-version={VERSION}"
    assert sent.line == f"POST {path} HTTP/1.1"
    assert f"POST http://localhost:{server.port}{path}\n" in cat
    shown = dict(re.findall(r"^  ([a-z-]+): (.+)$", cat, re.MULTILINE))
    del shown["model"]
    differ = {name for name in sent.headers | shown if sent.headers.get(name) != shown.get(name)}
    assert differ == {"api-key", "content-length", "content-type", "idempotency-key"}
    assert shown["content-length"] == f"about {sent.headers['content-length']}"
    assert "content-length: known once it is made\n" in dog


def test_with_an_empty_inbox_it_shows_a_made_up_request(station: Station) -> None:
    """
    So that a first setup can be compared with the provider's documents.
    """
    base_url = station.endpoint().url
    station.configure(
        endpoint={"base_url": base_url, "style": "xai", "models": {"gpt-image-2": "grok"}}
    )

    code, running = station.call("check")

    assert code == 0
    assert "xai: xAI's JSON document" in finding(running.out, "style")
    assert "content-type: application/json" in running.out
    assert "model: grok, which is gpt-image-2 (endpoint.models)" in running.out


def test_an_address_that_was_put_right_is_said(station: Station) -> None:
    """
    By `check` and, for those who never run it, in the log.
    """
    base_url = station.endpoint().url
    station.configure(endpoint={"base_url": f"{base_url}/images/edits"})
    station.drop("cat.png")

    code, running = station.call("check")
    once_code, once = station.call("once")

    assert (code, once_code) == (0, 0)
    assert "ends in /images/edits" in finding(running.out, "address")
    assert "endpoint.corrected" in once.err
    assert station.tree("outbox") == ["cat.png"]


@pytest.mark.parametrize("style", ["auto", "azure", "openrouter"])
def test_an_address_that_is_none_is_a_fault(station: Station, style: str) -> None:
    """
    78, and the sentence names it.
    """
    station.configure(endpoint={"base_url": "http://[::1", "style": style})

    code, running = station.call("check")

    assert code == 78
    assert "'http://[::1' is not an http or https URL" in running.out
    assert running.err == ""


def test_captions_that_are_sent_are_warned_of(station: Station) -> None:
    """
    Who turns them on may not think of the names and places in them.
    """
    station.configure(intake={"embedded_prompt": "caption"})

    _, running = station.call("check")

    assert "captions hold names and places" in running.out
