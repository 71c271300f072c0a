"""
Redirects to our log what is said elsewhere: by libraries' loggers (asyncio's too), as warnings, by exceptions
that nobody caught, and by whatever prints to standard error.
"""

import io
import logging
import sys
import threading
import warnings
from typing import Any, Protocol, TextIO

_LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO)


class Tell(Protocol):
    """
    Writes an event to the log.
    """

    def __call__(self, level: int, event: str, **values: Any) -> None:
        """
        Write it.
        """
        ...


def take_in(tell: Tell) -> None:
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
        tell(
            logging.WARNING,
            "python.warning",
            category=category.__name__,
            message=str(message),
            at=place,
        )

    def crash(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        tell(logging.CRITICAL, "process.crashed", exc_info=(kind, error, trace))

    def crash_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_type is SystemExit or found.exc_value is None:
            return
        name = found.thread.name if found.thread else None
        trace = (found.exc_type, found.exc_value, found.exc_traceback)
        tell(logging.ERROR, "thread.crashed", thread=name, exc_info=trace)

    def ignore(found: "sys.UnraisableHookArgs") -> None:
        about = f"{found.err_msg or 'Exception ignored in'}: {found.object!r}"
        trace = (found.exc_type, found.exc_value, found.exc_traceback)
        tell(logging.ERROR, "exception.ignored", message=about, exc_info=trace)

    warnings.showwarning = warn
    sys.excepthook, threading.excepthook, sys.unraisablehook = crash, crash_thread, ignore


class _Handler(logging.Handler):
    """
    Hands records of the logging module to our log.
    """

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = next((each for each in _LEVELS if record.levelno >= each), logging.DEBUG)
            trace = {"exc_info": record.exc_info} if record.exc_info else {}
            message = record.getMessage()
            self._tell(level, "library.message", logger=record.name, message=message, **trace)
        except Exception:  # noqa: BLE001 - as every handler does: the library must not fail for its message
            self.handleError(record)


class PrintedLines(io.TextIOBase):
    """
    A text stream in place of standard error, each line of which becomes an event of the log.
    """

    def __init__(self, tell: Tell) -> None:
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
                self._tell(logging.WARNING, "stderr.printed", message=line)
        return len(text)
