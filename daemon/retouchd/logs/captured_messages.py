"""
Redirects to our log what is said elsewhere: by libraries' loggers (asyncio's too), as warnings, by exceptions
that nobody caught, and by whatever prints to standard error.
"""

import io
import logging
import sys
import threading
import warnings
from typing import Any, TextIO

from retouchd.events import Level, Listener
from retouchd.events.messages import (
    ExceptionIgnored,
    LibraryMessage,
    ProcessCrashed,
    PythonWarning,
    StderrPrinted,
    ThreadCrashed,
)

_LEVELS = {logging.CRITICAL: Level.CRITICAL, logging.ERROR: Level.ERROR}


def take_in(tell: Listener) -> None:
    """
    Tell from now on of all that was said otherwise to standard error by itself.

    Loggers only from warnings on, however much of our own is logged: below that, clients tell of addresses.
    """
    root = logging.getLogger()
    if any(isinstance(handler, _Handler) for handler in root.handlers):
        return
    root.addHandler(_Handler(tell))

    def warn(  # noqa: PLR0917 - warnings.showwarning's signature
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None:
            file.write(warnings.formatwarning(message, category, filename, lineno, line))
            return
        place = f"{filename}:{lineno}"
        tell(PythonWarning(category=category.__name__, message=str(message), at=place))

    def crash(_: type[BaseException], error: BaseException, __: Any) -> None:
        tell(ProcessCrashed(exception=error))

    def crash_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_type is SystemExit or found.exc_value is None:
            return
        name = found.thread.name if found.thread else None
        tell(ThreadCrashed(thread=name, exception=found.exc_value))

    def ignore(found: "sys.UnraisableHookArgs") -> None:
        about = f"{found.err_msg or 'Exception ignored in'}: {found.object!r}"
        tell(ExceptionIgnored(message=about, exception=found.exc_value))

    warnings.showwarning = warn
    sys.excepthook, threading.excepthook, sys.unraisablehook = crash, crash_thread, ignore


class _Handler(logging.Handler):
    """
    Hands records of the logging module to our log.
    """

    def __init__(self, tell: Listener) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = next(
                (_LEVELS[each] for each in _LEVELS if record.levelno >= each), Level.WARNING
            )
            error = record.exc_info[1] if record.exc_info else None
            message = record.getMessage()
            self._tell(
                LibraryMessage(level=level, logger=record.name, message=message, exception=error)
            )
        except Exception:  # noqa: BLE001 - as every handler does: the library must not fail for its message
            self.handleError(record)


class PrintedLines(io.TextIOBase):
    """
    A text stream in place of standard error, each line of which becomes an event of the log.
    """

    def __init__(self, tell: Listener) -> None:
        super().__init__()
        self._tell = tell
        self._begun = threading.local()

    def writable(self) -> bool:
        """
        Return True.
        """
        return True

    def write(self, text: str) -> int:
        """
        Tell of every line that is whole; each thread ends its own.
        """
        *whole, rest = (getattr(self._begun, "text", "") + text).split("\n")
        self._begun.text = rest
        for line in whole:
            if line.strip():
                self._tell(StderrPrinted(message=line))
        return len(text)
