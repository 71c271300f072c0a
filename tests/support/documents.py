"""
What the project's documents say: the README and the pages of `docs/`.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    path: path.read_text("utf-8")
    for path in [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]
}


def page(name: str) -> str:
    """
    Return a page by its path below the project.
    """
    return PAGES[ROOT / name]


def section(name: str, title: str) -> str:
    """
    Return what stands under a heading of a page, up to the next one that is as high.
    """
    found = re.search(rf"^(#+) {re.escape(title)}\n", page(name), re.MULTILINE)
    assert found, f"{name} has no heading {title!r}"
    rest = page(name)[found.end() :]
    return re.split(rf"^#{{1,{len(found[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
