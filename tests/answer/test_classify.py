"""
What each end of a request means, row by row.
"""

import datetime as dt
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.answer.body import read_answer
from retouchd.answer.classify import (
    Failure,
    Judgement,
    judge_answer,
    judge_bad_success,
    judge_failure,
)
from retouchd.errors import JobCode
from retouchd.job.model import Verdict
from retouchd.job.naming import sentence
from verdict_cases import (
    ACCOUNT,
    ANSWERS,
    IN_DOUBT,
    NAMED,
    PARAMETER,
    REFUSED,
    SENTENCES,
    TRANSIENT,
    Answer,
    litellm,
    openai,
    page,
    plain,
    relay,
)

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def judged(answer: Answer) -> Judgement:
    """
    Judge an answer as the engine does, but without decoding pictures.
    """
    if not 200 <= answer.status < 300:
        return judge_answer(answer.status, answer.headers, answer.body, NOW)
    reply = read_answer(answer.body)
    fault = "something that cannot be opened" if reply.pictures else str(reply.fault)
    return judge_bad_success(fault, reply.text, answer.headers, answer.body, NOW)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_every_known_answer_has_its_meaning(answer: Answer) -> None:
    """
    Each answer of the tables has its verdict, its code, its wait, and what a person is told.
    """
    found = judged(answer)

    assert found.verdict is answer.verdict
    assert found.slows_pool is answer.slows
    assert found.endpoint_failure is answer.is_endpoint_failure
    assert found.may_hide_account is answer.masks
    assert found.retry_after == answer.retry_after
    assert found.request_id == answer.request_id
    assert answer.code in (None, found.code)
    assert answer.job_code in (None, found.job_code)
    assert answer.says in found.message
    assert answer.told in f"{found.hint} {found.reason}"
    assert (answer.common or "") in (found.common_fault or "")
    assert (answer.common is None) is (found.common_fault is None) or answer.job_code is PARAMETER
    assert found.hint or found.verdict is TRANSIENT


def test_every_message_is_short_and_fit_for_a_terminal() -> None:
    """
    At most 500 characters, printable, on one line, without a key.
    """
    for name, answer in ANSWERS.items():
        found = judged(answer)
        for text in (found.message, found.code, found.common_fault or "", found.request_id or ""):
            assert len(text) <= 600, name
            assert text.isprintable(), name
        assert found.message, name
        assert len(found.message) <= 500, name


def test_whoever_must_act_is_told_in_english_what_to_do() -> None:
    """
    A pause names what is wrong, quotes the endpoint whatever its language, and says what to do.
    """
    told = {name: judged(answer) for name, answer in ANSWERS.items()}
    pauses = {name: found for name, found in told.items() if found.verdict is ACCOUNT}

    assert len(pauses) > 50
    for name, found in pauses.items():
        complaint, _, rest = found.reason.partition(": ")
        assert complaint.isascii(), name
        assert rest == f"{sentence(found.message)} {found.hint}", name


@pytest.mark.parametrize("name", NAMED.split())
def test_every_known_name_is_in_the_tables(name: str) -> None:
    """
    No code, type, header or word that is known is forgotten.
    """
    everything = (
        f"{text} {dict(answer.headers)} {answer.body.decode(errors='replace')}"
        for text, answer in ANSWERS.items()
    )
    assert any(name in text for text in everything)


@pytest.mark.parametrize("words", SENTENCES)
def test_every_known_sentence_is_in_the_tables(words: str) -> None:
    """
    The same for messages.
    """
    assert any(words.encode() in answer.body for answer in ANSWERS.values())


def test_nothing_sent_is_free_and_no_answer_is_not() -> None:
    """
    A request that never left may be repeated; one whose answer is missing may have been charged.
    """
    unsent = judge_failure(Failure.NOT_SENT, "Connection refused by relay.example")
    unanswered = judge_failure(Failure.NO_ANSWER, "no whole answer within 600 s")

    assert (unsent.verdict, unsent.code, unsent.endpoint_failure) == (TRANSIENT, "not_sent", True)
    assert unsent.message == "Connection refused by relay.example"
    assert (unanswered.verdict, unanswered.code) == (IN_DOUBT, "no_answer")
    assert unanswered.job_code is JobCode.IN_DOUBT
    assert unanswered.endpoint_failure


def test_a_file_of_ours_is_not_the_endpoints_fault() -> None:
    """
    A file that could not be read cost nothing and says nothing about the endpoint.
    """
    judged = judge_failure(Failure.UNREADABLE, "cat.png cannot be read: Input/output error")

    assert (judged.verdict, judged.endpoint_failure) == (TRANSIENT, False)


def test_a_throttled_request_slows_every_other() -> None:
    """
    429 delays the pool; an outage or an empty purse under the same status does not.
    """
    throttled = judge_answer(429, {"retry-after": "7"}, openai("rate_limit_exceeded"), NOW)

    assert throttled.slows_pool
    assert throttled.retry_after == 7
    assert not judge_answer(503, {}, b"", NOW).slows_pool
    assert not judge_answer(429, {}, openai("insufficient_quota"), NOW).slows_pool


def test_a_refused_parameter_is_named() -> None:
    """
    The field refused is there to tell a bad configuration from a bad file.
    """
    body = openai("invalid_value", "no", param="size")
    fastapi = plain(detail=[{"loc": ["body", "image"], "msg": "Field required"}])

    assert judge_answer(400, {}, body, NOW).parameter == "size"
    assert judge_answer(400, {}, litellm(400, {"param": "quality"}), NOW).parameter == "quality"
    assert judge_answer(422, {}, fastapi, NOW).parameter == "image"
    assert judge_answer(400, {}, openai(None, param=""), NOW).parameter is None


def test_a_redirect_says_where_to() -> None:
    """
    A redirect is the configuration's fault, and its target is what the person needs.
    """
    judged = judge_answer(308, {"location": "https://www.relay.example/v1"}, b"", NOW)

    assert judged.message == "redirected to https://www.relay.example/v1"
    assert "endpoint.base_url" in judged.hint


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-request-id": "req_1", "cf-ray": "r"}, b"", "req_1"),
        ({"x-litellm-call-id": "c-1"}, b"", "c-1"),
        ({}, relay("", "…"), "20261123120000123456789"),
        ({}, b"", None),
    ],
)
def test_the_endpoints_name_for_a_request_is_kept(
    headers: dict[str, str], body: bytes, expected: str | None
) -> None:
    """
    The id a provider's support asks for comes from the headers, else from the message.
    """
    assert judge_answer(500, headers, body, NOW).request_id == expected


@pytest.mark.parametrize("status", [408, 409, 499, 500, 502, 504, 520, 522, 524])
def test_what_was_never_sent_to_its_end_is_not_in_doubt(status: int) -> None:
    """
    Whatever the words and the status, nobody had the request; every other verdict stays.
    """
    assert judge_answer(status, {}, b"", NOW).verdict is Verdict.IN_DOUBT
    for body in (b"", b"upstream connect error", b"Read timed out", b"<html>502"):
        assert judge_answer(status, {}, body, NOW, is_cut=True).verdict is Verdict.TRANSIENT
    spent = openai("insufficient_quota")
    assert judge_answer(status, {}, spent, NOW, is_cut=True).verdict is Verdict.ACCOUNT
    assert judge_answer(413, {}, b"", NOW, is_cut=True).verdict is Verdict.REFUSED


def test_success_without_a_picture_may_have_been_charged() -> None:
    """
    A 2xx without a picture is in doubt, quotes what came instead, and is no outage.
    """
    judged = judge_bad_success("no picture", "I can't\ndraw that", {}, b'{"choices":[]}', NOW)

    assert judged.verdict is IN_DOUBT
    assert judged.job_code is JobCode.BAD_RESPONSE
    assert judged.message == "no picture: I can't draw that"
    assert not judged.endpoint_failure


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (openai("insufficient_quota"), ACCOUNT),
        (plain(code=401, message="无效的令牌"), ACCOUNT),
        (openai("moderation_blocked"), REFUSED),
        (openai("mystery", "something"), IN_DOUBT),
        (page("rate limit reached"), IN_DOUBT),
        (b"\x89PNG\r\n", IN_DOUBT),
    ],
)
def test_an_error_under_a_status_of_success_is_judged_by_its_words(
    body: bytes, verdict: Verdict
) -> None:
    """
    Relays send refusals with status 200; a reason they name decides, and nothing else does.
    """
    assert judge_bad_success("no picture", None, {}, body, NOW).verdict is verdict


_HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "location", "x-request-id", "cf-ray"])
    | st.text(),
    st.text(),
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["insufficient_quota", "param", "Limit 5, Used 0, Requested 6", "sk-abcdefgh"]
    ),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "message",
                    "code",
                    "type",
                    "param",
                    "detail",
                    "loc",
                    "msg",
                    "data",
                    "task_id",
                ]
            )
            | st.text(),
            inner,
        )
    ),
)
_BODIES = st.binary(max_size=300) | _JSON.map(json.dumps).map(str.encode)


@given(st.integers(100, 999), _HEADERS, _BODIES)
def test_no_answer_is_too_strange_to_be_judged(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    """
    Any status, headers and bytes yield a verdict and a message fit for one line.
    """
    for found in (
        judge_answer(status, headers, body, NOW),
        judge_bad_success("no picture", read_answer(body).text, headers, body, NOW),
    ):
        assert found.verdict is not Verdict.DONE
        assert len(found.message) <= 500
        assert found.message.isprintable()
        assert found.reason.isprintable()


HOSTILE = {
    "brackets": b"[" * 100_000,
    "braces": b'{"error":' * 100_000,
    "brackets within what is read": b"[" * 20_000 + b"]" * 20_000,
    "a detail within brackets": b'{"detail":[' + b"[" * 900 + b"]" * 900 + b"]}",
    "half an emoji in a detail within brackets": b'{"detail":["\\ud83d",'
    + b"[" * 900
    + b"]" * 900
    + b"]}",
    "a message within brackets": b'{"message":["\\ud83d",' + b"[" * 900 + b"]" * 900 + b"]}",
    "a number without end": b'{"detail":[' + b"9" * 60_000 + b"]}",
    "a number without end in a message": b'{"message":{"a":' + b"9" * 60_000 + b"}}",
    "a number without end as a place": b'{"detail":[{"loc":[' + b"9" * 6000 + b'],"msg":"no"}]}',
    "five megabytes": b'{"error":{"message":"' + b"insufficient limit model " * 200_000 + b'"}}',
    "five megabytes of codes": b'{"message":"' + rb"\"code\": \"x\" " * 400_000 + b'"}',
    "words of refusals": b'{"message":"' + b"reject moderation may suspend fail " * 30_000 + b'"}',
    "one endless word of refusals": b'{"message":"' + b"failviolatmodel" * 60_000 + b'"}',
    "an endless code": b'{"code":"' + b"insufficientmodelapikey" * 40_000 + b'"}',
    "errors within errors": b'{"errors":[' * 5_000 + b'"no"' + b"]}" * 5_000,
    "a document in a document": json.dumps(
        {"error": {"metadata": {"raw": "[" * 100_000 + '{"error":' * 1000}}}
    ).encode(),
    "a page of headings": b"<html>" + b"<h1><b " * 100_000,
    "a page of comments": b"<!--" * 100_000,
    "XML of one name": b"<a>" * 300_000,
    "XML that never closes": b"<?xml " * 100_000,
    "NULs": bytes(100_000),
    "no text": b"\xff\xfe" * 50_000,
    "a title without end": b"<html><title " * 50_000,
    "escapes": b'{"error":{"message":"\\u001b]0;owned\\u0007\\u001b[2J"}}',
    "forged lines": b'{"error":{"message":"no\\n{\\"event\\": \\"job.done\\"}\\r\\u2028x"}}',
}


@pytest.mark.parametrize("status", [200, 400])  # An answer, and any refusal.
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_judged_quickly_and_shown_tamely(status: int, body: bytes) -> None:
    """
    Neither size nor depth nor control characters bring the daemon down or out of its line.
    """
    began = time.process_time()

    found = judged(Answer(section="", status=status, body=body, verdict=IN_DOUBT))

    assert time.process_time() - began < 5
    assert found.verdict in {IN_DOUBT, TRANSIENT, REFUSED, ACCOUNT}
    assert found.message
    assert len(found.message) <= 500
    assert found.message.isprintable()


@pytest.mark.parametrize(
    "said",
    [
        "headers: {'Authorization': 'Bearer 0123456789abcdef.XYZ_~+/='}",
        "Authorization: bearer 0123456789abcdef.XYZ_~+/=",
        "no such key sk-0123456789abcdef",
        "jwt eyJhbGciOi.eyJzdWIiOi.0123456789abcdef",
        "x" * 1990 + " sk-0123456789abcdef",
    ],
)
def test_a_key_that_is_echoed_is_not_shown(said: str) -> None:
    """
    Relays quote the key they refuse, some with the whole header.
    """
    for body in (said.encode(), openai(None, said), openai(said, "no"), plain(detail=[said])):
        found = judge_answer(401, {"x-request-id": said}, body, NOW)

        for text in (found.message, found.reason, found.code, found.request_id or ""):
            assert "0123456789abcdef" not in text
