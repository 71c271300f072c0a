"""
A soak: writers that never rest, daemons that are killed at any moment, an endpoint that does everything
wrong; then all is mended, and the promises are checked.

    python soak.py [--minutes N] [--seed N]

Prints what came of it; the seed repeats who does what in which order, not the moments of the machine.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import writers
from checker import check_at_any_time, digest, files_in, requests_out
from process import RETOUCHD, Running, Station, open_station
from retouchd.disk.folders import Folders
from retouchd.retry.error_folder import record_at
from retouchd.sandbox.app import Rules, build_app
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.server import serve
from sample_pictures import encoded, smooth

REST_SECONDS = 120.0
MAX_IN_DOUBT = 1
_WRITERS = 3
_BEAT_SECONDS = 0.1
_CERTAINLY_UNPAID = {401, 429, 503}

# With these a file that was claimed too early leaves nothing behind that would wait for ever.
_WAYS: tuple[writers.Writer, ...] = (
    writers.cp,
    writers.cp_with_its_old_times,
    writers.mv,
    writers.hard_link,
    writers.slowly_into_the_final_name,
    writers.rsync_temporary,
    writers.syncthing_temporary,
    writers.chrome_temporary,
    writers.delay_updates_folder,
    writers.sftp_link_and_unlink,
    writers.nameless_then_linked,
    writers.rewritten_after_it_was_closed,
    writers.closed_after_each_page,
    writers.full_size_first,
    writers.placeholder_then_filled,
    writers.replaced_by_another,
    writers.saved_over_by_an_editor,
    writers.folder_moved_in,
    writers.moved_from_one_folder_to_another,
)
_ONCE = {
    writers.cp,
    writers.mv,
    writers.hard_link,
    writers.rsync_temporary,
    writers.syncthing_temporary,
    writers.nameless_then_linked,
}
"""Ways that show a picture under its name only once, whole or growing: a prompt may lie beside it."""

_FAULTS: tuple[tuple[Fault, ...], ...] = (
    (),
    (),
    (Fault(kind=FaultKind.LATENCY, seconds=0.5),),
    (Fault(kind=FaultKind.LATENCY, seconds=0.2), Fault(kind=FaultKind.RATE, every=3)),
    (Fault(kind=FaultKind.LIMIT, images=20),),
    (Fault(kind=FaultKind.OVERLOADED, every=2),),
    (Fault(kind=FaultKind.STATUS, status=500, every=4),),
    (Fault(kind=FaultKind.STATUS, status=502, charged=True, every=3),),
    (Fault(kind=FaultKind.DROP, every=3),),
    (Fault(kind=FaultKind.DROP_READ, every=4),),
    (Fault(kind=FaultKind.DROP_ANSWER, every=3),),
    (Fault(kind=FaultKind.TRUNCATE, every=3),),
    (Fault(kind=FaultKind.STALL, every=5),),
    (Fault(kind=FaultKind.DRIP, seconds=0.5),),
    (Fault(kind=FaultKind.HTML, every=5),),
    (Fault(kind=FaultKind.CHAT_DATA, every=2),),
    (Fault(kind=FaultKind.KEY),),
    (Fault(kind=FaultKind.POLICY, every=4),),
)


class Endpoint:
    """
    The embedded endpoint on a loop of its own, and its ledger: every edit it was asked for, with its fate.
    """

    def __init__(self) -> None:
        self.ledger: list[Seen] = []
        self._app = build_app(Rules(tell=self._note))
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._is_listening = threading.Event()
        self.url = ""
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_listening.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()

    def set(self, faults: Sequence[Fault]) -> None:
        """
        Do this wrong from now on.
        """
        self._app.state.script.set(faults)

    def _note(self, seen: Seen) -> None:
        if seen.path.endswith("/images/edits"):
            self.ledger.append(seen)

    async def _serve(self) -> None:
        async with serve(self._app) as self.url:
            self._is_listening.set()
            await self._end.wait()


@dataclass
class Report:
    """
    What came of a soak.
    """

    seed: int
    seconds: float = 0.0
    jobs: int = 0
    done: int = 0
    kills: int = 0
    stops: int = 0
    out: int = 0
    """Requests on their way when a daemon was killed."""
    requests: int = 0
    in_doubt: int = 0
    paid_again: int = 0
    lost: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def text(self) -> str:
        """
        Return it in words.
        """
        rate = self.jobs / self.seconds if self.seconds else 0.0
        return (
            f"seed {self.seed}: {self.jobs} jobs in {self.seconds:.0f} s ({rate:.1f} a second), "
            f"{self.done} done; {self.kills} kills with {self.out} requests out, {self.stops} stops; "
            f"{self.requests} requests, {self.in_doubt} jobs left in doubt, "
            f"{self.paid_again} paid again, {self.lost} lost"
        )


class Soak:
    """
    One soak on a station.
    """

    def __init__(self, station: Station, endpoint: Endpoint, place: Path, seed: int) -> None:
        self._station = station
        self._endpoint = endpoint
        self._place = place
        self._luck = random.Random(seed)
        self._configs = self._configure()
        self._daemons = {name: self._start(name) for name in self._configs}
        self.report = Report(seed=seed)

    def run(self, seconds: float) -> Report:
        """
        Storm, mend, wait until all is at rest, check.

        Raises AssertionError for a promise that was broken.
        """
        began = time.monotonic()
        with self._writing(seconds):
            self._storm(began + seconds)
        self._endpoint.set(())
        for daemon in self._daemons.values():
            daemon.ready().tell(signal.SIGHUP)
        self._rest()
        self.report.seconds = time.monotonic() - began
        for daemon in self._daemons.values():
            assert daemon.end(signal.SIGTERM) == 0, daemon.err
        self._count()
        self._check()
        before = self._everything()
        for config in self._configs.values():
            once = self._station.run(RETOUCHD, "once", "--config", os.fspath(config))
            assert once.end() == 0, once.out + once.err
        assert self._everything() == before, "one more run changed something"
        return self.report

    def _configure(self) -> dict[str, Path]:
        """
        Write a configuration for each of two daemons on one inbox, one with events, one that polls.
        """
        configs = {}
        for name, observer in {"work": "inotify", "work-b": "polling"}.items():
            self._station.configure(
                folders={"work": name},
                endpoint={
                    "base_url": self._endpoint.url,
                    "api_key": "sk-made-up",
                    "timeout_seconds": 4,
                    "max_in_doubt": MAX_IN_DOUBT,
                },
                intake={
                    "settle_seconds": 0.4,
                    "orphan_seconds": 0,
                    "incomplete_seconds": 60,
                    "rescan_seconds": 2,
                    "poll_seconds": 1,
                    "observer": observer,
                },
            )
            (self._station.root / name).mkdir(exist_ok=True)
            configs[name] = self._station.config.rename(self._station.root / f"{name}.toml")
        return configs

    def _start(self, name: str) -> Running:
        return self._station.run(RETOUCHD, "run", "--config", os.fspath(self._configs[name]))

    @contextlib.contextmanager
    def _writing(self, seconds: float) -> Iterator[None]:
        script, inbox = os.fspath(Path(__file__)), self._station.folders.inbox
        running = [
            subprocess.Popen(
                [
                    *(sys.executable, script, "--write", str(seconds), "--seed", str(seed)),
                    *("--into", os.fspath(inbox / f"camera {number}")),
                    *("--manifest", os.fspath(self._place / f"manifest {number}")),
                ]
            )
            for number in range(_WRITERS)
            for seed in (self._luck.randrange(1 << 32),)
        ]
        try:
            yield
            for each in running:
                assert each.wait(REST_SECONDS) == 0, "a writer failed"
        finally:
            for each in running:
                each.kill()
                each.wait()

    def _storm(self, until: float) -> None:
        stopping: set[str] = set()
        strike_at = change_at = 0.0
        while (now := time.monotonic()) < until:
            if now >= change_at:
                faults = self._luck.choice(_FAULTS)
                self._endpoint.set(faults)
                self.report.faults.update(fault.kind.value for fault in faults)
                change_at = now + self._luck.uniform(0.5, 2.5)
            if now >= strike_at:
                self._strike(self._luck.choice(list(self._daemons)), stopping)
                strike_at = now + self._luck.uniform(0.2, 2.5)
            self._raise_up(stopping)
            time.sleep(_BEAT_SECONDS)
        for name in stopping:
            self._daemons[name].end()
        self._raise_up(stopping)

    def _strike(self, name: str, stopping: set[str]) -> None:
        daemon = self._daemons[name]
        match self._luck.choice(("kill", "kill", "kill", "stop", "look")):
            case "kill":
                daemon.kill()
                self.report.kills += 1
                self.report.out += requests_out(self._folders(name))
                stopping.discard(name)
                self._daemons[name] = self._start(name)
            case "stop" if name not in stopping and daemon.events("daemon.started"):
                daemon.tell(signal.SIGTERM)
                self.report.stops += 1
                stopping.add(name)
            case "look" if daemon.events("daemon.started"):
                daemon.tell(signal.SIGHUP)

    def _raise_up(self, stopping: set[str]) -> None:
        for name, daemon in self._daemons.items():
            if (code := daemon.process.poll()) is not None:
                assert name in stopping, f"{name} ended by itself:\n{daemon.err[-3000:]}"
                assert code == 0, f"{name} ended with {code}:\n{daemon.err[-3000:]}"
                stopping.discard(name)
                self._daemons[name] = self._start(name)

    def _rest(self) -> None:
        deadline = time.monotonic() + REST_SECONDS
        while left := self._left():
            assert time.monotonic() < deadline, f"it does not come to rest: {left[:20]}"
            for daemon in self._daemons.values():
                assert daemon.process.poll() is None, f"one ended by itself:\n{daemon.err[-3000:]}"
            time.sleep(_BEAT_SECONDS)

    def _left(self) -> list[str]:
        """
        Return what still waits in the inbox or is in work.
        """
        inbox = self._station.folders.inbox
        waiting = [p for p in inbox.rglob("*") if p.is_file() and not p.name.startswith("_")]
        return list(map(str, [*waiting, *self._station.root.glob("work*/jobs/*")]))

    def _folders(self, name: str) -> Folders:
        places = ("inbox", "outbox", "review", "done", "error")
        root = self._station.root
        return Folders(work=root / name, **{place: root / place for place in places})

    def _originals(self) -> dict[str, str]:
        lines = [
            json.loads(line)
            for manifest in self._place.glob("manifest *")
            for line in manifest.read_text("utf-8").splitlines()
        ]
        return {line["digest"]: line["name"] for line in lines}

    def _count(self) -> None:
        report, ledger = self.report, self._endpoint.ledger
        records = [record for folder in ("done", "error") for record in self._records(folder)]
        report.jobs = len(records)
        report.done = sum(record["status"] == "done" for record in records)
        report.in_doubt = sum(
            (record["error"] or {}).get("code") == "in_doubt" for record in records
        )
        report.requests = len(ledger)
        charged = Counter(seen.files[0].sha256 for seen in ledger if seen.charged and seen.files)
        report.paid_again = sum(number - 1 for number in charged.values())
        found = {digest(path) for name in ("done", "error") for path in self._files(name)}
        report.lost = len(self._originals().keys() - found)

    def _check(self) -> None:
        for name in self._configs:
            check_at_any_time(self._folders(name), self._originals(), is_exact=True)
        outputs = [output for record in self._records("done") for output in record["outputs"]]
        outbox = self._station.folders.outbox
        published = [str(path.relative_to(outbox)) for path in self._files("outbox")]
        assert sorted(outputs) == sorted(published), "pictures and records do not match"
        for path in self._station.root.glob("work*/trash/*"):
            raise AssertionError(f"{path} is left")
        self._check_money()

    def _check_money(self) -> None:
        by_job: defaultdict[str, list[Seen]] = defaultdict(list)
        for seen in sorted(self._endpoint.ledger, key=lambda seen: seen.arrived_at):
            by_job[seen.headers["idempotency-key"]].append(seen)
        again = 0
        for job, asked in by_job.items():
            doubtful = [seen for seen in asked if seen.status not in _CERTAINLY_UNPAID]
            most = 1 + MAX_IN_DOUBT
            assert len(doubtful) <= most, f"{job} may have been paid {len(doubtful)} times"
            good = [number for number, seen in enumerate(asked) if seen.charged and not seen.fault]
            again += len(asked) - 1 - good[0] if good else 0
        assert again <= self.report.out, (
            f"{again} requests after a good answer, and only {self.report.out} were out at a kill"
        )

    def _records(self, folder: str) -> Iterator[dict[str, Any]]:
        for path in self._files(folder, ".job.json"):
            if (record := record_at(path)) is not None:
                yield record

    def _files(self, folder: str, ending: str = "") -> Iterator[Path]:
        return files_in(self._station.root / folder, ending)

    def _everything(self) -> tuple[dict[str, str], int]:
        places = ("inbox", "outbox", "review", "done", "error")
        found = {str(path): digest(path) for place in places for path in self._files(place)}
        return found, len(self._endpoint.ledger)


def write(folder: Path, manifest: Path, seconds: float, seed: int) -> None:
    """
    Write picture after picture, each in one of the ways programs do; note each once it is there.
    """
    jitter = random.Random(seed)
    outside = manifest.with_name(f"sources of {manifest.name}")
    outside.mkdir()
    folder.mkdir()
    (folder / "_prompt.txt").write_text("make it blue", "utf-8")
    end = time.monotonic() + seconds
    with manifest.open("w", encoding="utf-8", buffering=1) as lines:
        for number in itertools.count(1):
            if time.monotonic() >= end:
                return
            if not jitter.randrange(10):
                (folder / "_prompt.txt").write_text(f"make it {jitter.choice(['grey', 'sepia'])}")
            for path in _write_one(folder / f"{number}", outside, jitter, f"{seed}-{number}"):
                lines.write(json.dumps({"digest": path[0], "name": path[1]}) + "\n")
            time.sleep(jitter.uniform(0, 0.3))


def _write_one(
    folder: Path, outside: Path, jitter: random.Random, name: str
) -> Iterator[tuple[str, str]]:
    """
    Write one picture, with or without files beside it; yield the hash and the name of what was written.
    """
    folder.mkdir()
    way = jitter.choice(_WAYS)
    target = folder / f"{jitter.choice(['photo', '照片'])}.jpg"
    place = outside / name
    place.mkdir()
    for source in ("source.jpg", "elsewhere.jpg"):
        (place / source).write_bytes(_picture(name))
    if way in _ONCE and jitter.randrange(2):
        beside = jitter.choice([".txt", ".toml"])
        text = f"grey, {name}" if beside == ".txt" else f'quality = "low" # {name}'
        target.with_suffix(beside).write_text(text, "utf-8")
        yield digest(target.with_suffix(beside)), f"{name}{beside}"
    known = digest(place / "source.jpg")
    way(
        writers.Delivery(
            target=target,
            source=place / "source.jpg",
            elsewhere=place / "elsewhere.jpg",
            older=_picture(f"{name}, older"),
        )
    )
    yield known, f"{name} ({way.__name__})"


def _picture(name: str) -> bytes:
    return encoded(smooth(), "JPEG", comment=name.encode())


def soak(place: Path, *, seconds: float, seed: int) -> Report:
    """
    Soak in an empty folder; return what came of it.
    """
    with open_station(place) as station, Endpoint() as endpoint:
        return Soak(station, endpoint, place, seed).run(seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--write", type=float)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--manifest", type=Path)
    asked = parser.parse_args()
    if asked.write is not None:
        write(asked.into, asked.manifest, asked.write, asked.seed)
        return
    sys.stdout.write(f"seed {asked.seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="retouchd-soak-") as place:
        report = soak(Path(place), seconds=60 * asked.minutes, seed=asked.seed)
    sys.stdout.write(f"{report.text()}\nmet: {dict(sorted(report.faults.items()))}\n")


if __name__ == "__main__":
    main()
