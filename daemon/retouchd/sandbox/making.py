"""
The answer to one edit request, made in a thread: checked, painted, billed, and spoilt on demand.
"""

import dataclasses
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp

from retouchd.disk import durable
from retouchd.sandbox.answers import Result, answer_body
from retouchd.sandbox.checks import Edit
from retouchd.sandbox.faults import Fault, FaultKind, Hit
from retouchd.sandbox.form import Form
from retouchd.sandbox.limiting import Meter
from retouchd.sandbox.models import Manner
from retouchd.sandbox.painting.paint import Output, Painted, Scene, paint
from retouchd.sandbox.scripted import scripted_answer
from retouchd.sandbox.seen import Seen
from retouchd.sandbox.sizes import picked_size
from retouchd.sandbox.styles import Dialect
from retouchd.sandbox.wire import Body, closed, dripping, dropped, mismeasured, stalled, truncated
from retouchd.sandbox.words import Wish, wish_of

# Each holds several large pictures at once; the threads that only check may be many.
_PAINTERS = threading.BoundedSemaphore(os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """
    What making an answer needs besides the request.

    `link` makes a picture in a format available and returns its URL; `folder` is where a copy of
    each result is kept (None: nowhere).
    """

    manner: Manner
    dialect: Dialect
    meter: Meter
    link: Callable[[bytes, str], str]
    folder: Path | None

    def answer(self, form: Form, hit: Hit, seen: Seen) -> ASGIApp:
        """
        Return the answer to a request that meets these faults, and note in `seen` what it is charged.

        Raises Refusal.
        """
        limits = self._metered(form, hit)
        scripted = None if hit.fault is None else scripted_answer(hit.fault, self.dialect)
        if hit.fault is not None and scripted is not None and not hit.fault.charged:
            return scripted
        edit = self.dialect.check(form, self.manner)
        wish = wish_of(edit.prompt, references=len(edit.uploads.images) - 1)
        with _PAINTERS:
            painted = _painted(edit, wish)
        seen.charged, seen.done = True, str(wish)
        seen.kept = self._kept(painted, edit.output_format)
        if scripted is not None:
            return scripted
        result = Result(edit=edit, painted=painted, done=str(wish))
        body = answer_body(
            result,
            _shape(hit.fault),
            lambda picture: self.link(picture, edit.output_format),
            self.dialect.document,
        )
        return _sent(dataclasses.replace(body, headers=limits), hit.fault)

    def _metered(self, form: Form, hit: Hit) -> dict[str, str]:
        images = sum(part.field in {"image", "image[]"} for part in form.files)
        model = dict(form.fields).get("model", "the model")
        headers: dict[str, str] = {}
        for limit in hit.limits:
            headers |= self.meter.take(max(1, images), limit.images, model)
        return headers

    def _kept(self, painted: Painted, output_format: str) -> tuple[str, ...]:
        if self.folder is None:
            return ()
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        names = [
            f"{stem}-{number}.{output_format}" for number in range(1, len(painted.pictures) + 1)
        ]
        for name, picture in zip(names, painted.pictures, strict=True):
            durable.write(self.folder / name, picture)
        return tuple(names)


_WAYS: dict[FaultKind, Callable[[Body, Fault], ASGIApp]] = {
    FaultKind.DROP_READ: lambda _body, _fault: closed,
    FaultKind.DROP_ANSWER: lambda body, fault: dropped(body, fault.cut),
    FaultKind.STALL: lambda _body, _fault: stalled,
    FaultKind.TRUNCATE: lambda body, fault: truncated(body, fault.cut),
    FaultKind.LENGTH: lambda body, fault: mismeasured(body, fault.cut),
    FaultKind.DRIP: lambda body, fault: dripping(body, fault.seconds),
}
"""Faults of the way, not of the answer itself."""


def _shape(fault: Fault | None) -> FaultKind | None:
    return None if fault is None or fault.kind in _WAYS else fault.kind


def _sent(body: Body, fault: Fault | None) -> ASGIApp:
    if fault is None:
        return body
    if fault.kind in _WAYS:
        return _WAYS[fault.kind](body, fault)
    return dataclasses.replace(body, status=fault.status or 200)


def _painted(edit: Edit, wish: Wish) -> Painted:
    uploads = edit.uploads
    scene = Scene(
        images=[part.file for part in uploads.images],
        mask=None if uploads.mask is None else uploads.mask.file,
        markup=None if uploads.markup is None else uploads.markup.file,
    )
    output = Output(
        canvas=lambda width, height: edit.size or picked_size(edit.model, width, height),
        n=edit.n,
        background=edit.background,
        format=edit.output_format,
        compression=edit.output_compression,
        partials=edit.partial_images or 0,
    )
    return paint(scene, wish, output)
