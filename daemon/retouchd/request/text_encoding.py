"""
The text of a prompt, read from the bytes that somebody's editor wrote, whatever the encoding.

A POSIX locale (`zh_CN.UTF-8`, `ja_JP`) is in the first of LC_ALL, LC_CTYPE and LANG that is set and not empty
(POSIX.1-2017, XBD 8.2). The encodings are those of Windows in that language, where such files come from.

Characters that nobody sees come with texts copied from web pages and chats, and from editors that mark a
direction of writing. Inside a text they may join letters (Persian, Indic) and emoji, so there they stay.

Rich text and web pages are known by how their text begins, all others by their first bytes (each format's own
specification; also the list of `file`).

UTF-8 with or without a mark, UTF-16 with its mark, else the encoding that the operator named, else GB18030
where nothing else is possible or the machine speaks Chinese. Never a statistical guess: short Chinese texts
were measured to be read as Korean, and nearly all bytes of any code page are some Chinese text or other.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from retouchd.errors import JobCode, Problem
from retouchd.job.filetypes import SNIFF_BYTES, called, sniff
from retouchd.job.naming import is_plain, shown

_LOCALE = re.compile(
    r"(?P<language>[a-z]{2,3})(?:_(?P<country>[A-Z]{2}|[A-Z][a-z]{3}))?(?![A-Za-z])"
)
_TRADITIONAL = {"TW": "cp950", "HK": "cp950", "MO": "cp950", "Hant": "cp950"}
_ENCODINGS = {"zh": "gb18030", "ja": "cp932", "ko": "cp949", "ru": "cp1251"}


def encoding_of(environ: Mapping[str, str]) -> str | None:
    """
    Return the encoding of a Chinese, Japanese, Korean or Russian locale, None for any other.
    """
    names = (environ.get(each) for each in ("LC_ALL", "LC_CTYPE", "LANG"))
    found = _LOCALE.match(next((name for name in names if name), ""))
    if found is None:
        return None
    if found["language"] == "zh" and found["country"] in _TRADITIONAL:
        return _TRADITIONAL[found["country"]]
    return _ENCODINGS.get(found["language"])


def is_chinese(environ: Mapping[str, str]) -> bool:
    """
    Say whether a machine's language is Chinese as it is written in GB18030: Taiwan and Hong Kong have Big5.
    """
    return encoding_of(environ) == "gb18030"


_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt)."""
_BLANK = "\\s\u2800\ufff9-\ufffc"
"""White space, an empty Braille cell, annotation marks, and what stands for a pasted picture."""
_SELECTING = "\ufe00-\ufe0f\u180b-\u180d\u180f\U000e0020-\U000e007f\U000e0100-\U000e01ef"
"""Variation selectors and tags: they say how the character before them is drawn, such as a heart in colour."""

_BEFORE = re.compile(f"[{_BLANK}{_IGNORABLE}]+")
_AFTER = re.compile(f"(?:(?![{_SELECTING}])[{_BLANK}{_IGNORABLE}])[{_BLANK}{_IGNORABLE}]*\\Z")


def visible(text: str) -> str:
    """
    Return a text without the white space and the invisible characters around it; empty if it has no others.
    """
    start = _BEFORE.match(text)
    text = text[start.end() :] if start else text
    end = _AFTER.search(text)
    return text[: end.start()] if end else text


class Foreign(NamedTuple):
    """
    What a file is, with its article, and how its words become plain text: an order without a full stop.
    """

    what: str
    advice: str


_EXPORT = "Save its words as plain text, in UTF-8"
_RICH = Foreign("rich text", "Save it as plain text; in TextEdit: Format > Make Plain Text")
_PAGE = Foreign("a web page (HTML)", _EXPORT)

_TEXTS = (
    (re.compile(r"\{\\u?rtf", re.IGNORECASE), _RICH),
    (
        re.compile(
            r"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<(?:html|head|body|meta)[\s>/])",
            re.IGNORECASE | re.DOTALL,
        ),
        _PAGE,
    ),
    (re.compile(r"Version:\d\.\d\s+StartHTML:", re.IGNORECASE), _PAGE),
    (
        re.compile(r"(?:From:.*\s+)?MIME-Version: ?1", re.IGNORECASE),
        Foreign("a saved e-mail or web page", _EXPORT),
    ),
    (re.compile(r"<\?xml\s|<svg[\s>]", re.IGNORECASE), Foreign("an XML document", _EXPORT)),
    (re.compile(r"%!PS"), Foreign("a PostScript document", _EXPORT)),
)
_BYTES = (
    (b"PK\x03\x04", Foreign("an office document or a ZIP archive", _EXPORT)),
    (b"PK\x05\x06", Foreign("an office document or a ZIP archive", _EXPORT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign("an office document of an older kind", _EXPORT)),
    (b"%PDF-", Foreign("a PDF document", _EXPORT)),
    (b"bplist00", Foreign("a web archive or a property list", _EXPORT)),
    (b"\x1f\x8b", Foreign("compressed by gzip", "Unpack it, and save its words as plain text")),
    (b"BZh9", Foreign("compressed by bzip2", "Unpack it, and save its words as plain text")),
    (b"\xfd7zXZ\0", Foreign("compressed by xz", "Unpack it, and save its words as plain text")),
    (b"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", _EXPORT)),
    (b"Rar!\x1a\x07", Foreign("a RAR archive", _EXPORT)),
    (b"SQLite format 3\0", Foreign("a database", _EXPORT)),
)
_PICTURES = frozenset(
    {"avif", "bmp", "cr3", "gif", "heic", "jpeg", "png", "psd", "tiff", "video", "webp"}
)


def foreign_bytes(raw: bytes) -> Foreign | None:
    """
    Return what a file is that is no text at all; None for whatever may be one.
    """
    start = raw[:SNIFF_BYTES].lstrip()
    for magic, foreign in _BYTES:
        if start.startswith(magic):
            return foreign
    kind = sniff(raw[:SNIFF_BYTES])
    if kind not in _PICTURES or _is_text(raw):
        return None
    return Foreign(
        called(kind), "Put a text file in its place, and name the picture for what it is"
    )


def foreign_text(text: str) -> Foreign | None:
    """
    Return what a text is that was not written to be read as it stands; None for plain text.
    """
    start = text[:4096]
    return next((foreign for begins, foreign in _TEXTS if begins.match(start)), None)


def _is_text(raw: bytes) -> bool:
    """
    Say whether the bytes are UTF-8 without NUL: a sentence may well begin with `BM` or `RIFF`.
    """
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


MAX_PROMPT_BYTES = 256 * 1024
"""The longest prompt any endpoint takes has 32,000 characters; four bytes each, twice over."""

_CODE_PAGES = ("cp949", "cp932", "cp950", "cp1251")
"""Those of Korean, Japanese, Taiwanese (Big5) and Russian Windows."""
_CJK = re.compile(
    "[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\u2014\u2018-\u201d\u2026]"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")
LOST_LETTERS = r"?？¿\s"
"""What is left of a text whose letters were lost, as members of a regular expression's set."""

_LOST = re.compile(rf"[{LOST_LETTERS}]*")
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (b"+/v8", "UTF-7"),
    (b"+/v9", "UTF-7"),
    (b"+/v+", "UTF-7"),
    (b"+/v/", "UTF-7"),
)
_LONGEST_READING = 24
_IN_UTF8 = "with the encoding UTF-8 (in Notepad: File > Save as)"
_AS_UTF8 = f"Save it anew {_IN_UTF8}"


class NotPlainTextError(Exception):
    """
    Bytes are no text that can be read for certain: `fault` says it as the end of a sentence that begins with
    the file's name, `advice` is what to do, without a full stop.
    """

    def __init__(self, fault: str, advice: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.advice = advice


def read_prompt(
    raw: bytes, name: str, fallback: str | None = None, *, is_chinese: bool = False
) -> str | Problem:
    """
    Return the prompt in `raw` with LF line ends and nothing invisible around it, or what is wrong with it.

    `name` is the file's, for the message; `fallback` and `is_chinese` are those of `decode`.
    """
    if len(raw) > MAX_PROMPT_BYTES:
        return Problem(
            code=JobCode.SIDECAR_INVALID,
            message=f"{name} is longer than {MAX_PROMPT_BYTES // 1024} KB, far too long for a prompt.",
            hint=f"Keep the text in {name} short.",
        )
    try:
        text = decode(raw, fallback, is_chinese=is_chinese)
    except NotPlainTextError as error:
        return _invalid(name, error.fault, error.advice)
    text = visible(text.replace("\r\n", "\n").replace("\r", "\n"))
    if lost := lost_letters(text):
        return _invalid(name, lost, f"Write it anew and save it {_IN_UTF8}")
    if not text:
        return Problem(
            code=JobCode.PROMPT_EMPTY,
            message=f"{name} holds no text.",
            hint=f"Write what is to be done into {name}.",
        )
    return text


def _invalid(name: str, fault: str, advice: str) -> Problem:
    return Problem(code=JobCode.SIDECAR_INVALID, message=f"{name} {fault}.", hint=f"{advice}.")


def lost_letters(text: str) -> str | None:
    """
    Return what is wrong with a text from which a program dropped letters, as the end of a sentence.
    """
    if "\N{REPLACEMENT CHARACTER}" in text:
        return "holds \N{REPLACEMENT CHARACTER}, which some program put where letters were lost"
    if text and _LOST.fullmatch(text):
        return "holds nothing but question marks: its letters were lost when it was saved"
    return None


def decode(raw: bytes, fallback: str | None = None, *, is_chinese: bool = False) -> str:
    """
    Return the text that the bytes are for certain, without a mark; raises NotPlainTextError.

    `fallback` is the configured `intake.text_encoding`; `is_chinese` says that this machine's language is
    Chinese as it is written in GB18030.
    """
    _refuse(raw)
    text = _certain(raw, fallback, is_chinese=is_chinese)
    if foreign := foreign_text(visible(text)):
        raise NotPlainTextError(f"is {foreign.what}, not plain text", foreign.advice)
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise NotPlainTextError(
            f"holds a control character in line {line}, which cannot be seen",
            "Type that line anew and save it with the encoding UTF-8",
        )
    return text


def _refuse(raw: bytes) -> None:
    """
    Raise NotPlainTextError for what its first bytes say to be no text, or one that is not read.
    """
    for mark, what in _MARKS:
        if raw.startswith(mark):
            raise NotPlainTextError(f"is marked as {what}, which is not read", _AS_UTF8)
    if foreign := foreign_bytes(raw):
        raise NotPlainTextError(f"is {foreign.what}, not plain text", foreign.advice)


def _certain(raw: bytes, fallback: str | None, *, is_chinese: bool) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _marked(raw, "utf-16", "UTF-16")
    if raw.startswith(codecs.BOM_UTF8):
        return _marked(raw, "utf-8-sig", "UTF-8")
    text = _try(raw, "utf-8")
    if text is not None and "\0" not in text:
        return text
    if _is_cut(raw):
        raise NotPlainTextError("ends in the middle of a letter, so it was cut off", _AS_UTF8)
    for each in (_try(raw, fallback) if fallback else None, _chinese(raw, is_sure=is_chinese)):
        if each is not None and "\0" not in each:
            return each
    readings = [f"'{_excerpt(text)}' in {encoding}" for encoding, text in _readings(raw)]
    if text is not None and not readings:
        return text
    raise _unreadable(readings)


def _marked(raw: bytes, encoding: str, what: str) -> str:
    text = _try(raw, encoding)
    if text is None:
        raise NotPlainTextError(f"is marked as {what}, but holds other bytes as well", _AS_UTF8)
    return text


def _is_cut(raw: bytes) -> bool:
    """
    Say whether bytes are UTF-8 but for their end: those of most Chinese letters are GB18030, too.
    """
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        is_at_end = error.reason == "unexpected end of data"
        return is_at_end and not raw[: error.start].isascii() and b"\0" not in raw
    return False


def _chinese(raw: bytes, *, is_sure: bool) -> str | None:
    """
    Return what bytes say in GB18030, None where they may well be no Chinese.
    """
    text = _try(raw, "gb18030")
    if text is None or not (is_sure or all(_try(raw, each) is None for each in _CODE_PAGES)):
        return None
    runs = re.findall(r"[^\x00-\x7f]+", text)
    whole = all(len(run) >= 2 and all(_CJK.match(sign) for sign in run) for run in runs)
    return text if whole else None


def _unreadable(readings: Sequence[str]) -> NotPlainTextError:
    if not readings:
        return NotPlainTextError("is not plain text that can be read for certain", _AS_UTF8)
    *first, last = readings
    either = f"{', '.join(first)} or {last}" if first else last
    return NotPlainTextError(
        f"is neither UTF-8 nor marked as UTF-16, so that it may read {either}",
        f"{_AS_UTF8}, or set intake.text_encoding in the configuration to the one that reads right",
    )


def _readings(raw: bytes) -> Iterator[tuple[str, str]]:
    """
    Yield the encodings in which bytes are a text that can be seen, and that text. UTF-16 without its mark is
    told from others by control signs.
    """
    is_wide = _CONTROL.search(raw.decode("latin-1")) is not None
    for encoding in (
        *(("utf-16-le", "utf-16-be") if is_wide else ()),
        "gb18030",
        *_CODE_PAGES,
        "cp1252",
    ):
        text = _try(raw, encoding)
        if text and all(map(is_plain, "".join(text.split()))):
            yield encoding, text


def _excerpt(text: str) -> str:
    line = shown(" ".join(text.split()))
    return line if len(line) <= _LONGEST_READING else f"{line[:_LONGEST_READING]}…"


def _try(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except (UnicodeError, LookupError):
        return None
