"""
The request held against the model's rules, each fault answered as the provider answers it.

Codes and messages follow the official contract and answers seen in the field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retouchd.sandbox.form import Form, Media
from retouchd.sandbox.models import DEFAULT_MODEL, Manner, Model, model_named
from retouchd.sandbox.refusal import (
    IMAGE,
    Refusal,
    bad_type,
    bad_value,
    duplicate,
    missing,
    unknown,
)
from retouchd.sandbox.sizes import asked_size
from retouchd.sandbox.uploads import Uploads, check_uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """
    A request that passed: what to paint, and how to answer. `size` None leaves it to the model.

    `output_compression` is 0 to 100, the encoder's quality. `as_url` asks for links, not base64.
    `partial_images` None asks for one answer at the end, a number for a stream of events with so
    many drafts of each picture. `safety_identifier` is the effective one.
    """

    model: Model
    prompt: str
    uploads: Uploads
    n: int
    size: tuple[int, int] | None
    quality: str
    background: str
    output_format: str
    output_compression: int
    input_fidelity: str | None
    as_url: bool
    partial_images: int | None
    safety_identifier: str | None


def check(form: Form, manner: Manner) -> Edit:
    """
    Return the edit a request asks for. Decodes every picture, so it belongs in a thread.

    Raises Refusal for the first fault found.
    """
    fields = once_each(form)
    model = model_named(fields.get("model", DEFAULT_MODEL), manner)
    _check_media(model, form)
    _check_names(model, form, manner)
    choice(fields, "moderation", ("auto", "low"))
    choice(fields, "complexity", ("low", "medium", "high"))
    prompt = prompt_of(model, fields)
    output_format = choice(fields, "output_format", ("png", "jpeg", "webp"))
    quality = choice(fields, "quality", model.qualities, default="auto")
    answer = choice(
        fields,
        "response_format",
        ("url", "b64_json"),
        default="b64_json" if model.is_gpt else "url",
    )
    return Edit(
        model=model,
        prompt=prompt,
        n=integer(fields, "n", default=1, least=1, most=10),
        size=asked_size(model, fields.get("size")),
        quality="medium" if quality == "auto" else quality,
        background=_background(fields, output_format),
        output_format=output_format,
        output_compression=_compression(fields, output_format),
        input_fidelity=_fidelity(model, fields),
        as_url=answer == "url",
        partial_images=_partial_images(fields),
        safety_identifier=fields.get("safety_identifier") or fields.get("user") or None,
        uploads=check_uploads(model, form, manner),
    )


def once_each(form: Form) -> Mapping[str, str]:
    """
    Return the fields of a request by name. Raises Refusal for one that came twice.
    """
    fields: dict[str, str] = {}
    for name, value in form.fields:
        if name in fields:
            raise duplicate(name)
        fields[name] = value
    return fields


def _check_media(model: Model, form: Form) -> None:
    if form.media is Media.JSON and not model.is_gpt:
        raise Refusal(
            f"Unsupported content type: '{form.media}'. The model '{model.id}' only accepts "
            f"'{Media.FORM}' requests.",
            code="unsupported_content_type",
        )


def _check_names(model: Model, form: Form, manner: Manner) -> None:
    names = [name for name, _ in form.fields]
    for name in model.files.intersection(names):
        raise bad_type(name, "a file")
    if manner is Manner.RELAY:
        return
    for name in names:
        if name == "input_fidelity" and model.is_gpt and not model.fidelities:
            raise Refusal(
                f"The model '{model.id}' does not support the 'input_fidelity' parameter.",
                kind=IMAGE,
                param=name,
                code="invalid_input_fidelity_model",
            )
        if not model.knows(name):
            raise unknown(name)
    for part in form.files:
        if part.field not in model.files:
            raise unknown(part.field)


def _partial_images(fields: Mapping[str, str]) -> int | None:
    number = integer(fields, "partial_images", default=0, least=0, most=3)
    stream = fields.get("stream", "false").lower()
    if stream not in {"true", "false"}:
        raise bad_type("stream", "a boolean")
    return number if stream == "true" else None


def prompt_of(model: Model, fields: Mapping[str, str]) -> str:
    """
    Return the prompt, if it is one that the model takes. Raises Refusal.
    """
    prompt = fields.get("prompt")
    if prompt is None:
        raise missing("prompt")
    if not prompt.strip():
        raise Refusal(
            "Invalid 'prompt': empty string. Expected a string with minimum length 1.",
            param="prompt",
            code="empty_string",
        )
    if len(prompt) > model.prompt_characters:
        raise Refusal(
            "Invalid 'prompt': string too long. Expected a string with maximum length "
            f"{model.prompt_characters}, but got a string with length {len(prompt)} instead.",
            param="prompt",
            code="string_above_max_length",
        )
    return prompt


def choice(
    fields: Mapping[str, str], name: str, allowed: Sequence[str], *, default: str | None = None
) -> str:
    """
    Return a value that must be one of those; the first of them where nothing else is the default.
    """
    value = fields.get(name, default or allowed[0])
    if value not in allowed:
        raise bad_value(name, value, allowed)
    return value


def integer(fields: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    """
    Return a whole number within these bounds. Raises Refusal.
    """
    text = fields.get(name, str(default))
    try:
        number = int(text)
    except ValueError:
        raise bad_type(name, "an integer") from None
    if number < least:
        raise Refusal(
            f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, "
            f"but got {number} instead.",
            param=name,
            code="integer_below_min_value",
        )
    if number > most:
        raise Refusal(
            f"Invalid '{name}': integer above maximum value. Expected a value <= {most}, "
            f"but got {number} instead.",
            param=name,
            code="integer_above_max_value",
        )
    return number


def _background(fields: Mapping[str, str], output_format: str) -> str:
    background = choice(fields, "background", ("auto", "opaque", "transparent"))
    if background == "transparent" and output_format == "jpeg":
        raise Refusal(
            "Transparent background is not supported for JPEG output format.",
            kind=IMAGE,
            param="background",
            code="invalid_value",
        )
    return background


def _compression(fields: Mapping[str, str], output_format: str) -> int:
    compression = integer(fields, "output_compression", default=100, least=0, most=100)
    if compression < 100 and output_format == "png":
        raise Refusal(
            "Compression less than 100 is not supported for PNG output format",
            kind=IMAGE,
            param="output_compression",
            code="invalid_png_output_compression",
        )
    return compression


def _fidelity(model: Model, fields: Mapping[str, str]) -> str | None:
    if "input_fidelity" not in fields or not model.fidelities:
        return None
    return choice(fields, "input_fidelity", model.fidelities)
