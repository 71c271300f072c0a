"""
A package that is replaced under a running daemon: what it shows is its own until it is restarted.
"""

import shutil
from pathlib import Path

import httpx

from documents import ROOT
from installed import installed
from process import Station
from web_station import listening

SCRIPT = "/static/page.js"
PAGES = {"/": 200, "/wall": 200, "/review": 200, "/jobs": 200, "/login": 200, "/jobs/none": 404}


def shown(url: str) -> dict[str, int]:
    """
    Return the status of each page, which is as whole as the daemon's own version has it.
    """
    answers = {path: httpx.get(f"{url}{path}", headers={"accept": "text/html"}) for path in PAGES}
    script = httpx.get(f"{url}{SCRIPT}")
    assert script.content == (ROOT / f"daemon/retouchd/web/page{SCRIPT}").read_bytes()
    assert all("Jump to content" in each.text for each in answers.values())
    return {path: each.status_code for path, each in answers.items()}


def test_the_page_stays_whole_while_its_package_is_replaced(
    station: Station, tmp_path: Path
) -> None:
    """
    No page was shown before that, so that nothing of it is known from an earlier one.
    """
    package = installed(station, tmp_path)
    _, url = listening(station)

    for kind in ("templates", "static"):
        for path in (package / "web/page" / kind).iterdir():
            path.write_text("{% of another version %}")
    replaced = shown(url)
    shutil.rmtree(package)

    assert replaced == shown(url) == PAGES
