"""
A filesystem of its own in an image file: copied while it is in use, the copy is what a power cut leaves.

Nothing but what the kernel has handed to the device is in the image; mounted, the copy replays its
journal. All of it needs root, loop devices and the programs that make the filesystem.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_DEADLINE_SECONDS = 120.0
_BEAT_SECONDS = 0.005


@dataclass(frozen=True, kw_only=True)
class Kind:
    """
    How a filesystem is made and mounted. What nobody synced stays in memory as long as possible.
    """

    megabytes: int
    make: tuple[str, ...]
    options: str


KINDS = {
    "ext4": Kind(
        megabytes=112, make=("mkfs.ext4", "-q", "-J", "size=4"), options="loop,commit=300"
    ),
    "xfs": Kind(megabytes=400, make=("mkfs.xfs", "-q"), options="loop"),
    "btrfs": Kind(megabytes=256, make=("mkfs.btrfs", "-q"), options="loop,commit=300"),
}


def obstacle(kind: str, place: Path) -> str:
    """
    Return why no such filesystem can be made and mounted here, empty if it can; tried below `place`.
    """
    if os.geteuid() != 0:
        return "only root mounts filesystems"
    program = KINDS[kind].make[0]
    if shutil.which(program) is None:
        return f"there is no {program} here"
    image = place / f"{kind}.probe"
    try:
        make(image, kind)
        with mounted(image, kind, place / f"{kind}.mount"):
            return ""
    except subprocess.CalledProcessError as error:
        return f"{kind} cannot be made or mounted here: {error.stderr.strip()}"
    finally:
        image.unlink(missing_ok=True)


def make(image: Path, kind: str) -> None:
    """
    Make an empty filesystem in a new image file.
    """
    with image.open("xb") as file:
        file.truncate(KINDS[kind].megabytes << 20)
    _call(*KINDS[kind].make, image)


@contextlib.contextmanager
def mounted(image: Path, kind: str, point: Path) -> Iterator[None]:
    """
    Mount an image for as long as the context lasts.
    """
    point.mkdir(exist_ok=True)
    _call("mount", "-t", kind, "-o", KINDS[kind].options, image, point)
    try:
        yield
    finally:
        _call("umount", point)


def sync(point: Path) -> None:
    """
    Make all of a filesystem durable.
    """
    _call("sync", "--file-system", point)


def cut(image: Path, copy: Path) -> None:
    """
    Copy an image that is in use, as it was at one moment: again where the device was written meanwhile.
    """
    device = Path(
        _call("losetup", "--noheadings", "--output", "NAME", "--associated", image).strip()
    )
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while True:
        before = _writes(device)
        _call("cp", "--sparse=always", image, copy)
        done, under_way = after = _writes(device)
        if before == after and under_way == 0:
            return
        assert time.monotonic() < deadline, f"{image} does not come to rest after {done} writes"
        time.sleep(_BEAT_SECONDS)


def _writes(device: Path) -> tuple[int, int]:
    """
    Return how many writes a device has done, and how many requests are under way.
    """
    fields = Path(f"/sys/block/{device.name}/stat").read_text().split()
    return int(fields[4]), int(fields[8])


def _call(*command: str | Path) -> str:
    return subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True
    ).stdout


@contextlib.contextmanager
def mounted_tmpfs(place: Path, *, megabytes: int) -> Iterator[None]:
    """
    Cover a folder with a disk of that size.
    """
    options = ("-o", f"size={megabytes}m", "tmpfs", os.fspath(place))
    mounted = subprocess.run(["mount", "-t", "tmpfs", *options], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", os.fspath(place)], check=True)
