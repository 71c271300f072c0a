"""
The answer to one edit request, made in a thread: checked, painted, billed, and spoilt on demand.
"""

import json
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp

from retouchd.sandbox.answers import answer_body
from retouchd.sandbox.checks import Edit, check
from retouchd.sandbox.faults import Fault, FaultKind
from retouchd.sandbox.form import Form
from retouchd.sandbox.paint import Painted, paint
from retouchd.sandbox.scripted import scripted_answer
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.sizes import picked_size
from retouchd.sandbox.wire import closed, stalled, truncated
from retouchd.sandbox.words import Wish, wish_of


def make_answer(
    form: Form, fault: Fault | None, *, seen: Seen, link: Callable[[bytes, str], str]
) -> ASGIApp:
    """
    Return the answer to a request that meets that fault, and note in `seen` what it is charged.

    `link` makes a picture in that format available and returns its URL. Raises Refusal.
    """
    scripted = None if fault is None else scripted_answer(fault)
    if fault is not None and scripted is not None and not fault.charged:
        return scripted
    edit = check(form)
    wish = wish_of(edit.prompt)
    painted = _painted(edit, wish)
    seen.charged = True
    return scripted or _spoilt(edit, painted, wish, fault, link)


def _spoilt(
    edit: Edit,
    painted: Painted,
    wish: Wish,
    fault: Fault | None,
    link: Callable[[bytes, str], str],
) -> ASGIApp:
    kind = None if fault is None else fault.kind
    content = answer_body(
        edit,
        painted,
        kind=kind,
        done=str(wish),
        link=lambda picture: link(picture, edit.output_format),
    )
    body = json.dumps(content).encode()
    match kind:
        case FaultKind.DROP_READ:
            return closed
        case FaultKind.STALL:
            return stalled
        case FaultKind.TRUNCATE:
            return truncated(body, None if fault is None else fault.cut)
        case _:
            return Response(body, media_type="application/json")


def _painted(edit: Edit, wish: Wish) -> Painted:
    mask = edit.uploads.mask
    return paint(
        [part.file for part in edit.uploads.images],
        None if mask is None else mask.file,
        wish,
        canvas=lambda width, height: edit.size or picked_size(edit.model, width, height),
        n=edit.n,
        background=edit.background,
        output_format=edit.output_format,
        compression=edit.output_compression,
    )
