"""
What holds of any job that asks for several edits: whose names its results get, what is asked for again, what is
told of each; and of any prompt that is put together.
"""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOW, PROBLEM, a_job, an_attempt, an_edit
from retouchd.inbox.earlier_results import Earlier, with_earlier
from retouchd.inbox.held import HeldError
from retouchd.inbox.precedence import Layer, compose
from retouchd.job.model import Job, Verdict, idempotency_key
from retouchd.job.naming import escaped
from retouchd.request.prompt_text import joined
from retouchd.spool.ends import told_problems
from retouchd.spool.fingerprint import Fingerprint
from retouchd.spool.finished_job import done_edits
from retouchd.spool.history_line import edit_in, facts_in
from retouchd.spool.plan import EditEnd, Item, Plan, plan_outputs
from retouchd.spool.record import line_of, record

NAMES = st.lists(
    st.sampled_from(["warm", "warm-a", "studio", "cold", "a-b"]),
    min_size=1,
    max_size=4,
    unique=True,
)
COUNTS = st.lists(st.integers(1, 3), min_size=4, max_size=4)
FATES = st.lists(st.booleans(), min_size=4, max_size=4)
STEMS = st.sampled_from(["cat", "cat_2", "cat-warm", "ü"])


def asked_for(names: list[str], stem: str = "cat") -> Job:
    return dataclasses.replace(a_job(edits=tuple(map(an_edit, names))), stem=stem)


def pictures(job: Job, counts: list[int]) -> list[str]:
    return [
        f"outputs/{edit}-{number}.png"
        for edit, count in zip(range(1, len(job.edits) + 1), counts, strict=False)
        for number in range(1, count + 1)
    ]


def known_by(number: int) -> Fingerprint:
    return Fingerprint(size=number, sha256=f"{number:064x}")


def published(job: Job, items: tuple[Item, ...]) -> dict[int, tuple[str, ...]]:
    return {
        number: tuple(each.target for each in items if each.source.startswith(f"outputs/{number}-"))
        for number, _ in enumerate(job.edits, 1)
    }


@given(NAMES, COUNTS, STEMS, st.frozensets(st.sampled_from(["cat-warm.png", "cat-cold-2.png"])))
def test_all_results_share_one_free_stem_and_tell_their_edit(
    names: list[str], counts: list[int], stem: str, taken: frozenset[str]
) -> None:
    """
    Whichever names they have, and however many results come of each.
    """
    job = asked_for(names, stem)

    items = plan_outputs(job, pictures(job, counts), taken.__contains__)

    targets = [each.target for each in items]
    shared = {
        target.removesuffix(".png").removesuffix(f"-{n}").removesuffix(f"-{name}")
        for (number, name) in enumerate(names, 1)
        for n, target in enumerate(published(job, items)[number], 1)
        if counts[number - 1] > 1
    } | {
        published(job, items)[number][0].removesuffix(f"-{name}.png")
        for number, name in enumerate(names, 1)
        if counts[number - 1] == 1
    }
    assert len({*targets}) == len(targets)
    assert taken.isdisjoint(targets)
    assert len(shared) == 1
    assert next(iter(shared)).startswith(stem)


@given(NAMES, COUNTS, FATES, STEMS)
def test_a_retry_asks_for_what_is_missing_and_joins_what_is_there(
    names: list[str], counts: list[int], is_done: list[bool], stem: str
) -> None:
    """
    Whatever is done of any number of edits; where nothing is left it is held, with all results named.
    """
    job = asked_for(names, stem)
    items = plan_outputs(job, pictures(job, counts), frozenset[str]().__contains__)
    own = [known_by(number) for number, _ in enumerate(names, 1)]
    line = {"id": job.id, "outputs": [], "status": "error", "finished_at": "2026-11-23T12:00:00Z"}
    earlier = {
        own[number - 1]: Earlier(name=names[number - 1], outputs=outputs, line=line)
        for number, outputs in published(job, items).items()
        if is_done[number - 1]
    }
    there = {target for each in earlier.values() for target in each.outputs}
    done = frozenset(number for number, _ in enumerate(names, 1) if is_done[number - 1])

    if len(done) == len(names):
        with pytest.raises(HeldError) as held:
            with_earlier(job, own, earlier.get)
        assert held.value.twin is not None
        assert {*held.value.twin.results} == {*map(escaped, there)}
        return
    asked = with_earlier(job, own, earlier.get)

    assert asked.had == done
    missing = [each for each in pictures(job, counts) if int(each[8]) not in done]
    again = plan_outputs(asked, missing, there.__contains__)
    assert {each.target for each in again} == {each.target for each in items} - there


@given(NAMES, FATES)
def test_records_and_history_tell_which_edits_are_done(
    names: list[str], is_done: list[bool]
) -> None:
    """
    No more and no fewer, so that nothing is bought twice and nothing is left out.
    """
    job = asked_for(names)
    ends = tuple(
        EditEnd(fingerprint=known_by(number)) if done else EditEnd(problems=(PROBLEM,))
        for number, done in zip(range(1, len(names) + 1), is_done, strict=False)
    )
    problems = () if all(is_done[: len(names)]) else (PROBLEM,)
    plan = Plan(finished_at=NOW, stem="cat", problems=problems, edits=ends)
    attempts = [an_attempt(verdict=Verdict.DONE)]
    done = {known_by(number) for number, end in enumerate(ends, 1) if end.fingerprint}

    body = json.loads(json.dumps(record(job, attempts, plan)))
    line = line_of(record(job, attempts, plan), "cat.job.json")

    assert {known for known, _, _ in done_edits(body)} == done
    assert {*facts_in(json.dumps(line).encode()).fingerprints} == done
    for number, name in enumerate(names, 1):
        found = edit_in(line, known_by(number))
        assert (found["name"] if found else None) == (name if known_by(number) in done else None)


@given(NAMES, FATES)
def test_a_problem_of_some_edits_names_them_and_one_of_all_is_told_once(
    names: list[str], has_failed: list[bool]
) -> None:
    job = asked_for(names)
    failed = [name for name, has in zip(names, has_failed, strict=False) if has]
    ends = [[PROBLEM] if name in failed else [] for name in names]

    told = [each.message for each in told_problems(job, ends)]

    if len(failed) == len(names):
        assert told == [PROBLEM.message]
    else:
        assert told == [f"{name}: {PROBLEM.message}" for name in failed]


@given(st.integers(1, 99), st.integers(1, 99))
def test_no_two_edits_share_a_key(one: int, other: int) -> None:
    job = a_job()
    keys = {idempotency_key(job.id, one), idempotency_key(job.id, other)}

    assert len(keys) == 1 + (one != other)
    assert idempotency_key(job.id, 1) == job.id


PARTS = st.none() | st.text(min_size=1, max_size=5)


@given(st.lists(st.tuples(PARTS, PARTS, PARTS), min_size=1, max_size=4), st.text(min_size=1))
def test_each_part_of_a_prompt_comes_from_the_nearest_place_that_has_it(
    said: list[tuple[str | None, str | None, str | None]], last: str
) -> None:
    """
    Each by itself: what goes before may be the folder's, the prompt the picture's, what goes after the
    configuration's.
    """
    keys = ("prompt_before", "prompt", "prompt_after")
    places = [*said, (None, last, None)]
    layers = [
        Layer(
            origin=f"place {number}",
            values={key: text for key, text in zip(keys, texts, strict=True) if text is not None},
        )
        for number, texts in enumerate(places)
    ]
    nearest = [
        next((each[key] for each in places if each[key] is not None), None) for key in (0, 1, 2)
    ]

    found = {key: str(text) for key, text in compose(layers).values.items()}

    assert [found.get(key) for key in keys] == nearest
    whole = joined(found.get("prompt_before"), found["prompt"], found.get("prompt_after"))
    assert whole == "\n\n".join(part for part in nearest if part is not None)
