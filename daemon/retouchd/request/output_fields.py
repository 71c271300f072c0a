"""
The keys of a table `output` as they are written: each checked, none filled in.
"""

import re
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from retouchd.job.model import Scalar
from retouchd.request.output import PREFIX, FormatName
from retouchd.request.result_name import checked_template

SizeName: TypeAlias = Literal["received", "source"]
MetadataName: TypeAlias = Literal["received", "source", "none"]
ProfileName: TypeAlias = Literal["srgb", "source"]
DetailName: TypeAlias = Literal["result", "source"]

MOST_FEATHER = 1_000

_SIZE = re.compile(r"([1-9][0-9]{0,5})(?:\s*[x×*X]\s*([1-9][0-9]{0,5}))?")
_NAME = (
    r"^(?![._\s])(?!.*\s$)"
    r'(?:[^{}/\\:*?"<>|\x00-\x1f]|\{(?:stem|model|date|id|upload|name|n)\})+$'
)
"""The rule of a template's name, as schemas have it."""


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
        Annotated[
            str, AfterValidator(checked_template), Field(json_schema_extra={"pattern": _NAME})
        ]
        | None
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
