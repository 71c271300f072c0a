"""
The files of a request held against the model's rules: pictures that can be read, a mask that fits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from retouchd.sandbox.form import FilePart, Form
from retouchd.sandbox.models import MIB, Model, Sizes
from retouchd.sandbox.paint import Look, Unreadable, look
from retouchd.sandbox.refusal import IMAGE, Refusal, duplicate, missing

_MODES = frozenset({"1", "L", "RGB", "RGBA"})
"""Palettes, CMYK and 16 bits are answered with `invalid_image_file` by the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """
    The pictures to edit with what was seen in them, in the same order, and the mask.
    """

    images: tuple[FilePart, ...]
    looks: tuple[Look, ...]
    mask: FilePart | None


def check_uploads(model: Model, form: Form) -> Uploads:
    """
    Return the pictures of a request; decodes each of them.

    Raises Refusal for the first fault found.
    """
    images = _images(model, form)
    mask = _mask(form)
    looks = tuple(
        _look(model, part, part.field.replace("[]", f"[{index}]"), index)
        for index, part in enumerate(images)
    )
    if model.sizes is Sizes.SQUARE and looks[0].width != looks[0].height:
        raise Refusal(
            f"Uploaded image must be square, got {looks[0].width}x{looks[0].height}.",
            param="image",
            code="invalid_image_format",
        )
    if mask is not None:
        _check_mask(model, mask, looks[0])
    return Uploads(images=images, looks=looks, mask=mask)


def _images(model: Model, form: Form) -> tuple[FilePart, ...]:
    single = tuple(part for part in form.files if part.field == "image")
    array = tuple(part for part in form.files if part.field == "image[]")
    if len(single) > 1 or (single and array):
        raise duplicate("image")
    images = single or array
    if not images:
        raise missing("image")
    if len(images) > model.images:
        raise Refusal(
            f"Invalid 'image': array too long. Expected an array with maximum length "
            f"{model.images}, but got an array with length {len(images)} instead.",
            param="image",
            code="array_above_max_length",
        )
    return images


def _mask(form: Form) -> FilePart | None:
    masks = [part for part in form.files if part.field == "mask"]
    if len(masks) > 1:
        raise duplicate("mask")
    return masks[0] if masks else None


def _look(model: Model, part: FilePart, name: str, index: int) -> Look:
    _check_declared(part, name, model.mimetypes, model.image_bytes)
    try:
        seen = look(part.file)
    except Unreadable as error:
        raise _invalid(name, index) from error
    if seen.mode not in _MODES or seen.mimetype not in model.mimetypes:
        raise _invalid(name, index)
    return seen


def _invalid(name: str, index: int) -> Refusal:
    return Refusal(
        f"Invalid image file or mode for image {index + 1}, please check your image file.",
        kind=IMAGE,
        param=name,
        code="invalid_image_file",
    )


def _check_declared(part: FilePart, name: str, allowed: Sequence[str], limit: int) -> None:
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


def _check_mask(model: Model, part: FilePart, image: Look) -> None:
    _check_declared(part, "mask", ("image/png",), model.mask_bytes)
    try:
        mask = look(part.file)
    except Unreadable as error:
        raise _invalid_mask("Invalid mask image file, please check your mask.") from error
    if mask.mimetype != "image/png" or not mask.has_alpha:
        raise _invalid_mask(
            "Invalid mask image file - the mask must be a PNG with an alpha channel"
        )
    if (mask.width, mask.height) != (image.width, image.height):
        raise Refusal(
            "Invalid mask image format - mask size does not match image size",
            kind=IMAGE,
            param="mask",
            code="invalid_mask_image_format",
        )


def _invalid_mask(message: str) -> Refusal:
    return Refusal(message, kind=IMAGE, param="mask", code="invalid_image_file")
