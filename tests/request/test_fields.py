"""
What a sidecar may say: every fault at once, in words of the person who wrote it.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.config import EditSection
from retouchd.request.edit_reader import read_edit
from retouchd.request.fields import MAX_REFERENCES, EditFields, Sidecar

JARGON = ("Input", "valid", "string", "integer", "None", "dict", "tuple", "pydantic", "\n", "..")


def faults_of(tree: dict[str, Any]) -> list[str]:
    found = read_edit(tree)
    assert isinstance(found, list)
    return found


def sidecar_of(tree: dict[str, Any]) -> Sidecar:
    found = read_edit(tree)
    assert isinstance(found, Sidecar), found
    return found


def test_everything_that_can_be_set() -> None:
    """
    Model, prompt, references, each parameter and a relay's own fields.
    """
    found = sidecar_of(
        {
            "prompt": "  把背景改成蓝色\r\n不要动人物 \n",
            "model": "gpt-image-2",
            "n": 2,
            "size": "1024x1024",
            "output_compression": "80",
            "images": ["_refs/背景.png", "b.png"],
            "extra": {"seed": 7, "hd": True, "strength": 0.5, "style": "水彩"},
        }
    )

    assert found.prompt == "把背景改成蓝色\n不要动人物"
    assert found.model == "gpt-image-2"
    assert found.images == ("_refs/背景.png", "b.png")
    assert found.parameters() == {
        "n": 2,
        "size": "1024x1024",
        "output_compression": 80,
        "seed": 7,
        "hd": True,
        "strength": 0.5,
        "style": "水彩",
    }
    assert found.parameters()["hd"] is True


def test_what_nobody_set_is_not_there() -> None:
    """
    An empty file sets nothing, so that what stands above it in the folders holds.
    """
    found = sidecar_of({})

    assert found == Sidecar()
    assert found.model_fields_set == set()
    assert (found.model, found.prompt, found.images, found.parameters()) == (None, None, (), {})


WRONG = [
    ({"promt": "x"}, "promt is not a known key", "did you mean prompt?"),
    (
        {"edits": [{"name": "a", "images": ["b.png"]}]},
        "edit 1: images",
        "above the first [[edits]]",
    ),
    ({"Prompt": "x"}, "Prompt is not a known key", "did you mean prompt?"),
    ({"input-fidelity": "high"}, "did you mean input_fidelity?"),
    ({"提示词": "x"}, "提示词 is not a known key", "known are", "prompt"),
    ({"a\nb" * 100: 1}, "is not a known key", "…"),
    ({"mask": "m.png"}, "mask is not a known key", "cat.mask.png"),
    ({"image": "a.png"}, "image is not a known key", "did you mean images?"),
    ({"negative_prompt": "x"}, "negative_prompt is not a known key", "in the prompt"),
    ({"seed": 7}, "seed is not a known key", "extra table"),
    ({"stream": True}, "stream is not a known key", "leave it out"),
    ({"edit": {"n": 1}}, "edit is not a known key", "without [edit]"),
    ({"n": "two"}, "n must be a whole number, not text"),
    ({"n": True}, "n must be a whole number, not true or false"),
    ({"n": 2.5}, "n must be a whole number, not a fraction"),
    ({"n": [1]}, "n must be a whole number, not a list"),
    ({"n": "1" * 5000}, "n must be a whole number"),
    ({"output_compression": False}, "output_compression must be a whole number"),
    ({"size": 1024}, 'size must be text such as "1024x1024", not a number'),
    ({"size": {"width": 1}}, "size must be text", "not a table"),
    ({"user": 5}, "user must be text in quotes, not a number"),
    ({"prompt": 5}, "prompt must be text in quotes, not a number"),
    ({"prompt": ["a"]}, "prompt must be text in quotes, not a list"),
    ({"prompt": " \n"}, "prompt is empty"),
    ({"model": ""}, "model is empty"),
    ({"quality": " "}, "quality is empty"),
    ({"size": None}, "size has no value; leave the line out"),
    ({"images": None}, "images has no value; leave the line out"),
    ({"unknown": None}, "unknown has no value"),
    ({"images": "a.png"}, "images must be a list of file names", "not text"),
    ({"images": ["a.png", 5]}, "images must be a list of file names"),
    ({"images": [None]}, "images must be a list of file names"),
    ({"images": [""]}, "images", "empty"),
    ({"images": {"a": "b"}}, "images must be a list of file names", "not a table"),
    ({"images": ["a"] * (MAX_REFERENCES + 1)}, "images names more than 64 files"),
    ({"extra": "x"}, "extra must be a table of further fields, not text"),
    ({"extra": {"a": [1]}}, "extra.a must be text, a number, or true or false, not a list"),
    ({"extra": {"a": None}}, "extra.a has no value"),
    ({"extra": {"": 1}}, "extra holds a field without a name"),
    ({"extra": {"prompt": "x"}}, "extra must not hold prompt"),
    ({"extra": {"size": "x"}}, "extra must not hold size, a key of its own: move it out of extra."),
    ({"extra": {"image[]": "x"}}, "extra must not hold image[]: pictures are files"),
    ({"extra": {"input_references": "x"}}, "extra must not hold input_references"),
    ({"extra": {"seed": float("nan")}}, "extra holds seed = nan, which is no number"),
    ({"extra": {"seed": float("-inf")}}, "extra holds seed = -inf, which is no number"),
]


@pytest.mark.parametrize(
    ("tree", "parts"), [(tree, parts) for tree, *parts in WRONG], ids=range(len(WRONG))
)
def test_a_fault_names_its_key_and_what_to_do(tree: dict[str, Any], parts: list[str]) -> None:
    """
    One fault, one remark, without a word of the library's.
    """
    (found,) = faults_of(tree)

    assert [part for part in parts if part not in found] == []
    assert [word for word in JARGON if word in found] == []
    assert found.endswith((".", "?"))


def test_every_fault_is_told_at_once() -> None:
    """
    Whoever mends a sidecar mends it once.
    """
    found = faults_of(
        {"promt": "x", "n": True, "size": None, "images": "a", "extra": {"a": [], "b": {}}}
    )

    assert len(found) == 6
    for key in ("promt", "n ", "size", "images", "extra.a", "extra.b"):
        assert any(each.startswith(key) for each in found), key


def test_the_configuration_and_the_sidecars_know_the_same_fields() -> None:
    """
    What can be set in one place can be set in the others; what is said of single pictures cannot.
    """
    shared = set(EditFields.model_fields)

    assert set(EditSection.model_fields) == shared
    assert set(Sidecar.model_fields) == shared | {"images", "output", "edits", "vars"}


@given(
    st.dictionaries(
        st.sampled_from([*Sidecar.model_fields, "promt", "mask", ""]) | st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    )
)
def test_no_tree_raises(tree: dict[str, Any]) -> None:
    """
    Whatever a file says, it is an edit or a list of remarks, each on one line.
    """
    found = read_edit(tree)

    match found:
        case Sidecar():
            assert None not in tree.values()
        case _:
            assert found
            assert all(each.endswith((".", "?")) and "\n" not in each for each in found)


@pytest.mark.parametrize("prompt", ["\u200b", "\ufeff\u2060 \u00ad", "\u202a\u202c\n", "\ufffc"])
def test_a_prompt_that_nobody_sees_is_empty(prompt: str) -> None:
    """
    Invisible characters ask for nothing.
    """
    assert read_edit({"prompt": prompt}) == ["prompt is empty; write something, or leave it out."]


def test_invisible_characters_around_a_prompt_are_no_part_of_it() -> None:
    """
    Inside they may join letters, and stay.
    """
    found = read_edit({"prompt": "\u200b a\u200db\u200b\r\nc \u2060"})

    assert isinstance(found, Sidecar)
    assert found.prompt == "a\u200db\u200b\nc"


@pytest.mark.parametrize("prompt", ["???? ??", "make it \ufffd"])
def test_letters_that_were_lost_are_told(prompt: str) -> None:
    """
    A prompt of question marks was a text in another alphabet once.
    """
    (found,) = read_edit({"prompt": prompt})

    assert "lost" in found


@pytest.mark.parametrize(
    ("name", "is_right"),
    [
        *((each, True) for each in ("warm", "warm-light", "a1-b2", "x", "a" * 40, "masked")),
        *((each, False) for each in ("", "Warm", "1st", "warm-1", "-a", "a-", "a--b", "a_b")),
        *((each, False) for each in ("a" * 41, "mask", "markup", "received", "partial", "ä")),
        *((each, False) for each in ("a/b", "warm.png", "soft-mask")),
    ],
)
def test_the_name_of_an_edit_ends_a_file_s_name(name: str, is_right: bool) -> None:  # noqa: FBT001
    """
    It can be no number of a result, no mask and no kept file, and means the same on every filesystem.
    """
    found = read_edit({"edits": [{"name": name, "prompt": "x"}]})

    assert isinstance(found, Sidecar) == is_right


def test_two_edits_of_one_name_are_refused() -> None:
    found = read_edit({"edits": [{"name": "warm"}, {"name": "warm"}]})

    assert found == ["edits has two edits named warm; give each a name of its own."]
