"""
The canary: the key that every test of failures runs with, and the search for where it was let out.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

CANARY = "sk-CANARY-0123456789abcdef"


def assert_unsaid(root: Path, *texts: str, key: str = CANARY, but: Iterable[Path] = ()) -> None:
    """
    Assert that the key stands in no file below a folder, in none of their names, and in none of the texts.

    `but` names the files that hold it by design. Links, pipes and devices are passed over.
    """
    wanted, spared = key.encode(), {os.fspath(path) for path in but}
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = os.path.join(place, name)
            assert key not in name, f"{path} is called by the key"
            if name in names and path not in spared and _holds(path, wanted):
                raise AssertionError(f"{path} holds the key")
    for text in texts:
        assert key not in text, f"the key was said: {_around(text, key)}"


def _holds(path: str, wanted: bytes) -> bool:
    found = os.lstat(path)
    # A gigabyte of nothing, as hostile sidecars are, need not be read.
    is_hole = found.st_size > 1 << 26 and found.st_blocks == 0
    if not stat.S_ISREG(found.st_mode) or is_hole:
        return False
    rest = b""
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            if wanted in rest + block:
                return True
            rest = block[-len(wanted) :]
    return False


def _around(text: str, key: str) -> str:
    at = text.index(key)
    return text[max(0, at - 200) : at + 200]
