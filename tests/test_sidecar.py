import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.errors import JobCode, Problem
from retouchd.rules.sidecar import MAX_PROMPT_BYTES, read_prompt

READABLE = {
    "UTF-8": ("改成蓝色, café".encode(), "改成蓝色, café"),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + "café".encode(), "café"),
    "UTF-16 little-endian": (codecs.BOM_UTF16_LE + "改成蓝色".encode("utf-16-le"), "改成蓝色"),
    "UTF-16 big-endian": (codecs.BOM_UTF16_BE + "café".encode("utf-16-be"), "café"),
    "GB18030 with marks": ("把它改成“蓝色”，谢谢。".encode("gb18030"), "把它改成“蓝色”，谢谢。"),
    "GB18030": ("改成蓝色".encode("gb18030"), "改成蓝色"),
    "GB18030 in mixed lines": (
        "change: 改成蓝色\r\nsize 50%".encode("gb18030"),
        "change: 改成蓝色\nsize 50%",
    ),
    "Windows line ends": (b"make it\r\nblue\r\n", "make it\nblue"),
    "old Mac line ends": (b"make it\rblue", "make it\nblue"),
    "white space around": (b"\n\t make it blue \n\n", "make it blue"),
}


@pytest.mark.parametrize(("raw", "expected"), READABLE.values(), ids=READABLE)
def test_what_editors_write_is_read(raw: bytes, expected: str) -> None:
    """
    Every encoding that can be told for certain gives the same text.
    """
    assert expected == read_prompt(raw, "cat.txt")


UNREADABLE = {
    "latin-1": "café".encode("latin-1"),
    "latin-1 inside a word": "déjà vu, s'il vous plaît".encode("latin-1"),
    "one Chinese sign may be two Latin ones": "把 cat".encode("gb18030"),
    "Cyrillic": "сделай синим".encode("koi8-r"),
    "NUL": b"make it\0blue",
    "UTF-16 cut in the middle": codecs.BOM_UTF16_LE + b"c\0a",
    "UTF-16 without a mark": "make it blue".encode("utf-16-le"),
    "UTF-32": codecs.BOM_UTF32_LE + "blue".encode("utf-32-le"),
    "bytes after a UTF-8 mark": codecs.BOM_UTF8 + "改成蓝色".encode("gb18030"),
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize("raw", UNREADABLE.values(), ids=UNREADABLE)
def test_nothing_is_guessed(raw: bytes) -> None:
    """
    Bytes that could be several texts are refused, and the hint says how to save them.
    """
    found = read_prompt(raw, "cat.txt")

    assert isinstance(found, Problem)
    assert JobCode.SIDECAR_INVALID is found.code
    assert "cat.txt" in found.message
    assert "UTF-8" in found.hint


def test_the_operator_may_name_the_encoding() -> None:
    """
    `intake.text_encoding` reads what nothing else could, and only that.
    """
    latin = "café".encode("latin-1")

    assert read_prompt(latin, "cat.txt", "latin-1") == "café"
    assert read_prompt("café".encode(), "cat.txt", "latin-1") == "café"
    assert read_prompt("改成蓝色".encode("gb18030"), "cat.txt", "latin-1") == "改成蓝色"
    assert isinstance(read_prompt(latin, "cat.txt", "ascii"), Problem)


@pytest.mark.parametrize("raw", [b"", b" \r\n\t", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_a_blank_prompt_is_named_as_such(raw: bytes) -> None:
    """
    White space alone asks for nothing.
    """
    found = read_prompt(raw, "cat.txt")

    assert isinstance(found, Problem)
    assert JobCode.PROMPT_EMPTY is found.code
    assert "cat.txt" in found.message


def test_a_file_far_too_long_is_no_prompt() -> None:
    """
    The limit is refused by its size, before anything is decoded.
    """
    found = read_prompt(b"a" * (MAX_PROMPT_BYTES + 1), "cat.txt")

    assert isinstance(found, Problem)
    assert JobCode.SIDECAR_INVALID is found.code
    assert isinstance(read_prompt(b"a" * MAX_PROMPT_BYTES, "cat.txt"), str)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_text_saved_as_utf8_is_read_as_it_is(text: str) -> None:
    """
    Only outer white space, line ends and a leading mark are not part of the prompt.
    """
    expected = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip()

    found = read_prompt(text.encode(), "cat.txt")

    assert expected == ("" if isinstance(found, Problem) else found)


@given(st.binary(max_size=40), st.sampled_from([None, "latin-1", "no-such-encoding"]))
def test_no_bytes_raise(raw: bytes, fallback: str | None) -> None:
    """
    Whatever lies in the inbox is either read or refused with a reason.
    """
    found = read_prompt(raw, "cat.txt", fallback)

    assert found if isinstance(found, str) else found.hint
