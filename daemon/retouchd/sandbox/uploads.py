"""
The files of a request held against the model's rules: pictures that can be read, a mask that fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from retouchd.sandbox.form import FilePart, Form, Media
from retouchd.sandbox.models import MIB, Manner, Model, Sizes
from retouchd.sandbox.painting.look import Look, Unreadable, look
from retouchd.sandbox.refusal import IMAGE, Refusal, duplicate, missing

_MODES = frozenset({"1", "L", "RGB", "RGBA"})
"""Palettes, CMYK and 16 bits are answered with `invalid_image_file` by the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """
    The pictures to edit with what was seen in them, in the same order, and a mask or a markup.
    """

    images: tuple[FilePart, ...]
    looks: tuple[Look, ...]
    mask: FilePart | None
    markup: FilePart | None


def check_uploads(model: Model, form: Form, manner: Manner) -> Uploads:
    """
    Return the pictures of a request; decodes each of them.

    Raises Refusal for the first fault found.
    """
    images = _images(model, form, manner)
    mask, markup = _single(form, "mask"), _single(form, "markup")
    if mask is not None and markup is not None:
        raise Refusal(
            "Mutually exclusive parameters: 'mask' and 'markup'. Ensure you are only providing one "
            "of: 'mask' or 'markup'.",
            param="markup",
            code="mutually_exclusive_parameters",
        )
    looks = tuple(_look(model, part, index) for index, part in enumerate(images))
    if model.sizes is Sizes.SQUARE and looks[0].width != looks[0].height:
        raise Refusal(
            f"Uploaded image must be square, got {looks[0].width}x{looks[0].height}.",
            param="image",
            code="invalid_image_format",
        )
    if mask is not None:
        _check_overlay(mask, looks[0], model.mask_bytes)
    if markup is not None:
        _check_markup(markup, looks[0], model.image_bytes)
    return Uploads(images=images, looks=looks, mask=mask, markup=markup)


def _images(model: Model, form: Form, manner: Manner) -> tuple[FilePart, ...]:
    single = tuple(part for part in form.files if part.field == "image")
    array = tuple(part for part in form.files if part.field == "image[]")
    if single and array and manner is Manner.PROVIDER:
        raise duplicate("image")
    if len(single) > 1 and manner is Manner.PROVIDER:
        raise duplicate("image")
    # Relays take `image` where both names came, and lose the others without a word.
    images = single or array
    name = "images" if form.media is Media.JSON else "image"
    if not images:
        raise missing(name)
    if len(images) > model.images:
        raise Refusal(
            f"Invalid '{name}': array too long. Expected an array with maximum length "
            f"{model.images}, but got an array with length {len(images)} instead.",
            param=name,
            code="array_above_max_length",
        )
    return images


def _single(form: Form, name: str) -> FilePart | None:
    parts = [part for part in form.files if part.field == name]
    if len(parts) > 1:
        raise duplicate(name)
    return parts[0] if parts else None


def _look(model: Model, part: FilePart, index: int) -> Look:
    _check_declared(part, model.mimetypes, model.image_bytes)
    try:
        seen = look(part.file)
    except Unreadable as error:
        raise _invalid(part.param, index) from error
    if seen.mode not in _MODES or seen.mimetype not in model.mimetypes:
        raise _invalid(part.param, index)
    return seen


def _invalid(name: str, index: int) -> Refusal:
    return Refusal(
        f"Invalid image file or mode for image {index + 1}, please check your image file.",
        kind=IMAGE,
        param=name,
        code="invalid_image_file",
    )


def _check_declared(part: FilePart, allowed: Sequence[str], limit: int) -> None:
    name = part.param
    formats = " and ".join(f"'{one}'" for one in allowed)
    if not part.content_type:
        raise Refusal(
            f"Invalid file '{name}': missing mimetype. Supported file formats are {formats}.",
            param=name,
            code="missing_file_mimetype",
        )
    if part.content_type not in allowed:
        raise Refusal(
            f"Invalid file '{name}': unsupported mimetype ('{part.content_type}'). "
            f"Supported file formats are {formats}.",
            param=name,
            code="unsupported_file_mimetype",
        )
    if part.size >= limit:
        raise Refusal(
            f"Invalid file '{name}': the file has {part.size} bytes and must be less than "
            f"{limit // MIB} MB.",
            kind=IMAGE,
            param=name,
            code="image_too_large",
        )


def _check_markup(part: FilePart, image: Look, limit: int) -> None:
    overlay = _check_overlay(part, image, limit)
    if not overlay.has_transparency:
        raise _invalid_overlay(
            part, "Invalid markup image file - the markup must contain transparent pixels"
        )


def _check_overlay(part: FilePart, image: Look, limit: int) -> Look:
    """
    Return what a mask or markup is: a PNG with alpha, of the picture's size. Raises Refusal.
    """
    name = part.field
    _check_declared(part, ("image/png",), limit)
    try:
        overlay = look(part.file)
    except Unreadable as error:
        raise _invalid_overlay(
            part, f"Invalid {name} image file, please check your {name}."
        ) from error
    if overlay.mimetype != "image/png" or not overlay.has_alpha:
        raise _invalid_overlay(
            part, f"Invalid {name} image file - the {name} must be a PNG with an alpha channel"
        )
    if (overlay.width, overlay.height) != (image.width, image.height):
        raise Refusal(
            f"Invalid {name} image format - {name} size does not match image size",
            kind=IMAGE,
            param=part.param,
            code=f"invalid_{name}_image_format",
        )
    return overlay


def _invalid_overlay(part: FilePart, message: str) -> Refusal:
    return Refusal(message, kind=IMAGE, param=part.param, code="invalid_image_file")
