"""
What a result is to be made: the table `output` of the configuration, of `_edit` files and of sidecars.

Like the fields of an edit it is inherited key by key; what a job's own come to is frozen in it when it is
claimed, and never part of what makes two requests the same.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from retouchd.request.result_name import DEFAULT_NAME

PREFIX = "output."
"""What stands before its keys where they lie among those of an edit."""

FormatName: TypeAlias = Literal["received", "source", "png", "jpeg", "webp", "avif", "tiff"]

FORMATS = frozenset(get_args(FormatName)) - {"received", "source"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """
    What a result of one job is to be made, nothing left open. `size` is `received`, `source`, a longest edge,
    or a width and a height to fit within; `feather` in pixels of the original, None for what suits it.

    `keeps_shape` says that a result goes back to the pixels of its original, which is why it is asked for in
    its shape.
    """

    size: str = "received"
    format: str = "received"
    quality: int | None = None
    metadata: str = "received"
    gps: bool = False
    profile: str = "srgb"
    protect: bool = False
    feather: int | None = None
    detail: str = "result"
    provenance: bool = True
    provenance_prompt: bool = False
    review: bool = False
    name: str = DEFAULT_NAME

    @property
    def is_anything(self) -> bool:
        """
        Return whether a result may have to be written anew.
        """
        plain = ("received", "received", "received")
        is_plain = (self.size, self.format, self.metadata) == plain and self.profile == "srgb"
        return not is_plain or self.protect or self.detail == "source"

    @property
    def keeps_shape(self) -> bool:
        """
        Return whether the result lies over its original at some time: then it must have its shape.
        """
        return self.size == "source" or self.protect or self.detail == "source"

    def to_json(self) -> dict[str, Any]:
        """
        Return what differs from the defaults, as a job keeps it.
        """
        usual = asdict(Output())
        return {key: value for key, value in asdict(self).items() if value != usual[key]}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Output":
        """
        Return what a job kept; keys of a newer version are left out.
        """
        return cls(**{key: value for key, value in kept.items() if key in cls.__slots__})


def own_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the keys of `output` among those of an edit, without what stands before them there.
    """
    return {
        key.removeprefix(PREFIX): each for key, each in values.items() if key.startswith(PREFIX)
    }


def resolved(values: Mapping[str, Any], *, has_mask: bool, has_references: bool) -> Output:
    """
    Return what the keys that hold for one job come to.

    `protect` means "where there is a mask", `detail` "where there is neither a mask nor a reference": what a
    sidecar of its own must not ask for tells `output_faults`.
    """
    protects = bool(values.get("protect")) and has_mask
    keeps_detail = values.get("detail") == "source" and not has_mask and not has_references
    is_like_source = values.get("like") == "source"
    implied = "source" if is_like_source or protects or keeps_detail else None
    also = "source" if is_like_source else None
    return Output(
        size=values.get("size") or implied or "received",
        format=values.get("format") or also or "received",
        quality=values.get("quality"),
        metadata=values.get("metadata") or also or "received",
        gps=bool(values.get("gps")),
        profile=values.get("profile") or implied or "srgb",
        protect=protects,
        feather=values.get("protect_feather"),
        detail="source" if keeps_detail else "result",
        provenance=values.get("provenance", True),
        provenance_prompt=bool(values.get("provenance_prompt")),
        review=bool(values.get("review")),
        name=values.get("name") or DEFAULT_NAME,
    )


def output_faults(own: Mapping[str, Any], *, has_mask: bool, has_references: bool) -> list[str]:
    """
    Return what a picture's own sidecar asks for and cannot have: a sentence each.
    """
    found = []
    if own.get("protect") and not has_mask:
        found.append(
            "output.protect keeps what a mask does not open, and there is no mask. Put one beside the picture, "
            "or leave it out."
        )
    if own.get("detail") == "source" and (has_mask or has_references):
        what = "a mask" if has_mask else "a reference"
        found.append(
            f'output.detail = "source" is for edits of colour and light alone, and there is {what}. '
            + ("Leave it out, or use output.protect." if has_mask else "Leave it out.")
        )
    return found
