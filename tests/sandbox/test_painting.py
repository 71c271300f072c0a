"""
What is painted: inside the mask or the markup, with references, and in words on pictures of any size.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw

from retouchd.sandbox.painting import lettering
from retouchd.sandbox.painting.lettering import write
from retouchd.sandbox.painting.paint import Output, Painted, Scene, paint
from retouchd.sandbox.words import Effect, Wish, wish_of

SIZE = (320, 240)
AREA = (60, 40, 200, 130)


def file_of(image: Image.Image) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer


def ramp() -> Image.Image:
    return Image.linear_gradient("L").resize(SIZE).convert("RGB")


def painted(prompt: str, *others: Image.Image, **scene: Any) -> Image.Image:
    images = [file_of(ramp()), *map(file_of, others)]
    output = Output(canvas=lambda width, height: (width, height))
    wish = wish_of(prompt, references=len(others))
    return opened(paint(Scene(images=images, **scene), wish, output))


def opened(result: Painted) -> Image.Image:
    return Image.open(io.BytesIO(result.pictures[0])).convert("RGB")


def changes(result: Image.Image) -> tuple[int, int, int, int]:
    """
    Return the box around every pixel that is not as it was.
    """
    box = ImageChops.difference(result, ramp()).getbbox()
    assert box is not None
    return box


def masked(alpha: int) -> io.BytesIO:
    """
    Return a mask whose area has that alpha.
    """
    mask = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    mask.paste((0, 0, 0, alpha), AREA)
    return file_of(mask)


@pytest.mark.parametrize("prompt", ["反色", "把猫变成老虎", "invert, with a border and “标题”"])
def test_everything_happens_inside_the_mask(prompt: str) -> None:
    """
    Effects, border and words keep to the mask's transparent area, and can be seen there.
    """
    left, top, right, bottom = changes(painted(prompt, mask=masked(0)))

    assert left >= AREA[0]
    assert top >= AREA[1]
    assert right <= AREA[2]
    assert bottom == AREA[3]


def test_only_wholly_transparent_pixels_of_a_mask_are_edited() -> None:
    """
    Alpha 1 is not alpha 0: such a pixel comes back as it was.
    """
    result = painted("invert", mask=masked(1))

    assert ImageChops.difference(result, ramp()).getbbox() is None


def test_a_markup_shows_where_to_edit() -> None:
    """
    The rectangle around what was drawn is edited, and nothing else.
    """
    drawing = Image.new("RGBA", SIZE)
    ImageDraw.Draw(drawing).ellipse((60, 40, 199, 129), outline="red")

    assert changes(painted("invert", markup=file_of(drawing))) == AREA


@pytest.mark.parametrize("prompt", ["use the second picture as the background", "换成第二张的背景"])
def test_a_reference_can_be_the_backdrop(prompt: str) -> None:
    """
    With the word for it the reference fills the edges, and the picture stays in the middle.
    """
    result = painted(prompt, Image.new("RGB", (50, 50), "magenta"))

    edges = [result.getpixel(at) for at in ((0, 0), (319, 0), (0, 239), (319, 239))]
    assert edges == [(255, 0, 255)] * 4
    assert result.getpixel((160, 120)) == ramp().getpixel((160, 120))


def test_a_subject_on_an_even_background_is_cut_out() -> None:
    """
    What stands on plain white keeps its shape before the backdrop.
    """
    subject = Image.new("RGB", SIZE, "white")
    subject.paste((200, 30, 30), AREA)
    backdrop = Image.new("RGB", SIZE, "blue")
    output = Output(canvas=lambda width, height: (width, height))
    scene = Scene(images=[file_of(subject), file_of(backdrop)])

    result = opened(paint(scene, wish_of("on this background", references=1), output))

    backdrop.paste((200, 30, 30), AREA)
    assert ImageChops.difference(result, backdrop).getbbox() is None


def test_a_background_without_a_reference_is_only_a_word() -> None:
    """
    The word alone asks for nothing that could be done: the prompt is written on the picture.
    """
    assert wish_of("a nicer background").caption == "a nicer background"
    assert wish_of("去掉背景", references=1).effects == (Effect.CUT_OUT,)


def inked(size: tuple[int, int], text: str) -> Image.Image:
    """
    Return the light pixels of a text written on a picture of that size, as a mask.
    """
    picture = Image.new("RGBA", size, "black")
    write(picture, text, (0, 0, *size))
    return picture.convert("L").point(lambda value: 255 if value > 128 else 0)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (64, 48), (30, 900), (900, 30), (2000, 1500)])
@pytest.mark.parametrize(
    "text", ["turn the cat into a tiger " * 60, "把猫变成老虎" * 60, "🙂 é", "a" * 500]
)
def test_any_words_fit_on_any_picture(size: tuple[int, int], text: str) -> None:
    """
    No text is lost beyond the edge: the last column and the last row of pixels stay free of ink.
    """
    ink = inked(size, text)

    if min(size) >= 30:
        assert ink.getbbox() is not None
        assert ink.crop((size[0] - 1, 0, *size)).getbbox() is None


def test_a_short_text_is_large_on_a_large_picture() -> None:
    """
    Letters grow with the picture.
    """
    heights = []
    for width in (200, 2000):
        box = inked((width, width), "Hx").getbbox()
        assert box is not None
        heights.append(box[3] - box[1])

    assert heights[0] >= 6
    assert heights[1] >= 50


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lettering, "_FONTS", ())
    _forget()
    yield
    _forget()


def _forget() -> None:
    cached: list[Callable[..., Any]] = [lettering._installed, lettering._has_glyph]
    for function in cached:
        function.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("no_fonts")
def test_letters_without_a_font_are_told_apart() -> None:
    """
    Where no font has Chinese letters each is a box with its code point: different letters look different.
    """
    pictures = {inked((300, 100), letter).tobytes() for letter in ("蓝", "红", "🙂", "é")}

    assert len(pictures) == 4
    assert not lettering.can_write_chinese()


@pytest.mark.parametrize(
    ("prompt", "effects", "turn"),
    [
        ("make it gray", (Effect.GREY,), 0),
        ("改成灰色", (Effect.GREY,), 0),
        ("upside down", (Effect.FLIP,), 0),
        ("上下翻转", (Effect.FLIP,), 0),
        ("左右翻转", (Effect.MIRROR,), 0),
        ("flip it vertically", (Effect.FLIP,), 0),
        ("flip", (Effect.MIRROR,), 0),
        ("粉红", (Effect.PINK,), 0),
        ("橙色，提高对比度，鲜艳", (Effect.ORANGE, Effect.CONTRAST, Effect.VIVID), 0),
        ("抠图", (Effect.CUT_OUT,), 0),
        ("rotate 90 degrees counterclockwise", (), 270),
        ("逆时针旋转90度", (), 270),
        ("turn left", (), 270),
        ("rotate by 180", (), 180),
    ],
)
def test_more_words_are_known(prompt: str, effects: tuple[Effect, ...], turn: int) -> None:
    """
    Words for shapes, colours and directions, in both languages.
    """
    wish = wish_of(prompt)

    assert (wish.effects, wish.turn, wish.caption) == (effects, turn, "")


@pytest.mark.parametrize("effect", list(Effect))
def test_every_effect_changes_the_picture(effect: Effect) -> None:
    """
    No effect leaves a picture as it was.
    """
    picture = ramp()
    ImageDraw.Draw(picture).ellipse((30, 90, 150, 200), "orange")
    output = Output(canvas=lambda width, height: (width, height))

    wish = Wish(effects=(effect,), turn=0, caption="")
    result = paint(Scene(images=[file_of(picture)]), wish, output).pictures[0]

    shown = Image.open(io.BytesIO(result)).convert("RGBA")
    assert ImageChops.difference(shown, picture.convert("RGBA")).getbbox(alpha_only=False)
