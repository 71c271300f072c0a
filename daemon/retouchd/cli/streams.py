"""
Makes standard input, output and error safe: closed, full or unread, they keep no command from its work.
"""

import contextlib
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LOST = 74
"""The exit code of a command that did its work and could not tell of it (EX_IOERR)."""

_LISTENERS_OWN = {errno.EPIPE, errno.ECONNRESET, errno.EIO}
"""How a reader goes away that has seen enough: `| head`, a terminal that is closed."""


class Output(io.FileIO):
    """
    A stream that takes whatever is written: what cannot be told must not keep a command from its work.

    `fault` is what went wrong first, None while all is told.
    """

    fault: OSError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """
        Write all of it, waiting where somebody made the stream non-blocking.
        """
        rest = memoryview(data).cast("B")
        size = rest.nbytes
        try:
            while self.fault is None and rest.nbytes:
                if (written := super().write(rest)) is None:
                    waiting = select.poll()
                    waiting.register(self, select.POLLOUT)
                    waiting.poll()
                else:
                    rest = rest[written:]
        except OSError as error:
            self.fault = error
        return size


def make_sure_of_streams() -> Output:
    """
    Put streams in place that never fail, and return the one of standard output.

    A standard stream that is closed is led to nowhere: else the next file that is opened would take its
    place, and get all that is meant for a person.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    out = Output(1, "w", closefd=False)
    sys.stdout = _text(out, sys.stdout)
    sys.stderr = _text(Output(2, "w", closefd=False), sys.stderr)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8")
    return out


def is_heard() -> bool:
    """
    Return whether all that was written to standard output went somewhere.
    """
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return getattr(raw, "fault", None) is None


def end(out: Output, code: int) -> int:
    """
    Return the exit code after all is told: another one where it could not be, but for a reader that left.
    """
    sys.stdout.flush()
    if out.fault is None or out.fault.errno in _LISTENERS_OWN:
        return code
    sys.stderr.write(
        f"retouchd: not all could be written to standard output: {out.fault.strerror}.\n"
    )
    return code or LOST


def _text(raw: Output, before: TextIO | None) -> TextIO:
    """
    Return a stream of text that writes what its encoding has not as an escape.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before else "utf-8",
        errors="backslashreplace",
        line_buffering=raw.fileno() == 2 or raw.isatty(),
    )
