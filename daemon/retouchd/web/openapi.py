"""
The OpenAPI document (3.1) of the listener. See https://spec.openapis.org/oas/v3.1.0.
"""

from typing import Any

from retouchd import __version__
from retouchd.config.schema import sidecar_schema

_OWN = frozenset({"$schema", "images", "prompt", "extra", "output"})


def document(root_path: str) -> dict[str, Any]:
    """
    Return the document; `root_path` is the path below which a proxy puts the listener.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "retouchd",
            "version": __version__,
            "description": "A hot folder for AI image edits: what is posted is dropped into the inbox.",
        },
        "servers": [{"url": root_path or "/"}],
        "security": [{}, {"bearer": []}, {"cookie": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "retouchd"},
            },
            "schemas": _schemas(),
        },
    }


def _paths() -> dict[str, Any]:
    stem = {
        "name": "stem",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^post-[0-9a-f]{16}$"},
    }
    number = {
        "name": "number",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
    return {
        "/edit": {"post": _post()},
        "/edit/{stem}": {
            "get": {
                "operationId": "show",
                "summary": "The picture of a post, or how it stands (Accept: application/json).",
                "parameters": [stem],
                "responses": _outcomes(),
            }
        },
        "/edit/{stem}/{number}": {
            "get": {
                "operationId": "showResult",
                "summary": "One of several results.",
                "parameters": [stem, number],
                "responses": _outcomes(),
            }
        },
        "/api/status.json": {
            "get": _plain("status", "What `retouchd status --json` says.", "Status")
        },
        "/api/jobs": {
            "get": {
                **_plain("jobs", "Finished jobs, oldest first, page by page.", "Jobs"),
                "parameters": [
                    {
                        "name": "after",
                        "in": "query",
                        "description": "What the page before has as next; without it from the beginning.",
                        "schema": {"type": "string"},
                    },
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {
                            "type": "integer",
                            "minimum": 1,
                            "maximum": 1000,
                            "default": 100,
                        },
                    },
                ],
            }
        },
        "/api/openapi.json": {"get": _plain("openapi", "This document.", "Anything")},
        "/livez": {"get": _health("livez", "Whether the run makes progress.", "Alive")},
        "/readyz": {"get": _health("readyz", "Whether what is dropped would be edited.", "Ready")},
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Figures for Prometheus.",
                "responses": {
                    "200": {
                        "description": "Prometheus' text format.",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    }
                },
            }
        },
    }


def _post() -> dict[str, Any]:
    sidecar = sidecar_schema()["properties"]
    results = {f"output.{key}": each for key, each in sidecar["output"]["properties"].items()}
    described = {
        key: {
            "description": each.get("description", ""),
            "type": ["string", "number", "integer", "boolean"],
        }
        for key, each in {**sidecar, **results}.items()
        if key not in _OWN
    }
    file = {"type": "string", "contentMediaType": "application/octet-stream"}
    properties = {
        "image": {**file, "description": "The picture."},
        "mask": {**file, "description": "A PNG; only its transparent parts are edited."},
        "reference": {
            "type": "array",
            "items": file,
            "description": "Further pictures that are sent along.",
        },
        "prompt": {"type": "string", "description": "What is to be done; without it the folder's."},
        "folder": {"type": "string", "description": "A sub-folder of the inbox."},
        "again": {
            "type": "boolean",
            "description": "Edit it, and pay, though the same was done before.",
        },
        "wait": {"type": "integer", "description": "As Prefer: wait=, for forms of a browser."},
        **described,
    }
    return {
        "operationId": "edit",
        "summary": "Have a picture edited.",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Whoever asks again with the same key gets the one picture.",
                "schema": {"type": "string"},
            },
            {
                "name": "Prefer",
                "in": "header",
                "description": "wait=120: answer with the picture, if it is there in so many seconds.",
                "schema": {"type": "string"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": properties,
                    }
                }
            },
        },
        "responses": {
            **_outcomes(),
            **{
                status: {"description": text, "content": _json("Error")}
                for status, text in _REFUSALS.items()
            },
        },
    }


_REFUSALS = {
    "400": "A field is missing or wrong.",
    "408": "The post did not arrive in time.",
    "409": "The same was edited before and its result is gone, or the name is taken.",
    "413": "Too large.",
    "415": "No picture that can be edited, or no multipart form.",
    "503": "Nothing is sent now, or too many wait: try again.",
    "507": "There is no space.",
}


def _outcomes() -> dict[str, Any]:
    pictures = {
        media: {"schema": {"type": "string", "contentMediaType": media}}
        for media in ("image/png", "image/jpeg", "image/webp")
    }
    return {
        "200": {"description": "The picture.", "content": {**pictures, **_json("Standing")}},
        "202": {
            "description": "It is not there yet; Location says where.",
            "content": _json("Standing"),
        },
        "404": {"description": "There is no such post or result.", "content": _json("Error")},
        "410": {"description": "The result was taken away.", "content": _json("Error")},
        "422": {
            "description": "It went to error/ for a reason of the picture or request; or the key was used.",
            "content": _json("Failed"),
        },
        "502": {
            "description": "It went to error/, and the endpoint is why.",
            "content": _json("Standing"),
        },
    }


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _plain(name: str, summary: str, schema: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": _json(schema)},
            "401": {"description": "A token is needed.", "content": _json("Error")},
        },
    }


def _health(name: str, summary: str, schema: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "security": [{}],
        "responses": {
            "200": {"description": "It does.", "content": _json(schema)},
            "503": {"description": "It does not.", "content": _json(schema)},
        },
    }


def _schemas() -> dict[str, Any]:
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    error = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": text,
            "message": text,
            "problems": {"type": "array", "items": text},
        },
    }
    standing = {
        "type": "object",
        "required": ["id", "address", "state", "folder"],
        "properties": {
            "id": text,
            "address": text,
            "state": {"enum": ["inbox", "work", "done", "error"]},
            "folder": text,
            "job": maybe,
            "reason": maybe,
            "results": {"type": "array", "items": text},
            "error": {"type": "object"},
        },
    }
    return {
        "Anything": {"type": "object"},
        "Error": {"type": "object", "required": ["error"], "properties": {"error": error}},
        "Standing": standing,
        "Failed": {"anyOf": [{"$ref": f"#/components/schemas/{n}"} for n in ("Standing", "Error")]},
        "Status": {
            "type": "object",
            "required": ["version", "at", "state", "attention"],
            "properties": {
                "version": {"const": 1},
                "at": text,
                "state": {"enum": ["running", "paused", "hung", "stopped", "unknown"]},
                "attention": {"type": "array", "items": text},
            },
        },
        "Jobs": {
            "type": "object",
            "required": ["jobs", "next", "is_last"],
            "properties": {
                "jobs": {"type": "array", "items": {"type": "object"}},
                "next": text,
                "is_last": {"type": "boolean"},
            },
        },
        "Alive": {
            "type": "object",
            "required": ["alive", "reason"],
            "properties": {"alive": {"type": "boolean"}, "reason": text},
        },
        "Ready": {
            "type": "object",
            "required": ["ready", "reasons"],
            "properties": {
                "ready": {"type": "boolean"},
                "reasons": {"type": "array", "items": text},
            },
        },
    }
