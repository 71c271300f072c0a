"""
A file that somebody still has open for writing is no complete file: real processes that stand still.
"""

import asyncio
import contextlib
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

import fuse_fs
from engine_world import DAY, World, open_world, photo, put
from retouchd.disk.filesystems import is_written, writer_of
from retouchd.inbox.job_builder import OPEN_SECONDS
from retouchd.service.daemon import Daemon, Ending

_HOLDER = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
if sys.argv[2] == "map":
    mapped = mmap.mmap(fd, 0)
    os.close(fd)
print("open", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding_open(path: Path, how: str = "file") -> Iterator[int]:
    """
    A process that has a file open, or mapped, for writing, and writes nothing.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, path, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.stdin.close()


def asked(path: Path) -> bool | None:
    with path.open("rb") as file:
        return is_written(file.fileno())


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        made.tell(settle_seconds=2, incomplete_seconds=10, rescan_seconds=5, orphan_seconds=60)
        yield made


@pytest_asyncio.fixture
async def ringing(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, has_events=True) as made:
        made.tell(settle_seconds=0.05, incomplete_seconds=0.1, rescan_seconds=DAY)
        yield made


async def wait_for_reason(world: World, daemon: Daemon, name: str, part: str) -> None:
    """
    Wait until a file waits for a reason that holds these words; an hour of the world at most.
    """
    async with asyncio.timeout(3600):
        while part not in (await world.reasons(daemon)).get(name, ""):  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("how", ["file", "map"])
def test_the_kernel_knows_who_writes(tmp_path: Path, how: str) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(photo())
    assert asked(path) is False
    with holding_open(path, how) as pid:
        assert asked(path) is True
        who = writer_of(path, is_sure=True)
        assert f"(pid {pid})" in who
    assert asked(path) is False
    assert writer_of(path, is_sure=False) == ""


def test_readers_are_no_writers(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(photo())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ):
        assert asked(path) is False
        assert writer_of(path, is_sure=False) == ""


def test_a_writer_that_comes_while_the_kernel_is_asked_harms_nobody(tmp_path: Path) -> None:
    """
    A thousand times at once: the process that asks is not ended by the kernel's signal, and the writer goes on.
    """
    path = tmp_path / "cat.png"
    path.write_bytes(b"x")
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys\nfor _ in range(20000): os.close(os.open(sys.argv[1], os.O_WRONLY))",
            path,
        ]
    )
    with path.open("rb") as file:
        answers = set()
        while writer.poll() is None:
            answers.add(is_written(file.fileno()))
    assert writer.returncode == 0
    assert answers <= {True, False}
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_of_other_peoples_files_the_kernel_says_nothing(tmp_path: Path) -> None:
    """
    Whoever is not the owner hears neither yes nor no: as before, the settle time decides.
    """
    path = tmp_path / "cat.png"
    path.write_bytes(b"x")
    script = (
        "import os, sys; from retouchd.disk.filesystems import is_written\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); print(is_written(int(sys.argv[1])))"
    )
    with path.open("rb") as file, holding_open(path):
        fd = file.fileno()
        asking = [sys.executable, "-c", script, str(fd)]
        done = subprocess.run(asking, pass_fds=[fd], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


async def test_where_the_filesystem_grants_no_leases_pictures_are_edited(tmp_path: Path) -> None:
    with fuse_fs.mounted(tmp_path) as odd:
        async with open_world(odd.point) as made:
            made.drop("cat.png")
            assert await made.once() is Ending.DRAINED
            assert made.tree("done")
            # A writer on this side is known by its process, whatever the filesystem grants.
            path = put(made, "dog.png", photo(seed=2))
            with holding_open(path) as pid:
                assert f"(pid {pid})" in writer_of(path, is_sure=False)


async def test_a_stalled_cp_is_waited_for(world: World, tmp_path: Path) -> None:
    """
    `cp` stopped in mid-file for far longer than any patience: nothing goes to error/, the status names it, and
    once it goes on the picture is edited.
    """
    (tmp_path / "outside").mkdir()
    source = tmp_path / "outside/cat.png"
    source.write_bytes(photo(900, 900, seed=7))
    put(world, "cat.txt", "make it blue")
    target = world.folders.inbox / "cat.png"
    content = source.read_bytes()
    fifo = tmp_path / "outside/fifo"
    os.mkfifo(fifo)
    copier = subprocess.Popen(["cp", "--copy-contents", fifo, target])  # noqa: ASYNC220
    with fifo.open("wb") as feeding:
        feeding.write(content[: len(content) // 2])
        feeding.flush()
        while not target.exists() or not target.stat().st_size:
            os.sched_yield()
        copier.send_signal(signal.SIGSTOP)
        async with world.running() as daemon:
            await wait_for_reason(world, daemon, "cat.png", "though it no longer changes")
            assert (
                f"still open in cp (pid {copier.pid})" in (await world.reasons(daemon))["cat.png"]
            )
            assert world.events("file.open")
            before = world.time.seconds()
            await world.until(lambda: world.time.seconds() > before + OPEN_SECONDS + 100)
            assert world.tree("error") == []
            assert not world.requests
            copier.send_signal(signal.SIGCONT)
            feeding.write(content[len(content) // 2 :])
            feeding.close()
            assert copier.wait() == 0
            await world.until(lambda: world.tree("done"))
    assert world.tree("error") == []
    assert len(world.requests) == 1


@pytest.mark.parametrize("how", ["file", "map"])
async def test_a_whole_picture_waits_for_who_has_it_open(world: World, how: str) -> None:
    path = world.drop("cat.png")
    with holding_open(path, how):
        async with world.running() as daemon:
            await wait_for_reason(world, daemon, "cat.png", "still open in")
            assert "still open in" in (await world.reasons(daemon))["cat.txt"]
            assert not world.requests
            report = daemon.status.report()
            assert report is not None
            assert [each.name for each in report.unfinished] == ["cat.png"]
            assert not report.held
            before = world.time.seconds()
            await world.until(lambda: world.tree("done"))
            # A viewer that never closes it does not keep it for ever.
            assert world.time.seconds() - before > OPEN_SECONDS / 2
    assert len(world.requests) == 1


@pytest.mark.parametrize("name", ["cat.txt", "_prompt.txt"])
async def test_prompts_are_waited_for_as_well(world: World, name: str) -> None:
    world.drop("cat.png", None)
    path = put(world, name, "make it")
    async with world.running() as daemon:
        with holding_open(path):
            await wait_for_reason(world, daemon, "cat.png", f"{name} is still open in")
            assert not world.requests
            path.write_text("make it blue")
        await world.until(lambda: world.tree("done"))
    assert world.prompts() == ["make it blue"]


@pytest.mark.parametrize("what", ["empty", "cut off", "without a prompt"])
async def test_nothing_goes_to_error_while_it_is_open(world: World, what: str) -> None:
    """
    As long as its writer is there, nobody can say that it is damaged, or that nothing more comes.
    """
    whole = photo(300, 300)
    content = {"empty": b"", "cut off": whole[: len(whole) // 2], "without a prompt": whole}[what]
    path = put(world, "cat.png", content)
    if what != "without a prompt":
        put(world, "cat.txt", "make it blue")
    async with world.running() as daemon:
        with holding_open(path):
            await wait_for_reason(world, daemon, "cat.png", "still open in")
            before = world.time.seconds()
            await world.until(lambda: world.time.seconds() > before + OPEN_SECONDS + 60)
            assert world.tree("error") == []
        await world.until(lambda: world.tree("error"))
    assert not world.requests


async def test_closing_it_is_heard_at_once(ringing: World) -> None:
    """
    With events, and scans a day apart: the writer's close is enough.
    """
    path = ringing.drop("cat.png")
    async with ringing.running() as daemon:
        with holding_open(path):
            await wait_for_reason(ringing, daemon, "cat.png", "still open in")
            assert not ringing.requests
        await ringing.until(lambda: ringing.tree("done"), within=60)
    assert len(ringing.requests) == 1


async def test_once_ends_and_lists_what_is_open(world: World) -> None:
    path = world.drop("cat.png")
    with holding_open(path) as pid:
        daemon = world.daemon()
        assert await world.once(daemon) is Ending.DRAINED
        assert f"(pid {pid})" in (await world.reasons(daemon))["cat.png"]
    assert not world.requests
