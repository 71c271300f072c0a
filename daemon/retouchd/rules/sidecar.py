"""
The text of a prompt, read from the bytes that somebody's editor wrote.

UTF-8 with or without a mark, UTF-16 with its mark, else GB18030 where every run of non-ASCII bytes reads
as two or more CJK characters, else the encoding the operator named. Never a statistical guess: short
Chinese texts were measured to be read as Korean.
"""

import codecs
import re

from retouchd.errors import JobCode, Problem

MAX_PROMPT_BYTES = 256 * 1024
"""The longest prompt any endpoint takes has 32,000 characters; four bytes each, twice over."""

_CJK = re.compile(
    "[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\u2014\u2018-\u201d\u2026]"
)


def read_prompt(raw: bytes, name: str, fallback: str | None = None) -> str | Problem:
    """
    Return the prompt in `raw` without outer white space and with LF line ends, or what is wrong with it.

    `name` is the file's, for the message; `fallback` is the configured `intake.text_encoding`.
    """
    if len(raw) > MAX_PROMPT_BYTES:
        return Problem(
            code=JobCode.SIDECAR_INVALID,
            message=f"{name} is longer than {MAX_PROMPT_BYTES // 1024} KB, far too long for a prompt.",
            hint=f"Keep the text in {name} short.",
        )
    text = decode(raw, fallback)
    if text is None or "\0" in text:
        return Problem(
            code=JobCode.SIDECAR_INVALID,
            message=f"{name} is not plain text that can be read for certain.",
            hint=f"Open {name} in a text editor and save it as plain text, with the encoding UTF-8.",
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        return Problem(
            code=JobCode.PROMPT_EMPTY,
            message=f"{name} holds no text.",
            hint=f"Write what is to be done into {name}.",
        )
    return text


def decode(raw: bytes, fallback: str | None = None) -> str | None:
    """
    Return the text that the bytes are for certain, without a mark; None where that cannot be said.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _try(raw, "utf-16")
    text = _try(raw, "utf-8-sig")
    if text is None and not raw.startswith(codecs.BOM_UTF8):
        text = _chinese(raw)
        if text is None and fallback:
            text = _try(raw, fallback)
    return text


def _chinese(raw: bytes) -> str | None:
    text = _try(raw, "gb18030")
    if text is None:
        return None
    runs = re.findall(r"[^\x00-\x7f]+", text)
    whole = all(len(run) >= 2 and all(_CJK.match(sign) for sign in run) for run in runs)
    return text if whole else None


def _try(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None
