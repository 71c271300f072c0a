"""
What waits in the inbox, told in short: by a daemon that knows it, and without one.
"""

import signal
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process import Running, Station
from retouchd.inbox.waiting import MOST_FILES, kind_of, shares


def look(station: Station, *options: str) -> dict[str, Any]:
    """
    Return what `status --json` says.
    """
    _, body, said = station.status(*options)
    assert said == ""
    return body


def until_told(station: Station, daemon: Running, **kinds: int) -> dict[str, Any]:
    """
    Wait until so many files are told of these kinds; return what is said then.
    """
    found: list[dict[str, Any]] = []

    def is_told() -> bool:
        found.append(look(station))
        said = found[-1]["waiting_kinds"] or {}
        return all(said.get(kind.replace("_", " ")) == count for kind, count in kinds.items())

    daemon.until(is_told)
    return found[-1]


@given(counts=st.lists(st.integers(0, 3000), max_size=100), most=st.integers(1, 1500))
def test_some_of_each_kind_are_told(counts: list[int], most: int) -> None:
    """
    As many as there is room for, of the first kinds first, but one of each before two hundred of any.
    """
    told = shares(counts, most)

    assert sum(told) == min(sum(counts), most)
    assert all(0 <= share <= count for share, count in zip(told, counts, strict=True))
    if most >= len(counts):
        assert all(share for share, count in zip(told, counts, strict=True) if count)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("waits for its prompt, cat.txt", "waits for its prompt"),
        ("waits for its image, cat.png or cat.jpg", "waits for its image"),
        ("cat.txt is empty: it has not arrived yet", "is empty"),
        (
            "not taken: unfinished download of Firefox",
            "not taken: unfinished download of Firefox",
        ),
        ("ready", "ready"),
    ],
)
def test_a_kind_leaves_out_what_is_different_for_each_file(reason: str, kind: str) -> None:
    """
    So that a hundred thousand files have a few kinds of reasons.
    """
    assert kind_of(reason, ("cat.png", "cat.txt")) == kind


def test_a_daemon_tells_what_it_knows(station: Station) -> None:
    """
    What was dropped a moment ago is told, from its memory alone: while it stands still, nothing new is known;
    and what wants something comes before what is merely ready.
    """
    station.configure(endpoint={"base_url": station.endpoint("quota").url})
    inbox = station.folders.inbox
    for number in range(MOST_FILES // 2 + 10):
        station.drop(f"{number}.png")
    (inbox / "photo.cr2").write_bytes(b"raw")
    (inbox / "empty.png").touch()
    daemon = station.start("run").ready()
    daemon.until(lambda: daemon.events("daemon.paused"))
    ready = {"ready": MOST_FILES + 20}

    body = until_told(station, daemon, **ready)

    assert body["ready"] == MOST_FILES + 20
    assert body["waiting_count"] == MOST_FILES + 22 == sum(body["waiting_kinds"].values())
    assert len(body["waiting"]) == MOST_FILES
    assert [each["name"] for each in body["waiting"][:2]] == ["empty.png", "photo.cr2"]
    station.drop("鞋/lone.png", prompt=None)
    body = until_told(station, daemon, waits_for_its_prompt=1)
    (lone,) = [each for each in body["waiting"] if each["kind"] == "waits for its prompt"]
    assert lone | {"until": None} == {
        "folder": "鞋",
        "name": "lone.png",
        "reason": "waits for its prompt, lone.txt",
        "kind": "waits for its prompt",
        "changed_at": None,
        "until": None,
    }
    whole = look(station, "--all")
    assert len(whole["waiting"]) == whole["waiting_count"] == MOST_FILES + 23
    assert whole["waiting_kinds"] == body["waiting_kinds"]

    daemon.tell(signal.SIGSTOP)
    station.drop("new.png", prompt=None)
    assert look(station)["waiting_count"] == MOST_FILES + 23
    daemon.tell(signal.SIGCONT)
    until_told(station, daemon, waits_for_its_prompt=2)
    _, running = station.call("status")
    assert "1,020 files: paused: the key or the account is turned away" in running.out
    assert daemon.end(signal.SIGTERM) == 0


def test_what_is_not_taken_and_goes_is_told_no_longer(station: Station) -> None:
    """
    A download that gets its name, and what `check` tries in the inbox: with its going, not with the next scan.
    """
    station.configure(intake={"settle_seconds": 0, "rescan_seconds": 3600})
    daemon = station.start("run").ready()
    part = station.folders.inbox / "coat.jpg.part"
    part.write_bytes(b"half")
    daemon.until(lambda: [each["name"] for each in look(station)["waiting"]] == [part.name])

    station.call("check")
    part.rename(station.folders.inbox / "notes.jpg")

    daemon.until(lambda: [each["name"] for each in look(station)["waiting"]] == ["notes.jpg"])


def test_held_files_are_told_with_their_reasons(station: Station) -> None:
    """
    A second drop of what is done is told as edited before, with its result; a fault by its sentence.
    """
    daemon = station.start("run").ready()
    station.drop("cat.png")
    daemon.until(lambda: daemon.events("job.done"))
    (station.folders.done / "cat.png").rename(station.folders.inbox / "cat.png")
    (station.folders.inbox / "cat.txt").write_text("make cat.png blue", "utf-8")
    broken = station.folders.inbox / "broken"
    broken.mkdir()
    (broken / "_prompt.txt").write_bytes(b"\xff\xfe\x00\xd8bad")
    station.drop("broken/dog.png", prompt=None)

    daemon.until(lambda: daemon.events("file.held"))
    body = until_told(station, daemon, edited_before=2)
    while "dog.png" not in {each["name"] for each in body["waiting"]}:
        body = look(station)
    reasons = {each["name"]: each["reason"] for each in body["waiting"]}
    assert "outbox/cat.png" in reasons["cat.png"]
    assert "_prompt.txt" in reasons["dog.png"]
    assert Counter(each["kind"] for each in body["waiting"]) == body["waiting_kinds"]
    assert daemon.end(signal.SIGTERM) == 0


def test_without_a_daemon_the_same_is_told(station: Station) -> None:
    """
    Each kind is counted as the files themselves say, whatever lies there.
    """
    inbox = station.folders.inbox
    for name in ("a.png", "shoes/b.png", "c_mask.png", "d.png"):
        station.drop(name, None if name[0] in "bd" else "")
    for name in ("lone.txt", "empty.png", "f.cr2", "g.jpg.part", "cat.job.json", "cat.error.txt"):
        (inbox / name).write_bytes(b"" if name == "empty.png" else b"make it blue")
    (inbox / "link.png").symlink_to(inbox / "a.png")

    short, whole = look(station), look(station, "--all")

    assert short["waiting_count"] == len(short["waiting"]) == len(whole["waiting"])
    assert short["waiting_kinds"] == whole["waiting_kinds"]
    assert Counter(each["kind"] for each in short["waiting"]) == short["waiting_kinds"]


def test_what_somebody_has_to_bring_is_logged_once_for_each_kind(station: Station) -> None:
    """
    Whoever only looks at the terminal hears that photos wait for their prompts, and is not flooded; and again
    when there are ten times as many, or when it begins anew.
    """
    for name in ("a.png", "b.png", "shoes/c.png"):
        station.drop(name, prompt=None)
    (station.folders.inbox / "lone.txt").write_text("make it blue", "utf-8")
    station.settle()
    daemon = station.start("run").ready()

    def told() -> dict[str, int]:
        lines = daemon.events("file.waiting")
        assert len({(line["name"], line["files"]) for line in lines}) == len(lines)
        return Counter(line["reason"].partition(",")[0] for line in lines)

    daemon.until(lambda: told() == {"waits for its prompt": 1, "waits for its image": 1})
    (line,) = [each for each in daemon.events("file.waiting") if each["name"] == "a.png"]
    assert (line["reason"], line["files"]) == ("waits for its prompt, a.txt", 3)
    assert line["others"] == ["b.png", "shoes/c.png"]

    for number in range(26):
        station.drop(f"{number}.png", prompt=None)
    until_told(station, daemon, waits_for_its_prompt=29)
    assert told()["waits for its prompt"] == 1
    station.drop("d.png", prompt=None)
    daemon.until(lambda: told()["waits for its prompt"] == 2)

    (station.folders.inbox / "_prompt.txt").write_text("make it blue", "utf-8")
    until_told(station, daemon, waits_for_its_image=1)
    daemon.until(lambda: len(station.tree("outbox")) == 30)
    (station.folders.inbox / "_prompt.txt").unlink()
    station.drop("e.png", prompt=None)
    daemon.until(lambda: told()["waits for its prompt"] == 3)
    assert told()["waits for its image"] == 1
