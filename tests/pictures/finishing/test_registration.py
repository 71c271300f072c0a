"""
Where a result lies in its original, asked for results of which that is known.
"""

import os

import numpy as np
import pytest
from PIL import Image

from retouchd.pictures.finishing.planes import Floats
from retouchd.pictures.finishing.registration import Registration, register
from simulated_model import NAMES, Model, chart, contrast, mask_of, photo, spot_light, warm

SMALL = (768, 512)
IS_SWEEP = os.environ.get("HYPOTHESIS_PROFILE") == "sweep"
CASES = 240 if IS_SWEEP else 8
SCALE = 0.0003
SHIFT = 0.15


def small(image: Image.Image, size: tuple[int, int] = SMALL) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS)


def registered(
    original: Image.Image, result: Image.Image, outside: Floats | None = None
) -> Registration:
    return register(small(original), result, (0, 0, *result.size), outside)


def furthest(found: Registration, model: Model) -> float:
    """
    How far a place of the original is from where it really lies, at most, in pixels of the small picture.
    """
    errors = []
    for x in (0.0, 0.5, 1.0):
        for y in (0.0, 0.5, 1.0):
            right = model.place_of(x, y)
            errors.append(
                abs(found.alignment.x + found.alignment.scale_x * x - right[0]) * SMALL[0]
            )
            errors.append(
                abs(found.alignment.y + found.alignment.scale_y * y - right[1]) * SMALL[1]
            )
    return max(errors)


@pytest.mark.parametrize("seed", range(CASES))
def test_rigid_results_are_found_to_a_seventh_of_a_pixel(seed: int) -> None:
    """
    Shifted by up to 6 pixels, scaled by up to a per cent, recoloured, half of the detail made anew, as a JPEG.
    """
    random = np.random.default_rng(seed)
    model = Model(
        seed=seed,
        size=(936, 624),
        shift=(float(random.uniform(-6, 6)), float(random.uniform(-6, 6))),
        scale=(float(random.uniform(0.99, 1.01)), float(random.uniform(0.99, 1.01))),
        redrawn=float(random.uniform(0.5, 1.3)),
        edit=(None, warm, contrast, spot_light)[seed % 4],
        gain=tuple(float(each) for each in random.uniform(0.94, 1.06, 3)),  # type: ignore[arg-type]
        jpeg=int(random.integers(80, 96)),
    )
    original = photo((*NAMES, "chart")[seed // 4 % 4], (1152, 768), seed)

    found = registered(original, model.answers(original))

    assert found.is_sure
    assert furthest(found, model) <= SHIFT
    scale = found.alignment.scale_x, found.alignment.scale_y
    assert max(abs(own - right) for own, right in zip(scale, model.scale, strict=True)) <= SCALE


@pytest.mark.parametrize("seed", range(CASES // 2))
def test_other_pictures_score_next_to_nothing(seed: int) -> None:
    """
    Another photo, a mirrored one, and one of noise are no results of an original.
    """
    names = (*NAMES, "chart")
    original, other = (
        photo(names[seed % 4], (1152, 768), seed),
        photo(names[(seed + 1) % 4], (1152, 768), seed),
    )
    wrong = (
        other,
        original.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        chart((1152, 768), seed + 500),
    )[seed % 3]

    found = registered(original, Model(seed=seed, size=(936, 624)).answers(wrong))

    assert found.score < 0.3


@pytest.mark.parametrize("local", [0.25, 0.4])
def test_what_a_model_drew_anew_a_little_beside_still_registers(local: float) -> None:
    """
    A warp of a fraction of a pixel is within what models do; where it lies on the whole is found all the same.
    """
    original = photo("coffee", (1152, 768))
    model = Model(size=(936, 624), shift=(2.0, -3.0), local=local)

    found = registered(original, model.answers(original))

    assert found.is_sure
    assert furthest(found, model) <= 0.6


def test_what_was_warped_does_not_register() -> None:
    original = photo("coffee", (1152, 768))

    found = registered(original, Model(size=(936, 624), local=2.0).answers(original))

    assert not found.is_sure


def test_only_what_is_outside_of_a_mask_has_a_say() -> None:
    """
    Half of the picture is new: the other half tells where it lies.
    """
    original = photo("rocket", (1152, 768))
    model = Model(size=(936, 624), shift=(3.0, 1.0))
    result = model.answers(original)
    mask = mask_of(result.size, 0.35).getchannel("A")
    result = Image.composite(result, chart(result.size, 77), mask)
    outside = (np.asarray(mask_of(SMALL, 0.4).getchannel("A")) > 0).astype(np.float32)

    found = registered(original, result, outside)

    assert found.is_sure
    assert furthest(found, model) <= 0.3


def test_nothing_is_said_where_a_mask_leaves_too_little() -> None:
    original = photo("rocket", (1152, 768))
    outside = np.zeros((SMALL[1], SMALL[0]), np.float32)
    outside[:96, :96] = 1

    found = registered(original, original, outside)

    assert not found.is_checked
    assert not found.is_sure
    assert (found.alignment.x, found.alignment.scale_x) == (0.0, 1.0)
