"""
What a result is to be made: the table `output` of the configuration, of `_edit` files and of sidecars.

Like the fields of an edit it is inherited key by key; what a job's own come to is frozen in it when it is
claimed, and never part of what makes two requests the same.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from retouchd.job.model import Scalar

PREFIX = "output."
"""What stands before its keys where they lie among those of an edit."""

SizeName: TypeAlias = Literal["received", "source"]
FormatName: TypeAlias = Literal["received", "source", "png", "jpeg", "webp", "avif", "tiff"]
MetadataName: TypeAlias = Literal["received", "source", "none"]
ProfileName: TypeAlias = Literal["srgb", "source"]
DetailName: TypeAlias = Literal["result", "source"]

FORMATS = frozenset(get_args(FormatName)) - {"received", "source"}
MOST_FEATHER = 1_000
DEFAULT_NAME = "{stem}"

_SIZE = re.compile(r"([1-9][0-9]{0,5})(?:\s*[x×*X]\s*([1-9][0-9]{0,5}))?")
_NAME = (
    r"^(?![._\s])(?!.*\s$)"
    r'(?:[^{}/\\:*?"<>|\x00-\x1f]|\{(?:stem|model|date|id|upload|name|n)\})+$'
)
"""The rule of a template's name, as schemas have it."""
_FIELD = re.compile(r"\{([^{}]*)\}")
_JOB_FIELDS = frozenset({"stem", "model", "date", "id", "upload"})
_EDIT_FIELDS = frozenset({"name", "n"})


def _size(value: object) -> object:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or text in get_args(SizeName):
        return text
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            'must be "source", "received", a longest edge such as "2048", or "2048x1365"'
        )
    return found[1] if found[2] is None else f"{found[1]}x{found[2]}"


def _name(value: str) -> str:
    unknown = sorted(set(_FIELD.findall(value)) - _JOB_FIELDS - _EDIT_FIELDS)
    if unknown:
        known = ", ".join(f"{{{each}}}" for each in sorted(_JOB_FIELDS | _EDIT_FIELDS))
        raise ValueError(f"holds {{{unknown[0]}}}, which is not known; known are {known}")
    rest = _FIELD.sub("", value)
    if "{" in rest or "}" in rest:
        raise ValueError("has a brace without its other one")
    if not value.strip() or value != value.strip():
        raise ValueError("is empty, or begins or ends with a space")
    if any(each in rest for each in '/\\:*?"<>|') or any(ord(each) < 32 for each in rest):
        raise ValueError(
            "holds a character that file names do not have on every system; it names no folder"
        )
    if value.startswith((".", "_")):
        raise ValueError("begins with a dot or an underline, by which files are left alone")
    return value


Size: TypeAlias = Annotated[
    str,
    BeforeValidator(_size),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": rf"^({'|'.join(get_args(SizeName))}|\s*{_SIZE.pattern}\s*)$",
                },
                {"type": "integer", "minimum": 1, "maximum": 999_999},
            ]
        }
    ),
]


class OutputFields(BaseModel):
    """
    The keys of `output` that were set; None is what nobody set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)

    like: Literal["source"] | None = None
    size: Size | None = None
    format: FormatName | None = None
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    metadata: MetadataName | None = None
    gps: bool | None = None
    profile: ProfileName | None = None
    protect: bool | None = None
    protect_feather: Annotated[int, Field(ge=0, le=MOST_FEATHER)] | None = None
    detail: DetailName | None = None
    provenance: bool | None = None
    provenance_prompt: bool | None = None
    review: bool | None = None
    name: (
        Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": _NAME})] | None
    ) = None

    def values(self) -> dict[str, Scalar]:
        """
        Return the keys that were set.
        """
        return self.model_dump(exclude_none=True, exclude={"max_megapixels"})

    def among_others(self) -> dict[str, Scalar]:
        """
        Return the keys that were set as they lie among those of an edit: `output.like`.
        """
        return {PREFIX + key: value for key, value in self.values().items()}


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


def stem_of(template: str, values: Mapping[str, str]) -> str:
    """
    Return the stem that the results of a job share: without `{name}` and `{n}`, and the marks that stood beside
    them.

    `values` are those of the fields of a job; what in them cannot stand in a name becomes a hyphen.
    """
    text = template
    for field in _EDIT_FIELDS:
        text = re.sub(rf"[-_. ]*\{{{field}\}}", "", text)
    found = _FIELD.sub(lambda each: _plain(values.get(each[1], "")), text).strip(" .-_")
    return found or _plain(values.get("stem", "")) or "result"


def name_of(template: str, stem: str, *, name: str, number: int, count: int) -> str:
    """
    Return the stem of one result: its template's `{name}` and `{n}` in place of the usual `-warm` and `-1`.

    `stem` is the one that the job's results share, as it was found free; `number` counts from 1.
    """
    if "{name}" not in template and "{n}" not in template:
        return stem + (f"-{name}" if name else "") + (f"-{number}" if count > 1 else "")
    text = template
    shared = _FIELD.sub(lambda each: f"{{{each[1]}}}" if each[1] in _EDIT_FIELDS else "\0", text)
    parts = re.findall(r"[-_. ]*\{(?:name|n)\}", shared)
    values = {"name": name, "n": str(number) if count > 1 or "{name}" not in template else ""}
    ending = "".join(_ending(each, values) for each in parts)
    if count > 1 and "{n}" not in template:
        ending += f"-{number}"
    if name and "{name}" not in template:
        ending = f"-{name}{ending}"
    return stem + ending


def _ending(part: str, values: Mapping[str, str]) -> str:
    mark, _, field = part.rpartition("{")
    value = _plain(values[field.removesuffix("}")])
    return f"{mark or '-'}{value}" if value else ""


def _plain(text: str) -> str:
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]+', "-", text).strip(" .")
