"""
What a stat shows of a file or a folder, and since when it does.
"""

from typing import NamedTuple

from retouchd.job.model import Snapshot


class Signature(NamedTuple):
    """
    What a stat shows of a file: any difference means that somebody wrote to it.

    Bytes, nanoseconds, numbers of inode and device.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @property
    def snapshot(self) -> Snapshot:
        """
        Return what of it outlives a rename.
        """
        return Snapshot(
            size=self.size, mtime_ns=self.mtime_ns, inode=self.inode, device=self.device
        )


class Sight(NamedTuple):
    """
    One file as it was last seen: its signature, and since when it is quiet, in seconds of the monotonic clock.
    """

    signature: Signature
    quiet_since: float


class Stamp(NamedTuple):
    """
    What a stat shows of a folder: another one means that something came, went or was renamed in it.
    """

    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
