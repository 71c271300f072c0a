import dataclasses
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOT_UTF8, NOW, PROBLEM, a_job, an_attempt, member
from documents import section
from retouchd.errors import JobCode, Problem
from retouchd.job.model import Job, Reference, Request, Role, Verdict
from retouchd.spool.fingerprint import Digest, Fingerprint
from retouchd.spool.finished_job import request_of
from retouchd.spool.plan import EditEnd, Item, Plan
from retouchd.spool.record import (
    BESIDE_PARAMETERS,
    advice,
    document,
    is_own_reason,
    line_of,
    own_record,
    reason,
    record,
)

USAGE = {"total_tokens": 5}
ATTEMPTS = [
    an_attempt(
        1,
        Verdict.IN_DOUBT,
        code="no_answer",
        message="no answer",
        cost_usd=0.25,
        pictures=1,
        removed=("xmp", "comment"),
    ),
    an_attempt(
        2,
        Verdict.DONE,
        http_status=200,
        request_id="req_1",
        usage=USAGE,
        message="",
        cost_usd=0.211,
        cost_from="usage",
        pictures=1,
        removed=("exif", "xmp"),
        warnings=("2 pictures were asked for (n = 2), and 1 came.",),
    ),
]
OUTPUTS = (Item(key="output-1", source="outputs/1-1.png", target="cat_2.png"),)
DONE = Plan(finished_at=NOW, stem="cat_2", outputs=OUTPUTS)
FAILED = Plan(finished_at=NOW, stem="cat_2", problems=(PROBLEM, PROBLEM))


def written(job: Job, plan: Plan = DONE) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(document(record(job, ATTEMPTS, plan)))
    return body


def test_what_was_asked_for_can_be_told_from_the_record() -> None:
    """
    By it a picture is known that was edited before, where nothing else is left that tells.
    """
    job = a_job(*map(member, ("cat.png", "cat.txt", "cat.mask.png")))

    asked = request_of(written(job))

    assert asked == dataclasses.replace(job.request, origin={})
    assert written(job)["request"].keys() - asked.parameters.keys() == BESIDE_PARAMETERS


def test_every_field_is_told() -> None:
    """
    The page for programs has the fields of a record and no other.
    """
    rows = re.findall(r"^\| (`[^|]+) \|", section("docs/records.md", "The record"), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    known = Fingerprint(size=1, sha256="5" * 64, image="8" * 64)
    content = Digest(size=1, sha256="7" * 64)
    outputs = tuple(
        dataclasses.replace(each, content=content, is_reviewed=True) for each in OUTPUTS
    )
    originals = (
        Item(
            key="original-1", source="outputs/1-1.png", target="cat.received.png", content=content
        ),
        Item(key="original-2", source="originals/cat.png", target="cat.png"),
        Item(key="original-3", source="originals/cat.xmp", target="cat.xmp"),
    )
    end = EditEnd(fingerprint=known)
    plan = dataclasses.replace(
        DONE, edits=(end,), outputs=outputs, originals=originals, received=originals[:1]
    )
    job = a_job(
        member("cat.png"),
        dataclasses.replace(member("cat.xmp"), role=Role.COMPANION),
        references=(Reference(path="_refs/a.png", snapshot=member("a.png").snapshot),),
    )

    assert told == record(job, ATTEMPTS, plan, "/outbox").keys()


def test_the_record_of_a_done_job_holds_all_that_was_promised() -> None:
    """
    Programs rely on these keys and values.
    """
    job = a_job(
        *map(member, ("cat.png", "cat.txt", "cat.mask.png")), folder="shoes/red", previous="old"
    )

    request = {
        "model": "gpt-image-2",
        "prompt": "make it blue",
        "n": 1,
        "size": "1024x1024",
        "images": ["cat.png"],
        "mask": "cat.mask.png",
        "removed": ["xmp"],
        "from": {"prompt": "cat.txt", "model": "config"},
    }
    expected = {
        "version": 1,
        "id": job.id,
        "previous": "old",
        "status": "done",
        "name": "cat",
        "image": "cat.png",
        "folder": "shoes/red",
        "claimed_at": "2026-11-23T12:00:00.000Z",
        "finished_at": "2026-11-23T12:00:00.000Z",
        "request": request,
        "attempts": [
            {
                "edit": 1,
                "number": 1,
                "model": "gpt-image-2",
                "sent_at": "2026-11-23T12:01:00.000Z",
                "seconds": 1.0,
                "verdict": "in_doubt",
                "http_status": None,
                "code": "no_answer",
                "message": "no answer",
                "request_id": None,
                "cost_usd": 0.25,
                "cost_from": None,
                "charge": {
                    "sent_at": "2026-11-23T12:01:00+00:00",
                    "usd": 0.25,
                    "in_doubt": True,
                    "pictures": 1,
                },
            },
            {
                "edit": 1,
                "number": 2,
                "model": "gpt-image-2",
                "sent_at": "2026-11-23T12:02:00.000Z",
                "seconds": 1.0,
                "verdict": "done",
                "http_status": 200,
                "code": "",
                "message": "",
                "request_id": "req_1",
                "cost_usd": 0.211,
                "cost_from": "usage",
                "charge": {
                    "sent_at": "2026-11-23T12:02:00+00:00",
                    "usd": 0.211,
                    "in_doubt": False,
                    "pictures": 1,
                },
            },
        ],
        "edits": [
            {
                "name": None,
                "status": "done",
                "request": request,
                "fingerprint": None,
                "outputs": ["shoes/red/cat_2.png"],
                "error": None,
            }
        ],
        "outputs": ["shoes/red/cat_2.png"],
        "warnings": ["2 pictures were asked for (n = 2), and 1 came."],
        "usage": USAGE,
        "cost_usd": 0.211,
        "in_doubt_usd": 0.25,
        "error": None,
    }
    assert expected == written(job)


def test_the_record_of_a_failed_job_says_why() -> None:
    """
    `error` is the first problem, and `problems` are all of them.
    """
    each = {"code": "refused", "message": PROBLEM.message, "hint": advice(PROBLEM)}

    found = written(a_job(), FAILED)

    assert found["status"] == "error"
    assert each | {"problems": [each, each]} == found["error"]
    assert found["outputs"] == []


@pytest.mark.parametrize("names", [("png", "txt"), ("png",), ("txt",)])
def test_names_that_are_not_utf8_are_given_twice(names: tuple[str, ...]) -> None:
    """
    Escaped for people, in hexadecimal for programs, also where the image never came.
    """
    found = written(a_job(*(member(f"{NOT_UTF8}.{end}") for end in names), folder=NOT_UTF8))

    assert r"caf\xe9" == found["name"] == found["folder"]
    assert found["image"] == (r"caf\xe9.png" if "png" in names else None)
    assert found["name_hex"].startswith("636166e9")


def test_ordinary_names_are_given_once() -> None:
    """
    `name_hex` is there only where it is needed.
    """
    assert "name_hex" not in written(a_job(member("猫.png")))


def test_a_job_without_image_or_prompt_has_a_record() -> None:
    """
    An orphan's record holds null where nothing came.
    """
    request = Request(model="gpt-image-2", prompt=None)

    found = written(a_job(member("cat.txt"), request=request), FAILED)

    assert found["image"] is None
    assert found["request"]["prompt"] is None
    assert found["request"]["images"] == []


def test_the_reason_is_two_plain_sentences() -> None:
    """
    What is wrong, then what to do, and the job's id for those who look further.
    """
    job = a_job()

    lines = reason(job, [PROBLEM]).decode().splitlines()

    assert [PROBLEM.message, advice(PROBLEM), "", f"(retouchd, job {job.id})"] == lines
    files = ["cat.png", "cat.txt", "cat.mask.png"]
    *_, together, footer = reason(job, [PROBLEM], files).decode().splitlines()
    assert together == "cat.png, cat.txt and cat.mask.png belong together."
    assert footer == lines[-1]
    came = ["outbox/cat-warm.png", "review/cat-bw.png"]
    _, _, _, done, *_ = reason(job, [PROBLEM], files, came).decode().splitlines()
    assert done.endswith("the same: outbox/cat-warm.png and review/cat-bw.png.")


def test_every_problem_is_in_the_reason() -> None:
    """
    Nobody has to correct one fault to learn of the next.
    """
    other = Problem(code=JobCode.MASK_INVALID, message="The mask is bad.", hint="Save it anew.")

    lines = reason(a_job(), [PROBLEM, other]).decode().splitlines()

    assert [PROBLEM.message, advice(PROBLEM), "", other.message, advice(other)] == lines[:5]
    assert advice(other) == "Save it anew, then move the files back into the inbox."


def test_our_own_files_are_known_again() -> None:
    """
    What came back from `error/` is told apart from what only has such a name.
    """
    job = a_job()

    assert job.id == own_record(document(record(job, ATTEMPTS, FAILED)))
    assert is_own_reason(reason(job, [PROBLEM]))


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b"{}", b'"id"', b"\xff", b'{"id": "cat"}', b"[" * 100_000),
        b'{"id": "", "version": 1, "status": "done", "attempts": [], "request": {}}',
        b'{"id": 5, "version": 1, "status": "done", "attempts": [], "request": {}}',
        b'{"id": "\\ud800", "version": 1, "status": "done", "attempts": [], "request": {}}',
    ],
)
def test_a_persons_files_are_never_taken_for_ours(raw: bytes) -> None:
    """
    Only a record with an id is removed at the next claim.
    """
    assert own_record(raw) is None
    assert not is_own_reason(raw)
    assert not is_own_reason(b"make the error message blue")


@given(st.text())
def test_whatever_an_endpoint_says_can_be_written(message: str) -> None:
    """
    Text that is no Unicode, or holds a name that is not UTF-8, never keeps a job from being archived.
    """
    for text in (message, f"{NOT_UTF8}.png {message}", "\ud800"):
        problem = Problem(code=JobCode.REFUSED, message=text, hint=text)
        plan = Plan(finished_at=NOW, stem="cat", problems=(problem,))

        body = document(record(a_job(), [an_attempt(message=text)], plan))

        assert json.loads(body.decode("utf-8"))
        assert reason(a_job(), [problem]).decode("utf-8")


def test_the_history_can_count_and_find() -> None:
    """
    A line holds the outcome, the number of requests and of those in doubt, and the record's name.
    """
    job = a_job()

    found = line_of(record(job, ATTEMPTS, FAILED), "cat_2.job.json")

    assert (job.id, "error", "refused") == (found["id"], found["status"], found["code"])
    assert (found["attempts"], found["in_doubt"]) == (2, 1)
    assert found["record"] == "cat_2.job.json"
    assert line_of(record(job, ATTEMPTS, DONE), "cat.job.json")["code"] is None
