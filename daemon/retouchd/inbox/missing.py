"""
What is said of a bundle that stayed incomplete for longer than anybody's patience.
"""

from dataclasses import replace

from retouchd.errors import JobCode, Problem
from retouchd.job.filenames import FOLDER_PROMPT, Kind, Named, parse
from retouchd.job.naming import shown

_WHAT = {Kind.PROMPT: "prompt", Kind.EDIT: "file with parameters", Kind.MASK: "mask"}


def prompt_name(image: Named) -> str:
    """
    Return the name that a prompt of this image needs: the short one, unless it means something else.
    """
    short = parse(f"{image.stem}.txt")
    is_its = short.kind is Kind.PROMPT and short.target is None
    return shown(short.name if is_its else f"{image.name}.txt")


def with_near_miss(problem: Problem, near: str) -> Problem:
    """
    Return a problem of something missing that also says what nearly fits.
    """
    return replace(problem, message=f"{problem.message} But {near}.") if near else problem


def prompt_missing(image: Named) -> Problem:
    """
    Return the problem of an image that nobody said anything about.
    """
    prompt = prompt_name(image)
    return Problem(
        code=JobCode.PROMPT_MISSING,
        message=f"{shown(image.name)} came without a prompt: there was no {prompt} beside it and "
        f"no {FOLDER_PROMPT} in its folder or one above.",
        hint=f"Write what is to be done with the picture into {prompt} beside it.",
    )


def reference_missing(edit: Named, path: str, why: str) -> Problem:
    """
    Return the problem of a structured sidecar whose reference, a path below the inbox, cannot be used: why.
    """
    name = shown(edit.name)
    return Problem(
        code=JobCode.REFERENCE_INVALID,
        message=f"{name} names {shown(path)} as a reference image, but that {why}.",
        hint=f"Put the picture there, or correct its name in {name}.",
    )


def image_missing(lone: Named) -> Problem:
    """
    Return the problem of a sidecar that came alone.
    """
    fitting, wanted = _wanted(lone)
    rename = "" if fitting == lone.name else f"Rename it to {shown(fitting)}, and put"
    return Problem(
        code=JobCode.IMAGE_MISSING,
        message=f"{shown(lone.name)} is a {_WHAT[lone.kind]}, but its image never came.",
        hint=f"{rename or 'Put'} {wanted} beside it.",
    )


def awaited_image(lone: Named) -> str:
    """
    Return what a sidecar waits for that came alone.
    """
    fitting, wanted = _wanted(lone)
    if fitting != lone.name:
        return (
            f"no image can have this name: rename it to {shown(fitting)} if it belongs to {wanted}"
        )
    return f"waits for its image, {wanted}"


def empty(named: Named) -> Problem:
    """
    Return the problem of a file that stayed without content.
    """
    name = shown(named.name)
    match named.kind:
        case Kind.PROMPT:
            code, hint = JobCode.PROMPT_EMPTY, f"Write what is to be done into {name}"
        case Kind.EDIT:
            code, hint = JobCode.SIDECAR_INVALID, f"Write its values into {name}, or leave it out"
        case Kind.MASK:
            code, hint = JobCode.MASK_INVALID, f"Save {name} anew, or leave it out"
        case _:
            code, hint = JobCode.IMAGE_UNREADABLE, f"Export or copy {name} again"
    return Problem(
        code=code,
        message=f"{name} is empty: it has 0 bytes.",
        hint=f"{hint}.",
    )


def _wanted(lone: Named) -> tuple[str, str]:
    """
    Return the name a sidecar should have, its own if that makes sense, and the image it then belongs to.
    """
    while not (images := _images(lone)):
        lone = parse(_shortened(lone))
    return lone.name, " or ".join(map(shown, images))


def _images(lone: Named) -> list[str]:
    """
    Return the images that a sidecar would belong to, as it writes them; none where its name makes no sense.
    """
    owner = lone.name[: len(lone.stem) + (len(f".{lone.target}") if lone.target else 0)]
    names = [owner] if lone.target else [f"{owner}.png", f"{owner}.jpg"]
    return [name for name in names if parse(name).kind is Kind.IMAGE]


def _shortened(lone: Named) -> str:
    """
    Return a sidecar's name without the part that keeps it from having an image: a mask has no sidecars, and
    pictures of other kinds are not taken.
    """
    front, _, last = lone.stem.rpartition(".")
    if front and last.lower() == "mask":
        return front + lone.suffix
    return lone.stem + lone.suffix[lone.suffix.index(".", 1) :]
