"""
A folder that hangs as a dead network share does: calls on it block for minutes, and no error comes of it.
"""

import contextlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from fuse_fs import mounted
from hanging_disk import HangingDisk
from process import RETOUCHD, Endpoint, Running, Station

pytestmark = pytest.mark.slow(330)

JOBS = 16
FIRST = 3
ALL = JOBS + 1
FAR = ("outbox", "done", "error", "inbox")


def command_of(station: Station, disk: HangingDisk, command: str, *arguments: str) -> Running:
    """
    Start `retouchd` on the disk that hangs.
    """
    name, *options = command.split()
    config = ("--config", str(station.config))
    return station.run(RETOUCHD, name, *config, *options, *arguments, environment=disk.environment)


class Scene:
    """
    A daemon with a request out for each job, the first few done; a folder that hangs by now, and one job more.
    """

    def __init__(self, station: Station, disk: HangingDisk, folder: str) -> None:
        self.station = station
        self.disk = disk
        self.place = getattr(station.folders, folder)
        self.endpoint: Endpoint = station.endpoint(f"latency=4:after={FIRST}")
        station.configure(endpoint={"base_url": self.endpoint.url, "concurrency": JOBS})
        for number in range(JOBS):
            station.drop(f"{number:02}.png")
        self.daemon: Running = self.start()
        self.daemon.until(
            lambda: (
                len(self.endpoint.requests) == JOBS and len(self.daemon.events("job.done")) == FIRST
            )
        )
        disk.hang(self.place)
        station.drop("late.png")

    def start(self) -> Running:
        return command_of(self.station, self.disk, "run")

    def kept(self) -> int:
        """
        Return how many jobs have their answer, in work or where it was published.
        """
        jobs = self.station.folders.work / "jobs"
        kept = {path.parent.name for path in jobs.glob("*/attempt-1-1.response")}
        return len(kept) + len(self.daemon.events("job.done"))

    def status(self) -> dict[str, Any]:
        running = command_of(self.station, self.disk, "status", "--json")
        code = running.end()
        assert running.err == ""
        assert code in {1, 3}
        body: dict[str, Any] = json.loads(running.out)
        return body

    def all_done(self, running: Running) -> None:
        """
        Wait until every job is done, and see that none was paid for twice.
        """
        running.until(lambda: len(self.station.tree("done")) == 3 * ALL)
        running.until(lambda: not list((self.station.folders.work / "jobs").iterdir()))
        assert len(self.station.tree("outbox")) == ALL
        assert len(self.endpoint.requests) == ALL
        assert self.station.tree("error") == self.station.tree("inbox") == []


@pytest.mark.parametrize("folder", FAR)
def test_answers_are_kept_while_a_far_folder_hangs(
    station: Station, disk: HangingDisk, folder: str
) -> None:
    """
    Each is durable in work, so that after a kill nothing is paid for again; log and status name the folder.
    """
    scene = Scene(station, disk, folder)

    scene.daemon.until(lambda: scene.kept() == JOBS)
    scene.daemon.until(lambda: scene.daemon.events("folder.unresponsive"))
    (line,) = scene.daemon.events("folder.unresponsive")
    assert line["folder"] == folder
    body = scene.status()
    assert any(f"folders.{folder}: " in each for each in body["attention"]), body["attention"]
    scene.daemon.until(lambda: "disk" in str(scene.status()["paused"]))
    scene.daemon.kill()
    disk.let_go()

    scene.all_done(scene.start())


@pytest.mark.parametrize("folder", FAR)
def test_a_stop_does_not_wait_for_a_folder_that_hangs(
    station: Station, disk: HangingDisk, folder: str
) -> None:
    """
    What is left is said and safe.
    """
    scene = Scene(station, disk, folder)
    scene.daemon.until(lambda: scene.kept() == JOBS)

    assert scene.daemon.end(signal.SIGTERM) == 0
    disk.let_go()

    scene.all_done(scene.start())


def test_a_second_signal_ends_it_though_the_work_folder_hangs(
    station: Station, disk: HangingDisk
) -> None:
    """
    The first waits for the disk, since answers are in memory alone; the second says what is lost with them, and
    what that cost. The next start asks again, within what may be asked again, and no original is lost.
    """
    scene = Scene(station, disk, "work")
    scene.daemon.until(lambda: scene.daemon.events("folder.unresponsive"))
    lost = JOBS - FIRST

    scene.daemon.tell(signal.SIGTERM)
    scene.daemon.until(lambda: scene.daemon.events("daemon.stopping"))
    with pytest.raises(AssertionError, match="did not end"):
        scene.daemon.end(within=3)

    assert scene.daemon.end(signal.SIGTERM, within=20) == 130
    told = scene.daemon.events("answer.lost")
    assert len({each["job"] for each in told}) == lost
    assert all(each["bytes"] > 0 and each["cost_usd"] > 0 for each in told)
    (stopped,) = scene.daemon.events("daemon.stopped")
    assert stopped["ending"] == "abandoned"

    disk.let_go()
    again = scene.start()
    again.until(lambda: len(station.tree("done")) == 3 * ALL)
    assert len(scene.endpoint.requests) == ALL + lost
    assert station.tree("error") == station.tree("inbox") == []


@pytest.mark.parametrize("folder", FAR)
def test_it_goes_on_by_itself_when_the_folder_answers(
    station: Station, disk: HangingDisk, folder: str
) -> None:
    """
    Nothing new is bought meanwhile, and then all of it without anybody's doing.
    """
    scene = Scene(station, disk, folder)
    scene.daemon.until(lambda: scene.daemon.events("folder.unresponsive"))
    scene.daemon.until(lambda: scene.daemon.events("daemon.paused"))
    assert len(scene.endpoint.requests) == JOBS

    disk.let_go()

    scene.daemon.until(lambda: scene.daemon.events("folder.answers"))
    scene.daemon.until(lambda: scene.daemon.events("daemon.resumed"))
    scene.all_done(scene.daemon)
    assert scene.daemon.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        ("run", "outbox"),
        ("run", "work"),
        ("once", "inbox"),
        ("once --dry-run", "inbox"),
        ("once --dry-run", "outbox"),
        ("check", "done"),
        ("status", "error"),
        ("status", "inbox"),
        ("status", "work"),
    ],
)
def test_a_command_names_the_folder_that_hangs_and_ends(
    station: Station, disk: HangingDisk, folder: str, command: str
) -> None:
    """
    In a moment, and with a code that has a service manager try again later.
    """
    station.drop("cat.png")
    station.settle()
    disk.hang(getattr(station.folders, folder))

    running = command_of(station, disk, command)

    assert running.end() == {"status": 1 if folder == "work" else 3}.get(command, 75)
    assert f"folders.{folder}: " in running.out + running.err
    assert "Traceback" not in running.err
    assert len(station.tree("inbox")) == 2


_OPERATIONS = ("getattr", "statfs", "opendir", "create", "open", "rename", "noreplace", "mkdir")


def test_a_mount_whose_calls_cannot_even_be_killed(station: Station, tmp_path: Path) -> None:
    """
    Answers are kept, `status` ends although what asked for it does not, and after a kill nothing is paid again.
    """
    with mounted(tmp_path) as odd:
        (odd.point / "outbox").mkdir()
        endpoint = station.endpoint(f"latency=4:after={FIRST}")
        station.configure(
            folders={"root": ".", "outbox": str(odd.point / "outbox")},
            endpoint={"base_url": endpoint.url, "concurrency": JOBS},
        )
        for number in range(JOBS):
            station.drop(f"{number:02}.png")
        daemon = station.start("run")
        daemon.until(
            lambda: len(endpoint.requests) == JOBS and len(daemon.events("job.done")) == FIRST
        )
        with contextlib.ExitStack() as hanging:
            for operation in _OPERATIONS:
                hanging.enter_context(odd.hanging(operation, "/outbox"))
            jobs = station.folders.work / "jobs"
            daemon.until(lambda: len(list(jobs.glob("*/attempt-1-1.response"))) == JOBS - FIRST)
            daemon.until(lambda: daemon.events("folder.unresponsive"))
            code, status = station.call("status", "--json")
            assert code == 1
            assert "folders.outbox: " in status.out
            daemon.tell(signal.SIGKILL)
        daemon.kill()

        again = station.start("run")
        again.until(lambda: len(station.tree("done")) == 3 * JOBS)
        assert again.end(signal.SIGTERM) == 0
        assert len(endpoint.requests) == JOBS
