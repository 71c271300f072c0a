"""
An answer without its bulk says the same as the whole one, and stays small whatever it is made of.
"""

import base64
import binascii
import gzip
import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from retouchd.answer import stored_answer
from retouchd.answer.answer_json import BLOCK, MOST_BYTES, read_large_body
from retouchd.answer.body import AnswerFault, Inline, read_answer
from retouchd.answer.stored_answer import is_plain
from retouchd.endpoint.api_key import Secrets

LIMIT = 1 << 26

PICTURES = [b"\x89PNG" + os.urandom(size) for size in (0, 10, BLOCK, 100_001, 3_000_002)]

Write = Callable[[str], str]
WRITINGS: dict[str, Write] = {
    "plain": json.dumps,
    "slashes escaped": lambda text: json.dumps(text).replace("/", r"\/"),
    "plus signs escaped": lambda text: json.dumps(text).replace("+", r"\u002B"),
    "both escaped": lambda text: json.dumps(text).replace("/", r"\/").replace("+", r"\u002b"),
    "in lines": lambda text: json.dumps(
        "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    ),
    "for URLs": lambda text: json.dumps(text.translate(str.maketrans("+/", "-_")).rstrip("=")),
    "as a data URI": lambda text: json.dumps(f"data:image/png;base64,{text}"),
}


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def kept(tmp_path: Path, body: bytes, **headers: str) -> Path:
    path = tmp_path / "attempt-1-1.response"
    path.write_bytes(json.dumps({"status": 200, "headers": headers}).encode() + b"\n" + body)
    return path


def read_back(path: Path) -> list[bytes]:
    """
    Every picture of a kept answer, as the judge reads it.
    """
    with stored_answer.opened(path, limit=LIMIT, hidden=Secrets([])) as answer:
        found = read_answer(answer.large_body.body).pictures
        return [b"".join(answer.picture(each.data)) for each in found if isinstance(each, Inline)]


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
@pytest.mark.parametrize("is_packed", [False, True], ids=["as it is", "gzip"])
def test_every_picture_is_read_back(tmp_path: Path, write: Write, *, is_packed: bool) -> None:
    """
    However base64 is written down, at whatever place of the answer, and compressed or not.
    """
    texts = ", ".join(
        f'{{"b64_json": {write(base64.b64encode(each).decode())}}}' for each in PICTURES
    )
    body = f'{{"created": 1, "data": [{texts}], "usage": {{"total_tokens": 7}}}}'.encode()

    if is_packed:
        path = kept(tmp_path, gzip.compress(body, 1), **{"content-encoding": "gzip"})
    else:
        path = kept(tmp_path, body)

    assert read_back(path) == PICTURES


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 4, 5, 6, 7, BLOCK - 1])
def test_no_escape_is_cut_in_two(tmp_path: Path, offset: int) -> None:
    """
    An escape may stand at any place, also where a block of the reading ends.
    """
    picture = b"\x89PNG" + random.Random(offset).randbytes(60_002)
    text = base64.b64encode(picture).decode()
    text = "".join(rf"\u{ord(sign):04X}" if at % 97 == 0 else sign for at, sign in enumerate(text))
    body = b" " * offset + f'{{"data":[{{"b64_json":"{text}"}}]}}'.encode()

    assert [picture] == read_back(kept(tmp_path, body))


@pytest.mark.parametrize("size", [1, 7, BLOCK, 1 << 20])
def test_pieces_may_have_any_size(size: int) -> None:
    """
    What comes in other pieces has the same skeleton.
    """
    body = json.dumps({"data": [{"b64_json": "A" * 40_000 + "/" * 30_000}], "x": "笑" * 3000})

    large_body = read_large_body(in_pieces(body.encode(), size), "mark-", is_plain)

    assert read_large_body([body.encode()], "mark-", is_plain) == large_body
    assert len(large_body.body) < len(body) // 2


def test_a_picture_in_a_chat_is_cut_out_of_its_words(tmp_path: Path) -> None:
    """
    The words around a picture stay, and the picture is found by them.
    """
    picture = b"\x89PNG" + os.urandom(100_000)
    words = f"Here: ![it](data:image/png;base64,{base64.b64encode(picture).decode()}) - enjoy!"
    body = json.dumps({"choices": [{"message": {"content": words}}]}).encode()

    assert [picture] == read_back(kept(tmp_path, body))


@pytest.mark.parametrize(
    "text", ["A" * 100_000 + "!" + "A" * 100_000, "AAAA=" + "A" * 100_003, "A" * 100_001]
)
def test_what_is_no_base64_is_told(tmp_path: Path, text: str) -> None:
    """
    Damage in the midst of a long text is found, as it is in a short one.
    """
    path = kept(tmp_path, b'{"data":[{"b64_json":"%s"}]}' % text.encode())

    with pytest.raises(binascii.Error):
        read_back(path)


def test_a_forged_mark_stands_for_nothing() -> None:
    """
    An answer cannot know the mark; what looks like one is text.
    """
    body = b'{"data":[{"b64_json":"retouchd-0000-00000000"}]}'

    large_body = read_large_body([body], "retouchd-a1b2-", is_plain)

    assert list(large_body.parts("retouchd-0000-00000000")) == [b"retouchd-0000-00000000"]


def test_addresses_and_words_are_never_cut() -> None:
    """
    A signed URL may be long; escaped Chinese is all letters, digits and backslashes.
    """
    body: Any = {"data": [{"url": "https://cdn.example/a?s=" + "A" * (BLOCK - 100)}]}
    body = json.dumps({**body, "text": "笑" * 50_000}).encode()

    assert read_large_body([body], "mark-", is_plain).body == body


INTRICATE = {
    "lists": (b"[", b"[],", 5_000_000),
    "numbers": (b"[", b"1,", 5_000_000),
    "depth": (b"", b"[", 5_000_000),
    "objects": (b"[", b'{"a":0},', 1_000_000),
    "spaces": (b"", b" ", 20_000_000),
    "events": (b"", b"data: {}\n\n", 1_000_000),
    "backslashes": (b'{"data":"', b"\\", 20_000_000),
}
"""How each begins, and what it goes on with, how often."""


@pytest.mark.parametrize("kind", INTRICATE)
def test_an_intricate_answer_is_read_no_further(kind: str) -> None:
    """
    What would take many times its size in memory is left where it is.
    """
    start, piece, times = INTRICATE[kind]
    body = start + piece * times

    large_body = read_large_body(in_pieces(body, 1 << 20), "mark-", is_plain)

    assert len(large_body.body) <= MOST_BYTES + 2 * BLOCK
    assert read_answer(large_body.body).fault in (
        AnswerFault.NOT_JSON,
        AnswerFault.EMPTY,
        AnswerFault.NO_PICTURE,
    )
