"""
The endpoint: asks for an edit, fetches a result by its URL, lists the models.

Every way an exchange can end is one of: an `Answer`, `NotSent`, `NoAnswer`; for a result's URL an `Answer`,
`FetchRefused`, `FetchFailed`. What an answer means is not decided here.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Self

from retouchd.endpoint.addresses import FetchFailed, FetchPrivate, FetchRefused
from retouchd.endpoint.api_key import KeySource, Redactor, Secrets
from retouchd.endpoint.compression import Unpacker
from retouchd.endpoint.transfers import Fetcher, Upload, UploadUnreadable, begun
from retouchd.endpoint.transport import (
    Answer,
    Head,
    NoAnswer,
    NotSent,
    Outgoing,
    TooLarge,
    Transport,
    tls_context,
)
from retouchd.endpoint.written import Endpoint, headers_of, secrets_of, write
from retouchd.job.model import Request

__all__ = [
    "Answer",
    "EditsClient",
    "Endpoint",
    "FetchFailed",
    "FetchPrivate",
    "FetchRefused",
    "Head",
    "NoAnswer",
    "NotSent",
    "Upload",
    "UploadUnreadable",
]

ANSWER_LIMIT = 512 << 20
_UNPACKED, _GROWTH = 64 << 20, 16
"""Bytes that any compressed answer may have, and so many more for each received: pictures hardly shrink."""
_MODELS_LIMIT = 8 << 20
_MODELS_SECONDS = 20.0


class EditsClient:
    """
    The endpoint as an async context manager; any number of requests may run at once.

    Raises ConfigurationError for an address, key, header, authority or proxy that cannot be used.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._headers = headers_of(endpoint)
        self._known = {*secrets_of(endpoint)}
        self.secrets = Secrets(self._known)
        self._opened: Transport | None = None

    async def __aenter__(self) -> Self:
        self._opened = await _transport_to(self._endpoint)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._opened = None

    @property
    def key_source(self) -> KeySource:
        """
        Return where the key stands that goes along with each request.
        """
        return self._endpoint.key_source

    async def adopt(self, endpoint: Endpoint) -> None:
        """
        Reach the endpoint in another way from the next request on; those on their way go on as they began.

        Raises ConfigurationError, and then nothing has changed.
        """
        headers, opened = headers_of(endpoint), await _transport_to(endpoint)
        # An answer to an old request may still quote the old key.
        self._known |= {*secrets_of(endpoint)}
        self.secrets = Secrets(self._known)
        self._endpoint, self._headers, self._opened = endpoint, headers, opened

    @contextlib.asynccontextmanager
    async def ask(
        self,
        *,
        request: Request,
        images: Sequence[Upload],
        mask: Upload | None,
        key: str,
    ) -> AsyncIterator[Answer]:
        """
        Ask for an edit and yield the answer when its head is there: its body without compression, our
        secrets masked wherever it quotes them.

        `key` is the same for every attempt at one job. Raises NotSent (Unreadable, if a file of ours was
        the reason) or NoAnswer, also while the answer's chunks are read.
        """
        uploads = [*images, *([mask] if mask else [])]
        measured = [(upload.content_type, upload.sent_size) for upload in uploads]
        written = write(
            self._endpoint,
            request,
            images=measured[: len(images)],
            mask=measured[-1] if mask else None,
            key=key,
        )
        outgoing = Outgoing(
            method="POST",
            url=written.url,
            headers=written.headers,
            seconds=self._endpoint.timeout_seconds,
            limit=ANSWER_LIMIT,
            body=await begun(written.envelope, uploads),
        )
        async with (
            self._transport.exchange(outgoing) as answer,
            contextlib.aclosing(_readable(answer, self.secrets.redactor(), ANSWER_LIMIT)) as body,
        ):
            yield Answer(head=self._hidden(answer.head), body=body, is_cut=answer.is_cut)

    async def models(self) -> tuple[Head, bytes]:
        """
        Return the answer to `GET …/models`, whole. Raises NotSent or NoAnswer.
        """
        outgoing = Outgoing(
            method="GET",
            url=self._endpoint.style.models(self._endpoint.base_url),
            headers=self._headers,
            seconds=min(self._endpoint.timeout_seconds, _MODELS_SECONDS),
            limit=_MODELS_LIMIT,
        )
        async with self._transport.exchange(outgoing) as answer:
            body = _readable(answer, self.secrets.redactor(), _MODELS_LIMIT)
            listed = b"".join([piece async for piece in body])
        return self._hidden(answer.head), listed

    def fetch(self, url: str) -> AbstractAsyncContextManager[Answer]:
        """
        Fetch a picture by the URL an answer gave, absolute or relative to the endpoint's.

        The key goes to the endpoint's own origin only, and not along with a redirect; at most 512 MiB.
        Raises FetchRefused (FetchPrivate, if only the configuration is in the way) or FetchFailed, also
        while the chunks are read.
        """
        fetcher = Fetcher(
            transport=self._transport,
            base_url=self._endpoint.base_url,
            headers=self._headers,
            seconds=self._endpoint.timeout_seconds,
            allow_private=self._endpoint.allow_private_urls,
        )
        return fetcher.fetch(url)

    def _hidden(self, head: Head) -> Head:
        hidden = self.secrets.hidden
        headers = {hidden(name): hidden(value) for name, value in head.headers.items()}
        return Head(status=head.status, headers=headers)

    @property
    def _transport(self) -> Transport:
        if self._opened is None:
            raise RuntimeError("the client is used outside its `async with`")
        return self._opened


async def _transport_to(endpoint: Endpoint) -> Transport:
    context = await asyncio.to_thread(tls_context, endpoint.ca_file)
    return Transport(
        base_url=endpoint.base_url,
        context=context,
        connect_seconds=endpoint.connect_timeout_seconds,
    )


async def _readable(answer: Answer, redactor: Redactor, limit: int) -> AsyncGenerator[bytes, None]:
    """
    Yield a body as it may be kept and read: masked last, as a compressed key looks like nothing.

    Raises NoAnswer when all that came was yielded.
    """
    failure = None
    unpacker = Unpacker(answer.head.headers.get("content-encoding", ""))
    received = unpacked = 0
    try:
        async for chunk in answer.chunks():
            received += len(chunk)
            most = min(limit, _UNPACKED + _GROWTH * received)
            for piece in unpacker.take(chunk):
                unpacked += len(piece)
                if unpacked > most:
                    raise TooLarge(f"the answer unpacks to more than {most >> 20} MiB")
                yield redactor.over(piece)
                # A few bytes may hold very many.
                await asyncio.sleep(0)
    except NoAnswer as error:
        failure = error
    for piece in unpacker.end():
        yield redactor.over(piece)
    yield redactor.rest
    if failure is not None:
        raise failure
