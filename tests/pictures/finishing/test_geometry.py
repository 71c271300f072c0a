"""
What is put around a picture so that it has the shape of what is asked for, and cut off again.
"""

from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from retouchd.pictures.finishing.geometry import (
    Alignment,
    Canvas,
    covered,
    fitted_into,
    is_same_shape,
    padded,
    within,
)
from retouchd.pictures.finishing.padding import mirrored
from retouchd.request.matching import matching_size
from retouchd.request.sizes import SizeRule, edges_of

SIDES = st.integers(1, 12_000)
SIZES = st.tuples(SIDES, SIDES)


@given(SIZES, st.tuples(st.integers(256, 3840), st.integers(256, 3840)))
def test_a_padded_picture_has_the_shape_asked_for(
    upright: tuple[int, int], size: tuple[int, int]
) -> None:
    """
    It is never cropped, padded in one direction only, and evenly; one pixel of it at most is left of the shape.
    """
    canvas = padded(upright, size)

    assert (canvas.width, canvas.height) == upright
    assert 0 <= canvas.right - canvas.left <= 1
    assert 0 <= canvas.bottom - canvas.top <= 1
    assert not (canvas.left + canvas.right and canvas.top + canvas.bottom)
    width, height = canvas.size
    off = abs(width * size[1] / size[0] - height), abs(height * size[0] / size[1] - width)
    tolerance = 1 + 0.5 * max(upright[0] / size[0], upright[1] / size[1])
    assert min(off) <= tolerance


@given(SIZES, st.sampled_from(["1536x1024", "1024x1536", "1024x1024"]))
def test_the_picture_lies_within_its_result(upright: tuple[int, int], size: str) -> None:
    edges = edges_of(size)
    assert edges is not None
    canvas = padded(upright, edges)

    left, top, right, bottom = canvas.box(edges)

    assert 0 <= left < right <= edges[0] + 1e-6
    assert 0 <= top < bottom <= edges[1] + 1e-6
    assume(canvas.is_padded)
    shape = (right - left) / (bottom - top)
    assert abs(shape / (upright[0] / upright[1]) - 1) < 0.01 or min(upright) < 100
    assert 0 <= canvas.share < 1


@given(st.tuples(st.integers(300, 9000), st.integers(300, 9000)))
def test_nothing_is_put_around_a_shape_that_a_model_knows(upright: tuple[int, int]) -> None:
    """
    With free sizes the size is found that fits; only beyond 3 : 1 more than a sliver is padded.
    """
    size = edges_of(matching_size(upright, SizeRule()) or "")
    assert size is not None

    canvas = padded(upright, size)

    ratio = max(upright) / min(upright)
    if ratio <= 2.95:
        assert canvas.share < 0.0125
    assert is_same_shape(canvas.size, size)


def test_padding_mirrors_the_edges() -> None:
    """
    What is put around is the picture again, so that a model has nothing new to make up; as often as need be.
    """
    image = Image.linear_gradient("L").resize((4, 10))
    canvas = Canvas(width=4, height=10, left=10, right=9)

    found = mirrored(image, canvas)

    assert found.size == (23, 10)
    rows = [found.getpixel((x, 3)) for x in range(23)]
    own = [image.getpixel((x, 3)) for x in range(4)]
    assert rows[10:14] == own
    assert rows[6:10] == own[::-1]
    assert rows[2:6] == own
    assert rows[14:18] == own[::-1]


@given(st.floats(-0.05, 0.05), st.floats(0.95, 1.05))
def test_an_alignment_moves_a_box(shift: float, scale: float) -> None:
    box = Alignment(x=shift, scale_y=scale).box((10, 20, 110, 220))

    assert abs(box[0] - (10 + 100 * shift)) < 1e-9
    assert abs((box[3] - box[1]) - 200 * scale) < 1e-9


@given(SIZES, SIZES)
def test_what_fits_within_bounds(size: tuple[int, int], bounds: tuple[int, int]) -> None:
    width, height = within(size, bounds)

    assert 1 <= width <= bounds[0]
    assert 1 <= height <= bounds[1]
    assert width == bounds[0] or height == bounds[1]


@given(SIZES, SIZES)
def test_what_is_fitted_into_a_picture_lies_undistorted_in_its_middle(
    result: tuple[int, int], size: tuple[int, int]
) -> None:
    box = (0.0, 0.0, float(result[0]), float(result[1]))

    left, top, right, bottom = covered(box, fitted_into(box, size), size)

    assert (left, right) == (0, size[0]) or (top, bottom) == (0, size[1])
    assert abs(left - (size[0] - right)) <= 1
    assert abs(top - (size[1] - bottom)) <= 1
    scale = min(size[0] / result[0], size[1] / result[1])
    assert -1e-5 <= result[0] * scale - (right - left) < 2 + 1e-5
    assert -1e-5 <= result[1] * scale - (bottom - top) < 2 + 1e-5
