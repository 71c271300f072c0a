"""
Edits of colour and light applied to the original itself, and refused where there is anything else.
"""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finishing_cases import Case, pixels
from retouchd.pictures.finishing.detail import ColourTransform, fitted
from retouchd.pictures.finishing.plan import Warned
from retouchd.pictures.finishing.planes import delta_e_2000, lab
from simulated_model import (
    GLOBAL_EDITS,
    NAMES,
    OTHER_EDITS,
    Model,
    gradient_energy,
    photo,
)

SIZE, RESULT = (1200, 800), (600, 400)
IS_SWEEP = os.environ.get("HYPOTHESIS_PROFILE") == "sweep"
PHOTOS = (*NAMES, "chart") if IS_SWEEP else ("coffee",)
EDITS = list(GLOBAL_EDITS) if IS_SWEEP else ["brighter", "spot light"]


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("edit", EDITS)
def test_colour_and_light_come_with_all_of_the_texture(
    tmp_path: Path, name: str, edit: str
) -> None:
    """
    As if the edit had been made at full size: the eye sees hardly any difference, and no texture is lost.
    """
    original = photo(name, SIZE)
    change = GLOBAL_EDITS[edit]
    model = Model(size=RESULT, shift=(1.3, -0.8), edit=change, local=0.15)
    case = Case(tmp_path)

    found = case.finished(
        case.original(original),
        case.received(model.answers(original)),
        detail="source",
        metadata="source",
    )

    assert found.data is not None
    assert found.cautions == ()
    assert (found.finished.width, found.finished.height) == SIZE
    made, truth = Image.fromarray(pixels(found.data)), change(original)
    apart = delta_e_2000(lab(made), lab(truth))
    assert np.median(apart) <= 1.3
    assert np.percentile(apart, 95) <= 4
    assert gradient_energy(made, truth) >= 0.85
    assert b"algorithmicallyEnhanced" in found.data


@pytest.mark.parametrize("edit", OTHER_EDITS)
def test_what_is_new_in_a_picture_is_not_taken_for_light(tmp_path: Path, edit: str) -> None:
    """
    An object of 2 % of the area, lettering, another background: finished plainly, and told of.
    """
    original = photo("cat", SIZE)
    result = Model(size=RESULT, edit=OTHER_EDITS[edit]).answers(original)
    case = Case(tmp_path)

    found = case.finished(case.original(original), case.received(result), detail="source")

    assert [each.code for each in found.cautions] == [Warned.DETAIL]
    assert found.data is not None
    plain = result.resize(SIZE, Image.Resampling.LANCZOS)
    assert np.abs(pixels(found.data).astype(int) - np.asarray(plain).astype(int)).max() <= 1
    assert found.shift is None


def test_another_picture_is_no_light_either(tmp_path: Path) -> None:
    case = Case(tmp_path)
    other = Model(size=RESULT).answers(photo("rocket", SIZE))

    found = case.finished(case.original(photo("cat", SIZE)), case.received(other), detail="source")

    [caution] = found.cautions
    assert "does not lie over the original" in caution.words


@pytest.mark.parametrize(("size", "edge"), [("source", SIZE[1]), ("500x500", 500)])
def test_a_result_of_another_shape_is_finished_without_it_and_not_stretched(
    tmp_path: Path, size: str, edge: int
) -> None:
    case = Case(tmp_path)
    original = photo("cat", SIZE)
    left = (SIZE[0] - SIZE[1]) // 2
    square = original.crop((left, 0, left + SIZE[1], SIZE[1])).resize((300, 300))

    found = case.finished(
        case.original(original), case.received(square), detail="source", size=size
    )

    assert [each.code for each in found.cautions] == [Warned.SHAPE, Warned.DETAIL]
    assert found.data is not None
    assert pixels(found.data).shape == (edge, edge, 3)
    assert (found.finished.width, found.finished.height) == (edge, edge)


def test_a_picture_of_one_colour_stays_as_it_is() -> None:
    """
    Where nothing can be fitted a transform changes nothing it knows nothing about.
    """
    grey = Image.new("RGB", (120, 80), (100, 110, 120))

    transform = fitted(grey, grey)

    assert isinstance(transform, ColourTransform)
    frame = photo("cat", (240, 160))
    before = frame.copy()
    transform.apply(frame)
    assert np.abs(np.asarray(frame).astype(int) - np.asarray(before).astype(int)).mean() < 1.5


@pytest.mark.parametrize("height", [7, 50, 130, 900])
def test_a_transform_may_be_coarser_or_finer_than_its_picture(height: int) -> None:
    """
    Between its rows there is what lies between.
    """
    planes = np.zeros((100, 3, 4, 5), np.float32)
    planes[:, (0, 1, 2), (0, 1, 2)] = np.linspace(0.5, 1.5, 100)[:, None, None]
    frame = Image.new("RGB", (30, height), (80, 120, 160))

    ColourTransform(planes).apply(frame)

    places = np.clip((np.arange(height) + 0.5) * 100 / height - 0.5, 0, 99)
    right = np.outer(0.5 + places / 99, (80, 120, 160))[:, None]
    assert np.abs(np.asarray(frame) - right).max() <= 0.51


def test_alpha_and_the_format_of_the_original_stay(tmp_path: Path) -> None:
    original = photo("cat", (720, 480))
    result = Model(size=(360, 240), edit=GLOBAL_EDITS["warm"]).answers(original)
    clear = original.copy()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    case = Case(tmp_path)

    found = case.finished(
        case.original(clear), case.received(result), detail="source", like="source"
    )

    assert found.data is not None
    with Image.open(io.BytesIO(found.data)) as image:
        assert image.format == "PNG"
        assert (np.asarray(image)[..., 3] == np.asarray(clear)[..., 3]).all()
