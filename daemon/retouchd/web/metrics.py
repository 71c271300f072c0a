"""
The figures for Prometheus: counters fed by events, gauges read when somebody asks.

Labels are bounded: verdicts, codes, causes, kinds of waiting reasons, folders; never a file, a job or a prompt.
Names and units follow https://prometheus.io/docs/practices/naming/.
"""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from retouchd import __version__
from retouchd.disk import durable
from retouchd.disk.calls import Folder, at
from retouchd.disk.folders import Folders
from retouchd.errors import JobCode
from retouchd.events import Event, emit, listen
from retouchd.events.hooks import HookDone, HookFailed, HookGivenUp
from retouchd.events.jobs import (
    JobClaimed,
    JobDone,
    JobEnding,
    JobFailed,
    JobReturned,
    RequestFailed,
    RequestSent,
)
from retouchd.events.run import DaemonPaused
from retouchd.events.web import MetricsUnwritten
from retouchd.job.model import Verdict
from retouchd.status.report import StatusReport
from retouchd.tasks import in_own_thread, running
from retouchd.throttle.breaker import PauseCause
from retouchd.web.view import RunView

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
_TEXT_SECONDS = 15.0
_OTHER = "other"


class Metrics:
    """
    The figures of one run. `text` blocks: it looks at disks and status files.
    """

    def __init__(self, view: RunView, folders: Folders) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        registry.register(_Standing(view, folders))
        self._claimed = Counter(
            "retouchd_jobs_claimed", "Bundles taken out of the inbox.", registry=registry
        )
        self._over = Counter(
            "retouchd_jobs_over", "Jobs that are over, by outcome.", ["outcome"], registry=registry
        )
        self._errors = Counter(
            "retouchd_job_errors", "Jobs in error/, by code.", ["code"], registry=registry
        )
        self._job_seconds = Histogram(
            "retouchd_job_seconds",
            "From the claim of a picture to its result.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._sent = Counter(
            "retouchd_requests_sent", "Requests to the endpoint.", registry=registry
        )
        self._failed = Counter(
            "retouchd_requests_failed",
            "Requests without a picture, by verdict.",
            ["verdict"],
            registry=registry,
        )
        self._attempts = Counter(
            "retouchd_attempts", "Attempts of jobs that are over.", ["verdict"], registry=registry
        )
        self._attempt_seconds = Histogram(
            "retouchd_attempt_seconds",
            "How long the endpoint took, of jobs that are over.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._outputs = Counter(
            "retouchd_outputs_published", "Pictures in the outbox.", registry=registry
        )
        self._spent = Counter(
            "retouchd_spent_usd", "What answers have cost, in US dollars.", registry=registry
        )
        self._in_doubt = Counter(
            "retouchd_in_doubt_usd",
            "What may have been charged without a picture, in US dollars.",
            registry=registry,
        )
        self._pauses = Counter(
            "retouchd_pauses", "Pauses in sending, by cause.", ["cause"], registry=registry
        )
        self._told = Counter(
            "retouchd_hook_runs",
            "Commands, posts and notifications, by way and outcome.",
            ["way", "outcome"],
            registry=registry,
        )
        self._done_at = 0.0
        self._prime()

    def _prime(self) -> None:
        """
        Let every label that is known be there from the start: what appears with 1 has no rate.
        """
        for outcome in ("done", "error", "returned"):
            self._over.labels(outcome)
        for verdict in Verdict:
            self._attempts.labels(verdict.value)
            if verdict is not Verdict.DONE:
                self._failed.labels(verdict.value)
        for code in JobCode:
            self._errors.labels(code.value)
        for cause in PauseCause:
            self._pauses.labels(cause.value)

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """
        Count what happens meanwhile.
        """
        unlisten = listen(self._hear)
        try:
            yield
        finally:
            unlisten()

    def text(self) -> bytes:
        """
        Return the figures in Prometheus' text format.
        """
        return generate_latest(self._registry)

    @contextlib.asynccontextmanager
    async def written(self, path: Path) -> AsyncIterator[None]:
        """
        Keep a file for node_exporter's textfile collector up to date meanwhile, and once more at the end.
        """
        async with running(self._write_on(path)):
            yield
        await self._write(path, told=True)

    async def _write_on(self, path: Path) -> None:
        is_told = False
        while True:
            is_told = await self._write(path, told=is_told)
            await asyncio.sleep(_TEXT_SECONDS)

    async def _write(self, path: Path, *, told: bool) -> bool:
        """
        Write the file; return whether it was told that this cannot be done.
        """
        try:
            await in_own_thread(
                # The collector reads whatever ends in .prom: the new one must not, before it is whole.
                lambda: durable.post(path, self.text(), path.with_name(f".{path.name}.tmp"))
            )
        except OSError as error:
            if not told:
                emit(MetricsUnwritten(place=str(path), reason=error.strerror or str(error)))
            return True
        return False

    def _hear(self, event: Event) -> None:
        match event:
            case JobClaimed():
                self._claimed.inc()
            case JobReturned():
                self._over.labels("returned").inc()
            case JobEnding():
                self._take(event.record)
            case JobDone():
                self._over.labels("done").inc()
                self._job_seconds.observe(event.seconds)
                self._outputs.inc(len(event.outputs))
            case JobFailed():
                self._over.labels("error").inc()
                self._errors.labels(_known(event.code, JobCode)).inc()
            case _:
                self._hear_others(event)

    def _hear_others(self, event: Event) -> None:
        match event:
            case RequestSent():
                self._sent.inc()
            case RequestFailed():
                self._failed.labels(_known(event.verdict, Verdict)).inc()
            case DaemonPaused():
                self._pauses.labels(_known(event.cause, PauseCause)).inc()
            case HookDone(way=way):
                self._told.labels(way, "done").inc()
            case HookFailed(way=way) | HookGivenUp(way=way):
                self._told.labels(way, "failed").inc()

    def _take(self, record: Mapping[str, object]) -> None:
        attempts = record.get("attempts")
        for each in attempts if isinstance(attempts, list) else ():
            self._attempts.labels(_known(str(each["verdict"]), Verdict)).inc()
            self._attempt_seconds.observe(float(each["seconds"]))
        self._spent.inc(_amount(record.get("cost_usd")))
        self._in_doubt.inc(_amount(record.get("in_doubt_usd")))


class _Standing(Collector):
    """
    How the run stands at this moment, as gauges.
    """

    def __init__(self, view: RunView, folders: Folders) -> None:
        self._view = view
        self._folders = folders

    def describe(self) -> Iterator[Metric]:
        """
        Return nothing: what there is shows when somebody asks.
        """
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """
        Yield the gauges.
        """
        yield _gauge("retouchd_build_info", "The version.", {__version__: 1}, "version")
        yield _gauge(
            "retouchd_heartbeat_timestamp_seconds",
            "When the run last gave a sign of life.",
            time.time() - self._view.silence,
        )
        yield _gauge("retouchd_alive", "1 while the run makes progress.", not self._view.death)
        report = self._view.report
        if report is not None:
            yield from _of_report(report)
        waiting = self._view.waiting
        if waiting is not None:
            yield _gauge(
                "retouchd_inbox_files",
                "Files in the inbox, by the kind of reason for which they wait.",
                {kind: float(count) for kind, count in waiting.kinds.items()},
                "reason",
            )
            yield _gauge("retouchd_inbox_pictures", "Pictures in the inbox.", waiting.pictures)
        hung = set(report.unusable) if report else set()
        yield _gauge(
            "retouchd_disk_free_bytes",
            "Free space on the disk of a folder that answers.",
            dict(self._free(hung)),
            "folder",
        )

    def _free(self, hung: set[str]) -> Iterator[tuple[str, float]]:
        for folder, place in self._folders.by_name().items():
            if folder.value not in hung:
                with contextlib.suppress(OSError), at(Folder(folder)):
                    yield folder.value, shutil.disk_usage(place).free


def _of_report(report: StatusReport) -> Iterator[Metric]:
    cause = report.pause.cause if report.pause else ""
    yield _gauge(
        "retouchd_paused",
        "1 while nothing is sent, by cause.",
        {each.value: float(each.value == cause) for each in PauseCause},
        "cause",
    )
    yield _gauge(
        "retouchd_folder_unusable",
        "1 for a folder that does not answer or is not there.",
        {each.value: float(each.value in report.unusable) for each in Folder},
        "folder",
    )
    yield _gauge("retouchd_ready_families", "Pictures that could be claimed.", report.ready)
    if report.ready_since is not None:
        yield _gauge(
            "retouchd_ready_since_timestamp_seconds",
            "Since when the picture that has waited longest could be claimed; absent while none waits.",
            report.ready_since.timestamp(),
        )
    yield _gauge("retouchd_requests_in_flight", "Requests that are out.", report.in_flight)
    yield _gauge(
        "retouchd_concurrency_limit",
        "Requests at once as the endpoint takes them now, at most endpoint.concurrency.",
        report.concurrency,
    )
    if report.usd_left is not None:
        yield _gauge(
            "retouchd_budget_left_usd",
            "What budget.usd_per_day leaves for today; absent without that limit.",
            report.usd_left,
        )
    if report.images_left is not None:
        yield _gauge(
            "retouchd_budget_left_images",
            "What budget.images_per_day leaves for today; absent without that limit.",
            report.images_left,
        )
    yield _gauge("retouchd_jobs_waiting", "Jobs in work that wait.", len(report.jobs))
    yield _gauge("retouchd_held_bundles", "Bundles that a fault holds.", report.held_count)
    yield _gauge("retouchd_scan_seconds", "How long a scan takes.", report.scan_seconds)
    yield _gauge(
        "retouchd_start_timestamp_seconds",
        "When the run began.",
        report.started_at.timestamp(),
    )
    if report.scanned_at is not None:
        yield _gauge(
            "retouchd_scanned_timestamp_seconds",
            "When the whole inbox was last looked at.",
            report.scanned_at.timestamp(),
        )


def _gauge(
    name: str, text: str, value: float | Mapping[str, float], label: str = ""
) -> GaugeMetricFamily:
    if not isinstance(value, Mapping):
        return GaugeMetricFamily(name, text, value=float(value))
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, each in value.items():
        family.add_metric([key], each)
    return family


def _known(word: str, kinds: type[JobCode] | type[Verdict] | type[PauseCause]) -> str:
    """
    Return a word that may be a label: no other than those that are known.
    """
    return word if word in {each.value for each in kinds} else _OTHER


def _amount(value: object) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0
