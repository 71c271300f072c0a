"""
What becomes of a job whose answer comes before its upload has ended: just what its status says
(issue 14, A1).
"""

import functools
import os

import pytest
from PIL import Image

from early_server import (
    MB,
    Manner,
    close_at_once,
    error,
    half_close_and_drain,
    read_all_then_close,
    reset_amid,
    serving_early,
    stay_open_unread,
)
from process import Station
from sample_pictures import encoded

pytestmark = pytest.mark.slow(30)

CLOSING = [close_at_once, half_close_and_drain, stay_open_unread, reset_amid]


@functools.cache
def large_picture() -> bytes:
    """
    Return a picture of more bytes than the kernel takes of what nobody reads.
    """
    noise = Image.frombytes("RGB", (1600, 1600), os.urandom(3 * 1600 * 1600))
    picture = encoded(noise, "PNG", compress_level=0)
    assert len(picture) > 7 * MB
    return picture


def drop_large(station: Station) -> None:
    station.drop("cat.png")
    (station.folders.inbox / "cat.png").write_bytes(large_picture())


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


@pytest.mark.parametrize(
    ("status", "manner"),
    [
        *[("502 Bad Gateway", manner) for manner in CLOSING if manner is not reset_amid],
        ("500 Internal Server Error", close_at_once),
        ("504 Gateway Timeout", half_close_and_drain),
        ("520 Unknown", stay_open_unread),
        ("408 Request Timeout", close_at_once),
    ],
)
def test_a_failure_before_the_end_cost_nothing(
    station: Station, status: str, manner: Manner
) -> None:
    """
    Nobody can have carried out what was never sent to its end: it is sent again, and not counted as in doubt.
    """
    with serving_early(error(status, "server_error"), manner) as server:
        station.configure(endpoint={"base_url": server.base_url, "max_in_doubt": 0})
        drop_large(station)
        exit_code, running = station.call("once")
        requests = server.requests

    assert exit_code == 75
    assert [each["verdict"] for each in running.events("request.failed")] == [
        "transient"
    ] * requests
    assert {each["http_status"] for each in running.events("request.failed")} == {int(status[:3])}
    assert station.tree("error") == []
    assert requests > 1


def test_a_failure_behind_the_end_is_in_doubt(station: Station) -> None:
    """
    As soon as the last byte was sent somebody may have been paid.
    """
    with serving_early(error("502 Bad Gateway", "server_error"), read_all_then_close) as server:
        station.configure(endpoint={"base_url": server.base_url, "max_in_doubt": 0})
        drop_large(station)
        exit_code, _ = station.call("once")
        requests = server.requests

    assert (exit_code, requests) == (1, 1)
    assert station.record("error/cat.job.json")["error"]["code"] == "in_doubt"


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
