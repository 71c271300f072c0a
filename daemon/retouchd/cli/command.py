"""
What every command has around it: modules loaded leanly, standard streams made safe, exceptions told in words.

How a daemon's modules are loaded: without what only looks good on a terminal, and without pauses to tidy up.
Makes standard input, output and error safe: closed, full or unread, they keep no command from its work. Turns
exceptions that a person can mend (no memory, no threads, a disk's) into a sentence with an exit code.
"""

import contextlib
import errno
import gc
import io
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from retouchd.errors import ConfigurationError, DiskFailed, RetouchdError
from retouchd.job.naming import shown

_UNSEEN = ("rich", "pygments")


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """
    Let what is imported meanwhile do without drawing libraries, plugins and garbage collections.

    httpx (for a command of its own) and structlog (for tracebacks that we write ourselves) load `_UNSEEN`
    wherever it is installed, which takes a sixth of a start and of the memory of an idle daemon. pydantic
    reads the metadata of every installed package to look for plugins; none could mean anything to us.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    hidden = [name for name in _UNSEEN if name not in sys.modules]
    # An entry of None is Python's own way to say that a module cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        # What is loaded stays: a collection that looks through it in vain would hold up the loop.
        gc.freeze()
        gc.enable()


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


_TOO_MANY = {errno.EMFILE, errno.ENFILE}
_NO_THREAD = "can't start new thread"
_NOT_SET = "without exception set"


def mendable(error: BaseException) -> RetouchdError | None:
    """
    Return what is to be told of an exception, None for one that only a programmer can mend.
    """
    faults = list(_leaves(error))
    told = [each for each in map(_told, faults) if each is not None]
    return told[0] if len(told) == len(faults) else None


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _told(error: BaseException) -> RetouchdError | None:
    if isinstance(error, RetouchdError):
        return error
    if means := _lacking(error):
        what, where = means
        return DiskFailed(f"There are not enough {what} for this: see {where}.")
    if isinstance(error, FileNotFoundError) and not _has_a_place():
        text = "The folder in which this was started is gone: change into another one."
        return ConfigurationError([text])
    if isinstance(error, OSError):
        name = f"{shown(os.fsdecode(error.filename))}: " if error.filename else ""
        return DiskFailed(f"{name}{error.strerror or error}.")
    if isinstance(error, ImportError):
        text = f"retouchd cannot be loaded: {error}. Give it more memory, or install it anew."
        return DiskFailed(text)
    return None


def _lacking(error: BaseException) -> tuple[str, str] | None:
    """
    Return what of the machine there is too little of, and where that is set.
    """
    number = error.errno if isinstance(error, OSError) else None
    # CPython 3.13 may fail for want of memory without a MemoryError to say so.
    is_unsaid = isinstance(error, SystemError) and _NOT_SET in str(error)
    if isinstance(error, MemoryError) or is_unsaid or number == errno.ENOMEM:
        return "bytes of memory", "`ulimit -v`, or MemoryMax= of the unit"
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return "threads", "`ulimit -u`, or TasksMax= of the unit"
    if number in _TOO_MANY:
        return "open files", "`ulimit -n`, or LimitNOFILE= of the unit"
    return None


def _has_a_place() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True
