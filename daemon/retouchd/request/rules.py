"""
The kinds of rules for a request: what a picture is, what a model takes, what an endpoint can be asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from retouchd.job.stripped import Removed
from retouchd.request.sizes import SizeRule

MB = 2**20

SENT = ("png", "jpeg", "webp")
"""The formats of pictures that endpoints are known to take."""


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
    into it must be smaller than `max_file_bytes`. `answers` is the format of results where none is asked for.
    """

    name: str = ""
    takes_mask: bool = True
    max_images: int | None = None
    max_n: int | None = None
    max_file_bytes: int | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)
    answers: str = "png"


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
