"""
What holds for an image: sidecars, folder files and the configuration, key by key.
"""

from hypothesis import given
from hypothesis import strategies as st

from builders import signature
from retouchd.disk.signature import Observation
from retouchd.inbox.precedence import (
    Content,
    EditPart,
    FolderFile,
    Layer,
    Task,
    compose,
    folder_faults,
    needed,
)
from retouchd.job.filenames import Kind

KEYS = ("prompt", "model", "n", "size", "quality")
LAYERS = st.lists(
    st.builds(
        Layer,
        origin=st.uuids().map(str),
        values=st.dictionaries(st.sampled_from(KEYS), st.integers(0, 9), max_size=4),
        images=st.none() | st.lists(st.text(min_size=1), max_size=2).map(tuple),
    ),
    max_size=5,
)


def edit(folder: str, name: str = "_edit.toml", content: Content | None = None) -> FolderFile:
    return FolderFile(
        folder=folder,
        name=name,
        kind=Kind.FOLDER_EDIT,
        observation=Observation(signature(), 1),
        content=content or Content(),
    )


def prompt(folder: str, name: str = "_prompt.txt") -> FolderFile:
    return FolderFile(
        folder=folder, name=name, kind=Kind.FOLDER_PROMPT, observation=Observation(signature(), 1)
    )


@given(LAYERS)
def test_each_key_comes_from_the_first_layer_that_has_it(layers: list[Layer]) -> None:
    """
    No layer hides a key it does not have, and the origin is told for every key.
    """
    found = compose(layers)

    for key in KEYS:
        first = next((layer for layer in layers if key in layer.values), None)
        assert (key in found.values) == (first is not None)
        if first is not None:
            assert found.values[key] == first.values[key]
            assert found.origin[key] == first.origin
    named = [layer for layer in layers if layer.images is not None]
    assert found.images == (named[0].images if named else ())
    assert ("images" in found.origin) == bool(named)


def test_an_empty_list_of_references_takes_them_away() -> None:
    """
    A sidecar may say that its image goes without the references of its folder.
    """
    layers = [Layer(origin="cat.toml", images=()), Layer(origin="_edit.toml", images=("a.png",))]

    assert compose(layers).images == ()


def test_the_nearest_prompt_hides_those_above() -> None:
    """
    All `_edit` files matter, of the prompts only the nearest; none if the image has its own.
    """
    chain = [edit("a/b"), prompt("a"), edit(""), prompt("")]

    assert needed(chain, Task())[0] == [chain[0], chain[1], chain[2]]
    assert needed(chain, Task(has_prompt=True))[0] == [chain[0], chain[2]]


def test_a_prompt_in_an_edit_file_is_as_good_as_a_prompt_file() -> None:
    """
    It hides the prompts above it, and contradicts one beside it.
    """
    said = edit("a", content=Content(values={"prompt": "sepia"}))

    assert needed([said, prompt("")], Task())[0] == [said]
    (fault,) = folder_faults(needed([said, prompt("a")], Task())[0])
    assert "a/_edit.toml and a/_prompt.txt both say what is to be done" in fault


def test_every_fault_of_a_folder_file_names_it() -> None:
    """
    Faults of the content and files that contradict each other, each with its path.
    """
    broken = edit("鞋", content=Content(faults=("promt is not a known key.",)))
    twins = [prompt(""), prompt("", "_PROMPT.TXT")]

    faults = list(folder_faults([broken, *twins]))

    assert faults == [
        "鞋/_edit.toml cannot be used: promt is not a known key.",
        "_prompt.txt and _PROMPT.TXT both say what is to be done for one folder. Keep only one of them.",
    ]


PLACES = st.lists(
    st.builds(
        Task,
        has_prompt=st.booleans(),
        edits=st.none()
        | st.lists(
            st.builds(
                EditPart,
                name=st.sampled_from(["warm", "studio"]),
                values=st.just({}) | st.just({"prompt": "x"}),
            ),
            max_size=2,
            unique_by=lambda part: part.name,
        ).map(tuple),
        origin=st.sampled_from(["cat.toml", "_edit.toml", "config"]),
    ),
    max_size=5,
)


@given(PLACES)
def test_the_nearest_place_that_says_anything_decides_which_edits_there_are(
    places: list[Task],
) -> None:
    """
    A prompt sets aside what lists are farther away, a list those that are; a prompt from anywhere serves all.
    """
    task = Task()
    for place in places:
        task = task.over(place)

    first = next((p for p in places if p.has_prompt or p.edits is not None), Task())
    has_prompt = any(place.has_prompt for place in places)
    assert (task.edits or ()) == (first.edits or ())
    assert task.has_prompt == has_prompt
    expected = [e.name for e in first.edits or (EditPart(name=""),) if "prompt" not in e.values]
    assert list(task.lacking) == ([] if has_prompt else expected)
