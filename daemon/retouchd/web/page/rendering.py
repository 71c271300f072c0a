"""
Templates and the files that a page loads, read from the package once: an upgrade under a running daemon
replaces them.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as resources

from jinja2 import DictLoader, Environment, select_autoescape

from retouchd import __version__
from retouchd.job.filenames import IMAGE_EXTENSIONS
from retouchd.job.text import dollars
from retouchd.web.page.words import LANGUAGES, shown_value

KEPT = {"cache-control": "private, max-age=604800"}
"""What a browser may keep: pictures of a job and files whose address changes with them."""
_PACKAGE = "retouchd.web.page"
_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """
    A file that a page loads.
    """

    content: bytes
    media_type: str


def static_files() -> Mapping[str, StaticFile]:
    """
    Return the files that a page loads, by name.
    """
    folder = resources(_PACKAGE) / "static"
    return {
        name: StaticFile((folder / name).read_bytes(), media_type)
        for name, media_type in _STATIC.items()
    }


def environment(static: Mapping[str, StaticFile]) -> Environment:
    """
    Return the templates of pages that load `static`; whatever names and prompts hold stays text.
    """
    templates = (resources(_PACKAGE) / "templates").iterdir()
    found = Environment(
        loader=DictLoader({each.name: each.read_text("utf-8") for each in templates}),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {
        "version": __version__,
        "languages": LANGUAGES,
        "mark": _mark(static),
        "accepted": ",".join(f".{each}" for each in sorted(IMAGE_EXTENSIONS)),
    }
    found.filters |= {"dollars": dollars, "clock": clock, "value": shown_value}
    return found


def clock(moment: object) -> str:
    """
    Return a moment, as written or as a value, by the local clock; what is none as it is.
    """
    if isinstance(moment, str):
        try:
            return clock(dt.datetime.fromisoformat(moment))
        except ValueError:
            return moment
    if not isinstance(moment, dt.datetime):
        return ""
    local, now = moment.astimezone(), dt.datetime.now().astimezone()
    return f"{local:%H:%M}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M}"


def _mark(static: Mapping[str, StaticFile]) -> str:
    """
    Return what tells these files from those of another version, which browsers have kept.
    """
    return hashlib.sha256(b"".join(each.content for each in static.values())).hexdigest()[:8]
