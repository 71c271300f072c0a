"""
The JSON Schema of a record: what `spool.record` writes beside the originals. Fields may be added.
"""

from typing import Any

from retouchd.errors import JobCode
from retouchd.job.model import Verdict

_TEXT: dict[str, Any] = {"type": "string"}
_WHEN = {"type": "string", "format": "date-time"}
_USD = {"type": ["number", "null"], "minimum": 0}
_PATHS = {"type": "array", "items": _TEXT}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [key for key in properties if key not in optional]
    return {"type": "object", "properties": properties, "required": required}


_PROBLEM = {"code": {"enum": [each.value for each in JobCode]}, "message": _TEXT, "hint": _TEXT}
_ERROR = _maybe(
    _object({**_PROBLEM, "problems": {"type": "array", "minItems": 1, "items": _object(_PROBLEM)}})
)
_CONTENT = {"bytes": {"type": "integer"}, "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}
_FINGERPRINT = _object({"size": {"type": "integer"}, "sha256": _CONTENT["sha256"]})
_REQUEST = _object(
    {
        "model": _TEXT,
        "prompt": {"type": ["string", "null"]},
        "images": _PATHS,
        "mask": {"type": ["string", "null"]},
        "removed": _PATHS,
        "from": {"type": "object", "additionalProperties": _TEXT},
    }
)
_ATTEMPT = _object(
    {
        "edit": {"type": "integer", "minimum": 1},
        "number": {"type": "integer", "minimum": 1},
        "model": _TEXT,
        "sent_at": _WHEN,
        "seconds": {"type": "number", "minimum": 0},
        "verdict": {"enum": [each.value for each in Verdict]},
        "http_status": {"type": ["integer", "null"]},
        "code": {"type": ["string", "null"]},
        "message": {"type": ["string", "null"]},
        "request_id": {"type": ["string", "null"]},
        "cost_usd": _USD,
        "cost_from": {"type": ["string", "null"]},
        "charge": {"type": ["object", "null"]},
    }
)
_SHAPE = {
    "format": _TEXT,
    "width": {"type": "integer", "minimum": 1},
    "height": {"type": "integer", "minimum": 1},
}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_RECEIVED = {**_SHAPE, "sha256": _CONTENT["sha256"], "credentials": {"type": "boolean"}}
_CHANGE = {
    "mean": {"type": "number", "minimum": 0},
    "worst": {"type": "number", "minimum": 0},
    "place": _NUMBERS,
    "words": _TEXT,
}
_FINISHED = {
    "received": _object(_RECEIVED),
    "finished": _object(_SHAPE),
    "padded": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "shift": _maybe(_NUMBERS),
    "protected": {"enum": ["exact", "encoded", None]},
    "colour_matched": {"type": "boolean"},
    "outside_mask_change": _maybe(_object(_CHANGE)),
    "warnings": _PATHS,
    "edit": {"type": "integer", "minimum": 1},
    "number": {"type": "integer", "minimum": 1},
    "key": _TEXT,
    "output": {"type": "object"},
    "finished_at": _WHEN,
}
"""What is told of a result where it was to be written anew; from `edit` on, where that was done later."""
_SENT = _object({"size": {"type": ["string", "null"]}, "canvas": _maybe(_NUMBERS)})
_KEPT = {
    "edit": {"type": "integer", "minimum": 1},
    "asked": _FINGERPRINT,
    "path": _TEXT,
    **_CONTENT,
    "sent": _SENT,
}
_EDIT = _object(
    {
        "name": {"type": ["string", "null"]},
        "status": {"enum": ["done", "error", "had"]},
        "request": _REQUEST,
        "fingerprint": _maybe(_FINGERPRINT),
        "outputs": _PATHS,
        "error": _ERROR,
        "sent": _SENT,
        "output": {"type": "object"},
    },
    "sent",
    "output",
)


def record_schema() -> dict[str, Any]:
    """
    Return the schema of a record; docs/records.md says what each field means.
    """
    body = _object(
        {
            "version": {"const": 1},
            "id": {"type": "string", "pattern": "^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$"},
            "previous": {"type": ["string", "null"]},
            "status": {"enum": ["done", "error"]},
            "name": _TEXT,
            "name_hex": _TEXT,
            "image": {"type": ["string", "null"]},
            "folder": _TEXT,
            "claimed_at": _WHEN,
            "finished_at": _WHEN,
            "request": _REQUEST,
            "attempts": {"type": "array", "items": _ATTEMPT},
            "edits": {"type": "array", "minItems": 1, "items": _EDIT},
            "outputs": _PATHS,
            "review": _PATHS,
            "warnings": _PATHS,
            "usage": {"type": ["object", "null"]},
            "cost_usd": _USD,
            "in_doubt_usd": _USD,
            "error": _ERROR,
            "files": _PATHS,
            "companions": _PATHS,
            "fingerprint": _FINGERPRINT,
            "original": {"type": "object"},
            "results": {
                "type": "array",
                "items": _object({"path": _TEXT, **_CONTENT, **_FINISHED}, *_FINISHED),
            },
            "received": {"type": "array", "items": _object(_KEPT, "sent")},
            "references": {"type": "array", "items": {"type": "object"}},
            "outbox": _TEXT,
        },
        *(
            "name_hex",
            "review",
            "files",
            "companions",
            "fingerprint",
            "original",
            "results",
            "received",
            "references",
            "outbox",
        ),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Record of a job of retouchd",
        **body,
    }
