"""
What would be asked, as `retouchd check` shows it: for one picture of each folder the request's line and
headers, what is sent of it, what it may cost and what comes of it. Nothing is sent, and nothing is paid.
"""

from collections.abc import Iterator

from retouchd.cli.dry_run import as_sent
from retouchd.clock import SystemClock
from retouchd.config.settings import Settings
from retouchd.disk.calls import Folder, at
from retouchd.endpoint.addresses import without_password
from retouchd.endpoint.written import shown_headers, write
from retouchd.job.model import Request
from retouchd.job.naming import shown
from retouchd.job.text import dollars
from retouchd.request.json_body import Measured
from retouchd.status.rehearsal import Planned, Sent
from retouchd.status.rehearse import Rehearser

_FOLDERS = 5
"""Of more, nobody reads."""
_MADE_UP = 1_000_000
"""Bytes of a photo that is not there."""


def request_lines(settings: Settings) -> Iterator[str]:
    """
    Yield what would be asked for one picture of each folder, or for any where the inbox is empty. Blocking.
    """
    with at(Folder.INBOX):
        found = list(Rehearser(settings, SystemClock()).examples(_FOLDERS))
    if not found:
        yield "No picture in the inbox is ready to be sent; one of 1 MB would be asked for so:"
        yield from _head(settings, _made_up(settings), [("image/jpeg", _MADE_UP)], None)
        return
    yield "One picture of each folder would be asked for so; nothing was sent:"
    for each in found:
        yield ""
        yield from _of(settings, each)


def _of(settings: Settings, planned: Planned) -> Iterator[str]:
    yield f"{shown(planned.image.path)} ({as_sent(planned.image)})"
    if planned.mask:
        yield f"  with mask {shown(planned.mask.path)} ({as_sent(planned.mask)})"
    for each in planned.references:
        yield f"  with {shown(each.path)} ({as_sent(each)})"
    pictures = (planned.image, *planned.references)
    images = [_measured(each) for each in pictures]
    mask = _measured(planned.mask) if planned.mask else None
    is_made = any(not each.sent.size_bytes for each in (*pictures, planned.mask) if each)
    yield from _head(settings, planned.job.request, images, mask, is_made=is_made)
    price = "price unknown" if planned.usd is None else f"at most {dollars(planned.usd)}"
    results = ", ".join(f"{planned.place}/{shown(name)}" for name in planned.results)
    yield f"  → {results}, {price}"


def _head(
    settings: Settings,
    request: Request,
    images: list[Measured],
    mask: Measured | None,
    *,
    is_made: bool = False,
) -> Iterator[str]:
    """
    Yield the request's line and its headers; its length is that of what the headers of the pictures tell, and
    of one that `is_made` from another nothing tells it.
    """
    endpoint = settings.endpoint
    written = write(endpoint, request, images=images, mask=mask, key="<the job's id>")
    yield f"  POST {without_password(written.url)}"
    yield f"  host: {shown(written.host)}"
    for name, value in sorted(shown_headers(endpoint, written.headers).items()):
        if name == "content-length":
            # What is cut or made fit is known once it is done.
            value = "known once it is made" if is_made else f"about {value}"  # noqa: PLW2901
        yield f"  {name}: {shown(value)}"
    name = endpoint.named(request.model)
    if name != request.model:
        yield f"  model: {shown(name)}, which is {shown(request.model)} (endpoint.models)"


def _measured(picture: Sent) -> Measured:
    kind = {"mpo": "jpeg"}.get(picture.sent.format, picture.sent.format)
    return f"image/{kind}", picture.sent.size_bytes or picture.found.size_bytes


def _made_up(settings: Settings) -> Request:
    edit = settings.edit
    return Request(model=edit.model, prompt=edit.prompt or "…", parameters=edit.parameters)
