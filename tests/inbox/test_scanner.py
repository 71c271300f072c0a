import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import NOT_UTF8
from retouchd.disk.signature import PackedSignature, Signature, pack_signature
from retouchd.inbox.ignore import ignore_table
from retouchd.inbox.scanner import InboxScanner, LeftAlone, Listing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "inbox"
    found.mkdir()
    return found


@pytest.fixture
def inbox(root: Path) -> InboxScanner:
    return inbox_of(root)


def inbox_of(root: Path, *, recursive: bool = True) -> InboxScanner:
    return InboxScanner(root=root, ignored=ignore_table(), recursive=recursive)


def listings(inbox: InboxScanner, folder: str = "") -> dict[str, Listing]:
    return {listing.folder: listing for listing in inbox.walk(folder)}


def found(listing: Listing) -> dict[str, PackedSignature | LeftAlone]:
    return dict(zip(listing.names, listing.found, strict=True))


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"content")


def test_a_look_shows_the_whole_signature(inbox: InboxScanner, root: Path) -> None:
    """
    Size, both times, inode and device, as the kernel has them.
    """
    put(root, "shoes/cat.png")
    stat = (root / "shoes/cat.png").stat()

    expected = pack_signature(
        Signature(7, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)
    )

    assert expected == inbox.look("shoes", "cat.png")
    assert {"cat.png": expected} == found(listings(inbox)["shoes"])


def test_nothing_and_folders_have_no_signature(inbox: InboxScanner, root: Path) -> None:
    """
    A file that is gone, or stands below a file, is not there.
    """
    put(root, "cat.png")
    (root / "dog.png").mkdir()

    for folder, name in (("", "none.png"), ("gone", "cat.png"), ("cat.png", "a"), ("", "dog.png")):
        assert inbox.look(folder, name) is None


def a_link(path: Path) -> None:
    put(path.parent, "target")
    path.symlink_to(path.with_name("target"))


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parent, target_is_directory=True)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # A socket's path may have 107 bytes.
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (a_link, "symbolic link"),
        (a_dangling_link, "symbolic link"),
        (a_link_to_a_folder, "symbolic link"),
        (a_pipe, "not a file"),
        (a_socket, "not a file"),
    ],
)
def test_what_is_no_file_is_left_alone(
    inbox: InboxScanner, root: Path, make: Callable[[Path], None], word: str
) -> None:
    """
    It is neither followed nor opened, and a person is told why.
    """
    make(root / "cat.png")

    seen = inbox.look("", "cat.png")

    assert isinstance(seen, LeftAlone)
    assert word in seen.reason
    assert seen.is_told
    assert seen == found(listings(inbox)[""])["cat.png"]
    with pytest.raises(OSError, match=r"cat\.png"):
        inbox.read("", "cat.png", 10)


def test_a_folder_that_became_a_link_is_not_entered(inbox: InboxScanner, root: Path) -> None:
    """
    What lies behind it is not in the inbox, however well its folder was known before.
    """
    outside = root.parent / "outside"
    put(outside, "cat.png", "cat.txt", "below/dog.png")
    put(root, "pets/cat.png")
    shutil.rmtree(root / "pets")
    (root / "pets").symlink_to(outside)

    assert inbox.look("pets", "cat.png") is None
    assert list(inbox.walk("pets")) == []
    assert list(inbox.walk("pets/below")) == []
    with pytest.raises(NotADirectoryError):
        inbox.read("pets", "cat.txt", 10)


def test_hard_links_are_taken(inbox: InboxScanner, root: Path) -> None:
    """
    SFTP servers rename by linking.
    """
    put(root, "upload")
    (root / "cat.png").hardlink_to(root / "upload")

    assert isinstance(inbox.look("", "cat.png"), bytes)


def test_looks_and_scans_agree_on_what_is_ignored(inbox: InboxScanner, root: Path) -> None:
    """
    Only conflict copies are told of: they may be somebody's only copy.
    """
    conflict = "cat.sync-conflict-20261123-120000-ABC.png"
    put(root, ".cat.png.aB3xYz", "cat.png.part", "Thumbs.db", "_notes.txt", conflict)

    left = found(listings(inbox)[""])

    assert left == {path.name: inbox.look("", path.name) for path in root.iterdir()}
    assert [conflict] == [
        n for n, each in left.items() if isinstance(each, LeftAlone) and each.is_told
    ]


def test_ignored_folders_are_not_entered(inbox: InboxScanner, root: Path) -> None:
    """
    At any depth, by scans and by events alike.
    """
    put(root, "a/cat.png", ".git/cat.png", "a/@eaDir/cat.png", "_refs/cat.png", "a/_refs/b/cat.png")

    assert {"", "a"} == listings(inbox).keys()
    for folder in (".git", "a/@eaDir", "_refs", "a/_refs/b"):
        assert not inbox.takes_folder(folder)
        assert listings(inbox, folder) == {}
    assert inbox.takes_folder("")
    assert inbox.takes_folder("a")


def test_without_recursion_only_the_inbox_itself_counts(root: Path) -> None:
    """
    Sub-folders are the person's.
    """
    inbox = inbox_of(root, recursive=False)
    put(root, "cat.png", "a/cat.png")

    assert {""} == listings(inbox).keys()
    assert not inbox.takes_folder("a")


def test_folders_come_in_order(inbox: InboxScanner, root: Path) -> None:
    """
    Each before those below it, and a scan may begin anywhere.
    """
    put(root, "b/cat.png", "a/z/cat.png", "a/cat.png")

    assert list(listings(inbox)) == ["", "a", "a/z", "b"]
    assert list(listings(inbox, "a")) == ["a", "a/z"]
    assert list(listings(inbox, "gone")) == []


def test_names_that_are_not_utf8_are_seen(inbox: InboxScanner, root: Path) -> None:
    """
    In files and in folders.
    """
    put(root, f"{NOT_UTF8}/{NOT_UTF8}.png")

    assert [f"{NOT_UTF8}.png"] == listings(inbox)[NOT_UTF8].names
    assert isinstance(inbox.look(NOT_UTF8, f"{NOT_UTF8}.png"), bytes)


@pytest.fixture
def shut(root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """
    Make a folder whose listing the kernel refuses, to whichever user runs the test.
    """
    put(root, "a/cat.png", "shut/cat.png", "z/cat.png")
    scandir = os.scandir

    def refuse(fd: int) -> object:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("/shut"):
            raise PermissionError(13, "Permission denied", "shut")
        return scandir(fd)

    monkeypatch.setattr(os, "scandir", refuse)
    return "shut"


def test_a_folder_that_may_not_be_read_costs_only_itself(inbox: InboxScanner, shut: str) -> None:
    """
    One folder of another user never keeps the others from being looked at.
    """
    assert {"", "a", "z"} <= listings(inbox).keys()


def test_a_read_is_cut_where_it_is_too_long(inbox: InboxScanner, root: Path) -> None:
    """
    One byte more than the limit tells that there is more.
    """
    put(root, "cat.txt")

    assert inbox.read("", "cat.txt", 7) == b"content"
    assert inbox.read("", "cat.txt", 5) == b"conten"
    with pytest.raises(FileNotFoundError):
        inbox.read("", "none.txt", 7)
