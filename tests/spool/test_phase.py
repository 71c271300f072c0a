import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.spool.phase import Phase, attempts_in, phase_of, pictures_in

MEMBERS = ["cat.png", "cat.txt"]
IMAGE, PROMPT = "originals/cat.png", "originals/cat.txt"
ALL = ["job.json", IMAGE, PROMPT]
OPEN, RESPONSE, JSON = (f"attempt-1-1.{end}" for end in ("open", "response", "json"))
KEPT = [*ALL, OPEN, RESPONSE]
PLANNED = [*KEPT, JSON, "plan.json"]
OUTPUT = "outputs/1-1.png"

ROWS = {
    "nothing": ([], Phase.EMPTY),
    "not even written": (["job.json.tmp"], Phase.EMPTY),
    "opened": (["job.json"], Phase.EMPTY),
    "given back before a request": (["job.json", "crashes"], Phase.EMPTY),
    "given back after one": (["job.json", OPEN, JSON], Phase.EMPTY),
    "image claimed": (["job.json", IMAGE], Phase.CLAIMING),
    "half given back": (["job.json", IMAGE, OPEN, JSON], Phase.CLAIMING),
    "prompt left over": (["job.json", PROMPT], Phase.CLAIMING),
    "claimed": (ALL, Phase.CLAIMED),
    "fitted": ([*ALL, "upload/cat.png", "references/wall.png", "crashes"], Phase.CLAIMED),
    "attempt opened": ([*ALL, OPEN], Phase.ASKING),
    "answer half kept": ([*ALL, OPEN, "attempt-1-1.part"], Phase.ASKING),
    "later answer half kept": ([*ALL, OPEN, "attempt-1-1.response.tmp"], Phase.ASKING),
    "answer kept": (KEPT, Phase.KEPT),
    "pictures being decoded": ([*KEPT, "outputs-1.part/1-1.png"], Phase.KEPT),
    "pictures decoded, verdict not yet": ([*KEPT, OUTPUT], Phase.KEPT),
    "closed without picture": ([*KEPT, JSON], Phase.CLOSED),
    "closed without answer": ([*ALL, OPEN, JSON], Phase.CLOSED),
    "second attempt opened": ([*KEPT, JSON, "attempt-1-2.open"], Phase.ASKING),
    "tenth attempt counts, not ninth": (
        [*ALL, "attempt-1-9.json", "attempt-1-10.open"],
        Phase.ASKING,
    ),
    "edited": ([*KEPT, JSON, OUTPUT], Phase.EDITED),
    "results half written anew": ([*KEPT, JSON, OUTPUT, "finished.part/1-1.jpg"], Phase.EDITED),
    "results written anew": (
        [*KEPT, JSON, OUTPUT, "finished/1-1.jpg", "finished/results.json"],
        Phase.FINISHED,
    ),
    "planned": ([*PLANNED, OUTPUT], Phase.PUBLISHING),
    "plan half written": ([*KEPT, JSON, OUTPUT, "plan.json.tmp"], Phase.EDITED),
    "one of two published": ([*PLANNED, "outputs/1-2.png"], Phase.PUBLISHING),
    "staged for another filesystem": ([*PLANNED, "output-1.staged"], Phase.PUBLISHING),
    "published": (PLANNED, Phase.ARCHIVING),
    "planned without request": ([*ALL, "plan.json"], Phase.ARCHIVING),
    "image archived": (["job.json", "plan.json", PROMPT], Phase.ARCHIVING),
    "last original staged": (["job.json", "plan.json", "original-2.staged"], Phase.ARCHIVING),
    "over": (["job.json", "plan.json", OPEN, RESPONSE, JSON], Phase.OVER),
}


@pytest.mark.parametrize(("files", "expected"), ROWS.values(), ids=ROWS)
def test_the_files_say_where_a_job_stands(files: list[str], expected: Phase) -> None:
    """
    Each row of the table reads as its phase.
    """
    assert expected is phase_of(files, MEMBERS)


@pytest.mark.parametrize(("files", "expected"), ROWS.values(), ids=ROWS)
def test_an_earlier_versions_files_are_the_first_edits(files: list[str], expected: Phase) -> None:
    """
    It named attempts and pictures by one number, and nothing stands anywhere else for that.
    """
    earlier = [re.sub(r"(attempt-|outputs/)1-", r"\1", name) for name in files]

    assert expected is phase_of(earlier, MEMBERS)


SECOND = {
    "not asked yet": ([], Phase.CLAIMED),
    "asked": (["attempt-2-1.open"], Phase.ASKING),
    "answered": (["attempt-2-1.open", "attempt-2-1.response"], Phase.KEPT),
    "to be asked again": (["attempt-2-1.json"], Phase.CLOSED),
    "half sealed": (["attempt-2-1.response", "outputs/2-1.png"], Phase.KEPT),
    "edited": (["attempt-2-1.json", "outputs/2-1.png"], Phase.EDITED),
}


@pytest.mark.parametrize(("files", "expected"), SECOND.values(), ids=SECOND)
@pytest.mark.parametrize("first", [1, 2])
def test_a_job_stands_where_its_last_edit_stands(
    files: list[str], expected: Phase, first: int
) -> None:
    """
    Whichever of the two that is.
    """
    edited = [*KEPT, JSON, OUTPUT]
    found = [*edited, *files]
    if first == 2:
        swap = {"1": "2", "2": "1"}
        pattern = r"(attempt-|outputs/)(\d)"
        found = [re.sub(pattern, lambda each: each[1] + swap[each[2]], name) for name in found]

    assert expected is phase_of(found, MEMBERS, edits=2)


def test_what_was_received_is_archived_where_another_was_published() -> None:
    """
    The plan says which of the pictures is published; the rest goes with the originals.
    """
    phase = partial(phase_of, published=["finished/1-1.jpg"], archived=[OUTPUT])

    assert Phase.PUBLISHING is phase([*PLANNED, OUTPUT, "finished/1-1.jpg"], MEMBERS)
    assert Phase.ARCHIVING is phase(["job.json", "plan.json", OUTPUT], MEMBERS)
    assert Phase.OVER is phase(["job.json", "plan.json"], MEMBERS)


def test_attempts_are_found_by_their_numbers() -> None:
    """
    Temporary names and other files are no attempts.
    """
    files = [
        "attempt-1.open",
        "attempt-1-1.json",
        "attempt-1-12.open",
        "attempt-2-1.open",
        "attempt-1-2.json.tmp",
        "plan.json",
    ]

    assert attempts_in(files) == {
        (1, 1): {"open": "attempt-1.open", "json": "attempt-1-1.json"},
        (1, 12): {"open": "attempt-1-12.open"},
        (2, 1): {"open": "attempt-2-1.open"},
    }


def test_pictures_are_in_the_order_of_edits_and_numbers() -> None:
    """
    Numbers order them, not letters.
    """
    names = [
        "outputs/2-1.png",
        "outputs/1-10.png",
        "outputs/1-9.png",
        "outputs/1-1",
        "outputs/x.png",
    ]

    assert pictures_in(names, "outputs") == [
        "outputs/1-9.png",
        "outputs/1-10.png",
        "outputs/2-1.png",
    ]
    assert pictures_in(names, "outputs", 2) == ["outputs/2-1.png"]


PARTS = [*PLANNED, OUTPUT, "outputs-1.part/1-1", "output-1.staged", "original-1.staged", "crashes"]


@given(st.sets(st.sampled_from(PARTS) | st.text(max_size=20)), st.sets(st.sampled_from(MEMBERS)))
def test_every_set_of_files_is_some_phase(files: set[str], members: set[str]) -> None:
    """
    Whatever a crash or a person left, a job stands somewhere.
    """
    assert phase_of(files, members) in Phase


@given(st.sets(st.sampled_from(PARTS)))
def test_an_original_is_never_taken_for_nothing(files: set[str]) -> None:
    """
    A job that holds anybody's file is neither empty nor over.
    """
    phase = phase_of(files | {"job.json", IMAGE}, MEMBERS)

    assert phase not in (Phase.EMPTY, Phase.OVER)


@given(st.sets(st.sampled_from(PARTS)))
def test_a_kept_answer_is_never_asked_for_again(files: set[str]) -> None:
    """
    With the last attempt's answer there and no verdict, the next step is to judge it.
    """
    phase = phase_of({*files, *KEPT} - {JSON, "plan.json"}, MEMBERS)

    assert Phase.KEPT is phase
