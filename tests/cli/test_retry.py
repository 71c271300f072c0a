"""
`retouchd retry`: what a person names in `error/` goes back into the inbox, whole and over nothing.
"""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from process import RETOUCHD, Station


def fail(station: Station, *names: str) -> None:
    """
    Bring pictures into error/ by an empty prompt.
    """
    for name in names:
        station.drop(name, prompt=" \n")
    code, running = station.call("once")
    assert code == 1, running.out + running.err


def test_a_mended_picture_is_done(station: Station) -> None:
    """
    The prompt is mended in error/, the job taken back and done; its record names the one before.
    """
    fail(station, "shoes/红.png")
    before = station.record("error/shoes/红.job.json")
    (station.folders.error / "shoes/红.txt").write_text("改成蓝色", "utf-8")

    code, running = station.call("retry", "shoes/红")
    done, _ = station.call("once")

    assert (code, done) == (0, 0), running.err
    assert "error/shoes/红.png → inbox/shoes/红.png" in running.out
    assert station.tree("error") == []
    assert station.tree("done") == ["shoes/红.job.json", "shoes/红.png", "shoes/红.txt"]
    assert station.record("done/shoes/红.job.json")["previous"] == before["id"]


@pytest.mark.parametrize(
    "words",
    [("cat",), ("cat.png",), ("error/cat.png",), ("red",), ("shoes/red",), ("shoes/*",), ("*",), ("--all",)],
)  # fmt: skip
def test_ways_to_name_it(station: Station, words: tuple[str, ...]) -> None:
    """
    By stem, by file, by pattern, by a name in a sub-folder: only what is meant moves.
    """
    fail(station, "cat.png", "shoes/red.png")
    cat, red = {"cat.job.json", "cat.png", "cat.txt"}, "shoes/red.png"

    code, running = station.call("retry", *words)

    assert code == 0, running.err
    is_cat = words[0] in ("cat", "cat.png", "error/cat.png", "*", "--all")
    is_red = words[0] in ("red", "shoes/red", "shoes/*", "*", "--all")
    assert cat <= set(station.tree("inbox" if is_cat else "error"))
    assert ("cat.error.txt" in station.tree("error")) == (not is_cat)
    assert "cat.error.txt" not in station.tree("inbox")
    assert red in station.tree("inbox" if is_red else "error")


def test_names_that_are_not_utf8_or_hold_a_newline(station: Station) -> None:
    """
    They are named as they are shown, and move as they are.
    """
    fail(station, os.fsdecode(b"caf\xe9.png"), "two\nlines.png")
    before = station.tree("error")

    code, running = station.call("retry", "caf\\xe9", "two\\nlines.png")

    assert code == 0, running.err
    assert station.tree("error") == []
    assert station.tree("inbox") == [name for name in before if not name.endswith(".error.txt")]
    assert len(running.out.splitlines()) == 2


def test_an_unknown_name_moves_nothing(station: Station) -> None:
    """
    2 with the nearest names; what was named well stays too. Without any name all of them are listed.
    """
    fail(station, "cat.png", "beach.png")

    code, running = station.call("retry", "beach", "cta")
    bare, listed = station.call("retry")

    assert (code, bare) == (2, 2)
    assert "cta is not in error/. Did you mean" in running.err
    assert "cat" in running.err
    assert "beach, cat" in listed.err
    assert station.tree("inbox") == []


def test_a_taken_name_in_the_inbox(station: Station) -> None:
    """
    Where a newer cat waits, all files of the old one take another stem.
    """
    fail(station, "cat.png")
    station.drop("cat.png", prompt=None)
    newer = (station.folders.inbox / "cat.png").read_bytes()

    code, _ = station.call("retry", "cat")

    assert code == 0
    names = ["cat_2.job.json", "cat_2.png", "cat_2.txt"]
    assert station.tree("inbox") == ["cat.png", *names]
    assert (station.folders.inbox / "cat.png").read_bytes() == newer


def test_it_joins_the_prompt_that_was_missing(station: Station) -> None:
    """
    A picture that came without a prompt goes to the prompt that waits for it in the inbox by now.
    """
    station.configure(intake={"orphan_seconds": 0.1, "settle_seconds": 0})
    station.drop("cat.png", prompt=None)
    daemon = station.start("run").ready()
    daemon.until(lambda: station.tree("error"))
    assert daemon.end(signal.SIGTERM) == 0
    (station.folders.inbox / "cat.txt").write_text("blue")

    code, _ = station.call("retry", "cat")
    done, _ = station.call("once")

    assert (code, done) == (0, 0)
    assert station.tree("outbox") == ["cat.png"]


def test_the_stem_it_once_had(station: Station) -> None:
    """
    The second cat in error/ is called cat_2 there, and cat again in the inbox.
    """
    fail(station, "cat.png")
    fail(station, "cat.png")

    code, running = station.call("retry", "cat_2")

    assert code == 0
    assert "error/cat_2.png → inbox/cat.png" in running.out
    assert "cat.txt" in station.tree("inbox")


def test_a_retry_cut_short_is_taken_up_again(station: Station) -> None:
    """
    With the prompt and the record moved already, the rest of the job follows under the same stem.
    """
    fail(station, "cat.png")
    for name in ("cat.txt", "cat.job.json"):
        (station.folders.error / name).rename(station.folders.inbox / name)

    code, _ = station.call("retry", "cat")

    assert code == 0
    names = ["cat.job.json", "cat.png", "cat.txt"]
    assert (station.tree("inbox"), station.tree("error")) == (names, [])


def test_what_may_cost_again_is_told(station: Station) -> None:
    """
    A picture in doubt is taken back with a word on the money.
    """
    fail(station, "cat.png")
    record = station.record("error/cat.job.json")
    record["error"]["code"] = "in_doubt"
    (station.folders.error / "cat.job.json").write_text(json.dumps(record), "utf-8")

    code, running = station.call("retry", "--all")

    assert code == 0
    assert "may be charged again" in running.out


def test_orphans_and_files_without_a_record(station: Station) -> None:
    """
    A prompt without its image and files a person put there go back too; a note that is no job's stays.
    """
    (station.folders.error / "lost.prompt").write_text("blue")
    (station.folders.error / "notes.doc").write_text("mine")

    code, _ = station.call("retry", "--all")

    assert code == 0
    assert (station.tree("inbox"), station.tree("error")) == (["lost.prompt"], ["notes.doc"])


def test_what_told_why_goes_and_what_is_a_persons_stays(station: Station) -> None:
    """
    The reason and the answers without a picture are of no use any more; what only has such a name is kept.
    """
    fail(station, "cat.png", "dog.png")
    answer = '{"status": 200, "headers": {}}\n{}'
    for name in ("cat.response", "cat.2.response", "dog.response"):
        (station.folders.error / name).write_text(answer if name[0] == "c" else "my own")
    (station.folders.error / "dog.error.txt").write_text("my own")

    code, running = station.call("retry", "--all")

    assert code == 0, running.err
    assert station.tree("error") == ["dog.error.txt", "dog.response"]
    back = ["cat.job.json", "cat.png", "cat.txt", "dog.job.json", "dog.png", "dog.txt"]
    assert station.tree("inbox") == back


def test_a_prompt_without_its_picture_takes_its_record_along(station: Station) -> None:
    """
    It fails again, and nothing of the first time stays in the inbox.
    """
    station.configure(intake={"orphan_seconds": 0.1, "settle_seconds": 0})
    (station.folders.inbox / "cat.txt").write_text("blue")
    daemon = station.start("run").ready()
    daemon.until(lambda: "cat.txt" in station.tree("error"))
    before = station.record("error/cat.job.json")["id"]

    code, running = station.call("retry", "cat")
    assert code == 0, running.err
    assert running.out == "error/cat.txt → inbox/cat.txt\n"
    daemon.until(
        lambda: (
            "cat.job.json" in station.tree("error")
            and station.record("error/cat.job.json")["id"] != before
        )
    )

    assert daemon.end(signal.SIGTERM) == 0
    assert station.tree("inbox") == []
    assert station.record("error/cat.job.json")["previous"] == before


def test_what_an_endpoint_gave_stays(station: Station) -> None:
    """
    It is no picture of its own, with its job or alone.
    """
    fail(station, "cat.png")
    for name in ("cat.received.png", "cat-1.received.webp", "other.received.png"):
        (station.folders.error / name).write_bytes(b"as received")

    code, running = station.call("retry", "--all")

    assert code == 0, running.err
    assert station.tree("inbox") == ["cat.job.json", "cat.png", "cat.txt"]
    assert station.tree("error") == [
        "cat-1.received.webp",
        "cat.received.png",
        "other.received.png",
    ]


def test_from_another_filesystem(station: Station) -> None:
    """
    Copied whole and then removed, with bytes and times as they were.
    """
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == station.root.stat().st_dev:
        pytest.skip("there is no other filesystem here")
    error = other / f"retouchd-{os.getpid()}"
    error.mkdir()
    try:
        station.configure(folders={"error": os.fspath(error)})
        fail(station, "cat.png")
        before = (error / "cat.png").stat()

        code, running = station.call("retry", "cat")

        assert code == 0, running.err
        assert list(error.iterdir()) == []
        after = (station.folders.inbox / "cat.png").stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        assert station.tree("inbox") == ["cat.job.json", "cat.png", "cat.txt"]
    finally:
        shutil.rmtree(error)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(station: Station, shell: str) -> None:
    """
    The script for each shell names the program and ends well.
    """
    running = station.run(RETOUCHD, "--show-completion", shell)

    assert running.end() == 0, running.err
    assert "_RETOUCHD_COMPLETE" in running.out
    assert running.err == ""


def test_the_shell_completes_names_in_error(station: Station) -> None:
    """
    `retouchd retry sho<TAB>` offers what lies in error/, without a word where there is no configuration.
    """
    fail(station, "cat.png", "shoes/红.png")
    asked = {
        "COMP_WORDS": f"retouchd retry --config {station.config} s",
        "COMP_CWORD": "4",
        "_RETOUCHD_COMPLETE": "bash_complete",
    }
    running = station.run(RETOUCHD, environment=asked)
    assert running.end() == 0, running.err
    assert running.out.split() == ["plain,shoes/红", "plain,shoes/红.png"]

    station.config.unlink()
    running = station.run(RETOUCHD, environment=asked)
    assert running.end() == 0
    assert (running.out.strip(), running.err) == ("", "")
