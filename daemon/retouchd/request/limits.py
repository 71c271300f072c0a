"""
What each model takes: bytes, formats, counts, lengths, sizes and the values of its parameters.

The built-in table holds the models whose rules are published; every other model gets permissive
rules, because a wrong refusal cannot be argued with while a refused request costs nothing. The
configuration (`limits.<model pattern>.<key>`) is laid on top.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from retouchd.job.model import Removed
from retouchd.request.overrides import READERS, fitting, row_fault, row_problems
from retouchd.request.sizes import SizeRule

MB = 2**20

SENT = ("png", "jpeg", "webp")
"""The formats of pictures that endpoints are known to take."""

Overrides: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The configuration's `limits`: a pattern for models, then keys of `Limits`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """
    A picture as its bytes show it: stored width and height in pixels, before any EXIF orientation.

    `format` is the lower-case name of what the bytes are, whatever the file is called (`mpo`: a JPEG
    with further pictures behind it); `mode` is Pillow's name for the pixels and `depth` the bits of a
    channel as stored, which Pillow may have narrowed. `has_transparency` says that some pixel has alpha
    0, `has_foreign_colours` that an ICC profile other than sRGB holds, or without one EXIF says Adobe RGB,
    which is `has_exif_colours`. `orientation` is EXIF's, 1 to 8.

    `metadata` names what a decoder told of besides; `has_fixed_metadata` says that it has to stay here and
    cannot be cut out. `size_bytes` are those that would be sent.
    """

    format: str
    width: int
    height: int
    mode: str
    has_alpha: bool
    has_transparency: bool
    size_bytes: int
    depth: int = 8
    orientation: int = 1
    has_foreign_colours: bool = False
    has_exif_colours: bool = False
    metadata: tuple[Removed, ...] = ()
    has_fixed_metadata: bool = False

    @property
    def upright(self) -> tuple[int, int]:
        """
        Return width and height as the picture is shown.
        """
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)

    @property
    def is_plain(self) -> bool:
        """
        Return whether its pixels are 8-bit RGB or RGBA, with no transparency but that of a channel.
        """
        is_keyed = self.mode == "RGB" and self.has_alpha
        return self.mode in ("RGB", "RGBA") and self.depth <= 8 and not is_keyed


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """
    What an endpoint's interface has a place for, whatever the model takes; None is no rule.

    `name` is its style, empty for one that carries everything. `max_images` counts the picture and its
    references; `lacks` says for each parameter that it has no place for what to do instead. A file that goes
    into it must be smaller than `max_file_bytes`.
    """

    name: str = ""
    takes_mask: bool = True
    max_images: int | None = None
    max_n: int | None = None
    max_file_bytes: int | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)


EVERYTHING = Interface()
"""Carries whatever is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What one model takes. None, or nothing listed, means that there is no rule.

    A file must be *smaller* than its number of bytes; the other numbers are the largest allowed.
    Prompts are counted in characters. `values` and `ranges` (both ends included) hold by parameter;
    `forbidden` says for each parameter that must not be sent why. `compressed_formats` and
    `transparent_formats` are the output formats that know compression and transparency; `interface` is what
    the endpoint can be asked at all.
    """

    formats: tuple[str, ...] = ()
    max_image_bytes: int | None = None
    max_image_pixels: int | None = None
    max_images: int | None = None
    square: bool = False
    max_prompt_chars: int | None = None
    max_mask_bytes: int | None = None
    max_n: int | None = None
    sizes: SizeRule | tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    forbidden: Mapping[str, str] = field(default_factory=dict)
    compressed_formats: tuple[str, ...] = ()
    transparent_formats: tuple[str, ...] = ()
    interface: Interface = EVERYTHING

    @property
    def sent_formats(self) -> tuple[str, ...]:
        """
        Return the formats in which a picture may be sent.
        """
        return self.formats or SENT


_ALWAYS_BASE64 = "its pictures always come within the answer"
_ONLY_GPT_IMAGE = "only GPT image models know it"
_VALUES = {
    "quality": ("auto", "low", "medium", "high"),
    "background": ("auto", "opaque", "transparent"),
    "output_format": ("png", "jpeg", "webp"),
    "input_fidelity": ("low", "high"),
    "moderation": ("auto", "low"),
}

DALL_E_2 = Limits(
    formats=("png",),
    max_image_bytes=4 * MB,
    max_images=1,
    square=True,
    max_prompt_chars=1_000,
    max_mask_bytes=4 * MB,
    max_n=10,
    sizes=("256x256", "512x512", "1024x1024"),
    values={"quality": ("standard",), "response_format": ("url", "b64_json")},
    forbidden=dict.fromkeys(
        ("background", "input_fidelity", "moderation", "output_compression", "output_format"),
        _ONLY_GPT_IMAGE,
    ),
)
GPT_IMAGE_1_5 = Limits(
    formats=("png", "jpeg", "webp"),
    max_image_bytes=50 * MB,
    max_images=16,
    max_prompt_chars=32_000,
    max_mask_bytes=4 * MB,
    max_n=10,
    sizes=("auto", "1024x1024", "1536x1024", "1024x1536"),
    values=_VALUES,
    ranges={"output_compression": (0, 100)},
    forbidden={"response_format": _ALWAYS_BASE64},
    compressed_formats=("jpeg", "webp"),
    transparent_formats=("png", "webp"),
)
GPT_IMAGE_1 = replace(GPT_IMAGE_1_5, max_image_bytes=25 * MB)
GPT_IMAGE_1_MINI = replace(GPT_IMAGE_1_5, values={**_VALUES, "input_fidelity": ("low",)})
GPT_IMAGE_2_5 = replace(
    GPT_IMAGE_1_5,
    sizes=SizeRule(),
    values={**_VALUES, "quality": (*_VALUES["quality"], "xhigh", "max")},
)
GPT_IMAGE_2 = replace(
    GPT_IMAGE_2_5,
    values=_VALUES,
    forbidden={
        "response_format": _ALWAYS_BASE64,
        "input_fidelity": "it always works with high fidelity",
    },
)

TABLE: Mapping[str, Limits] = {
    "dall-e-2": DALL_E_2,
    "gpt-image-1": GPT_IMAGE_1,
    "gpt-image-1-mini": GPT_IMAGE_1_MINI,
    "gpt-image-1.5": GPT_IMAGE_1_5,
    "chatgpt-image-latest": GPT_IMAGE_1_5,
    "gpt-image-2": GPT_IMAGE_2,
    "gpt-image-2.5*": GPT_IMAGE_2_5,
    "gpt-image-2.6*": GPT_IMAGE_2_5,
}
"""
The published rules, by pattern; of several that fit, the most specific holds.

Sources: the relay's page of the endpoint (dall-e-2, the 25 MB of gpt-image-1) and the provider's
specification and guides (the rest).
"""


def limits_for(
    model: str, overrides: Overrides | None = None, interface: Interface = EVERYTHING
) -> Limits:
    """
    Return the limits of a model at an endpoint: its row of the table, what the interface can carry, and on
    top what the configuration says.

    A provider's prefix (`openai/`) and a version's date (`-2026-04-21`) do not hide a row. Overrides
    are laid on key by key, the most specific pattern last; `values` and `ranges` parameter by
    parameter. Faulty ones have no effect here: `override_problems` reports them.
    """
    overrides = overrides or {}
    limits = next((TABLE[pattern] for pattern in reversed(fitting(model, TABLE))), Limits())
    if interface is not EVERYTHING:
        limits = _carried(limits, interface)
    for pattern in fitting(model, overrides):
        for key, value in overrides[pattern].items():
            if not row_fault(key, value, READERS):
                limits = replace(limits, **_read(limits, key, value))
    return limits


def _carried(limits: Limits, interface: Interface) -> Limits:
    most = interface.max_file_bytes
    return replace(
        limits,
        interface=interface,
        max_image_bytes=_least(limits.max_image_bytes, most),
        max_mask_bytes=_least(limits.max_mask_bytes, most),
    )


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def override_problems(overrides: Overrides) -> list[str]:
    """
    Return every fault of the configuration's `limits`: a sentence each, naming the key.
    """
    return row_problems("limits", overrides, READERS)


def _read(limits: Limits, key: str, value: object) -> dict[str, Any]:
    """
    Return the field that an override sets.
    """
    read = READERS[key](value)
    return {key: {**getattr(limits, key), **read} if key in {"values", "ranges"} else read}


def told_size(count: int) -> str:
    """
    Return a number of bytes as people are told it.
    """
    # Rounded up, so that a file just over its limit does not read as if it kept it.
    return f"{-(-count * 10 // MB) / 10:g} MB" if count >= MB else f"{count} bytes"
