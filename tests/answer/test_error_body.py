"""
Errors in every dialect, read as one shape.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.answer.error_body import ErrorBody, read_error, safe_text


@pytest.mark.parametrize(
    ("document", "codes", "message"),
    [
        ({"error": {"code": "Invalid_Value", "message": "no"}}, ("invalid_value",), "no"),
        ({"error": {"code": 429, "message": "no"}}, (), "no"),
        ({"error": {"code": "429", "message": "no"}}, (), "no"),
        ({"error": {"code": "", "message": "no"}}, (), "no"),
        ({"error": {"code": None, "message": None}}, (), ""),
        ({"error": "no"}, (), "no"),
        ({"error": "bad_request", "message": "no"}, (), "bad_request: no"),
        ({"error": {"error": {"code": "c", "message": "no"}}}, ("c",), "no"),
        ([{"error": {"code": "c", "message": "no"}}], ("c",), "no"),
        ({"message": "no", "code": "c"}, ("c",), "no"),
        ({"msg": "no"}, (), "no"),
        ({"detail": "no"}, (), "no"),
        ({"detail": [{"loc": ["body", "n"], "msg": "bad"}, 3]}, (), "body.n: bad; 3"),
        ({"error": {"message": {"a": "为"}}}, (), '{"a": "为"}'),
        ("no", (), "no"),
        (7, (), ""),
        ({}, (), ""),
    ],
)
def test_dialects_come_out_alike(document: Any, codes: tuple[str, ...], message: str) -> None:
    """
    Wherever code and message stand, they are found; a number is no code.
    """
    error = read_error(json.dumps(document).encode())

    assert error.codes == codes
    assert error.message == message
    assert not error.is_page


def test_an_error_within_a_message_is_found_after_the_outer_one() -> None:
    """
    The real code, type and parameter are read out of a message that quotes them.
    """
    inner = json.dumps({"error": {"code": "invalid_value", "type": "t", "param": "size"}})

    error = read_error(json.dumps({"error": {"code": "outer", "message": f"x - {inner}"}}).encode())

    assert error.codes == ("outer", "invalid_value")
    assert error.types == ("t",)
    assert error.parameter == "size"


def test_a_page_is_known_by_its_title() -> None:
    """
    Of a web page only its title is told.
    """
    body = b"\n<!DOCTYPE html><html><head><title> 502\n Bad &amp; Gateway</title>"

    assert read_error(body) == ErrorBody(message="a web page: 502 Bad & Gateway", is_page=True)


def test_a_long_body_is_read_from_its_beginning() -> None:
    """
    An error that is followed by megabytes is still understood.
    """
    body = json.dumps({"error": {"code": "c", "message": "no"}, "echo": "x" * 1_000_000}).encode()

    assert read_error(body).codes == ("c",)


def test_text_is_made_fit_for_one_line() -> None:
    """
    Breaks, escapes and marks that turn the text around are shown, not obeyed; Chinese stays readable.
    """
    assert safe_text("改\n成\x1b[31m蓝\u202e色\u2028") == "改\\n成\\x1b[31m蓝\\u202e色"
    assert safe_text("\ud83d!") == "\\ud83d!"


def test_keys_are_masked() -> None:
    """
    A relay that quotes the key it refuses does not bring it into a log.
    """
    assert safe_text("bad key sk-CANARY-0123456789abcdef.") == "bad key sk-…."


@given(st.text())
def test_text_is_never_long(text: str) -> None:
    """
    However long or strange, at most 500 characters come out, on one line.
    """
    assert len(safe_text(text * 20)) <= 500
    assert len(safe_text(text).splitlines()) <= 1


@given(st.binary(max_size=200))
def test_nothing_is_too_strange_to_be_read(body: bytes) -> None:
    """
    Any bytes yield an error's shape.
    """
    assert isinstance(read_error(body).message, str)
