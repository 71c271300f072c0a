"""
The language of a machine decides how prompts that are no Unicode are read.
"""

import codecs

import pytest

from retouchd.request.text_encoding import encoding_of, is_chinese


@pytest.mark.parametrize(
    ("locale", "encoding"),
    [
        ("zh_CN.UTF-8", "gb18030"),
        ("zh_CN.GB18030", "gb18030"),
        ("zh_CN", "gb18030"),
        ("zh_SG.utf8", "gb18030"),
        ("zh_Hans", "gb18030"),
        ("zh", "gb18030"),
        ("zh_TW.UTF-8", "cp950"),
        ("zh_HK.big5hkscs", "cp950"),
        ("zh_MO", "cp950"),
        ("zh_Hant_TW", "cp950"),
        ("ja_JP.UTF-8", "cp932"),
        ("ko_KR.UTF-8@x", "cp949"),
        ("ru_RU.KOI8-R", "cp1251"),
        ("ru_UA", "cp1251"),
        ("de_DE.UTF-8", None),
        ("en_US", None),
        ("C.UTF-8", None),
        ("POSIX", None),
        ("zho", None),
        ("", None),
    ],
)
def test_four_languages_have_an_encoding(locale: str, encoding: str | None) -> None:
    """
    It is one that Python knows, and only the mainland's Chinese is GB18030.
    """
    assert encoding_of({"LANG": locale}) == encoding
    assert is_chinese({"LANG": locale}) == (encoding == "gb18030")
    if encoding:
        codecs.lookup(encoding)


def test_the_first_variable_that_is_set_decides() -> None:
    """
    LC_ALL, then LC_CTYPE, then LANG; an empty one is not set.
    """
    assert encoding_of({"LC_ALL": "ja_JP", "LC_CTYPE": "ko_KR", "LANG": "zh_CN"}) == "cp932"
    assert encoding_of({"LC_ALL": "", "LC_CTYPE": "ko_KR", "LANG": "zh_CN"}) == "cp949"
    assert encoding_of({"LC_ALL": "C", "LANG": "zh_CN"}) is None
    assert encoding_of({}) is None
