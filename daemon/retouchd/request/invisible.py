"""
Characters that nobody sees: what is left of a prompt without those around it.

They come with texts copied from web pages and chats, and from editors that mark a direction of writing. Inside
a text they may join letters (Persian, Indic) and emoji, so there they stay.
"""

import re

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt)."""
_BLANK = "\\s\u2800\ufff9-\ufffc"
"""White space, an empty Braille cell, annotation marks, and what stands for a pasted picture."""
_SELECTING = "\ufe00-\ufe0f\u180b-\u180d\u180f\U000e0020-\U000e007f\U000e0100-\U000e01ef"
"""Variation selectors and tags: they say how the character before them is drawn, such as a heart in colour."""

_BEFORE = re.compile(f"[{_BLANK}{_IGNORABLE}]+")
_AFTER = re.compile(f"(?:(?![{_SELECTING}])[{_BLANK}{_IGNORABLE}])[{_BLANK}{_IGNORABLE}]*\\Z")


def visible(text: str) -> str:
    """
    Return a text without the white space and the invisible characters around it; empty if it has no others.
    """
    start = _BEFORE.match(text)
    text = text[start.end() :] if start else text
    end = _AFTER.search(text)
    return text[: end.start()] if end else text
