"""
What programs ask for as JSON: as the OpenAPI document says, page by page, and with schemas that hold.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema
from openapi_spec_validator import validate

from process import RETOUCHD, Station
from retouchd.cli.init import text_of
from retouchd.web.openapi import document
from web_station import free_port, listening, picture, post

TOKEN, READ = "0123456789abcdef-act", "0123456789abcdef-look"


def routes() -> set[str]:
    source = (Path(sys.modules["retouchd"].__path__[0]) / "web/app.py").read_text()
    return {each.replace(":int", "") for each in re.findall(r'Route\(\s*"(/[^"]*)"', source)}


def test_the_document_is_valid_and_has_every_route() -> None:
    """
    Pages of a browser apart.
    """
    found = document("/retouch")

    validate(found)
    assert set(found["paths"]) == routes() - {"/", "/logout"}


def test_answers_are_as_the_document_says(station: Station) -> None:
    """
    Each kind of answer holds against its schema.
    """
    running, url = listening(station)
    schemas = document("")["components"]["schemas"]

    def holds(name: str, answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        body = answer.json()
        jsonschema.validate(
            body, {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        )
        return body

    told = holds("Standing", post(url, picture(), wait=None, prompt="blue"), 202)
    running.until(lambda: running.events("job.done"))
    standing = httpx.get(f"{url}{told['address']}", headers={"accept": "application/json"})
    holds("Standing", standing, 200)
    holds("Error", post(url, picture()), 400)
    holds("Alive", httpx.get(f"{url}/livez"), 200)
    # It tells what the run last wrote into its status.
    running.until(lambda: httpx.get(f"{url}/readyz").is_success)
    holds("Ready", httpx.get(f"{url}/readyz"), 200)
    status = holds("Status", httpx.get(f"{url}/api/status.json"), 200)
    jobs = holds("Jobs", httpx.get(f"{url}/api/jobs"), 200)
    holds("Error", httpx.get(f"{url}/nowhere"), 404)
    holds("Error", httpx.put(f"{url}/edit"), 405)
    validate(httpx.get(f"{url}/api/openapi.json").json())
    assert (status["state"], status["today"]["done"]) == ("running", 1)
    assert [each["status"] for each in jobs["jobs"]] == ["done"]
    assert running.end(signal.SIGTERM) == 0


def test_finished_jobs_come_page_by_page(station: Station) -> None:
    """
    Each once, new ones too; a history that was replaced is told of, a torn line passed over.
    """
    history = station.folders.work / "history.jsonl"
    lines = [
        json.dumps({"id": f"job{n}", "status": "done", "finished_at": "2026-01-01T00:00:00Z"})
        for n in range(25)
    ]
    history.write_text("\n".join([*lines[:10], "{torn", *lines[10:]]) + "\n")
    running, url = listening(station)
    seen, after, pages = [], "", 0
    while True:
        page = httpx.get(f"{url}/api/jobs", params={"after": after, "limit": "7"}).json()
        seen += [each["id"] for each in page["jobs"]]
        after, pages = page["next"], pages + 1
        if page["is_last"]:
            break

    assert seen == [f"job{n}" for n in range(25)]
    assert pages == 4
    assert httpx.get(f"{url}/api/jobs", params={"after": after}).json()["jobs"] == []
    assert post(url, picture(), prompt="blue").status_code == 200
    (new,) = httpx.get(f"{url}/api/jobs", params={"after": after}).json()["jobs"]
    assert new["image"].startswith("post-")
    history.write_text(lines[3] + "\n")
    assert httpx.get(f"{url}/api/jobs", params={"after": after}).status_code == 410
    for wrong in ({"after": "../x"}, {"limit": "0"}, {"limit": "x"}):
        assert httpx.get(f"{url}/api/jobs", params=wrong).status_code == 400
    assert running.end(signal.SIGTERM) == 0


def test_tokens_cookies_and_the_path_below_a_proxy(station: Station) -> None:
    """
    One may act, one may look; a browser logs in; the proxy may cut the path off or not; no token is said.
    """
    token = station.home / "web_token"
    token.write_text(f"{TOKEN}\n")
    port = free_port()
    running, _ = listening(
        station,
        web={
            "listen": f"0.0.0.0:{port}",
            "token_file": os.fspath(token),
            "read_token": READ,
            "root_path": "/retouch",
            "trusted_proxies": ["127.0.0.1"],
        },
    )
    url = f"http://127.0.0.1:{port}"
    act, look = ({"authorization": f"Bearer {each}"} for each in (TOKEN, READ))

    assert httpx.get(f"{url}/livez").status_code == 200
    assert httpx.get(f"{url}/api/status.json").status_code == 401
    assert httpx.get(f"{url}/metrics", headers=look).status_code == 200
    assert post(url, picture(), prompt="blue", headers=look).status_code == 403
    answer = post(f"{url}/retouch", picture(), prompt="blue", wait=None, headers=act)
    assert answer.status_code == 202
    assert answer.headers["location"].startswith("/retouch/edit/post-")
    page = httpx.get(f"{url}/retouch/", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/retouch/login")
    with httpx.Client(base_url=url) as browser:
        assert browser.get("/retouch/login").status_code == 200
        assert browser.post("/retouch/login", data={"token": "wrong"}).status_code == 401
        login = browser.post(
            "/retouch/login",
            data={"token": READ},
            headers={"x-forwarded-proto": "https", "origin": f"https://127.0.0.1:{port}"},
        )
        assert login.status_code == 303
        cookie = login.headers["set-cookie"]
        assert all(
            each in cookie for each in ("HttpOnly", "SameSite=strict", "Secure", "Path=/retouch")
        )
        assert READ not in cookie
        value = cookie.partition("=")[2].partition(";")[0]
        seen = httpx.get(f"{url}/retouch/api/status.json", headers={"cookie": f"retouchd={value}"})
        assert seen.status_code == 200
        for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
            assert seen.headers[name]
        assert "unsafe" not in seen.headers["content-security-policy"]
    running.until(lambda: running.events("job.done"))
    assert running.end(signal.SIGTERM) == 0
    assert TOKEN not in running.err
    assert READ not in running.err


def test_another_address_without_a_token_is_refused_at_start(station: Station) -> None:
    station.configure(web={"listen": f"0.0.0.0:{free_port()}"})

    code, running = station.call("run")

    assert code == 78
    assert "set web.token_file" in running.err
    station.configure(web={"listen": "127.0.0.1:1", "token": "short"})
    code, running = station.call("run")
    assert code == 78
    assert "fewer than 16 characters" in running.err


def test_sockets_of_a_socket_unit_and_of_the_filesystem(station: Station) -> None:
    """
    LISTEN_FDS as systemd hands it over; and a Unix socket, whose file of a dead run is no hindrance.
    """
    station.configure(web={"listen": "systemd"}, logging={"format": "json"})
    code, refused = station.call("run")
    assert code == 78
    assert "no socket unit has handed one over" in refused.err
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        port = ours.getsockname()[1]
        starter = (
            "import os, sys\n"
            "os.dup2(int(sys.argv[1]), 3)\n"
            "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
            "os.execv(sys.argv[2], sys.argv[2:])"
        )
        command = [RETOUCHD, "run", "--config", os.fspath(station.config)]
        process = subprocess.Popen(
            [sys.executable, "-c", starter, str(ours.fileno()), *command],
            pass_fds=[ours.fileno()],
            env=dict(station.environment),
            stderr=subprocess.DEVNULL,
        )
        try:
            # Who asks before it is there waits, instead of failing.
            assert httpx.get(f"http://127.0.0.1:{port}/livez", timeout=60).status_code == 200
        finally:
            process.terminate()
            process.wait(60)
    path = station.home / "web.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(path))
    station.configure(web={"listen": f"unix:{path}"}, logging={"format": "json"})
    running = station.start("run")
    running.until(lambda: running.events("web.listening"))
    with httpx.Client(transport=httpx.HTTPTransport(uds=os.fspath(path))) as client:
        assert client.get("http://localhost/livez").status_code == 200
        assert client.get("http://evil.example/livez").status_code == 421
    assert running.end(signal.SIGTERM) == 0


def test_records_and_lines_of_the_log_hold_against_their_schemas(station: Station) -> None:
    """
    Of what is done and of what failed; and none has a field that the schema does not know.
    """
    record, log = (json.loads(text_of(name)) for name in ("record", "log"))
    for schema in (record, log):
        jsonschema.Draft202012Validator.check_schema(schema)
    station.configure(
        logging={"level": "debug", "format": "json"},
        endpoint={"base_url": station.endpoint("policy:times=1").url},
    )
    for name in ("ant.png", "bee.png"):
        station.drop(name)
    station.drop("bad.png", "  ")

    _, running = station.call("once")

    records = [*station.folders.done.glob("*.job.json"), *station.folders.error.glob("*.job.json")]
    assert len(records) == 3
    for path in records:
        body = json.loads(path.read_bytes())
        jsonschema.validate(body, record)
        assert set(body) <= set(record["properties"])
        for attempt in body["attempts"]:
            assert set(attempt) <= set(record["properties"]["attempts"]["items"]["properties"])
    kinds = {each["title"]: each for each in log["oneOf"]}
    lines = running.events()
    assert len(lines) > 8
    for line in lines:
        jsonschema.validate(line, kinds[line["event"]])
        assert set(line) <= set(kinds[line["event"]]["properties"])
