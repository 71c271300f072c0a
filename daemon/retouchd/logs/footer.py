"""
A line at the bottom of a terminal that is rewritten in place, below lines that scroll by.
"""

import os

_ERASE = b"\r\x1b[K"


class Footer:
    """
    What is to stand in the last line of a terminal, and what stands there. Drawn by the thread that writes the
    lines above it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._drawn = b""
        self.wanted = ""

    @property
    def erased(self) -> bytes:
        """
        Return what is to be written before the next line.
        """
        return _ERASE if self._drawn else b""

    def forget(self) -> None:
        """
        Note that it was erased.
        """
        self._drawn = b""

    def redrawn(self) -> bytes:
        """
        Return what is to be written for it to be shown as it is wanted, and note that it is; nothing where it
        is shown so already, or where the terminal is another program's just now.
        """
        wanted = self._cut()
        if wanted == self._drawn or not self._is_in_front():
            return b""
        before, self._drawn = self._drawn, wanted
        return (_ERASE if before else b"") + wanted

    def _cut(self) -> bytes:
        """
        Return as much of it as one line holds: in ASCII, of which each character takes one column.
        """
        try:
            columns = os.get_terminal_size(self._descriptor).columns
        except OSError:
            return b""
        text = self.wanted.encode("ascii", "replace")
        # The last column stays free: some terminals begin a new line after it. Without a size it is 0.
        return text[: columns - 1] if columns else text

    def _is_in_front(self) -> bool:
        """
        Return whether this process may write over the last line: a shell may have the terminal meanwhile.
        """
        try:
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return True  # It is nobody's terminal of control.
