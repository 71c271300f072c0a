"""
Where the references may lie that a sidecar or an `_edit.*` names: relative to that file, in its own folder or
below, or in an `_folder` of it or of a folder above.

Elsewhere lie pictures of others, who would wait for ever if anybody could name theirs.
"""

import posixpath
from collections.abc import Callable


def resolve(
    folder: str, text: str, *, is_aside: Callable[[str], bool] = lambda name: name.startswith("_")
) -> str:
    """
    Return the path below the inbox of a reference named in a file of that folder.

    `is_aside` says of a folder's name whether pictures in it are never jobs. Raises ValueError with half a
    sentence that goes on after the reference's name: what is wrong with it.
    """
    if "\0" in text or not text.strip():
        raise ValueError("is no file name")
    if "\\" in text:
        raise ValueError("holds a backslash; write / between folders")
    if text.startswith(("/", "~")):
        raise ValueError(
            "starts outside the inbox; put it inside, and name it as seen from this file"
        )
    path = posixpath.normpath(posixpath.join(folder, text))
    if path == ".." or path.startswith("../"):
        raise ValueError("leads out of the inbox; put the picture inside the inbox")
    if path == "." or text.endswith("/") or f"{folder}/".startswith(f"{path}/"):
        raise ValueError("is a folder; name a picture in it")
    if not _may_lie(folder.split("/") if folder else [], path.split("/"), is_aside):
        raise ValueError(
            "lies in another folder; put it into the folder of this file or one below, "
            "or into a folder _refs/ in it or further up"
        )
    return path


def _may_lie(own: list[str], parts: list[str], is_aside: Callable[[str], bool]) -> bool:
    above = parts[:-1]
    shared = next(
        (n for n, (a, b) in enumerate(zip(own, above, strict=False)) if a != b),
        min(len(own), len(above)),
    )
    return shared == len(own) or (shared < len(above) and is_aside(above[shared]))
