"""
The multipart request: its text fields in order, and its files in temporary storage.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from retouchd.sandbox.refusal import Refusal

BODY_BYTES = 512 * 1024 * 1024
FIELDS = 100
FILES = 40
FIELD_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """
    One file of the request; `content_type` is None where the part declares none.
    """

    field: str
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

    fields: tuple[tuple[str, str], ...]
    files: tuple[FilePart, ...]


@asynccontextmanager
async def read_form(request: Request) -> AsyncIterator[Form]:
    """
    Read the whole request, keeping what is large on disk; the files close with the context.

    Raises Refusal for anything but a well-formed multipart body within the limits, and
    starlette's ClientDisconnect if the client leaves.
    """
    media, _, _ = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != "multipart/form-data":
        raise Refusal(
            f"Unsupported content type: '{media}'. This API method only accepts "
            "'multipart/form-data' requests.",
            code="unsupported_content_type",
        )
    parser = MultiPartParser(
        request.headers,
        _capped(request),
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


async def _capped(request: Request) -> AsyncGenerator[bytes, None]:
    read = 0
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > BODY_BYTES:
        raise _too_large()
    async for chunk in request.stream():
        read += len(chunk)
        if read > BODY_BYTES:
            raise _too_large()
        yield chunk


def _too_large() -> Refusal:
    return Refusal(
        f"The request body exceeds {BODY_BYTES} bytes.", status=413, code="request_too_large"
    )


def _form(data: FormData) -> Form:
    items = data.multi_items()
    return Form(
        fields=tuple((name, value) for name, value in items if isinstance(value, str)),
        files=tuple(_part(name, value) for name, value in items if isinstance(value, UploadFile)),
    )


def _part(field: str, upload: UploadFile) -> FilePart:
    digest = hashlib.file_digest(upload.file, "sha256").hexdigest()  # type: ignore[arg-type]
    upload.file.seek(0)
    return FilePart(
        field=field,
        filename=upload.filename or "",
        content_type=upload.content_type,
        size=upload.size or 0,
        sha256=digest,
        file=upload.file,
    )
