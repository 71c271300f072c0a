"""
What may be set for an edit: one model for `[edit]`, `[[edits]]`, `_edit` files and sidecars.

`read_edit` gives every fault of a sidecar at once, each in one or two sentences that name no file.
"""

import math
import re
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
)

from retouchd.job.model import Scalar
from retouchd.request.output_fields import OutputFields
from retouchd.request.sidecar_tree import named
from retouchd.request.text_encoding import LOST_LETTERS, lost_letters, visible

MAX_REFERENCES = 64
"""The most references a file may name; how many a model takes is its limit."""
MAX_EDITS = 64
"""The most edits that may be asked for of one picture."""
MAX_NAME = 40
"""Characters of an edit's name, which ends the names of its results."""
_EDIT_NAME = r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*"
_NO_NAMES = frozenset({"mask", "markup", "received", "partial"})
"""What follows a stem in the names of files that are no results."""

PROMPT_PARTS = ("prompt_before", "prompt_after")
"""What is joined to the prompt of each edit, in front of it and behind."""
VARIABLE = r"^[A-Za-z][A-Za-z0-9_-]*$"
_UNSENT = {"model", "prompt", *PROMPT_PARTS, "images", "extra", "edits", "vars", "name", "output"}
_FILES = {"image", "image[]", "images", "input_references", "mask"}


def _filled(text: str) -> str:
    if not text:
        raise ValueError("is empty; write something, or leave it out")
    return text


def _is_no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a whole number, not true or false")  # noqa: TRY004 - pydantic's
    return value


_SOME_TEXT = Field(json_schema_extra={"pattern": r"\S"})
_SOME_PROMPT = Field(
    json_schema_extra={"pattern": rf"^[^\uFFFD]*[^{LOST_LETTERS}\uFFFD][^\uFFFD]*$"}
)


def _edit_name(name: str) -> str:
    if len(name) > MAX_NAME or not re.fullmatch(_EDIT_NAME, name):
        raise ValueError(
            "must be small letters and digits such as warm or warm-light, each part beginning with a letter, "
            f"at most {MAX_NAME} characters"
        )
    if name.rpartition("-")[2] in _NO_NAMES:
        raise ValueError(f"must not end in {name.rpartition('-')[2]}, which marks other files")
    return name


def _is_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = visible(value.replace("\r\n", "\n").replace("\r", "\n"))
    if lost := lost_letters(text):
        raise ValueError(lost)
    return text


Text: TypeAlias = Annotated[str, AfterValidator(_filled), _SOME_TEXT]
Whole: TypeAlias = Annotated[int, BeforeValidator(_is_no_boolean)]
PromptText: TypeAlias = Annotated[
    str, BeforeValidator(_is_text), AfterValidator(_filled), _SOME_PROMPT
]


def _no_own_names(schema: dict[str, Any]) -> None:
    """
    Say in a JSON Schema which names no further field may have.
    """
    names = sorted(_FILES | set(EditFields.model_fields))
    own = "|".join(map(re.escape, names))
    schema["propertyNames"] = {"pattern": r"\S", "not": {"pattern": rf"^\s*({own})\s*$"}}


class EditFields(BaseModel):
    """
    The fields of an edit that were set; None is what nobody set.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), str_strip_whitespace=True
    )

    model: Annotated[Text, Field(description="The model that edits the picture.")] | None = None
    prompt: (
        Annotated[
            PromptText,
            Field(
                description="What is to be done with the picture; in an _edit file, with each below it."
            ),
        ]
        | None
    ) = None
    prompt_before: PromptText | None = None
    prompt_after: PromptText | None = None
    n: Annotated[Whole, Field(json_schema_extra={"minimum": 1})] | None = None
    size: Text | None = None
    quality: Text | None = None
    background: Text | None = None
    complexity: Text | None = None
    input_fidelity: Text | None = None
    output_format: Text | None = None
    output_compression: Whole | None = None
    moderation: Text | None = None
    response_format: Text | None = None
    safety_identifier: Text | None = None
    user: Text | None = None
    extra: Annotated[
        dict[str, str | int | float | bool], Field(json_schema_extra=_no_own_names)
    ] = {}

    @field_validator("extra")
    @classmethod
    def _are_further_fields(cls, value: dict[str, Scalar]) -> dict[str, Scalar]:
        for key, found in value.items():
            if not key:
                raise ValueError("holds a field without a name")
            if key in _FILES:
                raise ValueError(f"must not hold {key}: pictures are files, never fields of text")
            if key in EditFields.model_fields:
                raise ValueError(f"must not hold {key}, a key of its own: move it out of extra")
            if isinstance(found, float) and not math.isfinite(found):
                raise ValueError(f"holds {named(key)} = {found}, which is no number")
        return value

    def parameters(self) -> dict[str, Scalar]:
        """
        Return the parameters that were set, besides model, prompts, references and edits.
        """
        own = self.model_dump(exclude=_UNSENT, exclude_none=True)
        return {**own, **self.extra}

    def values(self) -> dict[str, Scalar]:
        """
        Return all that is inherited key by key: the parameters, the model and the texts of the prompt.
        """
        texts = {key: getattr(self, key) for key in ("prompt", "model", *PROMPT_PARTS)}
        return {key: text for key, text in texts.items() if text is not None} | self.parameters()


class FinishedEdit(EditFields):
    """
    The fields of an edit, and what its results are to be made.
    """

    output: Annotated[
        OutputFields,
        Field(
            description="What the results are to be made: the keys of [output] in the configuration, each for "
            "itself."
        ),
    ] = OutputFields()

    def values(self) -> dict[str, Scalar]:
        """
        Return all that is inherited key by key: the fields of an edit, and those of its results.
        """
        return super().values() | self.output.among_others()


class NamedEdit(FinishedEdit):
    """
    One of several edits of a picture: its name, and the fields that it has over those of all.
    """

    name: Annotated[
        str,
        AfterValidator(_edit_name),
        Field(
            max_length=MAX_NAME,
            json_schema_extra={"pattern": rf"^{_EDIT_NAME}$"},
            description="What the names of its results end in: cat-warm.png. Small letters and digits.",
        ),
    ]


def _are_apart(edits: tuple[NamedEdit, ...]) -> tuple[NamedEdit, ...]:
    names = [each.name for each in edits]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"has two edits named {twice}; give each a name of its own")
    return edits


NamedEdits: TypeAlias = Annotated[
    tuple[NamedEdit, ...], Field(max_length=MAX_EDITS), AfterValidator(_are_apart)
]


class Sidecar(FinishedEdit):
    """
    What a sidecar or an `_edit` file says: the fields of an edit, several edits with fields of their own, and
    the references it names.

    `images` are paths relative to the file that names them, as they are written there. `edits` is None where
    none were named: an empty list turns off those that are named farther away. `vars` are what prompts of
    folders and of the configuration have in braces.
    """

    images: Annotated[
        tuple[Text, ...],
        Field(
            max_length=MAX_REFERENCES,
            description='Pictures that are sent after the photo, such as ["_refs/backdrop.png"]: paths that '
            "start at the file that names them.",
        ),
    ] = ()
    edits: (
        Annotated[
            NamedEdits,
            Field(
                description="Several edits of the one picture, each asked for by itself; an empty list turns "
                "off those of the folder."
            ),
        ]
        | None
    ) = None
    vars: Annotated[
        dict[Annotated[str, Field(pattern=VARIABLE)], str | int | float | bool],
        Field(
            description="What stands for {vars.NAME} in prompts of folders and the configuration.",
            json_schema_extra={"propertyNames": {"pattern": VARIABLE}},
        ),
    ] = {}
