"""
What providers and relays say in ways of their own, and what stands in front of them.
"""

import datetime as dt

import pytest

from dialect_cases import ACCOUNTS, FRONTS, MODERATED, NOT_MODERATED, OTHERS, Said
from dialect_words import WORDS
from retouchd.answer.body import read_answer
from retouchd.answer.classify import Judgement, judge_answer, judge_bad_success
from retouchd.errors import JobCode
from retouchd.job.model import Verdict

NOW = dt.datetime(2026, 11, 29, 12, 0, tzinfo=dt.UTC)

ALL = {**MODERATED, **NOT_MODERATED, **ACCOUNTS, **OTHERS, **FRONTS}


def judged(said: Said) -> Judgement:
    if said.status >= 300:
        return judge_answer(said.status, {}, said.body, NOW)
    reply = read_answer(said.body)
    return judge_bad_success(str(reply.fault), reply.text, {}, said.body, NOW)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(said, id=f"{group}-{name}")
        for group, rows in {
            "moderated": MODERATED,
            "not moderated": NOT_MODERATED,
            "account": ACCOUNTS,
            "other": OTHERS,
            "front": FRONTS,
        }.items()
        for name, said in rows.items()
    ],
)
def test_each_dialect_is_understood(said: Said) -> None:
    """
    The verdict, the endpoint's own words, and what to do.
    """
    found = judged(said)

    assert (found.verdict, found.job_code if said.job_code else None) == (
        said.verdict,
        said.job_code,
    )
    assert said.says in found.message
    assert said.told in f"{found.hint} {found.reason}"
    if found.verdict is Verdict.ACCOUNT:
        assert found.message.rstrip(".") in found.reason


@pytest.mark.parametrize(
    ("meaning", "status", "body"),
    WORDS,
    ids=[f"{meaning}-{status}-{number}" for number, (meaning, status, _) in enumerate(WORDS)],
)
def test_each_sentence_has_its_meaning(meaning: str, status: int, body: bytes) -> None:
    """
    Whatever words it is said in: who has to act, or that nobody has.
    """
    found = judged(Said(status=status, body=body, verdict=Verdict.REFUSED))

    verdict = Verdict.REFUSED if meaning == "policy" else Verdict(meaning)
    is_policy = found.job_code is JobCode.CONTENT_POLICY
    assert (found.verdict, is_policy) == (verdict, meaning == "policy"), body.decode()


@pytest.mark.parametrize("said", MODERATED.values(), ids=MODERATED)
def test_a_moderated_picture_is_nobody_elses_fault(said: Said) -> None:
    """
    Neither the account's nor, should three pictures meet it, the configuration's; and no outage.
    """
    found = judged(said)

    assert found.common_fault is None
    assert not found.endpoint_failure
    assert not found.slows_pool
