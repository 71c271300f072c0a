"""
A result that came as a URL: fetched once, with no more trust than the answer deserves.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from retouchd.adapters.addresses import (
    FetchFailed,
    FetchRefused,
    Target,
    public_addresses,
    target_of,
)
from retouchd.adapters.transport import (
    Answer,
    Head,
    NoAnswer,
    NotSent,
    Outgoing,
    TooLarge,
    Transport,
)

PICTURE_LIMIT = 64 << 20

# Object stores send pictures as unnamed bytes; a web page never comes so, and only pixels count later.
_UNNAMED = {"", "application/octet-stream", "binary/octet-stream"}


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
        Yield the answer to a picture's URL, absolute or relative to the endpoint's.

        Raises FetchRefused or FetchFailed, also while the chunks are read.
        """
        target = target_of(url, self._base_url)
        async with contextlib.AsyncExitStack() as stack:
            answer = await self._reach(stack, await self._routes(target))
            _check(answer.head)
            body = await stack.enter_async_context(contextlib.aclosing(_translated(answer)))
            yield Answer(head=answer.head, body=body)

    async def _routes(self, target: Target) -> list[Outgoing]:
        """
        Return the requests that would get the picture, to be tried in order.
        """
        if target.origin == target_of(self._base_url, self._base_url).origin:
            return [self._request(target, headers=self._headers)]
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
    Raise unless the head promises a picture.
    """
    status = head.status
    if status in {408, 425, 429} or status >= 500:
        raise FetchFailed(f"the picture's URL answered HTTP {status}")
    if status != 200:
        raise FetchRefused(f"the picture's URL answered HTTP {status}")
    content_type = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content_type.startswith("image/") and content_type not in _UNNAMED:
        raise FetchRefused(f"the picture's URL holds no picture but {content_type}")
    if head.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise FetchRefused("the picture came compressed, though that was not asked for")
