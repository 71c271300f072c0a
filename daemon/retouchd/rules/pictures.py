"""
Where relays put the pictures in their answers.

Shapes seen in the field: the images API (`data[].b64_json` or `data[].url`, either holding what belongs in the
other), `images[]` in place of `data[]`, one event of a stream, and chat completions with the picture in the
text, in a part of the content, or beside it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DATA_URI = re.compile(r"data:image/[\w.+-]+(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/=_-]+)", re.ASCII)
# The alternative text is bounded and holds no bracket: a hostile answer must not cost quadratic time.
_MARKDOWN_IMAGE = re.compile(r"!\[[^\]\[]{0,1000}\]\(\s*<?(https?://[^\s)>]+|/[^\s)>]+)")
_LINK = re.compile(r"https?://[^\s()<>\"'\]\u0080-\U0010ffff]+")
_IMAGE_NAME = re.compile(r"\.(?:png|jpe?g|webp)(?!\w)", re.IGNORECASE)


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


def pictures_in(document: Any) -> Iterator[Inline | Link]:
    """
    Yield the pictures of one JSON document in the order they stand there.
    """
    match document:
        case {"type": str(kind)} if "partial" in kind:
            return
        case {"choices": list(choices)}:
            for choice in choices:
                yield from _chat_pictures(choice)
        case {"data": list(items)}:
            for item in items:
                yield from _item(item)
        case {"images": list(items)}:
            for item in items:
                yield from _item(item)
        case {"data": dict(item)}:
            yield from _item(item)
        case {"b64_json": _} | {"url": _} if not document.get("error"):
            yield from _item(document)


def _chat_pictures(choice: Any) -> Iterator[Inline | Link]:
    match choice:
        case {"message": dict(message)}:
            content, images = message.get("content"), message.get("images")
            if isinstance(content, str):
                yield from _text_pictures(content)
            for part in content if isinstance(content, list) else ():
                yield from _content_part(part)
            for image in images if isinstance(images, list) else ():
                yield from _item(image)


def _content_part(part: Any) -> Iterator[Inline | Link]:
    match part:
        case str(text) | {"text": str(text)}:
            yield from _text_pictures(text)
        case _:
            yield from _item(part)


def _item(item: Any) -> Iterator[Inline | Link]:
    """
    Yield the picture of one item of a list: base64 first, a link only where there is none.
    """
    if isinstance(item, str):
        found = _picture(item)
    elif isinstance(item, dict):
        image_url = item.get("image_url")
        if isinstance(image_url, dict):
            image_url = image_url.get("url")
        values = (item.get("b64_json"), item.get("url"), image_url)
        found = next((p for v in values if isinstance(v, str) and (p := _picture(v))), None)
    else:
        found = None
    if found is not None:
        yield found


def _picture(value: str) -> Inline | Link | None:
    """
    Tell base64, a data URI and a link apart: relays put each of them into either field.
    """
    value = value.strip()
    if value[:5].lower() == "data:":
        value = value.partition(",")[2]
    elif _is_link(value[:200]):
        return Link(value)
    if any(space in value for space in "\n\r \t"):
        value = "".join(value.split())
    return Inline(value) if value else None


def _is_link(start: str) -> bool:
    if start.startswith("/"):
        return not start.startswith("/9j/")  # as the base64 of every JPEG begins
    return "." in start or ":" in start  # neither is in the alphabet of base64


def _text_pictures(text: str) -> Iterator[Inline | Link]:
    """
    Yield the pictures in a chat's words: each one embedded or shown, once; else the last link to one.

    Bare links in running text are progress reports and previews up to the last.
    """
    found: list[tuple[int, Inline | Link]] = []
    found += [(match.start(), Inline(match[1])) for match in _DATA_URI.finditer(text)]
    found += [(match.start(), Link(match[1])) for match in _MARKDOWN_IMAGE.finditer(text)]
    if found:
        found.sort(key=lambda pair: pair[0])
        yield from dict.fromkeys(picture for _, picture in found)
        return
    links = [link for match in _LINK.finditer(text) if (link := _image_link(match[0]))]
    yield from links[-1:]


def _image_link(url: str) -> Link | None:
    name = _IMAGE_NAME.search(url)
    if name is None:
        return None
    end = len(url.rstrip(".,;:!*")) if url[name.end() :].startswith("?") else name.end()
    return Link(url[:end])
