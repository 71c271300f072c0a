"""
What came of a request other than asked for: no failure, as it is paid for, but nobody is to find out late.

Relays drop parameters without a word (LiteLLM drops `output_format`, others `n` and `size`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retouchd.job.model import Request
from retouchd.money.pricing import pictures_asked
from retouchd.request.sizes import edges_of

_CALLED = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "webp": "WebP",
    "gif": "GIF",
    "avif": "AVIF",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """
    A picture that came: the extension that its bytes call for, and what reads its width and height in pixels,
    None where they cannot be told.
    """

    extension: str
    edges: Callable[[], tuple[int, int] | None]


def warnings_of(request: Request, received: Sequence[Received]) -> tuple[str, ...]:
    """
    Return a sentence for whatever came other than asked for: fewer pictures, another format, another size.

    What was left to the model, by `auto` or by not being set, is never other than asked for.
    """
    found = (
        _of_count(request, received),
        _of_format(request, received),
        _of_size(request, received),
    )
    return tuple(each for each in found if each)


def _of_count(request: Request, received: Sequence[Received]) -> str:
    asked, came = pictures_asked(request), len(received)
    if came >= asked:
        return ""
    return f"{asked} pictures were asked for (n = {asked}), and {came} came."


def _of_format(request: Request, received: Sequence[Received]) -> str:
    asked = _called(request.parameters.get("output_format"))
    kinds = [_called(each.extension) for each in received]
    if not asked or all(kind == asked for kind in kinds):
        return ""
    return f"{asked} was asked for (output_format), and {_told(kinds, asked)} came."


def _of_size(request: Request, received: Sequence[Received]) -> str:
    asked = edges_of(str(request.parameters.get("size", "")))
    if asked is None:
        return ""
    wanted = _measured(asked)
    sizes = [_measured(edges) for each in received if (edges := each.edges())]
    if all(size == wanted for size in sizes):
        return ""
    return f"{wanted} pixels were asked for (size), and {_told(sizes, wanted)} came."


def _told(values: Sequence[str], asked: str) -> str:
    """
    Return what came instead, and of how many pictures where it was not all of them.
    """
    others = [value for value in values if value != asked]
    names = " and ".join(dict.fromkeys(others))
    return names if len(others) == len(values) else f"for {len(others)} of {len(values)} {names}"


def _called(value: object) -> str:
    return _CALLED.get(str(value).lower(), str(value).upper()) if value else ""


def _measured(edges: tuple[int, int]) -> str:
    return f"{edges[0]}×{edges[1]}"
