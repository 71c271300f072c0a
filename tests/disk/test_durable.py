import ctypes
import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retouchd.disk import durable, file_stat, moves


class RecordedOs:
    """
    The `os` module with its effects noted, and writes of at most three bytes at once.
    """

    def __init__(self, log: list[tuple[str, ...]]) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, fd: int) -> None:
        self._log.append(("fsync", Path(f"/proc/self/fd/{fd}").readlink().name))
        os.fsync(fd)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data[:3])

    def rename(self, source: Path, target: Path) -> None:
        self._log.append(("rename", Path(source).name, Path(target).name))
        Path(source).rename(target)

    def link(self, source: Path, target: Path, **options: bool) -> None:
        self._log.append(("link", source.name, target.name))
        os.link(source, target, **options)

    def unlink(self, path: Path) -> None:
        self._log.append(("unlink", path.name))
        path.unlink()


class RecordedLibc:
    """
    The C library with its rename noted.
    """

    def __init__(self, log: list[tuple[str, ...]]) -> None:
        self._log = log
        self._real = durable._libc

    def renameat2(self, old_fd: int, old: bytes, new_fd: int, new: bytes, flags: object) -> int:
        names = (Path(os.fsdecode(path)).name for path in (old, new))
        self._log.append(("rename", *names))
        answer: int = self._real.renameat2(old_fd, old, new_fd, new, flags)
        return answer


class LibcThatAnswers:
    """
    A C library on a filesystem that answers a rename with an error.
    """

    def __init__(self, code: int) -> None:
        self._code = code

    def renameat2(self, *_: object) -> int:
        ctypes.set_errno(self._code)
        return -1


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """
    Note every effect on the disk in its order.
    """
    noted: list[tuple[str, ...]] = []
    monkeypatch.setattr(durable, "_libc", RecordedLibc(noted))
    monkeypatch.setattr(durable, "os", RecordedOs(noted))
    return noted


@pytest.fixture(params=[None, errno.EINVAL, errno.ENOSYS])
def rename_new(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """
    Return the rename, on a filesystem that can refuse a taken name and on those that cannot.
    """
    if request.param is not None:
        monkeypatch.setattr(durable, "_libc", LibcThatAnswers(request.param))
    return moves.rename_new


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """
    Return a file and the name it is to get in another folder.
    """
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    source = tmp_path / "here" / "cat.png"
    source.write_bytes(b"mine")
    return source, tmp_path / "there" / "cat.png"


def test_a_rename_moves_the_file(rename_new: Callable[..., None], two: tuple[Path, Path]) -> None:
    """
    The file has its new name only.
    """
    source, target = two

    rename_new(source, target)

    assert target.read_bytes() == b"mine"
    assert not source.exists()


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "folder"])
def test_a_rename_never_overwrites(
    rename_new: Callable[..., None], two: tuple[Path, Path], kind: str
) -> None:
    """
    Whatever has the name keeps it, and the file stays where it was.
    """
    source, target = two
    match kind:
        case "file":
            target.write_bytes(b"theirs")
        case "link":
            target.symlink_to(source)
        case "dangling link":
            target.symlink_to("nowhere")
        case _:
            target.mkdir()
    before = target.lstat()

    with pytest.raises(FileExistsError):
        rename_new(source, target)

    assert before.st_ino == target.lstat().st_ino
    assert source.read_bytes() == b"mine"


def test_two_links_are_one_rename_half_done(
    rename_new: Callable[..., None], two: tuple[Path, Path]
) -> None:
    """
    A crash between link and unlink is finished by the unlink alone.
    """
    source, target = two
    target.hardlink_to(source)

    rename_new(source, target)

    assert target.read_bytes() == b"mine"
    assert not source.exists()


def test_a_missing_source_is_told(rename_new: Callable[..., None], two: tuple[Path, Path]) -> None:
    """
    Another daemon may have been faster.
    """
    source, target = two
    source.unlink()

    with pytest.raises(FileNotFoundError):
        rename_new(source, target)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EROFS, errno.ENOSPC, errno.EIO])
def test_other_refusals_are_told_with_both_names(
    monkeypatch: pytest.MonkeyPatch, two: tuple[Path, Path], code: int
) -> None:
    """
    Nothing but a filesystem that cannot do it leads to the second way.
    """
    source, target = two
    monkeypatch.setattr(durable, "_libc", LibcThatAnswers(code))

    with pytest.raises(OSError, match=r"cat\.png") as caught:
        moves.rename_new(source, target)

    assert (code, str(source), str(target)) == (
        caught.value.errno,
        caught.value.filename,
        caught.value.filename2,
    )
    assert source.exists()


def test_a_rename_makes_both_folders_durable(
    two: tuple[Path, Path], log: list[tuple[str, ...]]
) -> None:
    """
    The new name first, so that a power cut leaves the file in one of them at least.
    """
    moves.rename_new(*two)

    assert log == [("rename", "cat.png", "cat.png"), ("fsync", "there"), ("fsync", "here")]


def test_a_linked_rename_makes_both_folders_durable(
    two: tuple[Path, Path], log: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    With link and unlink the order is the same.
    """
    monkeypatch.setattr(durable, "_libc", LibcThatAnswers(errno.EINVAL))

    moves.rename_new(*two)

    effects = [("link", "cat.png", "cat.png"), ("unlink", "cat.png")]
    assert [*effects, ("fsync", "there"), ("fsync", "here")] == log


def test_a_write_is_durable_before_it_has_its_name(
    tmp_path: Path, log: list[tuple[str, ...]]
) -> None:
    """
    Bytes, name, folder; writes the kernel cuts short are continued.
    """
    durable.write(tmp_path / "plan.json", b"0123456789")

    assert (tmp_path / "plan.json").read_bytes() == b"0123456789"
    expected = [
        ("fsync", "plan.json.tmp"),
        ("rename", "plan.json.tmp", "plan.json"),
        ("fsync", tmp_path.name),
    ]
    assert expected == log


def test_what_is_not_committed_never_appears(tmp_path: Path) -> None:
    """
    A half-written file keeps its temporary name, and the older one stays.
    """
    path = tmp_path / "plan.json"
    durable.write(path, b"old")

    with durable.DurableFile(path) as file:
        file.write(b"ne")

    assert path.read_bytes() == b"old"


def test_a_new_file_never_overwrites(tmp_path: Path) -> None:
    """
    A record reserves its stem: the second one to create it is told so.
    """
    path, temporary = tmp_path / "cat.job.json", tmp_path / ".note"
    moves.create(path, b"first", temporary)

    with pytest.raises(FileExistsError):
        moves.create(path, b"second", temporary)

    assert path.read_bytes() == b"first"


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, b"new\n"), (b"", b"new\n"), (b"old\n", b"old\nnew\n"), (b"old\nto", b"old\nto\nnew\n")],
)
def test_a_journal_line_stands_alone(tmp_path: Path, before: bytes | None, after: bytes) -> None:
    """
    A line that a crash tore is ended before the next one is written.
    """
    path = tmp_path / "history.jsonl"
    if before is not None:
        path.write_bytes(before)

    durable.append(path, b"new")

    assert after == path.read_bytes()


def test_a_copy_keeps_bytes_times_and_mode(tmp_path: Path, log: list[tuple[str, ...]]) -> None:
    """
    A file carried to another filesystem looks as it did, and is durable when the copy returns.
    """
    source, target = tmp_path / "cat.png", tmp_path / ".retouchd-1"
    source.write_bytes(b"0123456789")
    source.chmod(0o640)
    os.utime(source, ns=(5, 7_000_000_001))

    moves.copy(source, target)

    assert file_stat.is_copy(source, target)
    assert (target.stat().st_mode & 0o777, target.stat().st_mtime_ns) == (0o640, 7_000_000_001)
    assert ("fsync", target.name) in log


def test_folders_are_made_durable_from_the_top(tmp_path: Path, log: list[tuple[str, ...]]) -> None:
    """
    Each new folder is in its parent for good before the next one is made.
    """
    durable.make_folder(tmp_path / "a" / "b")
    durable.make_folder(tmp_path / "a" / "b")

    assert [("fsync", tmp_path.name), ("fsync", "a")] == log


def test_folders_may_be_nested_deeper_than_python_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A thousand folders, one in the other, are made like three.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)
    deep = tmp_path.joinpath(*["d"] * 1100)

    try:
        durable.make_folder(deep)
        assert deep.is_dir()
    finally:
        subprocess.run(["rm", "-rf", "--", tmp_path / "d"], check=True)


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    """
    It is the person's, and stays.
    """
    (tmp_path / "a").write_bytes(b"mine")

    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(NotADirectoryError):
            durable.make_folder(path)

    assert (tmp_path / "a").read_bytes() == b"mine"


def test_only_regular_files_have_a_snapshot(tmp_path: Path) -> None:
    """
    Links are not followed, and what is not there has none.
    """
    (tmp_path / "cat.png").write_bytes(b"12345")
    (tmp_path / "link.png").symlink_to("cat.png")

    found = file_stat.snapshot(tmp_path / "cat.png")

    assert found is not None
    assert found.size == 5
    for name in ("link.png", "nothing.png", "cat.png/below", "."):
        assert file_stat.snapshot(tmp_path / name) is None


def test_a_sweep_never_removes_what_is_spared(tmp_path: Path) -> None:
    """
    With a file left in `originals/` the sweep stops; what links lead to is never touched.
    """
    job, outside = tmp_path / "job", tmp_path / "outside"
    for folder in (job / "originals", job / "outputs", outside):
        folder.mkdir(parents=True)
        (folder / "cat.png").write_bytes(b"mine")
    (job / "link").symlink_to(outside)

    with pytest.raises(OSError, match="not empty"):
        moves.sweep(job, "originals")

    assert (job / "originals" / "cat.png").exists()
    assert (outside / "cat.png").exists()
    (job / "originals" / "cat.png").unlink()
    moves.sweep(job, "originals")
    assert not job.exists()
    assert (outside / "cat.png").exists()
