"""
Pictures in running text, as chats show them: embedded, in Markdown or HTML, or as a link.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

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
