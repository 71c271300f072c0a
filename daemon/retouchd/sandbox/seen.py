"""
What the endpoint remembers: the requests it saw, and the pictures it gave out links to.
"""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from retouchd.sandbox.faults import FaultKind

_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFile:
    """
    One file as it was received: field, filename and type as declared, bytes and their SHA-256.
    """

    field: str
    filename: str
    content_type: str | None
    size: int
    sha256: str


# Not frozen: the line stands in the log from the request's arrival and grows with its fate.
@dataclass(slots=True, kw_only=True)
class Seen:
    """
    One edit request and what became of it; header names in lower case, times monotonic seconds.

    `status` is None while nothing was answered, and for ever if the connection was cut. `charged`
    says whether an edit was made: the provider would bill it, whatever the client received.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    arrived_at: float
    fields: tuple[tuple[str, str], ...] = ()
    files: tuple[SeenFile, ...] = ()
    fault: FaultKind | None = None
    status: int | None = None
    charged: bool = False
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """
    The pictures that have links, by name: the last ones, in memory. Used from several threads.
    """

    _pictures: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, picture: bytes, output_format: str) -> str:
        """
        Keep a picture and return the name of its file.
        """
        name = f"{secrets.token_hex(16)}.{output_format}"
        with self._lock:
            self._pictures[name] = (picture, f"image/{output_format}")
            while len(self._pictures) > _KEPT:
                del self._pictures[next(iter(self._pictures))]
        return name

    def get(self, name: str) -> tuple[bytes, str] | None:
        """
        Return a picture and its MIME type, or None if it was never there or is long gone.
        """
        with self._lock:
            return self._pictures.get(name)
