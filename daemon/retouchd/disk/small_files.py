"""
Small files that an operator writes by hand: the configuration, a key.
"""

import errno
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFBLK: "it is a device",
}


def read_small(path: Path, most: int) -> bytes:
    """
    Return what a file holds; whatever lies under its name, this never blocks and never takes much memory.

    Raises OSError, also for what is no file and for more than `most` bytes.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if kind := _KINDS.get(stat.S_IFMT(os.fstat(fd).st_mode)):
            raise OSError(errno.EINVAL, f"{kind}, not a file", os.fspath(path))
        raw = b""
        while len(raw) <= most and (block := os.read(fd, most + 1 - len(raw))):
            raw += block
    finally:
        os.close(fd)
    if len(raw) > most:
        raise OSError(errno.EFBIG, f"it holds more than {most} bytes", os.fspath(path))
    return raw
