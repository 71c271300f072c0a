"""
Careless JSON is read for what can be had of it, and JSON for all that it says.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.answer.answer_json import documents_in

CARELESS: dict[str, tuple[str, list[Any]]] = {
    "nothing": ("it's [nothing", [["nothing"]]),
    "surplus commas": ('{"a": [1, 2,],}', [{"a": [1, 2]}]),
    "missing commas": ('{"a": 1 "b": 2}', [{"a": 1, "b": 2}]),
    "single quotes": ("{'a': 'it\\'s \"b\"'}", [{"a": 'it\'s "b"'}]),
    "names of other languages": ("[True, None, NaN, undefined]", [[True, None, None, None]]),
    "bytes of Python": ("{'a': b'QUJD'}", [{"a": "QUJD"}]),
    "bare keys": ("{a: 1, b: c}", [{"a": 1, "b": "c"}]),
    "cut in a text": ('{"a": [{"b": "cd', [{"a": [{"b": "cd"}]}]),
    "cut in an escape": ('{"a": "b\\', [{"a": "b"}]),
    "raw line break": ('{"a": "b\nc"}', [{"a": "b\nc"}]),
    "several": ('x {"a":1} y\n[2] {', [{"a": 1}, [2], {}]),
    "wrong bracket": ('{"a": [1}', [{"a": [1]}]),
    "leading zeros": ("[007, -1.50, 1e3]", [[7, -1.5, 1000.0]]),
    "half an escape": (r'["\u12", "\/"]', [["\\u12", "/"]]),
}


@pytest.mark.parametrize(("text", "documents"), CARELESS.values(), ids=CARELESS)
def test_careless_json_is_read(text: str, documents: list[Any]) -> None:
    """
    Each carelessness costs no more than itself.
    """
    assert list(documents_in(text)) == documents


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(values) | st.dictionaries(st.text(), values), st.booleans())
def test_json_is_read_as_it_is_meant(document: Any, is_ascii: bool) -> None:  # noqa: FBT001
    """
    What is no carelessness at all is read as by everybody, with text around it or not.
    """
    text = json.dumps(document, ensure_ascii=is_ascii)

    assert list(documents_in(f"so: {text} done")) == [document]


@given(st.text(alphabet="{}[]:,\"'\\ \nab1-.b\x00é\ud83d"))
def test_no_text_is_too_strange(text: str) -> None:
    """
    Whatever it is, there is an end to it.
    """
    list(documents_in(text))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["[" * 500_000, '{"' * 300_000, "['" * 300_000, '"' + "\\" * 10**6]
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    """
    Beginnings without ends take no longer than they are long.
    """
    list(documents_in("[" + text))
