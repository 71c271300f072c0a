"""
The request's parts, whichever way they came: text fields in order, and files in temporary storage.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from retouchd.sandbox.refusal import Refusal

BODY_BYTES = 512 * 1024 * 1024
FIELDS = 100
FILES = 40
FIELD_BYTES = 256 * 1024


class Media(StrEnum):
    """
    The two ways a request may be written.
    """

    FORM = "multipart/form-data"
    JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """
    One file of the request; `content_type` is None where the part declares none.

    `param` is what error messages call it: `image`, `image[1]`, `images[1].image_url`.
    """

    field: str
    param: str
    filename: str
    content_type: str | None
    size: int
    sha256: str
    file: BinaryIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """
    The parts of a request, each kind in the order it came.
    """

    media: Media
    fields: tuple[tuple[str, str], ...]
    files: tuple[FilePart, ...]


def media_of(request: Request) -> Media:
    """
    Return how a request says it is written. Raises Refusal for any other way.
    """
    declared = request.headers.get("content-type", "")
    media = declared.partition(";")[0].strip().lower()
    try:
        return Media(media)
    except ValueError:
        raise Refusal(
            f"Unsupported content type: '{media}'. This API method only accepts "
            "'multipart/form-data' or 'application/json' requests, but you specified the header "
            f"'Content-Type: {declared}'. Please try again with a supported content type.",
            code="unsupported_content_type",
        ) from None


@asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[Form]:
    """
    Read a whole multipart request, keeping what is large on disk; the files close with the context.

    Raises Refusal for a malformed body or one beyond the limits, and starlette's ClientDisconnect if
    the client leaves.
    """
    parser = MultiPartParser(
        request.headers,
        capped(request, BODY_BYTES),
        max_files=FILES,
        max_fields=FIELDS,
        max_part_size=FIELD_BYTES,
    )
    try:
        data = await parser.parse()
    except MultiPartException as error:
        raise Refusal(f"Could not parse multipart form: {error.message}") from error
    try:
        yield await asyncio.to_thread(_form, data)
    finally:
        await data.close()


async def capped(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """
    Yield the body in pieces. Raises Refusal (413) where it has, or declares, more than `most` bytes.
    """
    read = 0
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    async for chunk in request.stream():
        read += len(chunk)
        if read > most:
            raise _too_large(most)
        yield chunk


def _too_large(most: int) -> Refusal:
    return Refusal(f"The request body exceeds {most} bytes.", status=413, code="request_too_large")


def _form(data: FormData) -> Form:
    items = data.multi_items()
    files: list[FilePart] = []
    for name, value in items:
        if isinstance(value, UploadFile):
            index = sum(part.field == name for part in files)
            files.append(_part(name, name.replace("[]", f"[{index}]"), value))
    return Form(
        media=Media.FORM,
        fields=tuple((name, value) for name, value in items if isinstance(value, str)),
        files=tuple(files),
    )


def _part(field: str, param: str, upload: UploadFile) -> FilePart:
    digest = hashlib.file_digest(upload.file, "sha256").hexdigest()  # type: ignore[arg-type]
    upload.file.seek(0)
    return FilePart(
        field=field,
        param=param,
        filename=upload.filename or "",
        content_type=upload.content_type,
        size=upload.size or 0,
        sha256=digest,
        file=upload.file,
    )
