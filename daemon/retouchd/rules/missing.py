"""
What is said of a bundle that stayed incomplete for longer than anybody's patience.
"""

from retouchd.errors import JobCode, Problem
from retouchd.rules.names import FOLDER_PROMPT, Kind, Named, parse
from retouchd.rules.naming import shown

BACK = "then move the files back into the inbox."
_WHAT = {Kind.PROMPT: "prompt", Kind.EDIT: "file with parameters", Kind.MASK: "mask"}


def prompt_name(image: Named) -> str:
    """
    Return the name that a prompt of this image needs: the short one, unless it means something else.
    """
    short = parse(f"{image.stem}.txt")
    is_its = short.kind is Kind.PROMPT and short.target is None
    return shown(short.name if is_its else f"{image.name}.txt")


def prompt_missing(image: Named) -> Problem:
    """
    Return the problem of an image that nobody said anything about.
    """
    prompt = prompt_name(image)
    return Problem(
        code=JobCode.PROMPT_MISSING,
        message=f"{shown(image.name)} came without a prompt: there was no {prompt} beside it and "
        f"no {FOLDER_PROMPT} in its folder.",
        hint=f"Write what is to be done with the picture into {prompt}, then move both into the inbox.",
    )


def reference_missing(edit: Named, path: str, why: str) -> Problem:
    """
    Return the problem of a structured sidecar whose reference, a path below the inbox, cannot be used: why.
    """
    name = shown(edit.name)
    return Problem(
        code=JobCode.REFERENCE_INVALID,
        message=f"{name} names {shown(path)} as a reference image, but that {why}.",
        hint=f"Put the picture there or mend its name in {name}, {BACK}",
    )


def image_missing(lone: Named) -> Problem:
    """
    Return the problem of a sidecar that came alone.
    """
    what = _WHAT[lone.kind]
    target = f"{lone.stem}.{lone.target}" if lone.target else f"{lone.stem}.png or {lone.stem}.jpg"
    return Problem(
        code=JobCode.IMAGE_MISSING,
        message=f"{shown(lone.name)} is a {what}, but its image never came.",
        hint=f"Move it back into the inbox together with {shown(target)}.",
    )


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
        hint=f"{hint}, {BACK}",
    )
