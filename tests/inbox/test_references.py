"""
References: where they lie, how they are reached, and how long they are no jobs of their own.
"""

import ctypes
import errno
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import signature
from retouchd.disk import nofollow
from retouchd.inbox.reference_paths import resolve
from retouchd.inbox.references import References
from retouchd.job.model import Reference, Snapshot

PLACES = [
    ("", "_refs/a.png", "_refs/a.png"),
    ("shoes", "_refs/a.png", "shoes/_refs/a.png"),
    ("shoes/red", "../../_refs/背景.png", "_refs/背景.png"),
    ("shoes/red", "../_refs/deep/a.png", "shoes/_refs/deep/a.png"),
    ("shoes/red", "../../_refs/../_more/a.png", "_more/a.png"),
    ("shoes/red", "../red/a.png", "shoes/red/a.png"),
    ("shoes", "red/deep/a.png", "shoes/red/deep/a.png"),
    ("shoes", "_refs/a/b.png", "shoes/_refs/a/b.png"),
    ("shoes", "../_/a.png", "_/a.png"),
    ("shoes", "./a.png", "shoes/a.png"),
    ("shoes", "x/../a.png", "shoes/a.png"),
]
REFUSED = [
    ("", "", "no file name"),
    ("", " ", "no file name"),
    ("", "a\0b", "no file name"),
    ("", "/etc/passwd", "outside the inbox"),
    ("", "~/a.png", "outside the inbox"),
    ("", "../a.png", "leads out of the inbox"),
    ("shoes", "../../a.png", "leads out of the inbox"),
    ("shoes", "..", "is a folder"),
    ("", "refs/", "is a folder"),
    ("shoes/red", "..", "is a folder"),
    ("shoes/red", ".", "is a folder"),
    ("", "refs\\a.png", "backslash"),
    ("shoes", "../a.png", "lies in another folder"),
    ("shoes", "../hats/a.png", "lies in another folder"),
    ("shoes", "../hats/_refs/a.png", "lies in another folder"),
    ("shoes", "../shoestring/a.png", "lies in another folder"),
    ("shoes", "../_a.png", "lies in another folder"),
    ("shoes", "../.refs/a.png", "lies in another folder"),
    ("shoes", "../refs_/a.png", "lies in another folder"),
    ("shoes", "../Shoes/a.png", "lies in another folder"),
    ("shoes", "../_refs/../hats/a.png", "lies in another folder"),
    ("shoes/red", "../blue/a.png", "lies in another folder"),
    ("shoes/red", "../a.png", "lies in another folder"),
    ("shoes/red", "../../hats/_refs/a.png", "lies in another folder"),
    ("é", "../e\u0301/a.png", "lies in another folder"),
]


@pytest.mark.parametrize(("folder", "text", "path"), PLACES)
def test_a_reference_is_relative_to_the_file_that_names_it(
    folder: str, text: str, path: str
) -> None:
    """
    The path that comes out is below the inbox and has no dots.
    """
    assert resolve(folder, text) == path


@pytest.mark.parametrize(("folder", "text", "words"), REFUSED)
def test_a_reference_never_leads_out_of_the_inbox(folder: str, text: str, words: str) -> None:
    """
    The refusal goes on after the name.
    """
    with pytest.raises(ValueError, match=words):
        resolve(folder, text)


def test_a_folder_that_is_taken_in_spite_of_its_name_is_another_one() -> None:
    """
    Where the person's patterns let pictures in an `_folder` be jobs, nobody else stops them by naming them.
    """
    with pytest.raises(ValueError, match="another folder"):
        resolve("shoes", "../_hats/a.png", is_aside=lambda name: name != "_hats")


@given(st.text("./ab_~\\ \0猫"), st.sampled_from(["", "a", "a/猫", "_b/a"]))
def test_no_text_resolves_to_a_place_outside(text: str, folder: str) -> None:
    """
    Whatever somebody writes is refused, or stays below its own folder or in an `_folder` on the way up.
    """
    try:
        path = resolve(folder, text)
    except ValueError:
        return
    assert not path.startswith(("/", "../"))
    parts, own = path.split("/"), folder.split("/") if folder else []
    assert ".." not in parts
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(parts[:-1], own, strict=False))
    shared = len(list(pairs))
    assert shared == len(own) or parts[shared].startswith("_")
    assert shared < len(parts)


def test_a_file_is_found_below(tmp_path: Path) -> None:
    """
    Its signature is what a stat shows, its bytes are its own.
    """
    (tmp_path / "a").mkdir()
    (tmp_path / "a/猫.png").write_bytes(b"cat")

    found = nofollow.file_or_fault(tmp_path, "a/猫.png")

    assert not isinstance(found, str)
    assert found.inode == os.stat(tmp_path / "a/猫.png").st_ino
    with nofollow.opened(tmp_path, "a/猫.png") as file:
        assert file.read() == b"cat"


class OldKernel:
    """
    Stands for the system library where the newer system call is not known.
    """

    def syscall(self, *_: object) -> int:
        ctypes.set_errno(errno.ENOSYS)
        return -1


@pytest.fixture(params=["openat2", "part by part"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "openat2":
        monkeypatch.setattr(nofollow, "_libc", OldKernel())


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize("kind", ["link", "behind", "pipe", "folder", "missing", "under a file"])
def test_nothing_else_is_followed_or_waited_for(tmp_path: Path, kind: str) -> None:
    """
    Links at the end and on the way, pipes, folders, and what is not there: told, never opened.
    """
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    inbox.mkdir()
    outside.mkdir()
    (outside / "x.png").write_bytes(b"secret")
    path = "x.png"
    match kind:
        case "link":
            (inbox / "x.png").symlink_to(outside / "x.png")
        case "behind":
            (inbox / "a").symlink_to(outside)
            path = "a/x.png"
        case "pipe":
            os.mkfifo(inbox / "x.png")
        case "folder":
            (inbox / "x.png").mkdir()
        case "under a file":
            (inbox / "a").write_bytes(b"")
            path = "a/x.png"
        case _:
            pass

    assert isinstance(nofollow.file_or_fault(inbox, path), str)
    with pytest.raises(OSError, match=r"."), nofollow.opened(inbox, path):
        pass


def test_who_names_what_is_kept_up() -> None:
    """
    A path is known while somebody names it, and forgotten with the last one.
    """
    known = References()
    first, second = ("", "cat.toml"), ("a", "_edit.toml")

    known.name(first, ["x.png", "y.png"])
    known.name(second, ["x.png"])
    known.name(first, ["y.png"])

    assert known.namers("x.png") == [second]
    assert known.name(second, []) == ["x.png"]
    assert not known.knows("x.png")
    assert known.paths() == ["y.png"]


def test_a_used_reference_is_known_by_what_it_is() -> None:
    """
    Another file under the same name is a new one, whatever device number the same one has now.
    """
    known = References()
    snapshot = Snapshot(size=100, mtime_ns=1, inode=7, device=99)
    known.spare([Reference(path="x.png", snapshot=snapshot)])

    assert known.is_spared("x.png", signature(100, mtime_ns=1, inode=7))
    assert not known.is_spared("x.png", signature(101, mtime_ns=1, inode=7))
    assert not known.is_spared("y.png", signature(100, mtime_ns=1, inode=7))
