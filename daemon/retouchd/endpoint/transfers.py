"""
Files on their way: uploads, read in pieces and exactly as long as announced; results, fetched by their urls.

A result that came as a URL: fetched with no more trust than the answer deserves.
"""

import binascii
import contextlib
import mmap
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urljoin

from retouchd.disk.threads import in_work
from retouchd.endpoint.addresses import (
    FetchFailed,
    FetchRefused,
    Target,
    public_addresses,
    target_of,
)
from retouchd.endpoint.transport import (
    Answer,
    Head,
    NoAnswer,
    NotSent,
    Outgoing,
    TooLarge,
    Transport,
)
from retouchd.job.stripped import Piece, Removed, Stripped
from retouchd.request.envelope import Envelope

_PIECE = 1 << 20
"""Bytes sent at once: each piece takes one way to a thread and back."""

_Packed: TypeAlias = tuple[memoryview, bool]
_Room: TypeAlias = Callable[[], memoryview]


class UploadUnreadable(NotSent):
    """
    A file to be sent could not be read, or changed meanwhile; the endpoint had no part in it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """
    A file to be sent, its `image/*` type and its size in bytes; opened anew for each request. `removed` is
    what was dropped and is not sent.

    `size` and `mtime_ns`, when it was last written, are what those saw who judged it: whoever had it open
    before it was claimed can still write to it. `stripped` says what is sent of it, None for all.
    """

    path: Path
    content_type: str
    size: int
    mtime_ns: int | None = None
    stripped: Stripped | None = None
    removed: tuple[Removed, ...] = ()

    @property
    def sent_size(self) -> int:
        """
        Return how many bytes are sent.
        """
        return self.size if self.stripped is None else self.stripped.size


async def begun(envelope: Envelope, uploads: Sequence[Upload]) -> AsyncIterator[memoryview]:
    """
    Return a whole request body in pieces of 1 MiB, the first of them read already; no read is on the
    event loop.
    A piece lasts until the next one is asked for: that is read into its place.

    Raises Unreadable here or before the last piece if a file is not what it was: a body without its end is
    none to any server.
    """
    pieces = _packed(_PIECE, partial(_body, envelope, uploads))
    return _stream(await in_work(next, pieces), pieces)


async def _stream(first: _Packed, pieces: Iterator[_Packed]) -> AsyncIterator[memoryview]:
    piece, is_last = first
    yield piece
    # Never closed by hand: when the request is cancelled a thread may still be inside. The file closes
    # with the last reference.
    while not is_last:
        piece, is_last = await in_work(next, pieces)
        yield piece


def _packed(size: int, fill: Callable[[_Room], Iterator[int]]) -> Iterator[_Packed]:
    """
    Yield in pieces of so many bytes what `fill` puts into the room there is, and whether each is the last.

    They lie in pages of their own: blocks that come and go for many uploads at once would leave the heap twice
    as large as what it holds.
    """
    whole, held = memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)), 0

    def room() -> memoryview:
        return whole[held:]

    for count in fill(room):
        held += count
        if held == size:
            yield whole, False
            held = 0
    yield whole[:held], True


def _body(envelope: Envelope, uploads: Sequence[Upload], room: _Room) -> Iterator[int]:
    """
    Fill a body into the room there is, telling each time how many bytes; the same holds for those below.
    """
    put_file = _put_base64 if envelope.is_base64 else _put_file
    for head, upload in zip(envelope.heads, uploads, strict=True):
        yield from _put(head, room)
        yield from put_file(upload, room)
    yield from _put(envelope.tail, room)


def _put(data: bytes, room: _Room) -> Iterator[int]:
    left = memoryview(data)
    while left:
        target = room()
        count = min(len(left), len(target))
        target[:count], left = left[:count], left[count:]
        yield count


def _put_base64(upload: Upload, room: _Room) -> Iterator[int]:
    # Pieces of a multiple of three bytes: only the last may be padded.
    for piece, _ in _packed(_PIECE // 4 * 3, partial(_put_file, upload)):
        yield from _put(binascii.b2a_base64(piece, newline=False), room)


def _put_file(upload: Upload, room: _Room) -> Iterator[int]:
    path = upload.path
    try:
        # A bare descriptor: a file object in what is left of a cancelled request may be collected before this
        # is closed, and would warn.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            whole: tuple[Piece, ...] = ((0, upload.size),)
            for piece in whole if upload.stripped is None else upload.stripped.pieces:
                if isinstance(piece, bytes):
                    yield from _put(piece, room)
                    continue
                at, end = piece
                while at < end:
                    if not (count := os.preadv(file, [room()[: end - at]], at)):
                        raise _changed(path)
                    at += count
                    yield count
            found = os.fstat(file)
            if found.st_size != upload.size or upload.mtime_ns not in (None, found.st_mtime_ns):
                raise _changed(path)
        finally:
            os.close(file)
    except OSError as error:
        raise _unreadable(path, error) from error


def _changed(path: Path) -> UploadUnreadable:
    return UploadUnreadable(f"{path.name} changed while it was being sent")


def _unreadable(path: Path, error: OSError) -> UploadUnreadable:
    return UploadUnreadable(f"{path.name} cannot be read: {error.strerror or error}")


PICTURE_LIMIT = 512 << 20
_MOST_HOPS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_YET = frozenset({202, 204, 205})
_FINAL = frozenset({400, 405, 410, 414, 431, 451})
"""What waiting does not change: the request is wrong, or the picture is gone for good (RFC 9110, 15.5)."""


class Fetcher:
    """
    Fetches pictures for one endpoint.

    `headers` are the endpoint's, the key among them: they go to its own origin and nowhere else.
    `seconds` bounds one fetch as a whole.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        base_url: str,
        headers: Mapping[str, str],
        seconds: float,
        allow_private: bool,
    ) -> None:
        self._transport = transport
        self._base_url = base_url
        self._headers = headers
        self._seconds = seconds
        self._allow_private = allow_private

    @contextlib.asynccontextmanager
    async def fetch(self, url: str) -> AsyncIterator[Answer]:
        """
        Yield the answer to a picture's URL, absolute or relative to the endpoint's, or to that it leads on to.

        Raises FetchRefused or FetchFailed, also while the chunks are read.
        """
        target, is_first = target_of(url, self._base_url), True
        for _ in range(_MOST_HOPS):
            async with contextlib.AsyncExitStack() as stack:
                routes = await self._routes(target, has_key=is_first)
                answer = await self._reach(stack, routes)
                if answer.head.status not in _REDIRECTS:
                    _check(answer.head)
                    body = await stack.enter_async_context(contextlib.aclosing(_translated(answer)))
                    yield Answer(head=answer.head, body=body)
                    return
            location = answer.head.headers.get("location", "")
            if not location:
                raise FetchFailed(
                    f"the picture's URL answered HTTP {answer.head.status} to nowhere"
                )
            target, is_first = target_of(_joined(target, location), self._base_url), False
        raise FetchFailed(f"the picture's URL was redirected {_MOST_HOPS} times")

    async def _routes(self, target: Target, *, has_key: bool) -> list[Outgoing]:
        """
        Return the requests that would get the picture, to be tried in order.

        Whoever redirects does not send the key along, not even back to the endpoint.
        """
        if target.origin == target_of(self._base_url, self._base_url).origin:
            return [self._request(target, headers=self._headers if has_key else None)]
        if self._allow_private:
            return [self._request(target)]
        if self._transport.proxy_for(target.at()) is not None:
            # The proxy resolves the name and connects; only what is an address already can be judged here.
            with contextlib.suppress(FetchFailed):
                await public_addresses(target, numeric=True)
            return [self._request(target)]
        addresses = await public_addresses(target)
        return [self._request(target, address=address) for address in addresses]

    def _request(
        self,
        target: Target,
        *,
        address: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Outgoing:
        harmless = {name: self._headers[name] for name in ("user-agent", "accept-encoding")}
        return Outgoing(
            method="GET",
            url=target.at(address),
            headers={**(headers or harmless), "accept": "image/*", "host": target.netloc},
            seconds=self._seconds,
            limit=PICTURE_LIMIT,
            server_name=None if address is None else target.host,
        )

    async def _reach(self, stack: contextlib.AsyncExitStack, routes: Sequence[Outgoing]) -> Answer:
        failure: NotSent | None = None
        for route in routes:
            try:
                return await stack.enter_async_context(self._transport.exchange(route))
            except NotSent as error:
                failure = error
            except NoAnswer as error:
                raise FetchFailed(str(error)) from error
        raise FetchFailed(str(failure)) from failure


async def _translated(answer: Answer) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in answer.chunks():
            yield chunk
    except TooLarge as error:
        raise FetchRefused(str(error)) from error
    except NoAnswer as error:
        raise FetchFailed(str(error)) from error


def _check(head: Head) -> None:
    """
    Raise unless an answer may be the picture; what it is, its bytes decide.
    """
    status = head.status
    if status in _FINAL:
        raise FetchRefused(f"the picture's URL answered HTTP {status}")
    if status in _NOT_YET or not 200 <= status < 300:
        raise FetchFailed(f"the picture's URL answered HTTP {status}")


def _joined(target: Target, location: str) -> str:
    try:
        return urljoin(target.at(), location)
    except ValueError as error:
        raise FetchRefused("the picture's URL is redirected to one that is malformed") from error
