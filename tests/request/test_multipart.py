"""
What goes on the wire, held against what the official client sends.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.job.model import Request, Scalar
from retouchd.request.envelope import Envelope
from retouchd.request.multipart import Part, encode, fields_of, parts_of

CAPTURES = Path(__file__).with_name("captures")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
scalars = st.one_of(texts, st.integers(), st.booleans(), st.floats(allow_nan=False))


class Capture(NamedTuple):
    boundary: str
    body: bytes
    fields: list[tuple[str, str]]
    parts: list[Part]
    files: list[bytes]
    declared: int


def capture(name: str) -> Capture:
    head, body = (CAPTURES / f"{name}.raw").read_bytes().split(b"\r\n\r\n", 1)
    boundary = re.search(rb"boundary=(\w+)", head)
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert boundary is not None
    assert length is not None
    fields, parts, files = [], [], []
    for block in body.split(b"--" + boundary[1])[1:-1]:
        top, content = block.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)
        content = content.removesuffix(b"\r\n")
        field = re.search(rb' name="([^"]*)"', top)
        filename = re.search(rb'filename="([^"]*)"', top)
        assert field is not None
        if filename is None:
            fields.append((field[1].decode(), content.decode()))
            continue
        content_type = top.rpartition(b"Content-Type: ")[2].decode()
        parts.append(
            Part(
                field=field[1].decode(),
                filename=filename[1].decode(),
                content_type=content_type,
                size=len(content),
            )
        )
        files.append(content)
    return Capture(boundary[1].decode(), body, fields, parts, files, int(length[1]))


def assemble(envelope: Envelope, files: list[bytes]) -> bytes:
    pieces = [piece for pair in zip(envelope.heads, files, strict=True) for piece in pair]
    return b"".join([*pieces, envelope.tail])


@pytest.mark.parametrize(
    "name", ["single", "multi", "mask_allparams", "prompt_multiline_quotes", "stream"]
)
def test_body_is_the_official_clients_byte_for_byte(name: str) -> None:
    """
    The same fields and files under the same boundary and file names are the same bytes.
    """
    sent = capture(name)

    envelope = encode(sent.fields, sent.parts, sent.boundary)

    assert assemble(envelope, sent.files) == sent.body
    assert envelope.length == sent.declared


@pytest.mark.parametrize("name", ["single", "multi", "mask_allparams", "stream"])
def test_fields_and_parts_are_chosen_as_the_official_client_chooses_them(name: str) -> None:
    """
    From a request alone come the same fields in the same order, the same part names and types.
    """
    sent = capture(name)
    values: dict[str, Scalar] = {
        key: int(value) if value.isdigit() else value == "true" if key == "stream" else value
        for key, value in reversed(sent.fields)
    }
    prompt, model = str(values.pop("prompt")), str(values.pop("model"))
    request = Request(model=model, prompt=prompt, parameters=values)
    images = [(part.content_type, part.size) for part in sent.parts if part.field != "mask"]
    masks = [(part.content_type, part.size) for part in sent.parts if part.field == "mask"]

    parts = parts_of(images, masks[0] if masks else None)

    assert fields_of(request) == sent.fields
    assert [(part.field, part.content_type) for part in parts] == [
        (part.field, part.content_type) for part in sent.parts
    ]


def test_files_get_names_of_our_own() -> None:
    """
    A part is named after its place and type, never after the person's file.
    """
    several = parts_of([("image/jpeg", 1), ("image/webp", 2)], ("image/png", 3))
    single = parts_of([("image/png", 1)], None)

    assert [part.filename for part in several] == ["image-1.jpg", "image-2.webp", "mask.png"]
    assert [part.field for part in several] == ["image[]", "image[]", "mask"]
    assert [(part.field, part.filename) for part in single] == [("image", "image.png")]


def test_unknown_parameters_follow_in_the_order_given() -> None:
    """
    What the official signature does not name goes last, as it was written down.
    """
    request = Request(model="m", prompt="p", parameters={"zoom": 2, "user": "u", "seed": 7, "n": 1})

    assert [k for k, _ in fields_of(request)] == ["prompt", "model", "n", "user", "zoom", "seed"]


def test_values_are_written_plainly() -> None:
    """
    Integers are decimal, booleans are words, floats keep their point.
    """
    request = Request(model="m", prompt="p", parameters={"a": 80, "b": True, "c": False, "d": 0.5})

    assert [value for _, value in fields_of(request)[2:]] == ["80", "true", "false", "0.5"]


def test_a_request_without_a_prompt_is_not_encoded() -> None:
    """
    No prompt is a fault of the job, never an empty field.
    """
    with pytest.raises(ValueError, match="without a prompt"):
        fields_of(Request(model="m", prompt=None))


def test_a_parameters_name_cannot_leave_its_quotes() -> None:
    """
    A quote or a line break in the name of an unknown field stays within that name.
    """
    envelope = encode([('a"; filename="x\r\nX: y', "v")], [], "b")

    assert b'name="a%22; filename=%22x%0D%0AX: y"\r\n\r\nv\r\n' in envelope.tail
    assert envelope.tail.count(b"\r\n") == 5


@given(
    st.dictionaries(st.text("abcdefgh_", min_size=1), scalars),
    texts,
    st.lists(st.binary(max_size=200), min_size=1, max_size=4),
    st.none() | st.binary(max_size=50),
)
def test_whatever_is_sent_is_what_a_server_reads(
    parameters: dict[str, Scalar], prompt: str, images: list[bytes], mask: bytes | None
) -> None:
    """
    The declared length is the real one, and every field and file comes out as it went in.
    """
    boundary = "0123456789abcdef" * 2
    fields = fields_of(Request(model="m", prompt=prompt, parameters=parameters))
    files = images if mask is None else [*images, mask]
    parts = parts_of(
        [("image/png", len(image)) for image in images],
        None if mask is None else ("image/png", len(mask)),
    )

    envelope = encode(fields, parts, boundary)
    body = assemble(envelope, files)

    blocks = body.split(f"--{boundary}".encode())
    contents = [block.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for block in blocks[1:-1]]
    assert envelope.length == len(body)
    assert contents == [value.encode() for _, value in fields] + files
