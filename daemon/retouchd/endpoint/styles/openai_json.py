"""
OpenAI's JSON document, for relays that take nothing else: pictures and mask as `data:` URLs.

Source: `EditImageBodyJsonParam` of github.com/openai/openai-openapi (f85dbe2): `images` with 1 to 16 of
`{image_url}`, `mask` alike, an `image_url` of at most 20,971,520 characters.
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

URL_CHARACTERS = 20_971_520
_PREFIX = len(data_url("image/jpeg", ""))


def _write(asked: Asked, mark: str) -> Envelope:
    images = [{"image_url": data_url(content_type, mark)} for content_type, _ in asked.images]
    document: dict[str, object] = {**parameters_of(asked.request), "images": images}
    if asked.mask is not None:
        document["mask"] = {"image_url": data_url(asked.mask[0], mark)}
    return encode_json(document, asked.files, mark)


OPENAI_JSON = Style(
    name=StyleName.OPENAI_JSON,
    title="OpenAI's JSON document",
    write=_write,
    edits=edits_below,
    models=models_below,
    righted=righted_below({"api.openai.com": "/v1"}),
    paid_hosts=(".api.openai.com",),
    interface=Interface(
        name=StyleName.OPENAI_JSON, max_file_bytes=(URL_CHARACTERS - _PREFIX) // 4 * 3
    ),
)
