"""
What the endpoint remembers: the requests it saw, and the pictures it gave out links to.

Both are bounded: it may run for weeks.
"""

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from retouchd.sandbox.faults import FaultKind
from retouchd.sandbox.form import Form

REQUESTS = 1_000
"""Requests in the log; the oldest fall out."""

_VALUE_CHARACTERS = 40_000
_LINK_SECONDS = 3600.0
_LINKS = 200
_LINKS_BYTES = 256 * 1024 * 1024


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
    One request and what became of it; header names in lower case, times monotonic seconds.

    `status` is None while nothing was answered, and for ever if the connection was cut. `charged`
    says whether an edit was made: the provider would bill it, whatever the client received. `done`
    is what was done to the picture, `refused` why nothing was; `kept` names the copies that were
    kept of the results.
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
    done: str = ""
    refused: str = ""
    kept: tuple[str, ...] = ()
    ended_at: float | None = None

    def note(self, form: Form) -> None:
        """
        Remember what a request held; very long values are cut.
        """
        self.fields = tuple((name, value[:_VALUE_CHARACTERS]) for name, value in form.fields)
        self.files = tuple(
            SeenFile(
                field=part.field,
                filename=part.filename,
                content_type=part.content_type,
                size=part.size,
                sha256=part.sha256,
            )
            for part in form.files
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    picture: bytes
    mimetype: str
    at: float


@dataclass(frozen=True, slots=True)
class Shelf:
    """
    The pictures that have links, by name: the last ones, in memory, for an hour. Thread-safe.
    """

    _clock: Callable[[], float] = time.monotonic
    _pictures: dict[str, _Kept] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, picture: bytes, output_format: str) -> str:
        """
        Keep a picture and return the name of its file.
        """
        name = f"{secrets.token_hex(16)}.{output_format}"
        kept = _Kept(picture=picture, mimetype=f"image/{output_format}", at=self._clock())
        with self._lock:
            self._pictures[name] = kept
            size = sum(len(each.picture) for each in self._pictures.values())
            while len(self._pictures) > _LINKS or (size > _LINKS_BYTES and len(self._pictures) > 1):
                size -= len(self._pictures.pop(next(iter(self._pictures))).picture)
        return name

    def get(self, name: str) -> tuple[bytes, str] | None:
        """
        Return a picture and its MIME type, or None if it was never there or is long gone.
        """
        with self._lock:
            kept = self._pictures.get(name)
            if kept is None or kept.at + _LINK_SECONDS < self._clock():
                return None
            return kept.picture, kept.mimetype
