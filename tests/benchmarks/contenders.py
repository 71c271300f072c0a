"""
Who takes part in the contest: retouchd, and what somebody would use instead.
"""

import contextlib
import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.machine import seconds_worked
from benchmarks.scene import Scene, Served, count_in, script, start_daemon, until
from benchmarks.slow_disk import AS_IT_IS, Flush
from benchmarks.stock import drop
from process import Station

_ONE_BY_ONE = 'while read -r name; do "$0" "$1" "$2" "$name"; done'
_SCRIPT = Path(__file__).with_name("edit.sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """
    A contender that waits for pictures: its processes, and what it still needs once they lie there.
    """

    pids: tuple[int, ...]
    go: Callable[[], None] = lambda: None


Start: TypeAlias = Callable[[Station, str, int], AbstractContextManager[Started]]
"""With the place, the endpoint's URL, and how many requests at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """
    A contender: how it is started, how many of the jobs it gets, and what is missing to start it.
    """

    name: str
    start: Start
    share: float = 1.0
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    What a contender came to.
    """

    jobs_per_second: float
    cpu_ms: float


def compete(
    contender: Contender,
    scene: Scene,
    endpoint: Served,
    *,
    size: int,
    jobs: int,
    concurrency: int,
    flush: Flush = AS_IT_IS,
) -> Result:
    """
    Let a contender edit so many pictures; over TLS, if the endpoint has a certificate.

    The clock runs from the first byte that reaches the endpoint until the last original lies in `done/`.
    """
    jobs = max(2, round(jobs * contender.share))
    pictures = scene.stock.pictures(size, jobs)
    certificate = endpoint.certificate
    url = endpoint.url if certificate is None else endpoint.secure_url
    with scene.station(
        endpoint={"base_url": url, "concurrency": concurrency},
        intake={"settle_seconds": 0.5},
    ) as station:
        station.environment |= flush.environment
        if certificate is not None:
            trusted = ("SSL_CERT_FILE", "CURL_CA_BUNDLE")
            station.environment |= dict.fromkeys(trusted, str(certificate))
        endpoint.forget()
        done = station.folders.done
        with contender.start(station, url, concurrency) as started:
            before = seconds_worked(started.pids)
            for _ in drop(pictures, station.folders.inbox):
                pass
            started.go()
            end = until(lambda: count_in(done, ".jpg") >= jobs, f"{contender.name}: {jobs} jobs")
            worked = seconds_worked(started.pids) - before
        seconds = end - min(first for first, _, _ in endpoint.times())
    return Result(jobs_per_second=jobs / seconds, cpu_ms=1000 * worked / jobs)


@contextlib.contextmanager
def _ours(station: Station, _: str, __: int) -> Iterator[Started]:
    yield Started(pids=(start_daemon(station).pid,))


def _loop(module: str) -> Start:
    @contextlib.contextmanager
    def start(station: Station, url: str, concurrency: int) -> Iterator[Started]:
        command = (*script(module), str(station.root), url, str(concurrency))
        running = station.run(*command)
        running.until(lambda: running.out)

        def go() -> None:
            assert running.process.stdin is not None
            running.process.stdin.write(b"\n")
            running.process.stdin.flush()

        yield Started(pids=(running.process.pid,), go=go)

    return start


def _curl(*each: str) -> Start:
    """
    Return how inotifywait is started with a command that reads the names of pictures.
    """

    @contextlib.contextmanager
    def start(station: Station, url: str, _: int) -> Iterator[Started]:
        inbox = str(station.folders.inbox)
        watch = ("inotifywait", "-m", "-e", "moved_to,close_write", "--format", "%f")
        command = [word.format(root=station.root, url=url, script=_SCRIPT) for word in each]
        with (
            subprocess.Popen(
                (*watch, "--include", r"\.jpg$", inbox),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as watching,
            subprocess.Popen(command, stdin=watching.stdout, env=station.environment) as editing,
        ):
            assert watching.stderr is not None
            assert watching.stdout is not None
            while b"established" not in (line := watching.stderr.readline()):
                assert line, "inotifywait ended"
            watching.stdout.close()
            try:
                yield Started(pids=(watching.pid, editing.pid))
            finally:
                watching.terminate()  # Its reader ends with it.

    return start


def _missing(*programs: str) -> str:
    found = [each for each in programs if shutil.which(each) is None]
    return f"{', '.join(found)} not installed" if found else ""


def _missing_module(name: str) -> str:
    return "" if importlib.util.find_spec(name) else f"{name} not installed"


_TOOLS = _missing("inotifywait", "curl", "jq", "base64", "xargs")

OURS = Contender(name="retouchd", start=_ours)
BARE = Contender(
    name="(a) bare httpx",
    start=_loop("loop_httpx"),
    missing=_missing_module("pybase64"),
)
OPENAI = Contender(
    name="(b) openai + watchfiles",
    start=_loop("loop_openai"),
    missing=_missing_module("openai") or _missing_module("watchfiles"),
)
SINGLE = Contender(
    name="(c) curl, one at a time",
    start=_curl("sh", "-c", _ONE_BY_ONE, "{script}", "{root}", "{url}"),
    share=0.25,
    missing=_TOOLS,
)
PARALLEL = Contender(
    name="(c) curl, xargs -P8",
    start=_curl("xargs", "-P8", "-I", "NAME", "{script}", "{root}", "{url}", "NAME"),
    share=0.5,
    missing=_TOOLS,
)
