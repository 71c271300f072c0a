"""
What results are called: the template `output.name`, and its fields.
"""

import re
from collections.abc import Mapping

DEFAULT_NAME = "{stem}"

_FIELD = re.compile(r"\{([^{}]*)\}")
_JOB_FIELDS = frozenset({"stem", "model", "date", "id", "upload"})
_EDIT_FIELDS = frozenset({"name", "n"})


def checked_template(value: str) -> str:
    """
    Return a template by which results can be called. Raises ValueError with what is wrong, after "it".
    """
    unknown = sorted(set(_FIELD.findall(value)) - _JOB_FIELDS - _EDIT_FIELDS)
    if unknown:
        known = ", ".join(f"{{{each}}}" for each in sorted(_JOB_FIELDS | _EDIT_FIELDS))
        raise ValueError(f"holds {{{unknown[0]}}}, which is not known; known are {known}")
    rest = _FIELD.sub("", value)
    if "{" in rest or "}" in rest:
        raise ValueError("has a brace without its other one")
    if not value.strip() or value != value.strip():
        raise ValueError("is empty, or begins or ends with a space")
    if any(each in rest for each in '/\\:*?"<>|') or any(ord(each) < 32 for each in rest):
        raise ValueError(
            "holds a character that file names do not have on every system; it names no folder"
        )
    if value.startswith((".", "_")):
        raise ValueError("begins with a dot or an underline, by which files are left alone")
    return value


def stem_of(template: str, values: Mapping[str, str]) -> str:
    """
    Return the stem that the results of a job share: without `{name}` and `{n}`, and the marks that stood beside
    them.

    `values` are those of the fields of a job; what in them cannot stand in a name becomes a hyphen.
    """
    text = template
    for field in _EDIT_FIELDS:
        text = re.sub(rf"[-_. ]*\{{{field}\}}", "", text)
    found = _FIELD.sub(lambda each: _plain(values.get(each[1], "")), text).strip(" .-_")
    return found or _plain(values.get("stem", "")) or "result"


def name_of(template: str, stem: str, *, name: str, number: int, count: int) -> str:
    """
    Return the stem of one result: its template's `{name}` and `{n}` in place of the usual `-warm` and `-1`.

    `stem` is the one that the job's results share, as it was found free; `number` counts from 1.
    """
    if "{name}" not in template and "{n}" not in template:
        return stem + (f"-{name}" if name else "") + (f"-{number}" if count > 1 else "")
    text = template
    shared = _FIELD.sub(lambda each: f"{{{each[1]}}}" if each[1] in _EDIT_FIELDS else "\0", text)
    parts = re.findall(r"[-_. ]*\{(?:name|n)\}", shared)
    values = {"name": name, "n": str(number) if count > 1 or "{name}" not in template else ""}
    ending = "".join(_ending(each, values) for each in parts)
    if count > 1 and "{n}" not in template:
        ending += f"-{number}"
    if name and "{name}" not in template:
        ending = f"-{name}{ending}"
    return stem + ending


def _ending(part: str, values: Mapping[str, str]) -> str:
    mark, _, field = part.rpartition("{")
    value = _plain(values[field.removesuffix("}")])
    return f"{mark or '-'}{value}" if value else ""


def _plain(text: str) -> str:
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]+', "-", text).strip(" .")
