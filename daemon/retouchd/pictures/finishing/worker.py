"""
The process that finishes one result: a task on standard input, a line about it and the file on standard output.
"""

import hashlib
import json
import sys
from typing import Any

from retouchd.pictures.finishing import task as tasks
from retouchd.pictures.finishing.finish import Finished, PictureShape, finish
from retouchd.pictures.finishing.task import Finishing, FinishingError


def main() -> None:
    """
    Finish what standard input says.
    """
    data = b""
    try:
        task = tasks.read(sys.stdin.buffer.read())
    except (KeyError, TypeError, ValueError) as error:
        _tell({"unfit": f"{type(error).__name__}: {error}"}, data)
        return
    try:
        found = finish(task)
        data = found.data or b""
        head: dict[str, Any] = {
            "bytes": len(data),
            "is_anew": found.data is not None,
            "report": report_of(found, task),
        }
    except FinishingError as fault:
        head = {"fault": str(fault)}
    except MemoryError:
        head = {"fault": "The memory did not suffice."}
    except OSError as error:
        head = {"fault": f"It could not be read: {error.strerror}."}
    _tell(head, data)


def _tell(head: dict[str, Any], data: bytes) -> None:
    out = sys.stdout.buffer
    out.write(json.dumps(head).encode("ascii") + b"\n")
    out.write(data)
    out.flush()


def report_of(found: Finished, task: Finishing) -> dict[str, Any]:
    """
    Return what the record tells of a finished result.
    """
    digest = hashlib.sha256(task.received.read_bytes()).hexdigest()
    outside = found.outside
    return {
        "received": {
            **_shape(found.received),
            "sha256": digest,
            "credentials": found.has_credentials,
        },
        "finished": _shape(found.finished),
        "padded": found.padded,
        "shift": None if found.shift is None else list(found.shift),
        "protected": found.protected,
        "colour_matched": found.is_colour_matched,
        "outside_mask_change": None
        if outside is None
        else {
            "mean": outside.mean,
            "worst": outside.worst,
            "place": list(outside.place),
            "words": outside.words,
        },
        "warnings": [each.words for each in found.cautions],
    }


def _shape(shape: PictureShape) -> dict[str, Any]:
    return {"format": shape.format, "width": shape.width, "height": shape.height}
