"""
Health and figures over HTTP and in a file, beside a real daemon: what is alive, ready and counted.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from documents import ROOT, section
from process import Running, Station

pytestmark = pytest.mark.slow(25)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def listening(
    station: Station, command: str = "run", **sections: dict[str, Any]
) -> tuple[Running, str]:
    """
    Start a daemon with a listener; return it and the address.
    """
    port = free_port()
    web = {"listen": f"127.0.0.1:{port}", **sections.pop("web", {})}
    station.configure(web=web, logging={"level": "debug", "format": "json"}, **sections)
    running = station.start(command)
    running.until(lambda: running.events("web.listening"))
    return running, f"http://127.0.0.1:{port}"


def samples(text: str) -> dict[str, float]:
    found = re.findall(r"^([a-z_]+(?:\{[^}]*\})?) ([0-9.e+-]+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_it_is_alive_and_ready_and_counts(station: Station) -> None:
    """
    Jobs, requests, money, errors, disks: in metrics that promtool has nothing to say against.
    """
    running, url = listening(
        station, edit={"model": "gpt-image-2", "quality": "low", "size": "1024x1024"}
    )
    running.until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
    station.drop("cat.png")
    station.drop("bad.png", "  ")
    running.until(lambda: running.events("job.done") and running.events("job.failed"))

    assert httpx.get(f"{url}/livez").json() == {"alive": True, "reason": ""}
    answer = httpx.get(f"{url}/metrics")
    found = samples(answer.text)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert found['retouchd_jobs_over_total{outcome="done"}'] == 1
    assert found['retouchd_jobs_over_total{outcome="error"}'] == 1
    assert found['retouchd_job_errors_total{code="prompt_empty"}'] == 1
    assert (
        found['retouchd_attempts_total{verdict="done"}']
        == found["retouchd_requests_sent_total"]
        == 1
    )
    assert found["retouchd_outputs_published_total"] == found["retouchd_job_seconds_count"] == 1
    assert found["retouchd_spent_usd_total"] == station.record("done/cat.job.json")["cost_usd"] > 0
    assert found['retouchd_paused{cause="account"}'] == 0
    assert found['retouchd_disk_free_bytes{folder="work"}'] > 0
    assert found["retouchd_alive"] == 1
    assert not re.search(r"cat\.png|bad\.png|[0-9]{8}-[0-9]{6}", answer.text)
    if promtool := shutil.which("promtool"):
        said = subprocess.run(
            [promtool, "check", "metrics"],
            input=answer.text,
            text=True,
            capture_output=True,
            check=False,
        )
        assert (said.returncode, said.stdout + said.stderr) == (0, "")
    assert running.end(signal.SIGTERM) == 0


def test_a_pause_is_unready_and_alive(station: Station) -> None:
    """
    Whoever watches must not restart it for an empty account; neither question asks the endpoint.
    """
    endpoint = station.endpoint("quota")
    running, url = listening(station, endpoint={"base_url": endpoint.url})
    station.drop("cat.png")
    running.until(lambda: running.events("daemon.paused"))
    running.until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
    asked = len(endpoint.requests)

    for _ in range(20):
        ready = httpx.get(f"{url}/readyz")
        assert httpx.get(f"{url}/livez").status_code == 200

    assert ready.json() == {"ready": False, "reasons": [ready.json()["reasons"][0]]}
    assert ready.json()["reasons"][0].startswith("paused: ")
    assert samples(httpx.get(f"{url}/metrics").text)['retouchd_paused{cause="account"}'] == 1
    assert len(endpoint.requests) == asked
    code, health = station.call("healthcheck")
    assert (code, health.out) == (0, "alive; paused: the key or the account is turned away\n")
    assert running.end(signal.SIGTERM) == 0


def test_what_waits_and_what_is_left_is_measured_and_every_name_is_real(station: Station) -> None:
    """
    Requests at once, the budget, since when the first in line waits; alerts, the dashboard and the page name
    what there is.
    """
    endpoint = station.endpoint("latency=3")
    running, url = listening(
        station,
        endpoint={"base_url": endpoint.url, "concurrency": 1},
        edit={"model": "gpt-image-2", "quality": "low", "size": "1024x1024"},
        budget={"usd_per_day": 10, "images_per_day": 50},
    )
    began = time.time()
    for name in ("ant.png", "bee.png", "cat.png"):
        station.drop(name)

    def told() -> dict[str, float]:
        return samples(httpx.get(f"{url}/metrics").text)

    running.until(lambda: told().get("retouchd_requests_in_flight") == 1)
    running.until(lambda: "retouchd_ready_since_timestamp_seconds" in told())
    waiting = told()
    running.until(lambda: len(running.events("job.done")) == 3)
    running.until(lambda: told()["retouchd_requests_in_flight"] == 0)
    found = told()

    assert began - 5 < waiting["retouchd_ready_since_timestamp_seconds"] <= time.time()
    assert waiting["retouchd_concurrency_limit"] == 1
    assert "retouchd_ready_since_timestamp_seconds" not in found
    assert found["retouchd_budget_left_images"] == 47
    assert found["retouchd_budget_left_usd"] == pytest.approx(
        10 - found["retouchd_spent_usd_total"]
    )
    kinds = dict(
        re.findall(r"^# TYPE (\S+) (\S+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE)
    )
    real = {*kinds, "retouchd_ready_since_timestamp_seconds"}
    parts = {f"{name}_bucket" for name, kind in kinds.items() if kind == "histogram"}
    for path in sorted((ROOT / "systemd/monitoring").iterdir()):
        named = set(re.findall(r"\bretouchd_\w+", path.read_text("utf-8")))
        assert named <= real | parts, path
    page = set(re.findall(r"`(retouchd_\w+)`", section("docs/programs.md", "Metrics and health")))
    assert page == real
    assert running.end(signal.SIGTERM) == 0


def test_a_text_for_node_exporter_needs_no_listener(station: Station) -> None:
    """
    It is whole at any time, has the last state at the end, and nothing listens.
    """
    text = station.home / "retouchd.prom"
    station.configure(metrics={"textfile": os.fspath(text)})
    station.drop("cat.png")

    code, running = station.call("once")

    assert code == 0
    assert samples(text.read_text())['retouchd_jobs_over_total{outcome="done"}'] == 1
    assert [path.name for path in station.home.glob("*retouchd.prom*")] == ["retouchd.prom"]
    assert not running.events("web.listening")


def test_a_port_that_is_taken_holds_no_photo_up(station: Station) -> None:
    """
    It is told, and tried again; photos are edited meanwhile.
    """
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        station.configure(web={"listen": f"127.0.0.1:{other.getsockname()[1]}"})
        station.drop("cat.png")
        running = station.start("run")
        running.until(lambda: running.events("job.done"))
        (closed,) = running.events("web.closed")
    assert "in use" in closed["reason"]
    running.until(lambda: running.events("web.listening"))
    assert running.end(signal.SIGTERM) == 0


def test_without_any_of_it_none_of_it_is_loaded(station: Station) -> None:
    """
    An idle daemon pays for no listener, no metrics, no hooks: their modules are not there.
    """
    station.drop("cat.png")
    station.configure(endpoint={"base_url": station.endpoint().url})
    script = (
        "import sys, retouchd.cli.main as m\n"
        "try: m.app(prog_name='retouchd')\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules))"
    )
    running = station.run(
        sys.executable, "-c", script, "once", "--config", os.fspath(station.config)
    )
    assert running.end() == 0

    loaded = set(running.out.splitlines()[-1].split())
    assert "retouchd.service.daemon" in loaded
    unwanted = {"starlette", "uvicorn", "prometheus_client", "apprise", "retouchd.web"}
    assert not loaded & (unwanted | {"retouchd.hooks.hooks", "retouchd.hooks.webhook"})


@pytest.mark.parametrize(
    "rules", sorted((ROOT / "systemd/monitoring").glob("*.rules.yml")), ids=str
)
def test_the_alert_rules_are_valid_and_fire(rules: Path) -> None:
    """
    They are read by promtool, and each fires in the case made for it and not before.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    for command in (["check", "rules", rules], ["test", "rules", rules.with_suffix(".test.yml")]):
        said = subprocess.run(
            [promtool, *map(str, command)], capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stdout + said.stderr
