"""
`once --dry-run`: what would be sent, as what, for how much and where to; for people and for programs.
"""

import fcntl
import json
import os
import pty
import struct
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from process import DEADLINE_SECONDS, RETOUCHD, Station, open_station, opened

LONG = "a name that a customer gave it, twice over, with spaces and dashes - final - final 2026"
WIDE = "红色的鞋子在白色的桌子上面的照片第一张"
EVIL = "ev\til\x1b[2J"


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    with open_station(tmp_path) as station:
        station.configure(
            endpoint={"base_url": "https://user:secret@api.example.com:8443/v1"},
            intake={"settle_seconds": 0},
            edit={"size": "1024x1024"},
        )
        yield station


def rehearsed(station: Station, code: int = 0) -> dict[str, Any]:
    """
    Return the document of a dry run.
    """
    ended, running = station.call("once", "--dry-run", "--json")
    assert ended == code, running.err
    body: dict[str, Any] = json.loads(running.out)
    return body


def on_screen(station: Station, columns: int) -> str:
    """
    Return what a dry run writes to a terminal of so many columns.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    environment = {**station.environment, "TERM": "xterm"}
    del environment["COLUMNS"]
    process = opened(
        [RETOUCHD, "once", "--dry-run", "--config", os.fspath(station.config)],
        cwd=station.root,
        environment=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = bytearray()
    try:
        while block := os.read(ours, 65536):
            said += block
    except OSError:
        pass  # Its last writer is gone.
    os.close(ours)
    assert process.wait(DEADLINE_SECONDS) == 0
    return said.decode().replace("\r\n", "\n")


def phone_photo(path: Path) -> None:
    """
    Save a photo that lies on its side and tells who took it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    told = Image.Exif()
    told[274], told[271] = 6, "Camera"
    Image.new("RGB", (80, 60), "#336699").save(path, exif=told)


def test_a_document_tells_all_of_each_picture(station: Station) -> None:
    """
    Prompt and parameters with the files that say so, what is sent as what, where it goes, what it costs.
    """
    inbox = station.folders.inbox
    phone_photo(inbox / "shoes/red.jpg")
    (inbox / "shoes/_prompt.txt").write_text("make it blue")
    (inbox / "shoes/_edit.toml").write_text('quality = "low"\nimages = ["_refs/b.png"]\n')
    (inbox / "shoes/_refs").mkdir()
    Image.new("RGB", (64, 48), "red").save(inbox / "shoes/_refs/b.png")
    station.drop("cat.png")
    (inbox / "cat.toml").write_text("n = 2\n")
    Image.new("RGBA", (48, 32)).save(inbox / "cat.mask.png")
    (station.folders.outbox / "cat-1.png").write_bytes(b"somebody's")
    before = {
        folder: station.tree(folder) for folder in ("inbox", "outbox", "done", "error", "work")
    }

    body = rehearsed(station)

    assert before == {folder: station.tree(folder) for folder in before}
    assert body["endpoint"]["host"] == "api.example.com:8443"
    assert "secret" not in json.dumps(body)
    found = {each["name"]: each for each in body["pictures"]}
    red, cat = found["red.jpg"], found["cat.png"]
    assert red["prompt"] == {"value": "make it blue", "from": "shoes/_prompt.txt"}
    assert red["parameters"] == {
        "quality": {"value": "low", "from": "shoes/_edit.toml"},
        "size": {"value": "1024x1024", "from": None},
    }
    image = red["image"]
    assert (image["path"], image["width"], image["height"]) == ("shoes/red.jpg", 80, 60)
    assert image["changes"] == ["orientation"]
    assert image["sent"] == {"format": "jpeg", "width": 60, "height": 80}
    assert image["metadata_removed"] == ["exif"]
    assert [each["path"] for each in red["references"]] == ["shoes/_refs/b.png"]
    assert red["results"] == ["shoes/red.png"]
    assert cat["mask"]["path"] == "cat.mask.png"
    assert cat["results"] == ["cat_2-1.png", "cat_2-2.png"]
    assert cat["image"]["changes"] == []
    assert body["totals"]["pictures"] == 2
    total = sum(each["usd_at_most"] for each in body["pictures"])
    assert body["totals"]["usd_at_most"] == pytest.approx(total)


@pytest.mark.parametrize(
    ("model", "size", "is_padded"),
    [("gpt-image-1", "1536x1024", True), ("gpt-image-2", "960x720", False)],
)
def test_a_photo_that_is_to_come_back_is_asked_for_in_its_shape(
    station: Station, model: str, size: str, *, is_padded: bool
) -> None:
    """
    Its result has the photo's format, and what the model makes of it costs no more than that size.
    """
    station.configure(
        endpoint={"base_url": "https://api.example.com/v1"},
        intake={"settle_seconds": 0},
        edit={"model": model, "size": "match", "quality": "low"},
        output={"like": "source"},
    )
    station.drop("cat.jpg")
    photo = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    photo.save(station.folders.inbox / "cat.jpg", "JPEG")

    (planned,) = rehearsed(station)["pictures"]

    assert planned["results"] == ["cat.jpg"]
    assert planned["parameters"]["size"]["value"] == size
    sent = planned["image"]["sent"]
    assert (sent["width"], sent["height"]) == ((720, 480) if is_padded else (640, 480))
    said = " ".join(on_screen(station, 200).split())
    assert ("padded to the shape that is asked for" in said) is is_padded


def test_what_would_not_be_sent_has_its_reason(station: Station) -> None:
    """
    What goes to error/, what waits, what is not taken: in the document and in words.
    """
    station.drop("cat.png")
    station.drop("empty.png", prompt=" ")
    station.drop("lone.png", prompt=None)
    (station.folders.inbox / "no.jpg").write_bytes(b"no picture at all")
    (station.folders.inbox / "no.txt").write_text("blue")
    station.configure(intake={"incomplete_seconds": 0})
    station.drop("half.png")
    half = station.folders.inbox / "half.png"
    half.write_bytes(half.read_bytes()[:-20])
    (station.folders.inbox / "notes.doc").write_text("mine")

    body = rehearsed(station, code=1)
    _, running = station.call("once", "--dry-run")

    problems = {each["name"]: each["problems"][0]["code"] for each in body["to_error"]}
    assert problems == {
        "empty.png": "prompt_empty",
        "no.jpg": "image_unreadable",
        "half.png": "image_unreadable",
    }
    waiting = {each["name"]: each["is_no_work"] for each in body["waiting"]}
    assert waiting == {"lone.png": False, "notes.doc": True}
    assert "would go to error/: empty.png: " in running.out
    assert "waits: lone.png: " in running.out
    assert "not taken: notes.doc: " in running.out


def test_a_budget_that_does_not_last_is_told(station: Station) -> None:
    """
    The first of them today, in their order, and what these may cost.
    """
    station.configure(
        intake={"settle_seconds": 0}, edit={"size": "1024x1024"}, budget={"images_per_day": 3}
    )
    for number in range(5):
        station.drop(f"{number}.png")

    body = rehearsed(station)
    _, running = station.call("once", "--dry-run")

    assert [each["today"] for each in body["pictures"]] == [True] * 3 + [False] * 2
    assert (body["totals"]["pictures"], body["totals"]["today"]) == (5, 3)
    assert "images_per_day = 3" in body["budget"]["reason"]
    assert body["endpoint"]["is_embedded"]
    assert "Only the first 3 of 5 today, for at most $0.671: " in running.out
    assert running.out.count("(not today)") == 2


@pytest.mark.parametrize("columns", [24, 40, 80, 200])
def test_no_name_is_broken_or_cut(station: Station, columns: int) -> None:
    """
    However narrow the terminal is and however long and wide the names: each stands whole in one line.
    """
    names = [LONG, WIDE, EVIL, "cat"]
    (station.folders.inbox / "_prompt.txt").write_text("make it blue")
    for name in names:
        station.drop(f"sub/{name}.png", prompt=None)

    said = on_screen(station, columns)

    assert "\x1b" not in said
    for name in (LONG, WIDE, r"ev\til\x1b[2J", "cat"):
        assert any(f"sub/{name}.png" in line for line in said.split("\n")), name
        assert any(f"outbox/sub/{name}.png" in line for line in said.split("\n")), name


def test_a_program_that_reads_lines_gets_whole_ones(station: Station) -> None:
    """
    Without a terminal nothing is wrapped: one line for each picture.
    """
    station.drop(f"{LONG}.png")

    _, running = station.call("once", "--dry-run", COLUMNS="40")

    (line,) = [each for each in running.out.split("\n") if each.startswith(f"  {LONG}.png ")]
    assert f"→ outbox/{LONG}.png, at most $0.224" in line


def test_what_was_dropped_just_now_is_counted_a_little_later(station: Station) -> None:
    """
    Nothing would be sent of what is being copied; whoever looks right after a drop hears when to look again.
    """
    station.configure(intake={"settle_seconds": 60})
    station.drop("cat.png")

    _, running = station.call("once", "--dry-run")

    assert "waits: cat.png: still changing" in running.out
    assert "once nothing has touched it for intake.settle_seconds" in running.out


def test_what_settles_soon_is_waited_for(station: Station) -> None:
    """
    As a run would: whoever drops and asks at once hears of all of it.
    """
    station.configure(intake={"settle_seconds": 4})
    station.drop("cat.png")

    _, running = station.call("once", "--dry-run", "--json")

    body = json.loads(running.out)
    assert [each["name"] for each in body["pictures"]] == ["cat.png"]
    assert body["waiting"] == []


def test_only_a_dry_run_has_a_document(station: Station) -> None:
    """
    What a run does is told by its log.
    """
    code, running = station.call("once", "--json")

    assert code == 2
    assert "--dry-run" in running.err
