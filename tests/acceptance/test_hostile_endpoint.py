"""
An endpoint that means harm, against a real daemon: the right verdict each time, nothing lost, nothing paid
twice, memory and disk bounded, and no request where none should go.

The acts are in `hostile_endpoint.py`. Where a result's URL may lead, one URL at a time, is in `test_client.py`.
"""

import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from canary import CANARY
from edits_server import REQUEST
from hostile_world import villain
from process import Running, Station, open_station
from retouchd.endpoint.client import EditsClient, NotSent, Upload
from retouchd.endpoint.client import Endpoint as Address
from retouchd.endpoint.transport import tls_context

pytestmark = pytest.mark.slow(170)

MB = 1 << 20
SPARE_MB = 32
"""Memory the daemon may take for one job, beside the answer itself."""
KEPT_MB = 48
"""Memory it may keep of all the jobs before: what the allocator does not give back levels off at about 27."""


class Meeting(NamedTuple):
    """
    What became of a job: its record, what the daemon had kept of the jobs before it, and took for it on top.
    """

    folder: str
    record: dict[str, Any]
    kept_mb: float
    grown_mb: float

    @property
    def attempt(self) -> dict[str, Any]:
        attempt: dict[str, Any] = self.record["attempts"][-1]
        return attempt


class Victim:
    """
    A daemon at work for one hostile endpoint; of one started `by_exec` the memory is its own from the start.
    """

    def __init__(self, station: Station, *, by_exec: bool = True, **endpoint: Any) -> None:
        self.station = station
        self.villain = villain(station)
        values = {"base_url": self.villain.url, "max_in_doubt": 0, **endpoint}
        station.configure(endpoint=values, intake={"settle_seconds": 0})
        self.daemon: Running = station.start("run", by_exec=by_exec).ready()
        self._baseline = self._resting = self._memory("VmRSS")
        self.meet("first", "good")
        self._baseline = self._resting = self._memory("VmRSS")

    def drop(self, name: str, act: str) -> None:
        self.station.drop(f"{name}.png", act)

    def meet(self, name: str, act: str) -> Meeting:
        """
        Drop a picture, wait until its job is over, and say how it went.
        """
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.daemon.process.pid}/clear_refs").write_text("5")
        self._resting = self._memory("VmRSS")
        self.drop(name, act)
        return self.outcome(name)

    def outcome(self, name: str) -> Meeting:
        self.daemon.until(lambda: any(self._records(name)) and not self._jobs(), within=180)
        (path,) = self._records(name)
        kept, grown = self._resting - self._baseline, self._memory("VmHWM") - self._resting
        return Meeting(path.parent.name, json.loads(path.read_bytes()), kept, grown)

    def _records(self, name: str) -> list[Path]:
        places = [self.station.root / folder / f"{name}.job.json" for folder in ("done", "error")]
        return [path for path in places if path.exists()]

    def _jobs(self) -> list[Path]:
        return list((self.station.folders.work / "jobs").iterdir())

    def _memory(self, key: str) -> float:
        status = Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        found = re.search(rf"{key}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with open_station(tmp_path_factory.mktemp("victim")) as station:
        yield Victim(station, concurrency=1)


class Row(NamedTuple):
    code: str
    status: int | None = None
    said: str = ""


BROKEN = Row("no_answer")
CUT = Row("no_answer", 200)
BAD = Row("bad_response", 200)
BOMB = Row("no_answer", 200, "unpacks to more than")

ROWS = {
    # D17: bodies without end, and heads that are none
    "endless": Row("no_answer", 200, "larger than 512 MiB"),
    "truncated": CUT,
    "truncated_chunk": CUT,
    "chunk_garbage": BAD,
    "chunk_overflow": BAD,
    "reset_in_head": BROKEN,
    "reset_in_body": CUT,
    # D18: bodies that grow
    "gzip_bomb": BOMB,
    "gzip_bomb_text": BOMB,
    "deflate_bomb": BOMB,
    "raw_deflate_bomb": BOMB,
    "gzip_twice": BOMB,
    "br_bomb": BOMB,
    "zstd_bomb": BOMB,
    "br_lie": BAD,
    "zstd_lie": BAD,
    "json_lists": BAD,
    "json_numbers": BAD,
    "json_deep": BAD,
    "json_digits": BAD,
    "json_text": BAD,
    "json_escapes": BAD,
    "spaces": BAD,
    "events": BAD,
    # D19: no answer of an endpoint's
    "headers_8_mb": BAD,
    "headers_many": BAD,
    "header_nul": BAD,
    "header_folded": BAD,
    "http_0_9": BROKEN,
    "not_http": BROKEN,
    "nothing": BROKEN,
    "status_999": Row("http_999", 999),
    "status_101": BROKEN,
    "not_utf8": BAD,
    # D20: no pictures
    "svg": Row("bad_response", 200, "SVG"),
    "html": Row("bad_response", 200, "a web page"),
    "zip": Row("bad_response", 200, "ZIP"),
    "base64_garbage": Row("bad_response", 200, "base64"),
    "base64_large_garbage": Row("bad_response", 200, "base64"),
    "base64_empty": BAD,
    # D15, D16: results that lie elsewhere
    "link_endless": Row("bad_response", 200, "larger than 512 MiB"),
}
"""Each act that ends in doubt: the attempt's code, its status, what its message says."""

DONE = {
    "length_short": (1, 0),
    "length_twice": (1, 0),
    "length_negative": (1, 0),
    "gzip_lie": (1, 0),
    "gzip_cut": (1, 0),
    "length_long": (1, 0),
    "bomb_output": (1, 0),
    "bombs_output": (10, 0),
    "one_of_three": (2, 0),
    "three_hundred": (300, 0),
    "large": (1, 43),
    "large_escaped": (1, 32),
    "large_gzip": (1, 32),
    "large_chat": (1, 32),
}
"""Each act that is odd or large but brings pictures: how many, and the answer's size in MB."""


@pytest.mark.parametrize("act", ROWS)
def test_harm_is_contained(victim: Victim, act: str) -> None:
    """
    In doubt, as it may have been paid for: asked once, the originals and the answer beside a reason.
    """
    row = ROWS[act]
    asked = len(victim.villain.visits(0))

    met = victim.meet(act, act)
    beside = victim.meet(f"good-after-{act}", "good")

    assert beside.folder == "done"
    attempts = met.record["attempts"]
    assert [("in_doubt", row.code, row.status)] == [
        (each["verdict"], each["code"], each["http_status"]) for each in attempts
    ]
    assert row.said in met.attempt["message"]
    assert met.folder == "error"
    left = {name[len(act) :] for name in victim.station.tree("error") if name.startswith(f"{act}.")}
    assert {".png", ".txt", ".job.json", ".error.txt"} <= left
    assert (".response" in left) == (row.status == 200)
    assert met.kept_mb <= KEPT_MB
    assert met.grown_mb <= SPARE_MB
    posts = [each for each in victim.villain.visits(0)[asked:] if "/edits" in each["target"]]
    assert len(posts) == 2
    assert victim.villain.visits(1) == []


@pytest.mark.parametrize("act", DONE)
def test_what_was_paid_for_and_can_be_seen_is_published(victim: Victim, act: str) -> None:
    """
    Odd, large or many: every picture arrives, in memory that does not grow with them.
    """
    pictures, answer_mb = DONE[act]

    met = victim.meet(act, act)

    assert met.folder == "done"
    assert len(met.record["outputs"]) == pictures
    assert met.kept_mb <= KEPT_MB
    assert met.grown_mb <= SPARE_MB + answer_mb


WAITS = {
    "houses": "private address",
    "chain": "private address",
    "link_bomb": "no picture but something else",
}
"""Each act that names a picture where none is to be had, and what is said of it."""


@pytest.mark.parametrize("act", WAITS)
def test_a_picture_that_is_named_only_is_waited_for(tmp_path: Path, act: str) -> None:
    """
    Nobody goes where none should, and nothing is bought again; the job waits, and says for what.
    """
    with open_station(tmp_path) as station:
        victim = Victim(station, by_exec=False, concurrency=1)
        victim.drop(act, act)
        daemon = victim.daemon
        daemon.until(lambda: daemon.events("job.waiting"))

        assert WAITS[act] in daemon.events("job.waiting")[0]["reason"]
        victim.drop("beside", "good")
        daemon.until(lambda: "beside.job.json" in station.tree("done"))
        assert victim.villain.visits(1) == []
        assert sum("/edits" in each["target"] for each in victim.villain.visits(0)) == 3
        assert station.tree("error") == []


def test_an_endless_answer_leaves_little_in_work(tmp_path: Path) -> None:
    """
    However often it is asked again: half a gigabyte each time would fill the disk.
    """
    with open_station(tmp_path) as station:
        hostile = villain(station)
        station.configure(
            endpoint={"base_url": hostile.url, "max_in_doubt": 9}, intake={"settle_seconds": 0}
        )
        station.drop("cat.png", "endless")
        running = station.start("run").ready()
        running.until(lambda: running.events("request.failed"))
        (job,) = (station.folders.work / "jobs").iterdir()
        assert (job / "attempt-1-1.response").stat().st_size == 64 * MB


def test_time_is_bounded_too(tmp_path: Path) -> None:
    """
    D17: one byte now and then, or a thousand times 100 Continue, is no sign of life: the deadline is total.
    """
    acts = ("drip", "drip_head", "stall", "continues")
    with open_station(tmp_path) as station:
        victim = Victim(station, timeout_seconds=8, concurrency=8)
        for act in acts:
            victim.drop(act, act)
        victim.drop("good", "good")

        met = {act: victim.outcome(act) for act in acts}

        assert victim.outcome("good").folder == "done"
        for meeting in met.values():
            assert (meeting.attempt["verdict"], meeting.attempt["code"]) == (
                "in_doubt",
                "no_answer",
            )
            assert len(meeting.record["attempts"]) == 1, "it is not sent again"
            assert meeting.grown_mb <= SPARE_MB


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_takes_nothing_along(tmp_path: Path, status: int) -> None:
    """
    D16: it is a fault of the configuration; the other host hears nothing, least of all the key.
    """
    with open_station(tmp_path) as station:
        hostile = villain(station)
        station.configure(endpoint={"base_url": hostile.url}, intake={"settle_seconds": 0})
        station.drop("cat.png", f"redirect_{status}")

        code, running = station.call("once")

        assert code == 75
        assert station.tree("inbox") == ["cat.png", "cat.txt"]
        assert "redirected to" in running.out
        assert len(hostile.visits(0)) == 1
        assert hostile.visits(0)[0]["has_key"]
        assert hostile.visits(1) == []


# D21: TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A key and a certificate for `elsewhere.example` in one file, made by nobody we know.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=elsewhere.example", "-keyout", "key.pem", "-out", "cert.pem"]
    command += ["-addext", "subjectAltName=DNS:elsewhere.example"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    both = folder / "both.pem"
    both.write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return both


@pytest.mark.parametrize("is_trusted", [False, True], ids=["self-signed", "another host's"])
async def test_no_key_goes_to_a_stranger(
    tmp_path: Path, certificate: Path, *, is_trusted: bool
) -> None:
    """
    A certificate of nobody's, or one that is trusted and another host's: nothing is sent, nothing paid.
    """
    (tmp_path / "cat.png").write_bytes(b"photo")
    with open_station(tmp_path) as station:
        hostile = villain(station, os.fspath(certificate))
        address = Address(
            base_url=hostile.url,
            api_key=CANARY,
            timeout_seconds=20,
            connect_timeout_seconds=10,
            ca_file=certificate if is_trusted else None,
        )
        upload = Upload(path=tmp_path / "cat.png", content_type="image/png", size=len(b"photo"))
        async with EditsClient(address) as client:
            with pytest.raises(NotSent, match="certificate is not trusted"):
                async with client.ask(request=REQUEST, images=[upload], mask=None, key="1"):
                    pass
        assert hostile.visits(0) == []


def test_tls_is_verified_and_new_enough() -> None:
    """
    There is no way to turn it off, and nothing older than TLS 1.2 is spoken.
    """
    context = tls_context(None)

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
