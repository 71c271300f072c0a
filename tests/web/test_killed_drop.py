"""
A drop that was killed leaves hidden copies: the next start removes them, and never those of one at work.
"""

import fcntl
import signal
import sys
from pathlib import Path

from process import Station
from retouchd.disk import nofollow
from web_station import listening, picture, post

DROPPING = """
import sys, time
from pathlib import Path
from retouchd.disk import nofollow
from retouchd.inbox.safe_drop import Piece, drop

def wait():
    print("before the last", flush=True)
    time.sleep(600)

pieces = [Piece(suffix=".txt", source=b"make it blue"), Piece(suffix=".png", source=b"half a picture")]
with nofollow.opened_folder(Path(sys.argv[1]), "shoes") as folder:
    drop(folder, "red", pieces, wait)
"""


def hidden_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".retouchd-drop-*"))


def test_what_a_killed_drop_left_goes_at_the_next_start(station: Station) -> None:
    """
    A start while it is at work removes nothing of it, nor does another drop into its folder.
    """
    folder = station.folders.inbox / "shoes"
    folder.mkdir()
    dropping = station.run(sys.executable, "-c", DROPPING, str(station.folders.inbox))
    dropping.until(lambda: dropping.out)
    hidden = hidden_in(folder)
    running, url = listening(station)
    post(url, picture(), prompt="make it red", folder="shoes").raise_for_status()

    assert len(hidden) == 1, "the prompt has its name, the picture not yet"
    assert hidden_in(folder) == hidden
    assert running.end(signal.SIGTERM) == 0
    dropping.kill()
    running, _ = listening(station)
    running.until(lambda: hidden_in(folder) == [])


def test_what_another_program_keeps_locked_holds_no_post_up(station: Station) -> None:
    """
    Such as a copy that is made under flock(1).
    """
    folder = station.folders.inbox / "shoes"
    folder.mkdir()
    running, url = listening(station)

    with nofollow.opened_folder(station.folders.inbox, "shoes") as held:
        fcntl.flock(held.fd, fcntl.LOCK_EX)
        post(url, picture(), prompt="make it red", folder="shoes").raise_for_status()

    assert running.end(signal.SIGTERM) == 0
