"""
Whether folders answer at all, asked by processes of their own: on some mounts a thread that hangs cannot be
killed, and would keep its whole process from ending.
"""

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from retouchd.disk.thread_pools import Folder

_BEAT_SECONDS = 0.005


class FolderProbe:
    """
    Asks folders again and again, each by one process at a time. For a process without threads: it forks.
    """

    def __init__(self) -> None:
        self._asking: dict[Folder, int] = {}

    def unresponsive(self, folders: Mapping[Folder, Path], seconds: float) -> set[Folder]:
        """
        Return the folders that do not answer within so many seconds.
        """
        for folder, path in folders.items():
            if folder not in self._asking:
                self._asking[folder] = _ask(path)
        end = time.monotonic() + seconds
        while self._asking and time.monotonic() < end:
            for folder, process in list(self._asking.items()):
                if os.waitpid(process, os.WNOHANG)[0]:
                    del self._asking[folder]
            if self._asking:
                time.sleep(_BEAT_SECONDS)
        for process in self._asking.values():
            os.kill(process, signal.SIGKILL)
        return set(self._asking)


def _ask(path: Path) -> int:
    process = os.fork()
    if process:
        return process
    with contextlib.suppress(BaseException):
        # It may outlive its parent for as long as the folder hangs: nobody is to wait for its output.
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        os.statvfs(path)
        with os.scandir(path) as entries:
            next(entries, None)
    os._exit(0)
