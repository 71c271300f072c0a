"""
The styles: one module for each kind of endpoint, and which of them an address calls for.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from retouchd.endpoint.styles.azure import AZURE, DEPLOYMENTS
from retouchd.endpoint.styles.openai import OPENAI
from retouchd.endpoint.styles.openai_json import OPENAI_JSON
from retouchd.endpoint.styles.openrouter import OPENROUTER
from retouchd.endpoint.styles.style import Asked, Style, StyleName
from retouchd.endpoint.styles.xai import XAI

__all__ = ["AUTO", "OPENAI", "STYLES", "Asked", "Style", "StyleName", "style_for", "wants_a_key"]

AUTO = "auto"

STYLES: Mapping[StyleName, Style] = {
    each.name: each for each in (OPENAI, OPENAI_JSON, XAI, OPENROUTER, AZURE)
}


def style_for(name: str, base_url: str) -> Style:
    """
    Return the style of that name; `auto` goes by host and path, and is OpenAI's where neither says more.

    Raises ValueError for a name that is none.
    """
    if name != AUTO:
        return STYLES[StyleName(name)]
    if DEPLOYMENTS in base_url.partition("?")[0]:
        return AZURE
    host = _host(base_url)
    return next((each for each in STYLES.values() if each.is_at(host)), OPENAI)


def wants_a_key(base_url: str) -> bool:
    """
    Return whether an address is at one of the paid hosts that are known.
    """
    host = _host(base_url)
    return any(each.is_at(host) for each in STYLES.values())


def _host(base_url: str) -> str:
    try:
        return urlsplit(base_url).hostname or ""
    except ValueError:
        return ""
