"""
Who else may use what lies on a disk: groups that share a folder, and everybody where nobody meant it.
"""

import contextlib
import grp
import os
import pwd
import stat
from pathlib import Path

_OTHERS = stat.S_IRWXO
_GROUP = stat.S_IRWXG


def share_as_folder(fd: int, folder: int) -> None:
    """
    Let those use a new file or folder who may use the folder it lies in, whatever the umask of its maker.

    The group of the folder gets the rights that the folder gives it; others get none that it does not.
    """
    above, own = os.fstat(folder), os.fstat(fd)
    if own.st_gid != above.st_gid:
        with contextlib.suppress(OSError):  # The maker is not of that group.
            os.fchown(fd, -1, above.st_gid)
            own = os.fstat(fd)
    use = 0o777 if stat.S_ISDIR(own.st_mode) else 0o666
    mode = stat.S_IMODE(own.st_mode) & ~(_OTHERS & ~above.st_mode)
    if own.st_gid == above.st_gid:
        mode |= above.st_mode & _GROUP & use
    if mode != stat.S_IMODE(own.st_mode):
        with contextlib.suppress(OSError):  # Some mounts keep no modes.
            os.fchmod(fd, mode)


def others_who_may(path: Path, right: int) -> str:
    """
    Return who besides its owner may do what the bits of `right` (as in S_IRWXO) say: "everybody", a group, or
    nobody, which is empty. Raises OSError.
    """
    found = path.stat()
    if found.st_mode & right & _OTHERS and _is_reached(path, _OTHERS):
        return "everybody"
    if found.st_mode >> 3 & right and _has_others(found.st_gid, found.st_uid):
        name = _name_of(found.st_gid)
        return f"the group {name}" if _is_reached(path, _OTHERS | _GROUP) else ""
    return ""


def _is_reached(path: Path, whose: int) -> bool:
    """
    Return whether the way to a path is open; of folders on it, those of any group count as open to its members.
    """
    enter = whose & (stat.S_IXGRP | stat.S_IXOTH)
    return all(parent.stat().st_mode & enter for parent in path.resolve().parents)


def _has_others(gid: int, uid: int) -> bool:
    """
    Return whether anybody but this user is in a group: many systems give each user one of their own.
    """
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return True
    is_own = user.pw_gid == gid and group.gr_name == user.pw_name
    return not is_own or bool(set(group.gr_mem) - {user.pw_name})


def _name_of(gid: int) -> str:
    with contextlib.suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)
