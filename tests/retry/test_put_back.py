"""
From `error/` back into the inbox, on another filesystem too: killed at every step, each file comes back once,
and what told why it lay in `error/` goes behind the last of them, never before.
"""

import contextlib
import fcntl
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import Place, content_of
from checker import files_in
from crashing import DIED, FailingDisk, dying
from filming import FilmingDisk, filmed, keep
from process import RETOUCHD
from retouchd.cli.retry import retry
from retouchd.disk import moves, nofollow
from retouchd.disk.folders import Folders
from retouchd.disk.nofollow import Entry
from retouchd.inbox.safe_drop import clear_leftovers
from retouchd.retry.error_folder import STAGE, finish, put_back

NAMES = ("cat.png", "cat.txt")
_ID = "20261123-120000-0badcafe"
RECORD = json.dumps({
    "version": 1, "id": _ID, "status": "error", "attempts": [], "request": {}, "name": "cat",
    "files": ["cat.response", "cat.2.response", *NAMES], "error": {"code": "bad_response"},
}).encode()  # fmt: skip
RESPONSE = b'{"status": 200, "headers": {}}\n{"no": "picture"}'
LEFT = {
    "cat.error.txt": f"It was answered.\n\n(retouchd, job {_ID})\n".encode(),
    "cat.response": RESPONSE,
    "cat.2.response": RESPONSE,
}
"""What told why the picture lay in error/."""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """
    Return a folder on another filesystem, in memory, where the folders of a scene are quickly made.
    """
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second filesystem to write to")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    Load here what a retry loads on its way: each of the hundreds of children that die at it would do so anew.
    """
    root = tmp_path_factory.mktemp("warm")
    with contextlib.redirect_stdout(io.StringIO()):
        Scene(root / "near", root / "far").retry()


class Scene:
    """
    A picture and its prompt in `error/`, far from the inbox; where it `is_told`, with all that tells why.
    """

    def __init__(self, root: Path, far: Path, *, is_told: bool = False) -> None:
        for folder in (root, far):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self.folders: Folders = Place.under(root, error=far / "error").folders
        self.config = root / "config.toml"
        self.config.write_text(f'[folders]\nroot = "."\nerror = "{far}/error"\n')
        self.taken = root / "taken"
        self.taken.mkdir()
        self.roots = [root, far]
        self.kept: dict[tuple[int, int], str] = {}
        """What lay in error/, by further names: it is the same file again on each frame of a film."""
        self.shelf = far / "shelf"  # What a cut brings back keeps its inode there.
        for name in NAMES:
            (self.folders.error / "pets").mkdir(exist_ok=True)
            (self.folders.error / "pets" / name).write_bytes(content_of(name))
        self.expected = Counter(map(content_of, NAMES))
        if is_told:
            (self.folders.error / "pets/cat.job.json").write_bytes(RECORD)
            for name, content in LEFT.items():
                (self.folders.error / "pets" / name).write_bytes(content)
            self.expected[RECORD] += 1

    def retry(self) -> None:
        """
        Try again on a disk that fails nobody.
        """
        with contextlib.redirect_stdout(io.StringIO()):
            retry(self.config, [], is_all=True)

    def dies_on(self, disk: FailingDisk) -> bool:
        """
        Try again in a child on that disk; return whether it died.
        """
        code = dying(self.retry, disk)
        assert code in (0, DIED), f"it ended with {code}"
        return code == DIED

    def state(self) -> frozenset[tuple[str, bytes]]:
        """
        Return all that lies in the folders, by its place and what it holds; ids of processes count as one.
        """
        found = []
        for top in (self.folders.inbox, self.folders.error, self.taken):
            for path in top.rglob("*"):
                name = re.sub(r"[0-9a-f]{8}", "ID", str(path))
                found.append((name, path.read_bytes() if path.is_file() else b""))
        return frozenset(found)

    def take(self) -> None:
        """
        Take what has come into the inbox, as a daemon would.
        """
        for path in visible(self.folders.inbox):
            path.rename(self.taken / f"{len(list(self.taken.iterdir()))}")

    def check(self) -> None:
        """
        Assert that each file came back once, and that nothing is left over.
        """
        assert visible(self.folders.error) == []
        found = Counter(path.read_bytes() for path in [*self.taken.iterdir()])
        assert found == self.expected
        for folder in (self.folders.inbox, self.folders.error):
            assert [each for each in folder.rglob("*") if each.name.startswith(".")] == []

    def check_at_any_time(self) -> None:
        """
        Assert that a picture which is still in error/ is told of, and that the record came before the picture.
        """
        names = {path.name for path in visible(self.folders.error)}
        assert "cat.png" not in names or names >= LEFT.keys()
        came = {path.name for path in visible(self.folders.inbox)}
        assert "cat.png" not in came or "cat.job.json" in came


def visible(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.parts[-2:])
    ]


def killed_retries(scene: Scene, *, power_cut: bool) -> Iterator[Scene]:
    """
    Yield what a retry leaves that lived, then what each death of it leaves, at every step.

    Many deaths leave the same, as those around an fsync do: what follows from that is tried once.
    """
    scene.kept = keep(files_in(scene.folders.error), scene.folders.error.parent.with_name("kept"))
    disk = FilmingDisk(scene.roots, power_cut=power_cut, shelf=scene.shelf)
    film = filmed(scene.retry, disk)
    assert len(film) >= 20, "the sweep covered a whole retry"
    tried = {scene.state()}
    yield scene
    for frame in film:
        frame.develop(scene.roots, scene.kept)
        state = scene.state()
        if state not in tried:
            tried.add(state)
            yield scene


def end(scene: Scene) -> None:
    """
    Take what arrived, retry once more, and assert that each file came once.
    """
    scene.take()
    scene.retry()
    scene.take()
    scene.check()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("power_cut", [False, True], ids=["kill", "power cut"])
def test_killed_at_every_step(tmp_path: Path, elsewhere: Path, *, power_cut: bool) -> None:
    """
    What arrived is taken at once, and still nothing comes twice by the next retry, nor is anything lost.
    """
    begun = Scene(elsewhere / "near", tmp_path / "far")
    for scene in killed_retries(begun, power_cut=power_cut):
        end(scene)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("is_far", "power_cut"),
    [(False, False), (True, False), (True, True)],
    ids=["near", "far", "far, power cut"],
)
def test_killed_with_all_that_tells_why(
    tmp_path: Path, elsewhere: Path, *, is_far: bool, power_cut: bool
) -> None:
    """
    What told why goes only behind the picture; what was left of it goes at the next start, without any word.
    """
    far = (tmp_path if is_far else elsewhere) / "far"
    begun = Scene(elsewhere / "near", far, is_told=True)
    for scene in killed_retries(begun, power_cut=power_cut):
        scene.check_at_any_time()
        scene.take()
        finish(scene.folders)
        left = {path.name for path in visible(scene.folders.error)}
        assert left >= {"cat.png", *LEFT} or not left
        end(scene)


def test_dragged_back_by_hand_after_a_kill(tmp_path: Path) -> None:
    """
    A retry that died before the picture moved leaves nothing in its way, and nothing of error/ goes for it.
    """
    scene = Scene(tmp_path / "near", tmp_path / "far", is_told=True)
    error, inbox = scene.folders.error / "pets", scene.folders.inbox / "pets"
    for step in itertools.count(1):
        if (inbox / "cat.job.json").exists():
            break
        assert scene.dies_on(FailingDisk(die_at=step))
    (error / "cat.png").rename(inbox / "cat.png")

    assert finish(scene.folders) == []

    assert {path.name for path in visible(scene.folders.inbox)} >= {"cat.png", "cat.job.json"}


@pytest.mark.timeout(200)
def test_killed_again_while_it_is_finished(tmp_path: Path, elsewhere: Path) -> None:
    """
    The same where the next retry dies as well, at every fifth step, another one each time.
    """
    begun = Scene(elsewhere / "near", tmp_path / "far")
    shutil.move(begun.folders.error / "pets/cat.txt", begun.taken / "cat.txt")
    for number, scene in enumerate(killed_retries(begun, power_cut=False)):
        scene.take()
        film = filmed(scene.retry, FilmingDisk(scene.roots, first=1 + number % 5, stride=5))
        end(scene)
        for frame in film:
            frame.develop(scene.roots, scene.kept)
            scene.take()
            end(scene)


@pytest.fixture
def scene(tmp_path: Path, elsewhere: Path) -> Scene:
    return Scene(elsewhere / "near", tmp_path / "far")


def staged(scene: Scene) -> Path:
    """
    Let a retry of the picture die before its copy is named; return the staged picture.
    """
    (scene.folders.error / "pets/cat.txt").unlink()
    for step in itertools.count(1):
        found = [
            each for each in scene.folders.error.rglob("*") if each.parent.name.startswith(STAGE)
        ]
        if found:
            return found[0]
        assert scene.dies_on(FailingDisk(die_at=step))
    raise AssertionError("it never came to that")


def test_a_name_taken_meanwhile_sends_it_back(scene: Scene) -> None:
    """
    Nothing is overwritten: the picture stands in error/ again, under a free name.
    """
    staged(scene)
    (scene.folders.inbox / "pets/cat.png").write_bytes(b"newer")
    (scene.folders.error / "pets/cat.png").write_bytes(b"another")

    assert finish(scene.folders) == []

    assert (scene.folders.inbox / "pets/cat.png").read_bytes() == b"newer"
    assert (scene.folders.error / "pets/cat.png").read_bytes() == b"another"
    assert (scene.folders.error / "pets/cat_2.png").read_bytes() == content_of("cat.png")
    assert len(visible(scene.folders.error)) == 2


@pytest.mark.parametrize("left", [b"", b"half"])
def test_a_copy_that_the_disk_has_lost_is_no_original(scene: Scene, left: bytes) -> None:
    """
    The picture stands in error/ again, and nothing of the copy is left.
    """
    staged(scene)
    (copy,) = (scene.folders.inbox / "pets").glob(f"{STAGE}*")
    copy.write_bytes(left)

    assert finish(scene.folders) == []

    assert (scene.folders.error / "pets/cat.png").read_bytes() == content_of("cat.png")
    assert not copy.exists()
    assert not (scene.folders.inbox / "pets/cat.png").exists()


def test_another_inbox_and_a_living_process_are_left_alone(scene: Scene) -> None:
    """
    Only the inbox it was meant for, and only what nobody is at, is finished.
    """
    picture = staged(scene)
    other = scene.folders.work.parent / "other"
    other.mkdir()

    assert finish(_with(scene.folders, inbox=other)) == []
    fd = os.open(picture.parent, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert finish(scene.folders) == []
    assert picture.exists()

    os.close(fd)
    assert finish(scene.folders) == ["pets/cat.png"]


def _with(folders: Folders, inbox: Path) -> Folders:
    return Folders(
        inbox=inbox,
        outbox=folders.outbox,
        review=folders.review,
        done=folders.done,
        error=folders.error,
        work=folders.work,
    )


def test_a_full_disk_leaves_everything_where_it_was(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A copy that fails half-way is cleared away, and the picture stays in error/.
    """
    source = scene.folders.error / "pets/cat.png"
    (scene.folders.inbox / "pets").mkdir()

    def full(_: Entry, target: Entry) -> None:
        target.path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(moves, "copy", full)
    with (
        nofollow.opened_folder(scene.folders.inbox, "pets") as inbox,
        nofollow.opened_folder(scene.folders.error, "pets") as error,
        pytest.raises(OSError, match="No space"),
    ):
        put_back(error / "cat.png", inbox / "cat.png", scene.folders.inbox)

    assert source.read_bytes() == content_of("cat.png")
    assert list((scene.folders.inbox / "pets").iterdir()) == []
    assert sorted(each.name for each in source.parent.iterdir()) == ["cat.png", "cat.txt"]


def _aged(path: Path) -> None:
    os.utime(path, (0, 0))


@pytest.mark.parametrize(
    ("name", "age", "is_left"),
    [
        (".retouchd-drop-0123abcd-1", _aged, False),
        (".retouchd-drop-0123abcd-1", lambda _: None, True),
        (".retouchd-drop-mine", _aged, True),
        (".retouchd-drop-0123abcd-1.png", _aged, True),
        ("cat.png", _aged, True),
    ],
)
def test_what_a_killed_submit_left_is_cleared_after_a_day(
    tmp_path: Path, name: str, age: Callable[[Path], None], *, is_left: bool
) -> None:
    """
    Only what bears exactly our own name and is old.
    """
    path = tmp_path / name
    path.write_bytes(b"half")
    age(path)

    with nofollow.opened_folder(tmp_path, "") as folder:
        clear_leftovers(folder)

    assert path.exists() == is_left


def test_the_next_start_of_the_daemon_finishes_it(scene: Scene) -> None:
    """
    Nobody need say `retry` again: what was on its way is in the inbox, and the work goes on.
    """
    staged(scene)
    (scene.folders.inbox / "pets/cat.txt").write_text("make it blue")
    text = scene.config.read_text()
    scene.config.write_text(
        f'{text}[endpoint]\nbase_url = "sandbox"\n[intake]\nsettle_seconds = 0\n'
    )

    done = subprocess.run(
        [RETOUCHD, "once", "--config", scene.config], capture_output=True, text=True, check=False
    )

    assert "1 in error" in done.stdout, done.stdout + done.stderr  # It is no picture.
    assert (scene.folders.error / "pets/cat.png").read_bytes() == content_of("cat.png")


def test_a_name_that_was_on_its_way_is_found(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Asked for again by its name it comes back, though it is in error/ no longer.
    """
    staged(scene)

    retry(scene.config, ["pets/cat"], is_all=False)

    assert "error/pets/cat.png → inbox/pets/cat.png" in capsys.readouterr().out
    assert (scene.folders.inbox / "pets/cat.png").read_bytes() == content_of("cat.png")
