"""
What the system tells of files and folders beyond a stat: filesystem, inodes, writers, permissions, our unit.

Some filesystems do not keep the numbers (inodes) of their files: they make them up for each look, each name or
each mount, and two looks at one file then show two numbers.

What was found out is kept for the process's life, by device. Where numbers are not kept they are left out of
every comparison: sizes and times still tell files apart.

Who has a file open for writing the kernel knows: it grants a read lease (fcntl(2), F_SETLEASE) only while
nobody has the file open or mapped for writing. That takes microseconds, but only the file's owner may ask (or
CAP_LEASE), and not every filesystem answers. Processes are told by /proc, where one sees those of one's own
user, or all as root; that takes milliseconds. What another machine has open, nobody here can tell.
"""

import contextlib
import fcntl
import grp
import os
import pwd
import signal
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from retouchd.disk.mounts import Mount, is_deaf, mount_of, mounts_in
from retouchd.job.naming import shown

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


UNKNOWN = 0
"""Stands for a number that says nothing; no file has it."""

_made_up: set[int] = set()
_lock = threading.Lock()


def are_kept(device: int) -> bool:
    """
    Return whether nothing is known against the numbers of a device.
    """
    return device not in _made_up


def distrust(device: int) -> bool:
    """
    Leave the numbers of a device out from now on; return whether that is news.
    """
    with _lock:
        is_news = device not in _made_up
        _made_up.add(device)
    return is_news


def number_of(inode: int, device: int) -> int:
    """
    Return the number as it may be compared.
    """
    return UNKNOWN if device in _made_up else inode


_LOOKS = 3
"""Between two looks a number may change; not every time."""


class Anchor:
    """
    A folder, held open as it was found: what has its path is compared with it at one and the same moment.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._close: Callable[[], object] = lambda: None
        self.drop()

    def drop(self) -> None:
        """
        Hold the folder that has the path now; none, if there is none.
        """
        self._close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            self._fd = -1
            return
        self._close = weakref.finalize(self, os.close, self._fd)

    @property
    def is_gone(self) -> bool:
        """
        Return whether nothing has the path.
        """
        try:
            self._path.stat()
        except OSError:
            return True
        return False

    @property
    def holds(self) -> bool:
        """
        Return whether the path leads to the folder that is held.
        """
        return self._fd >= 0 and leads_to(self._path, self._fd)


def leads_to(path: Path, fd: int) -> bool:
    """
    Return whether a path leads to what is open as this descriptor; False where that cannot be told.
    """
    try:
        return any(os.path.samestat(path.stat(), os.fstat(fd)) for _ in range(_LOOKS))
    except OSError:
        return False


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
            yield f"{_program_of(process)} (pid {process.name})"


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


def _program_of(process: Path) -> str:
    try:
        return shown(os.fsdecode((process / "comm").read_bytes()).rstrip("\n"))
    except OSError:
        return "a program"


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
        name = _group_name(found.st_gid)
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


def _group_name(gid: int) -> str:
    with contextlib.suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)


UNIT_VARIABLE = "RETOUCHD_UNIT"
"""Names the unit whose place this process takes: `check --service` looks at things as that unit would."""

_SERVICE = ".service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """
    A service by its name, of the machine or of one user.
    """

    name: str
    is_user: bool = False

    def command(self, verb: str) -> str:
        """
        Return what the operator types to have something done with it.
        """
        scope = "--user " if self.is_user else ""
        return f"systemctl {scope}{verb} {self.name.removesuffix(_SERVICE)}"

    @property
    def instance(self) -> str:
        """
        Return what stands behind the `@`, empty where it is no instance of a template.
        """
        return self.name.removesuffix(_SERVICE).partition("@")[2]


DEFAULT_UNIT = Unit(name=f"retouchd{_SERVICE}")
"""What docs/service.md has people install, unless they run several."""


def own_unit() -> Unit | None:
    """
    Return the unit that this process is, None where a person started it.
    """
    if "INVOCATION_ID" not in os.environ:
        return None
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        place = line.partition(":")[2].partition(":")[2]
        name = os.environ.get(UNIT_VARIABLE) or place.rpartition("/")[2]
        if place.endswith(_SERVICE) and name.endswith(_SERVICE):
            return Unit(name=name, is_user="/user@" in place)
    return None


_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - whether they are the machine's is what is asked


def kept_by_unit(path: Path) -> str | None:
    """
    Return what of our unit keeps a folder from being used and what to do, None where nothing of it does.
    """
    unit, mount = own_unit(), mount_above(path)
    if unit is None or mount is None:
        return None
    edit = f"with `{unit.command('edit')}`, under [Service]"
    if mount.point in _TEMPORARY and "systemd-private-" in mount.root:
        return (
            f"{path} is not the machine's for {unit.name}, which has a {mount.point} of its own "
            f"(PrivateTmp=). Give the folder a place elsewhere, such as below /srv."
        )
    if mount.root.startswith("/systemd/inaccessible") or (
        mount.point in _HOMES and mount.kind == "tmpfs"
    ):
        setting = "ProtectHome=" if mount.point in _HOMES else "InaccessiblePaths="
        mend = f"ProtectHome=read-only and ReadWritePaths={path}" if mount.point in _HOMES else "it"
        return (
            f"{path} is hidden from {unit.name}, whose {setting} keeps {mount.point} away. Give the "
            f"folder a place elsewhere, such as below /srv, or set {mend} {edit}."
        )
    if mount.is_sealed:
        return (
            f"{path} is read-only for {unit.name}: the unit's ReadWritePaths= does not hold it. Add "
            f"ReadWritePaths={path} {edit}."
        )
    return None
