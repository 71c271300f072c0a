"""
Which filesystem a path lies on, by the kernel's table.
"""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.disk import filesystems
from retouchd.disk.filesystems import filesystem_of
from retouchd.disk.mounts import Mount, is_deaf, mount_of, mounts_in

TABLE = r"""22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw
28 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 28 0:40 / /srv rw shared:20 - nfs4 nas:/export rw,vers=4.2
41 40 8:3 / /srv/photos rw shared:21 - xfs /dev/sdb3 rw
42 28 0:42 / /mnt/my\040photos\134x rw - cifs //nas/photos rw
43 28 8:4 / /hidden/deep rw - ext4 /dev/sdc1 rw
44 28 0:44 / /hidden rw - fuse.sshfs me@nas: rw
45 28 0:45 / /twice rw - ext4 /dev/sdd1 rw
46 28 0:46 / /twice rw - virtiofs share rw
this line is none
"""
MOUNTS = mounts_in(TABLE)


@pytest.mark.parametrize(
    ("path", "device", "kind"),
    [
        ("/home/me/inbox", "8:2", "ext4"),
        ("/srv/inbox", "0:40", "nfs4"),
        ("/srv", "0:40", "nfs4"),
        ("/srvx/inbox", "8:2", "ext4"),
        ("/srv/photos/inbox", "8:3", "xfs"),
        ("/mnt/my photos\\x/inbox", "0:42", "cifs"),
        ("/hidden/deep/inbox", "0:44", "fuse.sshfs"),
        ("/twice/inbox", "0:46", "virtiofs"),
        ("/srv/photos/inbox", "0:99", "xfs"),
    ],
)
def test_the_nearest_mount_that_can_be_seen_counts(path: str, device: str, kind: str) -> None:
    """
    Names with spaces, mounts in mounts, one over another, and a device that the table does not know.
    """
    found = mount_of(path, device, MOUNTS)

    assert found is not None
    assert found.kind == kind


def test_a_table_without_mounts_says_nothing() -> None:
    """
    Nothing is guessed where the machine does not tell.
    """
    assert mount_of("/inbox", "8:2", []) is None


@given(st.text())
def test_any_table_can_be_read(text: str) -> None:
    """
    Lines that are no mounts are left out.
    """
    assert all(isinstance(each, Mount) for each in mounts_in(text))


UNHEARD = [
    *("nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse", "fuse.sshfs"),
    *("drvfs", "vboxsf", "prl_fs", "afs", "ceph", "lustre"),
]
HEARD = ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuseblk", "squashfuse"]


@pytest.mark.parametrize("kind", UNHEARD)
def test_what_others_write_there_is_not_heard(kind: str) -> None:
    """
    Across a network, or from outside of a virtual machine.
    """
    assert is_deaf(kind)


@pytest.mark.parametrize("kind", HEARD)
def test_a_disk_of_this_machine_is_heard(kind: str) -> None:
    """
    Also one that is driven by FUSE.
    """
    assert not is_deaf(kind)


def test_the_machine_says_where_a_folder_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    By its own table, links followed; without one, and for a folder that is not there, it is not known.
    """
    assert filesystem_of(tmp_path)
    assert filesystem_of(Path("/proc/self")) == "proc"
    (tmp_path / "link").symlink_to("/proc/self")
    assert filesystem_of(tmp_path / "link") == "proc"
    assert filesystem_of(tmp_path / "gone") is None

    monkeypatch.setattr(filesystems, "_TABLE", tmp_path / "gone")

    assert filesystem_of(Path(os.sep)) is None
