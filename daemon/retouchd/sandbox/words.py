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
    FLIP = "flip"
    INVERT = "invert"
    GREY = "grey"
    SEPIA = "sepia"
    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    PINK = "pink"
    BRIGHTER = "brighter"
    DARKER = "darker"
    CONTRAST = "contrast"
    VIVID = "vivid"
    BLUR = "blur"
    SHARPEN = "sharpen"
    PIXELATE = "pixelate"
    POSTERIZE = "posterize"
    CUT_OUT = "cut out"
    BORDER = "border"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """
    What to do to a picture: effects, degrees to turn clockwise (0, 90, 180, 270), a caption or "".

    `backdrop` puts the picture before the first reference.
    """

    effects: tuple[Effect, ...]
    turn: int
    caption: str
    backdrop: bool = False

    def __str__(self) -> str:
        done = [str(effect) for effect in self.effects]
        if self.turn:
            done.append(f"rotate {self.turn}")
        if self.backdrop:
            done.append("backdrop")
        if self.caption:
            done.append("caption")
        return ", ".join(done)


_NOT_UPRIGHT = "(?<!上下)(?<!垂直)"
_WORDS = {
    Effect.MIRROR: (
        r"mirror(ed)?|flip(ped)?(?! (it )?(vertical|upside))",
        f"镜像|鏡像|{_NOT_UPRIGHT}(?:翻转|翻轉)|左右翻",
    ),
    Effect.FLIP: (
        r"flip(ped)? (it )?vertical(ly)?|upside[ -]down",
        "上下翻|垂直翻|颠倒|顛倒|倒过来",
    ),
    Effect.INVERT: (r"invert(ed)?|negative", "反色|反相|负片|負片|底片"),
    Effect.GREY: (r"gr[ea]y(scale)?|monochrome|black[ -]and[ -]white|b&w", "黑白|灰|单色|單色"),
    Effect.SEPIA: (r"sepia|vintage|retro", "复古|復古|怀旧|懷舊|老照片|褐色"),
    Effect.RED: (r"red(der)?", "(?<!粉)[红紅]"),
    Effect.ORANGE: (r"orange", "橙|橘"),
    Effect.YELLOW: (r"yellow|gold(en)?", "黄|黃|金色"),
    Effect.GREEN: (r"green(er)?", "绿|綠"),
    Effect.BLUE: (r"blu(e|er|ish)", "蓝|藍"),
    Effect.PURPLE: (r"purple|violet", "紫"),
    Effect.PINK: (r"pink", "粉红|粉紅|粉色"),
    # 漂亮 is pretty and 月亮 the moon: neither asks for more light.
    Effect.BRIGHTER: (r"bright(er|en)?|lighter", "(?<![漂月])亮"),
    Effect.DARKER: (r"dark(er|en)?", "暗|变黑|變黑"),
    Effect.CONTRAST: (r"contrast", "对比|對比|反差"),
    Effect.VIVID: (r"vivid|saturated?|colou?rful", "鲜艳|鮮艷|饱和|飽和"),
    Effect.BLUR: (r"blur(red|ry)?|soft(er|en)?", "模糊|虚化|虛化|柔和"),
    Effect.SHARPEN: (r"sharp(er|en)?", "锐化|銳化|锐利|清晰"),
    Effect.PIXELATE: (r"pixelated?|mosaic", "马赛克|馬賽克|像素"),
    Effect.POSTERIZE: (r"posteri[sz]ed?|poster", "海报|海報|色调分离"),
    Effect.CUT_OUT: (
        r"cut[ -]?out|(remove|without|no|transparent) (the |a |any )?background",
        "抠图|摳圖|(?:去除?|移除|透明)背景|去掉背景|背景透明",
    ),
    Effect.BORDER: (r"borders?|frame", "边框|邊框|相框|描边"),
}
_BACKDROP = (r"back(ground|drop)|scene|setting", "背景|场景|場景")


def _pattern(latin: str, chinese: str) -> str:
    # Chinese has no spaces between words, so only Latin letters can end one.
    return rf"(?:(?<![a-z])(?:{latin})(?![a-z])|{chinese})"


def _compiled(latin: str, chinese: str, more: str = "") -> re.Pattern[str]:
    return re.compile(_pattern(latin, chinese) + more, re.IGNORECASE)


_PATTERNS = {effect: _compiled(*words) for effect, words in _WORDS.items()}
_TURN = _compiled(
    r"rotated?|turn(?= (?:\d|by|left|right))", "旋转|旋轉", r"(?:\D{0,24}?(90|180|270)(?!\d))?"
)
_LEFT = _compiled(r"(counter|anti)[ -]?clockwise|left", "逆时针|逆時針|向左")
_BEHIND = _compiled(*_BACKDROP)
_QUOTED = re.compile(
    r"\"([^\"]+)\"|“([^”]+)”|„([^“”]+)[“”]|「([^」]+)」|『([^』]+)』|«([^»]+)»|‘([^’]+)’"
    # A straight one within or behind a Latin word is an apostrophe.
    r"|(?<![a-zA-Z0-9])'(?! )([^']+)(?<! )'(?![a-zA-Z0-9])"
)


def wish_of(prompt: str, *, references: int = 0) -> Wish:
    """
    Return what the prompt asks for; one that names nothing known becomes the caption itself.

    `references` is how many pictures came besides the one to edit.
    """
    quoted = _QUOTED.search(prompt)
    caption = "" if quoted is None else next(text for text in quoted.groups() if text).strip()
    rest = _QUOTED.sub(" ", prompt)
    effects = tuple(effect for effect, words in _PATTERNS.items() if words.search(rest))
    turn = _turn(rest)
    backdrop = references > 0 and Effect.CUT_OUT not in effects and _BEHIND.search(rest) is not None
    if not (effects or turn or backdrop or caption):
        caption = prompt.strip()
    return Wish(effects=effects, turn=turn, caption=caption, backdrop=backdrop)


def _turn(words: str) -> int:
    found = _TURN.search(words)
    if found is None:
        return 0
    degrees = int(found[1] or 90)
    return 360 - degrees if _LEFT.search(words) else degrees
