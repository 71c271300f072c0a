import pytest
from hypothesis import given
from hypothesis import strategies as st

from retouchd.sandbox.words import Effect, wish_of


@pytest.mark.parametrize(
    ("prompt", "effects"),
    [
        ("make it blue", (Effect.BLUE,)),
        ("改成蓝色", (Effect.BLUE,)),
        ("把iPhone红色加深", (Effect.RED,)),
        ("黑白，模糊", (Effect.GREY, Effect.BLUR)),
        ("BLURRED and Sepia", (Effect.SEPIA, Effect.BLUR)),
        ("a mosaic with a frame", (Effect.PIXELATE, Effect.BORDER)),
        ("变亮一点", (Effect.BRIGHTER,)),
    ],
)
def test_known_words_become_effects_in_a_fixed_order(
    prompt: str, effects: tuple[Effect, ...]
) -> None:
    """
    English and Chinese words name effects, alone or several at once.
    """
    wish = wish_of(prompt)

    assert effects == wish.effects
    assert wish.caption == ""


@pytest.mark.parametrize("prompt", ["a tired cat", "更漂亮", "a greenhouse", "画一个月亮"])
def test_a_word_inside_another_is_not_meant(prompt: str) -> None:
    """
    A prompt without a known word is written on the picture, even if letters of one occur in it.
    """
    wish = wish_of(prompt)

    assert wish.effects == ()
    assert wish.caption == prompt


@pytest.mark.parametrize(
    ("prompt", "degrees"),
    [("rotate", 90), ("rotate by 180 degrees", 180), ("旋转270度", 270), ("blue", 0)],
)
def test_a_turn_may_name_its_degrees(prompt: str, degrees: int) -> None:
    """
    A turn is by 90 degrees unless the prompt names another quarter.
    """
    assert degrees == wish_of(prompt).turn


@pytest.mark.parametrize(
    "prompt",
    [
        'blue, write "Big red sale"',
        "blue, write 'Big red sale'.",
        "Make the cat's eyes blue, with 'Big red sale' below the cats' tails.",
        "blue，写上“Big red sale”",
        "blue，写上'Big red sale'",
        "blue 「Big red sale」",
    ],
)
def test_words_in_quotes_are_a_caption_and_nothing_else(prompt: str) -> None:
    """
    What stands in quotes is written, never obeyed.
    """
    wish = wish_of(prompt)

    assert wish.effects == (Effect.BLUE,)
    assert wish.caption == "Big red sale"


@pytest.mark.parametrize(
    "prompt", ["the cat's coat blue", "blue dogs' and cats' eyes", "blue '90s"]
)
def test_an_apostrophe_is_no_quote(prompt: str) -> None:
    """
    What a prompt says of somebody's things is no caption.
    """
    assert wish_of(prompt).caption == ""


@given(st.text(min_size=1).filter(str.strip))
def test_every_prompt_asks_for_something(prompt: str) -> None:
    """
    No prompt, however odd, leaves the picture as it was.
    """
    assert str(wish_of(prompt))
