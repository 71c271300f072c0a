"""
What a prompt asks for, found by plain words in English and Chinese: there is no AI here.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """
    Something that can be done to a picture, in the order it is done.
    """

    MIRROR = "mirror"
    INVERT = "invert"
    GREY = "grey"
    SEPIA = "sepia"
    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    YELLOW = "yellow"
    PURPLE = "purple"
    BRIGHTER = "brighter"
    DARKER = "darker"
    BLUR = "blur"
    SHARPEN = "sharpen"
    PIXELATE = "pixelate"
    POSTERIZE = "posterize"
    BORDER = "border"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """
    What to do to a picture: effects, degrees to turn clockwise (0, 90, 180, 270), a caption or "".
    """

    effects: tuple[Effect, ...]
    turn: int
    caption: str

    def __str__(self) -> str:
        done = [str(effect) for effect in self.effects]
        if self.turn:
            done.append(f"rotate {self.turn}")
        if self.caption:
            done.append("caption")
        return ", ".join(done)


_WORDS = {
    Effect.MIRROR: (r"mirror(ed)?|flip(ped)?", "镜像|鏡像|翻转|翻轉"),
    Effect.INVERT: (r"invert(ed)?|negative", "反色|反相|负片|負片"),
    Effect.GREY: (r"gr[ea]y(scale)?|monochrome|black[ -]and[ -]white", "黑白|灰"),
    Effect.SEPIA: (r"sepia|vintage", "复古|復古|怀旧|懷舊"),
    Effect.RED: (r"red", "红|紅"),
    Effect.GREEN: (r"green", "绿|綠"),
    Effect.BLUE: (r"blue", "蓝|藍"),
    Effect.YELLOW: (r"yellow|gold(en)?", "黄|黃|金色"),
    Effect.PURPLE: (r"purple|violet", "紫"),
    # 漂亮 is pretty and 月亮 the moon: neither asks for more light.
    Effect.BRIGHTER: (r"bright(er|en)?|lighter", "(?<![漂月])亮"),
    Effect.DARKER: (r"dark(er|en)?", "暗"),
    Effect.BLUR: (r"blur(red|ry)?|soft(er|en)?", "模糊|虚化|虛化"),
    Effect.SHARPEN: (r"sharp(er|en)?", "锐化|銳化|清晰"),
    Effect.PIXELATE: (r"pixelated?|mosaic", "马赛克|馬賽克"),
    Effect.POSTERIZE: (r"posteri[sz]ed?|poster", "海报|海報"),
    Effect.BORDER: (r"border|frame", "边框|邊框|相框"),
}


def _pattern(latin: str, chinese: str) -> str:
    # Chinese has no spaces between words, so only Latin letters can end one.
    return rf"(?:(?<![a-z])(?:{latin})(?![a-z])|{chinese})"


_PATTERNS = {
    effect: re.compile(_pattern(*words), re.IGNORECASE) for effect, words in _WORDS.items()
}
_TURN = re.compile(
    _pattern(r"rotated?", "旋转|旋轉") + r"(?:\D{0,12}(90|180|270)(?!\d))?", re.IGNORECASE
)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」|『([^』]+)』")


def wish_of(prompt: str) -> Wish:
    """
    Return what the prompt asks for; one that names nothing known becomes the caption itself.
    """
    quoted = _QUOTED.search(prompt)
    caption = "" if quoted is None else next(text for text in quoted.groups() if text).strip()
    rest = _QUOTED.sub(" ", prompt)
    effects = tuple(effect for effect, words in _PATTERNS.items() if words.search(rest))
    turn = _TURN.search(rest)
    if not effects and turn is None and not caption:
        caption = prompt.strip()
    return Wish(effects=effects, turn=0 if turn is None else int(turn[1] or 90), caption=caption)
