"""
The log: one line for each change of state, for people on a terminal, for programs elsewhere.

Redirects to our log what is said elsewhere: by libraries' loggers (asyncio's too), as warnings, by exceptions
that nobody caught, and by whatever prints to standard error.

The only module that knows structlog. Lines carry `timestamp level event` and what the event is about;
a name with control signs or bytes that are not UTF-8 never breaks one.
"""

import dataclasses
import datetime as dt
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from retouchd.events import Event, Level, Listener, emit, listen
from retouchd.events.messages import (
    ExceptionIgnored,
    LibraryMessage,
    LogDropped,
    ProcessCrashed,
    PythonWarning,
    StderrPrinted,
    ThreadCrashed,
    UnreadLog,
)
from retouchd.job.naming import shown
from retouchd.job.text import iso, writable
from retouchd.logs.event_lines import Gap, LogQueue, sentence
from retouchd.logs.writer import LogWriter

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


MOST_LINES, MOST_BYTES = 10_000, 4 << 20
"""What waits for a reader at most; a thousand photos leave some 3,000 lines and 1 MB."""

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_LONGEST = 200
_MARKS = {"warning": ("! ", "\x1b[33m"), "error": ("! ", "\x1b[31m")}
"""How lines that matter more begin on a terminal, and their colours there."""


class _Lines:
    """
    Hands each line of the log to the thread that writes it.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding

    def encoded(self, line: str) -> bytes:
        """
        Return a line as it is written.
        """
        return f"{line}\n".encode(self._encoding, "backslashreplace")

    def msg(self, line: str) -> None:
        """
        Let it be written.
        """
        if _writer is not None:
            _writer.put(self.encoded(line))

    log = debug = info = warning = error = critical = exception = msg


_writer: LogWriter | None = None
_lines = _Lines("utf-8")
_is_json = False
_is_terminal = False
_hidden: Callable[[str], str] = str


def write(event: Event) -> None:
    """
    Write an event as a line; the listener by which the log hears of a run.
    """
    values = _values(event)
    if "exception" in values:
        values["exc_info"] = values.pop("exception")
    getattr(structlog.get_logger(), event.level)(event.event, **values)


def _values(event: Event) -> dict[str, Any]:
    """
    Return what stands in an event's line by its keys, in their order.
    """
    told = ((each, getattr(event, each.name)) for each in dataclasses.fields(event))
    return {
        each.name: value for each, value in told if each.name != "level" and value != each.default
    }


def configure(*, style: str = "auto", level: str = "info") -> None:
    """
    Write events to standard error from now on: `style` is auto, console or json; auto is console on a terminal.

    It never waits for a reader. A standard error that was closed from the start gets nothing.
    """
    global _writer, _lines, _is_json, _is_terminal  # noqa: PLW0603 - there is one log, as there is one standard error
    stream = sys.__stderr__
    _is_terminal = is_terminal = stream is not None and stream.isatty()
    _is_json = style == "json" or (style == "auto" and not is_terminal)
    # Programs read UTF-8, a terminal what its locale says.
    _lines = _Lines("utf-8" if _is_json or stream is None else stream.encoding)
    if _writer is None and stream is not None:
        waiting = LogQueue(most_lines=MOST_LINES, most_bytes=MOST_BYTES)
        _writer = LogWriter(stream.fileno(), waiting=waiting, line_of=_line_of)
    number = {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True) if _is_json else _local_time,
            structlog.processors.format_exc_info,
            _harmless,
            *(_json() if _is_json else _console(colors=is_terminal)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _lines,
        cache_logger_on_first_use=False,
    )
    listen(write)


def take_over() -> None:
    """
    Let everything that is said on standard error by this process be lines of the log, where these are JSON.
    """
    take_in(_tell)
    sys.stderr = PrintedLines(_tell) if _is_json else sys.__stderr__


def is_json() -> bool:
    """
    Return whether the log is for programs.
    """
    return _is_json


def show_below(text: str) -> None:
    """
    Have a text stand in the last line of the terminal from now on, below the log, "" for none; nothing of it is
    in a log that is no terminal's, or for programs.
    """
    if _writer is not None:
        _writer.show_below(text if can_show_below() else "")


def can_show_below() -> bool:
    """
    Return whether the log has a last line that anybody sees.
    """
    return _is_terminal and not _is_json and _can_erase()


def _can_erase() -> bool:
    return os.environ.get("TERM", "") not in ("", "dumb")


def hide(hidden: Callable[[str], str]) -> None:
    """
    Mask what `hidden` masks in tracebacks and in others' messages.
    """
    global _hidden  # noqa: PLW0603 - as above
    _hidden = hidden


def flush() -> None:
    """
    Wait until all is written: what is printed next shall stand behind it. Not long where nobody reads.
    """
    if _writer is not None:
        _writer.flush()


def unread() -> UnreadLog | None:
    """
    Return what is wrong with the log's reader, None while somebody reads.
    """
    return _writer.unread if _writer else None


def _tell(event: Event) -> None:
    """
    Emit what others said, without secrets of ours.
    """
    match event:
        case LibraryMessage() | PythonWarning() | StderrPrinted() | ExceptionIgnored():
            event = dataclasses.replace(event, message=_hidden(event.message))
    emit(event)


def _line_of(gap: Gap, fault: str) -> bytes:
    """
    Return the line that tells of lines that are missing, whatever the level.
    """
    reason = fault or "nobody read the log"
    dropped = LogDropped(lines=gap.lines, since=iso(gap.since), reason=reason)
    line: Any = {"event": dropped.event, **_values(dropped)}
    for process in structlog.get_config()["processors"]:
        line = process(None, dropped.level, line)
    return _lines.encoded(line)


def _console(*, colors: bool) -> list[Any]:
    rest = structlog.dev.ConsoleRenderer(colors=colors, sort_keys=False)

    def in_words(log: Any, method: str, event: MutableMapping[str, Any]) -> str:
        """
        Say what happened as a person would, and the rest as it is.
        """
        text = sentence(event["event"], event)
        if text is None:
            return str(rest(log, method, event))
        if not text:
            raise structlog.DropEvent
        mark, tint = _MARKS.get(event["level"], ("", ""))
        line = f"{event['timestamp']}  {mark}{text}"
        return f"{tint}{line}\x1b[0m" if colors and tint else line

    return [in_words]


def _local_time(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["timestamp"] = dt.datetime.now().astimezone().strftime("%H:%M:%S %Z")
    return event


def _json() -> list[Any]:
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    return [_ordered, renderer, *([_with_priority] if os.environ.get("JOURNAL_STREAM") else [])]


def _harmless(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """
    Escape every text: file names and answers come from anywhere.
    """
    for key, value in event.items():
        try:
            is_trace = key == "exception"
            told = _hidden(value) if is_trace else value
            event[key] = _escaped(told, is_prompt=key == "prompt", is_trace=is_trace)
        except Exception as error:  # noqa: BLE001 - what cannot be told must not take the rest of the line along
            event[key] = f"({type(value).__name__} that cannot be told: {type(error).__name__})"
    return event


def _escaped(value: Any, *, is_prompt: bool = False, is_trace: bool = False) -> Any:
    """
    Return what can be written of a value; a trace keeps its lines.
    """
    match value:
        case str():
            text = "\n".join(map(shown, value.split("\n"))) if is_trace else shown(value)
            return text[: _LONGEST - 1] + "…" if is_prompt and len(text) > _LONGEST else text
        case Mapping():
            return {
                shown(str(key)): _escaped(each, is_prompt=key == "prompt")
                for key, each in value.items()
            }
        case list() | tuple():
            return [_escaped(each) for each in value]
        case bool() | int() | float() | None:
            return writable(value)
        case _:
            return shown(repr(value)) if not isinstance(value, os.PathLike) else shown(str(value))


def _ordered(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return first | dict(event)


def _with_priority(_: Any, __: str, line: str) -> str:
    """
    Mark the line for the journal, which reads `<N>` at its start as the priority.
    """
    level = line.partition('"level": "')[2].partition('"')[0]
    return f"<{_PRIORITY.get(level, 6)}>{line}"
