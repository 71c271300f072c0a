"""
What a body says that is no JSON but markup: a web page's words, or an error in XML as fields.

Web servers and fronts answer with pages of their own; Azure's gateway, object stores and SOAP services with
XML. Both are read by patterns, of the beginning alone: a body may be anything, and of any length.
"""

import html
import re

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
