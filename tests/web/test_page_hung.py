"""
The page while a folder behind it hangs: who needs that is told so, all others are answered.
"""

import time

import httpx
import pytest

from hanging_disk import HangingDisk
from process import RETOUCHD, Station
from web_station import free_port

pytestmark = pytest.mark.slow(20)

SECONDS = 30
"""What an answer may take on a busy machine; a folder is given two."""


@pytest.mark.parametrize("folder", ["done", "review"])
def test_a_folder_that_hangs_holds_up_nobody_who_does_not_need_it(
    station: Station, disk: HangingDisk, folder: str
) -> None:
    """
    The page that needs it says within seconds which one it is, however often it is asked; once the folder
    answers so does the page.
    """
    port = free_port()
    station.configure(
        web={"listen": f"127.0.0.1:{port}"},
        logging={"level": "debug", "format": "json"},
        output={"review": True},
    )
    running = station.run(
        RETOUCHD, "run", "--config", str(station.config), environment=disk.environment
    )
    station.drop("cat.png")
    running.until(lambda: running.events("job.done"))
    (done,) = running.events("job.done")
    job = f"/jobs/{done['job']}"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=SECONDS) as page:
        assert page.get("/review").text.count("data-review") == 1
        disk.hang(getattr(station.folders, folder))

        needed = "/review" if folder == "review" else job
        for _ in range(6):
            answer = page.get(needed)
            assert answer.status_code == 503
            assert f"folders.{folder}: " in answer.text
            assert "does not answer" in answer.text
        begun = time.monotonic()
        assert page.get(needed).status_code == 503
        assert time.monotonic() - begun < 2, "nobody is let in where four calls hang already"
        for path in ("/", "/wall", "/jobs", "/static/page.css", "/livez"):
            assert page.get(path).status_code == 200, path
        if folder == "done":
            assert page.get(f"{job}/before/480.webp").status_code == 503
            assert page.get(f"{job}/1/480.webp").status_code == 200

        disk.let_go()
        running.until(lambda: page.get(needed).status_code == 200)
