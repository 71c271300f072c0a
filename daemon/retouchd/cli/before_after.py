"""
A page that shows originals beside their results, as one file that a browser opens without a server.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; font-weight: 600; }
article { border-top: 1px solid var(--line); padding: 1.5rem 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
.pair > * { align-self: start; }
figure { margin: 0; }
img { width: 100%; height: auto; display: block; border-radius: 6px; }
.note, figcaption { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
blockquote, .note { margin: 0 0 1rem; white-space: pre-wrap; overflow-wrap: anywhere; }
blockquote { font-size: 1.15rem; margin-bottom: 0; }
.missing { border: 1px dashed var(--line); border-radius: 6px; padding: 1rem; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """
    An original and what became of it: its results, or the sentences that say why there is none.

    `note` says in a reader's words what was asked for, and where. Paths are relative to the page.
    """

    prompt: str
    note: str
    original: str
    results: tuple[str, ...] = ()
    reason: str = ""


def page(title: str, pairs: Iterable[Pair], remark: str) -> str:
    """
    Return the page as HTML; whatever the texts and names hold stays text.
    """
    body = "\n".join(map(_article, pairs))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<h1>{escape(title)}</h1>\n"
        f'<p class="note">{escape(remark)}</p>\n{body}\n</html>\n'
    )


def _article(pair: Pair) -> str:
    after = [_figure(path) for path in pair.results]
    if pair.reason:
        after.append(f'<p class="missing">{escape(pair.reason)}</p>')
    prompt = f"<blockquote>{escape(pair.prompt)}</blockquote>\n" if pair.prompt else ""
    note = f'<p class="note">{escape(pair.note)}</p>\n'
    pictures = "\n".join([_figure(pair.original), *after])
    return f'<article>\n{prompt}{note}<div class="pair">\n{pictures}\n</div>\n</article>'


def _figure(path: str) -> str:
    name = escape(path)
    picture = f'<img src="{quote(path)}" alt="{name}" loading="lazy">'
    return f"<figure>{picture}<figcaption>{name}</figcaption></figure>"
