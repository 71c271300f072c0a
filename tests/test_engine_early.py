"""
What becomes of a job whose answer comes before its upload has ended: just what its status says
(issue 14, A1).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from early_server import (
    MB,
    Manner,
    close_at_once,
    error,
    half_close_and_drain,
    reset_amid,
    serving_early,
    stay_open_unread,
)
from process import Station, open_station

CLOSING = [close_at_once, half_close_and_drain, stay_open_unread, reset_amid]


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as station:
        yield station


def drop_large(station: Station) -> None:
    station.drop("cat.png")
    noise = Image.frombytes("RGB", (1200, 1200), os.urandom(3 * 1200 * 1200))
    noise.save(station.folders.inbox / "cat.png", "PNG")
    assert (station.folders.inbox / "cat.png").stat().st_size > 4 * MB


@pytest.mark.parametrize(
    ("status", "code", "manner"),
    [
        *[("401 Unauthorized", "invalid_api_key", manner) for manner in CLOSING],
        ("402 Payment Required", "insufficient_quota", close_at_once),
        ("403 Forbidden", "account_deactivated", close_at_once),
    ],
)
def test_a_spent_account_pauses(station: Station, status: str, code: str, manner: Manner) -> None:
    """
    Nothing was paid, nothing is in doubt: the file goes back to the inbox.
    """
    with serving_early(error(status, code), manner) as server:
        station.configure(endpoint={"base_url": server.base_url})
        drop_large(station)
        exit_code, running = station.call("once")
        requests = server.requests

    assert exit_code == 75
    assert station.tree("inbox") == ["cat.png", "cat.txt"]
    assert [each["verdict"] for each in running.events("request.failed")] == ["account"] * requests
    assert station.tree("error") == []


@pytest.mark.parametrize("manner", CLOSING, ids=lambda manner: manner.__name__)
def test_an_upload_that_is_too_large_is_refused(station: Station, manner: Manner) -> None:
    """
    Once, with the endpoint's own words.
    """
    with serving_early(error("413 Too Large", "too_large"), manner) as server:
        station.configure(endpoint={"base_url": server.base_url})
        drop_large(station)
        exit_code, _ = station.call("once")
        requests = server.requests

    record = station.record("error/cat.job.json")
    assert exit_code == 1
    assert [each["verdict"] for each in record["attempts"]] == ["refused"]
    assert record["attempts"][0]["http_status"] == 413
    assert requests == 1


@pytest.mark.parametrize("manner", CLOSING, ids=lambda manner: manner.__name__)
def test_a_full_endpoint_is_asked_again_later(station: Station, manner: Manner) -> None:
    """
    Its rest is kept, and nothing is in doubt.
    """
    full = error("429 Too Many Requests", "rate_limit_exceeded", "Retry-After: 30")
    with serving_early(full, manner) as server:
        station.configure(endpoint={"base_url": server.base_url})
        drop_large(station)
        running = station.start("run").ready()
        running.until(lambda: running.events("request.failed"))
        (failed,) = running.events("request.failed")

    assert (failed["verdict"], failed["http_status"]) == ("transient", 429)
    assert failed["retry_in"] >= 29
