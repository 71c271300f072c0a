"""
The sidecar by which a job is asked for once more: what its record says was asked, with other prompts.
"""

import json
import posixpath
from collections.abc import Mapping
from typing import Any

from retouchd.config import EditSection
from retouchd.job.model import Scalar
from retouchd.request.fields import PROMPT_PARTS
from retouchd.request.output import PREFIX, Output
from retouchd.request.sidecar_tree import table
from retouchd.spool.finished_job import raw_name
from retouchd.spool.record import BESIDE_PARAMETERS
from retouchd.web.page.jobs import JobView

_CONFIGURATION = "config"


def sidecar_for(job: JobView, prompts: Mapping[int, str], folder: str) -> bytes:
    """
    Return the sidecar for a job whose edits get these prompts, by their numbers; `folder` is the picture's.

    What the configuration said is left to it, as is what is to be made of results where nobody else said.
    """
    head = _references(job, folder)
    if len(job.edits) == 1 and not job.edits[0].get("name"):
        values, tables = _edit(job.edits[0], prompts[1])
        return head + table(values, **tables)
    parts = [head]
    for number, prompt in sorted(prompts.items()):
        values, tables = _edit(job.edits[number - 1], prompt)
        name = str(job.edits[number - 1].get("name") or f"edit-{number}")
        inner = {f"edits.{key}": each for key, each in tables.items()}
        parts.append(b"\n[[edits]]\n" + table({"name": name, **values}, **inner))
    return b"".join(parts)


def _references(job: JobView, folder: str) -> bytes:
    """
    Return the line that names a job's references, nothing where its folder does.
    """
    request = job.record.get("request") or {}
    origin = str((request.get("from") or {}).get("images", ""))
    references = [raw_name(str(each)) for each in (request.get("images") or ())[1:]]
    if not references or origin.rpartition("/")[2].startswith("_"):
        return b""
    paths = [posixpath.relpath(each, folder or ".") for each in references]
    return f"images = {json.dumps(paths, ensure_ascii=False)}\n".encode()


def _edit(
    edit: Mapping[str, Any], prompt: str
) -> tuple[dict[str, Scalar], dict[str, Mapping[str, Scalar]]]:
    request: Mapping[str, Any] = edit.get("request") or {}
    origin: Mapping[str, Any] = request.get("from") or {}
    own = {
        key: value
        for key, value in request.items()
        if (key == "model" or key not in BESIDE_PARAMETERS)
        and isinstance(value, str | int | float)
        and origin.get(key) != _CONFIGURATION
    }
    known = {key: value for key, value in own.items() if key in EditSection.model_fields}
    extra = {key: value for key, value in own.items() if key not in known}
    # The record has the prompt as it was sent: nothing is to be joined to it again.
    whole = dict.fromkeys((key for key in PROMPT_PARTS if key in origin), "")
    values = {"prompt": prompt, **whole, **known}
    return values, {"extra": extra, "output": _output(edit.get("output") or {}, origin)}


def _output(kept: Mapping[str, Any], origin: Mapping[str, Any]) -> dict[str, Scalar]:
    """
    Return what an edit's results were to be, where anybody but the configuration had a say in it.
    """
    if all(place == _CONFIGURATION for key, place in origin.items() if key.startswith(PREFIX)):
        return {}
    output = Output.from_json(kept)
    found: dict[str, Scalar | None] = {
        "size": output.size,
        "format": output.format,
        "quality": output.quality,
        "metadata": output.metadata,
        "gps": output.gps,
        "profile": output.profile,
        "protect": output.protect,
        "protect_feather": output.feather,
        "detail": output.detail,
        "provenance": output.provenance,
        "provenance_prompt": output.provenance_prompt,
        "review": output.review,
        "name": output.name,
    }
    return {key: value for key, value in found.items() if value is not None}
