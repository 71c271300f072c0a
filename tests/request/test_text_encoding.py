import codecs
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.errors import JobCode, Problem
from retouchd.request.text_encoding import MAX_PROMPT_BYTES, read_prompt

TEXTEDIT = rb"""{\rtf1\ansi\ansicpg1252\cocoartf2822
\cocoatextscaling0\cocoaplatform0{\fonttbl\f0\fswiss\fcharset0 Helvetica;}
{\colortbl;\red255\green255\blue255;}
\f0\fs24 \cf0 Make the sky pink.}"""

READABLE = {
    "UTF-8": ("改成蓝色, café".encode(), "改成蓝色, café"),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + "café".encode(), "café"),
    "UTF-16 little-endian": (codecs.BOM_UTF16_LE + "改成蓝色".encode("utf-16-le"), "改成蓝色"),
    "UTF-16 big-endian": (codecs.BOM_UTF16_BE + "café".encode("utf-16-be"), "café"),
    "Windows line ends": (b"make it\r\nblue\r\n", "make it\nblue"),
    "old Mac line ends": (b"make it\rblue", "make it\nblue"),
    "white space around": (b"\n\t make it blue \n\n", "make it blue"),
    "invisible characters around": (
        "\ufeff\u200b make it blue\u00ad\u2060\u200e\n".encode(),
        "make it blue",
    ),
    "a heart in colour at its end": ("\u200bmake it ❤️ \u200b".encode(), "make it ❤️"),
    "a flag of tags at its end": (
        "paint 🏴\U000e0067\U000e007f".encode(),
        "paint 🏴\U000e0067\U000e007f",
    ),
    "letters that are joined": ("می\u200cخواهم 👩\u200d🎨".encode(), "می\u200cخواهم 👩\u200d🎨"),
    "the embedding of Arabic": ("\u202bاجعلها زرقاء\u202c".encode(), "اجعلها زرقاء"),
    "lines of Word": (b"make it\x0bblue\x0c", "make it\x0bblue"),
    "a question of its own": (b"blue?", "blue?"),
}


@pytest.mark.parametrize(("raw", "expected"), READABLE.values(), ids=READABLE)
def test_what_editors_write_is_read(raw: bytes, expected: str) -> None:
    """
    Every encoding that can be told for certain gives the same text.
    """
    assert expected == read_prompt(raw, "cat.txt")


UNREADABLE = {
    "latin-1": "café".encode("latin-1"),
    "GB18030 that might be Russian": "改成蓝色".encode("gb18030"),
    "Japanese": "背景を青にしてください".encode("cp932"),
    "Korean": "하늘을 분홍색으로".encode("cp949"),
    "Taiwanese": "把天空變成粉紅色".encode("cp950"),
    "Russian": "Убрать тени".encode("cp1251"),
    "UTF-8 cut within a Chinese letter": "改成蓝".encode()[:-1],
    "UTF-7 with a mark": b"+/v8-make it blue",
    "UTF-16 without a mark, of Chinese letters": "改成蓝色 now".encode("utf-16-le"),
    "ISO-2022-JP": "青く".encode("iso2022_jp"),
    "letters lost to question marks": b"???? ??",
    "letters lost to U+FFFD": "make it \ufffd\ufffd".encode(),
    "the end of a file in DOS": b"make it blue\x1a",
    "latin-1 inside a word": "déjà vu, s'il vous plaît".encode("latin-1"),
    "one Chinese sign may be two Latin ones": "把 cat".encode("gb18030"),
    "Cyrillic": "сделай синим".encode("koi8-r"),
    "NUL": b"make it\0blue",
    "UTF-16 cut in the middle": codecs.BOM_UTF16_LE + b"c\0a",
    "UTF-16 without a mark": "make it blue".encode("utf-16-le"),
    "UTF-32": codecs.BOM_UTF32_LE + "blue".encode("utf-32-le"),
    "bytes after a UTF-8 mark": codecs.BOM_UTF8 + "改成蓝色".encode("gb18030"),
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
    `intake.text_encoding` is tried before anything that is no Unicode, and reads only what it can.
    """
    latin = "café".encode("latin-1")

    assert read_prompt(latin, "cat.txt", "latin-1") == "café"
    assert read_prompt("café".encode(), "cat.txt", "latin-1") == "café"
    assert isinstance(read_prompt(latin, "cat.txt", "ascii"), Problem)


NAMED = {
    "cp932": "背景を青にしてください",
    "cp949": "하늘을 분홍색으로",
    "cp950": "把天空變成粉紅色",
    "big5": "把天空變成粉紅色",
    "cp1251": "Убрать тени",
    "gb18030": "改成蓝色",
    "koi8-r": "сделай синим",
    "utf-16-le": "make it blue",
    "utf-16-be": "改成蓝色 now",
}


@pytest.mark.parametrize(("encoding", "text"), NAMED.items())
@pytest.mark.parametrize("is_chinese", [False, True])
def test_a_named_encoding_comes_before_gb18030(
    encoding: str, text: str, *, is_chinese: bool
) -> None:
    """
    Bytes of most code pages are some Chinese text as well: what the operator says decides.
    """
    assert text == read_prompt(text.encode(encoding), "cat.txt", encoding, is_chinese=is_chinese)


@pytest.mark.parametrize(
    "text",
    ["把它改成“蓝色”，谢谢。", "改成蓝色", "change: 改成蓝色\nsize 50%"],
)
@pytest.mark.parametrize("fallback", [None, "ascii"])
def test_a_chinese_machine_reads_gb18030(text: str, fallback: str | None) -> None:
    """
    Where the locale is Chinese, runs of two and more Chinese letters are Chinese.
    """
    assert text == read_prompt(text.encode("gb18030"), "cat.txt", fallback, is_chinese=True)


@pytest.mark.parametrize(
    "raw",
    [
        "把 cat".encode("gb18030"),
        "café".encode("latin-1"),
        "改成蓝".encode()[:-1],
        "Убрать".encode("koi8-r")[:3],
    ],
    ids=["one letter", "latin-1", "UTF-8 cut off", "three bytes of Russian"],
)
def test_a_chinese_machine_guesses_nothing_either(raw: bytes) -> None:
    """
    A single letter, foreign signs and a file of UTF-8 that was cut off are not certain there.
    """
    assert isinstance(read_prompt(raw, "cat.txt", is_chinese=True), Problem)


def test_gb18030_is_read_where_nothing_else_is_possible() -> None:
    """
    Byte 98 is none in cp1251, 80 none at the start of a letter in cp932: this is Chinese anywhere.
    """
    found = [
        text
        for text in (first + second for first in "樂歡聙槝樺" for second in "€彉鎄鐈")
        if read_prompt(text.encode("gb18030"), "cat.txt") == text
    ]

    assert found


def test_what_may_be_several_texts_is_shown_in_each() -> None:
    """
    Who wrote it sees at once which reading is the right one, and what to set.
    """
    found = read_prompt("改成蓝色".encode("gb18030"), "cat.txt")

    assert isinstance(found, Problem)
    assert "'改成蓝色' in gb18030" in found.message
    assert "in cp932" in found.message
    assert "in cp1251" in found.message
    assert "intake.text_encoding" in found.hint

    wide = read_prompt("make it blue".encode("utf-16-le"), "cat.txt")
    assert isinstance(wide, Problem)
    assert "'make it blue' in utf-16-le" in wide.message


FOREIGN = {
    "TextEdit": (TEXTEDIT, "rich text"),
    "rich text": (rb"{\rtf1\ansi Make it blue}", "rich text"),
    "rich text in UTF-16": ("{\\rtf1 blue}".encode("utf-16"), "rich text"),
    "rich text behind a mark": (codecs.BOM_UTF8 + b"\r\n {\\RTF1 blue}", "rich text"),
    "a web page": (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<p>blue", "web page"),
    "a web page behind a remark": (b"<!-- saved -->\n<HTML><body>blue", "web page"),
    "XHTML": (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-">', "web page"),
    "the clipboard of Windows": (b"Version:0.9\r\nStartHTML:0000", "web page"),
    "a page of Internet Explorer": (b"From: <Saved by Blink>\r\nMIME-Version: 1.0\r\n", "e-mail"),
    "XML": (b'<?xml version="1.0"?><w:document/>', "XML"),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "XML"),
    "Word": (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml", "office document"),
    "old Word": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "office document"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "PNG picture"),
    "a photo": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "JPEG picture"),
    "gzip": (b"\x1f\x8b\x08\0blue", "gzip"),
}


@pytest.mark.parametrize(("raw", "what"), FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("fallback", [None, "cp1251", "latin-1", "gb18030"])
def test_what_is_no_plain_text_is_named(raw: bytes, what: str, fallback: str | None) -> None:
    """
    Rich text, web pages and documents are refused by their kind, whatever their name and `text_encoding` say.
    """
    found = read_prompt(raw, "cat.txt", fallback)

    assert isinstance(found, Problem)
    assert JobCode.SIDECAR_INVALID is found.code
    assert what in found.message
    assert "text" in found.hint
    if what == "rich text":
        assert "Format > Make Plain Text" in found.hint


@pytest.mark.parametrize(
    "text",
    [
        "{rtf} is no markup",
        "<lora:sky:0.8> make it blue",
        "<cat> in blue",
        "BMW in blue",
        "RIFF raff",
        "PK is my cat",
        '{"scene": "a blue sky"}',
        "# Make it blue\n- and calm",
        "Make it say <html>",
        "II*",
    ],
)
def test_plain_text_stays_plain_text(text: str) -> None:
    """
    What only resembles a document is sent as it is.
    """
    assert text == read_prompt(text.encode(), "cat.txt")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" \r\n\t",
        codecs.BOM_UTF8,
        codecs.BOM_UTF16_LE,
        "\u200b\u2060\u00ad\ufeff\u200e\u202e\ufe0f\u3164\u2800\ufffc".encode(),
        "\u200b\n\u00a0".encode("utf-16"),
    ],
)
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


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd"), min_size=1)
)
def test_any_text_saved_as_utf8_is_read_as_it_is(text: str) -> None:
    """
    Only what nobody sees around it is not part of the prompt.
    """
    found = read_prompt(f"\n{text}a".encode(), "cat.txt")

    assert isinstance(found, str)
    assert found.endswith("a")
    assert found[:-1] == text[len(text) + 1 - len(found) :]
    assert all(map(_is_blank, text[: len(text) + 1 - len(found)]))


@given(st.binary(max_size=40), st.sampled_from([None, "latin-1", "no-such-encoding"]))
def test_no_bytes_raise(raw: bytes, fallback: str | None) -> None:
    """
    Whatever lies in the inbox is either read or refused with a reason.
    """
    found = read_prompt(raw, "cat.txt", fallback)

    assert found if isinstance(found, str) else found.hint


def _is_blank(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) in ("Cf", "Mn", "Lo", "So", "Cn")
