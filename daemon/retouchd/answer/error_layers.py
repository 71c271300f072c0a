"""
The documents that errors come in: layers of JSON from the outside in, pages of HTML, fields of XML.

What a body says that is no JSON but markup: a web page's words, or an error in XML as fields.

Web servers and fronts answer with pages of their own; Azure's gateway, object stores and SOAP services with
XML. Both are read by patterns, of the beginning alone: a body may be anything, and of any length.

The layers of an error's document from the outside in: relays wrap what their upstream said, and wrap it again.

Dialects met: OpenAI's `error`; FastAPI's `detail`; `errors[]` and `error[]` of JSON:API and Cloudflare;
problem+json (RFC 9457); Google's `details[]`; Azure's `innererror`; OpenRouter's `metadata.raw`, a document in
a text; Apigee's `fault`; Tencent's `Response.Error`; MiniMax' `base_resp`; finish and block reasons in what is
otherwise a success.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from retouchd.answer.answer_json import plain_key

_PAGE_START = ("<!doctype", "<html", "<head", "<body", "<!--", "<title", "<center", "<h1")
_SEARCHED = 1 << 16
_READ = 1 << 14
_LONGEST = 300

_PROLOGUE = re.compile(r"\s*(?:<\?xml[^>]{0,200}>\s*|<!--.{0,500}?-->\s*){0,4}", re.DOTALL)
_ELEMENT = re.compile(r"<([A-Za-z_][\w.-]{0,60}:)?([A-Za-z_][\w.-]{0,60})")
_LEAF = re.compile(
    r"<(?:[\w.-]{1,60}:)?([A-Za-z_][\w.-]{0,60})(?:\s[^<>]{0,200})?>"
    r"(?:<!\[CDATA\[)?([^<>]{1,2000}?)(?:\]\]>)?</"
)
_MOST_LEAVES = 50

_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,300})", re.IGNORECASE)
_HEADING = re.compile(r"<h([12])[^>]{0,200}>(.{1,600}?)</h\1\s*>", re.IGNORECASE | re.DOTALL)
_UNSEEN = re.compile(
    r"<(script|style|head|svg)\b.{0,4000}?</\1\s*>|<!--.{0,1000}?-->", re.IGNORECASE | re.DOTALL
)
_TAG = re.compile(r"<[^<>]{0,2000}>")


def is_page(text: str) -> bool:
    """
    Tell whether a body is a web page, by how it begins.
    """
    return _beginning(text).lower().startswith(_PAGE_START)


def page_words(text: str) -> str:
    """
    Return what a page says of itself: its title, its heading, and without a title what follows, "" if nothing.
    """
    text = text[:_SEARCHED]
    title = _plain(found[1]) if (found := _TITLE.search(text)) else ""
    headings = (_plain(found[2]) for found in _HEADING.finditer(text))
    heading = next((words for words in headings if words), "")
    if title:
        is_said = not heading or heading.lower() in title.lower() or title.lower() == "error"
        return title if is_said and title.lower() != "error" else f"{title}: {heading or title}"
    # haproxy's, and those of small servers: the words behind the heading say what is the matter.
    words = _plain(_TAG.sub(" ", _UNSEEN.sub(" ", text[:_READ])))
    return words[:_LONGEST]


def xml_fields(text: str) -> dict[str, str] | None:
    """
    Return the texts of an XML error by their elements' names, the first of each name; None for anything else.
    """
    if not text.lstrip().startswith("<") or is_page(text):
        return None
    if _ELEMENT.match(_beginning(text)) is None:
        return None
    fields: dict[str, str] = {}
    for number, found in enumerate(_LEAF.finditer(text[:_SEARCHED])):
        if number == _MOST_LEAVES:
            break
        fields.setdefault(found[1], _plain(found[2]))
    return fields or None


def _beginning(text: str) -> str:
    text = text[:4000]
    prologue = _PROLOGUE.match(text)
    return text[prologue.end() :].lstrip() if prologue and prologue.end() else text.lstrip()


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


_NESTING = 8
_MOST_LAYERS = 40
_MOST_FAULTS = 20


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INNER = _names("""
    error errors detail details innererror innererrors metadata raw fault response baseresp cause promptfeedback
    candidates choices violations problem
    """)
"""Names of what an error lies in, without case, `_` and `-`; so are all names here."""
_CODES = (
    "code",
    "errorcode",
    "errcode",
    "status",
    "reason",
    "finishreason",
    "nativefinishreason",
    "blockreason",
    "name",
    "quotaid",
)
_MESSAGES = (
    "error",
    "title",
    "message",
    "msg",
    "errormessage",
    "errormsg",
    "errmsg",
    "statusmsg",
    "faultstring",
    "detail",
    "details",
    "description",
    "errordescription",
    "reason",
    "raw",
    "blockreasonmessage",
    "finishmessage",
)
_ALIKE = frozenset({"message", "msg", "errormessage", "errormsg", "errmsg"})
"""Of these, one says what the others do."""

_TOKEN = re.compile(r"[A-Za-z][\w.:-]{2,80}")
_RPC = re.compile(r"[A-Z][A-Z_]{3,60}")
_NO_REASONS = frozenset({"stop", "length", "completed", "end_turn", "max_tokens", "none", "null"})


@dataclass(slots=True)
class Layers:
    """
    What all layers say, from the outside in; `quoted` are codes of a document within a text, an upstream's.
    """

    codes: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    message: str = ""


def layers_of(document: Any) -> Layers:
    """
    Return what a JSON document says of an error. Raises ValueError for numbers that are too long to write.
    """
    found = Layers()
    for count, (layer, is_quoted) in enumerate(_walk(document, _NESTING, is_quoted=False)):
        if count == _MOST_LAYERS:
            break
        if isinstance(layer, str):
            _say(found, layer, "; ")
        else:
            _read(
                found, {plain_key(key): value for key, value in layer.items()}, is_quoted=is_quoted
            )
    return found


def _walk(
    document: Any, depth: int, *, is_quoted: bool
) -> Iterator[tuple[Mapping[str, Any] | str, bool]]:
    """
    Yield each object on the way to the innermost, and the bare texts of lists.
    """
    if not depth:
        return
    match document:
        case dict():
            yield document, is_quoted
            for inner, is_text in _inner_of(document):
                yield from _walk(inner, depth - 1, is_quoted=is_quoted or is_text)
        case list():
            for each in document[:_MOST_FAULTS]:
                match each:
                    case {"loc": list(), "msg": str()}:
                        yield each, is_quoted
                    case dict():
                        yield from _walk(each, depth - 1, is_quoted=is_quoted)
                    case str() | int() | float():
                        yield str(each), is_quoted
        case str() if depth == _NESTING:
            yield document, is_quoted


def _inner_of(document: Mapping[str, Any]) -> Iterator[tuple[Any, bool]]:
    for key, value in document.items():
        name = plain_key(key)
        if name in _INNER or (name == "message" and _is_error(_within(value)[0])):
            yield _within(value)


def _within(value: Any) -> tuple[Any, bool]:
    """
    Return the document that a text holds, if it holds one, and whether it did.
    """
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value, strict=False), True
        except (ValueError, RecursionError):
            return None, False
    return (value, False) if isinstance(value, dict | list) else (None, False)


def _read(found: Layers, layer: Mapping[str, Any], *, is_quoted: bool) -> None:
    if isinstance(layer.get("loc"), list) and isinstance(layer.get("msg"), str):
        _say(found, _fault(layer), "; ")
        found.types.extend(_texts(layer, "type"))
        found.parameters.extend(_place(layer["loc"]))
        return
    codes = found.quoted if is_quoted else found.codes
    codes.extend(code for name in _CODES for code in _code(name, layer))
    if _is_filtered(layer):
        codes.append("content_filter")
    for text in (*_texts(layer, "type"), *_texts(layer, "errortype")):
        kind = text.rstrip("/").rpartition("/" if "://" in text else "#")[2]
        (codes if kind.endswith("Exception") else found.types).append(kind)
    found.parameters.extend(_texts(layer, "param"))
    source = layer.get("source")
    if isinstance(source, dict):
        found.parameters.extend(_texts(source, "parameter"))
    _say_all(found, layer)


def _say_all(found: Layers, layer: Mapping[str, Any]) -> None:
    is_said = False
    for name in _MESSAGES:
        value = layer.get(name)
        if name in _ALIKE and is_said:
            continue
        match value:
            case str() if value and not _is_code(name, value) and not _is_error(_within(value)[0]):
                _say(found, value)
                is_said = is_said or name in _ALIKE
            case dict() | list() if name in {"message", "detail"} and not _is_error(value):
                if not (name == "detail" and isinstance(value, list)):
                    _say(found, json.dumps(value, ensure_ascii=False)[:2000])
    for reasons in (layer.get("reasons"), layer.get("categories")):
        if isinstance(reasons, list) and reasons and all(isinstance(e, str) for e in reasons):
            _say(found, ", ".join(reasons[:_MOST_FAULTS]))


def _is_code(name: str, value: str) -> bool:
    return name == "reason" and _TOKEN.fullmatch(value) is not None


def _say(found: Layers, text: str, after: str = ": ") -> None:
    """
    Add what was not said yet.
    """
    text = text.strip()
    if text and text not in found.message:
        found.message += f"{after}{text}" if found.message else text


def _code(name: str, layer: Mapping[str, Any]) -> Iterator[str]:
    value = layer.get(name)
    if not isinstance(value, str):
        return
    match name:
        case "status":
            is_code = _RPC.fullmatch(value) is not None or "moderat" in value.lower()
        case "reason" | "blockreason":
            is_code = _TOKEN.fullmatch(value) is not None
        case "finishreason" | "nativefinishreason":
            is_code = value.lower() not in _NO_REASONS and _TOKEN.fullmatch(value) is not None
        case "name":
            is_code = _TOKEN.fullmatch(value) is not None and ("errors" in layer or "id" in layer)
        case _:
            is_code = True
    if is_code:
        yield value


def _is_filtered(layer: Mapping[str, Any]) -> bool:
    """
    Tell whether Azure's filter says that it kept something back.
    """
    results = [layer.get(name) for name in ("contentfilterresult", "contentfilterresults")]
    return any(
        isinstance(each, dict) and each.get("filtered") is True
        for result in results
        if isinstance(result, dict)
        for each in result.values()
    )


def _fault(fault: Mapping[str, Any]) -> str:
    """
    Return one fault of FastAPI's list as `body.image: Field required`.
    """
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _place(loc: Any) -> Iterator[str]:
    """
    Yield the field that a fault of FastAPI's is about.
    """
    match loc:
        case ["body", str(name), *_]:
            yield name


def _is_error(value: Any) -> bool:
    """
    Tell whether a value under `message` or `detail` is an error of its own, or a list of them.
    """
    match value:
        case dict():
            names = {plain_key(key) for key in value}
            return bool(names & {"error", "message", "msg", "code", "errors", "detail"})
    return False


def _texts(layer: Mapping[str, Any], name: str) -> Iterator[str]:
    value = layer.get(name)
    if isinstance(value, str):
        yield value
