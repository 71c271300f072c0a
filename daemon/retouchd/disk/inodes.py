"""
Which filesystems keep the numbers (inodes) of their files: some make them up for each look, each name or each
mount, and two looks at one file then show two numbers.

What was found out is kept for the process's life, by device. Where numbers are not kept they are left out of
every comparison: sizes and times still tell files apart.
"""

import threading

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
