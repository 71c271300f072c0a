import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.spool.phase import Phase, attempts_in, phase_of

MEMBERS = ["cat.png", "cat.txt"]
IMAGE, PROMPT = "originals/cat.png", "originals/cat.txt"
ALL = ["job.json", IMAGE, PROMPT]
OPEN, RESPONSE, JSON = (f"attempt-1.{end}" for end in ("open", "response", "json"))
KEPT = [*ALL, OPEN, RESPONSE]
PLANNED = [*KEPT, JSON, "plan.json"]
OUTPUT = "outputs/1.png"

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
    "answer half kept": ([*ALL, OPEN, "attempt-1.response.tmp"], Phase.ASKING),
    "answer kept": (KEPT, Phase.KEPT),
    "pictures being decoded": ([*KEPT, "outputs.part/1.png"], Phase.KEPT),
    "pictures decoded, verdict not yet": ([*KEPT, OUTPUT], Phase.KEPT),
    "closed without picture": ([*KEPT, JSON], Phase.CLOSED),
    "closed without answer": ([*ALL, OPEN, JSON], Phase.CLOSED),
    "second attempt opened": ([*KEPT, JSON, "attempt-2.open"], Phase.ASKING),
    "tenth attempt counts, not ninth": (
        [*ALL, "attempt-9.json", "attempt-10.open"],
        Phase.ASKING,
    ),
    "edited": ([*KEPT, JSON, OUTPUT], Phase.EDITED),
    "planned": ([*PLANNED, OUTPUT], Phase.PUBLISHING),
    "plan half written": ([*KEPT, JSON, OUTPUT, "plan.json.tmp"], Phase.EDITED),
    "one of two published": ([*PLANNED, "outputs/2.png"], Phase.PUBLISHING),
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


def test_attempts_are_found_by_their_numbers() -> None:
    """
    Temporary names and other files are no attempts.
    """
    files = [
        "attempt-1.open",
        "attempt-1.json",
        "attempt-12.open",
        "attempt-2.json.tmp",
        "plan.json",
    ]

    assert {1: {"open", "json"}, 12: {"open"}} == attempts_in(files)


PARTS = [*PLANNED, OUTPUT, "outputs.part/1", "output-1.staged", "original-1.staged", "crashes"]


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
