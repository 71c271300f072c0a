"""
Prompts that are put together: fields stand for their values once, and nothing else changes.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.request.prompt_text import fields_in, filled, joined

NAMES = ["stem", "folder", "width", "height", "vars.client", "vars.a-b_1"]
VALUES = st.fixed_dictionaries({name: st.text(max_size=8) for name in NAMES})
PLAIN = st.text(st.characters(exclude_characters="{}"), max_size=6)


@given(VALUES, st.lists(st.tuples(PLAIN, st.sampled_from(NAMES), st.booleans())), PLAIN)
def test_each_field_stands_for_its_value_once(
    values: dict[str, str], parts: list[tuple[str, str, bool]], end: str
) -> None:
    """
    Even where the value looks like a field; in two pairs of braces it stays as it is, with one.
    """
    text = "".join(
        f"{plain}{{{{{name}}}}}" if is_literal else f"{plain}{{{name}}}"
        for plain, name, is_literal in parts
    )
    expected = "".join(
        f"{plain}{{{name}}}" if is_literal else f"{plain}{values[name]}"
        for plain, name, is_literal in parts
    )

    assert filled(text + end, values) == expected + end
    assert fields_in(text) == {name for _, name, is_literal in parts if not is_literal}


@given(st.text(st.sampled_from('{}abc:" .1,'), max_size=30))
def test_all_else_in_braces_stays(text: str) -> None:
    """
    A prompt may be JSON, or speak of braces.
    """
    assert filled(text, {}) == text


def test_a_field_without_a_value_is_named() -> None:
    with pytest.raises(KeyError, match=r"vars\.client"):
        filled("for {vars.client}", {"stem": "cat"})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a", "c", "a\n\nb\n\nc"),
        (None, "c", "b\n\nc"),
        ("a", None, "a\n\nb"),
        (None, None, "b"),
    ],
)
def test_parts_are_joined_by_a_blank_line(
    before: str | None, after: str | None, expected: str
) -> None:
    assert joined(before, "b", after) == expected
