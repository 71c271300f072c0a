"""
The log: one line for each change of state, for people on a terminal, for programs elsewhere.

The only module that knows structlog. Lines carry `timestamp level event` and what the event is about;
a name with control signs or bytes that are not UTF-8 never breaks one.
"""

import contextlib
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from retouchd.rules.json_text import writable
from retouchd.rules.naming import shown

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_LONGEST = 200


class _Unfailing:
    """
    A stream that takes what it can: a full disk or a closed pipe must not stop what is told of.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def logger() -> Any:
    """
    Return the logger: `log.info("job.done", job=…, name=…)`.
    """
    return structlog.get_logger()


def configure(*, style: str = "auto", level: str = "info") -> None:
    """
    Set up logging to standard error: `style` is auto, console or json; auto is console on a terminal.
    """
    is_console = style == "console" or (style == "auto" and sys.stderr.isatty())
    number = {"debug": 10, "info": 20, "warning": 30, "error": 40}[level]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not is_console),
            structlog.processors.format_exc_info,
            _harmless,
            *(_console() if is_console else _json()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Unfailing(sys.stderr))),
        cache_logger_on_first_use=False,
    )


def _console() -> list[Any]:
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)]


def _json() -> list[Any]:
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    return [_ordered, renderer, *([_with_priority] if os.environ.get("JOURNAL_STREAM") else [])]


def _harmless(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """
    Escape every text: file names and answers come from anywhere.
    """
    for key, value in event.items():
        try:
            event[key] = _escaped(value, is_prompt=key == "prompt", is_trace=key == "exception")
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
