"""
Whether a request, its pictures and its mask keep a model's limits: every fault at once.

Each check returns `Problem` values whose sentences are for the person who dropped the file.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from retouchd.errors import JobCode, Problem
from retouchd.job.filetypes import called
from retouchd.job.model import Scalar, scalar_text
from retouchd.request.limits import Interface, Limits, Picture, told_size
from retouchd.request.matching import MATCHES
from retouchd.request.sizes import SizeRule, nearest_size, size_faults

RequestFault: TypeAlias = tuple[str, str]
"""A message and its hint."""

_FORMATS = {"webp": "WebP"}
_COLOURS = {
    "1": "is black and white",
    "L": "is grey",
    "LA": "is grey with transparency",
    "P": "has a palette of colours",
    "RGB": "has one colour that counts as transparent",
    "CMYK": "is in CMYK",
}
_LONGEST_MODEL = 256
"""Characters: some endpoints are asked by it in their address, which has an end, and where dots lead upward."""
_STREAMED = ("stream", "partial_images")
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def check_request(
    model: str,
    prompt: str | None,
    parameters: Mapping[str, Scalar],
    limits: Limits,
    *,
    has_mask: bool = False,
) -> list[Problem]:
    """
    Return what is wrong with the prompt and the parameters for this model, and whether a mask can go along.

    Values are judged as the text they become on the wire: `"2"` is as good as `2`. A prompt of None
    is not judged here: that there is none is a fault of the bundle.
    """
    found = request_faults(model, prompt, parameters, 1, limits, has_mask=has_mask)
    return [problem for _, problem in found]


def request_faults(
    model: str,
    prompt: str | None,
    parameters: Mapping[str, Scalar],
    count: int,
    limits: Limits,
    *,
    has_mask: bool = False,
) -> Iterator[tuple[tuple[str, ...], Problem]]:
    """
    Yield what is wrong with a request of `count` pictures and maybe a mask, each with the keys that are
    concerned.
    """
    uncarried = _interface_faults(limits.interface, parameters, count, has_mask=has_mask)
    for key, fault in uncarried:
        yield (key,), _problem(JobCode.PARAMETER_INVALID, fault)
    if len(model) > _LONGEST_MODEL or not model.strip("."):
        fault = (
            f'"{_shown(model)}" ({_counted(len(model), "character")}) is no name of a model.',
            f"Correct model: at most {_LONGEST_MODEL} characters, and not dots alone.",
        )
        yield ("model",), _problem(JobCode.PARAMETER_INVALID, fault)
        return
    texts = {key: scalar_text(value) for key, value in parameters.items()}
    for problem in _prompt_problems(model, prompt, limits):
        yield ("prompt",), problem
    for key, text in texts.items():
        if key in limits.interface.lacks:
            continue
        for fault in _value_faults(model, key, text, limits):
            yield (key,), _problem(JobCode.PARAMETER_INVALID, fault)
    for keys, fault in _output_faults(texts, limits):
        yield keys, _problem(JobCode.PARAMETER_INVALID, fault)
    for problem in check_count(model, count, limits):
        yield ("images",), problem


def interface_problems(
    interface: Interface, parameters: Mapping[str, Scalar], count: int, *, has_mask: bool
) -> list[Problem]:
    """
    Return what an endpoint cannot even be asked, of a request of `count` pictures and maybe a mask.
    """
    faults = _interface_faults(interface, parameters, count, has_mask=has_mask)
    return [_problem(JobCode.PARAMETER_INVALID, fault) for _, fault in faults]


def _interface_faults(
    interface: Interface, parameters: Mapping[str, Scalar], count: int, *, has_mask: bool
) -> Iterator[tuple[str, RequestFault]]:
    """
    Yield what the endpoint's interface has no place for, each with the key that asks for it.
    """
    style = f'An endpoint of the style "{interface.name}"'
    if has_mask and not interface.takes_mask:
        yield (
            "mask",
            (
                f"{style} takes no mask.",
                "Remove the mask and say in the prompt what is to be edited, or use another endpoint.",
            ),
        )
    if interface.max_images is not None and count > interface.max_images:
        yield (
            "images",
            (
                f"{style} takes at most {_counted(interface.max_images, 'picture')}, not {count}.",
                f"Name at most {_counted(interface.max_images - 1, 'reference image')}.",
            ),
        )
    n = parameters.get("n")
    if interface.max_n is not None and isinstance(n, int) and n > interface.max_n:
        yield (
            "n",
            (
                f"{style} gives at most {_counted(interface.max_n, 'picture')} at once, and n is {n}.",
                f"Set n to {interface.max_n} or less.",
            ),
        )
    for key in parameters:
        if key in interface.lacks:
            yield key, (f"{style} has no {key}.", interface.lacks[key])


def check_count(model: str, count: int, limits: Limits) -> list[Problem]:
    """
    Return what is wrong with the number of pictures in one request, references included.
    """
    if limits.max_images is None or count <= limits.max_images:
        return []
    fault = (
        f"The request has {count} pictures; {model} takes at most {limits.max_images}.",
        f"Name at most {limits.max_images - 1} reference images."
        if limits.max_images > 1
        else "Remove the reference images.",
    )
    return [_problem(JobCode.REFERENCE_INVALID, fault)]


def check_image(name: str, picture: Picture, limits: Limits) -> list[Problem]:
    """
    Return what is wrong with a picture that is to be sent as it is.

    Only 8-bit RGB and RGBA are taken everywhere: providers were seen to refuse others by their mode.
    """
    problems = []
    if picture.format not in limits.sent_formats:
        allowed = _listed([_format(each) for each in limits.sent_formats])
        fault = (
            f"{name} is {called(picture.format)}; this model takes only {allowed}.",
            f"Save {name} as {_format(limits.sent_formats[0])}.",
        )
        problems.append(_problem(JobCode.IMAGE_UNSUPPORTED, fault))
    elif picture.has_fixed_metadata:
        problems.append(_problem(JobCode.IMAGE_UNSUPPORTED, _metadata_fault(name)))
    if not picture.is_plain:
        fault = (
            f"{name} {_pixels_of(picture)}; only 8-bit RGB is sure to be taken.",
            f"Save {name} in 8-bit RGB.",
        )
        problems.append(_problem(JobCode.IMAGE_UNSUPPORTED, fault))
    if limits.max_image_bytes and picture.size_bytes >= limits.max_image_bytes:
        fault = _too_many_bytes(name, picture, limits.max_image_bytes)
        problems.append(_problem(JobCode.IMAGE_TOO_LARGE, fault))
    most = limits.max_image_pixels
    if most and picture.width * picture.height > most:
        fault = (
            f"{name} has {_pixels(picture)} pixels; this model takes at most {most} pixels.",
            f"Scale {name} down.",
        )
        problems.append(_problem(JobCode.IMAGE_TOO_LARGE, fault))
    if limits.square and picture.width != picture.height:
        fault = (
            f"{name} has {_pixels(picture)} pixels; this model takes only square pictures.",
            f"Crop {name} to a square, or pad it.",
        )
        problems.append(_problem(JobCode.IMAGE_NOT_SQUARE, fault))
    return problems


def check_mask(
    mask_name: str, mask: Picture, image_name: str, image: Picture, limits: Limits
) -> list[Problem]:
    """
    Return what is wrong with a mask for its picture.

    A mask is a PNG of the picture's size whose pixels of alpha 0 mark what to edit, by the
    endpoint's page; one without any such pixel would pay for an edit of nothing.
    """
    problems = []
    if fault := _mask_fault(mask_name, mask):
        problems.append(_problem(JobCode.MASK_INVALID, fault))
    elif mask.has_fixed_metadata:
        problems.append(_problem(JobCode.MASK_INVALID, _metadata_fault(mask_name)))
    if limits.max_mask_bytes and mask.size_bytes >= limits.max_mask_bytes:
        fault = _too_many_bytes(mask_name, mask, limits.max_mask_bytes)
        problems.append(_problem(JobCode.MASK_INVALID, fault))
    if mask.upright != image.upright:
        fault = (
            f"{mask_name} has {_pixels(mask)} pixels, but {image_name} has {_pixels(image)}.",
            f"Make {mask_name} of a copy of {image_name} as it is now, or scale it to {_pixels(image)}.",
        )
        problems.append(_problem(JobCode.MASK_SIZE_MISMATCH, fault))
    return problems


def _metadata_fault(name: str) -> RequestFault:
    return (
        f"{name} does not keep to its file format, so its metadata (place, names, numbers) cannot be cut out.",
        f'Save {name} anew as PNG or JPEG, or set images.metadata = "keep" in the configuration.',
    )


def _prompt_problems(model: str, prompt: str | None, limits: Limits) -> Iterator[Problem]:
    if prompt is None:
        return
    if not prompt.strip():
        fault = ("The prompt is empty.", "Write into it what is to be done with the picture.")
        yield _problem(JobCode.PROMPT_EMPTY, fault)
    length, longest = len(prompt), limits.max_prompt_chars
    if longest and length > longest:
        fault = (
            f"The prompt has {length:,} characters; {model} takes at most {longest:,}.",
            f"Shorten it by at least {_counted(length - longest, 'character')}.",
        )
        yield _problem(JobCode.PROMPT_TOO_LONG, fault)


def _value_faults(model: str, key: str, text: str, limits: Limits) -> Iterator[RequestFault]:
    """
    Yield what is wrong with one value, whatever the others are.
    """
    if key in limits.forbidden:
        yield f"{model} does not take {key}: {limits.forbidden[key]}.", f"Leave {key} out."
        return
    if key in _STREAMED and text.lower() not in {"false", "0"}:
        yield (
            f"{key} asks for a streamed answer, and only whole ones are read.",
            f"Leave {key} out.",
        )
    if key == "n":
        yield from _range_faults(key, text, (1, limits.max_n))
    if key == "size" and text not in MATCHES:
        yield from _size_faults(model, text, limits.sizes)
    if key in limits.ranges:
        yield from _range_faults(key, text, limits.ranges[key])
    allowed = limits.values.get(key)
    if allowed and text not in allowed:
        near = difflib.get_close_matches(text.lower(), allowed, n=1)
        yield (
            f'The {key} "{_shown(text)}" is not known to {model}.',
            f'Use "{near[0]}", or leave {key} out.'
            if near
            else f"Use {_listed(allowed)}, or leave {key} out.",
        )


def _range_faults(key: str, text: str, ends: tuple[int, int | None]) -> Iterator[RequestFault]:
    lowest, highest = ends
    number = int(text) if _WHOLE.fullmatch(text) else None
    if number is None or number < lowest or (highest is not None and number > highest):
        wanted = f"from {lowest} to {highest}" if highest is not None else f"of {lowest} or more"
        yield (
            f'{key} is "{_shown(text)}", not a whole number {wanted}.',
            f"Set {key} to a whole number {wanted}.",
        )


def _size_faults(
    model: str, size: str, legal: SizeRule | tuple[str, ...]
) -> Iterator[RequestFault]:
    if isinstance(legal, SizeRule):
        faults, known = size_faults(size, legal), "a size such as 1536x1024"
    else:
        faults = [] if not legal or size in legal else [f"is not one that {model} takes"]
        known = _listed(legal)
    if faults:
        near = nearest_size(size, legal)
        yield (
            f'The size "{_shown(size)}" {_listed(faults, "and")}.',
            f"Use {near}, the nearest that is taken." if near else f"Use {known}.",
        )


def _output_faults(
    texts: Mapping[str, str], limits: Limits
) -> Iterator[tuple[tuple[str, ...], RequestFault]]:
    """
    Yield what is wrong between parameters: not every output format knows transparency or compression.
    """
    format_ = texts.get("output_format", "png")
    transparent, compressed = limits.transparent_formats, limits.compressed_formats
    if transparent and texts.get("background") == "transparent" and format_ not in transparent:
        yield (
            ("background", "output_format"),
            (
                f"The background is to be transparent, but {format_.upper()} knows no transparency.",
                f"Set output_format to {_listed(transparent)}.",
            ),
        )
    if compressed and texts.get("output_compression", "100") != "100" and format_ not in compressed:
        yield (
            ("output_compression", "output_format"),
            (
                f"output_compression is set, but {format_.upper()} is not compressed that way.",
                f"Set output_format to {_listed(compressed)}, or leave output_compression out.",
            ),
        )


def mask_advice(name: str) -> str:
    """
    Return how a mask is to be saved.
    """
    return (
        f"Erase what is to be edited from a copy of the photo, so that it is transparent there, and save that "
        f"as {name}, a PNG."
    )


def _mask_fault(name: str, mask: Picture) -> RequestFault | None:
    hint = mask_advice(name)
    if mask.format != "png":
        return f"{name} is {called(mask.format)}, but a mask must be PNG.", hint
    if not mask.has_alpha:
        return f"{name} has no transparency; black and white do not make a mask.", hint
    if not mask.is_plain:
        return f"{name} {_pixels_of(mask)}; a mask must be 8-bit RGB with transparency.", hint
    if not mask.has_transparency:
        return f"{name} has no fully transparent pixel, so it marks nothing to edit.", hint
    return None


def _too_many_bytes(name: str, picture: Picture, limit: int) -> RequestFault:
    return (
        f"{name} has {told_size(picture.size_bytes)}; this model takes less than {told_size(limit)}.",
        f"Scale {name} down, or compress it more.",
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _format(name: str) -> str:
    return _FORMATS.get(name, name.upper())


def _pixels(picture: Picture) -> str:
    width, height = picture.upright
    return f"{width}×{height}"


def _pixels_of(picture: Picture) -> str:
    if picture.depth > 8:
        return f"has {picture.depth} bits a channel"
    return _COLOURS.get(picture.mode, f"has pixels of the kind {picture.mode}")


def _listed(items: Sequence[str], last: str = "or") -> str:
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def _shown(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _problem(code: JobCode, fault: RequestFault) -> Problem:
    message, hint = fault
    return Problem(code=code, message=message, hint=hint)
