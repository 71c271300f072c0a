"""
Where endpoints put the pictures in their answers: in fields of documents, and in running text.

Pictures in running text, as chats show them: embedded, in Markdown or HTML, or as a link.

Shapes seen in the field: the images API (`data[].b64_json` or `data[].url`, either holding what belongs in
the other), `images[]`, `artifacts[].base64`, Gemini's `inlineData`, the Responses API's items, one event of a
stream, and chat completions with the picture in the text, in a part of the content, or beside it. They have
much in common: a picture stands under a name that says so. Such a place is sure; any other text that begins
like a picture is a guess. What is said of the request (`input`, `mask`, …) and previews are no results.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from retouchd.answer.answer_json import MARK, documents_in, plain_key

_DATA_URI = re.compile(r"data:image/[\w.+-]+(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/=_-]+)", re.ASCII)
# The alternative text is bounded and holds no bracket: a hostile answer must not cost quadratic time.
_MARKDOWN_IMAGE = re.compile(r"!\[[^\]\[]{0,1000}\]\(\s*<?(https?://[^\s)>]+|/[^\s)>]+)")
_HTML_IMAGE = re.compile(r"<img\b[^<>]{0,1000}?\ssrc=[\"']?(https?://[^\s\"'<>]+)", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s()<>\"'\]\u0080-\U0010ffff]+")
IMAGE_NAME = re.compile(r"\.(?:png|jpe?g|webp|gif|avif)(?!\w)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Inline:
    """
    A picture in the answer itself: base64 text without a `data:` prefix or white space, maybe large.

    Nothing says yet that it is valid base64, or a picture.
    """

    data: str


@dataclass(frozen=True, slots=True)
class Link:
    """
    A picture to be fetched: an absolute http(s) URL, or a path below the endpoint.
    """

    url: str


def text_pictures(text: str) -> Iterator[Inline | Link]:
    """
    Yield the pictures in a chat's words: each one embedded or shown, once; else the last link to one.

    Bare links in running text are progress reports and previews up to the last.
    """
    found: list[tuple[int, Inline | Link]] = []
    found += [(match.start(), Inline(match[1])) for match in _DATA_URI.finditer(text)]
    for shown in (_MARKDOWN_IMAGE, _HTML_IMAGE):
        found += [(match.start(), Link(match[1])) for match in shown.finditer(text)]
    if found:
        found.sort(key=lambda pair: pair[0])
        yield from dict.fromkeys(picture for _, picture in found)
        return
    links = [link for match in _LINK.finditer(text) if (link := _image_link(match[0]))]
    yield from links[-1:]


def _image_link(url: str) -> Link | None:
    name = IMAGE_NAME.search(url)
    if name is None:
        return None
    end = len(url.rstrip(".,;:!*")) if url[name.end() :].startswith("?") else name.end()
    return Link(url[:end])


__all__ = ["Found", "Inline", "Link", "Whole", "is_task", "pictures_in", "pictures_of_text"]


@dataclass(frozen=True, slots=True)
class Whole:
    """
    A picture that is the answer's body itself, from where these bytes are met first.
    """

    beginning: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    A picture of a document, and whether it stands where pictures do.

    Equal pictures of one `group` are two, as they stand in one list; those of two groups are the same one,
    said twice.
    """

    picture: Inline | Link | Whole
    is_sure: bool = True
    group: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lead:
    """
    What is still to be looked at: a value, the name it has, and whether results may stand there.
    """

    value: Any
    name: str
    is_place: bool
    group: int


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INLINE = _names("""
    b64json b64 base64 imagebase64 base64image imageb64 b64image base64data imagebytes bytesbase64encoded
    """)
"""Names of base64, whatever it begins with; all names without case, `_` and `-`."""
_PLACES = _names("""
    data imagedata artifacts content generations predictions candidates inlinedata choices part parts value
    filedata response message item items sample samples
    """)
_COMPOUND = re.compile(
    r"(?=.)(?:result|output|generated|edited|final|download|signed|public|cdn|media|asset|file)*s?"
    r"(?P<picture>image|img|picture|photo|pic)?s?(?P<link>(?:url|uri|link)s?)?(?:list)?"
)
"""Names of results, of urls to them, and of what holds either."""
_TEXTS = _names("content text outputtext markdown answer reply")
_NO_RESULTS = re.compile(
    r"input|request|prompt|mask|original|(?<!re)source|reference|preview|partial|thumb|avatar|logo|icon|error"
    r"|detail|instruction|tool|param|docs|help|initimage|^messages$"
)
"""In names of what was asked, of drafts, and of reading matter."""
_MENUS = _names("urls links")
"""Names of lists of results, unless each url in them has a name of its own: where a task stands, …"""
_BEST = ("result", "output", "generated", "edited")
"""How a name begins that comes first where one object has several."""
_KINDS = frozenset({"mimetype", "mediatype", "contenttype"})

_EMBEDDED = re.compile(r"\s*(?:data:[^,\s]{0,100}|[\w/+.-]{1,50};base64),", re.IGNORECASE)
# PNG, JPEG, WebP, GIF, and HEIF, whose first box is `ftyp`; or a cut that begins where the text does.
_MAGIC = re.compile(
    r"\s*(?:iVBORw0KGgo|[/_]9j[/_]|UklGR|R0lGOD|AAAA.{2}Z0eX[A-D]|" + MARK + ")", re.DOTALL
)
_LOOKED_AT = 200
_DEEPEST_TEXT = 3
_TASK_KEYS = ("task_id", "taskId", "task_ids", "taskID")
_TASK_STATES = {"queued", "pending", "processing", "submitted", "in_progress", "running"}


def pictures_in(document: Any) -> Iterator[Found]:
    """
    Yield the pictures of one JSON document in the order they stand there.
    """
    yield from _pictures(document, 0)


def pictures_of_text(text: str) -> Iterator[Found]:
    """
    Yield the pictures of a text without a document, which may be nothing but one picture.
    """
    yield from _in_text(_Lead(value=text, name="content", is_place=True, group=0), _DEEPEST_TEXT)


def is_task(document: Mapping[str, Any]) -> bool:
    """
    Tell whether an object is the ticket of a task rather than its result.
    """
    if any(key in document for key in _TASK_KEYS):
        return True
    state = document.get("status")
    return isinstance(state, str) and state.lower() in _TASK_STATES


def _pictures(document: Any, depth: int, group: int = 0) -> Iterator[Found]:
    leads = [_Lead(value=document, name="data", is_place=True, group=group)]
    while leads:
        lead = leads.pop()
        match lead.value:
            case str():
                yield from _in_text(lead, depth)
            case list() as values:
                group += 1
                leads.extend(replace(lead, value=each, group=group) for each in reversed(values))
            case dict() as values if not _is_draft(values):
                found, others = _of_object(values, lead)
                yield from found
                leads.extend(reversed(others))


def _is_draft(document: Mapping[str, Any]) -> bool:
    kind = document.get("type")
    return isinstance(kind, str) and "partial" in kind


def _of_object(document: Mapping[str, Any], lead: _Lead) -> tuple[list[Found], list[_Lead]]:
    """
    Return the pictures an object holds itself, and what in it is to be looked at further.

    They are one picture in several writings, so that only the first is sure: base64, then links.
    """
    found: list[tuple[bool, bool, Inline | Link]] = []
    others: list[_Lead] = []
    is_called_image = _is_called_image(document)
    is_barren = bool(document.get("error")) or is_task(document)
    for key, value in document.items():
        name = plain_key(key)
        if _NO_RESULTS.search(name) or (name in _MENUS and isinstance(value, dict)):
            continue
        is_link = _is_link(name)
        is_inline = name in _INLINE or (_is_place(name) and is_called_image)
        if isinstance(value, str) and (
            is_inline
            or (_is_place(name) and not is_link and _is_picture(value))
            or (is_link and lead.is_place and not (is_barren and not _names_image(value)))
        ):
            picture = _picture(value)
            if picture is not None:
                is_late = not name.startswith(_BEST)
                found.append((isinstance(picture, Link), is_late, picture))
            continue
        # What has a number for a name is one of a list.
        name = lead.name if name.isdigit() else name
        is_place = name in _TEXTS if isinstance(value, str) else _is_place(name)
        others.append(replace(lead, value=value, name=name, is_place=lead.is_place and is_place))
    found.sort(key=lambda each: each[:2])
    return [
        Found(picture=picture, is_sure=not at, group=lead.group)
        for at, (_, _, picture) in enumerate(found)
    ], others


def _is_place(name: str) -> bool:
    """
    Tell whether results may stand under a name.
    """
    return name in _PLACES or _COMPOUND.fullmatch(name) is not None


def _is_link(name: str) -> bool:
    """
    Tell whether a name is that of a url, which need not be a picture's.
    """
    found = _COMPOUND.fullmatch(name)
    return found is not None and found["link"] is not None and found["picture"] is None


def _is_called_image(document: Mapping[str, Any]) -> bool:
    """
    Tell whether an object says of itself that it holds an image: `{"mimeType": "image/png", "data": …}`.
    """
    kinds = (value for key, value in document.items() if plain_key(key) in _KINDS)
    return any(isinstance(kind, str) and kind.lower().startswith("image/") for kind in kinds)


def _in_text(lead: _Lead, depth: int) -> Iterator[Found]:
    """
    Yield the pictures of a text: one that is a picture, words that show some, a document in a document.
    """
    text, is_sure = lead.value, lead.is_place and _is_place(lead.name)
    inner: list[Found] = []
    if text.lstrip()[:1] in {"{", "["} and depth < _DEEPEST_TEXT:
        for document in documents_in(text):
            inner.extend(_pictures(document, depth + 1, lead.group))
    if inner:
        yield from inner
    elif _is_picture(text) and (is_sure or not text.startswith("http") or _names_image(text)):
        picture = _picture(text)
        if picture is not None:
            yield Found(picture=picture, is_sure=is_sure, group=lead.group)
    elif lead.name in _TEXTS:
        for picture in text_pictures(text):
            yield Found(picture=picture, is_sure=lead.is_place, group=lead.group)


def _is_picture(value: str) -> bool:
    """
    Tell whether a text begins as a picture does, or is nothing but a web address.
    """
    if value.lstrip()[:8].startswith(("http://", "https://")):
        return not any(sign.isspace() for sign in value.strip())
    return _EMBEDDED.match(value) is not None or _MAGIC.match(value) is not None


def _names_image(url: str) -> bool:
    return len(url) < 10_000 and IMAGE_NAME.search(url) is not None


def _picture(value: str) -> Inline | Link | None:
    """
    Tell base64, a data URI and a link apart: relays put each of them into either field.
    """
    value = value.strip()
    if _EMBEDDED.match(value):
        value = value.partition(",")[2]
    elif _begins_as_link(value[:_LOOKED_AT]):
        return Link(value)
    if any(space in value for space in "\n\r \t"):
        value = "".join(value.split())
    return Inline(value) if value else None


def _begins_as_link(start: str) -> bool:
    if start.startswith("/"):
        return not start.startswith("/9j/")  # as the base64 of every JPEG begins
    return "." in start or ":" in start  # neither is in the alphabet of base64
