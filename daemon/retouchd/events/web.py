"""
Events of the listener for programs and browsers, and of the figures for Prometheus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from retouchd.events import Crash, Event, Warned


@dataclass(frozen=True, slots=True, kw_only=True)
class WebListening(Event):
    """
    Programs and browsers may ask at these addresses.
    """

    event: ClassVar[str] = "web.listening"
    addresses: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebClosed(Warned):
    """
    Nobody can be listened to now; it is tried again every ten seconds.
    """

    event: ClassVar[str] = "web.closed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebCrashed(Crash):
    """
    A request could not be answered, in a way that nobody foresaw: its method, and its path as it came.
    """

    event: ClassVar[str] = "web.crashed"
    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsUnwritten(Warned):
    """
    The file for node_exporter could not be written.
    """

    event: ClassVar[str] = "metrics.unwritten"
    place: str
    reason: str
