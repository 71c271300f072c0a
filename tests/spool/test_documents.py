import datetime as dt
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOW, PROBLEM, a_job, an_attempt, an_edit, member
from retouchd.job.model import Attempt, Edit, Job, Opened, Request, Snapshot, Verdict
from retouchd.spool.documents import dump, load_attempt, load_job, load_opened, load_plan
from retouchd.spool.fingerprint import Fingerprint
from retouchd.spool.plan import EditEnd, Item, Plan

NAMES = st.binary(min_size=1, max_size=20).map(os.fsdecode)
NUMBERS = st.integers(0, 2**64)
TIMES = st.datetimes(timezones=st.just(dt.UTC))
SNAPSHOTS = st.builds(Snapshot, size=NUMBERS, mtime_ns=NUMBERS, inode=NUMBERS, device=NUMBERS)
SCALARS = st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False)
REQUESTS = st.builds(
    Request,
    model=st.text(),
    prompt=st.none() | st.text(),
    parameters=st.dictionaries(st.text(), SCALARS, max_size=3),
    origin=st.dictionaries(st.text(), NAMES, max_size=3),
)
EDITS = st.builds(
    Edit,
    request=REQUESTS,
    name=st.text(),
    output=st.just({}) | st.just({"size": "source", "quality": 95}),
    fingerprint=st.none() | st.just("5" * 64),
    had=st.none() | st.lists(NAMES, max_size=2).map(tuple),
)
PROBLEMS = st.sampled_from([(), (PROBLEM,), (PROBLEM, PROBLEM)])
JOBS = st.builds(
    a_job,
    st.builds(member, NAMES, SNAPSHOTS),
    folder=NAMES,
    stem=NAMES,
    edits=st.lists(EDITS, min_size=1, max_size=3).map(tuple),
    claimed_at=TIMES,
    problems=PROBLEMS,
)
ATTEMPTS = st.builds(
    an_attempt,
    st.integers(1, 99),
    st.sampled_from(Verdict),
    message=st.text(),
    retry_at=st.none() | TIMES,
    closed_at=TIMES,
    http_status=st.none() | st.integers(100, 599),
    probe=st.booleans(),
    problem=st.none() | st.just(PROBLEM),
    usage=st.none() | st.just({"total_tokens": 5, "input_tokens_details": {"image_tokens": 1}}),
    removed=st.just(()) | st.just(("exif", "trailer")),
    warnings=st.just(()) | st.tuples(st.text()),
    edit=st.integers(1, 9),
    model=st.text(),
)
OPENED = st.builds(
    Opened,
    sent_at=TIMES,
    probe=st.booleans(),
    pictures=st.integers(1, 10),
    estimate_usd=st.none() | st.floats(0, 10**6),
    removed=st.just(()) | st.just(("exif", "trailer")),
)
ITEMS = st.builds(Item, key=st.text(), source=NAMES, target=NAMES)
ENDS = st.builds(
    EditEnd,
    problems=PROBLEMS,
    fingerprint=st.none() | st.just(Fingerprint(size=1, sha256="5" * 64, image="7" * 64)),
)
PLANS = st.builds(
    Plan,
    finished_at=TIMES,
    stem=NAMES,
    outputs=st.lists(ITEMS, max_size=3).map(tuple),
    originals=st.lists(ITEMS, max_size=3).map(tuple),
    problems=PROBLEMS,
    edits=st.lists(ENDS, max_size=3).map(tuple),
    warnings=st.just(()) | st.tuples(st.text()),
)


@given(JOBS)
def test_a_job_is_read_as_it_was_written(job: Job) -> None:
    """
    Names of any bytes, text of any language and times come back the same.
    """
    assert job == load_job(dump(job))


@given(ATTEMPTS)
def test_an_attempt_is_read_as_it_was_written(attempt: Attempt) -> None:
    """
    A verdict that was closed means the same after a restart.
    """
    assert attempt == load_attempt(dump(attempt), attempt.key)


@given(OPENED)
def test_the_note_of_an_open_attempt_is_read_as_it_was_written(opened: Opened) -> None:
    """
    What was reserved stays reserved after a restart.
    """
    assert opened == load_opened(dump(opened))


def test_what_was_written_by_earlier_versions_is_read() -> None:
    """
    An attempt of an earlier version has no known cost, and nothing was cut out for it.
    """
    note = json.dumps({"sent_at": NOW.isoformat(), "probe": True}).encode()
    closed = json.loads(dump(an_attempt(1, Verdict.IN_DOUBT)))
    del closed["cost_usd"], closed["pictures"], closed["removed"], closed["warnings"]

    assert load_opened(note) == Opened(sent_at=NOW, probe=True)
    assert load_attempt(json.dumps(closed).encode(), (1, 1)) == an_attempt(1, Verdict.IN_DOUBT)


@given(PLANS)
def test_a_plan_is_read_as_it_was_written(plan: Plan) -> None:
    """
    Files go on to where they were going.
    """
    assert plan == load_plan(dump(plan))


def test_a_document_says_its_version() -> None:
    """
    Every document is JSON in ASCII with the version it is written in.
    """
    body = json.loads(dump(a_job()).decode("ascii"))

    assert body["version"] == 2


LOADERS: list[tuple[Callable[[bytes], object], Job | Attempt | Plan]] = [
    (load_job, a_job()),
    (partial(load_attempt, key=(1, 1)), an_attempt()),
    (load_plan, Plan(finished_at=NOW, stem="cat")),
]
IDS = ["job", "attempt", "plan"]


@pytest.mark.parametrize(("load", "value"), LOADERS, ids=IDS)
def test_a_torn_document_is_told_as_such(
    load: Callable[[bytes], object], value: Job | Attempt | Plan
) -> None:
    """
    Whatever part of a document is there, nothing is made up from it.
    """
    whole = dump(value)

    for end in range(0, len(whole) - 1, 7):
        with pytest.raises(ValueError):  # noqa: PT011 - several kinds of it
            load(whole[:end])


def broken(value: Job | Attempt | Plan) -> list[Any]:
    """
    Return what is JSON but no document of this version.
    """
    body = json.loads(dump(value))
    return [
        [],
        {},
        {"version": 1},
        {"version": 2},
        body | {"version": 3},
        body | {"from_a_later_version": 1},
        body | {"members": None, "problems": None, "sent_at": None},
        body | {"members": [{}], "originals": [{}], "verdict": "unknown"},
    ]


@pytest.mark.parametrize(("load", "value"), LOADERS, ids=IDS)
def test_another_document_is_told_as_such(
    load: Callable[[bytes], object], value: Job | Attempt | Plan
) -> None:
    """
    Missing, unknown and mistaken fields are refused, never made up for.
    """
    for body in broken(value):
        with pytest.raises((ValueError, KeyError, TypeError)):
            load(json.dumps(body).encode())


def test_a_job_of_the_version_before_asks_for_all_its_edits() -> None:
    """
    What an upgrade finds in work says nothing of edits that were done before.
    """
    job = a_job(edits=(an_edit("warm", prompt="warm"), an_edit("studio", prompt="studio")))
    body = json.loads(dump(job))
    del body["earlier_stem"]
    for edit in body["edits"]:
        del edit["had"]

    found = load_job(json.dumps(body).encode())

    assert found == job
    assert found.had == frozenset()


def test_an_edit_that_was_done_before_is_kept_as_such() -> None:
    job = a_job(edits=(an_edit("warm", prompt="warm"), an_edit("studio", prompt="studio")))
    job = replace(
        job,
        edits=(replace(job.edits[0], had=("cat_2-warm.png",)), job.edits[1]),
        earlier_stem="cat_2",
    )

    assert load_job(dump(job)) == job
    assert job.had == {1}
