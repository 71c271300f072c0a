"""
What is written for programs: exact for a parser, and nothing in it that is not plain to see.
"""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_job
from retouchd.errors import JobCode, Problem
from retouchd.job.naming import escaped, hexed, shown
from retouchd.job.text import json_text, writable
from retouchd.spool.record import reason

UNSEEN = [
    "\x00",
    "\x1b",
    "\x7f",
    "\x80",
    "\x9b",
    "\x9f",
    "\xad",
    "\u061c",
    "\u200b",
    "\u200e",
    "\u200f",
    "\u2028",
    "\u2029",
    "\u202a",
    "\u202e",
    "\u2060",
    "\u2066",
    "\u2069",
    "\ufeff",
    "\ufff9",
    "\U000e0001",
    "\U000e0041",
    "\ue000",
    "\ud83d",
    "\udc80",
    "\udfff",
]

_ANY = st.text(st.characters(codec=None) | st.sampled_from(UNSEEN), max_size=20)
_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | _ANY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_ANY, inner, max_size=4),
    max_leaves=12,
)


def is_harmless(text: str) -> bool:
    return all(
        sign == "\n" or sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in text
    )


@given(_DOCUMENTS, st.sampled_from([None, 2]))
def test_a_document_is_exact_and_harmless(document: Any, indent: int | None) -> None:
    """
    A parser reads what was meant, a terminal finds nothing to obey, and every encoder takes it.
    """
    text = json_text(document, indent=indent)

    assert is_harmless(text)
    assert json.loads(text.encode()) == writable(document)


@pytest.mark.parametrize("sign", UNSEEN, ids=[f"{ord(sign):x}" for sign in UNSEEN])
def test_each_sign_is_escaped_wherever_it_stands(sign: str) -> None:
    """
    In a value, in a key, in a sentence for people, in the reason beside the files.
    """
    texts = (
        json_text({f"a{sign}b": [f"c{sign}"]}),
        shown(f"a{sign}b"),
        reason(
            a_job(), [Problem(code=JobCode.REFUSED, message=f"no {sign}.", hint=f"Try {sign}.")]
        ).decode(),
    )

    for text in texts:
        assert sign not in text
        assert is_harmless(text)


@given(_ANY)
def test_no_text_is_too_strange_to_be_shown(text: str) -> None:
    """
    Names of files are, too: whatever stands for a byte, and whatever stands for none.
    """
    assert is_harmless(shown(text))
    escaped(text).encode()
    hexed(text)


def test_what_is_plain_stays_as_it_is() -> None:
    """
    Nobody's language is escaped.
    """
    plain = "猫 Jürgen кот 고양이 🐈 e\u0301 a\u3000b\u00a0c"

    assert json_text(plain) == f'"{plain}"'
    assert shown(plain) == plain


def test_a_number_without_end_loses_nothing_else() -> None:
    """
    Python writes no number of 5,000 digits: its beginning in hexadecimal is told.
    """
    found = json.loads(json_text({"total": 10**5000, "other": 7}))

    assert found["other"] == 7
    assert found["total"].startswith("0x")
