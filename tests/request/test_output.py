"""
The table `output`: what may be set in it, and what it comes to for one job.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from retouchd.request.output import Output, output_faults, resolved
from retouchd.request.output_fields import OutputFields
from retouchd.request.result_name import name_of, stem_of

JOB = {
    "stem": "cat",
    "model": "openai/gpt-image-2",
    "date": "2026-11-30",
    "id": "k3x",
    "upload": "IMG_1",
}


def of(*, has_mask: bool = False, has_references: bool = False, **values: Any) -> Output:
    set_ = OutputFields.model_validate(values).values()
    return resolved(set_, has_mask=has_mask, has_references=has_references)


def test_nothing_is_done_unless_it_is_asked_for() -> None:
    """
    What an endpoint gave is published byte for byte; how something would be written anew is no reason to.
    """
    assert not of().is_anything
    assert not of(
        quality=90, gps=True, provenance=False, protect_feather=4, name="{stem}-x"
    ).is_anything


def test_like_source_sets_what_nobody_set() -> None:
    found = of(like="source", format="png")

    assert (found.size, found.metadata, found.profile, found.format) == ("source",) * 3 + ("png",)
    assert found.keeps_shape


def test_protect_means_where_there_is_a_mask() -> None:
    """
    Set for a whole folder it protects those pictures that have one.
    """
    assert not of(protect=True).is_anything
    found = of(protect=True, has_mask=True)
    assert found.protect
    assert (found.size, found.profile, found.format) == ("source", "source", "received")
    assert of(protect=True, size="2048", has_mask=True).size == "2048"


def test_detail_means_where_nothing_new_is_asked_for() -> None:
    assert of(detail="source").detail == "source"
    assert of(detail="source", has_mask=True).detail == "result"
    assert of(detail="source", has_references=True).detail == "result"


def test_a_sidecar_of_its_own_must_not_ask_for_what_cannot_be() -> None:
    assert output_faults({"protect": True}, has_mask=True, has_references=False) == []
    [fault] = output_faults({"protect": True}, has_mask=False, has_references=False)
    assert "there is no mask" in fault
    [fault] = output_faults({"detail": "source"}, has_mask=True, has_references=True)
    assert "there is a mask" in fault


@pytest.mark.parametrize(
    ("given_size", "size"),
    [
        (2048, "2048"),
        ("2048", "2048"),
        ("2048×1365", "2048x1365"),
        ("2048 x 1365", "2048x1365"),
        ("source", "source"),
    ],
)
def test_sizes_may_be_written_as_people_write_them(given_size: object, size: str) -> None:
    assert of(size=given_size).size == size


@pytest.mark.parametrize(
    "values",
    [
        {"size": "0"},
        {"size": "large"},
        {"size": True},
        {"like": "received"},
        {"quality": 0},
        {"quality": 101},
        {"format": "gif"},
        {"protect_feather": -1},
        {"name": "{stem}/{n}"},
        {"name": "{folder}"},
        {"name": "{stem"},
        {"name": ".{stem}"},
        {"name": "_{stem}"},
        {"name": " "},
        {"name": "a:b"},
        {"colour": "red"},
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OutputFields.model_validate(values)


def test_a_job_keeps_what_differs_and_reads_it_again() -> None:
    found = of(like="source", protect=True, has_mask=True, quality=90)

    assert found.to_json()["quality"] == 90
    assert Output.from_json(found.to_json()) == found
    assert Output().to_json() == {}
    assert Output.from_json({"size": "source", "of_a_newer_version": 1}).size == "source"


@pytest.mark.parametrize(
    ("template", "stem", "names"),
    [
        ("{stem}", "cat", ["cat-warm-1", "cat-warm-2"]),
        ("{stem} {date}", "cat 2026-11-30", ["cat 2026-11-30-warm-1", "cat 2026-11-30-warm-2"]),
        ("{stem}_{model}", "cat_openai-gpt-image-2", ["cat_openai-gpt-image-2-warm-1"]),
        ("{stem}_{name}_{n}", "cat", ["cat_warm_1", "cat_warm_2"]),
        ("{stem}_{n}", "cat", ["cat-warm_1", "cat-warm_2"]),
        ("{stem} {name}", "cat", ["cat warm-1", "cat warm-2"]),
        ("{upload}-{id}", "IMG_1-k3x", ["IMG_1-k3x-warm-1"]),
        ("{name}", "cat", ["cat-warm-1"]),
    ],
)
def test_results_are_called_by_the_template(template: str, stem: str, names: list[str]) -> None:
    assert OutputFields(name=template).name == template
    shared = stem_of(template, JOB)
    assert shared == stem
    assert [
        name_of(template, shared, name="warm", number=number, count=2)
        for number in range(1, len(names) + 1)
    ] == names


def test_a_single_result_has_no_number() -> None:
    assert name_of("{stem}", "cat", name="", number=1, count=1) == "cat"
    assert name_of("{stem}_{name}_{n}", "cat", name="", number=1, count=1) == "cat"


_PARTS = st.lists(
    st.sampled_from(["{stem}", "{model}", "{date}", "{id}", "{name}", "{n}", "-", "_", " ", "x"]),
    min_size=1,
)


@given(_PARTS, st.text(max_size=8))
def test_no_name_is_a_folder_and_none_is_given_twice(parts: list[str], stem: str) -> None:
    """
    Whatever the template and the picture are called, results of one job have names of their own.
    """
    template = "".join(parts)
    shared = stem_of(template, {**JOB, "stem": stem})

    names = [
        name_of(template, shared, name=edit, number=number, count=2)
        for edit in ("", "warm", "blue")
        for number in (1, 2)
    ]

    assert len(set(names)) == len(names)
    assert all(name and "/" not in name and not name.startswith(".") for name in names)
