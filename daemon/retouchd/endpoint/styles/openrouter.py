"""
OpenRouter's own route for pictures: `POST /images` with `input_references`, and no mask.

Sources: openrouter.ai/blog/tutorials/image-generation (route, `data[].b64_json`) and the Rust client
agentai-image 0.5.0 (`input_references` of `{type, image_url: {url}}`). Which parameters a model takes is its
own; what it does not know is refused for nothing, not passed over.
"""

from retouchd.endpoint.styles.style import (
    Asked,
    Style,
    StyleName,
    below,
    models_below,
    parameters_of,
    righted_below,
)
from retouchd.request.envelope import Envelope
from retouchd.request.json_body import data_url, encode_json
from retouchd.request.limits import Interface

ROUTE = "/images"


def _write(asked: Asked, mark: str) -> Envelope:
    references = [
        {"type": "image_url", "image_url": {"url": data_url(content_type, mark)}}
        for content_type, _ in asked.images
    ]
    document = {**parameters_of(asked.request), "input_references": references}
    return encode_json(document, asked.files, mark)


OPENROUTER = Style(
    name=StyleName.OPENROUTER,
    title="OpenRouter's JSON document",
    write=_write,
    edits=lambda base_url, _model: below(base_url, ROUTE),
    models=models_below,
    righted=righted_below({"openrouter.ai": "/api/v1"}, (ROUTE, "/chat/completions")),
    paid_hosts=("openrouter.ai",),
    interface=Interface(
        name=StyleName.OPENROUTER,
        takes_mask=False,
        lacks={
            "response_format": "Leave response_format out: its pictures always come within the answer.",
            "input_fidelity": "Leave input_fidelity out.",
        },
    ),
)
