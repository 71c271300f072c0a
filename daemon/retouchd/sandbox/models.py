"""
The models the endpoint knows, and what each of them accepts.

From the relay's page of the endpoint (dall-e-2, gpt-image-1) and the official contract of the GPT
image models. Models that were shut down elsewhere live on here: the relay's page must work.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retouchd.request.models import published_of
from retouchd.sandbox.refusal import Refusal

DEFAULT_MODEL = "gpt-image-1.5"

MIB = 1024 * 1024

_FILES = frozenset({"image", "image[]", "mask"})
_COMMON = frozenset({"prompt", "model", "n", "size", "quality", "user"})
_GPT = _COMMON | {
    "background",
    "input_fidelity",
    "moderation",
    "output_compression",
    "output_format",
    "partial_images",
    "safety_identifier",
    "stream",
}
_MORE_FIELDS = _GPT | {"complexity", "frame_count", "frame_duration_ms", "svg"}
"""The newest models' own parameters are taken and change nothing here."""

_JPEG_PNG_WEBP = ("image/jpeg", "image/png", "image/webp")


class Manner(StrEnum):
    """
    Whose ways the endpoint has where the provider and its relays differ.
    """

    PROVIDER = "provider"
    """Unknown models and parameters are refused."""
    RELAY = "relay"
    """Any model is taken, unknown parameters are ignored, `response_format` works everywhere."""


class Sizes(StrEnum):
    """
    Which sizes a model can return.
    """

    SQUARE = "square"
    """256, 512 or 1024 pixels square."""
    THREE = "three"
    """1024x1024, 1536x1024, 1024x1536, or what fits the picture best."""
    FREE = "free"
    """Any width and height within the pixel budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """
    What one model accepts: limits in bytes and characters, and the values of its parameters.
    """

    id: str
    sizes: Sizes
    fields: frozenset[str] = _GPT
    qualities: tuple[str, ...] = ("low", "medium", "high", "auto")
    fidelities: tuple[str, ...] = ()
    mimetypes: tuple[str, ...] = _JPEG_PNG_WEBP
    image_bytes: int = 50 * MIB
    mask_bytes: int = 4 * MIB
    images: int = 16
    files: frozenset[str] = _FILES
    prompt_characters: int = 32_000

    @property
    def is_gpt(self) -> bool:
        """
        Whether it answers as the GPT image models do: base64 and usage, never a link.
        """
        return self.sizes is not Sizes.SQUARE

    def knows(self, name: str) -> bool:
        """
        Say whether it has a parameter of that name; objects are written as `svg[model]` in a form.
        """
        return name in self.fields or name.partition("[")[0] in self.fields & {"svg"}


_DALL_E_2 = Model(
    id="dall-e-2",
    sizes=Sizes.SQUARE,
    fields=_COMMON | {"response_format"},
    qualities=("standard", "auto"),
    mimetypes=("image/png",),
    image_bytes=4 * MIB,
    images=1,
    prompt_characters=1_000,
)
_BOTH, _LOW = ("high", "low"), ("low",)
_MORE = ("low", "medium", "high", "xhigh", "max", "auto")


def _newest(name: str, files: frozenset[str] = _FILES) -> Model:
    return Model(id=name, sizes=Sizes.FREE, fields=_MORE_FIELDS, qualities=_MORE, files=files)


MODELS = (
    _DALL_E_2,
    # 25 MB is the relay's page; the provider had raised it before this model was shut down.
    Model(
        id="gpt-image-1",
        sizes=Sizes.THREE,
        fidelities=_BOTH,
        image_bytes=25 * MIB,
    ),
    Model(id="gpt-image-1-mini", sizes=Sizes.THREE, fidelities=_LOW),
    Model(id="gpt-image-1.5", sizes=Sizes.THREE, fidelities=_BOTH),
    Model(id="chatgpt-image-latest", sizes=Sizes.THREE, fidelities=_BOTH),
    Model(id="gpt-image-2", sizes=Sizes.FREE),
    _newest("gpt-image-2.5-sunburst", _FILES | {"markup"}),
    _newest("gpt-image-2.5-flare", _FILES | {"markup"}),
    _newest("gpt-image-2.6-sunburst"),
    _newest("gpt-image-2.6-flare"),
)
_BY_ID = {model.id: model for model in MODELS}
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")


def model_named(name: str, manner: Manner = Manner.PROVIDER) -> Model:
    """
    Return the model of that name; a dated snapshot (`gpt-image-2-2026-04-21`) is its model.

    A relay has every model: an unknown one is like the newest. Raises Refusal (404,
    `model_not_found`) for any other name.
    """
    model = _BY_ID.get(_SNAPSHOT.sub("", name))
    if model is None and manner is Manner.RELAY:
        model = _newest(name)
    if model is None:
        raise Refusal(
            f"The model '{name}' does not exist or you do not have access to it.",
            status=404,
            param="model",
            code="model_not_found",
        )
    return model


def listed(model: Model) -> dict[str, Any]:
    """
    Return the entry of the model in `GET /v1/models`.
    """
    shutdown = published_of(model.id).shutdown
    ending = {} if shutdown is None else {"shutdown_date": shutdown.isoformat()}
    return {
        "id": model.id,
        "object": "model",
        "created": 1_745_000_000,
        "owned_by": "retouchd-sandbox: no AI, pictures are changed by Pillow",
        **ending,
    }
