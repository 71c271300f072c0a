"""
`retouchd submit`: jobs dropped the safe way, everything wrong told before anything is dropped.
"""

import os
import signal
import tomllib
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from process import Running, Station


def picture(station: Station, name: str = "cat.png", mode: str = "RGB") -> str:
    """
    Save a picture that no other name has beside the six folders; return its path as it is typed.
    """
    note = PngInfo()
    note.add_text("Comment", str(zlib.crc32(os.fsencode(name))))
    path = station.root / "mine" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (48, 32)).save(path, "PNG", pnginfo=note)
    return os.fspath(path)


def prompt_of(station: Station, name: str) -> str:
    return (station.folders.inbox / name).read_text("utf-8")


def test_a_picture_and_its_prompt_are_dropped(station: Station) -> None:
    """
    The person's picture stays where it is; both files may be read by whom the umask lets.
    """
    mine = Path(picture(station, "猫 咪.png"))
    mine.chmod(0o600)

    code, running = station.call("submit", os.fspath(mine), "--prompt", "改成黑白，加边框")

    assert code == 0, running.err
    assert station.tree("inbox") == ["猫 咪.png", "猫 咪.txt"]
    assert prompt_of(station, "猫 咪.txt") == "改成黑白，加边框"
    assert (station.folders.inbox / "猫 咪.png").read_bytes() == mine.read_bytes()
    mask = os.umask(0)
    os.umask(mask)
    for path in station.folders.inbox.iterdir():
        assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    assert "inbox/猫 咪.png" in running.out


def test_mask_parameters_and_folder(station: Station) -> None:
    """
    Each picture gets its own prompt, mask and sidecar, in the sub-folder that was named.
    """
    first, second = picture(station, "red.png"), picture(station, "blue.png")
    mask = picture(station, "hole.png", "RGBA")
    words = ["size=1024x1024", "n=2", 'extra.note="猫\\n咪"', "extra.seed=7"]
    given = [part for word in words for part in ("--set", word)]

    code, running = station.call(
        "submit", first, second, "-p", "blue", "--mask", mask, *given, "--folder", "shoes/鞋"
    )

    assert code == 0, running.err
    ends = (".mask.png", ".png", ".toml", ".txt")
    assert station.tree("inbox") == sorted(
        f"shoes/鞋/{stem}{end}" for stem in ("blue", "red") for end in ends
    )
    sidecar = tomllib.loads(prompt_of(station, "shoes/鞋/red.toml"))
    assert sidecar == {"size": "1024x1024", "n": 2, "extra": {"note": "猫\n咪", "seed": 7}}


def test_nothing_there_is_touched(station: Station) -> None:
    """
    A family that is there already, even by a prompt alone, leads to another stem for all files.
    """
    station.drop("cat.png", prompt=None)
    (station.folders.inbox / "cat_2.txt").write_text("somebody's")
    before = station.originals()

    code, _ = station.call("submit", picture(station), "--prompt", "blue")

    assert code == 0
    assert station.tree("inbox") == ["cat.png", "cat_2.txt", "cat_3.png", "cat_3.txt"]
    assert before.items() <= station.originals().items()


def test_names_whose_short_prompt_would_mean_something_else(station: Station) -> None:
    """
    The prompt of `a.png.png` cannot be `a.png.txt`: that belongs to `a.png`.
    """
    code, _ = station.call("submit", picture(station, "a.png.png"), "--prompt", "blue")

    assert code == 0
    assert station.tree("inbox") == ["a.png.png", "a.png.png.txt"]


def test_every_fault_is_told_and_nothing_is_dropped(station: Station) -> None:
    """
    2 with a line for each: missing, a folder, the wrong kind, a mask, ignored, a parameter nobody knows.
    """
    (station.root / "notes.doc").write_text("mine")
    (station.root / "empty.png").touch()
    bad = ["nope\n猫.png", "inbox", "notes.doc", "empty.png"]
    bad += [picture(station, name) for name in ("x.mask.png", "_cat.png", "ok.png")]

    code, running = station.call(
        "submit", *bad, "--prompt", " ", "--set", "sise=1", "--set", "n=x", "--set", "nothing"
    )

    assert code == 2
    for told in (
        "nope\\n猫.png is not there", "inbox is a folder", "notes.doc is no picture",
        "empty.png is empty", "x.mask.png is a mask", "_cat.png would not be taken",
        "did you mean size?", "--set n: ", "--set nothing: write it as", "--prompt holds no text",
    ):  # fmt: skip
        assert any(told in line for line in running.err.splitlines()), told
    assert len(running.err.splitlines()) == 10
    assert station.tree("inbox") == []


@pytest.mark.parametrize("folder", ["../out", "a/../b", "_private", "a//b", ".hidden"])
def test_a_folder_nobody_takes_from(station: Station, folder: str) -> None:
    """
    2; outside of the inbox, or where the daemon would not look.
    """
    code, running = station.call("submit", picture(station), "-p", "x", "--folder", folder)

    assert code == 2
    assert "--folder" in running.err
    assert station.tree("inbox") == []


def test_a_size_that_the_model_does_not_take(station: Station) -> None:
    """
    2 before it is dropped, by the rules of the model that was asked for.
    """
    code, running = station.call(
        "submit", picture(station), "-p", "x", "--set", "size=7x7", "--set", "model=gpt-image-1"
    )

    assert code == 2
    assert "7x7" in running.err


def test_without_a_prompt(station: Station) -> None:
    """
    2 where none can be had; with a `_prompt.txt` above, the picture alone is dropped.
    """
    bare, running = station.call("submit", picture(station), "--folder", "shoes")
    (station.folders.inbox / "_PROMPT.txt").write_text("blue")
    inherited, _ = station.call("submit", picture(station), "--folder", "shoes")

    assert (bare, inherited) == (2, 0)
    assert "--prompt" in running.err
    assert station.tree("inbox") == ["_PROMPT.txt", "shoes/cat.png"]


def test_the_prompt_from_standard_input(station: Station) -> None:
    """
    `--prompt -` reads it as a prompt's file is read: in the encoding that is named, line ends and all.
    """
    station.environment["RETOUCHD_INTAKE__TEXT_ENCODING"] = "gb18030"
    running = station.start("submit", picture(station), "--prompt", "-")
    assert running.process.stdin is not None
    running.process.stdin.write("改成黑白\r\n加边框\r\n".encode("gb18030"))
    running.process.stdin.close()

    assert running.end() == 0, running.err
    assert prompt_of(station, "cat.txt") == "改成黑白\n加边框"


def test_waiting_without_a_daemon(station: Station) -> None:
    """
    3 at once, saying how to start it, and nothing is dropped.
    """
    code, running = station.call("submit", picture(station), "-p", "blue", "--wait")

    assert code == 3
    assert "retouchd run" in running.err
    assert station.tree("inbox") == []


def test_waiting_for_results(station: Station) -> None:
    """
    0 with the results' names; strange names and an earlier job of the same name do not confuse it.
    """
    endpoint = station.endpoint()
    station.configure(endpoint={"base_url": endpoint.url})
    station.start("run").ready()
    names = ["cat.png", "two\nlines.png", os.fsdecode(b"caf\xe9.png"), "猫.png"]
    pictures = [picture(station, name) for name in names]

    first, one = station.call("submit", pictures[0], "-p", "blue", "--wait")
    second, all_of_them = station.call("submit", *pictures, "-p", "蓝", "--wait")

    assert (first, second) == (0, 0), all_of_them.out + all_of_them.err
    assert "cat.png → outbox/cat.png" in one.out
    for line in (
        "cat.png → outbox/cat_2.png",
        "two\\nlines.png → outbox/two\\nlines.png",
        "caf\\xe9.png → outbox/caf\\xe9.png",
        "猫.png → outbox/猫.png",
    ):
        assert line in all_of_them.out.splitlines(), line
    assert len(endpoint.requests) == 5


def test_waiting_for_one_that_fails(station: Station) -> None:
    """
    1, with the reason that stands in error/.
    """
    station.configure(intake={"incomplete_seconds": 0.1})
    station.start("run").ready()
    broken = station.root / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100)

    code, running = station.call("submit", "broken.png", picture(station), "-p", "x", "--wait")

    assert code == 1
    assert "broken.png: " in running.out.replace("broken.png → inbox", "")
    assert "outbox/cat.png" in running.out


def test_a_picture_that_is_taken_away_meanwhile(station: Station) -> None:
    """
    1: whoever waits is told that somebody took it.
    """
    daemon = station.start("run").ready()
    daemon.tell(signal.SIGSTOP)
    running: Running = station.start("submit", picture(station), "-p", "x", "--wait")
    running.until(lambda: "inbox/cat.png" in running.out)

    (station.folders.inbox / "cat.png").rename(station.root / "cat.png")

    assert running.end() == 1
    assert "took it out of the inbox" in running.out


def test_waiting_for_what_is_done_already(station: Station) -> None:
    """
    1, with the earlier result and what to do; with another prompt it is done, though the name is the same.
    """
    station.start("run").ready()
    assert station.call("submit", picture(station), "-p", "blue", "--wait")[0] == 0

    again, told = station.call("submit", picture(station), "-p", "blue", "--wait")
    status, overview = station.call("status")
    for name in ("cat.png", "cat.txt"):
        (station.folders.inbox / name).unlink()
    other, _ = station.call("submit", picture(station), "-p", "grey", "--wait")

    assert (again, other) == (1, 0)
    assert "cat.png waits: the same picture with the same request was edited" in told.out
    assert "outbox/cat.png" in told.out
    assert status == 0, overview.out
    assert "outbox/cat.png" in overview.out
    assert station.tree("outbox") == ["cat.png", "cat_2.png"]


def test_an_inbox_that_cannot_be_written(station: Station) -> None:
    """
    78, naming the folder; nothing is half dropped.
    """
    (station.folders.inbox / "shoes").write_text("a file in the way")

    code, running = station.call("submit", picture(station), "-p", "x", "--folder", "shoes")

    assert code == 78
    assert "shoes" in running.err
    assert "Traceback" not in running.err
    assert station.tree("inbox") == ["shoes"]


def test_the_watcher_never_sees_a_half_job(station: Station) -> None:
    """
    Each job is claimed whole, with its prompt, though nothing has to be quiet first.
    """
    station.configure(intake={"settle_seconds": 0})
    daemon = station.start("run").ready()
    pictures = [picture(station, f"{number}.png") for number in range(8)]

    code, running = station.call("submit", *pictures, "-p", "蓝", "--wait")

    assert code == 0, running.out
    assert [len(line["files"]) for line in daemon.events("job.claimed")] == [2] * 8


def test_a_sidecar_with_several_edits_is_dropped_with_each(station: Station) -> None:
    """
    It lies beside each picture whole; what is wrong with it is said before anything is dropped.
    """
    cat, looks = picture(station, "cat.png"), station.root / "looks.toml"
    looks.write_text('[[edits]]\nname = "warm"\nprompt = "warm"\n[[edits]]\nname = "cold"\n')

    code, running = station.call("submit", cat, "--edits", str(looks))
    assert code == 2
    assert "no prompt" in running.err
    code, running = station.call("submit", cat, "--edits", str(looks), "--set", "n=2", "-p", "x")
    assert code == 2
    assert "--edits" in running.err
    assert station.tree("inbox") == []

    code, running = station.call("submit", cat, "--edits", str(looks), "-p", "cold")

    assert code == 0, running.err
    assert station.tree("inbox") == ["cat.png", "cat.toml", "cat.txt"]
    assert prompt_of(station, "cat.toml") == looks.read_text()
