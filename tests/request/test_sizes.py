import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.request.sizes import SizeRule, is_size, nearest_size, size_faults

RULE = SizeRule()


def is_legal(width: int, height: int) -> bool:
    return (
        width % 16 == 0
        and height % 16 == 0
        and max(width, height) <= 3840
        and max(width, height) <= 3 * min(width, height)
        and 655_360 <= width * height <= 8_294_400
    )


EDGES = st.one_of(
    st.integers(0, 5000),
    st.integers(0, 260).map(lambda steps: steps * 16),
    st.sampled_from([640, 1024, 1280, 3824, 3840, 3841, 999_999_999]),
)


@pytest.mark.parametrize(
    "size", ["auto", "1024x1024", "1536x1024", "3840x2160", "2160x3840", "1920x640", "1024x640"]
)
def test_published_sizes_are_legal(size: str) -> None:
    """
    The provider's own examples, and the corners of its rule, keep the rule.
    """
    assert size_faults(size, RULE) == []


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("1000x1024", "multiple of 16"),
        ("3856x2144", "longer than 3840"),
        ("3840x1264", "more than 3 times"),
        ("1024x624", "fewer than 655,360"),
        ("3840x2176", "more than 8,294,400"),
        ("1024×1024", "WIDTHxHEIGHT"),
        ("1024X1024", "WIDTHxHEIGHT"),
        ("large", "WIDTHxHEIGHT"),
        ("", "WIDTHxHEIGHT"),
        ("١٠٢٤x1024", "WIDTHxHEIGHT"),
        ("9" * 5000 + "x1024", "WIDTHxHEIGHT"),
    ],
)
def test_each_part_of_the_rule_has_its_words(size: str, words: str) -> None:
    """
    An illegal size says which part of the rule it breaks.
    """
    faults = size_faults(size, RULE)

    assert len(faults) == 1
    assert words in faults[0]


def test_all_faults_are_told_at_once() -> None:
    """
    A size that breaks several parts of the rule names each.
    """
    assert len(size_faults("5000x100", RULE)) == 4


@given(EDGES, EDGES)
def test_only_legal_sizes_are_accepted(width: int, height: int) -> None:
    """
    The rule accepts a size exactly if edges, ratio and pixel budget are all kept.
    """
    assert is_legal(width, height) == (not size_faults(f"{width}x{height}", RULE))


@given(EDGES, EDGES)
def test_suggested_size_is_legal(width: int, height: int) -> None:
    """
    Whatever was wished, the size that is named instead keeps the rule.
    """
    near = nearest_size(f"{width}x{height}", RULE)

    assert near
    assert is_size(near)
    assert size_faults(near, RULE) == []


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 240), st.integers(1, 240))
def test_suggested_size_is_the_nearest(width: int, height: int, across: int, down: int) -> None:
    """
    No other legal size changes the wished edges less, in proportion.
    """
    near = nearest_size(f"{width}x{height}", RULE)
    assert near
    suggested = [int(edge) for edge in near.split("x")]
    other = [across * 16, down * 16]

    def distance(size: list[int]) -> float:
        return math.hypot(math.log(size[0] / width), math.log(size[1] / height))

    assert not is_legal(*other) or distance(suggested) <= distance(other) + 1e-9


@pytest.mark.parametrize(
    ("wished", "near"),
    [
        ("1024x1024", "1024x1024"),
        ("1000x1000", "1008x1008"),
        ("512x512", "816x816"),
        ("4000x2250", "3840x2160"),
        ("1024 × 1024", "1024x1024"),
        ("1920X1080", "1920x1088"),
    ],
)
def test_suggestion_keeps_the_shape(wished: str, near: str) -> None:
    """
    The nearest size is what a person would have picked.
    """
    assert nearest_size(wished, RULE) == near


@pytest.mark.parametrize(
    ("wished", "near"),
    [("1600x900", "1536x1024"), ("100x100", "1024x1024"), ("auto", None), ("large", None)],
)
def test_nearest_of_a_list(wished: str, near: str | None) -> None:
    """
    From a list of sizes the nearest is taken; a wish that is no size has none.
    """
    assert nearest_size(wished, ("auto", "1024x1024", "1536x1024")) == near


def test_nothing_is_suggested_where_nothing_is_legal() -> None:
    """
    A list without sizes, or a rule that no size can keep, names none.
    """
    assert nearest_size("100x100", ("auto",)) is None
    assert nearest_size("100x100", SizeRule(max_edge=16)) is None
