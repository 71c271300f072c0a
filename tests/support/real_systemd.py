"""
A real systemd, booted for tests: process 1 of its own namespaces, over a root that forgets all changes.

The root is an overlay of this machine's, its upper layer in memory; only a bare target, the journal and
D-Bus run in it. Nothing outside is changed, and nothing is left when it or the test run is killed.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

INIT = Path("/lib/systemd/systemd")
PYTHON = Path("/usr/bin/python3")
SHARE = Path("/srv/share")
"""Inside: the folder that both sides see."""

_BOOT_SECONDS = 90.0
_CGROUP = "retouchd-test-"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = [
    _PATH,
    "LANG=C.UTF-8",
    "TERM=dumb",
    "HOME=/root",
    "SYSTEMD_PAGER=",
    "SYSTEMD_COLORS=0",
]
_SPACES = ["--pid", "--mount", "--uts", "--ipc", "--cgroup"]

# Of what the machine has, only these: no unit of it is to start here.
_TARGET = """\
[Unit]
Requires=basic.target systemd-journald.socket dbus.socket
After=basic.target
AllowIsolate=yes
"""
_MASKED = [
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "getty.target",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-flush.service",
    "systemd-modules-load.service",
    "systemd-networkd.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-resolved.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "timers.target",
]
_JOURNAL = "[Journal]\nStorage=volatile\nReadKMsg=no\nRateLimitIntervalSec=0\n"

# What pip would do, without a network: the libraries of these tests, and the product from its source.
_INSTALL = r"""
cd "$1"/lib/python3*/site-packages
printf '%s\n' /opt/libraries /opt/source/daemon > retouchd.pth
printf '%s\n' '#!'"$1/bin/python" 'from retouchd.cli.main import main' 'main()' > "$1/bin/retouchd"
chmod 755 "$1/bin/retouchd"
"""

# Run as the first process of the new namespaces, in an empty folder: $1 what is shared, then pairs of what
# is bound read-only and where. It becomes init.
_SETTLE = r"""
set -eu
share=$1; shift
mount --make-rprivate /
mkdir upper root; mount -t tmpfs -o mode=755 tmpfs upper; mkdir upper/files upper/work
mount -t overlay -o lowerdir=/,upperdir=upper/files,workdir=upper/work overlay root
cd root
for each in proc sys dev run tmp; do mkdir -p $each; done
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind proc/sys proc/sys; mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mount -t tmpfs -o mode=755,nosuid tmpfs dev
mkdir dev/pts dev/shm
for each in null zero full random urandom tty; do
    touch dev/$each; mount --bind /dev/$each dev/$each
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
rm -rf etc/systemd/system srv var/lib/systemd/linger; mkdir -p etc/systemd/system srv
cp -r "$share/.etc/." etc
: > etc/machine-id; : > etc/fstab
mkdir -p srv/share; mount --bind "$share" srv/share
while [ $# -gt 0 ]; do
    mkdir -p ".$2"; mount --bind "$1" ".$2"; mount -o remount,bind,ro ".$2"; shift 2
done
mkdir .old; pivot_root . .old; umount -l /.old; rmdir /.old || true
# As a container's manager does: without it no service can read its credentials.
mount --make-rshared /
exec env -i container=test "$PATH_LINE" LANG=C.UTF-8 TERM=dumb \
    /lib/systemd/systemd --system --log-target=journal-or-kmsg --show-status=no
"""


def obstacle() -> str:
    """
    Return why no systemd can be booted here, empty if one can.
    """
    if os.geteuid():
        return "only root can boot a systemd"
    for program in ("unshare", "nsenter", "setpriv", "systemctl", "dbus-daemon"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if not INIT.exists():
        return "systemd is not installed"
    if _cgroups() is None:
        return "no cgroup2 is mounted"
    if not _is_like_ours(PYTHON):
        return f"{PYTHON} is not of the version these tests run with"
    return ""


@functools.cache
def _is_like_ours(python: Path) -> bool:
    """
    Return whether a service under /usr could use the libraries that these tests use.
    """
    if not python.exists():
        return False
    code = "import sys, venv; print(*sys.version_info[:2])"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return found.stdout.split() == [str(part) for part in sys.version_info[:2]]


def _cgroups() -> Path | None:
    for line in Path("/proc/mounts").read_text("utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


class Machine:
    """
    A booted systemd; `share` is the folder outside that is `SHARE` inside.
    """

    filling = _INSTALL
    """A script that puts retouchd into the Python environment that is its argument."""

    def __init__(self, share: Path, init: int) -> None:
        self.share = share
        self._init = init

    def run(
        self, *command: str, check: bool = True, text: str = "", seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """
        Run a command inside, as root; fails with what it said unless it ends with 0.
        """
        enter = ["nsenter", f"--target={self._init}", *_SPACES, "env", "-i", *_ENVIRONMENT]
        done = subprocess.run(
            [*enter, *command],
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        said = f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        assert not check or done.returncode == 0, said
        return done

    def shell(self, script: str) -> str:
        """
        Run lines as a person would type them; return what they print.
        """
        return self.run("bash", "-euc", script).stdout

    def write(self, path: str, text: str) -> None:
        """
        Write a file inside.
        """
        self.run("bash", "-euc", f'mkdir -p "$(dirname "{path}")"; cat > "{path}"', text=text)

    def install(self, prefix: str) -> None:
        """
        Make a Python environment with retouchd in it.
        """
        self.run("python3", "-m", "venv", "--without-pip", prefix)
        self.run("bash", "-euc", self.filling, "bash", prefix)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """
        Return properties of a unit.
        """
        told = self.run("systemctl", "show", unit, "--property", ",".join(names)).stdout
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)


@contextlib.contextmanager
def booted(place: Path) -> Iterator[Machine]:
    """
    Boot a systemd with retouchd's source and its libraries below /opt; see `obstacle`.
    """
    share, base = place / "share", place / "base"
    for folder in (share, base):
        folder.mkdir(parents=True)
    _write_etc(share / ".etc")
    group = _new_group()
    root = Path(__file__).parents[2]
    binds = {
        sysconfig.get_path("purelib"): "/opt/libraries",
        os.fspath(root): "/opt/source",
    }
    pairs = [each for pair in binds.items() for each in pair]
    # Whatever ends this process ends that init, and with it everything in its namespaces.
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", *_SPACES]
    enter = f'echo $$ > "{group}/cgroup.procs"; cd "{base}"; exec "$@"'
    with (place / "console.log").open("wb") as console:
        process = subprocess.Popen(
            ["sh", "-euc", enter, "sh", *command, "sh", "-c", _SETTLE, "sh", str(share), *pairs],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={**os.environ, "PATH_LINE": _PATH},
            start_new_session=True,
        )
    try:
        machine = Machine(share, _init_of(process))
        _wait_until_up(machine, process, place / "console.log")
        yield machine
    finally:
        process.kill()
        process.wait()
        _remove_group(group)


def _write_etc(etc: Path) -> None:
    units = etc / "systemd/system"
    units.mkdir(parents=True)
    (units / "tests.target").write_text(_TARGET, "utf-8")
    (units / "default.target").symlink_to("tests.target")
    for name in _MASKED:
        (units / name).symlink_to("/dev/null")
    (etc / "systemd/journald.conf.d").mkdir()
    (etc / "systemd/journald.conf.d/tests.conf").write_text(_JOURNAL, "utf-8")


def _new_group() -> Path:
    """
    Make a cgroup for the new init, and remove what a killed run left.
    """
    top = _cgroups()
    assert top is not None, "asked before whether there is one"
    for old in top.glob(f"{_CGROUP}*"):
        if not Path(f"/proc/{old.name.removeprefix(_CGROUP)}").exists():
            _remove_group(old)
    group = top / f"{_CGROUP}{os.getpid()}"
    group.mkdir(exist_ok=True)
    return group


def _remove_group(group: Path) -> None:
    end = time.monotonic() + 10
    while group.exists() and time.monotonic() < end:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        time.sleep(0.05)


def _init_of(process: "subprocess.Popen[bytes]") -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := children.read_text("ascii").split():
            return int(found[0])
        time.sleep(0.02)
    raise AssertionError("no init was started")


def _wait_until_up(machine: Machine, process: "subprocess.Popen[bytes]", console: Path) -> None:
    end = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            state = machine.run("systemctl", "is-system-running", check=False, seconds=5)
            if state.stdout.strip() in {"running", "degraded"}:
                return
        time.sleep(0.05)
    raise AssertionError(f"systemd did not come up: {console.read_text('utf-8')}")
