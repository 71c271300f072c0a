"""
The webhook: a POST of the record, signed as Standard Webhooks say: libraries of many languages check that.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: the signature is
the HMAC-SHA256 of id, time and body, in base64 behind `v1,`.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from retouchd import __version__
from retouchd.endpoint.transport import NoAnswer, NotSent, Outgoing, Transport, tls_context
from retouchd.errors import ConfigurationError
from retouchd.hooks.queue import QueuedEvent
from retouchd.hooks.rules import NotTold

_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_MOST_BYTES = 1 << 16
_BASE64 = "whsec_"


def signing_key(secret: str) -> bytes:
    """
    Return the key that a secret means: base64 behind `whsec_`, else the text itself. Raises ValueError.
    """
    if not secret.startswith(_BASE64):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_BASE64), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {_BASE64} must be base64") from error


def signature(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """
    Return the value of `webhook-signature`; `timestamp` is in seconds since 1970.
    """
    text = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()}"


def body_of(event: QueuedEvent) -> bytes:
    """
    Return what is posted: the record of a job as it lies beside the original; of a pause its cause and reason.
    """
    record = event.body.get("record")
    body: Mapping[str, Any] = (
        record
        if record is not None
        else {"event": event.about.value, "at": event.at.isoformat(), **event.body}
    )
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")


def headers_of(event: QueuedEvent, body: bytes, secret: str) -> dict[str, str]:
    """
    Return the headers of a post; without a secret nothing is signed.
    """
    moment = int(time.time())
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": f"retouchd/{__version__}",
        "retouchd-event": event.about.value,
        "webhook-id": event.id,
        "webhook-timestamp": str(moment),
    }
    if secret:
        key = signing_key(secret)
        headers["webhook-signature"] = signature(
            key, message_id=event.id, timestamp=moment, body=body
        )
    return headers


class Webhook:
    """
    Posts events to one url, each over a connection of its own.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._transport: Transport | None = None

    async def post(self, event: QueuedEvent) -> None:
        """
        Post an event. Raises NotTold unless the answer is 2xx; redirects are not followed.
        """
        body = body_of(event)
        try:
            if (transport := self._transport) is None:
                transport = self._transport = await asyncio.to_thread(self._opened)
            outgoing = Outgoing(
                method="POST",
                url=self._url,
                headers=headers_of(event, body, self._secret),
                seconds=_SECONDS,
                limit=_MOST_BYTES,
                body=_once(body),
            )
            async with transport.exchange(outgoing) as answer:
                status = answer.head.status
        except (NotSent, NoAnswer, ConfigurationError) as error:
            raise NotTold(str(error)) from error
        if not 200 <= status < 300:
            raise NotTold(f"it answered HTTP {status}")

    def _opened(self) -> Transport:
        # Certificates are slow to load.
        return Transport(
            base_url=self._url, context=tls_context(None), connect_seconds=_CONNECT_SECONDS
        )


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
