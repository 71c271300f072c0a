"""
What lies in `error/`, counted by its names alone: as many groups as there are when every record is read.
"""

import json
import os

from hypothesis import given
from hypothesis import strategies as st

from process import Station
from retouchd.job.naming import RECORD
from retouchd.retry.error_groups import count_groups, count_notes, groups_in

_STEMS = st.sampled_from(["cat", "cat_2", "cat.warm", "猫", "dog_mask", "a.b_mask"])
_ENDS = st.sampled_from(
    [".png", ".txt", ".png.txt", ".mask.png", "_mask.png", ".error.txt", ".received.png", ".bin"]
)


@given(
    stems=st.sets(_STEMS, max_size=4),
    loose=st.sets(st.tuples(_STEMS, _ENDS).map("".join), max_size=8),
)
def test_a_count_agrees_with_what_the_records_tell(stems: set[str], loose: set[str]) -> None:
    """
    With records and without, with files that nobody told of, and with records whose originals are gone.
    """
    records = {
        f"{stem}{RECORD}": {"name": stem, "files": [f"{stem}.png", f"{stem}.txt"]} for stem in stems
    }
    names = [*records, *loose]

    groups = groups_in("", names, records)

    assert count_groups(names) == len(groups)


def test_notes_are_records_without_any_original() -> None:
    """
    Whose picture was dragged away alone; a prompt that stayed is still something to be tried again.
    """
    gone = {
        "cat.job.json",
        "cat.error.txt",
        "dog.jpg.job.json",
        "dog.jpg.error.txt",
        "cat.response",
    }

    assert count_notes(gone - {"cat.response"}) == 2
    assert count_notes(gone) == 2
    assert count_notes({*gone, "cat.txt"}) == count_notes({*gone, "dog.jpg"}) == 1
    assert count_notes({"cat.png", "cat.txt", "loose.png"}) == 0


def test_a_record_that_names_its_image_whole_is_one_group() -> None:
    """
    `cat.jpg` and `cat.heic` stand side by side, each with its own prompt or without.
    """
    names = ["cat.heic", "cat.job.json", "cat.jpg", "cat.jpg.txt", "cat.jpg.job.json"]
    records = {
        "cat.job.json": {"name": "cat", "files": ["cat.heic"]},
        "cat.jpg.job.json": {"name": "cat", "files": ["cat.jpg", "cat.jpg.txt"]},
    }

    assert count_groups(names) == len(groups_in("", names, records)) == 2


def test_status_reads_no_record(station: Station) -> None:
    """
    Twenty thousand of them would take half a minute: one that cannot be read to its end shows that it is not.
    """
    (station.folders.error / "shoes").mkdir()
    for stem in ("cat", "shoes/dog"):
        os.mkfifo(station.folders.error / f"{stem}.job.json")
        (station.folders.error / f"{stem}.png").touch()

    code, running = station.call("status", "--json")

    assert code == 3
    assert json.loads(running.out)["in_error"] == 2
