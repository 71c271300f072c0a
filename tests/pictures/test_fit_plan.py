from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retouchd.pictures.fit_plan import Change, expected, image_fit, mask_fit
from retouchd.request.limits import TABLE, Limits, Picture, limits_for
from retouchd.request.validate import check_image, check_mask

MODEL = limits_for("gpt-image-2")
PHOTO = Picture(
    format="jpeg",
    width=640,
    height=480,
    mode="RGB",
    has_alpha=False,
    has_transparency=False,
    size_bytes=1000,
)
MASK = replace(PHOTO, format="png", mode="RGBA", has_alpha=True, has_transparency=True)

FORMATS = ["png", "jpeg", "webp", "mpo", "heic", "avif", "tiff", "bmp"]
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"]
PICTURES = st.builds(
    Picture,
    format=st.sampled_from(FORMATS),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    mode=st.sampled_from(MODES),
    has_alpha=st.booleans(),
    has_transparency=st.booleans(),
    size_bytes=st.integers(1, 10**8),
    depth=st.sampled_from([1, 8, 16]),
    orientation=st.integers(1, 8),
    has_foreign_colours=st.booleans(),
)
LIMITS = st.one_of(
    st.sampled_from([*TABLE.values(), Limits()]),
    st.builds(
        Limits,
        max_image_bytes=st.none() | st.integers(1, 10**8),
        max_image_pixels=st.none() | st.integers(1, 10**7),
        max_mask_bytes=st.none() | st.integers(1, 10**7),
    ),
)


@pytest.mark.parametrize(
    ("picture", "changes"),
    [
        (PHOTO, ()),
        (replace(PHOTO, format="heic"), (Change.FORMAT,)),
        (replace(PHOTO, format="mpo"), (Change.FORMAT,)),
        (replace(PHOTO, mode="CMYK"), (Change.CHANNELS,)),
        (replace(PHOTO, mode="RGB", format="png", depth=16), (Change.CHANNELS,)),
        (replace(PHOTO, format="png", has_alpha=True), (Change.CHANNELS,)),
        (replace(PHOTO, has_foreign_colours=True), (Change.COLOURS,)),
        (replace(PHOTO, orientation=6), (Change.ORIENTATION,)),
        (replace(PHOTO, size_bytes=50 * 2**20), (Change.BYTES,)),
        (replace(PHOTO, size_bytes=50 * 2**20 - 1), ()),
    ],
    ids=str,
)
def test_what_must_be_changed(picture: Picture, changes: tuple[Change, ...]) -> None:
    """
    Each thing that is not as it must be is one change, and what is fit has none.
    """
    fit = image_fit(picture, MODEL)

    assert changes == (fit.changes if fit else ())


@pytest.mark.parametrize(
    ("picture", "formats", "target"),
    [
        (PHOTO, ("png", "jpeg"), "jpeg"),
        (PHOTO, ("png",), "png"),
        (replace(PHOTO, format="mpo"), ("png", "jpeg"), "jpeg"),
        (replace(PHOTO, format="webp"), ("png", "jpeg", "webp"), "png"),
        (replace(PHOTO, format="heic"), ("jpeg",), "jpeg"),
        (replace(MASK, format="heic"), ("jpeg",), None),
        (PHOTO, ("webp",), None),
    ],
    ids=str,
)
def test_the_format_of_a_fitted_picture(
    picture: Picture, formats: tuple[str, ...], target: str | None
) -> None:
    """
    A JPEG stays JPEG, all else becomes PNG, as far as the model takes it; no transparency is lost for it.
    """
    fit = image_fit(replace(picture, orientation=3), Limits(formats=formats))

    assert target == (fit.format if fit else None)


@given(PICTURES, LIMITS)
@example(replace(PHOTO, width=1, height=5000), Limits(max_image_pixels=10))
@example(replace(PHOTO, width=5000, height=1), Limits(max_image_pixels=10))
def test_a_fitted_picture_needs_no_more(picture: Picture, limits: Limits) -> None:
    """
    What comes of a fit is fit itself, in the shape and within the pixels asked for; else nothing was changed.
    """
    fit = image_fit(picture, limits)
    will_be = expected(picture, fit)

    assert (fit is None) == (will_be == picture)
    if fit is not None:
        assert image_fit(will_be, limits) is None
        assert {p.code.value for p in check_image("a", will_be, limits)} <= {"image_not_square"}
        assert fit.size[0] * fit.size[1] <= (limits.max_image_pixels or 10**8)


@given(PICTURES)
def test_what_needs_nothing_has_no_problem(picture: Picture) -> None:
    """
    A picture is sent as it is only where nothing is wrong with it.
    """
    if image_fit(picture, MODEL) is None:
        assert check_image("a", picture, MODEL) == []


@given(PICTURES, PICTURES, LIMITS)
def test_a_fitted_mask_fits_its_picture(mask: Picture, image: Picture, limits: Limits) -> None:
    """
    What comes of a mask's fit has the size of the fitted picture and nothing wrong but what it marks.
    """
    will_be = expected(image, image_fit(image, limits))
    fit = mask_fit(mask, image, will_be.upright, limits)
    if fit is not None:
        found = check_mask("m", expected(mask, fit), "a", will_be, limits)
        assert all("no fully transparent pixel" in problem.message for problem in found)
        again = replace(expected(mask, fit), has_transparency=True)
        assert mask_fit(again, image, will_be.upright, limits) is None


@given(st.integers(1, 8), st.integers(1, 99), st.integers(1, 99))
def test_a_mask_of_either_size_of_its_picture_fits(
    orientation: int, width: int, height: int
) -> None:
    """
    Drawn over the upright picture it is left alone, over the stored pixels turned along, never twice.
    """
    image = replace(PHOTO, width=width, height=height, orientation=orientation)
    upright = replace(MASK, width=image.upright[0], height=image.upright[1])
    stored = replace(MASK, width=width, height=height)

    assert mask_fit(upright, image, image.upright, MODEL) is None
    turned = mask_fit(stored, image, image.upright, MODEL)
    if stored.upright == image.upright:
        assert turned is None
    else:
        assert turned is not None
        assert (orientation,) == turned.turns


def test_a_mask_of_another_size_is_not_fitted() -> None:
    """
    Stretching a mask would be a guess: its size stays what is wrong with it.
    """
    assert mask_fit(replace(MASK, width=320, height=240), PHOTO, (640, 480), MODEL) is None
    assert mask_fit(replace(MASK, width=320, mode="LA"), PHOTO, (640, 480), MODEL) is None


def test_black_and_white_is_not_made_a_mask() -> None:
    """
    A mask without any alpha stays what it is, for what it marks would be a guess.
    """
    grey = replace(MASK, mode="L", has_alpha=False, has_transparency=False)

    assert mask_fit(grey, PHOTO, (640, 480), MODEL) is None
