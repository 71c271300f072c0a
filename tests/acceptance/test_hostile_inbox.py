"""
An inbox that somebody fills who means harm, against a real daemon: each thing ends in `error/` with its code,
or is left alone and listed with its reason, and a good picture beside it is edited all the same.

One run meets everything at once; a class for each threat then looks at what became of its own. Single pieces
are tried closer up elsewhere: files in test_inbox, test_images and test_references, sidecars in test_notation,
names in test_strange_names and test_logs, and a disk that is full in test_keeping and test_engine_restart.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import signal
import socket
import stat
import struct
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine_world import World, open_world, photo
from process import Endpoint, Running, Station, open_station
from retouchd.disk import moves
from retouchd.disk.nofollow import Where, path_of
from sample_pictures import chunk, encoded, scene

MB = 1 << 20
MOST_GROWN_MB = 32
"""What the whole run may take over a daemon at rest; a gigabyte of sidecars and the bombs are part of it."""

Make = Callable[[Path], object]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """
    Something that is put into the inbox, and what has to become of it.

    `row` is its folder. `code` is the error it ends with; `waits` a part of the reason why it is left where
    it lies; without either it is edited.
    """

    row: str
    name: str
    make: Make
    code: str = ""
    waits: str = ""
    prompt: str | None = "make it blue"
    sidecar: tuple[str, str] | None = None

    @property
    def path(self) -> str:
        return f"{self.row}/{self.name}"


def of(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def bomb(content: Callable[[], bytes]) -> Make:
    """
    The same, packed when it is wanted: that takes a while.
    """
    return lambda path: path.write_bytes(content())


# What is put there.


def png(width: int, height: int, pixels: bytes, *chunks: bytes, depth: int = 1) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@functools.cache
def packed(size: int) -> bytes:
    """
    So many zeros, compressed.
    """
    press = zlib.compressobj(9)
    pieces = [press.compress(bytes(MB)) for _ in range(size // MB)]
    return b"".join([*pieces, press.compress(bytes(size % MB)), press.flush()])


def animation(frames: int) -> bytes:
    """
    An animated PNG that says how many frames it has; they are all the same.
    """
    control = struct.pack(">IIIIIHHBB", 0, 8, 8, 0, 0, 1, 10, 0, 0)
    pixels = zlib.compress(bytes(8 * 2))
    parts = [chunk(b"acTL", struct.pack(">II", frames, 0)), chunk(b"fcTL", control)]
    body = png(8, 8, pixels, *parts)
    more = b"".join(
        chunk(b"fcTL", struct.pack(">I", 2 * n - 1) + control[4:])
        + chunk(b"fdAT", struct.pack(">I", 2 * n) + pixels)
        for n in range(1, frames)
    )
    return body[:-12] + more + body[-12:]


def tiff(width: int, height: int) -> bytes:
    """
    A TIFF that claims these sides and has nothing else.
    """
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def huge(data: bytes, box: bytes, sides: tuple[int, int]) -> bytes:
    """
    A HEIC or AVIF whose property says that it is larger than it is.
    """
    at = data.index(box) + len(box) + 4
    return data[:at] + struct.pack(">II", *sides) + data[at + 8 :]


def polyglot_jpeg() -> bytes:
    return encoded(scene(), "JPEG") + b"<script>alert(1)</script>#!/bin/sh\nrm -rf /\n"


def a_device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero: it never ends


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # A socket's path may have 107 bytes.
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


def link_to(target: str) -> Make:
    return lambda path: path.symlink_to(path.parents[2].parent / "outside" / target)


def hard_link(path: Path) -> None:
    os.link(path.parents[2].parent / "outside" / "theirs.png", path)


LINK, NO_FILE = "symbolic link", "not a file"

LINKS = [
    Thing(row="d01", name="link.png", make=link_to("secret.png"), waits=LINK),
    Thing(row="d01", name="nowhere.png", make=link_to("nowhere"), waits=LINK),
    Thing(row="d01", name="linked", make=link_to("."), prompt=None, waits=LINK),
    Thing(
        row="d01", name="passwd.png", make=lambda path: path.symlink_to("/etc/passwd"), waits=LINK
    ),
    Thing(row="d01", name="self.png", make=lambda path: path.symlink_to(path.name), waits=LINK),
]
HARD_LINKS = [Thing(row="d02", name="theirs.png", make=hard_link)]
PIPES = [
    Thing(row="d03", name="pipe.png", make=os.mkfifo, waits=NO_FILE),
    Thing(row="d03", name="socket.png", make=a_socket, waits=NO_FILE),
    Thing(row="d03", name="prompt.txt", make=os.mkfifo, prompt=None, waits=NO_FILE),
    Thing(row="d03", name="sidecar.toml", make=os.mkfifo, prompt=None, waits=NO_FILE),
    Thing(row="d03/mask", name="cat.mask.png", make=os.mkfifo, prompt=None, waits=NO_FILE),
    Thing(row="d03/folder", name="_prompt.txt", make=os.mkfifo, prompt=None, waits=NO_FILE),
    Thing(row="d03/folder", name="cat.png", make=of(photo(seed=301)), prompt=None, waits="prompt"),
    *(
        [Thing(row="d03", name="zero.png", make=a_device, waits=NO_FILE)]
        if os.geteuid() == 0
        else []
    ),
]

INVALID, REFERENCE, WAITS = "sidecar_invalid", "reference_invalid", "waits"
PATHS = (
    ("../../outside/secret.png", REFERENCE),
    ("../../../../../../../../etc/passwd", REFERENCE),
    ("/etc/passwd", REFERENCE),
    ("//etc/passwd", REFERENCE),
    ("~/secret.png", REFERENCE),
    ("~root/secret.png", REFERENCE),
    ("a/../../../outside/secret.png", REFERENCE),
    ("./../../outside/secret.png", REFERENCE),
    ("..\\..\\outside\\secret.png", REFERENCE),
    ("C:\\secret.png", REFERENCE),
    ("\\\\server\\share\\secret.png", REFERENCE),
    ("..%2f../../outside/secret.png", WAITS),
    ("/proc/self/environ", REFERENCE),
    ("/dev/zero", REFERENCE),
    ("_refs/", REFERENCE),
    ("..", REFERENCE),
    ("", INVALID),
    (" ", INVALID),
    ("_linked/secret.png", WAITS),
    ("_link.png", WAITS),
    ("_pipe.png", WAITS),
    ("_refs", WAITS),
    (".", REFERENCE),
    ("../d01/good.png", REFERENCE),
    ("../d01/_refs/good.png", REFERENCE),
    ("‥/‥/outside/secret.png", WAITS),
    ("․․/․․/outside/secret.png", WAITS),
    ("..%2f..%2foutside/secret.png", WAITS),
    ("file:///etc/passwd", WAITS),
    ("https://example.invalid/secret.png", WAITS),
    ("_refs/" + "a" * 300 + ".png", WAITS),
    ("a/" * 2000 + "secret.png", WAITS),
)
"""Names of references that lead nowhere they may: an error, or a wait for what will never be there."""


def _naming(number: int, path: str, outcome: str) -> Thing:
    return Thing(
        row="d04",
        name=f"p{number:02}.png",
        make=of(photo(seed=400 + number)),
        sidecar=("toml", f"images = [{json.dumps(path)}]\n"),
        code="" if outcome == WAITS else outcome,
        waits="waits for its reference" if outcome == WAITS else "",
    )


TRICKS = [
    *(_naming(number, *each) for number, each in enumerate(PATHS)),
    Thing(
        row="d04",
        name="nul.png",
        make=of(photo(seed=499)),
        sidecar=("json", '{"images": ["_refs/a.png\\u0000.txt"]}'),
        code=INVALID,
    ),
]

TOO_LARGE, UNREADABLE, UNSUPPORTED = "image_too_large", "image_unreadable", "image_unsupported"
_HEIC = encoded(scene(), "HEIF")
BOMBS = [
    Thing(
        row="d06",
        name="12000.png",
        make=bomb(lambda: png(12_000, 12_000, packed(12_000 * 1501))),
        code=TOO_LARGE,
    ),
    Thing(
        row="d06",
        name="30000.png",
        make=bomb(lambda: png(30_000, 30_000, packed(30_000 * 3751))),
        code=TOO_LARGE,
    ),
    Thing(row="d06", name="huge.png", make=of(png(2**31 - 1, 2**31 - 1, b"")), code=TOO_LARGE),
    Thing(row="d06", name="long.png", make=of(png(2**31 - 1, 1, b"")), code=TOO_LARGE),
    Thing(row="d06", name="empty.png", make=of(png(0, 0, b"")), code=UNREADABLE),
    Thing(row="d06", name="frames.png", make=of(animation(10_000)), code=UNSUPPORTED),
    Thing(
        row="d06",
        name="ztxt.png",
        make=bomb(
            lambda: png(8, 8, zlib.compress(bytes(16)), chunk(b"zTXt", b"a\0\0" + packed(100 * MB)))
        ),
    ),
    Thing(
        row="d06",
        name="iccp.png",
        make=bomb(
            lambda: png(8, 8, zlib.compress(bytes(16)), chunk(b"iCCP", b"a\0\0" + packed(100 * MB)))
        ),
    ),
    Thing(row="d06", name="pixels.png", make=bomb(lambda: png(8, 8, packed(100 * MB)))),
    Thing(row="d06", name="wide-1.tiff", make=of(tiff(2**31 - 1, 2**31 - 1)), code=TOO_LARGE),
    Thing(
        row="d06",
        name="wide-2.heic",
        make=of(huge(_HEIC, b"ispe", (60_000, 60_000))),
        code=UNREADABLE,
    ),
    Thing(
        row="d06",
        name="wide-3.webp",
        make=of(b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff\xff\0" * 2),
        code=TOO_LARGE,
    ),
]

CONFUSED = [
    Thing(
        row="d07",
        name="svg.png",
        make=of(b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        code=UNSUPPORTED,
    ),
    Thing(row="d07", name="eps.png", make=of(encoded(scene(), "EPS")), code=UNSUPPORTED),
    Thing(
        row="d07", name="ps.jpg", make=of(b"%!PS-Adobe-3.0 EPSF-3.0\n(x) run\n"), code=UNSUPPORTED
    ),
    Thing(row="d07", name="pdf.png", make=of(encoded(scene(), "PDF")), code=UNSUPPORTED),
    Thing(row="d07", name="psd.png", make=of(b"8BPS\0\1" + bytes(100)), code=UNSUPPORTED),
    Thing(row="d07", name="gif.png", make=of(encoded(scene(), "GIF")), code=UNSUPPORTED),
    Thing(row="d07", name="elf.png", make=of(b"\x7fELF" + bytes(100)), code=UNREADABLE),
    Thing(
        row="d07", name="html.png", make=of(b"<!doctype html><script>1</script>"), code=UNSUPPORTED
    ),
    Thing(row="d07", name="tiff.png", make=of(encoded(scene(), "TIFF", compression="jpeg"))),
]

_ZIPPED = photo(seed=801)
POLYGLOTS = [
    Thing(
        row="d08",
        name="zip.png",
        make=of(_ZIPPED + b"PK\x03\x04" + bytes(2000) + b"PK\x05\x06"),
    ),
    Thing(row="d08", name="script.jpg", make=of(polyglot_jpeg())),
]

_WHOLE = encoded(scene((64, 48)), "PNG")
_WHOLE_JPEG = encoded(scene((64, 48)), "JPEG")
CUT = [
    Thing(
        row="d09",
        name=f"{kind}-{sixteenth:02}.{kind}",
        make=of(data[: len(data) * sixteenth // 16]),
        code=UNREADABLE,
    )
    for kind, data in (("png", _WHOLE), ("jpg", _WHOLE_JPEG))
    for sixteenth in range(1, 16)
]

SIDECARS = [
    ("deep.json", '{"extra":' * 20_000, INVALID),
    ("brackets.json", "[" * 100_000, INVALID),
    ("deep.yaml", "- " * 60_000, INVALID),
    ("deep.toml", "a = " + "[" * 100_000, INVALID),
    (
        "laughs.yaml",
        "a: &a [x]\n" + "".join(f"a{i}: &a{i} [*a,*a,*a,*a]\n" for i in range(9)),
        INVALID,
    ),
    ("tag.yaml", "prompt: !!python/object/apply:os.system [touch pwned]", INVALID),
    ("twice.json", '{"prompt": "a", "prompt": "b"}', INVALID),
    ("twice.toml", 'prompt = "a"\nprompt = "b"', INVALID),
    ("twice.yaml", "prompt: a\nprompt: b", INVALID),
    ("nul.json", '{"prompt": "a\\u0000b"}', INVALID),
    ("digits.json", '{"n": ' + "1" * 100_000 + "}", INVALID),
    ("long.txt", "blue " * 100_000, INVALID),
    ("nul.txt", "make it\0blue", INVALID),
]
WRITTEN = [
    Thing(
        row="d10",
        name=f"{name.replace('.', '-')}.png",
        make=of(photo(seed=1000 + number)),
        prompt=None,
        sidecar=(name.rpartition(".")[2], text),
        code=code,
    )
    for number, (name, text, code) in enumerate(SIDECARS)
]
GIGABYTES = [
    Thing(
        row="d10",
        name=f"giga-{kind}.png",
        make=of(photo(seed=1100 + number)),
        prompt=None,
        code=INVALID,
    )
    for number, kind in enumerate(("txt", "toml", "json", "yaml"))
]
NOT_TEXT = [
    Thing(row="d10", name="bytes.png", make=of(photo(seed=1200)), prompt=None, code=INVALID),
]

NAMES = [
    Thing(row="d11", name=f"{stem}.png", make=of(photo(seed=1300 + number)))
    for number, stem in enumerate(
        (
            'x\n{"event": "job.done", "name": "forged"}',
            "x\n<0>forged",
            "x\r\x1b[2J\x1b[31mred",
            "x\u202egnp.exe",
            "x\u2028y\u0085z",
            os.fsdecode(b"caf\xe9 \xff\xfe"),
            "-rf",
            "$(touch pwned)",
            "`touch pwned`; %s %n {0}",
            "a" * 240,
            "猫" * 80,
        )
    )
]

THINGS = [
    *LINKS,
    *HARD_LINKS,
    *PIPES,
    *TRICKS,
    *BOMBS,
    *CONFUSED,
    *POLYGLOTS,
    *CUT,
    *WRITTEN,
    *GIGABYTES,
    *NOT_TEXT,
    *NAMES,
]


Outside = dict[str, tuple[int, int, int, bytes]]
"""Files that are nobody's business: when each was written, its mode, its owner, its bytes."""


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """
    What a run left: where everything is, why what waits waits, what was said, and what it took.
    """

    station: Station
    daemon: Running
    endpoint: Endpoint
    waiting: dict[str, str]
    grown_mb: float
    before: Outside
    after: Outside

    def code(self, thing: Thing) -> str | None:
        """
        Return the error a thing ended with, None if there is none.
        """
        path = self.station.folders.error / thing.path
        record = path.with_name(path.stem + ".job.json")
        if not record.exists():
            return None
        body = json.loads(record.read_bytes())
        code: str = body["error"]["code"]
        return code

    def is_done(self, path: str) -> bool:
        return (self.station.folders.done / path).exists()

    def lies(self, path: str) -> bool:
        """
        Return whether something still lies in the inbox.
        """
        return os.path.lexists(self.station.folders.inbox / path)

    def check(self, things: Sequence[Thing]) -> None:
        """
        Assert that each of these came to what it has to, and the good picture beside them was edited.
        """
        found = {thing.path: self._became(thing) for thing in things}
        assert found == {thing.path: thing.code or thing.waits or "done" for thing in things}
        for row in {thing.row for thing in things}:
            assert self.is_done(f"{row}/good.png")
            assert f"{row}/good.png" in self.station.tree("outbox")

    def _became(self, thing: Thing) -> str:
        if self.is_done(thing.path):
            return "done"
        if not self.lies(thing.path):
            return self.code(thing) or "lost"
        reason = self.waiting.get(thing.path, "nothing is said of it")
        return thing.waits if thing.waits and thing.waits in reason else f"waits: {reason}"

    @property
    def sent(self) -> set[str]:
        """
        Return the hash of every picture the endpoint got.
        """
        return {each for seen in self.endpoint.seen for each in seen["pictures"]}


def _outside(root: Path) -> Outside:
    found = {}
    for path in sorted(root.iterdir()):
        seen = path.stat()
        found[path.name] = (seen.st_mtime_ns, seen.st_mode, seen.st_uid, path.read_bytes())
    return found


def _put(inbox: Path, thing: Thing) -> None:
    path = inbox / thing.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if thing.prompt is not None:
        path.with_suffix(".txt").write_text(f"{thing.prompt} {thing.name!a}")
    if thing.sidecar is not None:
        kind, text = thing.sidecar
        path.with_suffix(f".{kind}").write_text(text)
    thing.make(path)


def _memory(running: Running, key: str) -> float:
    found = re.search(
        rf"{key}:\s+(\d+) kB", Path(f"/proc/{running.process.pid}/status").read_text()
    )
    assert found is not None
    return int(found[1]) / 1024


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    tmp = tmp_path_factory.mktemp("hostile")
    with open_station(tmp) as station:
        yield _run(tmp, station)


def _run(tmp: Path, station: Station) -> Aftermath:
    outside = tmp / "outside"
    outside.mkdir()
    for number, name in enumerate(("secret.png", "theirs.png")):
        (outside / name).write_bytes(photo(seed=100 + number))
        os.utime(outside / name, (1, 1))
    (outside / "theirs.png").chmod(0o400)
    before = _outside(outside)
    programs = tmp / "programs"
    programs.mkdir()
    for name in ("gs", "inkscape", "convert"):
        (programs / name).write_text(f"#!/bin/sh\ntouch {tmp}/pwned\n")
        (programs / name).chmod(0o755)
    endpoint = station.endpoint()
    station.configure(
        endpoint={"base_url": endpoint.url, "concurrency": 8},
        intake={"settle_seconds": 0.1, "incomplete_seconds": 0.5, "rescan_seconds": 2},
    )
    station.drop("first.png")
    path = f"{programs}:{os.environ['PATH']}"
    daemon = station.start("run", by_exec=True, PATH=path).ready()
    daemon.until(lambda: station.tree("outbox"))
    rest = _memory(daemon, "VmRSS")
    inbox = station.folders.inbox
    for row in sorted({thing.row for thing in THINGS}):
        (inbox / row).mkdir(parents=True, exist_ok=True)
        station.drop(f"{row}/good.png")
    (inbox / "d04/_linked").symlink_to(outside)
    (inbox / "d04/_link.png").symlink_to(outside / "secret.png")
    os.mkfifo(inbox / "d04/_pipe.png")
    (inbox / "d04/_refs").mkdir()
    for thing in GIGABYTES:
        stem = thing.name.removesuffix(".png")
        sparse(inbox / thing.row / f"{stem}.{stem.removeprefix('giga-')}")
    (inbox / "d10/bytes.txt").write_bytes(b"\xff\xfe\xfd\x80\x81" * 3)
    for thing in THINGS:
        _put(inbox, thing)
    with contextlib.suppress(AssertionError):
        daemon.until(lambda: _is_over(station))
    status = station.call("status", "--json")[1]
    report: dict[str, Any] = json.loads(status.out)
    waiting = {
        f"{each['folder']}/{each['name']}".lstrip("/"): each["reason"] for each in report["waiting"]
    }
    grown = _memory(daemon, "VmHWM") - rest
    assert daemon.end(signal.SIGTERM) == 0
    assert not (tmp / "pwned").exists()
    return Aftermath(
        station=station,
        daemon=daemon,
        endpoint=endpoint,
        waiting=waiting,
        grown_mb=grown,
        before=before,
        after=_outside(outside),
    )


def _is_over(station: Station) -> bool:
    left = {thing.path for thing in THINGS if not thing.waits}
    return not any(os.path.lexists(station.folders.inbox / path) for path in left) and not list(
        (station.folders.work / "jobs").iterdir()
    )


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TestD01Links:
    """
    Never followed, never moved, and what they lead to is never read.
    """

    def test_links_are_left_alone(self, aftermath: Aftermath) -> None:
        aftermath.check(LINKS)
        secret = aftermath.after["secret.png"]
        assert secret == aftermath.before["secret.png"]
        assert sha(secret[-1]) not in aftermath.sent

    async def test_a_link_swapped_in_before_the_claim(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        The moment between the last look and the rename: the link comes back, and is not even opened.
        """
        secret = world.root / "secret.png"
        secret.write_bytes(photo(seed=5))
        picture = world.drop("cat.png")
        world.drop("dog.png", image=photo(seed=6))
        take, aside = moves.take, world.root / "aside.png"

        def swapped(source: Where, target: Path) -> None:
            if path_of(source) == picture and not aside.exists():
                picture.rename(aside)
                picture.symlink_to(secret)
            take(source, target)

        monkeypatch.setattr(moves, "take", swapped)
        daemon = world.daemon()
        await world.once(daemon)

        assert {sha(photo(seed=6))} == {f.sha256 for seen in world.requests for f in seen.files}
        assert set(world.tree("inbox")) == {"cat.png", "cat.txt"}
        assert picture.readlink() == secret
        assert LINK in (await world.reasons(daemon))["cat.png"]
        assert secret.read_bytes() == photo(seed=5)

    def test_a_link_that_comes_and_goes(self, tmp_path: Path) -> None:
        """
        A program swaps file and link as fast as it can: the file may be edited, the link's target never.
        """
        with open_station(tmp_path) as station:
            secret = tmp_path / "secret.png"
            secret.write_bytes(photo(seed=5))
            endpoint = station.endpoint()
            station.configure(endpoint={"base_url": endpoint.url}, intake={"settle_seconds": 0})
            daemon = station.start("run").ready()
            inbox, spare = station.folders.inbox, tmp_path / "spare.png"
            (inbox / "cat.txt").write_text("make it blue")
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                spare.write_bytes(photo(seed=7))
                spare.rename(inbox / "cat.png")
                spare.symlink_to(secret)
                spare.rename(inbox / "cat.png")
            (inbox / "cat.png").unlink()
            station.drop("good.png")
            daemon.until(lambda: "good.png" in station.tree("outbox"))
            daemon.end(signal.SIGTERM)

            sent = {each for seen in endpoint.seen for each in seen["pictures"]}
            assert sha(secret.read_bytes()) not in sent

    def test_a_folder_swapped_for_a_link(self, tmp_path: Path) -> None:
        """
        What lies behind it is somebody's photos: none of them is taken, however well the folder was known.
        """
        with open_station(tmp_path) as station:
            station.configure(intake={"settle_seconds": 0, "rescan_seconds": 0.3})
            outside = tmp_path / "outside"
            outside.mkdir()
            for name in ("cat", "dog"):
                (outside / f"{name}.png").write_bytes(photo())
                (outside / f"{name}.txt").write_text("make it blue")
            station.drop("pets/cat.png", None)
            daemon = station.start("run").ready()
            (station.folders.inbox / "pets").rename(tmp_path / "aside")
            (station.folders.inbox / "pets").symlink_to(outside)
            for name in ("one.png", "two.png"):
                (outside / "cat.txt").write_text(f"make it {name}")
                station.drop(name)
                daemon.until(lambda name=name: name in station.tree("outbox"))  # type: ignore[misc]
            daemon.end(signal.SIGTERM)

            assert len(list(outside.iterdir())) == 4
            assert station.tree("outbox") == ["one.png", "two.png"]


class TestD02HardLinks:
    """
    Taken, as they are files; whoever has the other name finds it as it was.
    """

    def test_the_other_name_stays_as_it_was(self, aftermath: Aftermath) -> None:
        aftermath.check(HARD_LINKS)
        theirs = aftermath.after["theirs.png"]
        assert theirs == aftermath.before["theirs.png"]
        assert sha(theirs[-1]) in aftermath.sent


class TestD03Pipes:
    """
    Pipes, devices and sockets, as picture, prompt, sidecar, mask or folder file: nobody waits for them.
    """

    def test_they_are_left_alone(self, aftermath: Aftermath) -> None:
        aftermath.check(PIPES)


class TestD04Paths:
    """
    No name in a sidecar leads out of the inbox, nor behind a link in it.
    """

    def test_no_trick_works(self, aftermath: Aftermath) -> None:
        aftermath.check(TRICKS)
        assert sha(aftermath.after["secret.png"][-1]) not in aftermath.sent


class TestD06Bombs:
    """
    Refused by what they claim, before a pixel of them is there; memory is that of the whole run.
    """

    def test_none_goes_off(self, aftermath: Aftermath) -> None:
        aftermath.check(BOMBS)
        assert aftermath.grown_mb <= MOST_GROWN_MB


class TestD07Confusion:
    """
    What a file is called decides nothing; no other program is ever started for one.
    """

    def test_content_decides(self, aftermath: Aftermath) -> None:
        aftermath.check(CONFUSED)


class TestD08Polyglots:
    """
    Bytes behind a picture's end stay here, and so does what else is no part of it.
    """

    def test_they_are_pictures(self, aftermath: Aftermath) -> None:
        aftermath.check(POLYGLOTS)
        assert sha(_ZIPPED) in aftermath.sent
        done = aftermath.station.folders.done
        assert not {sha((done / each.path).read_bytes()) for each in POLYGLOTS} & aftermath.sent


class TestD09Cuts:
    """
    A picture cut anywhere is given its time, and is then told to be incomplete.
    """

    def test_at_every_sixteenth(self, aftermath: Aftermath) -> None:
        aftermath.check(CUT)


class TestD10Sidecars:
    """
    Of a gigabyte the beginning is read; depth, aliases and doubles are faults; so is what is no text.
    """

    def test_each_is_told(self, aftermath: Aftermath) -> None:
        aftermath.check([*WRITTEN, *GIGABYTES, *NOT_TEXT])
        assert not (aftermath.station.root / "pwned").exists()

    def test_memory_does_not_grow_with_them(self, aftermath: Aftermath) -> None:
        assert aftermath.grown_mb <= MOST_GROWN_MB


class TestD11Names:
    """
    Kept as they are, shown so that they forge nothing.
    """

    def test_no_name_forges_a_line(self, aftermath: Aftermath) -> None:
        aftermath.check(NAMES)
        lines = aftermath.daemon.err.split("\n")
        assert all(line.startswith('{"timestamp"') for line in lines if line)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", aftermath.daemon.err)
        assert "forged" not in {each["name"] for each in aftermath.daemon.events("job.done")}


class TestD12Writers:
    """
    What is sent is what was judged, whoever goes on writing.
    """

    def test_a_writer_that_never_lets_go(self, tmp_path: Path) -> None:
        """
        It writes in two places of the file it opened in the inbox, wherever that is by now, with pauses in
        which the file settles and is claimed: no request ever holds half of a change.
        """
        with open_station(tmp_path) as station:
            endpoint = station.endpoint()
            station.configure(
                endpoint={"base_url": endpoint.url},
                intake={"settle_seconds": 0.05},
                images={"metadata": "keep"},  # The writer's marks lie behind the picture's end.
            )
            daemon = station.start("run").ready()
            picture = station.folders.inbox / "cat.png"
            start = photo(seed=9)
            picture.with_suffix(".txt").write_text("make it blue")
            picture.write_bytes(start + bytes(2 * MB))
            states = {sha(picture.read_bytes())}
            with picture.open("r+b", buffering=0) as file:
                for number in range(40):
                    mark = b"%08d" % number
                    for at in (len(start), len(start) + 2 * MB - len(mark)):
                        os.pwrite(file.fileno(), mark, at)
                        time.sleep(0.005)
                    states.add(sha(start + mark + bytes(2 * MB - 2 * len(mark)) + mark))
                    time.sleep((number % 8) / 40)
            station.drop("good.png")
            daemon.until(lambda: len(station.tree("outbox")) == 2)
            daemon.end(signal.SIGTERM)

            sent = {
                e
                for seen in endpoint.seen
                if seen["prompt"] == "make it blue"
                for e in seen["pictures"]
            }
            assert sent
            assert sent <= states
            assert "cat.png" in station.tree("done")


class TestD13Floods:
    """
    Twenty thousand files nobody asked about: listed, waited for, and hardly any memory.
    """

    FILES = 20_000

    def test_memory_stays_flat(self) -> None:
        here = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(dir=here) as folder, open_station(Path(folder)) as station:
            station.configure(intake={"settle_seconds": 0, "rescan_seconds": 1})
            station.drop("first.png")
            daemon = station.start("run", by_exec=True).ready()
            daemon.until(lambda: station.tree("outbox") == ["first.png"])
            rest = _memory(daemon, "VmRSS")
            for number in range(self.FILES):
                place = station.folders.inbox / f"{number // 1000}"
                place.mkdir(exist_ok=True)
                (place / f"{number}.png").touch()
            station.drop("last.png")
            daemon.until(lambda: "last.png" in station.tree("outbox"))
            grown = _memory(daemon, "VmHWM") - rest
            daemon.end(signal.SIGTERM)

            assert grown <= 48
            assert len(station.tree("inbox")) == self.FILES


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world
