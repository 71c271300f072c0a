"""
Typed events: what happens in a run, told to every listener; the log is one of them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias


class Level(StrEnum):
    """
    How much an event matters.
    """

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    Base of all events: `event` is the name in the log, the fields are the keys of its line in their order.

    A field that has a default is no key of the line while it has that value. An event with a field `exception`
    is logged with the traceback.
    """

    event: ClassVar[str]
    level: Level = Level.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned(Event):
    """
    Base of events that a person should hear of.
    """

    level: Level = Level.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(Event):
    """
    Base of events that nobody foresaw.
    """

    level: Level = Level.ERROR
    exception: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerCrashed(Crash):
    """
    A listener failed for the first time; it goes on being called.
    """

    event: ClassVar[str] = "listener.crashed"
    listener: str


Listener: TypeAlias = Callable[[Event], None]
"""Is called in the thread that emits, and has to return at once."""

_listeners: tuple[Listener, ...] = ()
_failed: tuple[Listener, ...] = ()
_changing = threading.Lock()


def emit(event: Event) -> None:
    """
    Tell every listener, from any thread. Never fails: what a listener raises is emitted once for each.
    """
    # Without a lock: a finalizer may emit at any allocation, of a thread that emits as well.
    for listener in _listeners:
        try:
            listener(event)
        except Exception as error:  # noqa: BLE001 - whoever listens must not harm what is told
            _tell_failed(listener, error)


def listen(listener: Listener) -> Callable[[], None]:
    """
    Have a listener told from now on, once however often it is registered; return what ends that.
    """
    global _listeners  # noqa: PLW0603 - one process, one run
    with _changing:
        if listener not in _listeners:
            _listeners = (*_listeners, listener)

    def unlisten() -> None:
        global _listeners, _failed  # noqa: PLW0603 - as above
        with _changing:
            _listeners = tuple(each for each in _listeners if each != listener)
            _failed = tuple(each for each in _failed if each != listener)

    return unlisten


def _tell_failed(listener: Listener, error: Exception) -> None:
    global _failed  # noqa: PLW0603 - as above
    if listener not in _failed:
        _failed = (*_failed, listener)
        emit(ListenerCrashed(listener=repr(listener), exception=error))
