"""
A request as a form (`multipart/form-data`): the fields, the bytes around the files, and the exact length.

Written as the official Python client writes it (openai 3.54 on the wire): text fields first and without
a Content-Type, then the pictures, the mask last. A relay that can read that client can read this.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from retouchd.job.model import Request, Scalar, scalar_text
from retouchd.request.envelope import Envelope

_ORDER = (
    "prompt",
    "background",
    "complexity",
    "input_fidelity",
    "model",
    "n",
    "output_compression",
    "output_format",
    "partial_images",
    "quality",
    "response_format",
    "safety_identifier",
    "size",
    "stream",
    "user",
)
"""The order of the official signature; what it does not name follows in the order given."""

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

# WHATWG HTML, "multipart/form-data encoding algorithm": these three would end the quoted name early.
_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    A file in the body: its field, the name it is given there, its type, and its size in bytes.
    """

    field: str
    filename: str
    content_type: str
    size: int


def fields_of(request: Request) -> list[tuple[str, str]]:
    """
    Return the text fields of a request in the order they are sent: only what was set, and the model.

    Integers are decimal, booleans `true` and `false`. Raises ValueError for a request without a prompt:
    such a job has a problem and never gets as far as this.
    """
    if request.prompt is None:
        raise ValueError("a request without a prompt cannot be sent")
    known: dict[str, Scalar] = {
        **request.parameters,
        "prompt": request.prompt,
        "model": request.model,
    }
    names = [name for name in _ORDER if name in known]
    names += [name for name in known if name not in _ORDER]
    return [(name, scalar_text(known[name])) for name in names]


def parts_of(images: Sequence[tuple[str, int]], mask: tuple[str, int] | None) -> list[Part]:
    """
    Return the file parts for pictures and a mask, each given as content type and size in bytes.

    One picture is `image`, several are `image[]`: servers that know a single field refuse a list, relays
    that find both names drop one of them. The names are ours, plain ASCII, with the extension of the type:
    several relays guess the type from the extension and trip over anything else.
    """
    if len(images) == 1:
        ((content_type, size),) = images
        parts = [_part("image", "image", content_type, size)]
    else:
        parts = [
            _part("image[]", f"image-{number}", content_type, size)
            for number, (content_type, size) in enumerate(images, start=1)
        ]
    return parts if mask is None else [*parts, _part("mask", "mask", *mask)]


def encode(fields: Sequence[tuple[str, str]], parts: Sequence[Part], boundary: str) -> Envelope:
    """
    Return the `multipart/form-data` bytes around the files, and the length of the whole body.

    Text is UTF-8; a CRLF within a text is kept. The boundary is the caller's and must not occur in any
    text or file: 128 random bits do not.
    """
    texts = b"".join(_text_part(name, text, boundary) for name, text in fields)
    heads = [_file_head(part, boundary) for part in parts]
    heads[1:] = [b"\r\n" + head for head in heads[1:]]
    end = f"--{boundary}--\r\n".encode()
    if heads:
        heads[0] = texts + heads[0]
        tail = b"\r\n" + end
    else:
        tail = texts + end
    length = sum(map(len, heads)) + sum(part.size for part in parts) + len(tail)
    return Envelope(
        content_type=f"multipart/form-data; boundary={boundary}",
        heads=tuple(heads),
        tail=tail,
        length=length,
    )


def _part(field: str, stem: str, content_type: str, size: int) -> Part:
    extension = _EXTENSIONS.get(content_type, content_type.partition("/")[2])
    filename = f"{stem}.{extension}"
    return Part(field=field, filename=filename, content_type=content_type, size=size)


def _text_part(name: str, text: str, boundary: str) -> bytes:
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_QUOTED)}"\r\n\r\n'
    )
    return f"{head}{text}\r\n".encode()


def _file_head(part: Part, boundary: str) -> bytes:
    name, filename = part.field.translate(_QUOTED), part.filename.translate(_QUOTED)
    disposition = f'form-data; name="{name}"; filename="{filename}"'
    return (
        f"--{boundary}\r\nContent-Disposition: {disposition}\r\n"
        f"Content-Type: {part.content_type}\r\n\r\n"
    ).encode()
