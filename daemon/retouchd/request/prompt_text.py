"""
What a prompt is put together of: texts before and after it, and fields in braces that stand for something else.

A field is `{stem}`, `{folder}`, `{width}`, `{height}` or `{vars.NAME}`; written in two pairs of braces it is
meant as it stands. Anything else in braces is left as it is: a prompt may well be JSON.
"""

import re
from collections.abc import Mapping

VARS = "vars."
SIZE_FIELDS = frozenset({"width", "height"})
_NAME = rf"stem|folder|width|height|{re.escape(VARS)}[A-Za-z][A-Za-z0-9_-]*"
_FIELD = re.compile(rf"\{{\{{(?P<literal>{_NAME})\}}\}}|\{{(?P<field>{_NAME})\}}")


def fields_in(text: str) -> frozenset[str]:
    """
    Return the names of the fields in a text, such as `stem` and `vars.client`.
    """
    return frozenset(each["field"] for each in _FIELD.finditer(text) if each["field"])


def filled(text: str, values: Mapping[str, str]) -> str:
    """
    Return a text with what its fields stand for, which is not looked through for fields again. Raises KeyError
    with the name of a field that has no value.
    """
    return _FIELD.sub(
        lambda each: values[each["field"]] if each["field"] else f"{{{each['literal']}}}", text
    )


def joined(before: str | None, prompt: str, after: str | None) -> str:
    """
    Return a prompt between what goes before and after it, with a blank line between them.
    """
    return "\n\n".join(each for each in (before, prompt, after) if each)
