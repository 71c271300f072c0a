"""
xAI's: JSON alone, `image` for one picture and `images` for several, and no mask.

Sources: docs.x.ai, pages "Image Generation" (JSON instead of a form, url or base64), "Image Editing" and
"Multi-Image Editing" (at most three pictures; their shape follows the first unless `aspect_ratio` says
otherwise); `n` up to ten. Its reference names a mask whose effect nothing tells of: a request with one is not
sent, as a mask that is passed over is a whole picture paid for in vain.
"""

from retouchd.endpoint.styles.style import (
    Asked,
    Style,
    StyleName,
    edits_below,
    models_below,
    parameters_of,
    righted_below,
)
from retouchd.request.envelope import Envelope
from retouchd.request.json_body import data_url, encode_json
from retouchd.request.limits import Interface

_LEAVE_OUT = "Leave {key} out."
_SHAPE = 'Leave size out; an extra table such as { aspect_ratio = "3:2", resolution = "2k" } says it there.'


def _write(asked: Asked, mark: str) -> Envelope:
    pictures = [
        {"type": "image_url", "url": data_url(content_type, mark)}
        for content_type, _ in asked.images
    ]
    several = {"image": pictures[0]} if len(pictures) == 1 else {"images": pictures}
    # Its urls are gone before long; what came within the answer is kept with it.
    document = {"response_format": "b64_json", **parameters_of(asked.request), **several}
    return encode_json(document, asked.files, mark)


XAI = Style(
    name=StyleName.XAI,
    title="xAI's JSON document",
    write=_write,
    edits=edits_below,
    models=models_below,
    righted=righted_below({"api.x.ai": "/v1"}),
    paid_hosts=(".api.x.ai",),
    interface=Interface(
        name=StyleName.XAI,
        takes_mask=False,
        max_images=3,
        max_n=10,
        answers="jpeg",
        lacks={
            "size": _SHAPE,
            **{
                key: _LEAVE_OUT.format(key=key)
                for key in (
                    "background",
                    "complexity",
                    "input_fidelity",
                    "moderation",
                    "output_compression",
                    "output_format",
                    "safety_identifier",
                )
            },
        },
    ),
)
