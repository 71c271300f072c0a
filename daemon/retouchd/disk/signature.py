"""
Stat signatures of files and folders, and observations of them; packed, as an inbox may be very large.
"""

import struct
from typing import NamedTuple, NewType

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


class Observation(NamedTuple):
    """
    One file as it was last seen: its signature, and since when it is quiet, in seconds of the monotonic clock.
    """

    signature: Signature
    quiet_since: float


class FolderStamp(NamedTuple):
    """
    What a stat shows of a folder: another one means that something came, went or was renamed in it.
    """

    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


PackedSignature = NewType("PackedSignature", bytes)
"""A signature, packed."""

PackedObservation = NewType("PackedObservation", bytes)
"""An observation, packed: its packed signature first."""

_SIGNATURE = struct.Struct("=QqqQI")
"""Linux numbers devices with 32 bits."""
_NUMBER = struct.calcsize("=Qqq")
"""Where the inode stands in a packed signature."""
_REST = struct.Struct("=d")

pack_parts = _SIGNATURE.pack
"""Packs size, mtime, ctime, inode and device: the parts of a signature in their order."""


def pack_signature(signature: Signature) -> PackedSignature:
    """
    Return a signature, packed.
    """
    return PackedSignature(pack_parts(*signature))


def pack_observation(observation: Observation) -> PackedObservation:
    """
    Return an observation, packed.
    """
    return observation_since(pack_signature(observation.signature), observation.quiet_since)


def observation_since(seen: PackedSignature, quiet_since: float) -> PackedObservation:
    """
    Return a signature and since when it is quiet, packed.
    """
    return PackedObservation(seen + _REST.pack(quiet_since))


def unpack_observation(kept: PackedObservation) -> Observation:
    """
    Return an observation, unpacked.
    """
    return Observation(
        Signature._make(_SIGNATURE.unpack_from(kept)), *_REST.unpack_from(kept, _SIGNATURE.size)
    )


def shows(kept: PackedObservation, seen: PackedSignature) -> bool:
    """
    Return whether a look finds what was seen before.
    """
    return kept.startswith(seen)


def mtime_of(seen: PackedSignature | PackedObservation) -> int:
    """
    Return when the content of a file was last changed, in nanoseconds.
    """
    return _part(seen, 1)


def ctime_of(seen: PackedSignature | PackedObservation) -> int:
    """
    Return when anything of a file was last changed, in nanoseconds.
    """
    return _part(seen, 2)


def inode_of(seen: PackedSignature | PackedObservation) -> int:
    """
    Return the number of a file on its device.
    """
    return _part(seen, 3)


def device_of(seen: PackedSignature | PackedObservation) -> int:
    """
    Return the number of the device on which a file lies.
    """
    return _part(seen, 4)


def is_renumbered(kept: PackedObservation, seen: PackedSignature) -> bool:
    """
    Return whether a look finds what was seen before under another number (inode).

    A file put in its place would have a ctime of its own: this filesystem makes its numbers up.
    """
    return _without_number(kept) == _without_number(seen)


def unnumbered(seen: PackedSignature) -> PackedSignature:
    """
    Return what was seen without the number.
    """
    return PackedSignature(seen[:_NUMBER] + bytes(8) + seen[_NUMBER + 8 : _SIGNATURE.size])


def _without_number(seen: PackedSignature | PackedObservation) -> bytes:
    return seen[:_NUMBER] + seen[_NUMBER + 8 : _SIGNATURE.size]


def _part(seen: PackedSignature | PackedObservation, number: int) -> int:
    found: int = _SIGNATURE.unpack_from(seen)[number]
    return found


def is_empty(seen: PackedSignature) -> bool:
    """
    Return whether a file has no bytes.
    """
    return not _part(seen, 0)
