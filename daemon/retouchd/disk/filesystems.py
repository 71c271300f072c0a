"""
The filesystem that a folder lies on.
"""

import os
from pathlib import Path

from retouchd.disk.mounts import Mount, mount_of, mounts_in

_TABLE = Path("/proc/self/mountinfo")


def filesystem_of(folder: Path) -> str | None:
    """
    Return the kind of filesystem, such as `ext4` or `nfs4`, None where the machine does not say.
    """
    try:
        table = os.fsdecode(_TABLE.read_bytes())
        number = folder.stat().st_dev
    except OSError:
        return None
    device = f"{os.major(number)}:{os.minor(number)}"
    found = mount_of(os.path.realpath(folder), device, mounts_in(table))
    return found.kind if found else None


def mount_above(path: Path) -> Mount | None:
    """
    Return the mount by which a path is reached, be it there or not, None where the machine does not say.
    """
    try:
        table = os.fsdecode(_TABLE.read_bytes())
        return mount_of(os.path.realpath(path), "", mounts_in(table))
    except OSError:
        return None
