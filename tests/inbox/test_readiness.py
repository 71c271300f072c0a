from collections.abc import Mapping

import pytest

from builders import named, signature
from retouchd.disk.signature import Observation
from retouchd.errors import JobCode
from retouchd.inbox.missing import prompt_missing
from retouchd.inbox.precedence import FolderFile, Task
from retouchd.inbox.readiness import (
    BundleState,
    BundleWaiting,
    Patience,
    Ready,
    Surroundings,
    Unsettled,
    readiness,
)
from retouchd.job.filenames import Kind, parse
from retouchd.job.pairing import Bundle, pair

PATIENCE = Patience(settle_seconds=2, orphan_seconds=60)
ALONE = Surroundings()


def below(observation: Observation) -> Surroundings:
    """
    Return the surroundings of an image with a `_prompt.txt` in its folder.
    """
    source = FolderFile(
        folder="", name="_prompt.txt", kind=Kind.FOLDER_PROMPT, observation=observation
    )
    return Surroundings(sources=(source,))


def bundle_of(*names: str) -> Bundle:
    (bundle,) = pair(named(*names))
    return bundle


def quiet(since: float, size: int = 100) -> Observation:
    return Observation(signature(size), since)


def state(
    now: float, around: Surroundings | None = None, **observations: Observation
) -> BundleState:
    """
    Return the state of a bundle whose files are given as `png`, `txt`, `mask_png`.
    """
    return state_of(now, observations, around or ALONE)


def state_of(
    now: float,
    observations: Mapping[str, Observation],
    around: Surroundings = ALONE,
    patience: Patience = PATIENCE,
) -> BundleState:
    files = {
        f"cat.{end.replace('_', '.')}": observation for end, observation in observations.items()
    }
    return readiness(bundle_of(*files), files, around, patience, now)


def test_a_bundle_settles_together() -> None:
    """
    The file that was touched last decides for all of them.
    """
    assert Unsettled(at=7, reason="still changing") == state(6.9, png=quiet(1), txt=quiet(5))
    assert Ready(since=7) == state(7, png=quiet(1), txt=quiet(5))


def test_a_mask_that_still_changes_holds_its_image() -> None:
    """
    Masks belong to the bundle like prompts.
    """
    found = state(4, png=quiet(1), txt=quiet(1), mask_png=quiet(3))

    assert Unsettled(at=5, reason="still changing") == found


def test_an_empty_file_has_not_arrived() -> None:
    """
    A placeholder is waited for by name, not sent.
    """
    found = state(20, png=quiet(1, size=0), txt=quiet(1))

    assert isinstance(found, BundleWaiting)
    assert "cat.png is empty" in found.reason


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("png", JobCode.IMAGE_UNREADABLE),
        ("txt", JobCode.PROMPT_EMPTY),
        ("mask_png", JobCode.MASK_INVALID),
    ],
)
def test_a_file_that_stays_empty_is_an_error_in_the_end(end: str, code: JobCode) -> None:
    """
    When patience ends, the problem says which of the files is empty.
    """
    observations = {each: quiet(1) for each in ("png", "txt", "mask_png")} | {end: quiet(1, size=0)}

    found = state_of(63, observations)

    assert isinstance(found, Ready)
    (problem,) = found.problems
    assert code is problem.code
    assert f"cat.{end.replace('_', '.')}" in problem.message


@pytest.mark.parametrize(
    ("end", "code", "partner"),
    [
        ("png", JobCode.PROMPT_MISSING, "cat.txt"),
        ("txt", JobCode.IMAGE_MISSING, "cat.png"),
        ("mask_png", JobCode.IMAGE_MISSING, "cat.png"),
    ],
)
def test_a_lone_file_waits_and_then_ends_in_error(end: str, code: JobCode, partner: str) -> None:
    """
    Patience counts from when the file settled; the hint names the partner that never came.
    """
    early, late = state_of(62.9, {end: quiet(1)}), state_of(63, {end: quiet(1)})

    assert isinstance(early, BundleWaiting)
    assert early.at == 63
    assert isinstance(late, Ready)
    (problem,) = late.problems
    assert code is problem.code
    assert partner in problem.hint


@pytest.mark.parametrize("end", ["png", "txt", "mask_png"])
def test_zero_means_to_wait_for_ever(end: str) -> None:
    """
    With orphan_seconds = 0 nothing is ever sent to error for being alone.
    """
    found = state_of(1e9, {end: quiet(1)}, patience=Patience(orphan_seconds=0))

    assert isinstance(found, BundleWaiting)
    assert found.at is None
    assert "waits for its image" in found.reason or "cat.txt" in found.reason


def test_a_folder_prompt_stands_in() -> None:
    """
    An image without a prompt of its own takes that of its folder, settled together with it.
    """
    around = below(quiet(10))

    assert isinstance(state(11, around, png=quiet(1)), Unsettled)
    assert Ready(since=12) == state(12, around, png=quiet(1))


def test_a_folder_prompt_does_not_hold_what_has_its_own() -> None:
    """
    An image with a prompt beside it does not wait for the folder's.
    """
    around = below(quiet(10))

    assert Ready(since=3) == state(11, around, png=quiet(1), txt=quiet(1))


def test_an_empty_folder_prompt_never_moves_a_file() -> None:
    """
    A fault of a folder file makes its images wait for ever, with the reason.
    """
    found = state(1e9, below(quiet(1, size=0)), png=quiet(1))

    assert isinstance(found, BundleWaiting)
    assert found.at is None
    assert "_prompt.txt" in found.reason


def test_a_prompt_in_the_configuration_is_enough() -> None:
    """
    With `edit.prompt` set an image needs nothing beside it.
    """
    assert Ready(since=3) == state(3, Surroundings(default=Task(has_prompt=True)), png=quiet(1))


def test_ambiguous_files_go_to_error_only_when_settled() -> None:
    """
    While they change, somebody may still be renaming them.
    """
    names = ["cat.jpg", "cat.png", "cat.txt"]
    observations = {name: quiet(5) for name in names}

    early, late = (
        readiness(bundle_of(*names), observations, Surroundings(), PATIENCE, now)
        for now in (6.0, 7.0)
    )

    assert isinstance(early, Unsettled)
    assert isinstance(late, Ready)
    (problem,) = late.problems
    assert JobCode.SIDECAR_AMBIGUOUS is problem.code


@pytest.mark.parametrize(
    ("image", "prompt"),
    [
        ("cat.png", "cat.txt"),
        ("cat.png.png", "cat.png.png.txt"),
        ("cat.error.png", "cat.error.png.txt"),
    ],
)
def test_the_prompt_that_is_asked_for_is_one_that_works(image: str, prompt: str) -> None:
    """
    Where the short name belongs to another file, the long one is named.
    """
    assert prompt in prompt_missing(parse(image)).hint
    assert [each.name for each in pair(map(parse, [image, prompt]))[0].files] == [image, prompt]
