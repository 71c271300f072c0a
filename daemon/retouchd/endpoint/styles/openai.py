"""
OpenAI's own: `POST /images/edits` as a multipart form, as relays and local servers take it too.

Source: the official Python client on the wire (openai 3.54).
"""

from retouchd.endpoint.styles.style import (
    Asked,
    Style,
    StyleName,
    edits_below,
    models_below,
    righted_below,
)
from retouchd.request.envelope import Envelope
from retouchd.request.multipart import encode, fields_of, parts_of


def _write(asked: Asked, boundary: str) -> Envelope:
    parts = parts_of(asked.images, asked.mask)
    return encode(fields_of(asked.request), parts, boundary)


OPENAI = Style(
    name=StyleName.OPENAI,
    title="OpenAI's form (multipart)",
    write=_write,
    edits=edits_below,
    models=models_below,
    righted=righted_below({"api.openai.com": "/v1"}),
    paid_hosts=(".api.openai.com",),
)
