"""
Disk calls that hang for as long as a test wants.
"""

import threading
import time

from retouchd.disk.calls import Folder, at, step
from retouchd.disk.thread_pools import flushing
from retouchd.disk.threads import Steps

_MOST_SECONDS = 120


class Hang:
    """
    What does not return before it is let go, or a test has failed; `begun` counts who has come to it.
    """

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self.begun = threading.Semaphore(0)

    def call(self) -> None:
        self.begun.release()
        self.is_over.wait(_MOST_SECONDS)

    def flush(self) -> None:
        with flushing():
            self.call()

    def look(self) -> None:
        with at(Folder.OUTBOX):
            self.call()

    def steps(self, folder: Folder) -> Steps[None]:
        """
        Come to a folder and hang in it.
        """
        yield folder
        self.call()

    def walk(self) -> None:
        """
        Get on all the time.
        """
        self.begun.release()
        end = time.monotonic() + _MOST_SECONDS
        while not self.is_over.is_set() and time.monotonic() < end:
            with at(Folder.INBOX):
                time.sleep(0.001)
            step()
