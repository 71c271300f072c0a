"""
The request held against the model's rules, each fault answered as the provider answers it.

Codes and messages follow the official contract and answers seen in the field. What the endpoint
cannot do (streaming, the extra parameters of the newest models) it refuses rather than ignores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retouchd.sandbox.form import Form
from retouchd.sandbox.models import DEFAULT_MODEL, Model, model_named
from retouchd.sandbox.refusal import IMAGE, Refusal, bad_value, duplicate, missing
from retouchd.sandbox.sizes import asked_size
from retouchd.sandbox.uploads import Uploads, check_uploads

_FILES = frozenset({"image", "image[]", "mask"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """
    A request that passed: what to paint, and how to answer. `size` None leaves it to the model.

    `output_compression` is 0 to 100, the encoder's quality. `as_url` asks for links, not base64.
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


def check(form: Form) -> Edit:
    """
    Return the edit a request asks for. Decodes every picture, so it belongs in a thread.

    Raises Refusal for the first fault found.
    """
    fields = _once_each(form)
    model = model_named(fields.get("model", DEFAULT_MODEL))
    _check_names(model, form)
    _check_unsupported(fields)
    prompt = _prompt(model, fields)
    output_format = _choice(fields, "output_format", ("png", "jpeg", "webp"))
    quality = _choice(fields, "quality", model.qualities, default="auto")
    answer = _choice(
        fields,
        "response_format",
        ("url", "b64_json"),
        default="b64_json" if model.is_gpt else "url",
    )
    return Edit(
        model=model,
        prompt=prompt,
        n=_integer(fields, "n", default=1, least=1, most=10),
        size=asked_size(model, fields.get("size")),
        quality="medium" if quality == "auto" else quality,
        background=_background(fields, output_format),
        output_format=output_format,
        output_compression=_compression(fields, output_format),
        input_fidelity=_fidelity(model, fields),
        as_url=answer == "url",
        uploads=check_uploads(model, form),
    )


def _once_each(form: Form) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for name, value in form.fields:
        if name in fields:
            raise duplicate(name)
        fields[name] = value
    return fields


def _check_names(model: Model, form: Form) -> None:
    names = [name for name, _ in form.fields]
    for name in [*names, *(part.field for part in form.files)]:
        if name == "input_fidelity" and model.is_gpt and not model.fidelities:
            raise Refusal(
                f"The model '{model.id}' does not support the 'input_fidelity' parameter.",
                kind=IMAGE,
                param=name,
                code="invalid_input_fidelity_model",
            )
        if name not in model.fields and name not in _FILES:
            raise Refusal(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    for name in _FILES.intersection(names):
        raise Refusal(
            f"Invalid type for '{name}': expected a file, but got a string instead.",
            param=name,
            code="invalid_type",
        )


def _check_unsupported(fields: Mapping[str, str]) -> None:
    for name, harmless in (("stream", "false"), ("partial_images", "0")):
        if fields.get(name, harmless).lower() != harmless:
            raise Refusal(
                f"Unsupported parameter: '{name}' is not supported by the sandbox.",
                param=name,
                code="unsupported_parameter",
            )
    _choice(fields, "moderation", ("auto", "low"))


def _prompt(model: Model, fields: Mapping[str, str]) -> str:
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


def _choice(
    fields: Mapping[str, str], name: str, allowed: Sequence[str], *, default: str | None = None
) -> str:
    value = fields.get(name, default or allowed[0])
    if value not in allowed:
        raise bad_value(name, value, allowed)
    return value


def _integer(fields: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = fields.get(name, str(default))
    try:
        number = int(text)
    except ValueError:
        raise Refusal(
            f"Invalid type for '{name}': expected an integer, but got a string instead.",
            param=name,
            code="invalid_type",
        ) from None
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
    background = _choice(fields, "background", ("auto", "opaque", "transparent"))
    if background == "transparent" and output_format == "jpeg":
        raise Refusal(
            "Transparent background is not supported for JPEG output format.",
            kind=IMAGE,
            param="background",
            code="invalid_value",
        )
    return background


def _compression(fields: Mapping[str, str], output_format: str) -> int:
    compression = _integer(fields, "output_compression", default=100, least=0, most=100)
    if compression < 100 and output_format == "png":
        raise Refusal(
            "Compression less than 100 is not supported for PNG output format",
            kind=IMAGE,
            param="output_compression",
            code="invalid_png_output_compression",
        )
    return compression


def _fidelity(model: Model, fields: Mapping[str, str]) -> str | None:
    if "input_fidelity" not in fields:
        return None
    return _choice(fields, "input_fidelity", model.fidelities)
