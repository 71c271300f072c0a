"""
The request that comes of what holds for a bundle, what its results are to be, and what is wrong with either.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from retouchd.errors import JobCode, Problem
from retouchd.inbox.held import HeldError
from retouchd.inbox.precedence import EffectiveValues, place_of
from retouchd.job.model import CONFIGURATION, Edit, Request, Scalar
from retouchd.job.naming import shown
from retouchd.job.pairing import Bundle
from retouchd.request.fields import PROMPT_PARTS
from retouchd.request.limits import Limits
from retouchd.request.output import PREFIX, output_faults, own_keys, resolved
from retouchd.request.result_name import DEFAULT_NAME
from retouchd.request.validate import request_faults


def edit_of(wishes: EffectiveValues, bundle: Bundle, now: dt.datetime, name: str) -> Edit:
    """
    Return what is asked for, and what its results are to be.
    """
    output = resolved(
        own_keys(wishes.values), has_mask=bool(bundle.masks), has_references=bool(wishes.images)
    )
    if not (output.is_anything or output.review) and output.name == DEFAULT_NAME:
        return Edit(request=request_of(wishes), name=name)
    frozen = output.to_json()
    if output.name != DEFAULT_NAME:
        # The day is that of the claim, wherever and whenever the job goes on.
        frozen["day"] = f"{now.astimezone():%Y-%m-%d}"
    return Edit(request=request_of(wishes), name=name, output=frozen)


def request_of(wishes: EffectiveValues) -> Request:
    """
    Return what is asked for.
    """
    return Request(
        model=str(wishes.values["model"]),
        prompt=_prompt(wishes),
        parameters=_parameters(wishes),
        origin=dict(wishes.origin),
    )


def own_faults(
    wishes: EffectiveValues,
    name: str,
    bundle: Bundle,
    own: set[str],
    limits: Callable[[str], Limits],
) -> Iterator[Problem]:
    """
    Yield what is wrong with what a bundle says itself, in its files `own`, of the edit with that name.

    Raises HeldError for what is wrong with what others say of it.
    """
    model = str(wishes.values["model"])
    for keys, problem in request_faults(
        model,
        _prompt(wishes),
        _parameters(wishes),
        1 + len(wishes.images),
        limits(model),
        has_mask=bool(bundle.masks),
    ):
        if "mask" in keys:  # It lies beside the picture.
            yield problem
            continue
        parts = PROMPT_PARTS if "prompt" in keys else ()
        keys = (*keys, *parts, "model")  # noqa: PLW2901 - all that may be at fault
        origins = {wishes.origin[key] for key in keys if key in wishes.origin}
        if not origins & own:
            where = wishes.origin.get(keys[0], CONFIGURATION)
            place = f"{place_of(where)}{_with(wishes, parts, where)}"
            place = f"{place}: {name}" if name else place
            raise HeldError(f"{place}: {problem.message} {problem.hint}")
        where = next(o for key in keys if (o := wishes.origin.get(key)) in own)
        place = f"{_shown_name(where)}{_with(wishes, parts, where)}"
        yield replace(problem, message=f"{place}: {problem.message}")
    yield from _output_problems(wishes, own, bundle)


def _with(wishes: EffectiveValues, parts: Sequence[str], where: str) -> str:
    """
    Return what other places than that put around a prompt, which is theirs as well; "" where none does.
    """
    origin = wishes.origin
    found = [f"{p} of {place_of(origin[p])}" for p in parts if origin.get(p, where) != where]
    return f", with {' and '.join(found)}" if found else ""


def is_same_request(one: Edit, other: Edit) -> bool:
    """
    Return whether two edits of a picture ask for the same, whatever they are called or made of it.
    """
    first, second = one.request, other.request
    return (first.model, first.prompt, first.parameters) == (
        second.model,
        second.prompt,
        second.parameters,
    )


def twin_faults(edit: Edit, twin: Edit, origin: str, own: AbstractSet[str]) -> Iterator[Problem]:
    """
    Yield what is wrong with an edit that asks for the same as another one of a list in a bundle's own file.

    Raises HeldError where the list is somebody else's.
    """
    message = f"It asks for the same as {twin.name}, which would be paid for twice."
    hint = "For several results of one edit write n; else change one of the two or take one away."
    if origin not in own:
        raise HeldError(f"{place_of(origin)}: {edit.name}: {message} {hint}")
    message = f"{_shown_name(origin)}: {message}"
    yield Problem(code=JobCode.PARAMETER_INVALID, message=message, hint=hint)


def further_faults(
    wishes: EffectiveValues, path: str, limits: Callable[[str], Limits]
) -> Iterator[Problem]:
    """
    Yield what else is wrong with the parameters of the sidecar with that path, of which something is: who
    corrects it is to hear of all at once.
    """
    model = str(wishes.values["model"])
    for keys, problem in request_faults(
        model, _prompt(wishes), _parameters(wishes), 1, limits(model)
    ):
        if any(wishes.origin.get(key) == path for key in keys):
            yield replace(problem, message=f"{_shown_name(path)}: {problem.message}")


def _output_problems(
    wishes: EffectiveValues, own: AbstractSet[str], bundle: Bundle
) -> Iterator[Problem]:
    """
    Yield what the bundle's own sidecar asks of its results that cannot be.
    """
    said = {key: value for key, value in wishes.values.items() if wishes.origin[key] in own}
    has_references = bool(wishes.images)
    for words in output_faults(
        own_keys(said), has_mask=bool(bundle.masks), has_references=has_references
    ):
        where = next(wishes.origin[key] for key in said if key.startswith(PREFIX))
        message, _, hint = words.partition(". ")
        yield Problem(
            code=JobCode.PARAMETER_INVALID, message=f"{_shown_name(where)}: {message}.", hint=hint
        )


def _prompt(wishes: EffectiveValues) -> str | None:
    return str(wishes.values["prompt"]) if "prompt" in wishes.values else None


def _parameters(wishes: EffectiveValues) -> dict[str, Scalar]:
    beside = ("model", "prompt", *PROMPT_PARTS)
    return {
        key: value
        for key, value in wishes.values.items()
        if key not in beside and not key.startswith(PREFIX)
    }


def _shown_name(path: str) -> str:
    return shown(path.rpartition("/")[2])
