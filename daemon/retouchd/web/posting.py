"""
A post as it comes: the multipart form, and the group of files that it becomes in the inbox.

What is larger than a megabyte lies in a file without a name in the work folder meanwhile: `/tmp` is memory in a
container, and on many a machine.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from retouchd.config import EditSection
from retouchd.config.settings import Settings
from retouchd.inbox.safe_drop import Piece
from retouchd.job.filetypes import EXTENSIONS, SNIFF_BYTES, called, kind_by, sniff
from retouchd.job.naming import shown
from retouchd.request.edit_reader import read_edit
from retouchd.request.output import output_faults
from retouchd.request.overrides import nearest
from retouchd.request.sidecar_tree import settings_in, table
from retouchd.request.text_encoding import MAX_PROMPT_BYTES
from retouchd.request.validate import check_request
from retouchd.tasks import in_own_thread

_FILES, _FIELDS = 18, 60
_FIELD_BYTES = MAX_PROMPT_BYTES
_OWN_FIELDS = frozenset({"prompt", "folder", "again", "wait"})
_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_NAME_SIGNS = 100
_MARK = b"# retouchd post "


class PostRefused(Exception):
    """
    A post cannot be taken: the status, a code, and a sentence on each fault.
    """

    def __init__(self, status: int, code: str, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """
    A post: its picture with its extension, a mask, references, text fields, and a digest of all of it.
    """

    image: UploadFile
    extension: str
    mask: UploadFile | None
    references: Sequence[tuple[UploadFile, str]]
    fields: Mapping[str, str]
    digest: str

    @property
    def folder(self) -> str:
        """
        Return the sub-folder of the inbox that was asked for.
        """
        return self.fields.get("folder", "").strip("/")

    @property
    def prompt(self) -> str | None:
        """
        Return the prompt, None where the folder's is meant.
        """
        return self.fields.get("prompt", "").strip() or None

    @property
    def wants_again(self) -> bool:
        """
        Return whether it is to be edited, and charged, though the same was done before. Raises PostRefused.
        """
        said = self.fields.get("again", "false").lower()
        if said not in _YES | _NO:
            raise PostRefused(
                400, "parameter_invalid", f"again is {shown(said)}, not true or false."
            )
        return said in _YES

    @property
    def seconds_to_wait(self) -> float | None:
        """
        Return how long a form asks to be waited for, None where it does not. Raises PostRefused.
        """
        said = self.fields.get("wait")
        if said is not None and not re.fullmatch("[0-9]{1,6}", said):
            raise PostRefused(
                400, "parameter_invalid", f"wait is {shown(said)}, not a number of seconds."
            )
        return None if said is None else float(said)


@contextlib.asynccontextmanager
async def read_post(request: Request, most_bytes: int, folder: Path) -> AsyncIterator[Post]:
    """
    Read a whole post by way of a folder; its files close with the context. Raises PostRefused, and starlette's
    ClientDisconnect.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "multipart/form-data":
        raise PostRefused(415, "unsupported_media_type", "Send the picture as multipart/form-data.")
    parser = _Parser(request.headers, _capped(request, most_bytes), folder)
    try:
        data = await parser.parse()
    except (MultiPartException, UnicodeDecodeError) as error:
        words = error.message if isinstance(error, MultiPartException) else "it is not UTF-8"
        raise PostRefused(
            400, "malformed", f"The form cannot be read: {words.rstrip('.')}."
        ) from error
    except TimeoutError:  # Which is an OSError as well: nothing came for too long.
        raise
    except OSError as error:
        words = f"What is sent finds no room in {shown(str(folder))}: {error.strerror}."
        raise PostRefused(507, "no_space", words) from error
    try:
        yield await in_own_thread(lambda: _post_of(data))
    finally:
        await data.close()


class _Parser(MultiPartParser):
    """
    starlette's, with its files in a folder of our choice.
    """

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], folder: Path) -> None:
        super().__init__(
            headers, stream, max_files=_FILES, max_fields=_FIELDS, max_part_size=_FIELD_BYTES
        )
        self._folder = folder

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if (upload := self._current_part.file) is not None:
            file = SpooledTemporaryFile(  # noqa: SIM115 - closed with the form, or by the parser
                max_size=self.spool_max_size, dir=os.fspath(self._folder)
            )
            self._files_to_close_on_error.append(file)
            upload.file.close()
            upload.file = file  # type: ignore[assignment]


async def _capped(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    read = 0
    async for chunk in request.stream():
        read += len(chunk)
        if read > most:
            raise too_large(most)
        yield chunk


def too_large(most: int) -> PostRefused:
    """
    Return the refusal of a post that has more bytes than it may.
    """
    return PostRefused(
        413, "too_large", f"A post may have {most / 1e6:.0f} MB at most (web.max_upload_mb)."
    )


def _post_of(data: FormData) -> Post:
    files: dict[str, list[UploadFile]] = {}
    fields: dict[str, str] = {}
    for name, value in data.multi_items():
        key = name.removesuffix("[]")
        if isinstance(value, UploadFile):
            if value.size:  # A browser sends an empty file where none was chosen.
                files.setdefault(key, []).append(value)
        elif key in fields:
            raise PostRefused(400, "parameter_invalid", f"{shown(key)} is there twice.")
        elif value:  # Nor does a form leave a field out that nobody filled in.
            fields[key] = value
    unknown = [key for key in files if key not in {"image", "mask", "reference"}]
    if unknown:
        raise PostRefused(
            400,
            "parameter_invalid",
            f"{shown(unknown[0])} is no file that is known: image, mask, reference.",
        )
    images, masks = files.get("image", []), files.get("mask", [])
    if len(images) != 1 or len(masks) > 1:
        raise PostRefused(
            400,
            "image_missing" if not images else "parameter_invalid",
            "Send one file as image and at most one as mask; further pictures are references (reference).",
        )
    references = [(each, _extension_of(each)) for each in files.get("reference", [])]
    return Post(
        image=images[0],
        extension=_extension_of(images[0]),
        mask=masks[0] if masks else None,
        references=references,
        fields=fields,
        digest=_digest(files, fields),
    )


def _extension_of(upload: UploadFile) -> str:
    """
    Return the extension that a picture's bytes ask for. Raises PostRefused for what is none.
    """
    head = upload.file.read(SNIFF_BYTES)
    upload.file.seek(0)
    name = upload.filename or ""
    kind = kind_by(name, sniff(head))
    if kind not in EXTENSIONS:
        what = f"is {called(kind)}" if kind else "is no picture"
        raise PostRefused(
            415, "image_unsupported", f"{shown(name) or 'The file'} {what}: send PNG, JPEG or WebP."
        )
    return EXTENSIONS[kind]


def _digest(files: Mapping[str, Sequence[UploadFile]], fields: Mapping[str, str]) -> str:
    """
    Return what tells this post from another: pictures and what is asked, not how it is waited for.
    """
    known = []
    for key, uploads in sorted(files.items()):
        for upload in uploads:
            upload.file.seek(0)
            digest = hashlib.file_digest(upload.file, "sha256")  # type: ignore[arg-type]
            known.append((key, digest.hexdigest()))
            upload.file.seek(0)
    asked = sorted((key, value) for key, value in fields.items() if key not in {"wait", "again"})
    return hashlib.sha256(json.dumps([known, asked]).encode()).hexdigest()


def parameters_of(post: Post, settings: Settings) -> dict[str, Any]:
    """
    Return the parameters of a post, by the rules of `[edit]` and of the model. Raises PostRefused.
    """
    words = [f"{key}={value}" for key, value in post.fields.items() if key not in _OWN_FIELDS]
    asked, problems = settings_in(words)
    output = asked.pop("output", {})
    problems += _output_problems(output, post)
    problems = [each.replace("--set ", "") for each in problems]
    try:
        section = EditSection(**asked)
    except ValidationError as error:
        faults = [
            _fault(".".join(map(str, each["loc"])), each["type"], each["msg"])
            for each in error.errors()
        ]
        raise PostRefused(400, "parameter_invalid", *problems, *faults) from error
    model = section.model if "model" in asked else settings.edit.model
    parameters = {**settings.edit.parameters, **section.parameters()}
    found = check_request(model, post.prompt, parameters, settings.limits(model))
    problems += [f"{each.message} {each.hint}" for each in found]
    if problems:
        raise PostRefused(400, "parameter_invalid", *problems)
    return section.model_dump(include=set(asked)) | ({"output": output} if output else {})


def _output_problems(output: Mapping[str, Any], post: Post) -> list[str]:
    """
    Return what is wrong with the fields `output.…` of a post, by the rules of a sidecar.
    """
    found = read_edit({"output": dict(output)}) if output else []
    if isinstance(found, list):
        return found
    has_references = bool(post.references)
    return output_faults(output, has_mask=post.mask is not None, has_references=has_references)


def _fault(key: str, kind: str, message: str) -> str:
    if kind != "extra_forbidden":
        return f"{shown(key)}: {message.rstrip('.')}."
    near = nearest(key, EditSection.model_fields, likeness=0.6)
    meant = f"; did you mean {near}?" if near else "."
    return f"{shown(key)} is not a known parameter{meant}"


def pieces_of(post: Post, stem: str, values: Mapping[str, Any]) -> list[Piece]:
    """
    Return the files that a post becomes, the image last; references lie in a folder of their own.
    """
    own = {key: value for key, value in values.items() if key not in ("extra", "output")}
    if post.references:
        own["images"] = [f"{folder_of_references(stem)}/{name}" for name in reference_names(post)]
    head = _MARK + f"{post.digest}\n".encode()
    # `output.name` may use it, and prompts of folders.
    upload = (post.image.filename or "").rpartition("/")[2].rpartition(".")[0][:_NAME_SIGNS]
    tables = {key: values.get(key, {}) for key in ("extra", "output")}
    tables["vars"] = {"upload": upload} if upload else {}
    pieces = []
    if post.prompt is not None:
        pieces.append(Piece(suffix=".txt", source=post.prompt.encode()))
    if post.mask is not None:
        pieces.append(Piece(suffix=".mask.png", source=source_of(post.mask)))
    pieces.append(Piece(suffix=".toml", source=head + _table(own, tables)))
    pieces.append(Piece(suffix=f".{post.extension}", source=source_of(post.image)))
    return pieces


def _table(values: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> bytes:
    images = values.get("images")
    plain = {key: value for key, value in values.items() if key != "images"}
    head = f"images = {json.dumps(images)}\n".encode() if images else b""
    return head + table(plain, **tables)


def folder_of_references(stem: str) -> str:
    """
    Return the name of the folder in which the references of a post lie until its job is over.
    """
    return f"_{stem}"


def reference_names(post: Post) -> list[str]:
    """
    Return the names of a post's references.
    """
    return [f"{number}.{extension}" for number, (_, extension) in enumerate(post.references, 1)]


def source_of(upload: UploadFile) -> Path | bytes:
    """
    Return an upload as something to copy from: its bytes, or the temporary file, which has no name.
    """
    file: Any = upload.file
    if getattr(file, "_rolled", False):
        return Path(f"/proc/self/fd/{file.fileno()}")
    file.seek(0)
    data: bytes = file.read()
    return data


def digest_in(sidecar: bytes) -> str | None:
    """
    Return the digest of the post that a sidecar was made for, None where it was made for none.
    """
    line = sidecar.partition(b"\n")[0]
    found = re.fullmatch(re.escape(_MARK) + rb"([0-9a-f]{64})", line)
    return found[1].decode() if found else None
