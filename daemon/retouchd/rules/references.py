"""
Where the references lie that a sidecar or an `_edit.*` names: relative to that file, inside the inbox.
"""

import posixpath


def resolve(folder: str, text: str) -> str:
    """
    Return the path below the inbox of a reference named in a file of that folder.

    Raises ValueError with half a sentence that goes on after the reference's name: what is wrong with it.
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
    if path == "." or text.endswith("/"):
        raise ValueError("is a folder; name a picture in it")
    return path
