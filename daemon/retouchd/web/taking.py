"""
How a post gets into the inbox: whether there is room and a prompt, and the safe drop. All of it blocks.
"""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from retouchd.config.settings import Settings
from retouchd.disk import durable, moves, nofollow
from retouchd.disk.calls import Folder, at
from retouchd.errors import Blocked
from retouchd.inbox.safe_drop import clear_leftovers, drop_as, inherits_prompt
from retouchd.inbox.scanner import InboxScanner
from retouchd.job.naming import path_below, shown
from retouchd.status.inbox_snapshot import inbox_of
from retouchd.throttle.preflight import shortage
from retouchd.web.posting import (
    Post,
    PostRefused,
    folder_of_references,
    pieces_of,
    reference_names,
    source_of,
)

_SPARE_BYTES = 256 << 20
_NO_FOLDER = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EILSEQ})
_MOST_PARTS = 16
"""Each look for a post goes through all folders: who may post may not make that slow."""


def lack_of_space(settings: Settings, size: int) -> str:
    """
    Return why a post of so many bytes would find no room, empty if it will.
    """
    try:
        with at(Folder.INBOX):
            free = shutil.disk_usage(settings.folders.inbox).free
    except OSError as error:
        return f"The inbox cannot be used: {error.strerror}."
    if free < 2 * size + _SPARE_BYTES:
        return f"Only {free / 1e6:.0f} MB are free on the disk of the inbox."
    return shortage(settings.folders, 1)


def require_place(post: Post, settings: Settings) -> None:
    """
    Raise PostRefused where a post has no prompt, or asks for a folder in which nothing is taken.
    """
    parts = post.folder.split("/") if post.folder else []
    inbox: InboxScanner = inbox_of(settings)
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise PostRefused(
            400, "folder_invalid", "folder must be a path inside the inbox, such as shoes/red."
        )
    if not inbox.takes_folder(post.folder):
        raise PostRefused(400, "folder_invalid", f"Nothing is taken from {shown(post.folder)}.")
    if len(parts) > _MOST_PARTS:
        raise PostRefused(
            400,
            "folder_invalid",
            f"folder may have {_MOST_PARTS} folders inside one another at most.",
        )
    has_default = not settings.edit.task.lacking
    try:
        with at(Folder.INBOX):
            is_there = inherits_prompt(settings.folders.inbox, post.folder, has_default=has_default)
    except OSError as error:
        raise _refused(error, post) from error
    if post.prompt is None and not is_there:
        raise PostRefused(
            400,
            "prompt_missing",
            "There is no prompt: send one as prompt, or write a _prompt.txt there.",
        )


def drop_references(post: Post, stem: str, settings: Settings) -> tuple[str, list[str]]:
    """
    Put the references of a post into the inbox, before what names them; return their folder and their names.
    Blocking. Raises PostRefused.
    """
    path, names = path_below(post.folder, folder_of_references(stem)), reference_names(post)
    if names:
        with _dropping(post, stem), moves.made_folder(settings.folders.inbox, path) as held:
            for (upload, _), name in zip(post.references, names, strict=True):
                _keep(source_of(upload), held / name)
    return path, names


def drop_post(post: Post, stem: str, values: Mapping[str, Any], settings: Settings) -> list[str]:
    """
    Put a post into the inbox, its picture last; return the names. Blocking. Raises PostRefused.
    """
    with _dropping(post, stem), moves.made_folder(settings.folders.inbox, post.folder) as held:
        clear_leftovers(held)
        return drop_as(held, stem, pieces_of(post, stem, values))


@contextlib.contextmanager
def _dropping(post: Post, stem: str) -> Iterator[None]:
    try:
        with at(Folder.INBOX):
            yield
    except FileExistsError as error:
        raise PostRefused(
            409, "name_taken", f"Another file has the name {stem} in the inbox."
        ) from error
    except (Blocked, OSError) as error:
        raise _refused(error, post) from error


def _refused(error: Blocked | OSError, post: Post) -> PostRefused:
    words = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) in _NO_FOLDER:
        return PostRefused(
            400, "folder_invalid", f"{shown(post.folder)} cannot be a folder: {words}."
        )
    return PostRefused(507, "no_space", f"The inbox does not take the picture: {words}.")


def _keep(source: Any, target: nofollow.Entry) -> None:
    if isinstance(source, bytes):
        moves.put_new(target, source, is_shared=True)
    else:
        moves.copy_new(source, target)
    durable.fsync_folder(target.parent)
