"""
Real writers, a real daemon: however a picture comes into the inbox, it is sent once, and whole.
"""

import contextlib
import hashlib
import io
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from PIL import Image

from process import Endpoint, Running, Station, open_station
from writers import LONG_AGO, WRITERS, Delivery, Writer, command, pause

PROMPT = "make it blue"
SETTLE_SECONDS = 0.8
CROWD = 20
"""How many folders are made at once."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """
    A daemon at work, its endpoint, and places to write from.
    """

    station: Station
    running: Running
    endpoint: Endpoint
    outside: Path
    elsewhere: Path

    def deliveries(self, names: Iterable[str]) -> list[Delivery]:
        """
        Return one delivery for each name, with a picture of its own and a folder of that name.
        """
        return [self._delivery(name, number) for number, name in enumerate(names)]

    def _delivery(self, name: str, number: int) -> Delivery:
        folder = self.station.folders.inbox / name
        folder.mkdir(parents=True)
        sources = (self.outside / name, self.elsewhere / name)
        for source in sources:
            source.mkdir(parents=True)
            (source / "照片.jpg").write_bytes(picture(f"{name} {number}"))
        return Delivery(
            target=folder / "照片.jpg",
            source=sources[0] / "照片.jpg",
            elsewhere=sources[1] / "照片.jpg",
            older=picture(f"{name} {number}, older"),
        )

    def sends(self, written: dict[Path, bytes], *, left: Iterable[str] = ()) -> None:
        """
        Wait until the inbox is worked off; then each picture was asked for once, and archived as it was.
        """
        names = {
            path.relative_to(self.station.folders.inbox): data for path, data in written.items()
        }
        self.running.until(lambda: len(self.running.events("job.done")) >= len(names))
        self.running.until(lambda: self.station.tree("inbox") == sorted(left))
        assert self.running.end(signal.SIGTERM) == 0
        seen = Counter(sha for each in self.endpoint.seen for sha in each["pictures"])
        expected = {hashlib.sha256(data).hexdigest(): str(name) for name, data in names.items()}
        wrong = {expected.get(sha, sha): seen[sha] for sha in expected.keys() | seen.keys()}
        assert {name: times for name, times in wrong.items() if times != 1} == {}
        assert seen.keys() == expected.keys()
        for name, data in names.items():
            assert (self.station.folders.done / name).read_bytes() == data, name
        assert self.station.tree("error") == []
        assert len(self.station.tree("outbox")) == len(names)


def picture(text: str) -> bytes:
    """
    A JPEG of some 30 KiB; another text makes other pixels.
    """
    noise = hashlib.shake_256(text.encode()).digest(120 * 80 * 3)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (120, 80), noise).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """
    A folder on another filesystem than the inbox, where there is one.
    """
    here = tmp_path.stat().st_dev
    places = [
        Path(place) for place in ("/dev/shm", "/var/tmp", "/run/user") if Path(place).is_dir()
    ]
    other = [place for place in places if place.stat().st_dev != here]
    with tempfile.TemporaryDirectory(dir=other[0] if other else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture(params=["events", "scans"])
def watched(request: pytest.FixtureRequest, tmp_path: Path, elsewhere: Path) -> Iterator[Watched]:
    """
    A daemon that hears everything and scans once an hour, and one that hears nothing and looks often.
    """
    with open_station(tmp_path) as station:
        endpoint = station.endpoint()
        has_events = request.param == "events"
        station.configure(
            endpoint={"base_url": endpoint.url, "concurrency": 8},
            edit={"prompt": PROMPT},
            images={"metadata": "keep"},  # What was sent is compared with the file, byte for byte.
            intake={
                "settle_seconds": SETTLE_SECONDS,
                "observer": "inotify" if has_events else "polling",
                "poll_seconds": 0.25,
                "rescan_seconds": 3600,
            },
        )
        running = station.start("run")
        running.ready()
        (mode,) = running.events("watch.mode")
        assert mode["mode"] == ("inotify" if has_events else "polling")
        outside = tmp_path / "outside"
        yield Watched(
            station=station,
            running=running,
            endpoint=endpoint,
            outside=outside,
            elsewhere=elsewhere,
        )


def at_once(jobs: Iterable[tuple[Writer, Delivery]]) -> None:
    """
    Let many writers write at the same time.
    """
    jobs = list(jobs)
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(write, delivery) for write, delivery in jobs]:
            done.result()


def test_every_way_of_writing(watched: Watched) -> None:
    """
    All of them at the same time: each final picture goes out once, no older one and no half one does.
    """
    deliveries = watched.deliveries(writer.__name__ for writer in WRITERS)
    written = {each.target: each.content for each in deliveries}

    at_once(zip(WRITERS, deliveries, strict=True))

    watched.sends(written, left=["saved_by_an_editor_with_a_backup/照片.jpg~"])
    prompts = Counter(each["prompt"] for each in watched.endpoint.seen)
    assert prompts == {PROMPT: len(WRITERS) - 2, "改成蓝色": 2}


def test_many_folders_made_at_once(watched: Watched) -> None:
    """
    Each folder is filled the moment it is made, before anybody can watch it.
    """
    deliveries = watched.deliveries(f"{number}/below/深" for number in range(CROWD))
    for number in range(CROWD):
        shutil.rmtree(watched.station.folders.inbox / str(number))
    written = {each.target: each.content for each in deliveries}

    for each in deliveries:
        each.target.parent.mkdir(parents=True)
        each.target.write_bytes(each.content)

    watched.sends(written)


# Programs that may be missing.


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


RSYNC = {
    "rsync": [],
    "rsync_times": ["-t"],
    "rsync_inplace": ["--inplace", "-t"],
    "rsync_partial": ["--partial", "-t"],
    "rsync_partial_folder": ["--partial-dir=.rsync-partial", "-t"],
    "rsync_delayed": ["--delay-updates", "-t"],
    "rsync_whole_trees": ["-a"],
}


def test_rsync(watched: Watched) -> None:
    """
    With each of its ways to write, slowed down so that pictures arrive in pieces.
    """
    rsync = program("rsync")
    words = {**RSYNC, "rsync_temporary_folder": [f"--temp-dir={watched.elsewhere}"]}
    deliveries = watched.deliveries(words)
    written = {each.target: each.content for each in deliveries}

    def writer(options: list[str]) -> Writer:
        return lambda to: command(
            rsync, "-r", "--bwlimit=60", *options, f"{to.source.parent}/", f"{to.target.parent}/"
        )

    at_once(zip(map(writer, words.values()), deliveries, strict=True))

    watched.sends(written)


def test_rsync_over_an_older_picture(watched: Watched) -> None:
    """
    In place and by rename: while it is written over the older picture, neither goes out.
    """
    rsync = program("rsync")
    words = {"rename": ["-t"], "inplace": ["--inplace", "-t"]}
    deliveries = watched.deliveries(words)
    written = {each.target: each.content for each in deliveries}

    def writer(options: list[str]) -> Writer:
        def write(to: Delivery) -> None:
            to.target.write_bytes(to.older)
            command(rsync, "--no-whole-file", *options, to.source, to.target)

        return write

    at_once(zip(map(writer, words.values()), deliveries, strict=True))

    watched.sends(written)


def test_exiv2(watched: Watched) -> None:
    """
    It writes metadata into a finished picture, in place: the picture with its metadata goes out.
    """
    exiv2 = program("exiv2")
    (delivery,) = watched.deliveries(["exiv2"])
    tag = (exiv2, "-M", "set Exif.Image.ImageDescription 海边")
    delivery.target.write_bytes(delivery.content)

    command(*tag, delivery.target)

    command(*tag, delivery.source)
    assert delivery.content != delivery.elsewhere.read_bytes()
    watched.sends({delivery.target: delivery.content})


class ExifTool:
    """
    ExifTool kept open, as programs that call it often do: it is ready before the picture comes.
    """

    def __init__(self, path: str) -> None:
        words = [path, "-stay_open", "True", "-@", "-"]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tag(self, picture: Path, *options: str) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n".join([*options, str(picture), "-execute", ""]))
        self._process.stdin.flush()
        while self._process.stdout.readline().strip() != "{ready}":
            pass

    def close(self) -> None:
        self._process.communicate("-stay_open\nFalse\n")


def test_exiftool(watched: Watched) -> None:
    """
    By a rename, with its backup, which stays; and in place.
    """
    with contextlib.closing(ExifTool(program("exiftool"))) as exiftool:
        kinds = {"renamed": "-P", "in_place": "-overwrite_original_in_place"}
        deliveries = watched.deliveries(kinds)
        for each in deliveries:
            original = each.content
            exiftool.tag(each.source, "-Artist=retouchd")
            assert original != each.content
            each.target.write_bytes(original)
            exiftool.tag(each.target, kinds[each.target.parent.name], "-Artist=retouchd")

    written = {each.target: each.content for each in deliveries}
    watched.sends(written, left=["renamed/照片.jpg_original"])


def test_exiftool_twice_in_a_row(watched: Watched) -> None:
    """
    The picture with both tags goes out, once, and ExifTool finds it each time.
    """
    with contextlib.closing(ExifTool(program("exiftool"))) as exiftool:
        kinds = {"renamed": "-overwrite_original", "in_place": "-overwrite_original_in_place"}
        deliveries = watched.deliveries(kinds)
        tags = ("-Artist=retouchd", "-Copyright=海边")
        for each in deliveries:
            for tag in tags:
                exiftool.tag(each.source, "-overwrite_original", tag)
        for each in deliveries:
            each.target.write_bytes(each.elsewhere.read_bytes())
            for tag in tags:
                exiftool.tag(each.target, kinds[each.target.parent.name], tag)

    watched.sends({each.target: each.content for each in deliveries})


def test_rclone(watched: Watched) -> None:
    """
    It copies under a temporary name where its version can, renames, looks, and sets the times.
    """
    rclone = (program("rclone"), "--config", "/dev/null", "--bwlimit", "100k", "--retries", "1")
    deliveries = watched.deliveries(["copy", "copyto", "move"])
    written = {each.target: each.content for each in deliveries}

    def write(to: Delivery) -> None:
        match to.target.parent.name:
            case "copyto":
                command(*rclone, "copyto", "--checksum", to.source, to.target)
            case verb:
                command(*rclone, verb, to.source.parent, to.target.parent)

    at_once((write, each) for each in deliveries)

    watched.sends(written)


@contextlib.contextmanager
def slow_server(content: bytes) -> Iterator[str]:
    """
    A web server that sends its one file in pieces, with pauses.
    """

    class Slowly(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", self.date_time_string(LONG_AGO))
            self.end_headers()
            length = len(content) // 6 + 1
            for start in range(0, len(content), length):
                self.wfile.write(content[start : start + length])
                self.wfile.flush()
                pause()

        def log_message(self, *_: object) -> None:
            pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slowly) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/photo.jpg"
        server.shutdown()
        thread.join()


def test_curl(watched: Watched) -> None:
    """
    It writes the final name from the first byte on, as slowly as the network brings it.
    """
    curl = program("curl")
    (delivery,) = watched.deliveries(["curl"])
    written = {delivery.target: delivery.content}

    with slow_server(delivery.content) as url:
        command(curl, "--noproxy", "*", "--remote-time", "-s", "-o", delivery.target, url)

    watched.sends(written)
