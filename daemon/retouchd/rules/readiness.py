"""
Whether a bundle may be claimed: all of it settled together, with a prompt from somewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from retouchd.errors import JobCode, Problem
from retouchd.rules.names import FOLDER_PROMPT, Kind, Named, parse
from retouchd.rules.naming import shown
from retouchd.rules.pairing import Bundle
from retouchd.rules.settling import Patience, Sight, settled_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """
    The bundle may be claimed; with a problem it goes to `error/`. `since` is when it settled.
    """

    since: float
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """
    Something of the bundle still changes: look again at that moment.
    """

    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """
    Something is missing, and only somebody else can bring it; `at` is when patience ends, None for never.
    """

    at: float | None
    reason: str


State: TypeAlias = Ready | Unsettled | Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """
    What a bundle inherits: the sight of the nearest `_prompt.txt`, and whether the configuration has a prompt.
    """

    folder_prompt: Sight | None = None
    has_default: bool = False


def readiness(
    bundle: Bundle,
    sights: Mapping[str, Sight],
    surroundings: Surroundings,
    patience: Patience,
    now: float,
) -> State:
    """
    Return what becomes of a bundle at this moment of the monotonic clock.
    """
    quiet = max(sights[named.name].quiet_since for named in bundle.files) + patience.settle_seconds
    for named in bundle.files:
        if sights[named.name].signature.size == 0:
            reason = f"{shown(named.name)} is empty: it has not arrived yet"
            return _patiently(quiet, reason, partial(_empty, named), patience, now)
    settled = max(settled_at(sights[n.name], patience) or quiet for n in bundle.files)
    if now < settled:
        return Unsettled(at=settled, reason="still changing")
    if bundle.fault is not None:
        return Ready(since=settled, problem=bundle.fault)
    if not bundle.images:
        lone = bundle.files[0]
        reason = "waits for its image"
        return _patiently(settled, reason, partial(_image_missing, lone), patience, now)
    if bundle.prompts:
        return Ready(since=settled)
    return _inherited(bundle, settled, surroundings, patience, now)


def _inherited(
    bundle: Bundle, settled: float, surroundings: Surroundings, patience: Patience, now: float
) -> State:
    if surroundings.folder_prompt is not None:
        folder_settled = settled_at(surroundings.folder_prompt, patience)
        if folder_settled is None:
            return Waiting(at=None, reason=f"the {FOLDER_PROMPT} of its folder is empty")
        if now < folder_settled:
            return Unsettled(
                at=folder_settled, reason=f"the {FOLDER_PROMPT} of its folder still changes"
            )
        return Ready(since=max(settled, folder_settled))
    if surroundings.has_default:
        return Ready(since=settled)
    image = bundle.images[0]
    reason = f"waits for its prompt, {_prompt_name(image)}"
    return _patiently(settled, reason, partial(_prompt_missing, image), patience, now)


def _patiently(
    since: float, reason: str, problem: Callable[[], Problem], patience: Patience, now: float
) -> State:
    if not patience.orphan_seconds:
        return Waiting(at=None, reason=reason)
    end = since + patience.orphan_seconds
    if now < end:
        return Waiting(at=end, reason=reason)
    return Ready(since=since, problem=problem())


def _prompt_name(image: Named) -> str:
    """
    Return the name that a prompt of this image needs: the short one, unless it means something else.
    """
    short = parse(f"{image.stem}.txt")
    is_its = short.kind is Kind.PROMPT and short.target is None
    return shown(short.name if is_its else f"{image.name}.txt")


def _prompt_missing(image: Named) -> Problem:
    prompt = _prompt_name(image)
    return Problem(
        code=JobCode.PROMPT_MISSING,
        message=f"{shown(image.name)} came without a prompt: there was no {prompt} beside it and "
        f"no {FOLDER_PROMPT} in its folder.",
        hint=f"Write what is to be done with the picture into {prompt}, then move both into the inbox.",
    )


def _image_missing(lone: Named) -> Problem:
    what = "mask" if lone.kind is Kind.MASK else "prompt"
    target = f"{lone.stem}.{lone.target}" if lone.target else f"{lone.stem}.png or {lone.stem}.jpg"
    return Problem(
        code=JobCode.IMAGE_MISSING,
        message=f"{shown(lone.name)} is a {what}, but its image never came.",
        hint=f"Move it back into the inbox together with {shown(target)}.",
    )


def _empty(named: Named) -> Problem:
    name = shown(named.name)
    match named.kind:
        case Kind.PROMPT:
            code, hint = JobCode.PROMPT_EMPTY, f"Write what is to be done into {name}"
        case Kind.MASK:
            code, hint = JobCode.MASK_INVALID, f"Save {name} anew, or leave it out"
        case _:
            code, hint = JobCode.IMAGE_UNREADABLE, f"Export or copy {name} again"
    return Problem(
        code=code,
        message=f"{name} is empty: it has 0 bytes.",
        hint=f"{hint}, then move the files back into the inbox.",
    )
