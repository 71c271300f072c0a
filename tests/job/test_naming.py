import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retouchd.job.naming import NAME_MAX, escaped, free_stem, hexed, output_suffixes, shorten, shown

ID = "20261123-120000-0a1b2c3d"
SUFFIXES = [".job.json", ".error.txt", ".png"]


def size(name: str) -> int:
    return len(os.fsencode(name))


def test_a_free_stem_stays_as_it_is() -> None:
    """
    Nothing is renamed without need.
    """
    assert free_stem("cat", ID, SUFFIXES, lambda _: False) == "cat"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_taken_name_moves_the_whole_group(suffix: str) -> None:
    """
    A stem is free only if every name made of it is.
    """
    assert free_stem("cat", ID, SUFFIXES, {f"cat{suffix}"}.__contains__) == "cat_2"


def test_numbers_are_tried_in_order() -> None:
    """
    The first free number is taken.
    """
    taken = {"cat.png", "cat_2.png", "cat_3.job.json", "cat_5.png"}

    assert free_stem("cat", ID, SUFFIXES, taken.__contains__) == "cat_4"


@pytest.mark.parametrize(
    ("stem", "taken", "free"),
    [
        ("cat_2", {"cat.png", "cat_2.png"}, "cat_3"),
        ("cat_4", {"cat.job.json", "cat_4.png"}, "cat_2"),
        ("cat_20", {"cat.png", "cat_20.png"}, "cat_2"),
        ("IMG_2", {"IMG_2.png"}, "IMG_2_2"),
        ("cat_2_2", {"cat_2.png", "cat_2_2.png"}, "cat_2_3"),
        ("cat_21", {"cat.png", "cat_21.png"}, "cat_21_2"),
        ("cat_02", {"cat.png", "cat_02.png"}, "cat_02_2"),
        ("_2", {".png", "_2.png"}, "_2_2"),
    ],
)
def test_a_name_that_was_numbered_for_the_same_reason_gets_the_next_number(
    stem: str, taken: set[str], free: str
) -> None:
    """
    No number is put behind another one; what is a number of the person's own stays.
    """
    assert free_stem(stem, ID, SUFFIXES, taken.__contains__) == free


def test_after_twenty_clashes_the_stem_takes_the_id() -> None:
    """
    A full folder costs twenty looks, not a search.
    """
    looks: list[str] = []

    def is_taken(name: str) -> bool:
        looks.append(name)
        return True

    assert f"cat_{ID}" == free_stem("cat", ID, [".png"], is_taken)
    assert ["cat.png", *(f"cat_{n}.png" for n in range(2, 21))] == looks


@pytest.mark.parametrize("letter", ["a", "ü", "猫", "🐈", os.fsdecode(b"\xe9")])
@pytest.mark.parametrize("clashes", [False, True])
def test_every_name_fits_the_filesystem(letter: str, clashes: bool) -> None:  # noqa: FBT001
    """
    A stem of 255 bytes leaves room for the longest suffix, and no character is cut in two.
    """
    stem = letter * (NAME_MAX // size(letter))

    found = free_stem(stem, ID, SUFFIXES, lambda _: clashes)

    assert max(size(found + suffix) for suffix in SUFFIXES) <= NAME_MAX
    assert max(size(found + suffix) for suffix in SUFFIXES) > NAME_MAX - size(letter)
    assert {letter} == set(found.removesuffix(f"_{ID}"))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), st.integers(0, 300))
def test_text_is_cut_between_characters(stem: str, room: int) -> None:
    """
    A shortened stem is a beginning of the stem, as long as fits.
    """
    short = shorten(stem, room)

    assert stem.startswith(short)
    assert size(short) <= room
    assert short == stem or size(stem[: len(short) + 1]) > room


@given(st.binary(max_size=300).map(os.fsdecode), st.integers(0, 300))
@example(os.fsdecode(b"\x80\x80\x80a"), 1)
@example(os.fsdecode("啊".encode("gbk") * 127), 245)
def test_names_that_are_not_utf8_keep_what_fits(stem: str, room: int) -> None:
    """
    At most the three bytes of a cut character are given up, whatever the bytes are.
    """
    short = shorten(stem, room)

    assert min(size(stem), room) - 3 <= size(short) <= room


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (["png"], [".png"]),
        (["png", "jpg"], ["-1.png", "-2.jpg"]),
    ],
)
def test_several_pictures_are_numbered(extensions: list[str], expected: list[str]) -> None:
    """
    A single result keeps the plain name.
    """
    assert expected == output_suffixes(extensions)


NOT_TEXT = os.fsdecode(b"caf\xe9.png")


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    """
    Other programs read an escape, and get the bytes in hexadecimal besides.
    """
    assert r"caf\xe9.png" == escaped(NOT_TEXT) == shown(NOT_TEXT)
    assert hexed(NOT_TEXT) == "636166e92e706e67"


def test_ordinary_names_stay_as_they_are() -> None:
    """
    Letters of any language and spaces are shown, and need no hexadecimal.
    """
    for name in ("cat.png", "my cat.png", "猫 改成蓝色.png", "Größe\u00a01.png"):
        assert name == escaped(name) == shown(name)
        assert hexed(name) is None


@pytest.mark.parametrize("sign", ["\n", "\r", "\0", "\x1b", "\u202e", "\u2028", "\x85"])
def test_control_signs_never_break_a_line(sign: str) -> None:
    """
    Line breaks, terminal escapes and writing-direction marks are shown as escapes.
    """
    assert sign not in shown(f"cat{sign}.png")


@given(st.binary(min_size=1, max_size=60).map(os.fsdecode))
def test_every_name_can_be_shown(name: str) -> None:
    """
    What is shown is printable UTF-8 on one line, whatever the bytes are.
    """
    assert shown(name).encode()
    assert len(shown(name).splitlines()) == 1
