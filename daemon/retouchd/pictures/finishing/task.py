"""
What is to be finished, and how it is said to the process that does it; imports nothing large.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retouchd.pictures.finishing.geometry import Canvas
from retouchd.request.output import Output


class FinishingError(Exception):
    """
    A result could not be finished; says why, and what to do, in words.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Finishing:
    """
    What is to be finished. `canvas` is what of the upload was the picture, None where nothing was put around
    it; `model` and `system` say who made the result. `name` is what the original is called in messages.
    """

    received: Path
    original: Path
    mask: Path | None
    output: Output
    canvas: Canvas | None = None
    name: str = "The original"
    system: str = ""
    model: str = ""
    prompt: str | None = None
    max_megapixels: float = 120


def written(task: Finishing) -> bytes:
    """
    Return a task as one line.
    """
    body = {
        "received": os.fspath(task.received),
        "original": os.fspath(task.original),
        "mask": os.fspath(task.mask) if task.mask else None,
        "output": task.output.to_json(),
        "canvas": task.canvas.to_json() if task.canvas else None,
        "name": task.name,
        "system": task.system,
        "model": task.model,
        "prompt": task.prompt,
        "max_megapixels": task.max_megapixels,
    }
    return json.dumps(body).encode("ascii") + b"\n"


def read(raw: bytes) -> Finishing:
    """
    Return the task of a line.
    """
    body: dict[str, Any] = json.loads(raw)
    return Finishing(
        **{
            **body,
            "received": Path(body["received"]),
            "original": Path(body["original"]),
            "mask": Path(body["mask"]) if body["mask"] else None,
            "output": Output.from_json(body["output"]),
            "canvas": Canvas.from_json(body["canvas"]),
        }
    )
