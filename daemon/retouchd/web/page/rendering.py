"""
Templates and the files that a page loads, read from the package once.
"""

import datetime as dt
import hashlib
from importlib.resources import files as resources

from jinja2 import Environment, PackageLoader, select_autoescape

from retouchd import __version__
from retouchd.job.filenames import IMAGE_EXTENSIONS
from retouchd.job.text import dollars
from retouchd.web.page.words import LANGUAGES, shown_value

KEPT = {"cache-control": "private, max-age=604800"}
"""What a browser may keep: pictures of a job and files whose address changes with them."""
STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def environment() -> Environment:
    """
    Return the templates; whatever names and prompts hold stays text.
    """
    found = Environment(
        loader=PackageLoader("retouchd.web.page"),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {
        "version": __version__,
        "languages": LANGUAGES,
        "mark": _mark(),
        "accepted": ",".join(f".{each}" for each in sorted(IMAGE_EXTENSIONS)),
    }
    found.filters |= {"dollars": dollars, "clock": clock, "value": shown_value}
    return found


def static(name: str) -> bytes:
    """
    Return one of the files in `STATIC`.
    """
    return (resources("retouchd.web.page") / "static" / name).read_bytes()


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


def _mark() -> str:
    """
    Return what tells these files from those of another version, which browsers have kept.
    """
    return hashlib.sha256(b"".join(map(static, STATIC))).hexdigest()[:8]
