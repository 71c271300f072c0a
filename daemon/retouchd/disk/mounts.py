"""
Which filesystem a path lies on, by the kernel's table of mounts, and whether all changes of it are reported.

The table is `/proc/self/mountinfo`, see proc_pid_mountinfo(5). Paths must be absolute and without links.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_OCTAL = re.compile(r"\\([0-7]{3})")

_DEAF = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "davfs"),
        *("ceph", "lustre", "beegfs", "gpfs", "orangefs", "pvfs2", "panfs", "gfs2", "ocfs2"),
        *("9p", "virtiofs", "drvfs", "vboxsf", "prl_fs", "vmhgfs", "fuse"),
    }
)


class Mount(NamedTuple):
    """
    One line of the table: the device as `major:minor`, where it is mounted, the kind of filesystem; which of
    its folders is seen there, and whether it can be written everywhere but here.
    """

    device: str
    point: str
    kind: str
    root: str = "/"
    is_sealed: bool = False


def mounts_in(table: str) -> list[Mount]:
    """
    Return the mounts of the table in its order; lines that are none are left out.
    """
    found = []
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, *rest) = before.split(" "), after.split(" ")
        if len(fields) >= 6 and kind:
            is_sealed = _is_read_only(fields[5]) and not _is_read_only(rest[-1] if rest else "ro")
            root, point = map(_unescaped, fields[3:5])
            found.append(Mount(fields[2], point, kind, root, is_sealed))
    return found


def points_in(fstab: str) -> list[str]:
    """
    Return where /etc/fstab has filesystems mounted, see fstab(5).
    """
    rows = (line.split() for line in fstab.splitlines() if not line.lstrip().startswith("#"))
    return [_unescaped(row[1]) for row in rows if len(row) > 1 and row[1].startswith("/")]


def mount_of(path: str, device: str, mounts: Iterable[Mount]) -> Mount | None:
    """
    Return the mount that a path lies on, given the number of its device, None if the table does not say.

    Of several at one point the last one covers the others. A mount of another device is only believed
    where none has the right one: some filesystems show another number for each of their parts.
    """
    above = [each for each in mounts if _is_below(path, each.point)]
    own = [each for each in above if each.device == device]
    return max(reversed(own or above), key=lambda each: len(each.point), default=None)


def is_deaf(kind: str) -> bool:
    """
    Return whether the kernel hears nothing of what others, across the network or outside of this machine,
    write to such a filesystem.
    """
    return kind in _DEAF or kind.startswith("fuse.")


def _is_read_only(options: str) -> bool:
    return "ro" in options.split(",")


def _is_below(path: str, point: str) -> bool:
    return point in ("/", path) or path.startswith(f"{point}/")


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
