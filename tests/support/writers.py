"""
How programs bring a picture into a folder: one function for each way, doing what the program's own
system calls do.

Pauses are far shorter than the daemon's settle_seconds, as in a copy that goes well.
"""

import contextlib
import mmap
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

LONG_AGO = 1_000_000_000
_PAUSE_SECONDS = 0.08
_PIECES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """
    One picture to be written: `source` holds its bytes on the inbox's filesystem, `elsewhere` on another
    one if there is any, `older` is another picture.
    """

    target: Path
    source: Path
    elsewhere: Path
    older: bytes

    @property
    def content(self) -> bytes:
        return self.source.read_bytes()

    def beside(self, name: str) -> Path:
        return self.target.with_name(name.format(name=self.target.name))

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """
        Return the bytes in pieces, each with its place, and with a pause after each.
        """
        content = self.content
        length = len(content) // _PIECES + 1
        for start in range(0, len(content), length):
            yield start, content[start : start + length]
            pause()


Writer = Callable[[Delivery], object]


def pause() -> None:
    time.sleep(_PAUSE_SECONDS)


def command(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)


# Copying and moving.


def cp(to: Delivery) -> None:
    command("cp", to.source, to.target)


def cp_with_its_old_times(to: Delivery) -> None:
    os.utime(to.source, (LONG_AGO, LONG_AGO))
    command("cp", "-p", to.source, to.target)


def mv(to: Delivery) -> None:
    command("mv", to.source, to.target)


def mv_from_another_filesystem(to: Delivery) -> None:
    command("mv", to.elsewhere, to.target)


def hard_link(to: Delivery) -> None:
    command("ln", to.source, to.target)


def slowly_into_the_final_name(to: Delivery) -> None:
    with to.target.open("wb", buffering=0) as file:
        for _, piece in to.pieces():
            file.write(piece)


def with_its_times_set_afterwards(to: Delivery) -> None:
    slowly_into_the_final_name(to)
    pause()
    to.target.chmod(0o640)
    os.utime(to.target, (LONG_AGO, LONG_AGO))


# Temporary names.


def _renamed_from(to: Delivery, temporary: Path) -> None:
    with temporary.open("wb", buffering=0) as file:
        for _, piece in to.pieces():
            file.write(piece)
    temporary.rename(to.target)


def rsync_temporary(to: Delivery) -> None:
    _renamed_from(to, to.beside(".{name}.Ab3dEf"))


def syncthing_temporary(to: Delivery) -> None:
    _renamed_from(to, to.beside(".syncthing.{name}.tmp"))


def rclone_temporary(to: Delivery) -> None:
    _renamed_from(to, to.beside("{name}.1a2b3c4d.partial"))


def chrome_temporary(to: Delivery) -> None:
    _renamed_from(to, to.beside("Unconfirmed 123456.crdownload"))


def temporary_of_nobody_known(to: Delivery) -> None:
    _renamed_from(to, to.beside("{name}.uploading"))


def renamed_and_looked_at(to: Delivery) -> None:
    """
    Rclone: it looks at what it has renamed, and begins again if that is not there.
    """
    rclone_temporary(to)
    for _ in range(_PIECES):
        pause()
        assert to.target.read_bytes() == to.content, "taken from under its writer's hands"


def renamed_then_times_and_rights(to: Delivery) -> None:
    syncthing_temporary(to)
    pause()
    os.utime(to.target, (LONG_AGO, LONG_AGO))
    pause()
    to.target.chmod(0o640)


def moved_in_then_attributes(to: Delivery) -> None:
    to.source.rename(to.target)
    pause()
    with contextlib.suppress(OSError):  # Not every filesystem keeps them.
        os.setxattr(to.target, "user.com.dropbox.attrs", b"7")
    pause()
    to.target.chmod(0o600)


def delay_updates_folder(to: Delivery) -> None:
    folder = to.beside(".~tmp~")
    folder.mkdir()
    _renamed_from(to, folder / to.target.name)
    folder.rmdir()


def firefox(to: Delivery) -> None:
    to.target.touch()
    _renamed_from(to, to.beside("{name}.part"))


def sftp_link_and_unlink(to: Delivery) -> None:
    temporary = to.beside("{name}.filepart")
    shutil.copyfile(to.source, temporary)
    to.target.hardlink_to(temporary)
    temporary.unlink()


def nameless_then_linked(to: Delivery) -> None:
    folder = os.open(to.target.parent, os.O_RDONLY | os.O_DIRECTORY)
    file = os.open(to.target.parent, os.O_TMPFILE | os.O_WRONLY, 0o644)
    try:
        os.write(file, to.content)
        # A folder is named only to have linkat(2) called, which alone follows the link in /proc.
        os.link(f"/proc/self/fd/{file}", to.target, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(file)
        os.close(folder)


# Written more than once.


def rewritten_after_it_was_closed(to: Delivery) -> None:
    """
    Darktable's export: exiv2 reads the finished picture and writes it anew with its metadata.
    """
    to.target.write_bytes(to.older)
    pause()
    slowly_into_the_final_name(to)


def renamed_then_rewritten(to: Delivery) -> None:
    """
    Photoshop: a temporary name, renamed, and its metadata written in place afterwards.
    """
    temporary = to.beside("Photoshop Temp12345678")
    temporary.write_bytes(to.older)
    temporary.rename(to.target)
    pause()
    slowly_into_the_final_name(to)


def renamed_over_twice(to: Delivery) -> None:
    """
    ExifTool, called twice in a row.
    """
    to.target.write_bytes(to.older)
    for content in (to.older + b"tagged", to.content):
        pause()
        temporary = to.beside("{name}_exiftool_tmp")
        temporary.write_bytes(content)
        temporary.rename(to.target)


def prompt_removed_and_written_anew(to: Delivery) -> None:
    prompt = to.target.with_suffix(".txt")
    prompt.write_text("make it red", "utf-8")
    to.target.write_bytes(to.content)
    pause()
    prompt.unlink()
    pause()
    prompt.write_text("改成蓝色", "utf-8")


def closed_after_each_page(to: Delivery) -> None:
    for _, piece in to.pieces():
        with to.target.open("ab") as file:
            file.write(piece)


def through_a_mapping_after_closing(to: Delivery) -> None:
    size = len(to.content)
    with to.target.open("w+b") as file:
        file.truncate(size)
        mapped = mmap.mmap(file.fileno(), size)
    with mapped:
        for start, piece in to.pieces():
            mapped[start : start + len(piece)] = piece


def full_size_first(to: Delivery) -> None:
    with to.target.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, len(to.content))
        pause()
        for start, piece in to.pieces():
            os.pwrite(file.fileno(), piece, start)


def full_size_first_end_before_middle(to: Delivery) -> None:
    """
    Samba and torrents: sparse at its full length, pieces in any order, the old mtime at the end.
    """
    with to.target.open("wb", buffering=0) as file:
        file.truncate(len(to.content))
        for start, piece in reversed(list(to.pieces())):
            os.pwrite(file.fileno(), piece, start)
            pause()
        os.utime(file.fileno(), (LONG_AGO, LONG_AGO))


def placeholder_then_filled(to: Delivery) -> None:
    to.target.touch()
    pause()
    slowly_into_the_final_name(to)


def replaced_by_another(to: Delivery) -> None:
    to.target.write_bytes(to.older)
    pause()
    to.source.rename(to.target)


def removed_and_written_anew(to: Delivery) -> None:
    to.target.write_bytes(to.older)
    to.target.unlink()
    slowly_into_the_final_name(to)


def saved_over_by_an_editor(to: Delivery) -> None:
    to.target.write_bytes(to.older)
    pause()
    _renamed_from(to, to.beside(".goutputstream-AB12CD"))


def saved_by_an_editor_with_a_backup(to: Delivery) -> None:
    to.target.write_bytes(to.older)
    pause()
    to.target.rename(to.beside("{name}~"))
    slowly_into_the_final_name(to)


def prompt_rewritten_before_the_claim(to: Delivery) -> None:
    prompt = to.target.with_suffix(".txt")
    prompt.write_text("make it red", "utf-8")
    slowly_into_the_final_name(to)
    prompt.write_text("改成蓝色", "utf-8")


# Folders.


def folder_moved_in(to: Delivery) -> None:
    made = to.source.with_name("made")
    made.mkdir()
    to.source.rename(made / to.target.name)
    to.target.parent.rmdir()
    made.rename(to.target.parent)


def folder_renamed_from_a_temporary_one(to: Delivery) -> None:
    folder = to.target.parent
    folder.rmdir()
    made = folder.with_name(f"{folder.name}.part")
    made.mkdir()
    (made / to.target.name).write_bytes(to.content)
    pause()
    made.rename(folder)


def folders_made_at_once(to: Delivery) -> None:
    to.target.parent.rmdir()
    to.target.parent.mkdir()
    to.target.write_bytes(to.content)


def moved_from_one_folder_to_another(to: Delivery) -> None:
    first = to.target.parent / "first"
    first.mkdir()
    (first / "unnamed.tmp").write_bytes(to.content)
    pause()
    (first / "unnamed.tmp").rename(to.target)


WRITERS: tuple[Writer, ...] = (
    cp,
    cp_with_its_old_times,
    mv,
    mv_from_another_filesystem,
    hard_link,
    slowly_into_the_final_name,
    with_its_times_set_afterwards,
    rsync_temporary,
    syncthing_temporary,
    rclone_temporary,
    renamed_and_looked_at,
    renamed_then_times_and_rights,
    moved_in_then_attributes,
    chrome_temporary,
    temporary_of_nobody_known,
    delay_updates_folder,
    firefox,
    sftp_link_and_unlink,
    nameless_then_linked,
    rewritten_after_it_was_closed,
    renamed_then_rewritten,
    renamed_over_twice,
    closed_after_each_page,
    through_a_mapping_after_closing,
    full_size_first,
    full_size_first_end_before_middle,
    placeholder_then_filled,
    replaced_by_another,
    removed_and_written_anew,
    saved_over_by_an_editor,
    saved_by_an_editor_with_a_backup,
    prompt_rewritten_before_the_claim,
    prompt_removed_and_written_anew,
    folder_moved_in,
    folder_renamed_from_a_temporary_one,
    folders_made_at_once,
    moved_from_one_folder_to_another,
)
