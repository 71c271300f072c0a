"""
The language of a machine, and the encoding in which its editors save what is not Unicode.

A POSIX locale (`zh_CN.UTF-8`, `ja_JP`) is in the first of LC_ALL, LC_CTYPE and LANG that is set and not empty
(POSIX.1-2017, XBD 8.2). The encodings are those of Windows in that language, where such files come from.
"""

import re
from collections.abc import Mapping

_LOCALE = re.compile(
    r"(?P<language>[a-z]{2,3})(?:_(?P<country>[A-Z]{2}|[A-Z][a-z]{3}))?(?![A-Za-z])"
)
_TRADITIONAL = {"TW": "cp950", "HK": "cp950", "MO": "cp950", "Hant": "cp950"}
_ENCODINGS = {"zh": "gb18030", "ja": "cp932", "ko": "cp949", "ru": "cp1251"}


def encoding_of(environ: Mapping[str, str]) -> str | None:
    """
    Return the encoding of a Chinese, Japanese, Korean or Russian locale, None for any other.
    """
    names = (environ.get(each) for each in ("LC_ALL", "LC_CTYPE", "LANG"))
    found = _LOCALE.match(next((name for name in names if name), ""))
    if found is None:
        return None
    if found["language"] == "zh" and found["country"] in _TRADITIONAL:
        return _TRADITIONAL[found["country"]]
    return _ENCODINGS.get(found["language"])


def is_chinese(environ: Mapping[str, str]) -> bool:
    """
    Say whether a machine's language is Chinese as it is written in GB18030: Taiwan and Hong Kong have Big5.
    """
    return encoding_of(environ) == "gb18030"
