"""
The network: one request over one connection, told apart by whether it can have cost anything.

Each request gets a connection of its own. A kept one that the server closes at the moment we write looks
exactly like a request that was lost after it was sent, and edits take seconds to minutes anyway; it also
spares us the client library's pool, whose work grows with the square of its connections.
"""

import contextlib
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from retouchd.endpoint.addresses import environment_proxies
from retouchd.endpoint.deadline import Deadline
from retouchd.endpoint.http11 import Http11Transport, Route
from retouchd.errors import ConfigurationError

_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.UnsupportedProtocol,
)
# A body without its end is none to any server.
_CUT = (httpx.WriteError, httpx.WriteTimeout)


class NotSent(Exception):
    """
    Provably nothing was sent that could be charged; a plain sentence says why.
    """


class NoAnswer(Exception):
    """
    The request was sent, and no whole answer came; a plain sentence says why.
    """


class TooLarge(NoAnswer):
    """
    The answer grew beyond what we take.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """
    The beginning of an answer: its status, and its headers under lower-case names.
    """

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    An answer whose body is still on its way.

    `is_cut` where it came before the request's end, which then was never sent: nobody has all of it.
    """

    head: Head
    body: AsyncIterator[bytes] = field(repr=False)
    is_cut: bool = False

    def chunks(self) -> AsyncIterator[bytes]:
        """
        Return the body as received, once, in pieces of at most some 256 KiB.

        Iterating raises NoAnswer when the body breaks off, takes too long or grows too large.
        """
        return self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """
    A request: where to, what, and how long and how much we wait for.

    `seconds` is the deadline of the whole exchange from the first packet to the last byte read;
    `limit` the bytes accepted. `server_name` is the name the certificate must be for where `url` holds
    an address. A body comes with its `content-length` among the headers; each piece lasts until the next.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    seconds: float
    limit: int
    body: AsyncIterable[bytes | memoryview] | None = None
    server_name: str | None = None


class Transport:
    """
    Sends requests, each over its own connection, through the proxy that the environment names.

    Loopback is never reached through a proxy. Raises ConfigurationError for a proxy we cannot speak to, if
    requests for `base_url` would go through it.
    """

    def __init__(self, *, base_url: str, context: ssl.SSLContext, connect_seconds: float) -> None:
        self._context = context
        self._connect_seconds = connect_seconds
        self._proxies = environment_proxies()
        if fault := self._proxies.fault_of(base_url):
            raise ConfigurationError([fault])

    def proxy_for(self, url: str) -> str | None:
        """
        Return the URL of the proxy a request goes through, if any.
        """
        return self._proxies.proxy_of(url)

    @contextlib.asynccontextmanager
    async def exchange(self, outgoing: Outgoing) -> AsyncIterator[Answer]:
        """
        Send a request and yield its answer once the head is there; leaving closes the connection.

        Raises NotSent or NoAnswer, also while the body is read. Redirects are answers like any other.
        The deadline binds only our waiting for the network: what the caller does is never cut off.
        """
        deadline = Deadline(outgoing.seconds)
        if fault := self._proxies.fault_of(outgoing.url):
            raise NotSent(fault)
        route = Route(
            context=self._context,
            proxy=self.proxy_for(outgoing.url),
            connect_seconds=self._connect_seconds,
        )
        proxy = self._proxies.named_for(outgoing.url)
        response = await _send(Http11Transport(route, deadline), outgoing, deadline, proxy)
        # Without `items` each of thousands of names would be looked up in a list, and all else would wait.
        head = Head(status=response.status_code, headers=dict(response.headers.items()))
        async with (
            contextlib.aclosing(response),
            contextlib.aclosing(_body(response, outgoing)) as body,
        ):
            yield Answer(head=head, body=body, is_cut=response.extensions["is_cut"])


async def _send(
    transport: Http11Transport, outgoing: Outgoing, deadline: Deadline, proxy: str | None
) -> httpx.Response:
    try:
        request = httpx.Request(
            outgoing.method,
            outgoing.url,
            headers={**outgoing.headers, "connection": "close"},
            content=outgoing.body,  # type: ignore[arg-type]  # Any buffer will do: it is for our transport.
            extensions={"sni_hostname": outgoing.server_name},
        )
    except (httpx.InvalidURL, ValueError) as error:
        raise NotSent(f"the address cannot be used: {error}") from error
    peer = request.url.netloc.decode() + (f" through {proxy}" if proxy else "")
    try:
        return await transport.handle_async_request(request)
    except httpx.ProxyError as error:
        words, cause = str(error), _reason(error)
        raise NotSent(f"{proxy} {words}" + (f": {cause}" if cause != words else "")) from error
    except _UNSENT as error:
        if deadline.is_over:
            raise NotSent(f"no connection to {peer} within {outgoing.seconds:g} s") from error
        raise NotSent(f"cannot connect to {peer}: {_reason(error)}") from error
    except _CUT as error:
        raise NotSent(f"{peer} did not take the whole request: {_reason(error)}") from error
    except httpx.TimeoutException as error:
        raise NoAnswer(f"{peer} gave no answer within {outgoing.seconds:g} s") from error
    except (httpx.HTTPError, OSError) as error:
        raise NoAnswer(f"{peer} gave no answer: {_reason(error)}") from error


async def _body(response: httpx.Response, outgoing: Outgoing) -> AsyncGenerator[bytes, None]:
    pieces = response.aiter_raw()
    received = 0
    while True:
        try:
            piece = await anext(pieces, None)
        except httpx.TimeoutException as error:
            raise NoAnswer(f"the answer was not complete within {outgoing.seconds:g} s") from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise NoAnswer(f"the answer broke off: {_reason(error)}") from error
        if piece is None:
            return
        received += len(piece)
        if received > outgoing.limit:
            raise TooLarge(f"the answer is larger than {outgoing.limit >> 20} MiB")
        yield piece


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """
    Return what TLS needs, with one more authority trusted if given; slow, made once and shared.

    Raises ConfigurationError if the file is no certificate.
    """
    try:
        context = httpx.create_ssl_context()
    except OSError as error:
        raise ConfigurationError(
            [f"SSL_CERT_FILE or SSL_CERT_DIR in the environment cannot be used: {error}"]
        ) from error
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            raise ConfigurationError(
                [f"endpoint.ca_file {ca_file} is not a PEM certificate we can read: {error}"]
            ) from error
    return context


def _reason(error: BaseException) -> str:
    """
    Return the innermost cause in words: libraries wrap "Connection refused" several times over.
    """
    reason = "the connection broke" if isinstance(error, httpx.RemoteProtocolError) else str(error)
    reason = reason or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError(verify_message=str(words)):
                reason = f"its certificate is not trusted ({words})"
            case ssl.SSLError(reason=str(words)):
                reason = f"TLS failed ({words})"
            case OSError(errno=int(number)) if number > 0 and not isinstance(cause, ssl.SSLError):
                reason = os.strerror(number)
            case OSError(strerror=str(words)) if words:
                reason = words
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__
    return reason
