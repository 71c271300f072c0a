"""
Every answer of the tables, served by the embedded endpoint byte for byte: what the engine makes of it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

import memory_folders
from builders import Place
from engine_world import photo
from retouchd.clock import SystemClock
from retouchd.endpoint.api_key import KeySource
from retouchd.endpoint.client import EditsClient, Endpoint, Upload
from retouchd.job.model import Attempt, Opened, Verdict
from retouchd.money.pricing import prices_for
from retouchd.pipeline.attempts import Attempts
from retouchd.pipeline.judge import Judge
from retouchd.pipeline.prepare import Prepared
from retouchd.pipeline.results import Downloads
from retouchd.sandbox.app import build_app
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.server import serve
from retouchd.throttle.admission import attempt_report
from retouchd.throttle.breaker import AttemptReport, PauseCause
from retouchd.throttle.gate import Gate
from verdict_cases import ACCOUNT, ANSWERS, REFUSED, TRANSIENT, Answer, openai

KEY = "a-key-of-no-known-form-42"


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """
    What one answer came to: the attempt on disk, what the gate was told and how it stands.
    """

    attempt: Attempt
    report: AttemptReport
    pause_cause: PauseCause | None
    seconds_closed: float


@dataclass
class Bench:
    """
    A work folder, a client and an endpoint that answers what it is told.
    """

    place: Place
    client: EditsClient
    app: Starlette
    photo: Path

    async def meet(self, answer: Answer) -> Met:
        """
        Send one job's request and judge what comes back.
        """
        self.app.state.script.set([_served(answer)])
        clock, spool = SystemClock(), self.place.spool
        gate = Gate(concurrency=1, clock=clock)
        attempts = Attempts(spool=spool, client=self.client, clock=clock, prices=prices_for)
        judge = Judge(
            spool=spool,
            client=self.client,
            downloads=Downloads(spool=spool, client=self.client, clock=clock),
        )
        job = self.place.claimed("cat.png", "cat.txt")
        upload = Upload(path=self.photo, content_type="image/png", size=self.photo.stat().st_size)
        prepared = Prepared(images=(upload,), mask=None)
        permit = Opened(sent_at=clock.now(), pictures=1)
        asking = await attempts.open(spool.load(job.id).edits[0], permit, prepared)
        unanswered = await attempts.send(asking, prepared)
        close = partial(attempts.close, asking)
        closing = close(unanswered) if unanswered else await judge.judge(asking.kept(), close)
        report = attempt_report(asking, closing, clock.monotonic())
        gate.report(report)
        closed = spool.load(job.id)
        spool.give_back(job)
        spool.discard(job.id)
        return Met(
            attempt=closed.attempts[-1],
            report=report,
            pause_cause=gate.pause_cause,
            seconds_closed=gate.wait_for_turn(1)[0],
        )


def _served(answer: Answer) -> Fault:
    return Fault(
        kind=FaultKind.BODY,
        status=answer.status,
        body=answer.body,
        headers=answer.headers,
        content_type="text/html" if answer.body.startswith(b"<") else "application/json",
    )


@contextlib.asynccontextmanager
async def open_bench(root: Path) -> AsyncIterator[Bench]:
    app = build_app()
    picture = root / "photo.png"
    picture.write_bytes(photo())
    async with serve(app) as url:
        endpoint = Endpoint(
            base_url=url,
            api_key=KEY,
            key_source=KeySource(place="endpoint.api_key", remedy="Set a valid endpoint.api_key."),
            timeout_seconds=30,
            connect_timeout_seconds=10,
        )
        async with EditsClient(endpoint) as client:
            yield Bench(place=Place.under(root), client=client, app=app, photo=picture)


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Met]:
    """
    All answers, met one after the other at one endpoint.
    """

    async def meet_all(root: Path) -> dict[str, Met]:
        async with open_bench(root) as bench:
            return {name: await bench.meet(answer) for name, answer in ANSWERS.items()}

    with memory_folders.opened(tmp_path_factory) as root:
        return asyncio.run(meet_all(root))


def test_the_attempt_on_disk_has_the_verdict(met: dict[str, Met]) -> None:
    """
    Status, verdict, the endpoint's code and name of the request, and a refusal in words for the person.
    """
    for name, answer in ANSWERS.items():
        attempt = met[name].attempt
        assert attempt.verdict is answer.verdict, name
        assert attempt.http_status == answer.status, name
        # Where a row has none the endpoint gives one of its own.
        given = answer.headers.get("x-request-id", attempt.request_id)
        assert given == attempt.request_id is not None, name
        assert answer.code in (None, attempt.code), name
        assert answer.says in attempt.message, name
        is_final = answer.verdict in {REFUSED, Verdict.IN_DOUBT}
        assert (attempt.problem is None) or is_final, name
        if answer.verdict is REFUSED:
            assert attempt.problem is not None, name
            assert answer.job_code in (None, attempt.problem.code), name
            assert "cat.png" in attempt.problem.message, name
            assert answer.told in attempt.problem.hint, name


def test_a_free_repeat_comes_no_earlier_than_asked(met: dict[str, Met]) -> None:
    """
    The next attempt of a job that cost nothing waits as long as the endpoint asked for; others never come.
    """
    for name, answer in ANSWERS.items():
        attempt = met[name].attempt
        if answer.verdict in {REFUSED, ACCOUNT} or attempt.problem is not None:
            assert attempt.retry_at is None, name
            continue
        assert attempt.retry_at is not None, name
        wait = (attempt.retry_at - attempt.closed_at).total_seconds()
        assert wait >= (answer.retry_after or 0) or answer.verdict is not TRANSIENT, name


def test_the_gate_is_told_what_it_needs(met: dict[str, Met]) -> None:
    """
    An account's fault holds everything at once; what slows the pool does; nothing else holds after one answer.
    """
    for name, answer in ANSWERS.items():
        report = met[name].report
        is_account = answer.verdict is ACCOUNT
        assert report.verdict is answer.verdict, name
        assert report.is_endpoint_failure is answer.is_endpoint_failure, name
        assert report.slows_pool is answer.slows, name
        assert report.may_hide_account is answer.masks, name
        assert report.retry_after == (answer.retry_after or 0), name
        assert (answer.common or "") in (report.common_fault or ""), name
        assert met[name].pause_cause is (PauseCause.ACCOUNT if is_account else None), name
        assert (met[name].seconds_closed > 0) is answer.slows, name
        if is_account:
            assert answer.told in report.reason, name


async def test_the_key_is_shown_nowhere_though_it_is_echoed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A key of any form, in the body or in a header, as it is or escaped, stays out of attempt and log.
    """
    said = f"no such key {KEY}"
    bodies = [said.encode(), openai(said, said, said, said)]
    async with open_bench(tmp_path) as bench:
        for status in (200, 308, 401, 422, 500):
            for body in bodies:
                headers = {"x-request-id": KEY, "location": f"https://a.example/?key={KEY}"}
                found = await bench.meet(
                    Answer(
                        section="",
                        status=status,
                        body=body,
                        verdict=Verdict.IN_DOUBT,
                        headers=headers,
                    )
                )
                assert KEY not in repr(found)
    captured: Any = capsys.readouterr()
    assert KEY not in captured.out + captured.err
