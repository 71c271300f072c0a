"""
The known word that a misspelt one most likely stands for.
"""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], likeness: float = 0.0) -> str | None:
    """
    Return the known word most like `word`, None if none is.

    `likeness` from 0 to 1 is the least that counts; 0 takes the nearest, however far it is.
    """
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return near[0] if near else None
