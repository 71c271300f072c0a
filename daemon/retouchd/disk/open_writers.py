"""
Whether somebody on this machine has a file open for writing, and who.

The kernel knows: it grants a read lease (fcntl(2), F_SETLEASE) only while nobody has the file open or mapped
for writing. That takes microseconds, but only the file's owner may ask (or CAP_LEASE), and not every filesystem
answers. Processes are told by /proc, where one sees those of one's own user, or all as root; that takes
milliseconds. What another machine has open, nobody here can tell.
"""

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from retouchd.disk.filesystems import filesystem_of
from retouchd.disk.mounts import is_deaf
from retouchd.job.naming import shown

_HARMLESS = signal.SIGURG
"""What the kernel sends where a writer comes while the lease is held; its usual SIGIO ends a process."""
_PROC = Path("/proc")


def is_written(fd: int) -> bool | None:
    """
    Return whether anybody has a file open for writing that is open here, None where the kernel does not say.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, _HARMLESS)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    # At once: whoever opens the file for writing waits until it is given back.
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def writer_of(path: Path, *, is_sure: bool) -> str:
    """
    Return who has a file open for writing, empty if nobody is found; `is_sure` if the kernel knows of somebody.
    """
    try:
        file = path.lstat()
    except OSError:
        return ""
    if found := next(_writers(path.name, file), ""):
        return found
    # Over the network a lease is also refused where the server grants none.
    return "another program" if is_sure and not is_deaf(filesystem_of(path.parent) or "") else ""


def _writers(name: str, file: os.stat_result) -> Iterator[str]:
    for process in _PROC.iterdir():
        if process.name.isdecimal() and _writes(process, name, file):
            yield f"{_name_of(process)} (pid {process.name})"


def _writes(process: Path, name: str, file: os.stat_result) -> bool:
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return False
    return any(_is_it(link, name, file) and _is_for_writing(link) for link in links)


def _is_it(link: Path, name: str, file: os.stat_result) -> bool:
    try:
        # By its name first: a look at a file on a server that is gone would hang.
        return link.readlink().name == name and os.path.samestat(link.stat(), file)
    except OSError:
        return False


def _is_for_writing(link: Path) -> bool:
    try:
        lines = (link.parent.parent / "fdinfo" / link.name).read_text().splitlines()
    except OSError:
        return False
    flags = [int(line.split()[1], 8) for line in lines if line.startswith("flags:")]
    return any(each & os.O_ACCMODE != os.O_RDONLY for each in flags)


def _name_of(process: Path) -> str:
    try:
        return shown(os.fsdecode((process / "comm").read_bytes()).rstrip("\n"))
    except OSError:
        return "a program"
